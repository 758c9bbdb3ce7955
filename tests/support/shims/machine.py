"""A pretended machine in a folder: what is submitted there runs, with the real trainer."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydria.core.assets import asset_dir
from tests.support.shims.node import write_node
from tests.support.shims.rules import MACHINES, Rules
from tests.support.slurm import wait_until

REPOSITORY = Path(__file__).parents[3]
TIMEOUT_S = 120
PROGRAMS = {
    "slurm": ("sbatch", "srun", "scontrol", "sbcast", "ibrun"),
    "pbs": ("qsub", "qrerun", "mpiexec"),
    "flux": ("flux",),
}
# Folders of nodes that this machine does not have, and what stands for them.
FOLDERS = {
    "/mnt/bb": "disk", "/local/scratch": "disk", "/var/run/palsd": "palsd", "/opt/cray": "cray",
}  # fmt: skip
SHIM = (
    '#!/bin/bash\nPYTHONPATH="{repository}" exec "{python}" -m tests.support.shims.{module} "$@"\n'
)
# A node that is this machine under another name, for a launcher that would use ssh.
AGENT = """#!/bin/bash
while [[ $1 == -* ]]; do shift; done
node=$1
shift
exec unshare --map-root-user --uts bash -c "hostname $node; $*"
"""
NOTHING = '#!/bin/bash\necho "$(basename "$0") $*" >> "$SHIMS/calls"\n'
# A container runtime that contains nothing, and complains of what is not there like the real one.
CONTAINER = """#!/bin/bash
[ "$1" = exec ] || exit 255
shift
while [[ $1 == -* ]]; do
    if [ "$1" = --bind ]; then
        [ -e "${2%%:*}" ] || { echo "FATAL: mount source $2 does not exist" >&2; exit 255; }
        shift
    elif [ "$1" = --pwd ]; then
        cd -- "$2" || { echo "FATAL: failed to set working directory" >&2; exit 255; }
        shift
    fi
    shift
