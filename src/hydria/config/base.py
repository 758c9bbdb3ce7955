"""What every model of a config shares: the base class, and the numbers of its fields."""

from __future__ import annotations

import json
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
        use_attribute_docstrings=True,
        defer_build=True,  # a part is built with its whole: a fifth of the time of `hydria job`
        allow_inf_nan=False,
    )


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
