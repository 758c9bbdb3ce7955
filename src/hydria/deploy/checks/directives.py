"""Checks 9 to 14 and 28: what the scheduler is told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hydria.config.conditions import holds
from hydria.config.job import format_memory
from hydria.core.errors import listed
from hydria.core.registry import nearest
from hydria.deploy.checks.finding import Finding, error
from hydria.deploy.checks.placeholders import NAMES, is_placeholder
from hydria.deploy.plan import Plan
from hydria.deploy.render import needs_account
from hydria.deploy.schedulers import scheduler_of

# Directives are not shell words: nothing quotes them, so only harmless characters may enter.
DIRECTIVE_TEXT = {
    "account": re.compile(r"[A-Za-z0-9_][\w.@+-]*"),
    "queue": re.compile(r"[A-Za-z0-9_][\w.@+-]*"),
    "constraint": re.compile(r"[A-Za-z0-9_(\[][\w.&|()\[\]*,+-]*"),
    "mail": re.compile(r"[\w.+-]+(?:@[\w.-]+)?"),
}
# Option of srun → how it is written, and the field of a launcher's template that it carries.
STEP_OPTIONS = {
    "-n": (re.compile(r"(?:^| )(?:-n ?\d|--ntasks=\d)"), "{ranks}"),
    "-c": (re.compile(r"(?:^| )(?:-c ?\d|--cpus-per-task=\d)"), "{cores}"),
}
STEP_GPUS = re.compile(r"(?:^| )--(?:gpus|gpus-per-(?:node|task)|gpu-bind|gres)=")
MEMORY_FLAGS = ("--mem", "--mem-per-cpu", "--mem-per-gpu")


def _directives(plan: Plan) -> tuple[str, ...]:
    return scheduler_of(plan.site.scheduler.kind).directives(plan)


def forbidden_flags(plan: Plan) -> Iterator[Finding]:
    for row in plan.site.directives.forbidden:
        flag = row.flag.replace(" ", "")
        for text in (*_directives(plan), plan.launch):
            if flag in text.replace(" ", ""):
                yield error(10, "directives", f"{plan.site.name} rejects {row.flag}", row.reason)


def planned_twice(plan: Plan) -> Iterator[Finding]:
    """A directive of one's own that says what the plan says, or would say."""
    own = plan.directives.value or ()
    names = [_name(text) for text in _directives(plan)]
    owned = scheduler_of(plan.site.scheduler.kind).owned
    for text in own:
        if names.count(_name(text)) > 1 or _name(text) in owned:
            message = f"{_name(text)} is planned already, got {text!r} too"
            yield error(28, plan.directives.source, message, "its own option changes it")


def _name(directive: str) -> str:
    """`--time` of `--time=1:00`, `-l walltime` of `-l walltime=1:00`, `--setattr=x` of Flux's."""
    if directive.startswith("--setattr="):
        return directive.rpartition("=")[0]
    return directive.partition("=")[0].strip() if "=" in directive else directive.split(" ")[0]


def one_memory_flag(plan: Plan) -> Iterator[Finding]:
    """Slurm takes at most one of its three flags for memory."""
    said = [text for text in _directives(plan) if _name(text) in MEMORY_FLAGS]
    if len(said) > 1:
        message = f"at most one of {', '.join(MEMORY_FLAGS)}, got {' and '.join(said)}"
        yield error(11, plan.directives.source, message, "--mem says it for every site")


def accepts_memory(plan: Plan) -> Iterator[Finding]:
    if plan.memory_mib.value is None:
        return
    asked = format_memory(plan.memory_mib.value)
    fact = plan.site.node.mem_gb
    most = fact.value if fact is not None else None
    if plan.site.memory_policy == "none":
        nodes = f"a node has {most} GB" if most else "a job has what the node has"
        yield error(
            11,
            plan.memory_mib.source,
            f"expected no memory request on {plan.site.name}, got {asked}: {nodes}",
        )
    elif most is not None and plan.memory_mib.value > most * 1024:
        note = f" ({fact.note})" if fact is not None and fact.note else ""
        message = f"expected at most {most}G per node on {plan.site.name}{note}, got {asked}"
        yield error(11, plan.memory_mib.source, message)


