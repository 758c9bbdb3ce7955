"""The environment variables that change a run: read here, once, and written to the receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hydria.core.errors import LaunchError

Env = Mapping[str, str]
# What the receipt keeps of the environment; nothing in it is a secret.
RECORDED_PREFIXES = (
    "HYDRIA_",
    "HYDRAGNN_",
    "OMP_",
    "MKL_",
    "KMP_",
    "GOMP_",
    "SLURM_",
    "PBS_",
    "FLUX_",
    "PALS_",
    "PMI_",
    "OMPI_",
    "NCCL_",
    "RCCL_",
    "CCL_",
    "FI_",
    "GLOO_",
    "MIOPEN_",
    "TORCH_",
    "CUDA_",
    "HIP_",
    "ROCR_",
    "ZE_",
    "MASTER_",
)
RECORDED_NAMES = frozenset({"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK"})
SECRET_MARKS = ("SECRET", "TOKEN", "PASSWORD", "JWT", "CREDENTIAL", "API_KEY", "MUNGE")
# Upstream's way to say that graphs differ in size; here they always may.
WITHOUT_NEED = frozenset({"HYDRAGNN_USE_VARIABLE_GRAPH_SIZE"})
# Read by the job script and by the installer, not by a run.
OF_SCRIPTS = frozenset({"HYDRAGNN_ROOT", "HYDRAGNN_DIR", "HYDRAGNN_SRC", "HYDRAGNN_SYSTEM"})
HONOURED = frozenset(
    {
        "HYDRAGNN_BACKEND",
        "HYDRAGNN_MASTER_ADDR",
        "HYDRAGNN_MASTER_PORT",
        "HYDRAGNN_AGGR_BACKEND",
        "HYDRAGNN_NUM_WORKERS",
        "HYDRAGNN_MAX_NUM_BATCH",
        "HYDRAGNN_VALTEST",
    }
)
OFF = ("", "0")


@dataclass(frozen=True)
class Environment:
    """Values of the variables that this package honours (manual: "Environment Variables").

    Attributes:
        backend: HYDRAGNN_BACKEND: nccl, gloo or xccl; None chooses by device.
        device: HYDRIA_DEVICE: cpu, cuda or xpu; None takes an accelerator when there is one.
        master_addr, master_port: HYDRAGNN_MASTER_ADDR, HYDRAGNN_MASTER_PORT.
        aggr_backend: HYDRAGNN_AGGR_BACKEND: torch or mpi. Sums always travel with the gradients;
            the value is recorded.
        num_workers: HYDRAGNN_NUM_WORKERS: threads that assemble batches ahead.
        max_num_batch: HYDRAGNN_MAX_NUM_BATCH: batches of an epoch, of each split.
        valtest: HYDRAGNN_VALTEST: 0 skips validation and test.
    """

    backend: str | None = None
    device: str | None = None
    master_addr: str | None = None
    master_port: int | None = None
    aggr_backend: str = "torch"
    num_workers: int = 0
    max_num_batch: int | None = None
    valtest: bool = True


def read_environment(env: Env) -> Environment:
    """Read and check every honoured variable; LaunchError names one that cannot be used."""
    return Environment(
        backend=_choice(env, "HYDRAGNN_BACKEND", ("nccl", "gloo", "xccl")),
        device=_choice(env, "HYDRIA_DEVICE", ("cpu", "cuda", "xpu")),
        master_addr=env.get("HYDRAGNN_MASTER_ADDR") or None,
        master_port=_integer(env, "HYDRAGNN_MASTER_PORT", 1, 65535),
        aggr_backend=_choice(env, "HYDRAGNN_AGGR_BACKEND", ("torch", "mpi")) or "torch",
        num_workers=_integer(env, "HYDRAGNN_NUM_WORKERS", 0, 1024) or 0,
        max_num_batch=_integer(env, "HYDRAGNN_MAX_NUM_BATCH", 1, 2**31),
        valtest=_integer(env, "HYDRAGNN_VALTEST", 0, 1) != 0,
    )


def without_effect(env: Env) -> list[str]:
    """HYDRAGNN_* variables that are set to something, and that a run does not look at."""
    known = HONOURED | WITHOUT_NEED | OF_SCRIPTS
    names = (name for name in env if name.startswith("HYDRAGNN_") and name not in known)
    return sorted(name for name in names if env[name] not in OFF)


def recorded(env: Env) -> dict[str, str]:
    """The part of the environment that explains a run, sorted, without anything secret."""
    kept = {
        name: value
        for name, value in env.items()
        if (name.startswith(RECORDED_PREFIXES) or name in RECORDED_NAMES)
        and not any(mark in name for mark in SECRET_MARKS)
    }
    return dict(sorted(kept.items()))


def _choice(env: Env, name: str, allowed: tuple[str, ...]) -> str | None:
    value = env.get(name, "").strip().lower()
    if not value or value == "auto":
        return None
    if value not in allowed:
        raise LaunchError(f"{name}: expected one of {', '.join(allowed)}, got {env[name]!r}")
    return value


def _integer(env: Env, name: str, low: int, high: int) -> int | None:
    text = env.get(name, "").strip()
    if not text:
        return None
    if not text.isdigit() or not low <= int(text) <= high:
        raise LaunchError(f"{name}: expected a whole number from {low} to {high}, got {text!r}")
    return int(text)
