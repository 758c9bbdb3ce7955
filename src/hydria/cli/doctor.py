"""`hydria doctor`: look at this machine, alone or as one rank of many."""

from __future__ import annotations

import json as json_module
import os
import sys
import time
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from hydria.core.errors import HydriaError
from hydria.core.files import write_json_atomic
from hydria.core.places import data_root
from hydria.core.registry import nearest
from hydria.doctor.checks.software import PURPOSES
from hydria.doctor.examine import Examination, Request, examine
from hydria.doctor.page import page
from hydria.doctor.plan import read_plan
from hydria.runtime.launch import detect_ranks

app = typer.Typer(help="Look at this machine before a job does.", rich_markup_mode=None)
# What `--json` is without a file: nothing but JSON is printed.
TO_TERMINAL = "-"


class _Command(TyperCommand):
    """Lets `--json` stand without a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = []
        for word, after in zip_longest(args, args[1:]):
            bare = word == "--json" and (after is None or after.startswith("--"))
            given += [word, TO_TERMINAL] if bare else [word]
        return super().parse_args(ctx, given)


@app.command(cls=_Command)
def command(
    plan: Annotated[
        Path | None, typer.Option("--plan", help="A plan (hydria job --json) to hold ranks to.")
    ] = None,
    purpose: Annotated[
        str | None, typer.Option("--for", help="What must be installed: " + ", ".join(PURPOSES))
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option("--run-dir", help="Run folder; else runs/ here.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Data root; else $HYDRIA_DATA, else ./data.")
    ] = None,
    meet: Annotated[
        Path | None, typer.Option("--meet", help="Folder all ranks share; else the run folder.")
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="[FILE]",
            help="Write all facts to a file too; without one, print only them.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, help="Seconds to wait for silent ranks.")
    ] = 120.0,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count too.")] = False,
) -> None:
    """Check hosts, cores, devices, versions and file systems.

    Alone, or with the same line under torchrun, srun, mpirun, mpiexec or flux: rank 0 prints one
    page for all. Exit code 0: fine; 2: faults (with --strict: or warnings).
    """
    try:
        _check_purpose(purpose)
        planned = None if plan is None else read_plan(plan)
    except HydriaError as err:
        _leave_to_rank_0(err)
        raise
    request = Request(
        run_dir=run_dir or Path("runs"),
        data=data_root(data),
        meet=meet or run_dir or Path(),
        purpose=purpose,
        plan=planned,
        timeout_s=timeout,
        strict=strict,
    )
    raise typer.Exit(examine(request, os.environ, lambda outcome: _tell(outcome, json)))


def _check_purpose(purpose: str | None) -> None:
    if purpose is None or purpose in PURPOSES:
        return
    close = nearest(purpose, PURPOSES)
    hint = f"did you mean {close!r}?" if close else "use one of those"
    raise HydriaError(
        f"--for: expected one of {', '.join(PURPOSES)}, got {purpose!r}. Hint: {hint}"
    )


def _leave_to_rank_0(err: HydriaError) -> None:
    """End a rank whose error rank 0 tells; a launcher ends all ranks when one exits."""
    if detect_ranks(os.environ).rank > 0:
        time.sleep(0.5)
        raise typer.Exit(err.exit_code) from err


def _tell(outcome: Examination, json: str | None) -> None:
    if json == TO_TERMINAL:
        print(json_module.dumps(outcome.as_json(), indent=2, ensure_ascii=False))
    else:
        print(page(outcome.seen, outcome.findings))
        if json is not None:
            write_json_atomic(Path(json), outcome.as_json())
    sys.stdout.flush()
