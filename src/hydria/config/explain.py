"""Where a key belongs, and what is wrong with a value, in the words of the config's author."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from hydria.config.base import descriptions, shown
from hydria.config.dataset import NAME
from hydria.config.hydragnn_json import ALIASES, MOVED, UNUSED
from hydria.config.run import RunConfig
from hydria.core.errors import Problem
from hydria.core.registry import nearest

KeyPath = tuple[str, ...]
Where = tuple[int | str, ...]
BRANCH = "architecture"
# Keys inside a list of sections: their paths need numbers, and none is meant by a short form.
REPEATED = frozenset({BRANCH, "stages"})
# What pydantic calls a fault → what was expected.
EXPECTED = {
    "greater_than": "a number > {gt:g}",
    "greater_than_equal": "a number ≥ {ge:g}",
    "less_than": "a number < {lt:g}",
    "less_than_equal": "a number ≤ {le:g}",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "too_short": "at least {min_length} item in the list",
    "too_long": "at most {max_length} items in the list",
    "model_type": "an object with keys",
    "model_attributes_type": "an object with keys",
    "dict_type": "an object with keys",
    "invalid_key": "a key that is text",
    "literal_error": "one of {expected}",
    "union_tag_invalid": "one of {expected_tags}",
}
# Patterns of names, in words.
PATTERNS = {
    r"^branch-\d+$": "branch-0, branch-1, …",
    NAME: "a name of letters, digits, '.', '_', '+' and '-'",
}
ABSENT = "expected a value, got none"
ABSENT_SECTION = "expected an object with keys, got none"
# Keys that stand at the top of a file.
TOP = (
    frozenset({field.alias or name for name, field in RunConfig.model_fields.items()}) | UNUSED[()]
)
# Values that upstream knows and this project does not.
HINTS = {
    "FusedLAMB": "FusedLAMB is DeepSpeed's; AdamW is the nearest of these",
    "fp16": "bf16 is the format of 16 bits here",
    "float16": "bf16 is the format of 16 bits here",
}
# Keys of newer versions of upstream.
NEWER = {"Variables": "write it as NeuralNetwork.Variables_of_interest"}


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation admits."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of a section as they stand in a file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


@cache
def schema() -> dict[KeyPath, str]:
    """Every path a config may hold → its description; sections come before their keys."""
    return dict(_walk(RunConfig, ()))


def _walk(model: type[BaseModel], prefix: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for key, field in keys_of(model).items():
        path, inner = (*prefix, key), list(models_in(field.annotation))
        yield path, describe(model, key) or (inner[0].__doc__ or "" if inner else "")
        for section in inner:
            yield from _walk(section, path)
            if BRANCH in keys_of(section):  # a single head needs no branch around it
                for head in models_in(keys_of(section)[BRANCH].annotation):
                    yield from _walk(head, path)


def describe(model: type[BaseModel], key: str) -> str:
    """What is said about a key of a section; empty where nothing is."""
    names = {field.alias or name: name for name, field in model.model_fields.items()}
    return descriptions(model).get(names[key], "")


@dataclass(frozen=True)
class Place:
    """Where in the schema a location points: its keys, and the sections that may stand there."""

    path: KeyPath
    models: tuple[type[BaseModel], ...]

    @property
    def description(self) -> str:
        return schema().get(self.path, "")

    @property
    def keys(self) -> set[str]:
        return {key for model in self.models for key in keys_of(model)}


def locate(loc: Where) -> Place:
    """The place of one of pydantic's locations, which hold labels of unions and indices too."""
    path: KeyPath = ()
    models: tuple[type[BaseModel], ...] = (RunConfig,)
    for step in loc:
        fields = [keys_of(model)[str(step)] for model in models if str(step) in keys_of(model)]
        if fields:
            path = (*path, str(step))
            inner = (model for field in fields for model in models_in(field.annotation))
            models = tuple(dict.fromkeys(inner))
        else:
            models = tuple(model for model in models if model.__name__ == step) or models
    return Place(path, models)


def full_path(written: KeyPath) -> tuple[KeyPath, Problem | None]:
    """The path meant by one whose front is left out, or that has another spelling.

    Returns:
        the path, and a problem when it could be several, or none.
    """
    for table in (ALIASES, MOVED):
        for old, new in table.items():
            if written[: len(old)] == old:
                written = (*new, *written[len(old) :])
    if written in schema() or written[0] in TOP:
        return written, None
    for known in range(len(written), 0, -1):
        ends = _ending_with(written[:known])
        if len(ends) == 1:
            return (*ends[0], *written[known:]), None
        if ends:
            hint = f"write {' or '.join(map('.'.join, ends))}"
            return written, Problem(".".join(written), "could be several keys", hint)
    close = nearest(written[-1], {path[-1] for path in schema()})
    near = sorted(".".join(path) for path in _ending_with((close,))) if close else []
    hint = f"did you mean {' or '.join(near)}?" if near else "'hydria config schema' lists them"
    return written, Problem(".".join(written), "unknown key", hint)


def _ending_with(written: KeyPath) -> list[KeyPath]:
    ends = {
        path for path in schema() if path[-len(written) :] == written and not REPEATED & {*path}
    }
    ends |= {new for old, new in ALIASES.items() if old[-len(written) :] == written}
    return sorted(ends)


