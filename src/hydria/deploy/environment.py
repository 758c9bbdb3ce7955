"""The environment of the ranks: the plan's own values, the site's facts, the person's wishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hydria.config.conditions import holds
from hydria.config.site import EnvVar, Injection, Site
from hydria.deploy.plan import EnvEntry, ModuleLoad
from hydria.deploy.quoting import ShellText, literal, template
from hydria.deploy.request import Setting

WORKERS = "HYDRAGNN_NUM_WORKERS"
THREADS = "OMP_NUM_THREADS"
AGGREGATION = "HYDRAGNN_AGGR_BACKEND"
TEMPORARY = "TMPDIR"
WRITABLE = "the folder that every container can write to, on every node"
ASKED = "asked for"
PLAN = ("plan", "plan")


def plan_environment(
    site: Site,
    facts: Mapping[str, object],
    threads: int | None,
    workers: int,
    asked: Mapping[str, Setting],
    injections: Sequence[str] = (),
) -> tuple[EnvEntry, ...]:
    """Every variable once; what a person asks for takes the place of the site's value."""
    entries: dict[str, EnvEntry] = {}
    if threads is not None:
        entries[THREADS] = _own(THREADS, threads, "cores of a rank that loader workers leave")
    entries[WORKERS] = _own(WORKERS, workers, "threads that assemble batches ahead")
    entries[AGGREGATION] = EnvEntry(
        AGGREGATION,
        literal("torch"),
        "losses are reduced with the gradients; no MPI beside it",
        *PLAN,
    )
    for variable in site.env:
        if variable.provided_by == "us" and holds(variable.when, facts):
            entries[variable.name] = _of_site(site, variable)
    for row in site.container.injections:
        if row.name in injections:
            entries |= {entry.name: entry for entry in _of_injection(site, row, facts)}
    if facts["runtime"] != "none":
        entries.setdefault(TEMPORARY, EnvEntry(TEMPORARY, literal("/tmp"), WRITABLE, *PLAN))
    for name, setting in asked.items():
        entries[name] = EnvEntry(
            name, literal(setting.value), ASKED, setting.source, setting.source
        )
    return tuple(entries.values())


def active_injections(
    site: Site, facts: Mapping[str, object], asked: Sequence[str] = ()
) -> tuple[str, ...]:
    """What is brought into the container of such a job; nothing without one.

    One that is asked for takes the place of those usual ones that it cannot be beside.
    """
    if facts["runtime"] == "none":
        return ()
    rows = site.container.injections
    replaced = {name for row in rows if row.name in asked for name in row.conflicts}
    return tuple(
        row.name
        for row in rows
        if row.name in asked
        or (not row.by_name and row.name not in replaced and holds(row.when, facts))
    )


def _of_injection(site: Site, row: Injection, facts: Mapping[str, object]) -> Iterator[EnvEntry]:
    cited = site.cited(row), site.short(row)
    for name, value in row.env.items():
        yield EnvEntry(name, _value(value), row.why, *cited)
    if row.libs:
        name = f"{str(facts['runtime']).upper()}_CONTAINLIBS"
        yield EnvEntry(name, literal(",".join(row.libs)), row.why, *cited)


def _own(name: str, value: int, why: str) -> EnvEntry:
    return EnvEntry(name, literal(str(value)), why, *PLAN)


def _of_site(site: Site, variable: EnvVar) -> EnvEntry:
    source, short = site.cited(variable), site.short(variable)
    value = _value(variable.value)
    return EnvEntry(variable.name, value, variable.why, source, short, variable.directory)


def _value(text: str) -> ShellText:
    return template(text) if "$" in text else literal(text)


def plan_modules(
    site: Site, facts: Mapping[str, object], injections: Sequence[str] = ()
) -> tuple[ModuleLoad, ...]:
    """Modules of the machine, then those that only a container needs."""
    loads = [
        ModuleLoad(module.name, module.why, site.cited(module), site.short(module))
        for module in site.modules
        if holds(module.when, facts)
    ]
    if facts["runtime"] != "none":
        fact = site.container.runtime
        why = "gives the container the machine's MPI and GPUs"
        loads += [
            ModuleLoad(name, why, site.cited(fact), site.short(fact))
            for name in site.container.modules_run
        ]
    for row in site.container.injections:
        if row.name in injections:
            loads += [
                ModuleLoad(name, row.why, site.cited(row), site.short(row)) for name in row.modules
            ]
    return tuple(loads)
