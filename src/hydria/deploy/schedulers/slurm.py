"""Slurm: `#SBATCH --flag=value` lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hydria.config.job import format_memory, format_walltime, parse_walltime
from hydria.deploy.plan import Plan
from hydria.deploy.schedulers.base import Array, Carried, Scheduler, only_set

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
    "--gres": ("gpus_per_node", lambda text: int(text.removeprefix("gpu:"))),
    "--constraint": ("constraint", str),
    "--mail-user": ("mail", str),
    "--signal": ("lead_s", lambda text: int(text.removeprefix("B:USR1@"))),
    "--requeue": ("requeue", lambda _: True),
    "--no-requeue": ("requeue", lambda _: False),
}
MEMORY_FLAGS = {"mem": "--mem", "mem_per_cpu": "--mem-per-cpu", "mem_per_gpu": "--mem-per-gpu"}
FIXED = frozenset({"--output", "--open-mode", "--mail-type"})


class Slurm(Scheduler):
    extension = "slurm"
    template = "slurm.sh.j2"
    sentinel = "#SBATCH"
    submit_command = ("sbatch",)
    account_option = "-A"
    after_option = ("--dependency=afterany:{id}",)
    owned = frozenset(FLAGS) | FIXED
    account_variable = "SLURM_JOB_ACCOUNT"

    array = Array("--array=0-{last}%{at_once}", "SLURM_ARRAY_TASK_ID", "SLURM_SUBMIT_DIR")

    def named(self, name: str) -> str:
        return f"--job-name={name}"

    def directives(self, plan: Plan) -> tuple[str, ...]:
        return tuple(self._lines(plan))

    def _lines(self, plan: Plan) -> Iterator[str]:
        yield self.named(plan.config.slug)
        if plan.account.value is not None:
            yield f"--account={plan.account.value}"
        flag = _queue_flag(plan)
        if flag:
            yield f"{flag}={plan.queue.value}"
        yield f"--nodes={plan.nodes.value}"
        yield f"--time={format_walltime(plan.walltime_s.value)}"
        if plan.site.select_style == "tasks":
            yield from _tasks(plan)
        yield from _memory(plan)
        if plan.constraint.value is not None:
            yield f"--constraint={plan.constraint.value}"
        yield from self.site_directives(plan)
        yield "--output=%x-%j.out"
        if plan.mail.value is not None:
            yield f"--mail-user={plan.mail.value}"
            yield "--mail-type=BEGIN,END,FAIL"
        if plan.site.restart.signal == "scheduler":
            yield f"--signal=B:USR1@{plan.lead_s.value}"
        requeues = _requeues(plan)
        if requeues:
            yield from ("--requeue", "--open-mode=append")
        elif requeues is False:
            yield "--no-requeue"

    def carried(self, plan: Plan) -> Carried:
        tasks = plan.site.select_style == "tasks"
        added = list(self.site_directives(plan))
        shape = {
            "ranks_per_node": plan.ranks_per_node.value,
            "cores_per_rank": plan.cores_per_rank.value,
            "gpus_per_node": plan.gpus_per_node.value or None,
        }
        said = {FLAGS[flag][0] for text in added if (flag := text.partition("=")[0]) in FLAGS}
        return only_set(
            {
                "name": plan.config.slug,
                "account": plan.account.value,
                "queue": plan.queue.value if _queue_flag(plan) else None,
                "nodes": plan.nodes.value,
                "walltime_s": plan.walltime_s.value,
                "constraint": plan.constraint.value,
                "mail": plan.mail.value,
                "lead_s": plan.lead_s.value if plan.site.restart.signal == "scheduler" else None,
                "requeue": _requeues(plan),
                "memory": tuple(_memory(plan)),
                "extra": tuple(text for text in added if text.partition("=")[0] not in FLAGS),
                **{name: value for name, value in shape.items() if tasks or name in said},
            }
        )

    def read(self, directives: Sequence[str]) -> Carried:
        found: Carried = {}
        extra: list[str] = []
        memory: list[str] = []
        for directive in directives:
            flag, _, text = directive.partition("=")
            if flag in FLAGS:
                key, reader = FLAGS[flag]
                if key in found:
                    raise ValueError(f"expected one directive for {key}, got {directive!r} too")
                found[key] = reader(text)
            elif flag in MEMORY_FLAGS.values():
                memory.append(directive)
            elif flag not in FIXED:
                extra.append(directive)
        return found | {"memory": tuple(memory), "extra": tuple(extra)}


def _requeues(plan: Plan) -> bool | None:
    """Whether Slurm may start the job again, also after a node was lost; None: as it likes."""
    return {"requeue_flag": True, "none": False}.get(plan.site.restart.requeue.value or "")


def _queue_flag(plan: Plan) -> str:
    """The flag that names the queue; empty where the site has none to name."""
    row = plan.queue_row
    nameless = row is not None and row.kind == "none" and not plan.site.any_queue
    if plan.queue.value is None or nameless:
        return ""
    return "--qos" if row is not None and row.kind == "qos" else "--partition"


def _tasks(plan: Plan) -> Iterator[str]:
    yield f"--ntasks-per-node={plan.ranks_per_node.value}"
    if plan.cores_per_rank.value is not None:
        yield f"--cpus-per-task={plan.cores_per_rank.value}"
    if plan.gpus_per_node.value:
        yield f"--gpus-per-node={plan.gpus_per_node.value}"


def _memory(plan: Plan) -> Iterator[str]:
    asked, policy = plan.memory_mib.value, plan.site.memory_policy
    if asked is None:
        return
    shares = {
        "mem_per_gpu": plan.gpus_per_node.value,
        "mem_per_cpu": plan.ranks_per_node.value * (plan.cores_per_rank.value or 1),
    }
    flag = MEMORY_FLAGS.get(policy, "--mem")
    yield f"{flag}={format_memory(asked // (shares.get(policy) or 1))}"
