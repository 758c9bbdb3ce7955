"""Slurm: `#SBATCH --flag=value` lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hydria.config.conditions import holds
from hydria.config.job import format_memory, format_walltime, parse_memory, parse_walltime
from hydria.deploy.plan import Plan
from hydria.deploy.schedulers.base import Carried, Scheduler, only_set

# Flag → the value of a plan that it carries, and how its text is read.
FLAGS: dict[str, tuple[str, Callable[[str], object]]] = {
    "--job-name": ("name", str),
    "--account": ("account", str),
    "--partition": ("queue", str),
    "--qos": ("queue", str),
    "--nodes": ("nodes", int),
    "--ntasks-per-node": ("ranks_per_node", int),
    "--cpus-per-task": ("cores_per_rank", int),
    "--gpus-per-node": ("gpus_per_node", int),
    "--time": ("walltime_s", parse_walltime),
    "--mem": ("memory_mib", parse_memory),
    "--constraint": ("constraint", str),
    "--mail-user": ("mail", str),
    "--signal": ("lead_s", lambda text: int(text.removeprefix("B:USR1@"))),
    "--requeue": ("requeue", bool),
}
FIXED = frozenset({"--output", "--open-mode", "--mail-type"})


class Slurm(Scheduler):
    extension = "slurm"
    template = "slurm.sh.j2"
    sentinel = "#SBATCH"
    submit_command = ("sbatch",)
    account_option = "-A"
    account_variable = "SLURM_JOB_ACCOUNT"

    def directives(self, plan: Plan) -> tuple[str, ...]:
        return tuple(_directives(plan))

    def carried(self, plan: Plan) -> Carried:
        tasks = plan.site.select_style == "tasks"
        return only_set(
            {
                "name": plan.config.slug,
                "account": plan.account.value,
                "queue": plan.queue.value if _queue_flag(plan) else None,
                "nodes": plan.nodes.value,
                "ranks_per_node": plan.ranks_per_node.value if tasks else None,
                "cores_per_rank": plan.cores_per_rank.value if tasks else None,
                "gpus_per_node": (plan.gpus_per_node.value or None) if tasks else None,
                "walltime_s": plan.walltime_s.value,
                "memory_mib": plan.memory_mib.value,
                "constraint": plan.constraint.value,
                "mail": plan.mail.value,
                "lead_s": plan.lead_s.value if plan.site.restart.signal == "scheduler" else None,
                "requeue": True if plan.requeues.value else None,
                "extra": tuple(_extra(plan)),
            }
        )

    def read(self, directives: Sequence[str]) -> Carried:
        found: Carried = {}
        extra: list[str] = []
        for directive in directives:
            flag, _, text = directive.partition("=")
            if flag in FLAGS:
                key, reader = FLAGS[flag]
                if key in found:
                    raise ValueError(f"expected one directive for {key}, got {directive!r} too")
                found[key] = True if flag == "--requeue" else reader(text)
            elif flag not in FIXED:
                extra.append(directive)
        return found | {"extra": tuple(extra)}


def _directives(plan: Plan) -> Iterator[str]:
    yield f"--job-name={plan.config.slug}"
    if plan.account.value is not None:
        yield f"--account={plan.account.value}"
    flag = _queue_flag(plan)
    if flag:
        yield f"{flag}={plan.queue.value}"
    yield f"--nodes={plan.nodes.value}"
    yield f"--time={format_walltime(plan.walltime_s.value)}"
    if plan.site.select_style == "tasks":
        yield from _tasks(plan)
    if plan.memory_mib.value is not None:
        yield f"--mem={format_memory(plan.memory_mib.value)}"
    if plan.constraint.value is not None:
        yield f"--constraint={plan.constraint.value}"
    yield from _extra(plan)
    yield "--output=%x-%j.out"
    if plan.mail.value is not None:
        yield f"--mail-user={plan.mail.value}"
        yield "--mail-type=BEGIN,END,FAIL"
    if plan.site.restart.signal == "scheduler":
        yield f"--signal=B:USR1@{plan.lead_s.value}"
    if plan.requeues.value:
        yield from ("--requeue", "--open-mode=append")


def _queue_flag(plan: Plan) -> str:
    """The flag that names the queue; empty where the site has none to name."""
    row = plan.queue_row
    if plan.queue.value is None or (row is not None and row.kind == "none"):
        return ""
    return "--qos" if row is not None and row.kind == "qos" else "--partition"


def _tasks(plan: Plan) -> Iterator[str]:
    yield f"--ntasks-per-node={plan.ranks_per_node.value}"
    if plan.cores_per_rank.value is not None:
        yield f"--cpus-per-task={plan.cores_per_rank.value}"
    if plan.gpus_per_node.value:
        yield f"--gpus-per-node={plan.gpus_per_node.value}"


def _extra(plan: Plan) -> Iterator[str]:
    """What the site file adds: literal directives, those with a condition, those of the queue."""
    directives, facts = plan.site.directives, plan.conditions()
    for row in directives.required:
        if row.from_ == "literal":
            yield f"{row.flag}={row.value}" if row.value else row.flag
    yield from (row.emit for row in directives.conditional if holds(row.when, facts))
    if plan.queue_row is not None:
        yield from plan.queue_row.extra
