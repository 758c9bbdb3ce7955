"""What the commands share: where data lies, and a progress bar on a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)


def data_root(option: Path | None) -> Path:
    """`--data`, else $HYDRIA_DATA, else ./data."""
    return option or Path(os.environ.get("HYDRIA_DATA") or "data")


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A function (label, done, total) that draws a bar; it draws nothing where nobody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal,
        transient=True,
    ) as bar:  # fmt: skip
        tasks = {}

        def update(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bar.add_task(label)
            bar.update(tasks[label], completed=done, total=total or None)

        yield update
