"""The page: what alike nodes have is told once, and it stays one page."""

from __future__ import annotations

from hydria.doctor.checks import judge
from hydria.doctor.finding import Finding, Seen, Verdict
from hydria.doctor.page import page, summary
from tests.support.doctor import job_facts, rank_facts


def text_of(seen: Seen) -> str:
    return page(seen, judge(seen))


def test_page_shows_ranks_checks_and_verdict() -> None:
    lines = text_of(Seen(ranks=tuple(job_facts()), world_size=4)).splitlines()
    assert lines[:6] == [
        "hydria doctor 0.1.0: 4 ranks on 2 nodes (Slurm)",
        "",
        "n0 (ranks 0-1), n1 (ranks 2-3)",
        "  local rank cores                   threads  device",
        "  0          0-1                     1        GPU 0 (PCI order) A100",
        "  1          2-3                     1        GPU 1 (PCI order) A100",
    ]
    assert "ok       ranks     4 ranks, told by Slurm" in lines
    assert lines[-1] == "verdict: fine"


def test_odd_node_is_shown_beside_the_others() -> None:
    facts = job_facts()
    binding = facts[2].binding.model_copy(update={"cores": (0,), "hardware_threads": (0,)})
    facts[2] = rank_facts(2, binding=binding)
    lines = text_of(Seen(ranks=tuple(facts), world_size=4)).splitlines()
    assert "n0 (ranks 0-1)" in lines
    assert "n1 (ranks 2-3)" in lines
    assert "  0          0                       1        GPU 0 (PCI order) A100" in lines


def test_thousands_of_ranks_fit_on_a_page() -> None:
    facts = job_facts(world_size=4096, per_node=64)
    text = text_of(Seen(ranks=tuple(facts), world_size=4096))
    assert "and 58 more nodes alike" in text
    assert "  and 48 more" in text
    assert len(text.splitlines()) < 60
    assert max(map(len, text.splitlines())) < 220


def test_advice_stands_under_its_finding() -> None:
    findings = (
        Finding(check="files", verdict=Verdict.FAULT, seen="full " * 30, advice="make room"),
        Finding(check="clock", verdict=Verdict.WARNING, seen="late", advice="wait", ranks=(0, 1)),
    )
    text = page(Seen(ranks=tuple(job_facts()), world_size=4), findings)
    assert "                   Hint: make room\n" in text
    assert "warning  clock     late [ranks 0-1]\n" in text
    assert text.endswith("verdict: 1 fault, 1 warning")
    assert summary((*findings, findings[0])) == "2 faults, 1 warning"
