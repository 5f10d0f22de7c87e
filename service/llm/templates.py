"""Situations that are templates: Jinja in its sandbox, and only a small part of its language.

The sandbox keeps templates away from our objects, but not from running forever or filling the
memory. So only what cannot grow is allowed: text, values, conditions, loops whose steps are
counted, and filters whose result is not larger than their input.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jinja2 import ChainableUndefined, TemplateError, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from service.domain.errors import InvalidInput

MAX_TEMPLATE_CHARS = 16 * 1024
MAX_OUTPUT_CHARS = 64 * 1024
# For the turns of all loops together: each turn takes as many steps as its loop has parts.
MAX_STEPS = 20_000
COUNTED = "counted"

FILTERS = (
    *("abs", "capitalize", "d", "default", "first", "int", "last", "length", "lower"),
    *("title", "trim", "upper"),
)
TESTS = ("defined", "undefined", "none", "string", "number", "mapping", "sequence", "boolean")
NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr),
    *(nodes.Getitem, nodes.If, nodes.For, nodes.CondExpr, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Filter, nodes.Test),
)


class _Environment(ImmutableSandboxedEnvironment):
    """Shows nothing of a value but its items: no methods, no attributes."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)


class SandboxedTemplates:
    """Keeps what the Templates port promises. Missing values are rendered as nothing."""

    def render(self, template: str, variables: Mapping[str, Any]) -> str:
        if len(template) > MAX_TEMPLATE_CHARS:
            raise _invalid(f"must have at most {MAX_TEMPLATE_CHARS} characters as a template.")
        try:
            environment = _environment()
            checked = _checked(environment.parse(template))
            return _joined(environment.from_string(checked).generate(**variables))
        except (TemplateError, SyntaxError) as error:
            raise _invalid(f"is no template that can be rendered: {str(error)[:200]}") from None
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            raise _invalid("is a template that fails with this session.") from None


def _environment() -> _Environment:
    # The output is a prompt, not HTML.
    environment = _Environment(undefined=ChainableUndefined, cache_size=0)
    filters, tests = environment.filters, environment.tests
    environment.globals = {}
    environment.filters = {name: filters[name] for name in FILTERS} | {COUNTED: _Steps().counted}
    environment.tests = {name: tests[name] for name in TESTS}
    return environment


class _Steps:
    def __init__(self) -> None:
        self._left = MAX_STEPS

    def counted(self, items: Iterable[Any], steps: int) -> Iterator[Any]:
        for item in items:
            self._left -= steps
            if self._left < 0:
                raise _invalid(f"is a template whose loops take more than {MAX_STEPS} steps.")
            yield item


def _checked(template: nodes.Template) -> nodes.Template:
    """Return the template with counted loops, if it holds only what is allowed."""
    for node in template.find_all(nodes.Node):
        if not isinstance(node, NODES):
            raise _invalid(f"must not use '{type(node).__name__}' in a template.")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise _invalid(f"must not use the filter '{node.name}' in a template.")
    for loop in list(template.find_all(nodes.For)):
        steps = nodes.Const(sum(1 for _ in loop.find_all(nodes.Node)))
        loop.iter = nodes.Filter(loop.iter, COUNTED, [steps], [], None, None, lineno=loop.lineno)
    return template


def _joined(pieces: Iterable[str]) -> str:
    text = ""
    for piece in pieces:
        text += piece
        if len(text) > MAX_OUTPUT_CHARS:
            raise _invalid(f"must be rendered to at most {MAX_OUTPUT_CHARS} characters.")
    return text


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput("situation", problem)
