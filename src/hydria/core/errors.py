"""The family of errors a user can cause or meet; each one carries what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault at one place: `path: expected …, got …. Hint: …`."""

    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{text}. Hint: {self.hint}" if self.hint else text


class HydriaError(Exception):
    """Something the user can put right; the command line prints it without a traceback."""

    exit_code = 2


class ProblemsError(HydriaError):
    """Several problems, reported together."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        if isinstance(problems, str):
            problems = [Problem("", problems)]
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigError(ProblemsError):
    """A config that cannot be used."""


class DataError(HydriaError):
    """Data that is missing, malformed or unusable."""


class GraphError(HydriaError):
    """A structure of which no graph can be built."""


class ModelError(HydriaError):
    """A model that cannot be built or used as asked."""


class CheckpointError(HydriaError):
    """A checkpoint that is missing, damaged or does not fit."""


class LaunchError(HydriaError):
    """Ranks, devices or process groups that cannot work."""


class DeployError(ProblemsError):
    """A site, plan or job script that cannot work."""


class MissingExtraError(HydriaError):
    """An optional dependency that is not installed."""

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(
            f"this command needs the Python package {module!r}, which is not installed. "
            f"Hint: pip install 'hydria[{extra}]'"
        )


def listed(names: Iterable[str]) -> str:
    """`a, b, c` in sorted order, for messages."""
    return ", ".join(sorted(names))
