"""Checks 18, 19 and 22: variables of the ranks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hydria.config.conditions import holds
from hydria.core.registry import nearest
from hydria.deploy.checks.finding import Finding, error, warning
from hydria.deploy.environment import ASKED
from hydria.deploy.plan import EnvEntry, Plan
from hydria.deploy.schedulers import scheduler_of
from hydria.deploy.variables import KNOWN, RESERVED

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Written by people into scripts that others copy; each needs a reason.
QUESTIONABLE = {
    "NCCL_P2P_DISABLE": "GPUs of a node then exchange data through host memory",
    "NCCL_IB_DISABLE": "nodes then exchange data over TCP",
    "NCCL_SHM_DISABLE": "ranks of a node then exchange data over the network",
}
OFI_NEEDS = "--network=disable_rdzv_get"
# Networks that NCCL and RCCL have themselves.
WITHOUT_PLUGIN = frozenset({"IB", "Socket"})
# Variables that name a folder which MIOpen locks and writes while it runs.
CACHES = frozenset({"MIOPEN_CUSTOM_CACHE_DIR", "MIOPEN_USER_DB_PATH"})
ON_NODES = ("/tmp/", "/var/tmp/", "/dev/shm/")


def _asked(plan: Plan) -> Iterator[EnvEntry]:
    return (entry for entry in plan.env if entry.why == ASKED)


def names_of_variables(plan: Plan) -> Iterator[Finding]:
    known = KNOWN | {variable.name for variable in plan.site.env}
    for entry in _asked(plan):
        if not NAME.fullmatch(entry.name):
            yield error(19, entry.source, f"expected a variable's name, got {entry.name!r}")
        elif entry.name in RESERVED:
            yield error(19, entry.source, f"{entry.name} is set by the script and the launcher")
        elif entry.name not in known:
            close = nearest(entry.name, known)
            if close is not None and is_slip(entry.name, close):
                message = f"nothing reads {entry.name!r}"
                yield error(19, entry.source, message, f"did you mean {close!r}?")


def is_slip(name: str, known: str) -> bool:
    """Whether `name` is a slip for `known`, and not a variable of its own family."""
    from difflib import SequenceMatcher

    return SequenceMatcher(None, name, known).ratio() > 0.8


def texts_of_variables(plan: Plan) -> Iterator[Finding]:
    for entry in _asked(plan):
        if not entry.value.text.isprintable():
            message = f"expected one line of printable text, got {entry.value.text!r}"
            yield error(28, f"{entry.source} {entry.name}", message)


def contradictions(plan: Plan) -> Iterator[Finding]:
    """What a person sets against the site's advice is done, and said."""
    facts = plan.conditions()
    advised = {variable.name: variable for variable in plan.site.env if holds(variable.when, facts)}
    for entry in _asked(plan):
        fact = advised.get(entry.name)
        if fact is not None and fact.value != entry.value.text:
            message = f"{entry.value.text!r} replaces {fact.value!r} of site {plan.site.name}"
            yield warning(19, entry.name, message, fact.why)
        elif entry.name in QUESTIONABLE and entry.value.text not in {"", "0"}:
            yield warning(19, entry.name, QUESTIONABLE[entry.name])


def plugin_there(plan: Plan) -> Iterator[Finding]:
    """A network plugin that is named has to be there, and to have a network.

    NCCL and RCCL end at once where the plugin is missing, on one node too.
    """
    env = {entry.name: entry.value.text for entry in plan.env}
    name, ccl = env.get("NCCL_NET"), plan.site.ccl
    if name is None or name in WITHOUT_PLUGIN:
        return
    if plan.nodes.value == 1:
        message = f"{name!r} needs a fabric, and a job of one node has none"
        yield error(18, "NCCL_NET", message, "Socket, or leave it out")
        return
    path = ccl.plugin_path if ccl is not None else None
    if path is not None and not path.known and not plan.injections:
        message = f"{name!r} is a plugin, and ccl.plugin_path is unknown on {plan.site.name}"
        yield error(18, "NCCL_NET", message, "leave it out, or --assume ccl.plugin_path=DIR")


def rendezvous_allowed(plan: Plan) -> Iterator[Finding]:
    env = {entry.name: entry.value.text for entry in plan.env}
    directives = scheduler_of(plan.site.scheduler.kind).directives(plan)
    if env.get("FI_CXI_RDZV_PROTO") == "alt_read" and OFI_NEEDS not in directives:
        yield error(18, "FI_CXI_RDZV_PROTO", f"alt_read needs the directive {OFI_NEEDS}")


def plugin_known(plan: Plan) -> Iterator[Finding]:
    """Several nodes of a fabric that the collectives need a plugin for, which nobody has found."""
    ccl = plan.site.ccl
    if ccl is None or ccl.plugin_path is None or ccl.plugin_path.known or plan.nodes.value == 1:
        return
    if not plan.gpus_per_node.value or plan.injections:
        return
    name = ccl.backend.upper()
    message = f"ccl.plugin_path is unknown on {plan.site.name}: {name} may fall back to TCP"
    yield warning(18, plan.nodes.source, message, ccl.plugin_path.note)


def cache_folders(plan: Plan) -> Iterator[Finding]:
    """Folders on a node are one person's and one job's, are made, and are on the node."""
    local = plan.site.storage.node_local
    on_node = (*ON_NODES, *([local.path.partition("$")[0]] if local else ()))
    for entry in plan.env:
        if not entry.directory and entry.name not in CACHES:
            continue
        text, hint = repr(entry.value.text), None
        if entry.why == ASKED:
            hint = "leave it out: MIOpen's own default is a folder of yours"
            if any(variable.name == entry.name for variable in plan.site.env):
                hint = f"leave it out: site {plan.site.name} sets it"
        if not {"USER", "JOB_ID"} <= entry.value.variables:
            message = (
                f"expected a folder with $USER and $JOB_ID, got {text}: others write there too"
            )
            yield error(22, entry.name, message, hint)
        elif not entry.directory:
            message = f"expected a folder that the job makes (directory: true), got {text}"
            yield error(22, entry.name, message, hint)
        elif not entry.value.text.startswith(on_node):
            message = f"expected a folder on the node, got {text}"
            yield error(22, entry.name, message, hint)
