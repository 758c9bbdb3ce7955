"""`hydria report`: the page about a run."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from hydria.cli.runs import find_run
from hydria.report.page import write_report

app = typer.Typer(help="Draw the report of a run.")


@app.command()
def command(
    run: Annotated[str, typer.Argument(help="A run folder, or the name of one in runs/.")],
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Draw report.html in the run folder, whatever became of the run, and say where it is."""
    page = write_report(find_run(run))
    print(page)
    if show and not webbrowser.open(page.resolve().as_uri()):
        print("no browser could be started here; open the file above where there is one")
