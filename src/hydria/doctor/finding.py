"""What a check says, and what checks are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from hydria.doctor.facts import RankFacts
from hydria.doctor.plan import PlannedJob

# Launchers that tell each rank the number of its node; for others it is worked out.
NUMBERS_NODES = frozenset({"Slurm", "torchrun"})


class Verdict(StrEnum):
    """`fault`: the job would fail or compute in the wrong place; `warning`: it would suffer."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Said(BaseModel):
    """One thing that was seen, how it is judged, what to do about it, and on which ranks."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    seen: str
    advice: str = ""
    ranks: tuple[int, ...] = ()


class Finding(Said):
    """The same with the name of the check that said it."""

    check: str


def ok(seen: str) -> Said:
    return Said(verdict=Verdict.OK, seen=seen)


def warning(seen: str, advice: str, ranks: Sequence[int] = ()) -> Said:
    return Said(verdict=Verdict.WARNING, seen=seen, advice=advice, ranks=tuple(ranks))


def fault(seen: str, advice: str, ranks: Sequence[int] = ()) -> Said:
    return Said(verdict=Verdict.FAULT, seen=seen, advice=advice, ranks=tuple(ranks))


class Seen(BaseModel):
    """Everything that is judged.

    Attributes:
        ranks: what each rank saw, in rank order; those that did not answer are missing.
        world_size: how many ranks there should be.
        waited_s: how long the others were waited for.
        meeting_error: why the ranks could not meet at all.
        plan: the planned job.
        purpose: train, prepare or predict: what must be installed; None asks for nothing.
    """

    model_config = ConfigDict(frozen=True)

    ranks: tuple[RankFacts, ...]
    world_size: int = 1
    waited_s: float = 0.0
    meeting_error: str | None = None
    plan: PlannedJob | None = None
    purpose: str | None = None

    @property
    def first(self) -> RankFacts:
        return self.ranks[0]

    @property
    def missing(self) -> tuple[int, ...]:
        here = {facts.ranks.rank for facts in self.ranks}
        return tuple(rank for rank in range(self.world_size) if rank not in here)

    def nodes(self) -> list[tuple[str, list[RankFacts]]]:
        """Name of each node, and the ranks on it.

        Several nodes of a test may be one machine; most launchers do not number nodes, and then
        only the name tells.
        """
        found: dict[tuple[str, int], list[RankFacts]] = {}
        for facts in self.ranks:
            number = facts.ranks.node_rank if facts.ranks.source in NUMBERS_NODES else 0
            found.setdefault((facts.host.name, number), []).append(facts)
        return [(name, ranks) for (name, _), ranks in found.items()]


Check = Callable[[Seen], Iterator[Said]]