done
[ -f "$1" ] || { echo "FATAL: could not open image $1" >&2; exit 255; }
echo "$1" >> "$SHIMS/images"
shift
exec "$@"
"""
# The timer of a script: it wakes up when the test says so.
SLEEP = '#!/bin/bash\nuntil [ -e "$SHIMS/walltime" ]; do /bin/sleep 0.1; done\n'


@dataclass
class Running:
    """A job that has started."""

    machine: Machine
    job: dict[str, Any]
    process: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        return self.machine.output(self.job["id"])

    def warn(self) -> None:
        """What comes before the end of the walltime: the signal that was asked for, or time."""
        signal = self.job["asked"].get("--signal", "")
        if signal.startswith("B:USR1@"):
            self.process.send_signal(10)
        else:
            (self.machine.folder / "walltime").touch()

    def finish(self) -> int:
        code = self.process.wait(timeout=TIMEOUT_S)
        (self.machine.folder / "walltime").unlink(missing_ok=True)
        return code


class Machine:
    """The machine `name` in `folder`.

    Args:
        warm: the socket of a server that has imported the trainer.
    """

    def __init__(self, folder: Path, name: str, warm: Path) -> None:
        self.folder, self.name, self.warm = folder, name, warm
        self.rules: Rules = MACHINES[name]
        self.run_dir = folder / "run"
        self.site = folder / f"{name}.yaml"
        text = (asset_dir("site") / f"{name}.yaml").read_text()
        for there, here in FOLDERS.items():
            (folder / here).mkdir(exist_ok=True)
            text = text.replace(there, f"{folder}/{here}")
        self.site.write_text(text)
        (folder / "bin").mkdir()
        # jobs of one number meet at one port, and tests run side by side
        (folder / "count").write_text(str(100 + 10 * (os.getpid() % 1000)))
        write_node(folder / "node", self.rules)
        for program in PROGRAMS[self.rules.kind]:
            self._program(program, self._shim(f"schedulers {program}"))
        self._program("hydria", self._shim("trainer"))
        self._program("module", NOTHING)
        self._program("agent", AGENT)
        self._program("apptainer", CONTAINER)
        if self.rules.kind != "slurm":
            self._program("sleep", SLEEP)

    def _shim(self, module: str) -> str:
        return SHIM.format(repository=REPOSITORY, python=sys.executable, module=module)

    def _program(self, name: str, text: str) -> None:
        program = self.folder / "bin" / name
        program.write_text(text)
        program.chmod(0o755)

    def change_site(self, old: str, new: str) -> None:
        text = self.site.read_text()
        assert old in text
        self.site.write_text(text.replace(old, new))

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a login shell has there, without what may be around the tests."""
        path = [self.folder / "bin", Path(sys.executable).parent, "/usr/bin", "/bin"]
        return {
            "PATH": os.pathsep.join(map(str, path)),
            "HOME": str(self.folder),
            "USER": getpass.getuser(),
            "SHIMS": str(self.folder),
            "SHIMS_MACHINE": self.name,
            "SHIMS_WARM": str(self.warm),
            "PRTE_MCA_plm_ssh_agent": str(self.folder / "bin/agent"),
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMP_NUM_THREADS": "1",
            **(more or {}),
        }

    def submit(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`hydria submit` for this machine, with a run folder and data in its folder."""
        from tests.support.shims import warm

        command = [
            sys.executable, "-m", warm.__name__, str(self.warm), "submit",
            "--site", str(self.site), "--run-dir", str(self.run_dir), *words,
        ]  # fmt: skip
        return self._run(command, self.environment({"PYTHONPATH": str(REPOSITORY)}))

    def hand_over(self, script: Path) -> subprocess.CompletedProcess[str]:
        """A script that somebody else wrote, to the scheduler."""
        command = {"slurm": ["sbatch"], "pbs": ["qsub"], "flux": ["flux", "batch"]}
        return self._run([*command[self.rules.kind], str(script)], self.environment())

    def _run(self, command: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=env, cwd=self.folder, capture_output=True, text=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip

    def queued(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "queue").glob("*.queued"))

    def start_next(self) -> Running:
        """Start the job that waits longest."""
        number = self.queued()[0]
        queue = self.folder / "queue"
        (queue / f"{number}.queued").unlink()
        job = json.loads((queue / f"{number}.job").read_text())
        script = queue / f"{number}.sh"
        script.write_text(job["text"])
        env = self.environment(dict(self._job_variables(job)) | job["variables"])
        output = (self.folder / f"{number}.out").open("ab")
        process = subprocess.Popen(
            ["bash", script, *job["arguments"]], env=env, cwd=job["folder"],
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        return Running(self, job, process)

    def run_next(self) -> int:
        return self.start_next().finish()

    def output(self, number: str) -> str:
        return (self.folder / f"{number}.out").read_text()

    def _job_variables(self, job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        asked, number = job["asked"], job["id"]
        if self.rules.kind == "slurm":
            yield "SLURM_JOB_ID", number
            yield "SLURM_SUBMIT_DIR", job["folder"]
            yield "SLURM_JOB_NUM_NODES", asked["--nodes"]
            yield "SLURM_JOB_ACCOUNT", asked.get("--account", "")
            yield "SLURM_NTASKS_PER_NODE", asked.get("--ntasks-per-node", "1")
            if job["restarts"]:
                yield "SLURM_RESTART_COUNT", str(job["restarts"])
        elif self.rules.kind == "pbs":
            names = [os.uname().nodename, "node2"][: int(asked["-l select"].split(":")[0])]
            (self.folder / "nodes").write_text("\n".join(names) + "\n")
            yield "PBS_JOBID", f"{number}.server"
            yield "PBS_O_WORKDIR", job["folder"]
            yield "PBS_NODEFILE", str(self.folder / "nodes")
        else:
            yield "FLUX_JOB", f"f{number}"

    def notes(self, name: str) -> list[dict[str, Any]]:
        """The lines that stand-ins wrote: `steps` or `hydria`."""
        file = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def epochs(self) -> list[int]:
        file = self.run_dir / "metrics.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line)["epoch"] for line in lines]

    def wait_for_epochs(self, count: int, running: Running) -> None:
        def reached() -> bool:
            assert running.process.poll() is None, running.output
            return len(self.epochs()) >= count

        wait_until(reached, TIMEOUT_S, f"no {count} epochs")
