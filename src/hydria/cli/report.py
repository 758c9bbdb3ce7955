"""`hydria report`: the page about a run."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from hydria.cli.runs import find_run
from hydria.core.errors import HydriaError

app = typer.Typer(help="Draw the report of a run.")


@app.command()
def command(
    run: Annotated[str, typer.Argument(help="A run folder, or the name of one in runs/.")],
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    table: Annotated[
        bool, typer.Option("--table", help="Print the table of results; draw nothing.")
    ] = False,
) -> None:
    """Draw report.html in the run folder, whatever became of the run, and say where it is."""
    if table:
        _print_table(find_run(run))
        return
    from hydria.report.page import write_report

    page = write_report(find_run(run))
    print(page)
    if show and not webbrowser.open(page.resolve().as_uri()):
        print("no browser could be started here; open the file above where there is one")


def _print_table(folder: Path) -> None:
    from hydria.report.tables import results_table

    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise HydriaError(f"{folder}: expected results.json of a finished run, got {err}") from err
    print(results_table(results))
