"""Where a key belongs, and what is wrong with a value, in the words of the config's author."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hydria.config.hydragnn_json import ALIASES, MOVED
from hydria.config.run import RunConfig
from hydria.core.errors import Problem
from hydria.core.registry import nearest

KeyPath = tuple[str, ...]
TAGS = ("mpnn_type", "type")


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation admits."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


@cache
def schema() -> dict[KeyPath, str]:
    """Every path a config may hold → its description; sections come before their keys."""
    return dict(_walk(RunConfig, ()))


def _walk(model: type[BaseModel], prefix: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for name, field in model.model_fields.items():
        path = (*prefix, field.alias or name)
        yield path, field.description or ""
        for inner in models_in(field.annotation):
            yield from _walk(inner, path)


def full_path(written: KeyPath) -> KeyPath:
    """The path meant by one whose front is left out, or that has another spelling.

    A path that is unknown or ambiguous comes back as it is, for validation to complain about.
    """
    for table in (MOVED, ALIASES):
        for old, new in table.items():
            if written[: len(old)] == old:
                written = (*new, *written[len(old) :])
    if written in schema():
        return written
    ends = {path for path in schema() if path[-len(written) :] == written}
    return ends.pop() if len(ends) == 1 else written


def problems_of(err: ValidationError, tree: dict[str, Any]) -> list[Problem]:
    """One problem per fault, at the place where it is written."""
    found: dict[str, Problem] = {}
    for error in err.errors(include_url=False):
        where = _as_written(error["loc"], tree)
        problem = _explained(dict(error), where, tree)
        found.setdefault(problem.path, problem)
    return list(found.values())


def _as_written(loc: tuple[int | str, ...], tree: Any) -> tuple[int | str, ...]:
    """Leave out the labels that pydantic adds for the members of a union."""
    where: list[int | str] = []
    node = tree
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(node, dict):
            if step not in node and (not last or step in {node.get(tag) for tag in TAGS}):
                continue
            node = node.get(str(step))
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            continue
        where.append(step)
    return tuple(where)


def dotted(where: tuple[int | str, ...]) -> str:
    """`Dataset.path.total`, `heads[0].type`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".")


def _explained(
    error: dict[str, Any], where: tuple[int | str, ...], tree: dict[str, Any]
) -> Problem:
    kind, got = error["type"], error["input"]
    context = error.get("ctx", {})
    path = dotted(where)
    if kind == "extra_forbidden":
        return _unknown_key(where)
    if kind == "missing":
        return Problem(path, "expected a value, got none", _description(where))
    if kind == "union_tag_not_found":
        tag = str(context.get("discriminator", "type")).strip("'")
        return Problem(f"{path}.{tag}", "expected a value, got none", _description((*where, tag)))
    if kind == "union_tag_invalid":
        tag, known = str(context["discriminator"]).strip("'"), str(context["expected_tags"])
        close = nearest(str(context["tag"]), known.replace("'", "").split(", "))
        hint = f"did you mean {close!r}?" if close else None
        return Problem(f"{path}.{tag}", f"expected one of {known}, got {context['tag']!r}", hint)
    if kind == "value_error":
        return Problem(path, str(context["error"]))
    expected = EXPECTED.get(kind, error["msg"].replace("Input should be", "expected"))
    return Problem(
        path,
        f"{expected.format(**context)}{_unit(where)}, got {_shown(got)}",
        _suggestion(kind, got, context),
    )


# What pydantic calls a fault → what was expected.
EXPECTED = {
    "greater_than": "expected a number > {gt}",
    "greater_than_equal": "expected a number ≥ {ge}",
    "less_than": "expected a number < {lt}",
    "less_than_equal": "expected a number ≤ {le}",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_type": "expected text",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "model_type": "expected an object with keys",
    "model_attributes_type": "expected an object with keys",
    "dict_type": "expected an object with keys",
    "literal_error": "expected one of {expected}",
    "string_pattern_mismatch": "expected text that matches {pattern}",
}


def _unknown_key(where: tuple[int | str, ...]) -> Problem:
    key = str(where[-1])
    section = tuple(step for step in where[:-1] if isinstance(step, str))
    here = {path[-1] for path in schema() if path[:-1] == section}
    close = nearest(key, here)
    elsewhere = sorted({".".join(path[:-1]) for path in schema() if path[-1] == key and path[:-1]})
    if close:
        hint = f"did you mean {close!r}?"
    elif elsewhere:
        hint = f"{key!r} belongs under {elsewhere[0]}"
    else:
        hint = "keys that begin with '_' are taken as comments"
    return Problem(dotted(where), "unknown key", hint)


def _description(where: tuple[int | str, ...]) -> str | None:
    path = tuple(step for step in where if isinstance(step, str))
    return schema().get(path) or None


def _unit(where: tuple[int | str, ...]) -> str:
    """The unit that a key's description ends with, in brackets."""
    description = _description(where) or ""
    for unit in ("Å", "eV"):
        if f", {unit}." in description:
            return f" ({unit})"
    return ""


def _suggestion(kind: str, got: Any, context: dict[str, Any]) -> str | None:
    if kind != "literal_error" or not isinstance(got, str):
        return None
    known = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
    close = nearest(got, known)
    return f"did you mean {close!r}?" if close else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
