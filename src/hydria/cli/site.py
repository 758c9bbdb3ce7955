"""`hydria site`: list, show, check and explain machine descriptions."""

from __future__ import annotations

import json as json_module
import sys
from datetime import date
from typing import Annotated

import typer

from hydria.core.errors import DeployError, HydriaError, Problem
from hydria.deploy.explain import explain as explanations
from hydria.deploy.explain import remarks
from hydria.deploy.sites import load_site, site_names

app = typer.Typer(help="List, show, check and explain machines.", rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="A machine, or the path of a site file.")]
Names = Annotated[list[str] | None, typer.Argument(help="Machines; all when left out.")]


@app.command("list")
def list_sites() -> None:
    """Name every machine with its scheduler."""
    for name in site_names():
        site = load_site(name).site
        print(f"{name:<12} {site.scheduler.kind:<8} {site.facility:<14} {site.summary}")


@app.command()
def show(
    name: Name, json: Annotated[bool, typer.Option("--json", help="As JSON, checked.")] = False
) -> None:
    """Print the description of a machine."""
    loaded = load_site(name)
    if json:
        tree = loaded.site.model_dump(mode="json", by_alias=True)
        print(json_module.dumps(tree, indent=2, ensure_ascii=False))
    else:
        print(loaded.path.read_text(encoding="utf-8"), end="")


@app.command()
def check(names: Names = None) -> None:
    """Check site files: keys and values, variable names, unknown and old facts."""
    problems: list[Problem] = []
    for name in names or site_names():
        try:
            found = list(remarks(load_site(name).site, date.today()))
        except DeployError as err:
            problems.extend(err.problems)
            continue
        print(f"{name}: fine" if not found else f"{name}: fine, with remarks")
        for remark in found:
            print(f"  {remark}")
    if problems:
        raise DeployError(problems)


@app.command()
def explain(
    what: Annotated[str, typer.Argument(help="An environment variable, or a path such as node.")],
    name: Name,
) -> None:
    """Say what a machine's file knows about a variable or a fact, why, and from where."""
    lines = list(explanations(load_site(name).site, what))
    if not lines:
        raise HydriaError(f"site {name} says nothing about {what!r}. Hint: hydria site show {name}")
    sys.stdout.write("\n".join(lines) + "\n")
