"""What a facility's engineer would try: numbered as in the list of acceptance tests for jobs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hydria.deploy.checks import judge, judge_script
from hydria.deploy.explain import explain
from hydria.deploy.reading import differences
from hydria.deploy.render import render
from hydria.deploy.sites import load_site, site_names
from tests.support.binding import bound_ranks
from tests.support.jobs import errors_for, exports_of, findings_for, plan_for, script_for, step_of
from tests.support.site_jobs import MACHINES

MINE = {"account": "abc123"}
HOUR = 3600
# OLCF's documented placement: MPI rank, first to last core, GPU.
OLCF = [
    (0, "1-7", 4), (1, "9-15", 5), (2, "17-23", 2), (3, "25-31", 3),
    (4, "33-39", 6), (5, "41-47", 7), (6, "49-55", 0), (7, "57-63", 1),
]  # fmt: skip


def hydria(*words: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HYDRIA_")}
    if path is not None:
        env["PATH"] = f"{path}:{env['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "hydria", *words],
        cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_acceptance_01_frontier_has_the_documented_map() -> None:
    ranks = bound_ranks(script_for("frontier", nodes=2, **MINE), "frontier")
    assert [(rank, cores, gpu) for rank, (cores, gpu) in enumerate(ranks)] == OLCF


@pytest.mark.parametrize("nodes", [1, 91, 92, 183, 184, 1881, 9472, 9473])
@pytest.mark.parametrize("hours", [1, 2, 3, 6, 7, 12, 13, 24, 25])
def test_acceptance_02_frontier_limits_are_the_bins(nodes: int, hours: int) -> None:
    bins = [(91, 2), (183, 6), (1881, 12), (9472, 12)]
    longest = next((most for last, most in bins if nodes <= last), 0)
    asked = {"nodes": nodes, "walltime": f"{hours}h"}
    assert (errors_for("frontier", **asked) == []) is (hours <= longest)
    extended = nodes <= 64 and hours <= 24
    assert (errors_for("frontier", queue="extended", **asked) == []) is extended
    # four nodes is what others use: the guide gives no number
    debug = nodes <= 4 and hours <= 2
    assert (errors_for("frontier", queue="debug", **asked) == []) is debug


def dropping_qsub(folder: Path) -> Path:
    """A qsub that says nothing when it drops a job, as Polaris's routing queue does."""
    qsub = folder / "bin/qsub"
    qsub.parent.mkdir()
    qsub.write_text(f"#!/bin/bash\necho reached >> {folder}/qsub.log\n")
    qsub.chmod(0o755)
    return qsub.parent


def test_acceptance_03_polaris_never_reaches_a_queue_that_drops_jobs(tmp_path: Path) -> None:
    shims, log = dropping_qsub(tmp_path), tmp_path / "qsub.log"
    submit = ("submit", "--site", "polaris", "--config", "lsms", "--account", "abc123")
    refused = hydria(*submit, "--nodes", "10", "--walltime", "24h", cwd=tmp_path, path=shims)
    assert refused.returncode == 2
    assert "would route 10 nodes/24:00:00 nowhere" in refused.stderr
    assert not log.exists()
    accepted = hydria(*submit, "--nodes", "100", "--walltime", "24h", cwd=tmp_path, path=shims)
    assert log.exists(), accepted.stderr
    assert "#PBS -q prod" in (tmp_path / "jobs/rendered/polaris/lsms.pbs").read_text()


def test_acceptance_04_aurora_leaves_reserved_cores_alone() -> None:
    for cpus in (48, 96):
        script = script_for("aurora", cpus=cpus, **MINE)
        match = re.search(r"--cpu-bind=list:(\S+)", " ".join(step_of(script)))
        assert match is not None
        ranks = [tuple(map(int, part.split("-"))) for part in match[1].split(":")]
        cores = [set(range(first, last + 1)) for first, last in ranks]
        assert len(cores) == 12
        assert not set.union(*cores) & {0, 52, 104, 156}
        assert sum(max(mine) < 52 for mine in cores) == 6
        assert sum(min(mine) > 52 and max(mine) < 104 for mine in cores) == 6
        assert exports_of(script)["ZE_FLAT_DEVICE_HIERARCHY"] == "FLAT"
        assert "gpu_tile_compact" not in script


