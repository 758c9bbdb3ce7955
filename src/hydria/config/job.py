"""What a job asks of a machine: the config's `Job:` section, and the forms its values take."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

WALLTIME_FORMS = "HH:MM:SS, D-HH:MM:SS, or a form such as 2h, 90m or 1h30m"
_CLOCK = re.compile(r"(?:(?P<days>\d+)-)?(?P<hours>\d+):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d)")
_SPOKEN = re.compile(
    r"(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m(?:in)?)?(?:(?P<seconds>\d+)s)?",
    re.IGNORECASE,
)
_SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
_MEMORY = re.compile(r"(?P<amount>\d+)\s*(?P<unit>[MGT])(?:i?B)?", re.IGNORECASE)
_MEBIBYTES = {"M": 1, "G": 1024, "T": 1024 * 1024}


def parse_walltime(text: object) -> int:
    """Seconds of a walltime written as people and schedulers write it; ValueError if not."""
    if not isinstance(text, str):
        raise ValueError(
            f"expected a walltime in quotes ({WALLTIME_FORMS}), got {text!r}. "
            'Hint: YAML reads 12:00:00 as a number; write "12:00:00"'
        )
    match = _CLOCK.fullmatch(text.strip()) or _SPOKEN.fullmatch(text.strip())
    parts = match.groupdict() if match else {}
    total = sum(_SECONDS[unit] * int(value) for unit, value in parts.items() if value)
    if total <= 0:
        raise ValueError(f"expected a walltime as {WALLTIME_FORMS}, got {text!r}")
    return total


def format_walltime(seconds: int) -> str:
    """`HH:MM:SS`, as every scheduler reads it (hours may exceed 99)."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def parse_memory(text: object) -> int:
    """MiB of a memory size such as 480G, 64gb or 8000M; ValueError if it is none."""
    match = _MEMORY.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or int(match["amount"]) == 0:
        raise ValueError(f"expected a memory size with its unit, such as 64G, got {text!r}")
    return int(match["amount"]) * _MEBIBYTES[match["unit"].upper()]


def format_memory(mebibytes: int) -> str:
    """The shortest exact form: `480G` or `500M`."""
    return f"{mebibytes // 1024}G" if mebibytes % 1024 == 0 else f"{mebibytes}M"


def _walltime(value: Any) -> Any:
    return value if value is None else format_walltime(parse_walltime(value))


def _memory(value: Any) -> Any:
    return value if value is None else format_memory(parse_memory(value))


def _one_line(value: Any) -> Any:
    """Directives are single lines: a line break in a value would start another one."""
    if isinstance(value, str) and (not value.strip() or not value.isprintable()):
        raise ValueError(f"expected one line of printable text, got {value!r}")
    return value


Count = Annotated[int, Field(ge=1, strict=True)]
Walltime = Annotated[str, BeforeValidator(_walltime)]
Memory = Annotated[str, BeforeValidator(_memory)]
Line = Annotated[str, BeforeValidator(_one_line)]


class JobConfig(BaseModel):
    """The `Job:` section of a config; a command-line flag overrides each of its values.

    What is None is decided further down: the environment, the user's own file, the site.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    nodes: Count | None = Field(None, description="nodes")
    gpus: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        None, description="GPUs per node; each gets one rank"
    )
    cpus: Count | None = Field(None, description="CPU cores per node")
    ranks: Count | None = Field(None, description="ranks per node, where each needs no GPU")
    memory: Memory | None = Field(
        None,
        description="host memory per node, such as 480G",
        validation_alias=AliasChoices("memory", "mem"),
    )
    walltime: Walltime | None = Field(None, description=WALLTIME_FORMS)
    account: Line | None = Field(None, description="project or account that is charged")
    queue: Line | None = Field(None, description="queue, partition or QOS, by the site's name")
    constraint: Line | None = Field(None, description="node feature or GPU model")
    mail: Line | None = Field(None, description="address for the scheduler's messages")
    image: Line | None = Field(None, description="container image; 'none' for an installed hydria")
    venv: Line | None = Field(
        None, description="folder of a Python environment that has hydria, where no image is used"
    )
    data: Line | None = Field(None, description="data root on the site")
    run_dir: Line | None = Field(None, description="run folder on the site")
    filesystems: Line | None = Field(
        None, description="file systems that the job needs, such as home:flare"
    )
    inject: tuple[Line, ...] | None = Field(
        None, description="what the container gets of the machine beside the usual, by name"
    )
    directives: tuple[Line, ...] | None = Field(
        None, description="more directives for the scheduler, such as --exclude=node7"
    )
    stage: Literal["none", "image", "data", "all"] | None = Field(
        None, description="what is copied to the disk of every node"
    )
    preflight: bool | None = Field(None, description="whether every rank's place is checked first")
    env: dict[str, str] = Field(default_factory=dict, description="environment of the ranks")
