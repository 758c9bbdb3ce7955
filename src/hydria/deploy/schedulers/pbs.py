"""PBS Professional: `#PBS -l select=…` lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hydria.config.job import format_walltime, parse_memory, parse_walltime
from hydria.deploy.plan import Plan
from hydria.deploy.schedulers.base import Carried, Scheduler, only_set

OPTIONS = {"-N": "name", "-A": "account", "-q": "queue", "-M": "mail"}
FIXED = frozenset({"-j", "-m"})
# Part of a chunk → the value of a plan that it carries, and how its text is read.
CHUNK: dict[str, tuple[str, Callable[[str], object]]] = {
    "ncpus": ("cores_per_node", int),
    "ngpus": ("gpus_per_node", int),
    "mem": ("memory_mib", parse_memory),
    "gpu_model": ("constraint", str),
}
# OpenPBS takes at most this many characters for a job's name everywhere.
NAME_LENGTH = 15


class Pbs(Scheduler):
    extension = "pbs"
    template = "pbs.sh.j2"
    sentinel = "#PBS"
    submit_command = ("qsub",)
    account_option = "-A"

    def directives(self, plan: Plan) -> tuple[str, ...]:
        return tuple(_directives(plan))

    def carried(self, plan: Plan) -> Carried:
        return only_set(
            {
                "name": _name(plan),
                "account": plan.account.value,
                "queue": plan.queue.value if _names_queue(plan) else None,
                "mail": plan.mail.value,
                "nodes": plan.nodes.value,
                "cores_per_node": _cores_per_node(plan),
                "gpus_per_node": plan.gpus_per_node.value or None,
                "memory_mib": plan.memory_mib.value,
                "constraint": plan.constraint.value,
                "walltime_s": plan.walltime_s.value,
            }
        )

    def read(self, directives: Sequence[str]) -> Carried:
        found: Carried = {}
        for directive in directives:
            option, _, text = directive.partition(" ")
            if option == "-l":
                found |= _read_resource(text)
            elif option in OPTIONS:
                found[OPTIONS[option]] = text
            elif option not in FIXED:
                raise ValueError(f"expected a planned directive, got {directive!r}")
        return found


def _directives(plan: Plan) -> Iterator[str]:
    yield f"-N {_name(plan)}"
    if plan.account.value is not None:
        yield f"-A {plan.account.value}"
    if _names_queue(plan):
        yield f"-q {plan.queue.value}"
    yield f"-l select={':'.join(_chunk(plan))}"
    yield f"-l walltime={format_walltime(plan.walltime_s.value)}"
    yield "-j oe"
    if plan.mail.value is not None:
        yield f"-M {plan.mail.value}"
        yield "-m abe"


def _chunk(plan: Plan) -> Iterator[str]:
    yield str(plan.nodes.value)
    cores = _cores_per_node(plan)
    if cores is not None:
        yield f"ncpus={cores}"
    if plan.gpus_per_node.value:
        yield f"ngpus={plan.gpus_per_node.value}"
    if plan.memory_mib.value is not None:
        yield f"mem={_memory(plan.memory_mib.value)}"
    if plan.constraint.value is not None:
        yield f"gpu_model={plan.constraint.value}"


def _read_resource(text: str) -> Carried:
    name, _, value = text.partition("=")
    if name == "walltime":
        return {"walltime_s": parse_walltime(value)}
    if name != "select":
        raise ValueError(f"expected select or walltime, got {text!r}")
    count, *parts = value.split(":")
    found: Carried = {"nodes": int(count)}
    for part in parts:
        key, reader = CHUNK[part.partition("=")[0]]
        found[key] = reader(part.partition("=")[2])
    return found


def _memory(mebibytes: int) -> str:
    return f"{mebibytes // 1024}gb" if mebibytes % 1024 == 0 else f"{mebibytes}mb"


def _cores_per_node(plan: Plan) -> int | None:
    cores = plan.cores_per_rank.value
    return None if cores is None else cores * plan.ranks_per_node.value


def _names_queue(plan: Plan) -> bool:
    named = plan.queue_row is None or plan.queue_row.kind != "none"
    return plan.queue.value is not None and named


def _name(plan: Plan) -> str:
    """PBS wants a letter first."""
    name = plan.config.slug
    return (name if name[0].isalpha() else f"j{name}")[:NAME_LENGTH]
