"""JSON that a store could easily corrupt: each value must come back exactly as it was sent."""

from typing import Any

ODD_JSON: dict[str, dict[str, Any]] = {
    "nothing": {},
    "key order": {"z": 1, "a": 2, "m": {"2": 0, "10": 0, "1": 0}},
    "operators": {"$set": {"a": 1}, "$where": "1", "$gt": ""},
    "dots": {"a.b": 1, ".": 2, "a..b": 3, "a.": 4},
    "empty keys": {"": {"": ""}},
    "database references": {"$ref": "users", "$id": "1", "$db": "admin"},
    "extended JSON": {"$oid": "0" * 24, "$date": 0, "$numberLong": "1", "$binary": {}},
    "field names of ours": {"_id": 1, "seq": -1, "deleting": True, "s": 0, "n": 0},
    "prototype": {"__proto__": {"x": 1}, "constructor": None},
    "integers at the edges of 64 bits": {"least": -(2**63), "greatest": 2**63 - 1},
    "integers beside 53 and 32 bits": {"a": [2**53 + 1, -(2**53) - 1, 2**31, -(2**31) - 1]},
    "floats": {"a": [0.1, 1.0, -0.0, 1e308, 5e-324, 1 / 3, 1e16, 123456789.123456789]},
    "one, one point nought and true": {"a": [1, 1.0, True], "b": [0, 0.0, False, None]},
    "unicode": {"ключ": "你好 🙂 \u0301e é \u200d \ufeff \U0010ffff"},
    "control characters": {"a\tb\n": '\x01\x1f\x7f\\"/\u2028\u2029'},
    "empty and null": {"a": None, "b": [], "c": {}, "d": "", "e": [None, [], {}]},
    "deep": {"a": [[[[[[[[{"b": [{"c": [1]}]}]]]]]]]]},
}
