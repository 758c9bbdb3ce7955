"""A rendered script back to what it says, without looking at the plan it came from."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

from hydria.config.site import Site
from hydria.deploy.launching import read_cores, read_fields, read_gpus, template_of
from hydria.deploy.plan import Plan
from hydria.deploy.quoting import ShellText, literal, read_word
from hydria.deploy.render import carries_plan, launch_line, preflight_line, prepare_line
from hydria.deploy.schedulers import Scheduler, scheduler_of
from hydria.deploy.steps import planned_text

_EXPORT = re.compile(r"export (\w+)=(.*)")
_MODULE = re.compile(r"module load (\S+) \|\| die .*")
_ASSIGNMENT = re.compile(r"(data_root|run_dir|script)=(.*)")
_FUNCTION = re.compile(r"^(prepare|preflight|launch)\(\) \{\n    exec (.*)\n\}$", re.MULTILINE)
_CONFIG = re.compile(r"<< 'HYDRIA_CONFIG'\n(.*?)\nHYDRIA_CONFIG$", re.DOTALL | re.MULTILINE)
_PLAN = re.compile(r"<< 'HYDRIA_PLAN'\n(.*?)\nHYDRIA_PLAN$", re.DOTALL | re.MULTILINE)
_REQUEUES = re.compile(r'"\$restarts" -lt (\d+)')
OWN_EXPORTS = frozenset({"HYDRIA_DATA", "PATH"})
COUNTED = ("nodes", "ranks", "ranks_per_node", "gpus", "cores", "hwthreads")


@dataclass(frozen=True)
class Reading:
    """What a script says."""

    carried: dict[str, object]
    env: dict[str, ShellText]
    modules: tuple[str, ...]
    paths: dict[str, ShellText]
    prepare: str
    launch: str
    shape: dict[str, int]
    """What the launcher is told: nodes, ranks, ranks_per_node, cores, as far as it is told."""
    cores: tuple[tuple[int, ...], ...]
    """The cores of each rank of a node, where the launcher is told."""
    gpus: tuple[int, ...]
    """The GPU of each rank of a node, where the launcher or the rank's own shell is told."""
    preflight: str
    planned: str
    """What ranks are held to before they start."""
    config: str
    requeues: int


def read_script(text: str, site: Site) -> Reading:
    """Parse a script; ValueError or KeyError where it is not one of ours."""
    scheduler = scheduler_of(site.scheduler.kind)
    config = _CONFIG.search(text)
    code = text[: config.start()] + text[config.end() :] if config else text
    planned = _PLAN.search(code)
    functions = dict(_FUNCTION.findall(code))
    lines = code.splitlines()
    requeues = _REQUEUES.search(code)
    said = launcher_fields(site, functions["launch"])
    return Reading(
        carried=scheduler.read(directives_of(lines, scheduler)),
        env={
            name: read_word(word)
            for name, word in (match.groups() for match in _matches(_EXPORT, lines))
            if name not in OWN_EXPORTS
        },
        modules=tuple(match[1] for match in _matches(_MODULE, lines)),
        paths={
            name: read_word(word)
            for name, word in (match.groups() for match in _matches(_ASSIGNMENT, lines))
        },
        prepare=functions.get("prepare", ""),
        launch=functions["launch"],
        shape={name: int(said[name]) for name in COUNTED if name in said},
        cores=read_cores(said),
        gpus=read_gpus(said, functions["launch"]),
        preflight=functions.get("preflight", ""),
        planned=planned[1] if planned else "",
        config=config[1] if config else "",
        requeues=int(requeues[1]) if requeues else 0,
    )


def directives_of(lines: list[str], scheduler: Scheduler) -> list[str]:
    """Directives up to the first command, where schedulers stop reading."""
    found: list[str] = []
    for line in lines:
        if scheduler.sentinel and line.startswith(f"{scheduler.sentinel} "):
            found.append(line.removeprefix(scheduler.sentinel).strip())
        elif line.strip() and not line.startswith("#"):
            break
    return found


def _matches(pattern: re.Pattern[str], lines: list[str]) -> list[re.Match[str]]:
    return [match for line in lines if (match := pattern.fullmatch(line))]


def launcher_fields(site: Site, line: str) -> dict[str, str]:
    """What the launcher's line says, by the names of the site's template."""
    for template in (site.launch.template, site.launch.template_cpu):
        fields = read_fields(template, line) if template else {}
        if fields:
            return fields
    return {}


def expected(plan: Plan) -> Reading:
    """What a script of `plan` must say."""
    scheduler = scheduler_of(plan.site.scheduler.kind)
    return Reading(
        carried=scheduler.carried(plan),
        env={entry.name: entry.value for entry in plan.env},
        modules=tuple(module.name for module in plan.modules),
        paths=_paths(plan),
        prepare=prepare_line(plan) if plan.task.needs_data else "",
        launch=launch_line(plan),
        shape=_planned_shape(plan),
        cores=_planned_cores(plan),
        gpus=_planned_gpus(plan),
        preflight=preflight_line(plan) if plan.preflight.value else "",
        planned=planned_text(plan) if carries_plan(plan) else "",
        config=plan.config.json,
        requeues=plan.requeues.value,
    )


def _paths(plan: Plan) -> dict[str, ShellText]:
    paths = {"data_root": plan.data_root.value, "run_dir": plan.run_dir.value}
    return paths | ({"script": literal(plan.task.script)} if plan.task.script else {})


def _named_fields(plan: Plan) -> set[str]:
    template = template_of(plan.site.launch, plan.gpus_per_node.value) if plan.launch else ""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def _planned_shape(plan: Plan) -> dict[str, int]:
    cores = plan.cores_per_rank.value
    planned: dict[str, int | None] = {
        "nodes": plan.nodes.value,
        "ranks": plan.ranks,
        "ranks_per_node": plan.ranks_per_node.value,
        "gpus": plan.gpus_per_node.value,
        "cores": cores,
        "hwthreads": None if cores is None else cores * plan.site.node.smt,
    }
    names = _named_fields(plan)
    return {name: value for name, value in planned.items() if name in names and value is not None}


def _planned_cores(plan: Plan) -> tuple[tuple[int, ...], ...]:
    told = _named_fields(plan) & {"cpu_list", "cpu_mask"}
    return tuple(place.cores for place in plan.places) if told else ()


def _planned_gpus(plan: Plan) -> tuple[int, ...]:
    masked = plan.site.launch.gpu_select == "mask_wrapper" and plan.launch
    told = masked or "gpu_map" in _named_fields(plan)
    return tuple(place.gpu for place in plan.places if place.gpu is not None) if told else ()


def differences(plan: Plan, text: str) -> list[str]:
    """Where the script says something else than its plan; empty when it does not."""
    try:
        said = read_script(text, plan.site)
    except (ValueError, KeyError) as err:
        return [f"the script cannot be read back: {err}"]
    meant = expected(plan)
    return [
        f"{name}: planned {getattr(meant, name)!r}, the script says {getattr(said, name)!r}"
        for name in Reading.__dataclass_fields__
        if getattr(said, name) != getattr(meant, name)
    ]
