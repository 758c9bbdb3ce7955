"""Checks 15 and 16: an image that lies here already must fit the machine that it is meant for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hydria.config.site import MpiAbi
from hydria.deploy.checks.finding import Finding, error
from hydria.deploy.plan import Plan

# Vendor of a machine's GPUs → what an image for them is called
STACKS = {"nvidia": "cuda", "amd": "rocm", "intel": "xpu"}


def image_fits(plan: Plan) -> Iterator[Finding]:
    """Silent about images that lie elsewhere, such as on the machine itself."""
    image = Path(plan.image.value or "")
    if plan.image.value is None or not os.path.isfile(image):  # no error for any path
        return
    from hydria.deploy.images.sif import architecture_of, is_sif, labels_of

    if not is_sif(image):
        return
    where, site = plan.image.source, plan.site
    made_for = architecture_of(image)
    if site.arch not in ("any", made_for):
        message = f"{image} is for {made_for}, {site.name} has {site.arch} processors"
        yield error(15, where, message, f"build the image on a machine with {site.arch}")
    labels = labels_of(image)
    yield from _accelerator(plan, labels.get("org.hydria.accelerator"))
    abi = site.container.mpi_abi
    if abi is not None and abi.value is not None and "org.hydria.mpi" in labels:
        yield from _mpi(plan, abi.value, labels["org.hydria.mpi"])


def _accelerator(plan: Plan, accelerator: str | None) -> Iterator[Finding]:
    gpus = plan.site.node.gpus
    wanted = STACKS.get(str(gpus.vendor)) if gpus is not None else None
    if not plan.gpus_per_node.value or not wanted or accelerator in (None, wanted):
        return
    message = f"the image is for {accelerator}, the GPUs of {plan.site.name} need {wanted}"
    yield error(15, plan.image.source, message, f"hydria image build {wanted}")


def _mpi(plan: Plan, abi: MpiAbi, mpi: str) -> Iterator[Finding]:
    """`mpi` is the label: family and version."""
    from packaging.specifiers import SpecifierSet

    family, _, version = mpi.partition(" ")
    if family == abi.family and version in SpecifierSet(abi.version_range):
        return
    message = (
        f"the image's MPI is {mpi}; {plan.site.name} binds {abi.family} {abi.version_range} over it"
    )
    versions = re.findall(r"[\d.]+", abi.version_range)
    hint = f"set mpi.version in containers/common.yaml to {versions[0]} and build again"
    yield error(16, plan.image.source, message, hint)
