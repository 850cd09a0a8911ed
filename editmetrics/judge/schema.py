"""Schemas of structured answers: a pydantic model, or a small schema written as a dict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


def model_of(schema: Any) -> type[BaseModel]:
    """Return the pydantic model of a schema.

    `schema` is a pydantic model itself, or a dict from field names, all required, to what the field holds:

    - `range(0, 11)`: a whole number of that range, 0 to 10;
    - `(0, 10)`: a number from 0 to 10, both included;
    - `["yes", "no"]`: one of these texts;
    - `str`, `int`, `float` or `bool`.

    Raises `TypeError` for anything else: a schema is the program's own.

    >>> model_of({"score": range(0, 3), "why": str}).model_validate_json('{"score": 2, "why": "sharp"}').score
    2
    """
    from pydantic import BaseModel, create_model

    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return schema
    if isinstance(schema, Mapping) and schema:
        fields: Any = {str(name): _field(held) for name, held in schema.items()}
        made: type[BaseModel] = create_model("Answer", **fields)
        return made
    raise TypeError(
        f"{schema!r} is not a schema; expected a pydantic model, or a dict such as {{'score': range(0, 11)}}"
    )


def json_schema(schema: Any) -> dict[str, Any]:
    """Return a schema as JSON Schema, with `additionalProperties` forbidden.

    >>> json_schema({"score": (0, 10)})["properties"]["score"]["maximum"]
    10
    """
    closed: dict[str, Any] = _closed(model_of(schema).model_json_schema())
    return closed


def _field(held: Any) -> tuple[Any, Any]:
    from pydantic import Field

    if isinstance(held, range) and len(held) and held.step == 1:
        return int, Field(ge=held.start, le=held[-1])
    if isinstance(held, tuple) and len(held) == 2 and held[0] < held[1]:
        return float, Field(ge=held[0], le=held[1], allow_inf_nan=False)
    if (
        isinstance(held, Sequence)
        and not isinstance(held, str)
        and held
        and all(isinstance(word, str) for word in held)
    ):
        from typing import Literal

        return Literal[tuple(held)], ...
    if held in (str, int, float, bool):
        return held, ...
    raise TypeError(
        f"{held!r} does not describe a field; expected range(0, 11), (0, 10), ['yes', 'no'], str, int or float"
    )


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    return closed | {"additionalProperties": False} if "properties" in closed else closed
