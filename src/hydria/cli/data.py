"""`hydria data`: list, make and fetch data sets; convert and show stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hydria.cli.terminal import progress_bar
from hydria.core import log
from hydria.core.places import data_root
from hydria.data.catalog import CATALOG, entry
from hydria.data.sets.entry import DataSet, origin

if TYPE_CHECKING:
    from hydria.data.stores.facts import FieldFacts, StoreFacts

app = typer.Typer(no_args_is_help=True, help="Make or fetch data sets; convert and show stores.")

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


Address = Annotated[str, typer.Argument(help="A store: PATH, or PATH#LABEL where it has labels.")]
Trust = Annotated[
    bool,
    typer.Option("--trust-pickles", help="Open pickles of any content; they can run code."),
]


@app.command()
def convert(
    source: Address,
    goal: Annotated[str, typer.Argument(help="The new store; its kind follows from its ending.")],
    to: Annotated[
        str | None,
        typer.Option("--to", help="Kind of the new store: folder, adios2, pickle or pickles."),
    ] = None,
    trust: Trust = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a store that is there.")] = False,
) -> None:
    """Write a store as another kind, piece by piece: ADIOS2 (.bp), a pickle (.pkl) or a folder."""
    from hydria.data import stores

    log.configure()
    opened = stores.open_store(source, trust)
    with progress_bar() as bar:
        stores.convert(opened, stores.new_store(goal, to, replace=force), bar)
    print(f"{len(opened)} graphs: {goal}")


@app.command()
def show(
    store: Address,
    check: Annotated[
        bool, typer.Option("--verify", help="Compare every block with its checksum first.")
    ] = False,
    trust: Trust = False,
) -> None:
    """Say what is in a store: counts, sizes, elements, neighbours, and the range of every field."""
    from hydria.data import stores
    from hydria.data.stores.facts import facts_about

    log.configure()
    with progress_bar() as bar:
        if check:
            summed = stores.verify(store, bar)
            print("checksums: " + ("as written" if summed else "none were written"))
        opened = stores.open_store(store, trust)
        facts = facts_about(opened, bar)
    console = Console()
    console.print(_overview(facts, opened.attrs))
    console.print(_fields(facts, opened.attrs.get("units", {})))


def _overview(facts: StoreFacts, attrs: dict[str, Any]) -> Table:
    from ase.data import chemical_symbols

    table = Table(box=None, pad_edge=False, show_header=False)
    least, mean, most = facts.neighbours
    table.add_row("graphs", f"{facts.graphs:,}")
    table.add_row("nodes", f"{facts.nodes:,}, {_in_a_graph(facts.node_range)}")
    table.add_row("edges", f"{facts.edges:,}, {_in_a_graph(facts.edge_range)}")
    table.add_row(
        "neighbours",
        f"{least} to {most} of a node, mean {mean:.1f}; {facts.most_neighbours:,} nodes have {most}"
        " (a cap on neighbours would show here)",
    )
    table.add_row("size", f"{facts.num_bytes / 1e6:,.1f} MB")
    elements = (f"{chemical_symbols[z]} {count:,}" for z, count in facts.elements.items())
    table.add_row("elements", ", ".join(elements) or "not told")
    for name in ("dataset", "format", "labels", "schema_version"):
        if attrs.get(name):
            table.add_row(name.replace("_", " "), str(attrs[name]))
    return table


def _in_a_graph(counts: tuple[int, float, int]) -> str:
    least, mean, most = counts
    return f"{least:,} to {most:,} in a graph, mean {mean:,.1f}"


def _fields(facts: StoreFacts, units: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("field", "of", "type", "row", "unit", "least", "mean", "most", "histogram"):
        table.add_column(title, no_wrap=title != "field", overflow="fold")
    for name, one in facts.fields.items():
        row = " × ".join("*" if size < 0 else str(size) for size in one.shape) or "1"
        numbers = [
            "" if value is None else f"{value:.5g}" for value in (one.low, one.mean, one.high)
        ]
        table.add_row(name, one.kind, one.dtype, row, units.get(name, ""), *numbers, _bars(one))
    return table


def _bars(one: FieldFacts) -> str:
    """The histogram as a row of bars."""
    highest = max(one.histogram)
    if not highest:
        return ""
    return "".join(" ▁▂▃▄▅▆▇█"[-(-count * 8 // highest)] for count in one.histogram)
