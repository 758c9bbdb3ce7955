"""`hydria site`: list, show, check and explain machine descriptions."""

from __future__ import annotations

import json as json_module
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from hydria.core.errors import DeployError, HydriaError, Problem
from hydria.deploy.explain import explain as explanations
from hydria.deploy.explain import remarks
from hydria.deploy.refresh import COMMANDS, compare, merge, read_output
from hydria.deploy.sites import load_site, site_names

app = typer.Typer(help="List, show, check and explain machines.", rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="A machine, or the path of a site file.")]
Captured = Annotated[
    list[Path] | None,
    typer.Option("--from", help="A command's output in a file, instead of asking; repeatable."),
]
ASK_TIMEOUT_S = 60
Names = Annotated[list[str] | None, typer.Argument(help="Machines; all when left out.")]


@app.command("list")
def list_sites() -> None:
    """Name every machine with its scheduler."""
    for name in site_names():
        site = load_site(name).site
        print(f"{name:<19} {site.scheduler.kind:<7} {site.facility:<12} {site.summary}")


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


@app.command()
def refresh(name: Name, captured: Captured = None) -> None:
    """Say what the machine itself contradicts in its file; change nothing.

    Reads what `scontrol show partition`, `sinfo`, `sacctmgr show qos`, `qstat -Qf`, `flux queue
    list` and `flux resource list` print: live on the machine, or from files. Exit code 2 when
    something is stale.
    """
    site = load_site(name).site
    texts = [path.read_text() for path in captured] if captured else list(_ask(site.scheduler.kind))
    try:
        live = merge(map(read_output, texts))
    except (ValueError, KeyError) as err:
        raise DeployError([Problem("--from", str(err))]) from err
    stale = list(compare(site, live))
    for line in stale:
        print(line)
    if not stale:
        print(f"{site.name}: its queues are as the file says")
        return
    print(f"{len(stale)} stale in {load_site(name).path.name}; nothing was changed")
    raise typer.Exit(2)


def _ask(scheduler: str) -> Iterator[str]:
    """What the scheduler's own commands print here."""
    commands = [words for words in COMMANDS.get(scheduler, ()) if shutil.which(words[0])]
    if not commands:
        known = " or ".join(" ".join(words) for words in COMMANDS.get(scheduler, ())) or "commands"
        message = f"expected {known} on this machine, got none"
        hint = "run this on a login node, or give captured output with --from FILE"
        raise DeployError([Problem("site refresh", message, hint)])
    problems: list[Problem] = []
    for words in commands:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False
        )
        if done.returncode == 0 and done.stdout.strip():
            yield done.stdout
        else:
            told = (done.stderr.strip() or "it told nothing").splitlines()[-1]
            problems.append(Problem(" ".join(words), f"exit code {done.returncode}: {told}"))
    if len(problems) == len(commands):
        raise DeployError(problems)