# A launcher that starts the ranks of one node, each as far as its cgroup lets it see.
NODE = r"""#!/bin/bash
cgroup=0-7
each=
options=()
while [[ $1 == -* || $1 =~ ^[0-9]+$ || $1 == depth ]]; do
    case $1 in
        --gpu-bind=none | --gpu-bind=verbose) ;;
        --gpus-per-task=* | --gpu-bind=*) each=yes ;;
        --gres-flags=allow-task-sharing) shared=yes ;;
    esac
    shift
done
for local in $(seq 0 $((RANKS - 1))); do
    [ -z "$each" ] || [ -n "$shared" ] || cgroup=$local
    export SLURM_LOCALID=$local PMI_LOCAL_RANK=$local CGROUP=$cgroup
    "$@"
done
"""
SEEN = 'echo "$CGROUP ${CUDA_VISIBLE_DEVICES:-all} ${ROCR_VISIBLE_DEVICES:-all}" >> "$SEEN"\n'


def seen_by_ranks(script: str, ranks: int, folder: Path) -> list[list[str]]:
    """The cgroup, CUDA_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES of each rank of a node."""
    shims, seen = folder / "bin", folder / "seen"
    shims.mkdir()
    for name, text in {"srun": NODE, "mpiexec": NODE, "hydria": f"#!/bin/bash\n{SEEN}"}.items():
        (shims / name).write_text(text)
        (shims / name).chmod(0o755)
    match = re.search(r"^launch\(\) \{\n\s+exec (.*)\n\}", script, re.MULTILINE)
    assert match is not None
    env: Mapping[str, str] = {
        "PATH": f"{shims}:{os.environ['PATH']}", "RANKS": str(ranks), "SEEN": str(seen),
        "config": "c", "run_dir": "r",
    }  # fmt: skip
    subprocess.run(["bash", "-c", match[1]], env=env, check=True, timeout=60)
    return [line.split() for line in seen.read_text().splitlines()]


@pytest.mark.parametrize(
    ("site", "ranks", "own"),
    [("perlmutter", 4, ["3", "2", "1", "0"]), ("polaris", 4, ["3", "2", "1", "0"]),
     ("lumi", 8, ["all"] * 8)],
)  # fmt: skip
def test_acceptance_05_ranks_have_the_nearest_gpu_and_see_their_peers(
    site: str, ranks: int, own: list[str], tmp_path: Path
) -> None:
    script = script_for(site, nodes=1, **MINE)
    seen = seen_by_ranks(script, ranks, tmp_path)
    assert [cgroup for cgroup, _, _ in seen] == ["0-7"] * ranks
    assert [cuda for _, cuda, _ in seen] == own
    assert len(bound_ranks(script, site)) == ranks  # fails where a GPU is not the nearest


def test_acceptance_05_a_cgroup_for_each_rank_would_be_seen(tmp_path: Path) -> None:
    script = script_for("perlmutter", **MINE).replace("--gpu-bind=none", "--gpus-per-task=1")
    assert [row[0] for row in seen_by_ranks(script, 4, tmp_path)] == ["0", "1", "2", "3"]


def test_acceptance_06_vista_is_asked_for_nothing_that_it_rejects() -> None:
    script = script_for("vista", nodes=2)
    said = re.findall(r"^#SBATCH (\S+)", script, re.MULTILINE)
    rejected = ("--gres", "--gpus-per-task", "--mem", "--export")
    assert not any(line.startswith(rejected) for line in said)
    assert step_of(script)[0] == "ibrun"
    for flag in rejected:
        assert any(flag in text for text in errors_for("vista", directives=[f"{flag}=1"]))
    wrong = errors_for("vista", image="/scratch/hydria-cuda-x86_64.sif")
    assert any("vista has aarch64" in text for text in wrong)
    right = errors_for("vista", image="/scratch/hydria-cuda-aarch64.sif")
    assert not any("aarch64" in text for text in right)


