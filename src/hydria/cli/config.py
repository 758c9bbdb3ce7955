"""`hydria config`: check, show and start configs; print their schema."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from hydria.config import LoadedConfig, bundled_configs, load_config
from hydria.config.not_yet import not_yet
from hydria.config.provenance import Value, resolved
from hydria.config.summary import DataSummary
from hydria.core.errors import ConfigError, HydriaError, Problem

app = typer.Typer(help="Check, show and start configs; print their schema.", rich_markup_mode=None)
Config = Annotated[
    str, typer.Argument(help="A file, or the name of a config that comes with Hydria.")
]
Overrides = Annotated[list[str] | None, typer.Argument(help="Values to set: Section.key=value.")]
COLOURS = {"file": "green", "override": "yellow", "measured": "cyan", "default": "dim"}


@app.command()
def check(config: Config, overrides: Overrides = None) -> None:
    """Say whether a config reads well and can be trained; all problems at once."""
    try:
        loaded = load_config(config, overrides or [])
    except ConfigError as err:
        _fail(config, f"{len(err.problems)} problem{'s'[: len(err.problems) > 1]}", err.problems)
    for warning in loaded.warnings:
        print(f"{config}: {warning}")
    if later := not_yet(loaded.config):
        _fail(config, "reads well, but this version cannot train it:", later)
    print(f"{config}: reads well; {describe(loaded)}")


def _fail(config: str, headline: str, problems: Sequence[Problem]) -> None:
    print(f"{config}: {headline}", file=sys.stderr)
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)
    raise typer.Exit(HydriaError.exit_code)


def describe(loaded: LoadedConfig) -> str:
    """Architecture, outputs and data of a config, in a line."""
    network = loaded.config.neural_network
    variables, dataset = network.variables_of_interest, loaded.config.dataset
    outputs = ", ".join(
        f"{name} ({kind})"
        for name, kind in zip(variables.output_names, variables.type, strict=True)
    )
    given = "dataset" in loaded.config.model_fields_set
    data = f"{dataset.format} data {dataset.name!r}" if given else "no Dataset, a script's own data"
    return f"{network.architecture.mpnn_type}: {outputs}; {data}"


@app.command("list")
def list_configs() -> None:
    """Name the configs that come with Hydria."""
    for name, path in bundled_configs().items():
        print(f"{name:<16} {describe(load_config(path))}")


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of a config file, for editors."""
    from hydria.config.schema import json_schema

    print(json_module.dumps(json_schema(), indent=2, ensure_ascii=False))


@app.command()
def show(
    config: Config,
    overrides: Overrides = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Data root; else $HYDRIA_DATA, else ./data.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON, values in full.")] = False,
) -> None:
    """Print every value as resolved, and whether file, override, default or data set it."""
    loaded = load_config(config, overrides or [])
    values = resolved(loaded, _measured(loaded, data))
    if json:
        tree = {value.path: {"value": value.value, "origin": value.origin} for value in values}
        print(json_module.dumps(tree, indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        _print_table(values)
    else:
        width = max(len(value.path) for value in values)
        for value in values:
            print(f"{value.path:<{width}}  {value.origin:<8}  {value.text}")


def _print_table(values: Sequence[Value]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for section, group in groupby(values, lambda value: value.path.rpartition(".")[0]):
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for value in group:
            style, key = COLOURS[value.origin], value.path.rpartition(".")[2]
            table.add_row(f"  {key}", Text(value.origin, style), Text(value.text, style))
        console.print(Text(section or "(top)", "bold"))
        console.print(table)


def _measured(loaded: LoadedConfig, data: Path | None) -> DataSummary | None:
    """The summary of prepared data, where there is some and what reads it is installed."""
    try:
        from hydria.core.places import data_root
        from hydria.data.prepare import store_path
    except ModuleNotFoundError:
        return None
    file = store_path(loaded.config, data_root(data)) / "summary.json"
    if not file.is_file():
        return None
    return DataSummary.model_validate_json(file.read_text(encoding="utf-8"))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the data set.")] = "dataset",
    architecture: Annotated[str, typer.Option(help="The mpnn_type.")] = "PNA",
    out: Annotated[
        Path | None, typer.Option("--out", help="The file; NAME.json5 when left out.")
    ] = None,
) -> None:
    """Write a commented config to start from."""
    from hydria.config.starter import starter

    text, file = starter(name, architecture), out or Path(f"{name}.json5")
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as err:
        raise HydriaError(
            f"{file}: exists, and was left as it is. Hint: another --out, or remove it"
        ) from err
    except OSError as err:
        raise HydriaError(f"{file}: cannot be written: {err.strerror}") from err
    print(f"wrote {file}; edit it, then: hydria config check {file}")
