"""Every site with both bundled configs, on one node and on several: what is asked for there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hydria.config import LoadedConfig, load_config
from hydria.core.errors import DeployError
from hydria.deploy.checks import judge, refuse
from hydria.deploy.checks.script import says_its_plan
from hydria.deploy.plan import Plan
from hydria.deploy.planner import make_plan
from hydria.deploy.render import render
from hydria.deploy.request import gather
from hydria.deploy.sites import LoadedSite, load_site
from tests.support.jobs import NO_USER_FILE

CONFIGS = ("lsms", "dft_si")


@dataclass(frozen=True)
class Ask:
    """One script, or one refusal.

    Attributes:
        flags: as on the command line.
        assume: values for unknown facts; such a script stands beside the refusal without them.
    """

    site: str
    config: str
    label: str
    flags: dict[str, Any]
    assume: tuple[str, ...] = ()
    accept_unverified: bool = False
    refused: bool = False

    @property
    def name(self) -> str:
        return f"{self.site}/{self.config}-{self.label}"


@dataclass(frozen=True)
class Machine:
    """What is asked of one machine."""

    many: int
    flags: dict[str, Any] = field(default_factory=dict)
    assume: tuple[str, ...] = ()
    """Needed for any job."""
    assume_many: tuple[str, ...] = ()
    """Needed for several nodes too."""
    never_many: bool = False


ACCOUNT = {"account": "abc123"}
OWN = {"gpus": 4, "cpus": 32, "walltime": "2h"}
MACHINES = {
    "andes": Machine(20, ACCOUNT),
    "aurora": Machine(256, ACCOUNT | {"walltime": "6h"}),
    "aws-parallelcluster": Machine(4, {"gpus": 8}, assume=("storage.scratch=/fsx",)),
    "frontier": Machine(16, ACCOUNT | {"walltime": "2h"}),
    "generic-pbs": Machine(2, OWN | {"queue": "gpu", "memory": "64G"}),
    "generic-slurm": Machine(2, OWN | {"queue": "gpu"}),
    "juwels-booster": Machine(
        4, ACCOUNT,
        assume=("storage.scratch=/p/scratch/abc123",),
        assume_many=("queues[0].nodes[1]=384",),
    ),
    "katana": Machine(2, {"constraint": "A100", "gpus": 2, "memory": "64G"}, never_many=True),
    "leonardo": Machine(4, ACCOUNT, assume_many=("queues[0].nodes[1]=64",)),
    "local": Machine(2, never_many=True),
    "lumi": Machine(16, {"account": "project_465000001"}),
    "perlmutter": Machine(8, {"account": "abc123_g"}),
    "polaris": Machine(10, ACCOUNT | {"walltime": "3h"}),
    "tuolumne": Machine(4, ACCOUNT),
    "vista": Machine(4),
}  # fmt: skip
IMAGE = {"image": "/images/hydria.sif"}
IMAGES = (
    Ask("aurora", "lsms", "1-node-image", ACCOUNT | IMAGE),
    Ask("aurora", "lsms", "256-nodes-image", ACCOUNT | IMAGE | {"nodes": 256}, refused=True),
    Ask("aws-parallelcluster", "lsms", "4-nodes-image",
        {"gpus": 8, "nodes": 4, "image": "/fsx/hydria.sqsh"}, ("storage.scratch=/fsx",)),
    Ask("frontier", "lsms", "16-nodes-image", ACCOUNT | IMAGE | {"nodes": 16}),
    Ask("lumi", "lsms", "16-nodes-image", ACCOUNT | IMAGE | {"nodes": 16}),
    Ask("perlmutter", "lsms", "8-nodes-image",
        ACCOUNT | {"nodes": 8, "image": "registry.nersc.gov/abc123/hydria:1"}),
    Ask("polaris", "lsms", "10-nodes-image", ACCOUNT | IMAGE | {"nodes": 10},
        accept_unverified=True),
    Ask("tuolumne", "lsms", "4-nodes-image", ACCOUNT | IMAGE | {"nodes": 4}, refused=True),
    Ask("tuolumne", "lsms", "4-nodes-image-assumed", ACCOUNT | IMAGE | {"nodes": 4},
        ("container.runtime=apptainer",)),
    Ask("vista", "lsms", "4-nodes-image", IMAGE | {"nodes": 4}, refused=True),
)  # fmt: skip
# A person's words, with whatever shells have a meaning for.
QUOTED = {"image": "/srv/scratch/me/it's.sif"}
ALTERNATIVES = (
    Ask("aurora", "lsms", "2048-nodes", ACCOUNT | {"nodes": 2048, "walltime": "6h"}),
    Ask("frontier", "lsms", "1-node-no-account", {"mail": "me@ornl.gov"}),
    Ask("katana", "lsms", "image", {"gpus": 2, "memory": "64G", "constraint": "A100"} | QUOTED),
    Ask("katana", "lsms", "1-gpu-venv", {"venv": "/srv/scratch/me/venv"}),
    Ask("local", "lsms", "2-ranks", {"cpus": 2, "env": {"FOO": 'a "b" $c'}}),
    Ask("tuolumne", "lsms", "tpx", ACCOUNT | {"directives": ["--setattr=gpumode=TPX"]},
        refused=True),
    Ask("aurora", "lsms", "1-node-8-cores", ACCOUNT | {"cpus": 96}),
    Ask("polaris", "lsms", "10-nodes-24-hours", ACCOUNT | {"nodes": 10, "walltime": "24h"},
        refused=True),
    Ask("vista", "lsms", "gres", {"directives": ["--gres=gpu:1"]}, refused=True),
    Ask("katana", "lsms", "1-core-per-gpu", {"gpus": 2, "cpus": 2, "memory": "8G"}),
)  # fmt: skip


def asks() -> Iterator[Ask]:
    """Everything that has a golden file."""
    for site, machine in MACHINES.items():
        for config in CONFIGS:
            yield from _of_machine(site, config, machine)
    yield from IMAGES
    yield from ALTERNATIVES


def _of_machine(site: str, config: str, machine: Machine) -> Iterator[Ask]:
    for nodes in (1, machine.many):
        label = "1-node" if nodes == 1 else f"{nodes}-nodes"
        flags = machine.flags | {"nodes": nodes}
        assume = machine.assume + (machine.assume_many if nodes > 1 else ())
        never = nodes > 1 and machine.never_many
        if assume or never:
            yield Ask(site, config, label, flags, refused=True)
        if not never:
            yield Ask(site, config, f"{label}-assumed" if assume else label, flags, assume)


@dataclass(frozen=True)
class Outcome:
    """What came of an ask: a script with its plan, or the reasons for none."""

    script: str
    errors: tuple[str, ...]
    plan: Plan | None
    extension: str

    @property
    def text(self) -> str:
        """What the golden file holds."""
        return self.script or "".join(f"{error}\n" for error in self.errors)


@cache
def site_of(name: str, assume: tuple[str, ...]) -> LoadedSite:
    return load_site(name, assume)


@cache
def config_of(name: str) -> LoadedConfig:
    return load_config(name)


def outcome_of(ask: Ask) -> Outcome:
    """Plan, judge and render, as `hydria job` does."""
    loaded_site, loaded = site_of(ask.site, ask.assume), config_of(ask.config)
    request = gather(ask.flags, loaded.config.job, {}, loaded_site.site, NO_USER_FILE)
    try:
        plan = make_plan(loaded_site, loaded, request, accept_unverified=ask.accept_unverified)
        refuse(judge(plan))
        script = render(plan)
        refuse(says_its_plan(plan, script))
    except DeployError as err:
        return Outcome("", tuple(map(str, err.problems)), None, "refused.txt")
    return Outcome(script.text, (), plan, script.extension)
