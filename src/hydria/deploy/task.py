"""What the ranks of a job run: a command of Hydria, or a script of one's own."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hydria.core.errors import DeployError, Problem, listed
from hydria.core.registry import nearest

# Looks at every rank and compares it with the plan that the script carries.
DOCTOR = (
    'hydria doctor --plan "$run_dir/job/plan.json" --run-dir "$run_dir" --data "$data_root" '
    '--json "$run_dir/job/doctor.json"'
)
# Task → the command of one rank, as the script says it.
COMMANDS = {
    "train": 'hydria train "$config" --run-dir "$run_dir" "$@"',
    "prepare": 'hydria prepare "$config"',
    "predict": 'hydria predict "$run_dir"',
    "doctor": DOCTOR,
}
OWN_SCRIPT = "script"
WITHOUT_CONFIG = frozenset({"doctor", OWN_SCRIPT})
# Whether prepared data must be there before the ranks start.
NEEDS_DATA = frozenset({"train", "predict"})
# Suffix → what runs such a file; others must be executable.
RUNNERS = {".py": "python ", ".sh": "bash "}


@dataclass(frozen=True)
class Task:
    """The work of the ranks.

    Attributes:
        kind: a key of `COMMANDS`, or `script`.
        arguments: words after the command, as a person typed them.
        script: the path of an own script on the machine.
        sha256: of that script, where it could be read when the job was planned.
    """

    kind: str = "train"
    arguments: tuple[str, ...] = ()
    script: str | None = None
    sha256: str | None = None

    @property
    def trains(self) -> bool:
        """Whether `status.json` tells what became of it, and a stopped one can go on."""
        return self.kind == "train"

    @property
    def needs_data(self) -> bool:
        return self.kind in NEEDS_DATA

    @property
    def words(self) -> str:
        """The command of one rank, quoted for the script."""
        command = COMMANDS.get(self.kind) or _runner(self.script or "")
        return " ".join([command, *map(shlex.quote, self.arguments)])


TRAIN = Task()


def _runner(path: str) -> str:
    return RUNNERS.get(PurePosixPath(path).suffix, "") + '"$script"'


def make_task(kind: str | None, script: str | None, arguments: Sequence[str]) -> Task:
    """The task that a person asks for; DeployError where that is none."""
    if script is not None:
        if kind not in {None, OWN_SCRIPT}:
            raise DeployError([Problem("--script", f"expected no --task beside it, got {kind!r}")])
        return Task(OWN_SCRIPT, tuple(arguments), _with_slash(script), _sha256(script))
    kind = kind or "train"
    if kind not in COMMANDS:
        close = nearest(kind, COMMANDS)
        hint = f"did you mean {close!r}?" if close else "--script FILE runs a script of your own"
        message = f"expected one of {listed(COMMANDS)}, got {kind!r}"
        raise DeployError([Problem("--task", message, hint)])
    return Task(kind, tuple(arguments))


def _with_slash(path: str) -> str:
    """A file here is not looked for on the PATH."""
    return path if "/" in path else f"./{path}"


def _sha256(path: str) -> str | None:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:  # the file may lie on the machine only
        return None
