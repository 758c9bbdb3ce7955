"""`hydria train`: train a config here, alone or as one rank of many."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hydria.cli.epoch_bar import epoch_bars
from hydria.cli.terminal import progress_bar
from hydria.config import LoadedConfig, load_config
from hydria.core import places
from hydria.core.errors import HydriaError
from hydria.runtime.launch import detect_ranks
from hydria.runtime.memory import keep_freed_memory
from hydria.runtime.mpi import start_mpi_first
from hydria.runtime.status import read_status
from hydria.train import run_folder

app = typer.Typer(help="Train a config.")
log = logging.getLogger("hydria.cli.train")

INTERRUPTED = 130


@app.command()
def command(
    config: Annotated[str, typer.Argument(help="A config file, or the name of one in configs/.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Section.key=value", show_default=False)
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option("--run-dir", help="Run folder; else runs/<config>.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Data root; else $HYDRIA_DATA, else ./data.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the run folder.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the run in the run folder.")
    ] = False,
) -> None:
    """Train CONFIG; the run folder holds all that comes of it.

    Under torchrun, srun, mpirun, mpiexec or flux the same line is one rank. A signal (Ctrl-C,
    SIGTERM, SIGUSR1) or a file STOP in the run folder ends it with a checkpoint and exit code 75;
    --resume goes on from there.
    """
    start_mpi_first(os.environ)
    keep_freed_memory(os.environ)  # before torch is there
    loaded = _load(config, overrides or [])
    folder = places.run_folder(loaded.name, run_dir)
    try:
        if detect_ranks(os.environ).source == "single" and loaded.config.devices > 1:
            run_folder.check(folder, resume, force)
            code = _as_ranks(loaded, folder, sys.argv[1:])
        else:
            code = _as_one_rank(loaded, folder, places.data_root(data), resume, force)
    except KeyboardInterrupt:
        print("hydria: interrupted before a checkpoint could be written", file=sys.stderr)
        code = INTERRUPTED
    raise typer.Exit(code)


def _load(config: str, overrides: list[str]) -> LoadedConfig:
    try:
        return load_config(config, overrides)
    except HydriaError as err:
        if detect_ranks(os.environ).rank > 0:
            raise typer.Exit(_after_rank_0(err)) from err
        raise


def _after_rank_0(err: HydriaError) -> int:
    """Exit code of a rank whose error rank 0 tells.

    A launcher ends all ranks when one exits, so this one waits until rank 0 has spoken.
    """
    time.sleep(0.5)
    return err.exit_code


def _as_ranks(loaded: LoadedConfig, folder: Path, arguments: list[str]) -> int:
    from hydria.runtime.spawn import spawn

    before = read_status(folder)
    code = spawn(loaded.config.devices, arguments, folder, os.environ)
    status = read_status(folder)
    if status is None or status == before or status.exit_code is None:
        return code or 1
    return status.exit_code


def _as_one_rank(loaded: LoadedConfig, folder: Path, data: Path, resume: bool, force: bool) -> int:
    from hydria.runtime.collectives import FirstRankError
    from hydria.workloads.run import Request, train

    # a full disk must not fill the terminal with what the log could not write
    logging.raiseExceptions = False
    request = Request(loaded, folder, data, resume, force)
    try:
        with epoch_bars(loaded.config.verbosity.level) as observers:
            result = train(request, os.environ, observers, progress_bar)
    except FirstRankError as err:
        return _after_rank_0(err)
    if result.results:
        _show(folder, result.results, loaded.config.verbosity.level)
    return result.exit_code


def _show(folder: Path, results: Mapping[str, Any], verbosity: int) -> None:
    """Draw the report, and print the table of results."""
    from hydria.report import write_report
    from hydria.report.tables import results_table

    told = f"run     {folder}"
    try:
        told += f"\nreport  {write_report(folder)}"
    except Exception as err:  # a drawing must not cost a finished training its exit code
        log.warning("no report: %s: %s. Hint: hydria report %s", type(err).__name__, err, folder)
    if verbosity > 0:
        print(f"\n{results_table(results)}\n\n{told}")