def test_acceptance_07_katana_script_of_the_paper_is_flagged() -> None:
    published = {"cpus": 2, "memory": "8gb", "gpus": 2}
    messages = [str(finding) for finding in findings_for("katana", **published)]
    assert any("1 core per GPU" in message for message in messages)
    text = script_for("katana", gpus=2, constraint="A100", memory="64gb")
    assert "#PBS -l select=1:ncpus=12:ngpus=2:mem=64gb:gpu_model=A100\n" in text


@pytest.mark.parametrize("site", site_names())
def test_acceptance_11_every_variable_has_a_reason_a_source_and_a_date(site: str) -> None:
    machine = MACHINES[site]
    plan = plan_for(site, assume=machine.assume, **machine.flags)
    lines = render(plan).text.splitlines()
    for entry in plan.env:
        at = next(i for i, line in enumerate(lines) if line.startswith(f"export {entry.name}="))
        assert re.fullmatch(
            rf"# {entry.name}: .+ \[(plan|[\w-]+( file)?, (\d{{4}}-\d\d-\d\d|undated))\]",
            lines[at - 1],
        ), lines[at - 1]
    for variable in plan.site.env:
        assert list(explain(plan.site, variable.name))


def test_acceptance_11_unknown_variable_is_no_variable(tmp_path: Path) -> None:
    told = hydria("site", "explain", "NCCL_NET", "frontier", cwd=tmp_path)
    assert "value OFI" in told.stdout
    assert "2026-07-07, documented" in told.stdout
    unknown = hydria("site", "explain", "MIOPEN_USER_DB", "frontier", cwd=tmp_path)
    assert unknown.returncode == 2
    errors = errors_for("frontier", env={"MIOPEN_USER_DB": "/tmp/x"})
    assert "did you mean 'MIOPEN_USER_DB_PATH'?" in errors[0]


