"""Each check on a healthy job, and on one where a single thing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hydria.doctor.checks import CHECKS, judge, worst
from hydria.doctor.facts import RankFacts
from hydria.doctor.finding import Finding, Seen, Verdict
from tests.support.doctor import HOST, NOW, RUN_FOLDER, SOFTWARE, job_facts, rank_facts

Facts = list[RankFacts]


def seen(facts: Facts, world_size: int = 4, **more: Any) -> Seen:
    return Seen(ranks=tuple(facts), world_size=world_size, waited_s=5, **more)


def findings_of(check: str, facts: Facts, **more: Any) -> list[Finding]:
    return [finding for finding in judge(seen(facts, **more)) if finding.check == check]


def changed(rank: int, part: str, **values: Any) -> Facts:
    """A healthy job in which one rank saw something else."""
    facts = job_facts()
    group = getattr(facts[rank], part).model_copy(update=values)
    facts[rank] = rank_facts(rank, **{part: group})
    return facts


@pytest.mark.parametrize("check", [name for name in CHECKS if name != "plan"])
def test_healthy_job_has_nothing_but_good_findings(check: str) -> None:
    told = findings_of(check, job_facts(), purpose="train")
    assert told
    assert {finding.verdict for finding in told} == {Verdict.OK}


def test_machine_without_torch_is_fine_until_training_is_asked_for() -> None:
    facts = rank_facts(0, 1, 1)
    versions = {"hydria": "0.1.0", "python": "3.11"}
    bare = facts.model_copy(
        update={
            "software": SOFTWARE.model_copy(update={"versions": versions, "backends": ()}),
            "devices": facts.devices.model_copy(update={"kind": None, "chosen": None}),
        }
    )
    assert worst(judge(seen([bare], 1))) == Verdict.OK
    told = [f.seen for f in judge(seen([bare], 1, purpose="train")) if f.verdict != "ok"]
    assert "torch is not installed, and `hydria train` needs it" in told
    assert len(told) == 4


def same_cores(facts: Facts) -> None:
    binding = facts[1].binding.model_copy(update={"hardware_threads": (1, 2), "cores": (1, 2)})
    facts[1] = rank_facts(1, binding=binding)


def other_place(facts: Facts, **values: Any) -> None:
    facts[0] = rank_facts(0, places=(RUN_FOLDER.model_copy(update=values),))


CASES: dict[str, tuple[str, Verdict, str, tuple[int, ...], Callable[[Facts], object]]] = {
    "odd node": (
        "hosts", Verdict.WARNING, "the nodes differ: n0: x86_64, EPYC, 8 hardware", (),
        lambda f: f.__setitem__(2, rank_facts(2, host=HOST.model_copy(
            update={"name": "n1", "cpu": "Xeon"}))),
    ),
    "little memory": (
        "memory", Verdict.WARNING, "n0: 1.0 GiB for 2 ranks", (),
        lambda f: f.__setitem__(0, rank_facts(0, host=HOST.model_copy(
            update={"memory_limit_mib": 1024}))),
    ),
    "overlapping cores": (
        "binding", Verdict.WARNING, "n0: ranks share the cores 1", (0, 1), same_cores,
    ),
    "too many threads": (
        "threads", Verdict.WARNING, "n1: 5 threads and loader workers of 2 ranks on 4", (3,),
        lambda f: f.__setitem__(3, rank_facts(3, binding=f[3].binding.model_copy(
            update={"omp_threads": 2, "workers": 2}))),
    ),
    "one device for two": (
        "devices", Verdict.FAULT, "n0: 2 ranks would use the same device (uuid-0-0)", (0, 1),
        lambda f: f.__setitem__(1, rank_facts(1, devices=f[0].devices)),
    ),
    "no device": (
        "devices", Verdict.FAULT, "1 ranks: cpu", (2,),
        lambda f: f.__setitem__(2, rank_facts(2, devices=f[2].devices.model_copy(
            update={"kind": "cpu", "chosen": None, "number": None, "identity": None}))),
    ),
    "device error": (
        "devices", Verdict.FAULT, "local rank 1: expected at most 1 ranks", (1,),
        lambda f: f.__setitem__(1, rank_facts(1, devices=f[1].devices.model_copy(
            update={"error": "local rank 1: expected at most 1 ranks"}))),
    ),
    "other version": (
        "versions", Verdict.FAULT, "ranks have different versions of torch", (3,),
        lambda f: f.__setitem__(3, rank_facts(3, software=SOFTWARE.model_copy(
            update={"versions": SOFTWARE.versions | {"torch": "2.6"}}))),
    ),
    "broken torch": (
        "versions", Verdict.FAULT, "torch is installed but cannot be imported: libc10", (0,),
        lambda f: f.__setitem__(0, rank_facts(0, software=SOFTWARE.model_copy(
            update={"broken": {"torch": "libc10.so: not found"}}))),
    ),
    "broken mpi4py": (
        "versions", Verdict.WARNING, "mpi4py is installed but cannot be imported: no libmpi", (0,),
        lambda f: f.__setitem__(0, rank_facts(0, software=SOFTWARE.model_copy(
            update={"broken": {"mpi4py": "no libmpi.so"}}))),
    ),
    "two MPI libraries": (
        "mpi", Verdict.FAULT, "different MPI libraries: MPICH 4.1; Open MPI 5", (),
        lambda f: f.__setitem__(1, rank_facts(1, software=SOFTWARE.model_copy(
            update={"mpi": "Open MPI 5"}))),
    ),
    "full run folder": (
        "files", Verdict.FAULT, "could not be written and read on n0: No space left", (0,),
        lambda f: other_place(f, error="No space left on device"),
    ),
    "full cache": (
        "files", Verdict.WARNING, "TRITON_CACHE_DIR /scratch/run: a small file could not", (0,),
        lambda f: other_place(f, error="No space left on device", role="TRITON_CACHE_DIR"),
    ),
    "local run folder": (
        "files", Verdict.FAULT, "is on a local file system (ext4): other nodes see another", (0,),
        lambda f: other_place(f, kind="ext4", shared=False),
    ),
    "little space": (
        "files", Verdict.WARNING, "lustre, shared, 0.5 GiB free", (0,),
        lambda f: other_place(f, free_mib=512),
    ),
    "few inodes": (
        "files", Verdict.WARNING, "7 inodes", (0,), lambda f: other_place(f, free_inodes=7),
    ),
    "slow disk": (
        "files", Verdict.WARNING, "probe 9000 ms", (0,), lambda f: other_place(f, probe_ms=9000),
    ),
    "shared cache": (
        "files", Verdict.WARNING, "MIOPEN_USER_DB_PATH /scratch/run: lustre, shared", (0,),
        lambda f: other_place(f, role="MIOPEN_USER_DB_PATH"),
    ),
    "wrong clock": (
        "clock", Verdict.WARNING, "the clock of n0 is -40 s from that of the file system", (),
        lambda f: other_place(f, clock_offset_s=-40.0),
    ),
    "no clock": (
        "clock", Verdict.FAULT, "the clock of n1 is years behind", (),
        lambda f: f.__setitem__(2, rank_facts(2, time=NOW - 20 * 365 * 86400)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_single_fault_is_found_by_its_check(name: str) -> None:
    check, verdict, text, ranks, spoil = CASES[name]
    facts = job_facts()
    spoil(facts)
    bad = [f for f in judge(seen(facts, purpose="train")) if f.verdict != Verdict.OK]
    found = [f for f in bad if f.check == check and f.verdict == verdict and text in f.seen]
    assert found, bad
    assert found[0].ranks == ranks
    assert found[0].advice
    assert {f.check for f in bad} == {check}


def test_missing_ranks_are_named() -> None:
    facts = job_facts()
    (told,) = findings_of("ranks", [facts[0], facts[2]])
    assert told.verdict == Verdict.FAULT
    assert told.seen == "no answer within 5 s from ranks 1, 3 of 4"
    assert told.ranks == (1, 3)


def test_many_missing_ranks_do_not_fill_the_page() -> None:
    (told,) = findings_of("ranks", [rank_facts(0, 100, 4)], world_size=100)
    assert told.seen == "no answer within 5 s from ranks 1, 2, 3, 4, 5, 6, 7, 8 and 91 more of 100"


def test_ranks_that_cannot_meet_are_a_fault() -> None:
    (told,) = findings_of("ranks", job_facts()[:1], meeting_error="/x: Permission denied")
    assert told.seen == "the ranks could not meet: /x: Permission denied"


def test_ranks_of_two_launchers_are_a_fault() -> None:
    odd = rank_facts(1, world_size=2)
    (told,) = findings_of("ranks", [*job_facts()[:1], odd, *job_facts()[2:]])
    assert told.seen == "ranks disagree: world sizes [2, 4], told by Slurm"


def test_batch_script_is_told_that_it_is_no_rank() -> None:
    facts = rank_facts(0, 1, 1, scheduled_tasks=8)
    (told,) = findings_of("ranks", [facts], world_size=1)
    assert (told.verdict, told.seen) == ("warning", "one process, in an allocation of 8 tasks")


def test_unbound_ranks_are_no_finding() -> None:
    everything = tuple(range(8))
    facts = [
        facts.model_copy(
            update={
                "binding": facts.binding.model_copy(
                    update={"hardware_threads": everything, "cores": everything}
                )
            }
        )
        for facts in job_facts()
    ]
    (told,) = findings_of("binding", facts)
    assert (told.verdict, told.seen) == ("ok", "rank 0: not bound")


def test_local_folders_are_fine_on_one_machine() -> None:
    place = RUN_FOLDER.model_copy(update={"kind": "ext4", "shared": False})
    host = HOST.model_copy(update={"name": "virtual"})
    facts = [rank_facts(rank, places=(place,), host=host) for rank in range(4)]
    assert {finding.verdict for finding in findings_of("files", facts)} == {Verdict.OK}


def test_read_only_data_stop_preparing_only() -> None:
    place = RUN_FOLDER.model_copy(update={"role": "data", "error": "Read-only file system"})
    facts = [rank_facts(0, 1, 1, places=(place,))]
    verdicts = {
        purpose: findings_of("files", facts, world_size=1, purpose=purpose)[0].verdict
        for purpose in ("train", "prepare")
    }
    assert verdicts == {"train": "warning", "prepare": "fault"}
