"""PBS Professional: `#PBS -l select=…` lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hydria.config.job import format_walltime, parse_memory, parse_walltime
from hydria.deploy.plan import Plan
from hydria.deploy.schedulers.base import Array, Carried, Scheduler, only_set

OPTIONS = {"-N": "name", "-A": "account", "-q": "queue", "-M": "mail"}
FIXED = frozenset({"-j oe", "-m abe"})
RESOURCES = frozenset({"select", "walltime", "filesystems"})
# Part of a chunk → the value of a plan that it carries, and how its text is read.
CHUNK: dict[str, tuple[str, Callable[[str], object]]] = {
    "ncpus": ("cores_per_node", int),
    "mpiprocs": ("ranks_per_node", int),
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
    owned = frozenset(OPTIONS) | {f"-l {name}" for name in RESOURCES} | {"-j", "-m"}
    after_option = ("-W", "depend=afterany:{id}")
    link_option = ("-v", "HYDRIA_RESTARTS={number}")

    array = Array("-J 0-{last}%{at_once}", "PBS_ARRAY_INDEX", "PBS_O_WORKDIR")

    def named(self, name: str) -> str:
        return f"-N {_name(name)}"

    def directives(self, plan: Plan) -> tuple[str, ...]:
        return tuple(self._lines(plan))

    def _lines(self, plan: Plan) -> Iterator[str]:
        yield self.named(plan.config.slug)
        if plan.account.value is not None:
            yield f"-A {plan.account.value}"
        if _names_queue(plan):
            yield f"-q {plan.queue.value}"
        yield f"-l select={':'.join(_chunk(plan))}"
        yield f"-l walltime={format_walltime(plan.walltime_s.value)}"
        if plan.filesystems.value is not None:
            yield f"-l filesystems={plan.filesystems.value}"
        yield from self.site_directives(plan)
        yield "-j oe"
        if plan.mail.value is not None:
            yield f"-M {plan.mail.value}"
            yield "-m abe"

    def spelled(self, flag: str, value: str) -> str:
        """Resources are written `-l name=value`, all others `-k value`."""
        return f"{flag}{'=' if flag.startswith('-l ') else ' '}{value}" if value else flag

    def carried(self, plan: Plan) -> Carried:
        chunked = plan.site.select_style != "nodes"
        return only_set(
            {
                "name": _name(plan.config.slug),
                "account": plan.account.value,
                "queue": plan.queue.value if _names_queue(plan) else None,
                "mail": plan.mail.value,
                "nodes": plan.nodes.value,
                "cores_per_node": _cores_per_node(plan) if chunked else None,
                "ranks_per_node": plan.ranks_per_node.value if _counts_ranks(plan) else None,
                "gpus_per_node": (plan.gpus_per_node.value or None) if chunked else None,
                "memory_mib": plan.memory_mib.value,
                "constraint": plan.constraint.value,
                "chunk": plan.site.directives.chunk,
                "walltime_s": plan.walltime_s.value,
                "filesystems": plan.filesystems.value,
                "extra": tuple(self.site_directives(plan)),
            }
        )

    def read(self, directives: Sequence[str]) -> Carried:
        found: Carried = {"chunk": ()}
        extra: list[str] = []
        for directive in directives:
            option, _, text = directive.partition(" ")
            if option == "-l" and text.partition("=")[0] in RESOURCES:
                found |= _read_resource(text)
            elif option in OPTIONS:
                found[OPTIONS[option]] = text
            elif directive not in FIXED:
                extra.append(directive)
        return found | {"extra": tuple(extra)}


def _chunk(plan: Plan) -> Iterator[str]:
    yield str(plan.nodes.value)
    yield from plan.site.directives.chunk
    if plan.site.select_style == "nodes":  # whole nodes: nothing of them is counted
        return
    cores = _cores_per_node(plan)
    if cores is not None:
        yield f"ncpus={cores}"
    if _counts_ranks(plan):
        yield f"mpiprocs={plan.ranks_per_node.value}"
    if plan.gpus_per_node.value:
        yield f"ngpus={plan.gpus_per_node.value}"
    if plan.memory_mib.value is not None:
        yield f"mem={_memory(plan.memory_mib.value)}"
    if plan.constraint.value is not None:
        yield f"gpu_model={plan.constraint.value}"


def _counts_ranks(plan: Plan) -> bool:
    """Whether the node file has to name each node once for every rank."""
    return plan.site.select_style == "pbs_chunk" and plan.site.launch.cmd == "mpirun"


def _read_resource(text: str) -> Carried:
    name, _, value = text.partition("=")
    if name == "walltime":
        return {"walltime_s": parse_walltime(value)}
    if name == "filesystems":
        return {"filesystems": value}
    count, *parts = value.split(":")
    found: Carried = {"nodes": int(count)}
    for part in parts:
        if part.partition("=")[0] in CHUNK:
            key, reader = CHUNK[part.partition("=")[0]]
            found[key] = reader(part.partition("=")[2])
    return found | {"chunk": tuple(part for part in parts if part.partition("=")[0] not in CHUNK)}


def _memory(mebibytes: int) -> str:
    return f"{mebibytes // 1024}gb" if mebibytes % 1024 == 0 else f"{mebibytes}mb"


def _cores_per_node(plan: Plan) -> int | None:
    cores = plan.cores_per_rank.value
    return None if cores is None else cores * plan.ranks_per_node.value


def _names_queue(plan: Plan) -> bool:
    nameless = plan.queue_row is not None and plan.queue_row.kind == "none"
    return plan.queue.value is not None and (plan.site.any_queue or not nameless)


def _name(name: str) -> str:
    """PBS wants a letter first."""
    return (name if name[0].isalpha() else f"j{name}")[:NAME_LENGTH]
