"""What every policy model shares: immutable, unknown keys refused, numbers strict."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class PolicyModel(BaseModel):
    """A frozen part of the policy; an unknown key is an error with its path.

    What stands below a field as its docstring becomes its description in the JSON schema. It is read when a
    schema is asked for: pydantic's own way reads all sources at import, a quarter of a service's start.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema with a description for each field that has a docstring."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in _docstrings(cls).items():
            if name in properties:
                properties[name].setdefault("description", text)
        return schema


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings of a class's fields, those it inherits included."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, PolicyModel) or kind is PolicyModel:
            continue
        source = ast.parse(textwrap.dedent(inspect.getsource(kind)))
        for node in ast.walk(source):
            if isinstance(node, ast.ClassDef):
                found |= dict(_documented(node))
    return found


def _documented(body: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(body.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(ast.Constant(str(said))):
                yield name, inspect.cleandoc(said)
            case _:
                continue