def required_flags(plan: Plan) -> Iterator[Finding]:
    """Directives that the site demands; a missing account is reported when submitting."""
    said, facts = _directives(plan), plan.conditions()
    for row in plan.site.directives.required:
        if row.from_ == "account" or not holds(row.when, facts):
            continue
        if row.from_ == "queue" and plan.queue.value is None:
            continue  # said by `limits`
        found = [
            text
            for text in said
            if text == row.flag or text.startswith((f"{row.flag}=", f"{row.flag} "))
        ]
        value = row.value if row.from_ != "literal" else None
        if not found or (value and value not in found[0]):
            wanted = f"{row.flag}={value}" if value else row.flag
            yield error(12, "directives", f"{plan.site.name} requires {wanted}", row.reason)


def constraint_is_used(plan: Plan) -> Iterator[Finding]:
    """PBS sites that give whole nodes have no place for a feature in their request."""
    whole = plan.site.scheduler.kind == "pbspro" and plan.site.select_style == "nodes"
    if whole and plan.constraint.value is not None:
        message = f"expected none on {plan.site.name}, got {plan.constraint.value!r}"
        yield error(12, plan.constraint.source, message, "its nodes are all alike")


def account_of_paths(plan: Plan) -> Iterator[Finding]:
    """Where no scheduler tells a job its account, paths that hold it need it now."""
    scheduler = scheduler_of(plan.site.scheduler.kind)
    if plan.account.value is None and needs_account(plan) and not scheduler.account_variable:
        message = f"the folders of a job on {plan.site.name} lie below the project's"
        yield error(12, "--account", message, "--account PROJECT, or --data and --run-dir")


def filesystems_exist(plan: Plan) -> Iterator[Finding]:
    known = plan.site.storage.filesystems
    for name in (plan.filesystems.value or "").split(":"):
        if known is None and name:
            message = f"expected no file systems on {plan.site.name}, got {name!r}"
            yield error(12, plan.filesystems.source, message)
        elif known is not None and name not in known.known:
            close = nearest(name, known.known)
            note = f" ({known.note})" if known.note else ""
            message = f"expected file systems of {listed(known.known)}, got {name!r}{note}"
            hint = f"did you mean {close!r}?" if close else None
            yield error(12, plan.filesystems.source, message, hint)


def peers_visible(plan: Plan) -> Iterator[Finding]:
    """A device cgroup around each rank hides its peers, unless the site says how it does not."""
    select, words = plan.site.launch.gpu_select, f"{plan.launch} {' '.join(_directives(plan))}"
    bound = re.search(r"--gpus-per-task|--gpu-bind=(?!none)\S+", words)
    if bound is None or not plan.gpus_per_node.value or select == "scheduler_closest":
        return
    if select == "scheduler_map_shared" and "--gres-flags=allow-task-sharing" in words:
        return
    ccl = plan.site.ccl.backend.upper() if plan.site.ccl else "NCCL"
    message = f"{bound[0]} hides peers from {ccl} on {plan.site.name}"
    hint = "show each rank its GPU in a wrapper (gpu_select: mask_wrapper), or allow-task-sharing"
    yield error(9, "launch", message, hint)


def step_flags(plan: Plan) -> Iterator[Finding]:
    """`srun` does not inherit cores from sbatch: what a step gets has to be said again."""
    inherits = "srun_no_inherit_cpus" not in plan.site.scheduler.quirks
    if plan.site.launch.cmd != "srun" or inherits or plan.cores_per_rank.value is None:
        return  # cores that nobody knows are said by `cores_known`
    for option, (written, field) in STEP_OPTIONS.items():
        if not written.search(plan.launch):
            message = f"srun on {plan.site.name} does not inherit {option} from sbatch"
            yield error(13, "launch.template", message, f"add {option}{field}")
    by_scheduler = plan.site.launch.gpu_select in {"scheduler_closest", "scheduler_map_shared"}
    if plan.gpus_per_node.value and by_scheduler and not STEP_GPUS.search(plan.launch):
        message = f"srun on {plan.site.name} gives its ranks no GPU unless it is told to"
        yield error(13, "launch.template", message, "add --gpus-per-task or --gpu-bind")


def one_line_each(plan: Plan) -> Iterator[Finding]:
    decisions = plan.decisions()
    for name, pattern in DIRECTIVE_TEXT.items():
        decision = decisions[name]
        if decision.value is None or (name in NAMES and is_placeholder(decision.value)):
            continue  # said by `placeholders`
        if not pattern.fullmatch(decision.value):
            message = f"expected letters, digits and a few signs, got {decision.value!r}"
            yield error(28, decision.source, message, f"a {name} is written into a directive")
    for text in _directives(plan):
        if "$" in text or "\n" in text:
            yield error(14, "directives", f"variables are not expanded in {text!r}")
