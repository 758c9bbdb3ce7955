"""A rendered script back to what it says, without looking at the plan it came from."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Any

from hydria.config.site import Site
from hydria.deploy.plan import Plan
from hydria.deploy.quoting import ShellText, read_word
from hydria.deploy.render import launch_line, prepare_line
from hydria.deploy.schedulers import Scheduler, scheduler_of

_EXPORT = re.compile(r"export (\w+)=(.*)")
_MODULE = re.compile(r"module load (\S+) \|\| die .*")
_ASSIGNMENT = re.compile(r"(data_root|run_dir)=(.*)")
_FUNCTION = re.compile(r"^(prepare|launch)\(\) \{\n    exec (.*)\n\}$", re.MULTILINE)
_CONFIG = re.compile(r"<< 'HYDRIA_CONFIG'\n(.*?)\nHYDRIA_CONFIG$", re.DOTALL | re.MULTILINE)
_REQUEUES = re.compile(r'"\$\{SLURM_RESTART_COUNT:-0\}" -lt (\d+)')
OWN_EXPORTS = frozenset({"HYDRIA_DATA", "PATH"})
FIELD_PATTERN = r"(?P<{name}>\d+)"


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
    config: str
    requeues: int


def read_script(text: str, site: Site) -> Reading:
    """Parse a script; ValueError or KeyError where it is not one of ours."""
    scheduler = scheduler_of(site.scheduler.kind)
    config = _CONFIG.search(text)
    if config is None:
        raise ValueError("expected the config between << 'HYDRIA_CONFIG' and its end")
    code = text[: config.start()] + text[config.end() :]
    functions = dict(_FUNCTION.findall(code))
    lines = code.splitlines()
    requeues = _REQUEUES.search(code)
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
        prepare=functions["prepare"],
        launch=functions["launch"],
        shape=launch_shape(site, functions["launch"]),
        config=config[1],
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


def launch_shape(site: Site, line: str) -> dict[str, int]:
    """The numbers in a launcher's line, by the names of the site's template."""
    pattern = ""
    for text, name, _, _ in string.Formatter().parse(site.launch.template):
        pattern += re.escape(text)
        pattern += FIELD_PATTERN.format(name=name) if name else ""
    match = re.search(pattern, line) if pattern else None
    return {name: int(value) for name, value in match.groupdict().items()} if match else {}


def expected(plan: Plan) -> Reading:
    """What a script of `plan` must say."""
    scheduler = scheduler_of(plan.site.scheduler.kind)
    return Reading(
        carried=scheduler.carried(plan),
        env={entry.name: entry.value for entry in plan.env},
        modules=tuple(module.name for module in plan.modules),
        paths={"data_root": plan.data_root.value, "run_dir": plan.run_dir.value},
        prepare=prepare_line(plan),
        launch=launch_line(plan),
        shape=_planned_shape(plan),
        config=plan.config.json,
        requeues=plan.requeues.value,
    )


def _planned_shape(plan: Plan) -> dict[str, int]:
    planned: dict[str, Any] = {
        "nodes": plan.nodes.value,
        "ranks": plan.ranks,
        "ranks_per_node": plan.ranks_per_node.value,
        "cores": plan.cores_per_rank.value,
    }
    template = plan.site.launch.template if plan.launch else ""
    names = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    return {name: planned[name] for name in planned if name in names}


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