def problems_of(err: ValidationError, tree: dict[str, Any]) -> list[Problem]:
    """One problem per fault, at the place where it is written."""
    found: dict[str, Problem] = {}
    meant: set[str] = set()
    for error in err.errors(include_url=False):
        where = as_written(error["loc"], tree, error["type"] == "missing")
        if error["type"] == "extra_forbidden":
            problem, close = _unknown_key(error["loc"], where)
            meant.add(dotted((*where[:-1], close or "")))
        else:
            problem = _explained(dict(error), where)
        found.setdefault(problem.path, problem)
    # a misspelt key is one fault, not also the lack of the right one
    missing = {path for path in meant if path in found and found[path].message == ABSENT}
    return [problem for path, problem in found.items() if path not in missing]


def as_written(loc: Where, tree: Any, absent: bool = False) -> Where:
    """Leave out the labels that pydantic adds for the members of a union.

    Args:
        absent: whether the last step is a key that is missing in `tree`.
    """
    where: list[int | str] = []
    node = tree
    for position, step in enumerate(loc):
        known = len(locate(loc[: position + 1]).path) > len(locate(loc[:position]).path)
        if isinstance(node, dict):
            if step not in node and not (absent and known and position == len(loc) - 1):
                continue
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int):
            node = node[step] if step < len(node) else None
        elif not known:
            continue
        where.append(step)
    return tuple(where)


def dotted(where: Where) -> str:
    """`Dataset.path.total`, `heads[0].type`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".")


def _explained(error: dict[str, Any], where: Where) -> Problem:
    kind, got, context = error["type"], error["input"], dict(error.get("ctx", {}))
    place, path = locate(error["loc"]), dotted(where)
    if kind == "missing":
        message = ABSENT_SECTION if place.models else ABSENT
        return Problem(path, message, _first_line(place.description))
    if kind == "union_tag_not_found":
        tag = _unquoted(context["discriminator"])
        return Problem(
            f"{path}.{tag}", ABSENT, _first_line(locate((*error["loc"], tag)).description)
        )
    if kind == "value_error":
        return Problem(path, str(context["error"]))
    if kind == "union_tag_invalid":
        tag = _unquoted(context["discriminator"])
        path, got = f"{path}.{tag}", got[tag]
        context["expected_tags"] = _unquoted(context["expected_tags"])
    if kind == "literal_error":
        context["expected"] = _unquoted(context["expected"]).replace(" or ", ", ")
    if kind == "string_pattern_mismatch":
        expected = PATTERNS.get(context["pattern"], f"text that matches {context['pattern']}")
    elif kind in EXPECTED:
        expected = EXPECTED[kind].format(**context)
    else:
        expected = error["msg"].removeprefix("Input should be ")
    known = context.get("expected") or context.get("expected_tags") or ""
    return Problem(
        path,
        f"expected {_singular(expected)}{_unit(expected, place)}, got {shown(got)}",
        _suggestion(got, known.split(", ")),
    )


def replace_kinds(err: ValidationError, tree: dict[str, Any]) -> bool:
    """Put known kinds where unknown ones (of architecture, optimiser, ...) stand in `tree`.

    Returns:
        whether there were any.
    """
    replaced = False
    for error in err.errors(include_url=False):
        if error["type"] != "union_tag_invalid":
            continue
        section: Any = tree
        for step in as_written(error["loc"], tree):
            section = section[step]
        known = _unquoted(error["ctx"]["expected_tags"]).split(", ")
        tag = _unquoted(error["ctx"]["discriminator"])
        section[tag] = nearest(str(section[tag]), known) or known[0]
        replaced = True
    return replaced


def _unquoted(text: Any) -> str:
    return str(text).replace("'", "")


def _singular(expected: str) -> str:
    """`one of lengths` is just `lengths`."""
    return expected if "," in expected else expected.removeprefix("one of ")


def _first_line(description: str) -> str | None:
    return description.split("\n")[0].rstrip(".") or None


def _unknown_key(loc: Where, where: Where) -> tuple[Problem, str | None]:
    """The problem, and the key that was meant, if one is near."""
    key, place = str(loc[-1]), locate(loc[:-1])
    close = nearest(key, place.keys)
    others = [path for path in schema() if path[-1] == key and len(path) > 1]
    same = {".".join(path[:-1]) for path in others}
    if key in NEWER:
        hint = NEWER[key]
    elif place.path in {path[:-1] for path in others}:
        hint = f"{key} is an option of {', '.join(_owners(place.path, key))}"
    elif len(same) == 1:
        hint = f"{key} belongs under {same.pop()}"
    elif close:
        hint = f"did you mean {close!r}?"
    else:
        hint = "keys that begin with '_' are taken as comments"
    return Problem(dotted(where), "unknown key", hint), close


def _owners(section: KeyPath, key: str) -> list[str]:
    """The kinds of a section (optimisers, say) that have a key."""
    return [model.__name__ for model in locate(section).models if key in keys_of(model)]


def _unit(expected: str, place: Place) -> str:
    """The unit that a key's description ends with, in brackets, where a number is expected."""
    for unit in ("Å", "eV"):
        if "number" in expected and f", {unit}." in place.description:
            return f" ({unit})"
    return ""


def _suggestion(got: Any, known: list[str]) -> str | None:
    if not isinstance(got, str):
        return None
    close = nearest(got, known)
    return HINTS.get(got) or (f"did you mean {close!r}?" if close else None)
