"""The launcher's line: a site's template filled in, and what such a line says read back."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence

from hydria.config.facts import cores_of
from hydria.config.site import Launch, Site
from hydria.deploy.placement import core_list
from hydria.deploy.plan import EnvEntry, RankPlace

# Braces of a launcher's template → what they look like once they are filled in.
FIELDS = {
    "nodes": r"\d+",
    "ranks": r"\d+",
    "ranks_per_node": r"\d+",
    "gpus": r"\d+",
    "cores": r"\d+",
    "hwthreads": r"\d+",  # of a rank: its cores times the hardware threads of a core
    "cpu_list": r"[\d,:-]+",  # 1-8:9-16, as PALS reads it
    "cpu_mask": r"[0-9a-fx,]+",  # fe,fe00, as `srun --cpu-bind=mask_cpu` reads it
    "gpu_map": r"[\d,]+",  # 4,5,2,3, as `srun --gpu-bind=map` reads it
    "exports": r"[-\w ]*",  # -x NAME for each variable, for launchers that pass none on
}
# What hides all GPUs but its own from a rank.
VISIBLE = {"nvidia": "CUDA_VISIBLE_DEVICES", "amd": "ROCR_VISIBLE_DEVICES"}
# One process on each node, for what every node does for itself.
ON_EACH_NODE = {
    "srun": "srun -N{nodes} -n{nodes} --ntasks-per-node=1",
    "mpiexec_pals": "mpiexec -n {nodes} --ppn 1",
    "flux_run": "flux run -N {nodes} -n {nodes}",
    "mpirun": "mpirun -n {nodes} --map-by ppr:1:node",
    "ibrun": "ibrun -n {nodes}",
}
_MASKED = re.compile(r"bash -c 'gpus=\(([\d ]+)\); export \w+=\$\{gpus\[\w+\]\}; exec \"\$@\"'")


def launcher_words(
    site: Site, numbers: Mapping[str, int | None], places: Sequence[RankPlace], names: Iterable[str]
) -> str:
    """What starts the ranks, up to the command that each one is.

    Args:
        numbers: the fields of the template that are numbers.
        places: of the ranks of a node.
        names: of the variables that ranks must see.
    """
    if site.launch.alone_without and numbers["ranks"] == 1:
        return ""
    words = template_of(site.launch, numbers["gpus"]).format(
        **numbers,
        cpu_list=":".join(core_list(place.cores) for place in places),
        cpu_mask=",".join(mask_of(place.cores) for place in places),
        gpu_map=",".join(str(place.gpu) for place in places),
        exports=" ".join(f"-x {name}" for name in names),
    )
    mask = _own_gpu(site, places)
    return f"{words} {mask}" if mask else words


def template_of(launch: Launch, gpus: int | None) -> str:
    """The template for ranks with or without a GPU."""
    return (None if gpus else launch.template_cpu) or launch.template


def _own_gpu(site: Site, places: Sequence[RankPlace]) -> str:
    """A shell of each rank's own that shows it one GPU, without a device cgroup around it."""
    gpus = site.node.gpus
    if site.launch.gpu_select != "mask_wrapper" or gpus is None or gpus.vendor is None:
        return ""
    if any(place.gpu is None for place in places) or not places:
        return ""
    order = " ".join(str(place.gpu) for place in places)
    local_rank = site.launch.rank_env["local_rank"]
    variable = VISIBLE[gpus.vendor]
    return f"bash -c 'gpus=({order}); export {variable}=${{gpus[{local_rank}]}}; exec \"$@\"' rank"


def mask_of(cores: Iterable[int]) -> str:
    """Cores as the hexadecimal number that has their bits."""
    return f"{sum(1 << core for core in cores):x}"


def cores_of_mask(mask: str) -> tuple[int, ...]:
    """The inverse of `mask_of`."""
    bits = int(mask, 16)
    return tuple(core for core in range(bits.bit_length()) if bits >> core & 1)


def read_fields(template: str, line: str) -> dict[str, str]:
    """What a launcher's line says, by the names of its template; empty if it is another."""
    pattern = ""
    for text, name, _, _ in string.Formatter().parse(template):
        pattern += re.escape(text)
        pattern += _field(pattern, name) if name else ""
    match = re.search(pattern, line) if pattern else None
    return match.groupdict() if match else {}


def _field(before: str, name: str) -> str:
    return f"(?P={name})" if f"(?P<{name}>" in before else f"(?P<{name}>{FIELDS[name]})"


def read_cores(fields: Mapping[str, str]) -> tuple[tuple[int, ...], ...]:
    """The cores of each rank, where the line names them."""
    if fields.get("cpu_list"):
        return tuple(cores_of(part) for part in fields["cpu_list"].split(":"))
    if fields.get("cpu_mask"):
        return tuple(cores_of_mask(mask) for mask in fields["cpu_mask"].split(","))
    return ()


def read_gpus(fields: Mapping[str, str], line: str) -> tuple[int, ...]:
    """The GPU of each rank, where the line names it."""
    masked = _MASKED.search(line)
    if masked:
        return tuple(map(int, masked[1].split()))
    return tuple(map(int, fields["gpu_map"].split(","))) if fields.get("gpu_map") else ()


def exported(site: Site, env: Iterable[EnvEntry]) -> list[str]:
    """Names of the variables that a launcher has to be told to pass on."""
    addresses = ["MASTER_ADDR", "MASTER_PORT"] if site.launch.master_addr else []
    return ["PATH", "HYDRIA_DATA", *addresses, *(entry.name for entry in env)]


def on_each_node(site: Site, nodes: int) -> str:
    """The words that run a command once on every node; empty where there is one node only."""
    return ON_EACH_NODE.get(site.launch.cmd, "").format(nodes=nodes)
