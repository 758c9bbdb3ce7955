"""One page for people: the ranks, what each check says, the difference to the plan, the verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from hydria.deploy.placement import core_list
from hydria.doctor.facts import RankFacts
from hydria.doctor.finding import Finding, Seen, Verdict
from hydria.doctor.plan import differences

WIDTH = 100
SHOWN_PATTERNS = 3
SHOWN_RANKS = 16
SHOWN_NODES = 6


def page(seen: Seen, findings: tuple[Finding, ...]) -> str:
    """The whole page as text."""
    lines = [*_head(seen), *_rank_table(seen), "", *_told(findings), *_difference(seen)]
    return "\n".join([*lines, "", f"verdict: {summary(findings)}"])


def summary(findings: tuple[Finding, ...]) -> str:
    """`fine`, or how many faults and warnings there are."""
    counts = []
    for verdict in (Verdict.FAULT, Verdict.WARNING):
        number = sum(finding.verdict == verdict for finding in findings)
        if number:
            counts.append(f"{number} {verdict}" + ("s" if number > 1 else ""))
    return ", ".join(counts) or "fine"


def _head(seen: Seen) -> Iterator[str]:
    first, nodes = seen.first, len(seen.nodes())
    ranks = "1 rank" if seen.world_size == 1 else f"{seen.world_size} ranks"
    version = first.software.versions["hydria"]
    inside = f", in {first.software.container}" if first.software.container else ""
    yield (
        f"hydria doctor {version}: {ranks} on {nodes} node{'s' if nodes > 1 else ''} "
        f"({first.ranks.source}){inside}"
    )
    yield ""


def _rank_table(seen: Seen) -> Iterator[str]:
    """A row per rank of a node; nodes whose rows are the same are told once."""
    patterns: dict[tuple[tuple[str, ...], ...], list[list[RankFacts]]] = {}
    for _, ranks in seen.nodes():
        rows = tuple(_row(facts) for facts in ranks)
        patterns.setdefault(rows, []).append(ranks)
    for rows, nodes in list(patterns.items())[:SHOWN_PATTERNS]:
        yield _node_names(nodes)
        yield f"  {'local rank':<11}{'cores':<24}{'threads':<9}device"
        for row in rows[:SHOWN_RANKS]:
            yield f"  {row[0]:<11}{row[1]:<24}{row[2]:<9}{row[3]}".rstrip()
        if len(rows) > SHOWN_RANKS:
            yield f"  and {len(rows) - SHOWN_RANKS} more"
    if len(patterns) > SHOWN_PATTERNS:
        yield f"and {len(patterns) - SHOWN_PATTERNS} more patterns of nodes (--json has all)"


def _node_names(nodes: list[list[RankFacts]]) -> str:
    names = [
        f"{ranks[0].host.name} (ranks {core_list(tuple(f.ranks.rank for f in ranks))})"
        for ranks in nodes[:SHOWN_NODES]
    ]
    more = len(nodes) - SHOWN_NODES
    return ", ".join(names) + (f" and {more} more nodes alike" if more > 0 else "")


def _row(facts: RankFacts) -> tuple[str, ...]:
    cores = core_list(facts.binding.cores)
    threads = str(facts.binding.omp_threads or "unset")
    return (str(facts.ranks.local_rank), cores, threads, _device(facts))


def _device(facts: RankFacts) -> str:
    devices = facts.devices
    name = "" if devices.chosen is None else devices.names[devices.chosen]
    number = "" if devices.number is None else f"GPU {devices.number} ({devices.number_from})"
    return " ".join(part for part in (number, name) if part) or devices.kind or "unknown"


def _told(findings: tuple[Finding, ...]) -> Iterator[str]:
    for finding in findings:
        lead = f"{finding.verdict:<8} {finding.check:<9} "
        ranks = f" [ranks {core_list(tuple(sorted(finding.ranks)))}]" if finding.ranks else ""
        yield from _wrapped(lead, finding.seen + ranks)
        if finding.advice:
            yield from _wrapped(" " * len(lead), f"Hint: {finding.advice}")


def _wrapped(lead: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _difference(seen: Seen) -> Iterator[str]:
    """What was planned (-) and what was found (+), rank by rank."""
    if seen.plan is None:
        return
    wrong = list(differences(seen.plan, seen.ranks))
    if wrong:
        yield ""
        yield f"--- planned for {seen.plan.site}"
        yield "+++ found"
    for row in wrong[:SHOWN_RANKS]:
        yield f"- rank {row.rank} on {row.host}: {row.planned}"
        yield f"+ rank {row.rank} on {row.host}: {row.found}"
    if len(wrong) > SHOWN_RANKS:
        yield f"and {len(wrong) - SHOWN_RANKS} more ranks (--json has all)"
