"""What an attacker sends in the hope that it becomes part of a query."""

from typing import Any

OPERATORS = (
    *("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "and", "or", "nor", "not", "exists"),
    *("type", "expr", "jsonSchema", "mod", "regex", "options", "text", "search", "where"),
    *("all", "elemMatch", "size", "bitsAllSet", "geoWithin", "near", "comment", "rand"),
    *("set", "unset", "inc", "push", "pull", "rename", "currentDate", "setOnInsert"),
    *("function", "accumulator", "lookup", "out", "merge", "match", "project", "natural"),
)
TEXTS: tuple[str, ...] = (
    *("a.b", "user_id.x", ".", "..", "$", "$$ROOT", "$$NOW", "$user_id", "a.$[].b", "_id", "0"),
    *("__proto__", "constructor.prototype", "constructor", "hasOwnProperty", "toString"),
    *("'; return true; //", "' || '1'=='1", "1; sleep(1000)", "db.dropDatabase()", "/.*/"),
    *("this.user_id != null", "function(){return true}", "{{7*7}}", "${7*7}", "%24where"),
    *("\x00", "a\x00b", "\x00$where", "\ufeff", "\u202e", "\uffff", "\U0010ffff", "é", "\r\nX: y"),
    *("null", "true", "NaN", "-Infinity", "1e999", "9" * 400, "-1", "0x10", "1_000", "٣", ""),
    *("../../etc/passwd", "..%2f..", "id:*", "*", ".*", "^", "[", "(", "\\", '"', "<b>"),
    "x" * 5000,
)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, -(2**63) - 1, 10**400, 1.5, 1e308, [], {}, [[]], [None], [{}]),
    *({"__proto__": {"is_admin": True}}, {"constructor": {"prototype": {}}}, {"a.b": 1}),
    *({"_id": 1}, {"": 1}, {"a\x00b": 1}, {"length": 2**31}, [[["$ne", 1]]]),
)


def payloads() -> list[Any]:
    named = [f"${name}" for name in OPERATORS]
    objects = [{name: value} for name in named for value in ("", ["x"])]
    lists = [[{name: 1}] for name in named]
    return [*named, *objects, *lists, *TEXTS, *VALUES]
