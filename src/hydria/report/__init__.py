"""Tables, plots and the report of a run."""

from __future__ import annotations

from pathlib import Path


def write_report(run_dir: Path) -> Path:
    """Draw `report.html` in `run_dir` from what the folder holds; see `hydria.report.page`."""
    # matplotlib takes longer to import than the results table takes to print
    from hydria.report.page import write_report

    return write_report(run_dir)
