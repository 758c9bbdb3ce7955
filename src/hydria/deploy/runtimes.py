"""Container runtimes: the words that put a command into an image."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from hydria.config.site import Injection
from hydria.deploy.plan import Plan

IMAGE = '"$image"'
# Runtimes whose image is a file on the machine; those of the others have names in a registry.
OF_FILES = frozenset({"apptainer", "singularity"})
# Variables of the runtime itself, such as APPTAINERENV_LD_PRELOAD, are not for what runs in it.
OF_THE_RUNTIME = ("APPTAINER", "SINGULARITY")
# What ranks in podman's containers must be told beside the variables of the plan.
LAUNCHER_FAMILIES = ("SLURM_*", "PMI_*", "PMIX_*", "PALS_*", "FLUX_*")
# Runtimes that are no program of their own name → the program that they are part of.
PROGRAMS = {"pyxis": "srun"}
# What says more about an image that does not start.
HINTS = {
    "apptainer": "hydria image verify $image",
    "singularity": "hydria image verify $image",
    "podman-hpc": "podman-hpc pull $image, or podman-hpc load -i ARCHIVE and migrate $image",
    "shifter": "shifterimg images; shifterimg pull $image",
    "pyxis": "srun --help tells whether pyxis is there; enroot import makes such images",
}
# A launcher's step that the options of a container belong to, where nothing else makes one.
OWN_STEP = {"pyxis": "srun -N1 -n1"}


def container_words(plan: Plan, alone: bool = False, more: Sequence[str] = ()) -> str:
    """What puts a command into the image; empty without one.

    Args:
        alone: the command is no rank: no launcher stands before these words.
        more: folders that the command must see beside the usual ones, quoted.
    """
    if plan.image.value is None:
        return ""
    folders = ['"$data_root"', '"$run_dir"', '"$PWD"', *more]
    if plan.task.script:
        folders.append('"${script%/*}"')
    words = RUNTIMES[plan.runtime.value](plan, folders)
    step = OWN_STEP.get(plan.runtime.value, "") if alone else ""
    return " ".join(word for word in (step, *words) if word)


def injected_binds(plan: Plan) -> list[str]:
    """What the site's injections bind, each once."""
    return list(dict.fromkeys(bind for row in _injected(plan) for bind in row.binds))


def _injected(plan: Plan) -> list[Injection]:
    return [row for row in plan.site.container.injections if row.name in plan.injections]


def _flags(plan: Plan) -> list[str]:
    container = plan.site.container
    gpu = [container.gpu_flag] if container.gpu_flag and plan.gpus_per_node.value else []
    fakeroot = ["--fakeroot"] if container.fakeroot else []
    injected = (flag for row in _injected(plan) for flag in row.flags)
    return [*gpu, *fakeroot, *container.exec_flags, *injected]


def variable_prefix(plan: Plan) -> str:
    """What stands before the names of variables that win over those of an image; "" for none.

    The option --env would do it too, but takes commas and equals signs in values for its own.
    """
    of_files = plan.image.value is not None and plan.runtime.value in OF_FILES
    return f"{plan.runtime.value.upper()}ENV_" if of_files else ""


def passed_on(plan: Plan) -> list[str]:
    """Variables that the command must see, whatever the runtime passes on by itself."""
    names = ["HYDRIA_DATA", *(entry.name for entry in plan.env)]
    if plan.site.launch.master_addr is not None:
        names += ["MASTER_ADDR", "MASTER_PORT"]
    return [name for name in names if not name.startswith(OF_THE_RUNTIME)]


def _apptainer(plan: Plan, folders: Sequence[str]) -> list[str]:
    binds = [*folders, *map(shlex.quote, injected_binds(plan))]
    words = [plan.runtime.value, "exec", *_flags(plan), '--pwd "$PWD"']
    return [*words, *(f"--bind {bind}" for bind in binds), IMAGE]


def _podman(plan: Plan, folders: Sequence[str]) -> list[str]:
    """podman passes no variable on by itself, and would run the image's own command."""
    names = [*passed_on(plan), *LAUNCHER_FAMILIES]
    if plan.site.launch.gpu_select == "mask_wrapper":
        names.append("CUDA_VISIBLE_DEVICES")
    return [
        "podman-hpc run --rm --pull=never",
        *_flags(plan),
        "--entrypoint=",
        *(f"--env {shlex.quote(name)}" for name in names),
        *(f"--volume {folder}:{folder}" for folder in folders),
        *(f"--volume {shlex.quote(f'{bind}:{bind}')}" for bind in injected_binds(plan)),
        '--workdir "$PWD"',
        IMAGE,
    ]


def _shifter(plan: Plan, folders: Sequence[str]) -> list[str]:
    """shifter passes the whole environment on, and has no word for a part of it."""
    volumes = (f"--volume={folder}:{folder}" for folder in folders)
    return [f"shifter --image={IMAGE}", *_flags(plan), *volumes, '--workdir="$PWD"']


def _pyxis(plan: Plan, folders: Sequence[str]) -> list[str]:
    """Options of srun itself; they follow the launcher's own.

    pyxis passes the environment on, but lets an image's own values win over unnamed variables.
    """
    binds = [*folders, "/tmp", *map(shlex.quote, injected_binds(plan))]
    mounts = ",".join(f"{bind}:{bind}" for bind in binds)
    return [
        f"--container-image={IMAGE}",
        f"--container-mounts={mounts}",
        '--container-workdir="$PWD"',
        f"--container-env={','.join(passed_on(plan))}",
        "--no-container-entrypoint",
        "--no-container-mount-home",
        *_flags(plan),
    ]


RUNTIMES: dict[str, Callable[[Plan, Sequence[str]], list[str]]] = {
    "apptainer": _apptainer,
    "singularity": _apptainer,
    "podman-hpc": _podman,
    "shifter": _shifter,
    "pyxis": _pyxis,
}
