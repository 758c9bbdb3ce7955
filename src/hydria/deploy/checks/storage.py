"""Checks 24 and 28: folders of the job."""

from __future__ import annotations

from collections.abc import Iterator

from hydria.deploy.checks.finding import Finding, error, warning
from hydria.deploy.plan import Plan
from hydria.deploy.runtimes import OF_FILES


def node_local_used(plan: Plan) -> Iterator[Finding]:
    local, constraint = plan.site.storage.node_local, plan.constraint.value
    if local is None or local.request is None or constraint is None or plan.staging.value:
        return
    if local.request.partition("=")[2] in constraint:
        message = f"asks for {local.path}, and this job keeps nothing there"
        yield warning(24, f"constraint {constraint}", message)


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
