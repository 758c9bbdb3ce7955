"""What a script does before its ranks start: preflight and staging, as command lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hydria.config.site import Site
from hydria.deploy.launching import on_each_node
from hydria.deploy.plan import Decision, Plan
from hydria.deploy.quoting import ShellText, template
from hydria.deploy.request import Setting

# How a file gets from the shared file system to every node; each returns an exit code that counts.
COPIES = {
    "sbcast": 'sbcast -pf "$image" "$staged/image"',
    "cp": 'on_every_node cp -L -- "$image" "$staged/image"',
}
STAGE_IMAGE = """\
if fits "$image"; then
    if run_step {copy}; then
        image=$staged/image
    else
        say 'the image could not be staged: it is read where it lies'
    fi
fi"""
STAGE_DATA = """\
cat -- "$run_dir/job/prepared"
store=$(sed -n 's/^where  *//p' "$run_dir/job/prepared")
if [ -n "$store" ] && fits "$store"; then
    if run_step on_every_node mkdir -p -- "$staged/stores" &&
        run_step on_every_node cp -rL -- "$store" "$staged/stores/"; then
        export HYDRIA_DATA="$staged"
    else
        say 'the data could not be staged: they are read where they lie'
    fi
fi"""


def decide_staging(
    site: Site,
    nodes: int,
    image: bool,
    needs_data: bool,
    sizes: Mapping[str, int],
    asked: Setting | None,
) -> Decision[tuple[str, ...]]:
    """What is copied to the nodes' own disks: `image`, `data`, both, or nothing.

    Args:
        image: whether the job runs in an image that is a file.
        needs_data: whether its ranks read prepared data.
        sizes: bytes of `image` and `data`, as far as they are known.
        asked: image, data, all or none; None where nobody said.
    """
    possible = tuple(part for part, there in (("image", image), ("data", needs_data)) if there)
    if asked is not None:
        chosen = tuple(part for part in possible if asked.value in {part, "all"})
        return Decision(chosen, "asked for", asked.source)
    local, file = site.storage.node_local, f"site {site.name}"
    if local is None or site.storage.staging not in COPIES:
        return Decision((), "the site has no node-local storage to copy to", file)
    if nodes == 1:
        return Decision((), "a single node reads its files where they lie", "plan")
    chosen = _fitting(possible, sizes, room_bytes(site))
    reason = f"{nodes} nodes read the same files: from {local.path}"
    for part in (part for part in possible if part not in chosen):
        reason += f"; {part} ({gigabytes(sizes[part])}) does not fit there ({local.size_gb} GB)"
    return Decision(chosen, reason, site.cited(local))


def room_bytes(site: Site) -> int | None:
    """What copies may take of a node's disk, a tenth of which stays free; None if unknown."""
    local = site.storage.node_local
    return None if local is None or local.size_gb is None else local.size_gb * 10**9 * 9 // 10


def gigabytes(count: int) -> str:
    return f"{count / 1e9:.0f} GB"


def _fitting(parts: tuple[str, ...], sizes: Mapping[str, int], room: int | None) -> tuple[str, ...]:
    """Parts that fit together, in their order; those of unknown size are tried on the node."""
    chosen: list[str] = []
    for part in parts:
        taken = sum(sizes.get(other, 0) for other in (*chosen, part))
        if room is None or part not in sizes or taken <= room:
            chosen.append(part)
    return tuple(chosen)


def stage_folder(plan: Plan) -> ShellText | None:
    """Where staged files lie on every node; a folder of this job."""
    local = plan.site.storage.node_local
    if local is None or not plan.staging.value:
        return None
    owned = local.path if "$USER" in local.path else f"{local.path}/$USER"
    return template(f"{owned}/hydria-$JOB_ID")


def staging_parts(plan: Plan) -> Iterator[str]:
    """The commands that copy, each with its exit code tested."""
    if "image" in plan.staging.value:
        yield STAGE_IMAGE.format(copy=COPIES[plan.site.storage.staging])
    if "data" in plan.staging.value:
        yield STAGE_DATA


def on_every_node(plan: Plan) -> str:
    """The words that run a command once on every node."""
    words = on_each_node(plan.site, plan.nodes.value) if plan.launch else ""
    return f"{words} " if words else ""


def planned_text(plan: Plan) -> str:
    """What `hydria doctor --plan` holds ranks to: JSON, one line for each rank and variable."""
    fixed = {
        "site": plan.site.name,
        "ranks": plan.ranks,
        "nodes": {"value": plan.nodes.value},
        "ranks_per_node": {"value": plan.ranks_per_node.value},
        "threads": {"value": plan.threads.value},
    }
    places = [
        {"local_rank": place.local_rank, "cores": place.cores, "gpu": place.gpu}
        for place in plan.places
    ]
    variables = [{"name": entry.name, "value": entry.value.text} for entry in plan.env]
    lines = [f' "{key}": {json.dumps(value)}' for key, value in fixed.items()]
    lines += [_table("placement", places), _table("environment", variables)]
    return "{\n" + ",\n".join(lines) + "\n}"


def _table(name: str, rows: list[Mapping[str, Any]] | list[dict[str, Any]]) -> str:
    inner = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f' "{name}": [\n{inner}\n ]' if rows else f' "{name}": []'
