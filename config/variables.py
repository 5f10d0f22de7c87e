"""Which environment variables are ours: a typo in one must not switch a rule off unnoticed."""

import re
from collections.abc import Mapping
from difflib import get_close_matches

PREFIX = "SESSIONS_"
# What Kubernetes sets in every pod for a Service whose name begins with "sessions".
_SERVICE_NAME = re.compile(r"(\w+_)?(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))(_\w+)?")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://")


class UnknownVariable(ValueError):
    def __init__(self, variable: str, known: list[str]) -> None:
        nearest = get_close_matches(variable, known, n=1, cutoff=0)[0]
        super().__init__(
            f"{variable} is no setting; did you mean {nearest}? The README lists them all."
        )


def refuse_unknown(variables: Mapping[str, str | None], settings: list[str]) -> None:
    """Raise UnknownVariable if one with our prefix is neither a setting nor set by Kubernetes."""
    known = [f"{PREFIX}{name.upper()}" for name in settings]
    for given, value in variables.items():
        variable = given.upper()
        is_ours = variable.startswith(PREFIX) and variable not in known
        if is_ours and not _is_of_a_service(variable.removeprefix(PREFIX), value or ""):
            raise UnknownVariable(variable, known)


def refuse_service_url(value: object) -> object:
    """Raise ValueError if a port is what Kubernetes sets for a Service named like the setting."""
    if isinstance(value, str) and _SERVICE_URL.match(value):
        raise ValueError(
            "this is Kubernetes' variable of a Service, not a port. Set enableServiceLinks: false "
            "in the pod's spec, as k8s/base does."
        )
    return value


def _is_of_a_service(name: str, value: str) -> bool:
    return bool(_SERVICE_NAME.fullmatch(name)) or bool(
        name.endswith("_PORT") and _SERVICE_URL.match(value)
    )
