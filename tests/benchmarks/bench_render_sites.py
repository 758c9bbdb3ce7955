"""All golden scripts of all sites, planned, judged, rendered and read back; target 5 s."""

from __future__ import annotations

import sys

import harness

from tests.support.site_jobs import asks, outcome_of

TARGET_S = 5.0
REPEATS = 5


def render_all() -> int:
    return sum(bool(outcome_of(ask).script) for ask in asks())


def main() -> int:
    bench = harness.Bench("render_sites", versions=("pydantic", "Jinja2"))
    assert render_all() >= 40
    seconds = harness.interleaved({"all scripts": render_all}, repeats=REPEATS)
    bench.record(f"{render_all()} scripts", seconds["all scripts"], TARGET_S, {})
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
