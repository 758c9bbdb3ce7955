"""The checks, in the order in which they are told: each one a function and a line here."""

from __future__ import annotations

from hydria.doctor.checks.groups import check_clock, check_hosts, check_memory, check_ranks
from hydria.doctor.checks.placement import check_binding, check_devices, check_threads
from hydria.doctor.checks.places import check_places
from hydria.doctor.checks.planned import check_plan
from hydria.doctor.checks.software import check_mpi, check_versions
from hydria.doctor.finding import Check, Finding, Seen, Verdict

CHECKS: dict[str, Check] = {
    "ranks": check_ranks,
    "hosts": check_hosts,
    "memory": check_memory,
    "binding": check_binding,
    "threads": check_threads,
    "devices": check_devices,
    "versions": check_versions,
    "mpi": check_mpi,
    "files": check_places,
    "clock": check_clock,
    "plan": check_plan,
}


def judge(seen: Seen) -> tuple[Finding, ...]:
    """What every check says of `seen`."""
    return tuple(
        Finding(check=name, **said.model_dump())
        for name, check in CHECKS.items()
        for said in check(seen)
    )


def worst(findings: tuple[Finding, ...]) -> Verdict:
    """The gravest verdict among `findings`."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.OK)
