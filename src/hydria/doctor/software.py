"""Versions, the MPI library, and the backends that torch has."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module, util

from hydria.doctor.facts import Software
from hydria.runtime.versions import versions

BACKENDS = ("gloo", "nccl", "mpi", "xccl")
CONTAINERS = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")


def software_facts(env: Mapping[str, str]) -> Software:
    """What is installed; a package that is there and cannot be imported is `broken`."""
    broken: dict[str, str] = {}
    # Cray's MPI must be loaded before torch
    mpi = _mpi_library(broken)
    backends = _backends(broken)
    container = next((env[name] for name in CONTAINERS if env.get(name)), None)
    return Software(
        versions=versions(), mpi=mpi, backends=backends, broken=broken, container=container
    )


def _mpi_library(broken: dict[str, str]) -> str | None:
    """What the MPI behind mpi4py calls itself; it is not initialised."""
    if util.find_spec("mpi4py") is None:
        return None
    try:
        import_module("mpi4py").rc.initialize = False
        text = str(import_module("mpi4py.MPI").Get_library_version())
    except (ImportError, OSError, RuntimeError) as err:
        broken["mpi4py"] = _first_line(err)
        return None
    return _first_line(text).split(", package:")[0].strip("\0 ,")


def _backends(broken: dict[str, str]) -> tuple[str, ...]:
    if util.find_spec("torch") is None:
        return ()
    try:
        dist = import_module("torch.distributed")
    except (ImportError, OSError) as err:
        broken["torch"] = _first_line(err)
        return ()
    available = (getattr(dist, f"is_{name}_available", None) for name in BACKENDS)
    return tuple(name for name, asks in zip(BACKENDS, available, strict=True) if asks and asks())


def _first_line(text: object) -> str:
    return next(iter(str(text).splitlines()), "")
