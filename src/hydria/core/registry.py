"""Name → object tables whose lines are strings, so that listing them imports nothing."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hydria.core.errors import HydriaError, listed


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, whatever its case, or None."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    hits = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[hits[0]] if hits else None


class Registry(Mapping[str, str]):
    """The things of one kind, by name; `load` imports the one that is asked for.

    Args:
        kind: what a message calls an entry, such as "architecture".
        table: name → "package.module:object".
    """

    def __init__(self, kind: str, table: dict[str, str]) -> None:
        self.kind = kind
        self._table = dict(table)

    def __getitem__(self, name: str) -> str:
        return self._table[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def load(self, name: str) -> Any:
        """Import and return the entry `name`; HydriaError names the nearest one if unknown."""
        if name not in self._table:
            raise HydriaError(self.unknown(name))
        module, _, attribute = self._table[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def unknown(self, name: str) -> str:
        """The message for a name that is not in the table."""
        close = nearest(name, self._table)
        hint = f"did you mean {close!r}?" if close else "use one of those"
        return f"unknown {self.kind} {name!r}; known: {listed(self._table)}. Hint: {hint}"
