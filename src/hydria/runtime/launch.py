"""Which rank this process is: asked of the launchers in a fixed order, all values from one.

torchrun comes first because it is often started by one of the others; Slurm comes last because
its variables stay visible inside a batch script, where `mpirun` ranks would all read rank 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hydria.core.errors import LaunchError

Env = Mapping[str, str]
# Slurm numbers its special steps (batch, extern, interactive) from here.
SLURM_SPECIAL_STEPS = 0xFFFF_FFF0
# One name per launch, the same on all its ranks; the first that is set counts.
LAUNCH_IDS = ("TORCHELASTIC_RUN_ID", "PMIX_NAMESPACE", "PALS_APID", "FLUX_JOB_ID", "PMI_JOBID")


@dataclass(frozen=True)
class Ranks:
    """This process among the others; `source` names the launcher that said so."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    node_rank: int = 0
    source: str = "single"


class _Reader:
    """Reads the variables of one launcher and complains in its name."""

    def __init__(self, source: str, env: Env) -> None:
        self.source = source
        self.env = env

    def integer(self, *names: str) -> int:
        """The first of `names` that is set; LaunchError if none is, or if it is no number."""
        for name in names:
            if name in self.env:
                return self._number(name)
        raise LaunchError(
            f"{self.source}: expected {' or '.join(names)} beside its other variables, got none. "
            "Hint: start every rank through the launcher, or unset what is left of it"
        )

    def optional(self, *names: str) -> int | None:
        """As `integer`, but None when no name is set."""
        return self.integer(*names) if any(name in self.env for name in names) else None

    def _number(self, name: str) -> int:
        try:
            return int(self.env[name])
        except ValueError as err:
            raise LaunchError(
                f"{self.source}: {name}: expected a whole number, got {self.env[name]!r}"
            ) from err


def detect_ranks(env: Env) -> Ranks:
    """Rank, world size and their local counterparts, from the first launcher that is present.

    Args:
        env: the environment, such as `os.environ`.

    Raises:
        LaunchError: when the launcher's variables are incomplete or contradict each other.
    """
    for source, present, read in SOURCES:
        if present(env):
            return _checked(read(_Reader(source, env)))
    return Ranks()


def _checked(ranks: Ranks) -> Ranks:
    pairs = (
        ("rank", ranks.rank, ranks.world_size),
        ("local rank", ranks.local_rank, ranks.local_world_size),
    )
    for what, value, size in pairs:
        if not 0 <= value < size:
            raise LaunchError(
                f"{ranks.source}: expected a {what} from 0 to {size - 1}, got {value}. "
                "Hint: variables of two launchers may be mixed; unset those left over"
            )
    if ranks.local_world_size > ranks.world_size:
        raise LaunchError(
            f"{ranks.source}: expected at most {ranks.world_size} ranks on a node "
            f"(the world size), got {ranks.local_world_size}"
        )
    return ranks


def _torchrun(read: _Reader) -> Ranks:
    return Ranks(
        rank=read.integer("RANK"),
        world_size=read.integer("WORLD_SIZE"),
        local_rank=read.integer("LOCAL_RANK"),
        local_world_size=read.integer("LOCAL_WORLD_SIZE"),
        node_rank=read.optional("GROUP_RANK") or 0,
        source=read.source,
    )


def _open_mpi(read: _Reader) -> Ranks:
    rank = read.integer("OMPI_COMM_WORLD_RANK")
    local_size = read.integer("OMPI_COMM_WORLD_LOCAL_SIZE")
    # OMPI_COMM_WORLD_NODE_RANK is the rank on the node, not of the node
    return Ranks(
        rank=rank,
        world_size=read.integer("OMPI_COMM_WORLD_SIZE"),
        local_rank=read.integer("OMPI_COMM_WORLD_LOCAL_RANK"),
        local_world_size=local_size,
        node_rank=rank // max(local_size, 1),
        source=read.source,
    )


