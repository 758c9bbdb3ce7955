"""What every model of a config shares: the base class, and the numbers of its fields."""

from __future__ import annotations

import ast
import inspect
import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticKnownError


class Frozen(BaseModel):
    """A part of a config: immutable, no unknown keys, read by JSON key or attribute name."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        defer_build=True,  # a part is built with its whole: a fifth of the time of `hydria job`
        allow_inf_nan=False,
    )


@cache
def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Field → the text below it in the source, for documentation; base classes come first.

    Only help, messages and the schema need them: pydantic's `use_attribute_docstrings` would read
    every source whenever a config is loaded.
    """
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel) and part is not BaseModel:
            found |= _below_fields(part)
    given = {name: field.description for name, field in model.model_fields.items()}
    return found | {name: text for name, text in given.items() if text}


def _below_fields(model: type[BaseModel]) -> dict[str, str]:
    body = _classes(inspect.getfile(model)).get(model.__qualname__, ())
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }


@cache
def _classes(file: str) -> dict[str, list[ast.stmt]]:
    """Name → body of the classes at the top of a source file."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}


def _no_truth(value: Any) -> Any:
    """`true` is no number, although Python counts with it."""
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


# Whole numbers are strict: 2.5 epochs, "3" layers and `true` are slips. Other numbers may come as
# text, because YAML reads 1e-3 as text.
Count = Annotated[int, Field(gt=0, strict=True)]
Index = Annotated[int, Field(ge=0, strict=True)]
Real = Annotated[float, BeforeValidator(_no_truth)]
Positive = Annotated[float, Field(gt=0), BeforeValidator(_no_truth)]
NonNegative = Annotated[float, Field(ge=0), BeforeValidator(_no_truth)]
Fraction = Annotated[float, Field(gt=0, lt=1), BeforeValidator(_no_truth)]
# HydraGNN's files hold 0 and 1 as well.
Switch = Annotated[bool, WithJsonSchema({"enum": [True, False, 0, 1]})]


def none_is(default: object) -> BeforeValidator:
    """Upstream writes null where it means the default."""
    return BeforeValidator(lambda value: default if value is None else value)


def described(expected: str) -> WrapValidator:
    """One message for a field of several forms, instead of one for each form that did not fit."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as err:
            raise ValueError(f"expected {expected}, got {shown(value)}") from err

    return WrapValidator(validate)


def shown(value: Any) -> str:
    """A value as it stands in a file, shortened for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = str(type(value).__name__)
    return text if len(text) <= 60 else f"{text[:57]}..."
