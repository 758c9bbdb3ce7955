"""Flux: `# flux: --nodes=4` lines, read by `flux batch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hydria.deploy.plan import Plan
from hydria.deploy.schedulers.base import Carried, Scheduler, only_set

# Flag → the value of a plan that it carries, and how its text is read. A bank is an attribute.
BANK = "--setattr=bank"
FLAGS: dict[str, tuple[str, Callable[[str], object]]] = {
    "--job-name": ("name", str),
    BANK: ("account", str),
    "--queue": ("queue", str),
    "--nodes": ("nodes", int),
    "--time-limit": ("walltime_s", lambda text: int(text.removesuffix("s"))),
    "--requires": ("constraint", str),
    "--signal": ("lead_s", lambda text: int(text.removeprefix("USR1@").removesuffix("s"))),
}
# {{id}} is Flux's own: the number of the job.
FIXED = frozenset({"--exclusive", "--output"})


class Flux(Scheduler):
    extension = "flux"
    template = "flux.sh.j2"
    sentinel = "# flux:"
    submit_command = ("flux", "batch")
    account_option = "-B"
    owned = frozenset(FLAGS) | FIXED
    after_option = ("--dependency=afterany:{id}",)

    def named(self, name: str) -> str:
        return f"--job-name={name}"

    def directives(self, plan: Plan) -> tuple[str, ...]:
        return tuple(self._lines(plan))

    def _lines(self, plan: Plan) -> Iterator[str]:
        yield self.named(plan.config.slug)
        if plan.account.value is not None:
            yield f"{BANK}={plan.account.value}"
        if plan.queue.value is not None:
            yield f"--queue={plan.queue.value}"
        yield f"--nodes={plan.nodes.value}"
        yield "--exclusive"
        yield f"--time-limit={plan.walltime_s.value}s"
        if plan.constraint.value is not None:
            yield f"--requires={plan.constraint.value}"
        if plan.site.restart.signal == "scheduler":
            yield f"--signal=USR1@{plan.lead_s.value}s"
        yield from self.site_directives(plan)
        yield f"--output={plan.config.slug}-{{{{id}}}}.out"

    def carried(self, plan: Plan) -> Carried:
        return only_set(
            {
                "name": plan.config.slug,
                "account": plan.account.value,
                "queue": plan.queue.value,
                "nodes": plan.nodes.value,
                "walltime_s": plan.walltime_s.value,
                "constraint": plan.constraint.value,
                "lead_s": plan.lead_s.value if plan.site.restart.signal == "scheduler" else None,
                "extra": tuple(self.site_directives(plan)),
            }
        )

    def read(self, directives: Sequence[str]) -> Carried:
        found: Carried = {}
        extra: list[str] = []
        for directive in directives:
            flag, _, text = (
                directive.rpartition("=") if BANK in directive else (directive.partition("="))
            )
            if flag in FLAGS:
                key, reader = FLAGS[flag]
                found[key] = reader(text)
            elif flag not in FIXED:
                extra.append(directive)
        return found | {"extra": tuple(extra)}
