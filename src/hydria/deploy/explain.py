"""What a site file says about one thing, and what is to be said about the file itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from pydantic import BaseModel

from hydria.config.facts import UNKNOWN, Fact, Sourced, statements
from hydria.config.job import format_walltime
from hydria.config.site import EnvVar, Site
from hydria.core.registry import nearest
from hydria.deploy.checks.environment import is_slip
from hydria.deploy.checks.facts import OLD_AFTER_DAYS, stale
from hydria.deploy.placement import core_list
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
    written = [name for name in type(part).model_fields if name in part.model_fields_set]
    shown = ((name, getattr(part, name)) for name in written if name not in ORIGIN)
    return ", ".join(
        f"{name.rstrip('_')} {_times(value) if name == 'walltime' else _plain(value)}"
        for name, value in shown
        if not _described_below(value)
    )


def _described_below(value: object) -> bool:
    """Whether a value has facts of its own, which have lines of their own."""
    first = value[0] if isinstance(value, tuple) and value else value
    return isinstance(first, BaseModel)


def _plain(value: object) -> str:
    if not isinstance(value, tuple):
        return UNKNOWN if value is None else str(value)
    if len(value) > 4 and all(isinstance(item, int) for item in value):
        return core_list(value)
    return ",".join(_plain(item) for item in value)


def _times(walltime: Iterable[int | None]) -> str:
    return "-".join(UNKNOWN if end is None else format_walltime(end) for end in walltime)


def remarks(site: Site, today: date) -> Iterator[str]:
    """Unknown facts, old facts, and variable names that look misspelt."""
    for path, part in statements(site):
        if isinstance(part, Fact) and not part.known:
            yield f"{path}: unknown; what needs it is refused"
    for index, row in enumerate(site.queues):
        ends = {"nodes[1]": row.nodes[1], "walltime[1]": row.walltime[1]}
        for end in (end for end, value in ends.items() if value is None):
            yield f"queues[{index}].{end} ({row.name}): unknown; what needs it is refused"
    for conflict in site.conflicts:
        yield f"{conflict.about}: {conflict.here}; but {conflict.elsewhere}: {conflict.why}"
    yield from _old(site, today)
    for variable in site.env:
        close = nearest(variable.name, KNOWN - {variable.name})
        if variable.name not in KNOWN and close is not None and is_slip(variable.name, close):
            yield f"env {variable.name}: not a known name; did you mean {close}?"


def _old(site: Site, today: date) -> Iterator[str]:
    """A line for each source that is old, with the facts that rest on it."""
    resting: dict[tuple[str, int | None], list[str]] = {}
    for path, part, age in stale(site, today):
        resting.setdefault((site.cited(part), age), []).append(path)
    for (cited, age), paths in resting.items():
        old = "undated" if age is None else f"{age} days old (more than {OLD_AFTER_DAYS})"
        yield f"{old}: {cited}: {', '.join(paths)}"
