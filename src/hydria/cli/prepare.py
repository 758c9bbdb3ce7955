"""`hydria prepare`: raw files to a graph store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from hydria.cli.terminal import progress_bar
from hydria.config import load_config
from hydria.core import log
from hydria.core.places import data_root
from hydria.data.prepare import PreparedData, prepare
from hydria.runtime.launch import detect_ranks

app = typer.Typer(help="Raw files to a graph store.")


@app.command()
def command(
    config: Annotated[str, typer.Argument(help="A config file, or the name of one in configs/.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Section.key=value", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Data root; else $HYDRIA_DATA, else ./data.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Prepare it again.")] = False,
) -> None:
    """Make graphs of the raw data of CONFIG, once; training uses them from then on."""
    loaded = load_config(config, overrides or [])
    log.configure(loaded.config.verbosity.level)
    with progress_bar() as bar:
        prepared = prepare(loaded.config, data_root(data), force=force, progress=bar)
    if detect_ranks(os.environ).rank == 0:
        print(describe(prepared))


def describe(prepared: PreparedData) -> str:
    """Counts, sizes, sets and place, a line each."""
    nodes, edges = prepared.store.sizes()
    per_node = edges.sum() / max(1, nodes.sum())
    sets = ", ".join(f"{name} {len(ids)}" for name, ids in prepared.splits.items())
    return "\n".join(
        [
            f"graphs  {len(prepared.store)} ({sets})",
            f"nodes   {nodes.sum()} ({_spread(nodes)} a graph)",
            f"edges   {edges.sum()} ({_spread(edges)} a graph, {per_node:.1f} a node)",
            f"where   {prepared.path}",
        ]
    )


def _spread(counts: NDArray[np.int64]) -> str:
    low, high = counts.min(), counts.max()
    return f"{low}" if low == high else f"{low} to {high}"
