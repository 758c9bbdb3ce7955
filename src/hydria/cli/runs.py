"""Run folders, and potentials in them or in files, as people name them on the command line."""

from __future__ import annotations

from pathlib import Path

from hydria.core.errors import HydriaError
from hydria.core.places import RUNS
from hydria.core.registry import nearest

# a folder with one of these is a run, whatever became of it
MARKS = ("status.json", "config.json", "metrics.jsonl")


def find_run(text: str) -> Path:
    """The run folder that `text` names: a path, or a folder in `runs/`.

    Raises:
        HydriaError: if there is none; names the nearest one in `runs/`.
    """
    for folder in (Path(text), RUNS / text):
        if any((folder / mark).is_file() for mark in MARKS):
            return folder
    if Path(text).is_dir():
        raise HydriaError(f"{text}: expected a run folder, got a folder without {MARKS[0]}")
    known = [path.parent.name for path in RUNS.glob("*/status.json")]
    close = nearest(Path(text).name, known)
    hint = f"did you mean {str(RUNS / close)!r}?" if close else "hydria train makes one"
    raise HydriaError(f"{text}: expected a run folder, got nothing there. Hint: {hint}")


def potential_source(text: str) -> Path:
    """The file of an exported potential, or the run folder that `text` names."""
    return Path(text) if Path(text).is_file() else find_run(text)


def is_potential(text: str) -> bool:
    """Whether `text` names an exported potential, or the run of one."""
    from hydria.workloads.predict import config_of

    source = potential_source(text)
    return source.is_file() or config_of(source).is_potential