def _pmi(read: _Reader) -> Ranks:
    rank = read.integer("PALS_RANKID", "PMI_RANK")
    local_size = read.integer("PMI_LOCAL_SIZE", "MPI_LOCALNRANKS")
    node_rank = read.optional("PALS_NODEID")
    return Ranks(
        rank=rank,
        world_size=read.integer("PMI_SIZE"),
        local_rank=read.integer("PALS_LOCAL_RANKID", "PMI_LOCAL_RANK", "MPI_LOCALRANKID"),
        local_world_size=local_size,
        node_rank=rank // max(local_size, 1) if node_rank is None else node_rank,
        source=read.source,
    )


def _flux(read: _Reader) -> Ranks:
    rank, size = read.integer("FLUX_TASK_RANK"), read.integer("FLUX_JOB_SIZE")
    nodes = read.optional("FLUX_JOB_NNODES") or 1
    local_size = -(-size // nodes)
    return Ranks(
        rank=rank,
        world_size=size,
        local_rank=read.integer("FLUX_TASK_LOCAL_ID"),
        local_world_size=local_size,
        node_rank=rank // local_size,
        source=read.source,
    )


def _slurm(read: _Reader) -> Ranks:
    node_rank = read.integer("SLURM_NODEID")
    size = read.integer("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
    per_node = expand_tasks_per_node(
        read.env.get("SLURM_STEP_TASKS_PER_NODE") or read.env.get("SLURM_TASKS_PER_NODE", str(size))
    )
    return Ranks(
        rank=read.integer("SLURM_PROCID"),
        world_size=size,
        local_rank=read.integer("SLURM_LOCALID"),
        local_world_size=per_node[min(node_rank, len(per_node) - 1)],
        node_rank=node_rank,
        source=read.source,
    )


def expand_tasks_per_node(text: str) -> list[int]:
    """Slurm's `2(x3),1` as [2, 2, 2, 1]."""
    counts: list[int] = []
    for part in text.split(","):
        count, _, repeat = part.partition("(x")
        counts += [int(count)] * int(repeat.rstrip(")") or 1)
    return counts


def in_slurm_step(env: Env) -> bool:
    """Whether this process is a task of an ordinary step: `srun`, not the batch script."""
    step = env.get("SLURM_STEP_ID") or env.get("SLURM_STEPID") or ""
    return "SLURM_PROCID" in env and step.isdigit() and int(step) < SLURM_SPECIAL_STEPS


def launch_id(env: Mapping[str, str]) -> str:
    """A name that ranks of one launch share and, as far as possible, others do not."""
    for name in LAUNCH_IDS:
        if env.get(name):
            return _file_name(env[name])
    if env.get("SLURM_JOB_ID"):
        return _file_name(f"{env['SLURM_JOB_ID']}.{env.get('SLURM_STEP_ID', '')}")
    return "ranks"


def _file_name(text: str) -> str:
    return "".join(char if char.isalnum() or char in ".-" else "_" for char in text)


def _has(*names: str) -> Callable[[Env], bool]:
    return lambda env: all(name in env for name in names)


def _has_pmi(env: Env) -> bool:
    # Flux and `srun --mpi=pmi2` set PMI_RANK too, but say nothing of the node
    local = {"PALS_LOCAL_RANKID", "PMI_LOCAL_RANK", "MPI_LOCALRANKID"}
    return "PMI_SIZE" in env and bool(local & env.keys())


Source = tuple[str, Callable[[Env], bool], Callable[[_Reader], Ranks]]
SOURCES: tuple[Source, ...] = (
    ("torchrun", _has("RANK", "WORLD_SIZE"), _torchrun),
    ("Open MPI", _has("OMPI_COMM_WORLD_RANK"), _open_mpi),
    ("PMI", _has_pmi, _pmi),
    ("Flux", _has("FLUX_TASK_RANK"), _flux),
    ("Slurm", in_slurm_step, _slurm),
)
