"""Checks 24 and 28: folders of the job."""

from __future__ import annotations

from collections.abc import Iterator

from hydria.deploy.checks.finding import Finding, error
from hydria.deploy.plan import Plan
from hydria.deploy.runtimes import OF_FILES
from hydria.deploy.steps import COPIES, gigabytes, room_bytes


def node_local_asked(plan: Plan) -> Iterator[Finding]:
    """A node's own disk is asked for where something lies there, and only then."""
    local = plan.site.storage.node_local
    if local is None or local.request is None:
        return
    asked = local.request.partition("=")[2] in (plan.constraint.value or "")
    there = [flag for flag, path in _places(plan) if f"{path}/".startswith(_fixed(local.path))]
    if there and not asked:
        message = f"{local.path} is there only with {local.request}"
        yield error(24, ", ".join(there), message, local.request.replace("=", " "))
    own_script = plan.task.script is not None  # may use it, for all that can be seen
    if asked and not there and not plan.staging.value and not own_script:
        message = f"asks for {local.path}, and this job keeps nothing there"
        yield error(24, f"constraint {plan.constraint.value}", message, "--stage all uses it")


def _places(plan: Plan) -> Iterator[tuple[str, str]]:
    """What asks for it → every path of the job."""
    yield "--image", plan.image.value or ""
    yield "--venv", plan.venv.value or ""
    yield "--data", plan.data_root.value.text
    yield "--run-dir", plan.run_dir.value.text
    for entry in plan.env:
        yield f"--env {entry.name}", entry.value.text


def _fixed(path: str) -> str:
    """The part of a folder's path before its first variable."""
    return path.partition("$")[0].rstrip("/") + "/"


def staged_parts_fit(plan: Plan) -> Iterator[Finding]:
    """What is to be copied and is known here fits on a node's disk."""
    room, local = room_bytes(plan.site), plan.site.storage.node_local
    if plan.staging.value and (local is None or plan.site.storage.staging not in COPIES):
        message = f"how files get to a disk of the nodes of {plan.site.name} is not in its file"
        yield error(24, plan.staging.source, message, "--stage none")
        return
    known = {part: plan.part_bytes[part] for part in plan.staging.value if part in plan.part_bytes}
    if local is None or room is None or sum(known.values()) <= room:
        return
    sizes = " + ".join(f"{part} {gigabytes(size)}" for part, size in known.items())
    message = f"{sizes} do not fit on {local.path} ({local.size_gb} GB, a tenth stays free)"
    yield error(24, plan.staging.source, message, "--stage none, or only one of them")


def plain_words(plan: Plan) -> Iterator[Finding]:
    """A script of one's own and its arguments stand on one line of the job's script."""
    for flag, words in (
        ("--script", [plan.task.script or ""]),
        ("arguments", plan.task.arguments),
    ):
        for word in words:
            if word and not word.isprintable():
                yield error(28, flag, f"expected one line of printable text, got {word!r}")


def plain_paths(plan: Plan) -> Iterator[Finding]:
    """Paths as a person typed them; every character means itself in the script."""
    typed = {
        "--image": plan.image.value,
        "--venv": plan.venv.value,
        "--data": plan.data_root.value.text if plan.data_root.value.literal else None,
        "--run-dir": plan.run_dir.value.text if plan.run_dir.value.literal else None,
    }
    for flag, path in typed.items():
        if path is None:
            continue
        if path.startswith("~") or "$" in path:
            message = f"expected a path without ~ and $, got {path!r}"
            yield error(28, flag, message, "let your shell expand it, or write it out")
        elif flag == "--image" and plan.runtime.value not in OF_FILES:
            continue  # a name in a registry
        elif plan.image.value is not None and flag != "--venv" and set(path) & {",", ":"}:
            message = f"expected a path without , and :, got {path!r}"
            yield error(28, flag, message, "the container runtime reads them as separators")
