"""From the ranks to the verdict: collect on each, gather on rank 0, judge, tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hydria.core.errors import LaunchError
from hydria.doctor.checks import judge, worst
from hydria.doctor.collect import collect
from hydria.doctor.facts import RankFacts
from hydria.doctor.finding import Finding, Seen, Verdict
from hydria.doctor.meeting import Caller, attend
from hydria.doctor.plan import PlannedJob, differences
from hydria.runtime.launch import Ranks, detect_ranks, launch_id

FINE, FINDINGS = 0, 2


@dataclass(frozen=True)
class Request:
    """What is asked of the doctor.

    Attributes:
        run_dir: where the run will write; it need not exist.
        data: the data root.
        meet: a folder that all ranks share.
        purpose: train, prepare or predict; None asks for no package.
        plan: what the ranks are held to.
        timeout_s: how long to wait for ranks that do not answer.
        strict: warnings count as findings too.
    """

    run_dir: Path
    data: Path
    meet: Path
    purpose: str | None = None
    plan: PlannedJob | None = None
    timeout_s: float = 120.0
    strict: bool = False


@dataclass(frozen=True)
class Examination:
    """The outcome, on rank 0."""

    seen: Seen
    findings: tuple[Finding, ...]
    code: int = field(default=FINE)

    def as_json(self) -> dict[str, Any]:
        """Everything, for other programs."""
        plan = self.seen.plan
        wrong = () if plan is None else differences(plan, self.seen.ranks)
        return {
            "hydria": self.seen.first.software.versions["hydria"],
            "verdict": str(worst(self.findings)),
            "exit_code": self.code,
            "world_size": self.seen.world_size,
            "missing": list(self.seen.missing),
            "findings": [finding.model_dump(mode="json") for finding in self.findings],
            "differences": [vars(difference) for difference in wrong],
            "ranks": [facts.model_dump(mode="json") for facts in self.seen.ranks],
        }


def examine(request: Request, env: Mapping[str, str], tell: Callable[[Examination], None]) -> int:
    """Look at this machine with all ranks; every rank must call it.

    Args:
        request: what is asked.
        env: the environment.
        tell: called on rank 0 with the outcome, before the other ranks may end.

    Returns:
        The exit code, the same on every rank: 0 fine, 2 with findings.

    Raises:
        LaunchError: when the launcher's variables contradict each other, or rank 0 is not there.
    """
    ranks = detect_ranks(env)
    if ranks.rank == 0:
        return _first(request, ranks, env, tell)
    facts = collect(ranks, env, request.run_dir, request.data)
    folder, answer = _meeting_folder(request, env), facts.model_dump(mode="json")
    return attend(folder, ranks.rank, ranks.world_size, answer, request.timeout_s)


def _meeting_folder(request: Request, env: Mapping[str, str]) -> Path:
    return request.meet / f".doctor-{launch_id(env)}"


def _first(
    request: Request, ranks: Ranks, env: Mapping[str, str], tell: Callable[[Examination], None]
) -> int:
    """Rank 0, or the only one; whatever happens here, the others hear of an end."""
    others = ranks.world_size > 1
    caller = Caller(_meeting_folder(request, env), ranks.world_size)
    error = _called(caller) if others else None
    code = FINDINGS
    try:
        facts = collect(ranks, env, request.run_dir, request.data)
        answers = caller.gather(request.timeout_s) if others and error is None else {}
        gathered = (facts, *(_facts(answers[rank], rank) for rank in sorted(answers)))
        outcome = _judge(request, gathered, ranks.world_size, error)
        tell(outcome)
        code = outcome.code
    finally:
        if others and error is None:
            caller.tell(code)
    return code


def _called(caller: Caller) -> str | None:
    try:
        caller.call()
    except OSError as err:
        return f"{caller.folder.parent}: {err.strerror or err}"
    return None


def _facts(answer: Any, rank: int) -> RankFacts:
    try:
        return RankFacts.model_validate(answer)
    except ValidationError as err:
        raise LaunchError(
            f"rank {rank}: its answer cannot be read. Hint: do all ranks run the same hydria?"
        ) from err


def _judge(
    request: Request, ranks: tuple[RankFacts, ...], world_size: int, error: str | None
) -> Examination:
    seen = Seen(
        ranks=ranks,
        world_size=world_size,
        waited_s=request.timeout_s,
        meeting_error=error,
        plan=request.plan,
        purpose=request.purpose,
    )
    findings = judge(seen)
    bar = (Verdict.FAULT, Verdict.WARNING) if request.strict else (Verdict.FAULT,)
    code = FINDINGS if worst(findings) in bar else FINE
    return Examination(seen, findings, code)
