"""A plan to a script, by strict templates; the script is read back and must equal its plan."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from hydria._version import __version__
from hydria.config.job import format_walltime
from hydria.core.assets import asset_dir
from hydria.deploy.placement import core_list
from hydria.deploy.plan import Plan
from hydria.deploy.runtimes import (
    HINTS,
    OF_FILES,
    PROGRAMS,
    container_words,
    passed_on,
    variable_prefix,
)
from hydria.deploy.schedulers import Scheduler, scheduler_of
from hydria.deploy.steps import on_every_node, planned_text, stage_folder, staging_parts
from hydria.deploy.task import DOCTOR

if TYPE_CHECKING:
    from jinja2 import Environment

# Launchers that start ranks from inside the container; the others start one container per rank.
INSIDE_CONTAINER = frozenset({"torchrun"})
INSTALL_HINT = "give --image, or --venv DIR of an environment that has it"
HEADER_WIDTH = 96
PASSED_WIDTH = 82


@dataclass(frozen=True)
class Script:
    """A rendered script."""

    text: str
    extension: str


def render(plan: Plan, file: str = "") -> Script:
    """Print `plan`; the same plan gives the same bytes.

    Args:
        file: the script's name, where it is not the usual one.
    """
    scheduler = scheduler_of(plan.site.scheduler.kind)
    template = templates().get_template(scheduler.template)
    text = template.render(**_context(plan, scheduler, file))
    return Script(text, scheduler.extension)


@cache
def templates() -> Environment:
    """The templates of `jobs`; an undefined variable is an error."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(asset_dir("jobs")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _context(plan: Plan, scheduler: Scheduler, file: str) -> dict[str, object]:
    return {
        "plan": plan,
        "header": tuple(header_lines(plan, scheduler, file)),
        "sentinel": scheduler.sentinel,
        "directives": scheduler.directives(plan),
        "modules": plan.modules,
        "needs_account": needs_account(plan),
        "account_line": account_line(plan, scheduler),
        "account_hint": f"{scheduler.submit_command[0]} {scheduler.account_option} YOUR_PROJECT",
        "uses_job_id": uses_job_id(plan),
        "master_addr": master_address(plan),
        "master_port": master_port(plan),
        "module_paths": module_paths(plan),
        "image_is_file": plan.runtime.value in OF_FILES,
        "image": shlex.quote(plan.image.value) if plan.image.value else "",
        "image_line": _joined(container_words(plan, alone=True), "hydria --version"),
        "image_hint": HINTS.get(plan.runtime.value, ""),
        "runtime": PROGRAMS.get(plan.runtime.value, plan.runtime.value),
        "variable_prefix": variable_prefix(plan),
        "passed_on": textwrap.wrap(" ".join(passed_on(plan)), PASSED_WIDTH),
        "venv": shlex.quote(plan.venv.value) if plan.venv.value else "",
        "install_hint": INSTALL_HINT,
        "results_line": _joined(
            container_words(plan, alone=True), 'hydria report "$run_dir" --table'
        ),
        "script": shlex.quote(plan.task.script or ""),
        "prepare_line": prepare_line(plan),
        "launch_line": launch_line(plan),
        "directories": directories(plan),
        "warn_after_s": warn_after(plan),
        "goes_on": plan.site.restart.requeue.value,
        "chained": chained(plan),
        "planned": planned_text(plan) if carries_plan(plan) else "",
        "preflight_line": preflight_line(plan),
        "per_node": on_every_node(plan),
        "staged": folder.word if (folder := stage_folder(plan)) else "",
        "staging_parts": tuple(staging_parts(plan)),
    }


def module_paths(plan: Plan) -> tuple[str, ...]:
    """Folders of modules that a machine does not look into by itself."""
    of_container = plan.site.container.module_paths if plan.image.value else ()
    return (*plan.site.module_paths, *of_container)


def needs_account(plan: Plan) -> bool:
    """Whether a path of the script holds the project's name."""
    paths = plan.run_dir.value.variables | plan.data_root.value.variables
    return "ACCOUNT" in paths


def uses_job_id(plan: Plan) -> bool:
    named = any("JOB_ID" in entry.value.variables for entry in plan.env)
    port = master_address(plan) and plan.site.launch.master_port is None
    return bool(named or port or plan.requeues.value or plan.staging.value)


def account_line(plan: Plan, scheduler: Scheduler) -> str:
    """The job knows its account where the scheduler says it, else from the plan."""
    planned = shlex.quote(plan.account.value) if plan.account.value else ""
    variable = scheduler.account_variable
    return f"account=${{{variable}:-{planned}}}" if variable else f"account={planned}"


def master_address(plan: Plan) -> str:
    """Where ranks meet, as the script finds it out; empty where the ranks see to it."""
    address = plan.site.launch.master_addr
    return f"$({address.cmd}){address.suffix}" if address is not None and plan.launch else ""


def master_port(plan: Plan) -> str:
    """The first port that is tried: the site's, else one that other jobs hardly try."""
    port = plan.site.launch.master_port
    if port is not None and port.value is not None:
        return str(port.value)
    return '$((20000 + $(cksum <<< "$job_id" | cut -d " " -f 1) % 10000))'


def warn_after(plan: Plan) -> int:
    """Seconds after its start at which a job warns itself."""
    return max(0, plan.walltime_s.value - (plan.lead_s.value or 0))


def prepare_line(plan: Plan) -> str:
    proxies = [
        f"{name}={shlex.quote(value)}" for name, value in plan.site.proxy.variables().items()
    ]
    prepare = 'hydria prepare "$config" --data "$data_root"'
    inside = container_words(plan, alone=True)
    return _joined("env" if proxies else "", *proxies, inside, prepare)


