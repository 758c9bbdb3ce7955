"""`hydria export`: a potential as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hydria.cli.runs import find_run

app = typer.Typer(help="Write a potential as one file.")


@app.command()
def command(
    run: Annotated[str, typer.Argument(help="A run folder, or the name of one in runs/.")],
    checkpoint: Annotated[
        str, typer.Option(help="best, last, the name of a checkpoint, or a path.")
    ] = "best",
    out: Annotated[
        Path | None, typer.Option(help="File to write; else <run>.pt2.", dir_okay=False)
    ] = None,
    branch: Annotated[
        int, typer.Option(help="Of a potential trained on several data sets, the one to export.")
    ] = 0,
) -> None:
    """Write the potential of RUN as one file: weights, description and versions.

    The file is an exported program of torch. HydriaCalculator and hydria predict take it in place
    of a run; whoever loads it needs neither the run nor what training needs.
    """
    from hydria.potential.export import SUFFIX, export_potential

    folder = find_run(run)
    path = export_potential(
        folder, out or Path(f"{folder.resolve().name}{SUFFIX}"), checkpoint, branch
    )
    print(f"{path}  {path.stat().st_size / 2**20:.1f} MiB")
    print(f'HydriaCalculator("{path}") is the calculator for ASE')
