"""`hydria predict`: the model of a run, judged again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hydria.cli.runs import find_run
from hydria.core.places import data_root
from hydria.report.tables import predictions_table, results_table
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
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--input", help="Predict the structures in this file instead; may be given again."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File of predictions (Parquet); else in the run folder.", dir_okay=False),
    ] = None,
) -> None:
    """Evaluate the model of RUN on one of its sets, as training does at its end.

    Prints errors by head and writes targets and predictions as one long table. With --input, the
    structures in other files (in the raw format of the run, or anything that ASE reads) are
    predicted; errors are shown for the targets that they hold.
    """
    folder, root = find_run(run), data_root(data)
    if files:
        _predict_files(folder, files, root, checkpoint, out)
        return
    done = predict(folder, root, os.environ, checkpoint=checkpoint, split=split, out=out)
    if done.results:
        print(results_table(done.results))
        _show_places(done.checkpoint, done.path)


def _predict_files(
    folder: Path, files: list[Path], root: Path, checkpoint: str, out: Path | None
) -> None:
    from hydria.workloads.property.unseen import predict_unseen

    done = predict_unseen(folder, files, root, os.environ, checkpoint=checkpoint, out=out)
    graph_heads = [table for table in done.tables if table.kind == "graph"]
    for table in graph_heads:
        print(predictions_table(done.names, table.name, table.unit, table.prediction.tolist()))
    if done.results:
        print(results_table(done.results))
    _show_places(done.checkpoint, done.path)


def _show_places(checkpoint: Path, predictions: Path) -> None:
    print(f"weights      {checkpoint}")
    print(f"predictions  {predictions}")
