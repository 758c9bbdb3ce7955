"""`hydria predict`: the model of a run, judged again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hydria.cli.runs import find_run, is_potential, potential_source
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
        typer.Option(
            help="File of predictions (Parquet; of a potential with --input, extended XYZ); else "
            "in the run folder.",
            dir_okay=False,
        ),
    ] = None,
    allow_unseen_elements: Annotated[
        bool,
        typer.Option(
            "--allow-unseen-elements",
            help="With a potential: compute elements that were not in its training set, too.",
        ),
    ] = False,
) -> None:
    """Evaluate the model of RUN on one of its sets, as training does at its end.

    Prints errors by head and writes targets and predictions as one long table. With --input, the
    structures in other files (in the raw format of the run, or anything that ASE reads) are
    predicted; errors are shown for the targets that they hold. A potential writes them as extended
    XYZ, with energy, forces and stress; RUN may be a file of hydria export then.
    """
    if files and is_potential(run):
        _predict_frames(run, files, checkpoint, out, allow_unseen_elements)
        return
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


def _predict_frames(
    run: str, files: list[Path], checkpoint: str, out: Path | None, allow_unseen_elements: bool
) -> None:
    from hydria.potential.evaluate import load_evaluator
    from hydria.potential.predict import predict_frames

    source = potential_source(run)
    path = out or default_output(source, files[0])
    done = predict_frames(
        load_evaluator(source, checkpoint), files, path, allow_unseen_elements=allow_unseen_elements
    )
    energies = [[frame.calc.results["energy"]] for frame in done.frames]
    print(predictions_table(done.names, "energy", "eV", energies))
    if done.results:
        print(results_table(done.results))
    print(f"predictions  {done.path}")


def default_output(source: Path, first: Path) -> Path:
    """Where predictions of a file go: into the run folder, or beside the file of an export."""
    folder = source / "predictions" if source.is_dir() else Path()
    return folder / f"{first.stem.removesuffix('.extxyz')}-predicted.extxyz"


def _show_places(checkpoint: Path, predictions: Path) -> None:
    print(f"weights      {checkpoint}")
    print(f"predictions  {predictions}")
