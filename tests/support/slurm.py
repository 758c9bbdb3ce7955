"""A one-machine Slurm for tests: munged, slurmctld and virtual nodes, on loopback only.

No systemd, nothing in /etc: everything lies in one folder of its own, and what was started is
stopped by its process id.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SETTINGS = """\
ClusterName=hydria
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={root}/munge/sock
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/%n.log
TmpFS={root}/tmp/%n
ProctrackType=proctrack/linuxproc
TaskPlugin={binding}
GresTypes=gpu
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0,sched_min_interval=100000
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
EnforcePartLimits=ALL
KillWait=5
SlurmdTimeout=15
SlurmctldTimeout=15
InactiveLimit=0
MinJobAge=600
PropagateResourceLimits=NONE
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
"""
# What nodes of this cluster are to Hydria.
SITE = Path(__file__).with_name("test-slurm.yaml")
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
SBIN = "/usr/sbin"


def wait_until(holds: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Look again and again; AssertionError with `what` when it does not come true."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, f"after {timeout_s:.0f} s: {what}"
        time.sleep(0.1)


class Slurm:
    """A running cluster of `nodes` virtual nodes of `cpus` each, with made-up GPUs.

    Ranks are bound to the cores of this machine while nodes have no more than it has.
    """

    def __init__(self, root: Path, nodes: int, cpus: int, gpus: int) -> None:
        self.root, self.nodes, self.cpus, self.gpus = root, nodes, cpus, gpus
        settings = {"SLURM_CONF": str(root / "slurm.conf"), "HYDRIA_DEVICE": "cpu"}
        self.environment = {**os.environ, **settings}

    def start(self) -> None:
        for name in ("state", "spool", "log", "run", "munge", "tmp"):
            (self.root / name).mkdir(mode=0o755)
        self._start_munge()
        self._write_settings()
        self._daemon("slurmctld", "-c", "-f", self.environment["SLURM_CONF"])
        for name in self.node_names():
            (self.root / "spool" / name).mkdir()
            (self.root / "tmp" / name).mkdir()
            self._daemon("slurmd", "-N", name, "-f", self.environment["SLURM_CONF"])
        wait_until(
            lambda: self._idle() == set(self.node_names()),
            START_TIMEOUT_S,
            f"nodes are not idle; see {self.root}/log",
        )

    def stop(self) -> None:
        with suppress(AssertionError, subprocess.SubprocessError):
            self.command("scancel", "--user", getpass.getuser())
        # nodes first: slurmctld has to hear of the end of their jobs
        for pattern in ("run/n*.pid", "run/slurmctld.pid", "munge/munged.pid"):
            _end([int(file.read_text()) for file in self.root.glob(pattern)])

    def command(self, *words: str, cwd: Path | None = None) -> str:
        """The output of one command; AssertionError with what it says if it fails."""
        run = subprocess.run(
            words, env=self.environment, cwd=cwd, check=False, capture_output=True, text=True,
            timeout=30,
        )  # fmt: skip
        assert run.returncode == 0, f"{words}: {run.stdout}{run.stderr}"
        return run.stdout

    def submit(self, script: Path) -> str:
        """Hand a script to sbatch, in its own folder; the id of the job."""
        return self.command("sbatch", "--parsable", script.name, cwd=script.parent).strip()

    def node_names(self) -> list[str]:
        return [f"n{index}" for index in range(1, self.nodes + 1)]

    def state_of(self, job_id: str) -> str:
        """PENDING, RUNNING, COMPLETED, FAILED, …"""
        return self.field_of(job_id, "JobState")

    def field_of(self, job_id: str, name: str) -> str:
        words = self.command("scontrol", "show", "job", job_id, "-o").split()
        return next(word.partition("=")[2] for word in words if word.startswith(f"{name}="))

    def wait_for(self, job_id: str, *states: str, timeout_s: float = 120) -> None:
        """Until the job is in one of `states`; what the cluster says of it otherwise."""
        wait_until(lambda: self.state_of(job_id) in states, timeout_s, f"{job_id} is not {states}")

    def minutes_of(self, job_id: str) -> int:
        """Whole minutes that a job has run."""
        days, _, clock = self.field_of(job_id, "RunTime").rpartition("-")
        hours, minutes, _ = clock.split(":")
        return int(days or 0) * 1440 + int(hours) * 60 + int(minutes)

    def last_node_of(self, job_id: str) -> str:
        nodes = self.command("scontrol", "show", "hostnames", self.field_of(job_id, "NodeList"))
        return nodes.split()[-1]

    def start_requeued(self, job_id: str) -> None:
        """Without the minutes that Slurm waits before it starts a job again."""
        # a node refuses a job that starts in the second in which its last run was revoked
        time.sleep(2)
        self.command("scontrol", "update", f"jobid={job_id}", "starttime=now")

    @contextmanager
    def lost_node(self, name: str) -> Iterator[None]:
        """All its processes fall silent, as when its power fails, and the controller notices."""
        lost = list(self._processes_of(name))
        for pid in lost:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.command("scontrol", "update", f"nodename={name}", "state=down", "reason=lost")
            yield
        finally:
            for pid in lost:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # ReturnToService makes it a node of the cluster again
            self._daemon("slurmd", "-N", name, "-f", self.environment["SLURM_CONF"])
            wait_until(lambda: name in self._idle(), START_TIMEOUT_S, f"{name} stays away")

    def _processes_of(self, node: str) -> Iterator[int]:
        """Its daemon, the ranks of jobs, and the daemon of each step, which is their parent."""
        yield int((self.root / f"run/{node}.pid").read_text())
        mine = {f"SLURMD_NODENAME={node}", f"SLURM_CONF={self.environment['SLURM_CONF']}"}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mine <= set((folder / "environ").read_text(errors="replace").split("\0")):
                    yield int(folder.name)
                    yield from _step_daemon((folder / "stat").read_text())

    def _start_munge(self) -> None:
        folder = self.root / "munge"
        (folder / "key").write_bytes(secrets.token_bytes(128))
        (folder / "key").chmod(0o600)
        self._daemon(
            "munged",
            f"--socket={folder}/sock",
            f"--key-file={folder}/key",
            f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.log",
            f"--seed-file={folder}/munged.seed",
            "--num-threads=2",
        )

    def _write_settings(self) -> None:
        host = socket.gethostname().partition(".")[0]
        ports = _free_ports(self.nodes + 1)
        cores = len(os.sched_getaffinity(0))
        text = SETTINGS.format(
            host=host, port=ports[0], root=self.root, user=getpass.getuser(),
            binding="task/affinity" if self.cpus <= cores else "task/none",
        )  # fmt: skip
        for name, port in zip(self.node_names(), ports[1:], strict=True):
            text += (
                f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
                f"CPUs={self.cpus} Gres=gpu:{self.gpus} RealMemory=4000 State=UNKNOWN\n"
            )
        everywhere = ",".join(self.node_names())
        text += f"PartitionName=batch Nodes={everywhere} Default=YES MaxTime=1:00:00 State=UP\n"
        text += f"PartitionName=short Nodes={everywhere} MaxTime=10 MaxNodes=2 State=UP\n"
        self._make_gpus()
        (self.root / "slurm.conf").write_text(text)
        (self.root / "cgroup.conf").write_text("CgroupAutomount=no\n")

    def _make_gpus(self) -> None:
        """Slurm wants character devices, and does nothing with them but number them."""
        for number in range(self.gpus):
            (self.root / f"nvidia{number}").symlink_to("/dev/null")
        files = f"File={self.root}/nvidia[0-{self.gpus - 1}]" if self.gpus else "Count=0"
        (self.root / "gres.conf").write_text(f"Name=gpu {files}\n")

    def _daemon(self, program: str, *words: str) -> None:
        path = f"{self.environment.get('PATH', '')}:{SBIN}"
        found = shutil.which(program, path=path)
        assert found, f"{program} is not installed"
        subprocess.run([found, *words], env=self.environment, check=True, timeout=START_TIMEOUT_S)

    def _idle(self) -> set[str]:
        try:
            return set(self.command("sinfo", "-h", "-t", "idle", "-N", "-o", "%N").split())
        except (AssertionError, subprocess.SubprocessError):
            return set()


@contextmanager
def asleep(pid: int) -> Iterator[None]:
    """The process does nothing meanwhile: however quick the machine, its work does not end."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _step_daemon(stat: str) -> Iterator[int]:
    parent = int(stat.rpartition(")")[2].split()[1])
    if Path(f"/proc/{parent}/comm").read_text().startswith("slurmstepd"):
        yield parent


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _end(pids: list[int]) -> None:
    """Ask all to end, wait for them, and kill those that do not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        end = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in pids):
            time.sleep(0.05)


@contextmanager
def slurm_cluster(nodes: int, cpus: int, gpus: int = 0) -> Iterator[Slurm]:
    """A cluster that lives as long as the block; its folder is removed afterwards."""
    # a socket's path may have 107 characters: pytest's own folders are too deep
    root = Path(tempfile.mkdtemp(prefix="hydria-slurm-"))
    root.chmod(0o755)
    cluster = Slurm(root, nodes, cpus, gpus)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(root, ignore_errors=True)
