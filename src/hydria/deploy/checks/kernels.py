"""Check 15: what a job runs, where that can be told, has kernels for the GPUs it gets."""

from __future__ import annotations

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
ARCHITECTURES = {"aarch64": "aarch64", "arm64": "aarch64", "x86_64": "x86_64", "amd64": "x86_64"}


def kernels_exist(plan: Plan) -> Iterator[Finding]:
    """A script of one's own that needs extensions which these GPUs have no kernels for."""
    gpus, script = plan.site.node.gpus, plan.task.script
    if gpus is None or gpus.vendor != "intel" or script is None or not Path(script).is_file():
        return
    used = sorted(set(WITHOUT_XPU.findall(Path(script).read_text(errors="replace"))))
    if used:
        message = f"{', '.join(used)}: no kernels for the GPUs of {plan.site.name}"
        yield error(15, "--script", message, "torch_geometric works without it")


def image_by_name(plan: Plan) -> Iterator[Finding]:
    """What an image's name says, where the image itself lies elsewhere."""
    image, site = plan.image.value, plan.site
    if image is None or Path(image).is_file():
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
