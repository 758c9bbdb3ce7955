"""`hydria data`: list, make and fetch data sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hydria.cli.terminal import progress_bar
from hydria.core import log
from hydria.core.places import data_root
from hydria.data.catalog import CATALOG, entry
from hydria.data.sets.entry import DataSet, origin

app = typer.Typer(no_args_is_help=True, help="Make or fetch data sets.")

Data = Annotated[
    Path | None, typer.Option("--data", help="Data root; else $HYDRIA_DATA, else ./data.")
]
Name = Annotated[str, typer.Argument(help="A data set; 'hydria data list' names them.")]
Force = Annotated[bool, typer.Option("--force", help="Do it again although it is there.")]


@app.command("list")
def list_(data: Data = None) -> None:
    """Name the data sets, how to get each, and which are there."""
    root = data_root(data)
    table = Table(box=None, pad_edge=False)
    for title in ("name", "how", "here", "what"):
        table.add_column(title, no_wrap=title != "what")
    for data_set in CATALOG.values():
        there = origin(root / data_set.name)
        here = there.how if there else "no"
        table.add_row(data_set.name, ", ".join(_how(data_set)), here, data_set.about)
    Console().print(table)


def _how(data_set: DataSet) -> Iterator[str]:
    if data_set.make is not None:
        yield "make"
    if data_set.remote:
        yield "fetch"


@app.command()
def make(
    name: Name,
    data: Data = None,
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, help="Structures to make, if not the usual number."),
    ] = None,
    force: Force = False,
) -> None:
    """Make a data set that needs no network."""
    log.configure()
    with progress_bar() as bar:
        folder = entry(name).provide(data_root(data), bar, force=force, count=count)
    print(f"{name}: {folder}")


@app.command()
def fetch(name: Name, data: Data = None, force: Force = False) -> None:
    """Fetch a published data set; a download that broke off is taken up where it stopped."""
    log.configure()
    with progress_bar() as bar:
        folder = entry(name).fetch(data_root(data), bar, force=force)
    print(f"{name}: {folder}")
