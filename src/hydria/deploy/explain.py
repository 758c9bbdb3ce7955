"""What a site file says about one thing, and what is to be said about the file itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from pydantic import BaseModel

from hydria.config.site import UNKNOWN, EnvVar, Fact, Site, Sourced, statements
from hydria.core.registry import nearest
from hydria.deploy.checks.environment import is_slip
from hydria.deploy.checks.facts import OLD_AFTER_DAYS, stale
from hydria.deploy.variables import KNOWN

ORIGIN = frozenset({"source", "as_of", "confidence", "note"})


def explain(site: Site, what: str) -> Iterator[str]:
    """Lines about an environment variable, or about every fact below a dotted path."""
    for path, part in statements(site):
        named = isinstance(part, EnvVar) and part.name == what
        if named or path == what or path.startswith((f"{what}.", f"{what}[")):
            yield from _told(site, path, part)


def _told(site: Site, path: str, part: Sourced) -> Iterator[str]:
    yield f"{path}: {_value(part)}"
    confidence = part.confidence or "not stated"
    yield f"    {site.cited(part)}, {site.dated(part) or 'undated'}, {confidence}"
    if part.note:
        yield f"    {part.note}"


def _value(part: Sourced) -> str:
    if isinstance(part, Fact):
        return UNKNOWN if part.value is None else _plain(part.value)
    set_fields = ((name, getattr(part, name)) for name in type(part).model_fields)
    shown = (
        (name, value)
        for name, value in set_fields
        if name not in ORIGIN and value and not _described_below(value)
    )
    return ", ".join(f"{name.rstrip('_')} {_plain(value)}" for name, value in shown)


def _described_below(value: object) -> bool:
    """Whether a value has facts of its own, which have lines of their own."""
    first = value[0] if isinstance(value, tuple) and value else value
    return isinstance(first, BaseModel)


def _plain(value: object) -> str:
    if isinstance(value, BaseModel):
        return str(value)
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return str(value)


def remarks(site: Site, today: date) -> Iterator[str]:
    """Unknown facts, old facts, and variable names that look misspelt."""
    for path, part in statements(site):
        if isinstance(part, Fact) and not part.known:
            yield f"{path}: unknown; what needs it is refused"
    for path, part, age in stale(site, today):
        old = "undated" if age is None else f"{age} days old (more than {OLD_AFTER_DAYS})"
        yield f"{path}: {old}; {site.cited(part)}"
    for variable in site.env:
        close = nearest(variable.name, KNOWN - {variable.name})
        if variable.name not in KNOWN and close is not None and is_slip(variable.name, close):
            yield f"env {variable.name}: not a known name; did you mean {close}?"
