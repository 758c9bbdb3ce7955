"""Check 15: what a job runs, where that can be told, has kernels for the GPUs it gets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hydria.deploy.checks.finding import Finding, error, warning
from hydria.deploy.checks.image import STACKS
from hydria.deploy.plan import Plan

# Extensions of PyTorch Geometric that are built for CPUs and CUDA only.
WITHOUT_XPU = re.compile(
    r"^\s*(?:import|from)\s+(torch_(?:scatter|sparse|cluster|spline_conv))\b", re.MULTILINE
)
IMPORTED = re.compile(r"^\s*(?:import|from)\s+\.?([\w.]+)", re.MULTILINE)
# Vendor → torch's device, and what ranks talk through.
DEVICES = {"nvidia": "cuda", "amd": "cuda", "intel": "xpu"}
BACKENDS = {"nvidia": "nccl", "amd": "nccl", "intel": "xccl"}
ARCHITECTURES = {"aarch64": "aarch64", "arm64": "aarch64", "x86_64": "x86_64", "amd64": "x86_64"}


def kernels_exist(plan: Plan) -> Iterator[Finding]:
    """A script of one's own that needs extensions which these GPUs have no kernels for.

    Hydria's own models need none of them.
    """
    gpus, script = plan.site.node.gpus, plan.task.script
    if gpus is None or gpus.vendor != "intel" or script is None:
        return
    if not os.path.isfile(script):
        return
    for file in sources_of(Path(script)):
        used = sorted(set(WITHOUT_XPU.findall(file.read_text(errors="replace"))))
        if used:
            where = "--script" if file == Path(script) else f"--script, {file.name}"
            message = f"{', '.join(used)}: no kernels for the GPUs of {plan.site.name}"
            yield error(15, where, message, "torch_geometric works without it")


def sources_of(script: Path) -> list[Path]:
    """A script, and the modules beside it that it and they import."""
    found, waiting = [script], [script]
    while waiting:
        for name in IMPORTED.findall(waiting.pop().read_text(errors="replace")):
            beside = script.parent.joinpath(*name.split("."))
            for file in (beside.with_suffix(".py"), beside / "__init__.py"):
                if file.is_file() and file not in found:
                    found.append(file)
                    waiting.append(file)
    return found


def backend_fits(plan: Plan) -> Iterator[Finding]:
    """A device or a backend that a person names is one that these GPUs have."""
    gpus = plan.site.node.gpus
    if gpus is None or gpus.vendor is None or not plan.gpus_per_node.value:
        return
    env = {entry.name: entry for entry in plan.env}
    for name, fitting, slow in (
        ("HYDRIA_DEVICE", DEVICES[gpus.vendor], "cpu"),
        ("HYDRAGNN_BACKEND", BACKENDS[gpus.vendor], "gloo"),
    ):
        entry = env.get(name)
        if entry is None or entry.value.text == fitting:
            continue
        message = f"expected {fitting} for the GPUs of {plan.site.name}, got {entry.value.text!r}"
        judged = warning if entry.value.text == slow else error
        yield judged(15, f"{entry.source} {name}", message, "leave it out: torch finds its GPUs")


def image_by_name(plan: Plan) -> Iterator[Finding]:
    """What an image's name says, where the image itself lies elsewhere."""
    image, site = plan.image.value, plan.site
    if image is None or os.path.isfile(image):
        return
    words = set(re.split(r"[^A-Za-z0-9_]+", Path(image).name.lower()))
    vendor = site.node.gpus.vendor if site.node.gpus else None
    wanted = STACKS.get(str(vendor))
    stacks = words & {"cpu", *STACKS.values()}
    if wanted and plan.gpus_per_node.value and stacks and wanted not in stacks:
        message = f"the name says {' and '.join(sorted(stacks))}; {site.name} needs {wanted}"
        yield warning(15, plan.image.source, message, f"hydria image build {wanted}")
    made_for = {ARCHITECTURES[word] for word in words & ARCHITECTURES.keys()}
    if made_for and site.arch not in {"any", *made_for}:
        message = f"the name says {' and '.join(sorted(made_for))}; {site.name} has {site.arch}"
        yield error(
            15, plan.image.source, message, f"build the image on a machine with {site.arch}"
        )