def launch_line(plan: Plan) -> str:
    return launched(plan, plan.task.words, staged=bool(plan.staging.value))


def launched(plan: Plan, command: str, staged: bool = False) -> str:
    """`command` on every rank; `staged`: it sees the folder of staged files."""
    inside = container_words(plan, more=('"$staged"',) if staged else ())
    if plan.site.launch.cmd in INSIDE_CONTAINER:
        return _joined(inside, plan.launch, command)
    return _joined(plan.launch, inside, command)


def carries_plan(plan: Plan) -> bool:
    """Whether ranks are compared with the plan, before their work or as their work."""
    return plan.preflight.value or plan.task.kind == "doctor"


def preflight_line(plan: Plan) -> str:
    return launched(plan, DOCTOR)


def chained(plan: Plan) -> bool:
    """Whether jobs that go on one after another have to see what became of the one before."""
    own_way = plan.site.restart.requeue.value in {"requeue_flag", "rerun_y"}
    return plan.task.trains and plan.site.scheduler.kind != "local" and not own_way


def directories(plan: Plan) -> str:
    """Folders that every node makes for itself."""
    return " ".join(f'"${entry.name}"' for entry in plan.env if entry.directory)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def header_lines(plan: Plan, scheduler: Scheduler, file: str) -> Iterator[str]:
    """What a reader must know: inputs and their hashes, where to read on, how to submit."""
    site = plan.site
    yield f"hydria {__version__} job: {plan.config.slug} on {site.name} ({site.facility})"
    yield f"{shape_of(plan)}, {time_of(plan)}"
    yield ""
    yield f"site      {site.name}, sha256 {plan.site_sha256[:16]}, facts of {site.as_of}"
    if plan.config.json:
        yield f"config    {plan.config.slug}, sha256 {plan.config.sha256[:16]} (in this script)"
    yield from _task_lines(plan)
    for override in plan.config.overrides:
        yield from _wrapped(f"override  {override}")
    yield f"facility  {site.docs_url}"
    yield f"submit    {scheduler.how_to_submit(plan, file)}"
    for name in sorted(_cited_sources(plan)):
        yield f"source    {name}: {site.sources[name].url}"
    for path, value in plan.assumed:
        yield from _wrapped(f"ASSUMED   {path} = {value!r}: unknown, given with --assume")
    if plan.accept_unverified:
        yield "ASSUMED   what is unverified works, as --accept-unverified says"
    for note in header_notes(plan, scheduler):
        yield ""
        yield from _wrapped(note)
    if plan.places:
        yield ""
        yield "rank of a node -> cores -> GPU (the number that the node gives it)"
        for place in plan.places:
            gpu = "-" if place.gpu is None else place.gpu
            yield f"  {place.local_rank:>2} -> {core_list(place.cores):<7} -> {gpu}"


def _task_lines(plan: Plan) -> Iterator[str]:
    task = plan.task
    if task.script:
        seen = f"sha256 {task.sha256[:16]}" if task.sha256 else "not seen when this was written"
        yield from _wrapped(f"runs      {task.script!r}, {seen}")
    elif not task.trains:
        yield f"task      {task.kind}"


def _cited_sources(plan: Plan) -> set[str]:
    """Keys of the sources that reasons in the script refer to."""
    cited = [entry.cited for entry in plan.env] + [module.cited for module in plan.modules]
    return {text.partition(",")[0] for text in cited} & plan.site.sources.keys()


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, HEADER_WIDTH, break_long_words=False, break_on_hyphens=False)


def shape_of(plan: Plan) -> str:
    count = plan.cores_per_rank.value
    cores = "" if count is None else f" x {_many(count, 'core')}"
    gpus = " + 1 GPU each" if plan.gpus_per_node.value else ""
    nodes, ranks = _many(plan.nodes.value, "node"), _many(plan.ranks_per_node.value, "rank")
    return f"{nodes} x {ranks}{cores}{gpus}"


def time_of(plan: Plan) -> str:
    if plan.site.scheduler.kind == "local":
        return "no time limit"
    queue = f" in {plan.queue.value}" if plan.queue.value else ""
    return f"{format_walltime(plan.walltime_s.value)}{queue}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def header_notes(plan: Plan, scheduler: Scheduler) -> Iterator[str]:
    """What was not given or is not known, and what follows from it."""
    if missing_account(plan):
        yield account_note(plan, scheduler)
    if plan.image.value is None and plan.site.scheduler.kind != "local":
        which = "the hydria of --venv runs"
        if plan.venv.value is None:
            which = "the installed hydria runs; it must be on the PATH of the job"
        yield f"No container image (container.runtime none): {which}."
    yield from plan.site.notes
    if plan.queue_row is not None and plan.queue_row.note:
        yield f"Queue {plan.queue_row.name}: {plan.queue_row.note}."
    if plan.site.restart.signal != "none" and not plan.task.trains:
        yield f"{plan.lead_s.value} s before the walltime ends what runs gets SIGTERM."
    elif plan.site.restart.signal != "none" and not plan.requeues.value:
        yield (
            f"{plan.lead_s.value} s before the walltime ends the trainer writes a checkpoint. "
            f"{plan.requeues.reason[0].upper()}{plan.requeues.reason[1:]}."
        )


def missing_account(plan: Plan) -> bool:
    return bool(plan.site.account_required.value) and plan.account.value is None


def account_note(plan: Plan, scheduler: Scheduler) -> str:
    """How to add the account that nobody gave."""
    return (
        f"No account was given, and {plan.site.name} needs one: submit with "
        f"`{scheduler.how_to_submit(plan)}`, or render again with --account, HYDRIA_ACCOUNT or "
        "`account:` in ~/.config/hydria.yaml."
    )
