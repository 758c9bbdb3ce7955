"""`hydria checkpoint`: weights of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(help="Convert checkpoints.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Convert checkpoints of other programs into runs."""


@app.command()
def convert(
    weights: Annotated[Path, typer.Argument(help="logs/NAME/NAME.pk", metavar="FILE")],
    config: Annotated[str, typer.Argument(help="Config of that run, or the name of one.")],
    source: Annotated[
        Literal["hydragnn"], typer.Option("--from", help="Whose checkpoint it is.")
    ] = "hydragnn",
    run_dir: Annotated[
        Path | None, typer.Option("--run-dir", help="Run folder to make; else runs/<FILE>.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Data root; else $HYDRIA_DATA, else ./data.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the run in the folder.")] = False,
) -> None:
    """Turn the checkpoint FILE into a run folder that `hydria predict` takes.

    FILE is read without running anything in it: tensors and plain containers only. The facts of
    the data are measured where the data is, and else read in CONFIG, where HydraGNN wrote them.
    """
    from hydria.core.places import RUNS, data_root
    from hydria.workloads.property.convert import convert_hydragnn

    folder = run_dir or RUNS / weights.stem
    done = convert_hydragnn(weights, config, folder, data_root(data), force=force)
    print(f"{done.parameters:,} parameters in {done.run_dir}")
    if not done.measured:
        print("facts of the data are those in the config; the data is not here")
    for difference in done.differences:
        print(f"outputs differ on purpose: {difference}")
    print(f"hydria predict {done.run_dir} --input FILE predicts structures")
