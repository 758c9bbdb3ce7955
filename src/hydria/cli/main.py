"""The `hydria` command: a table of subcommands, each imported only when it is used."""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

from hydria._version import __version__
from hydria.core.errors import HydriaError, MissingExtraError
from hydria.core.registry import nearest

# name → (module, one line of help). A module exposes `app`, a Typer application.
COMMANDS = {
    "job": ("hydria.cli.job", "plan, check and render a job script"),
    "submit": ("hydria.cli.submit", "render a job script and hand it to the scheduler"),
    "image": ("hydria.cli.image", "build, verify and deliver container images"),
    "site": ("hydria.cli.site", "list, show and check machine descriptions"),
    "doctor": ("hydria.cli.doctor", "check hosts, cores, devices, versions and file systems"),
    "config": ("hydria.cli.config", "check, show and start configs; print their schema"),
    "data": ("hydria.cli.data", "make, fetch, convert and show data"),
    "prepare": ("hydria.cli.prepare", "raw files to a graph store"),
    "train": ("hydria.cli.train", "train a config"),
    "predict": ("hydria.cli.predict", "evaluate a finished run"),
    "export": ("hydria.cli.export", "write a potential as one file"),
    "validate-potential": ("hydria.cli.validate", "equation of state, elasticity and more"),
    "checkpoint": ("hydria.cli.checkpoint", "turn checkpoints of HydraGNN into runs"),
    "report": ("hydria.cli.report", "draw the report of a run"),
}
# Top-level modules of the `train` extra: a missing one is not the user's typing error.
TRAIN_MODULES = frozenset(
    {
        "torch",
        "torch_geometric",
        "numpy",
        "scipy",
        "vesin",
        "ase",
        "adios2",
        "mpi4py",
        "e3nn",
        "tensorboard",
        "matplotlib",
        "pyarrow",
        "httpx",
    }
)


def usage() -> str:
    lines = ["Usage: hydria COMMAND [ARGS]…", "", "Commands:"]
    wide = max(map(len, COMMANDS))
    lines += [f"  {name:<{wide}} {text}" for name, (_, text) in COMMANDS.items()]
    lines += ["", "hydria COMMAND --help tells more; hydria --version prints the version."]
    return "\n".join(lines)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors of the user become messages."""
    if not arguments or arguments[0] in {"--help", "-h", "help"}:
        print(usage())
        return 0
    if arguments[0] == "--version":
        print(f"hydria {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        close = nearest(name, COMMANDS)
        hint = f"did you mean 'hydria {close}'?" if close else "hydria --help lists them"
        raise HydriaError(f"unknown command {name!r}. Hint: {hint}")
    return _invoke(name, rest)


def _invoke(name: str, rest: list[str]) -> int:
    try:
        app = importlib.import_module(COMMANDS[name][0]).app
        result = app(args=rest, prog_name=f"hydria {name}", standalone_mode=True)
    except ModuleNotFoundError as err:
        missing = (err.name or "").split(".")[0]
        if missing in TRAIN_MODULES:
            raise MissingExtraError("train", missing) from err
        raise
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of the console script."""
    try:
        sys.exit(run(sys.argv[1:]))
    except HydriaError as err:
        _end(str(err), err.exit_code)
    except KeyboardInterrupt:
        _end("interrupted", 130)
    except BrokenPipeError:  # `hydria … | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as err:
        if err.filename is None:
            raise
        _end(f"{err.filename}: {err.strerror}. Hint: look at its rights and the free space", 2)


def _end(message: str, code: int) -> NoReturn:
    print(f"hydria: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