# What is planted → the machine, the text and its replacement, and what the finding names.
FAULTS = {
    "two GPUs swapped": ("perlmutter", "gpus=(3 2 1 0)", "gpus=(2 3 1 0)", "gpus"),
    "GPUs counted forwards": ("polaris", "gpus=(3 2 1 0)", "gpus=(0 1 2 3)", "gpus"),
    "two masks swapped": ("lumi", "fe000000000000,fe00000000000000", "fe00000000000000,"
                          "fe000000000000", "cores"),
    "reserved core in a mask": ("lumi", "fe0000,", "ff0000,", "cores"),
    "reserved core in a list": ("aurora", "list:4-7:", "list:0-3:", "cores"),
    "core across the sockets": ("aurora", "24-27:56-59", "24-27:50-53", "cores"),
    "fewer cores by depth": ("polaris", "--depth=8", "--depth=4", "shape"),
    "hardware threads for cores": ("perlmutter", "-c32", "-c16", "shape"),
    "cores not repeated": ("juwels-booster", " -c12", "", "launch"),
    "network directive dropped": ("frontier", "#SBATCH --network=disable_rdzv_get\n", "",
                                  "carried"),
    "directive of another machine": ("vista", "#SBATCH --nodes=2\n",
                                     "#SBATCH --nodes=2\n#SBATCH --gres=gpu:1\n", "carried"),
    "file systems dropped": ("aurora", "#PBS -l filesystems=home:flare\n", "", "carried"),
    "file system that is gone": ("polaris", "home:eagle", "home:grand", "carried"),
    "execution queue": ("aurora", "#PBS -q capacity", "#PBS -q small", "carried"),
    "walltime over the bin": ("frontier", "--time=01:00:00", "--time=03:00:00", "carried"),
    "bank dropped": ("tuolumne", "# flux: --setattr=bank=abc123\n", "", "carried"),
    "more ranks than GPUs": ("tuolumne", "--tasks-per-node=4", "--tasks-per-node=8", "shape"),
    "default QOS": ("perlmutter", "#SBATCH --qos=regular\n", "", "carried"),
    "GPU nodes not named": ("perlmutter", "#SBATCH --constraint=gpu\n", "", "carried"),
    "memory of other jobs": ("leonardo", "--mem=494000M", "--mem=512G", "carried"),
    "worker count too high": ("lumi", "HYDRAGNN_NUM_WORKERS=2", "HYDRAGNN_NUM_WORKERS=8", "env"),
    "plugin named on one machine": ("tuolumne", "export HSA_XNACK=1",
                                    "export HSA_XNACK=1\nexport NCCL_NET=libfabric", "env"),
    "variable misspelt": ("lumi", "MIOPEN_USER_DB_PATH=", "MIOPEN_USER_DB=", "env"),
    "bindings not loaded": ("polaris", "--bind /opt/cray ", "", "launch"),
    "mask of another L3 region": ("lumi", "mask_cpu:fe0", "mask_cpu:7f0", "cores"),
    "reserved core used": ("frontier", "-c7 --gpus", "-c8 --gpus", "shape"),
    "a rank too many": ("perlmutter", "-n8 ", "-n9 ", "shape"),
    "peers behind a cgroup": ("perlmutter", "--gpu-bind=none", "--gpus-per-task=1", "launch"),
    "GPU binding dropped": ("frontier", " --gpu-bind=closest", "", "launch"),
    "threads of a whole node": ("frontier", "OMP_NUM_THREADS=5", "OMP_NUM_THREADS=64", "env"),
    "memory hooks that deadlock": ("frontier", "=kdreg2", "=memhooks", "env"),
    "plugin module dropped": ("frontier", "module load rccl-net-plugin ||", "true ||", "modules"),
    "node-local disk not asked for": ("frontier", "#SBATCH --constraint=nvme\n", "", "carried"),
    "chunk without its GPUs": ("katana", ":ngpus=2", "", "carried"),
    "GPU flag of the container": ("frontier", "exec --rocm", "exec --nv", "launch"),
    "preflight without its plan": ("frontier", 'hydria doctor --plan "$run_dir/job/plan.json"',
                                   "true", "preflight"),
    "plan of preflight bent": ("frontier", '"gpu": 4}', '"gpu": 0}', "planned"),
    "one restart too many": ("frontier", "-lt 5 ]", "-lt 50 ]", "requeues"),
}  # fmt: skip
# Fault → what it takes to plant it.
ASKED: dict[str, dict[str, Any]] = {
    "bindings not loaded": {"image": "/x.sif"},
    "GPU flag of the container": {"image": "/x.sif"},
    "one restart too many": {"assume": ["restart.requeue=requeue_flag"]},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_acceptance_12_planted_fault_is_named(fault: str) -> None:
    site, old, new, where = FAULTS[fault]
    machine = MACHINES[site]
    asked = machine.flags | {"nodes": 2, "walltime": "1h"} | ASKED.get(fault, {})
    assume = (*machine.assume, *machine.assume_many, *asked.pop("assume", ()))
    plan = plan_for(site, assume=assume, **asked)
    text = render(plan).text
    assert differences(plan, text) == []
    assert old in text
    found = differences(plan, text.replace(old, new))
    named = (f"{where}:", "the script cannot be read back")
    assert any(difference.startswith(named) for difference in found), found


def test_acceptance_13_rendering_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    job = ("job", "--site", "frontier", "--config", "lsms", "--out", "script")
    assert hydria(*job, cwd=tmp_path).returncode == 0
    first = (tmp_path / "script").read_bytes()
    assert hydria(*job, cwd=tmp_path).returncode == 0
    assert (tmp_path / "script").read_bytes() == first


@pytest.mark.parametrize("site", sorted(set(site_names()) - {"local"}))
def test_acceptance_13_any_edit_of_a_site_shows(site: str, tmp_path: Path) -> None:
    machine = MACHINES[site]
    before = render(plan_for(site, assume=machine.assume, **machine.flags)).text
    edited = tmp_path / f"{site}.yaml"
    edited.write_text(load_site(site).path.read_text() + "# one remark more\n")
    after = render(plan_for(str(edited), assume=machine.assume, **machine.flags)).text
    assert after != before


NEW = """
name: newcomer
facility: somewhere
docs_url: https://somewhere.example/guide
as_of: 2026-11-20
maintainer: me
arch: x86_64
sources: {guide: {url: "https://somewhere.example/guide", as_of: 2026-11-01}}
scheduler: {kind: slurm, quirks: [srun_no_inherit_cpus], source: guide, confidence: documented}
account_required: {value: true, source: guide, confidence: documented}
directives:
  forbidden: [{flag: "--gres", reason: "use --gpus-per-node", source: guide, confidence: documented}]
memory_policy: mem
select_style: tasks
queues:
  - {name: main, kind: partition, nodes: [1, 32], walltime: ["1m", "12h"], source: guide, confidence: documented}
defaults: {walltime: "1h", memory: 200G}
node:
  cores: {value: 16, source: guide, confidence: documented}
  reserved_cores: {value: "0", source: guide, confidence: documented}
  gpus: {count: 2, vendor: amd, source: guide, confidence: documented}
  gpu_affinity:
    - {gpu: 1, cores: "0-7", source: guide, confidence: documented}
    - {gpu: 0, cores: "8-15", source: guide, confidence: documented}
  mem_gb: 256
launch:
  cmd: srun
  template: srun -N{nodes} -n{ranks} -c{cores} --cpu-bind=mask_cpu:{cpu_mask}
  cpu_bind: {style: mask_cpu, order: gpus, source: guide, confidence: documented}
  gpu_select: mask_wrapper
  rank_env: {rank: SLURM_PROCID, local_rank: SLURM_LOCALID, world: SLURM_NTASKS}
container: {runtime: singularity, gpu_flag: --rocm}
env:
  - {name: NCCL_SOCKET_IFNAME, value: hsn0, when: nodes > 1, why: the fabric, source: guide, confidence: documented}
storage: {scratch: "/scratch/$ACCOUNT"}
restart: {signal: scheduler, lead_s: 120}
workers: {cpus_per_rank_usable: 7, dataloader_default: 1}
"""  # noqa: E501


def test_acceptance_15_a_new_machine_is_one_file(tmp_path: Path) -> None:
    file = tmp_path / "newcomer.yaml"
    file.write_text(NEW)
    assert hydria("site", "check", str(file), cwd=tmp_path).returncode == 0
    plan = plan_for(str(file), nodes=4, image="/x/hydria.sif", **MINE)
    assert [str(each) for each in judge(plan) if each.level == "E"] == []
    script = render(plan)
    assert judge_script(plan, script) == []
    words = " ".join(step_of(script.text))
    # rank 0 on the seven last cores of GPU 0, rank 1 on those of GPU 1 that are not reserved
    assert words.startswith("srun -N4 -n8 -c7 --cpu-bind=mask_cpu:fe00,fe bash -c gpus=(0 1)")
    assert "export ROCR_VISIBLE_DEVICES=${gpus[SLURM_LOCALID]}" in words
    assert "singularity exec --rocm" in words
    assert any("rejects --gres" in text for text in errors_for(str(file), directives=["--gres=x"]))
    assert any("fits no queue" in text for text in errors_for(str(file), nodes=33))
    (tmp_path / "script").write_text(script.text)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    words_of_lint = [shellcheck, "--shell=bash", "--severity=warning", tmp_path / "script"]
    lint = subprocess.run(words_of_lint, capture_output=True, text=True, timeout=60, check=False)
    assert lint.returncode == 0, lint.stdout
