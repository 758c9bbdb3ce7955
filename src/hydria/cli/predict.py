"""`hydria predict`: the model of a run, judged again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hydria.cli.runs import find_run
from hydria.cli.terminal import data_root
from hydria.report.tables import results_table
from hydria.workloads.predict import BEST, predict

app = typer.Typer(help="Evaluate the model of a run.")


@app.command()
def command(
    run: Annotated[str, typer.Argument(help="A run folder, or the name of one in runs/.")],
    checkpoint: Annotated[
        str, typer.Option(help="best, last, the name of a checkpoint, or a path.")
    ] = BEST,
    split: Annotated[str, typer.Option(help="train, validate or test.")] = "test",
    data: Annotated[
        Path | None, typer.Option("--data", help="Data root; else $HYDRIA_DATA, else ./data.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File of predictions (Parquet); else in the run folder.", dir_okay=False),
    ] = None,
) -> None:
    """Evaluate the model of RUN on one of its sets, as training does at its end.

    Prints errors by head and writes targets and predictions as one long table.
    """
    done = predict(
        find_run(run), data_root(data), os.environ, checkpoint=checkpoint, split=split, out=out
    )
    if done.results:
        print(results_table(done.results))
        print(f"weights      {done.checkpoint}")
        print(f"predictions  {done.path}")
