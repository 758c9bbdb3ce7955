"""sbatch, scontrol, qsub, qrerun and flux batch: they refuse, drop, or put a job into a folder."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.shims.launchers import flux_run, machine_of, refuse
from tests.support.shims.rules import Rules
from tests.support.shims.words import directives, split_options

SENTINELS = {"slurm": "#SBATCH", "pbs": "#PBS", "flux": "# flux:"}
LONG_NAMES = {"-A": "--account", "-N": "--nodes", "-t": "--time", "-p": "--partition"}


def sbatch(machine: Rules, words: Sequence[str]) -> int:
    given, (script, *arguments) = split_options(words, {"-A", "--dependency"})
    asked = slurm_options(Path(script).read_text()) | named(given)
    for flag in machine.needs:
        if flag not in asked:
            refuse("sbatch", f"Batch job submission failed: {flag} is required")
    for flag in machine.rejects:
        if flag in asked:
            refuse("sbatch", f"{flag} is not allowed on this machine")
    if any("$" in value for value in asked.values()):
        refuse("sbatch", "variables are not expanded in directives")
    print(f"Submitted batch job {enqueue(script, arguments, asked)}")
    return 0


def slurm_options(script: str) -> dict[str, str]:
    return named(
        {
            name: value
            for words in directives(script, SENTINELS["slurm"])
            for name, value in split_options(words, LONG_NAMES)[0].items()
        }
    )


def named(options: dict[str, str]) -> dict[str, str]:
    return {LONG_NAMES.get(name, name): value for name, value in options.items()}


def scontrol(machine: Rules, words: Sequence[str]) -> int:
    if words[0] != "requeue":
        refuse("scontrol", f"{words[0]} is not known here")
    again(words[1])
    return 0


def qsub(machine: Rules, words: Sequence[str]) -> int:
    given, (script,) = split_options(words, {"-A", "-W", "-v", "-q"})
    asked = pbs_options(Path(script).read_text()) | given
    for flag in machine.needs:
        if flag not in asked:
            refuse("qsub", f"Resource: {flag} is required to be set.")
    for flag in machine.rejects:
        if flag in asked:
            refuse("qsub", f"{flag} is not allowed here")
    queue = asked.get("-q", "")
    if queue in machine.execution_queues:
        refuse("qsub", f"Access to queue is denied: {queue}")
    job = enqueue(script, [], asked, kept=not dropped(machine, queue, asked))
    print(f"{job}.server")
    return 0


def pbs_options(script: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for option, *values in directives(script, SENTINELS["pbs"]):
        value = " ".join(values)
        if option == "-l":
            name, _, value = value.partition("=")
            option = f"-l {name}"
        found[option] = value
    return found


def dropped(machine: Rules, queue: str, asked: dict[str, str]) -> bool:
    """Whether a routing queue finds no place for the job, of which nobody is told."""
    rows = dict(machine.routes).get(queue)
    nodes = int(asked["-l select"].split(":")[0])
    hours = int(asked["-l walltime"].split(":")[0])
    return rows is not None and not any(
        low <= nodes <= high and hours <= most for low, high, most in rows
    )


def qrerun(machine: Rules, words: Sequence[str]) -> int:
    again(words[0].partition(".")[0])
    return 0


def flux(machine: Rules, words: Sequence[str]) -> int:
    words = list(words[1:] if words[0] == "--parent" else words)
    verb, rest = words[0], words[1:]
    if verb == "run":
        return flux_run(machine, rest)
    if verb == "getattr":
        if "FLUX_JOB" not in os.environ:
            refuse("flux", "getattr: no such attribute")
        print(os.environ["FLUX_JOB"])
        return 0
    given, (script, *arguments) = split_options(rest, {"-B"})
    asked = {
        name: value
        for line in directives(Path(script).read_text(), SENTINELS["flux"])
        for name, value in split_options(line, ())[0].items()
    }
    if "--gpus-per-task" in asked:
        refuse("flux", "batch: unrecognized arguments: --gpus-per-task")
    for flag in machine.needs:
        if flag not in asked:
            refuse("flux", f"batch: {flag} is required")
    print(enqueue(script, arguments, asked | given))
    return 0


def folder() -> Path:
    path = Path(os.environ["SHIMS"], "queue")
    path.mkdir(exist_ok=True)
    return path


def enqueue(script: str, arguments: list[str], asked: dict[str, str], kept: bool = True) -> str:
    """Keep a copy of the script, as schedulers do; the number of the job."""
    count = Path(os.environ["SHIMS"], "count")
    number = int(count.read_text()) + 1
    count.write_text(str(number))
    job = {
        "id": str(number), "text": Path(script).read_text(), "arguments": arguments,
        "asked": asked, "folder": os.getcwd(), "restarts": 0, "variables": dict(exported(asked)),
    }  # fmt: skip
    (folder() / f"{number}.job").write_text(json.dumps(job))
    if kept:
        (folder() / f"{number}.queued").touch()
    return str(number)


def exported(asked: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Variables of `qsub -v`."""
    for pair in filter(None, asked.get("-v", "").split(",")):
        name, _, value = pair.partition("=")
        yield name, value


def again(number: str) -> None:
    """Put a job that was started back into the queue."""
    path = folder() / f"{number}.job"
    if not path.exists():
        refuse("scontrol", f"Invalid job id specified: {number}")
    job = json.loads(path.read_text())
    path.write_text(json.dumps(job | {"restarts": job["restarts"] + 1}))
    (folder() / f"{number}.queued").touch()


def main() -> int:
    """`python -m tests.support.shims.schedulers PROGRAM WORDS…`"""
    from tests.support.shims.launchers import LAUNCHERS

    programs = LAUNCHERS | {
        "sbatch": sbatch, "scontrol": scontrol, "qsub": qsub, "qrerun": qrerun, "flux": flux,
    }  # fmt: skip
    name, *words = sys.argv[1:]
    if not re.fullmatch(r"getattr|--parent", words[0] if words else ""):
        with Path(os.environ["SHIMS"], "calls").open("a") as file:
            file.write(" ".join([name, *words]) + "\n")
    return programs[name](machine_of(os.environ), words)


if __name__ == "__main__":
    sys.exit(main())
