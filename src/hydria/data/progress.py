"""How far a long piece of work has come: told to whoever asked for it, printed by nobody here."""

from __future__ import annotations

from collections.abc import Callable

# called with what is being done, how much of it is done, and how much there is (0: not known)
Progress = Callable[[str, int, int], None]


def silent(_label: str, _done: int, _total: int) -> None:
    """Tell nobody."""
