"""JSON Schema of what a dialect takes and returns, from its shapes and views."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from service.api.kit.bounds import Schema, the
from service.api.kit.dialect import Dialect

# Parameters have a validator of their own, after which pydantic keeps its own keywords.
STANDARD_WORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
ANY_OBJECT = {"type": "object", "additionalProperties": True}


class Schemas:
    """The schemas of one dialect; its components are `dialect.Name`."""

    def __init__(self, dialect: Dialect) -> None:
        self._name = dialect.name
        shapes = [model for endpoint in dialect.endpoints for model in endpoint.models]
        views = [view for view in _views(dialect) if view is not None]
        taken, shape_components = self._made(shapes, "validation")
        returned, view_components = self._made(views, "serialization")
        self._schemas = taken | returned
        self.components = _standard(shape_components | _closed(view_components))

    def of(self, kind: Any) -> Schema:
        """Return the schema of a shape or view: usually a reference to a component."""
        return self._schemas[_key(kind)]

    def component(self, model: type[BaseModel]) -> Schema:
        """Return the schema of a shape itself."""
        found: Schema = self.components[self.of(model)["$ref"].rpartition("/")[2]]
        return found

    def _made(self, kinds: Iterable[Any], mode: JsonSchemaMode) -> tuple[dict[str, Schema], Schema]:
        adapters = [(_key(kind), mode, TypeAdapter(kind)) for kind in kinds]
        schemas, definitions = TypeAdapter.json_schemas(
            adapters, ref_template=the(f"{self._name}.{{model}}")["$ref"]
        )
        components = definitions.get("$defs", {})
        return (
            {key: schema for (key, _), schema in schemas.items()},
            {f"{self._name}.{name}": schema for name, schema in components.items()},
        )


def _views(dialect: Dialect) -> Iterable[Any]:
    yield dialect.failure
    yield from dialect.failures.values()
    for endpoint in dialect.endpoints:
        yield endpoint.returns
        yield from (event.data for event in endpoint.events if event.is_json)


def _key(kind: Any) -> str:
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', repr(kind))}"


def _closed(components: Schema) -> Schema:
    """State for each view that it has no other fields."""
    return {
        name: {"additionalProperties": False} | schema if "properties" in schema else schema
        for name, schema in components.items()
    }


def _standard(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_standard(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.items() >= ANY_OBJECT.items():
        rest = {word: part for word, part in schema.items() if word not in ANY_OBJECT}
        return the("JsonObject") | rest
    return {STANDARD_WORDS.get(word, word): _standard(part) for word, part in schema.items()}
