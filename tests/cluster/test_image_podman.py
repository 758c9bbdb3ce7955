"""The Docker image on a machine with podman-hpc: the same losses, by the script for such a site."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hydria.core.assets import asset_dir
from hydria.deploy.runtimes import container_words
from tests.support.images import docker_archive, losses, ordinary_user, run
from tests.support.jobs import plan_for
from tests.support.podman import PodmanHpc, podman_hpc
from tests.support.raw_data import config_tree, write_lsms
from tests.support.slurm import Slurm, slurm_cluster

pytestmark = [
    pytest.mark.system("podman"),
    pytest.mark.system("podman-hpc"),
    pytest.mark.system("buildah"),
    pytest.mark.system("slurm"),
    pytest.mark.xdist_group("images"),
    pytest.mark.timeout(900),
]
IMAGE = "localhost/hydria:cpu"
SITE = """
name: test-podman
facility: tests
docs_url: tests/cluster
as_of: 2026-11-20
maintainer: tests
arch: any
scheduler: {kind: slurm, quirks: [srun_no_inherit_cpus]}
memory_policy: mem
select_style: tasks
queues:
  - {name: batch, kind: partition, nodes: [1, 2], walltime: ["1m", "1h"]}
defaults: {nodes: 2, cpus: 1, walltime: "00:10:00", memory: 3G}
node: {cores: 2}
launch:
  cmd: srun
  template: srun -N{nodes} -n{ranks} -c{cores}
  cpu_bind: {style: c_flag}
  master_addr: {cmd: echo 127.0.0.1}
  master_port: 29751
storage: {scratch: "."}
restart: {signal: scheduler, lead_s: 30, requeue: unknown, max: 2}
"""
EPOCHS = "NeuralNetwork.Training.num_epoch=2"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def machine() -> Iterator[PodmanHpc]:
    """A user's podman-hpc that has loaded the archive, as a person would there."""
    folder = Path(tempfile.mkdtemp(prefix="hydria-podman-"))
    folder.chmod(0o755)
    with podman_hpc(folder, ordinary_user()) as found:
        found.command("podman-hpc", "load", "-i", docker_archive(), cwd=folder)
        yield found
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with slurm_cluster(nodes=2, cpus=2) as cluster:
        yield cluster


@pytest.fixture
def place(open_folder: Path) -> Path:
    """Data, config, and a site whose containers are those of Perlmutter."""
    theirs = yaml.safe_load((asset_dir("site") / "perlmutter.yaml").read_text())
    site = yaml.safe_load(SITE) | {name: theirs[name] for name in ("container", "sources")}
    (open_folder / "test-podman.yaml").write_text(yaml.safe_dump(site))
    write_lsms(open_folder / "raw", count=24)
    (open_folder / "tiny.json").write_text(json.dumps(config_tree("raw")))
    return open_folder


def test_job_in_podmans_containers_equals_one_outside(
    slurm: Slurm, machine: PodmanHpc, place: Path
) -> None:
    run(
        BIN / "hydria", "job", "--site", "test-podman.yaml", "--config", "tiny.json",
        "--image", IMAGE, "--out", "tiny.slurm", EPOCHS, cwd=place,
    )  # fmt: skip
    run("chmod", "-R", "a+rwX", place)
    conf = slurm.environment["SLURM_CONF"]
    said = machine.command("sbatch", "--parsable", "tiny.slurm", cwd=place, SLURM_CONF=conf)
    job = said.strip()
    slurm.wait_for(job, "COMPLETED", "FAILED", timeout_s=240)
    output = (place / f"tiny-{job}.out").read_text()
    assert slurm.state_of(job) == "COMPLETED", output
    assert "2 ranks (Slurm" in output
    assert "does the launcher or the container pass the environment on?" not in output

    run(
        BIN / "torchrun", "--standalone", "--no-python", "--nproc-per-node=2",
        BIN / "hydria", "train", place / "tiny.json", EPOCHS, "--run-dir", place / "outside",
        timeout_s=300, cwd=place,
    )  # fmt: skip
    inside = losses(place / "hydria/runs/tiny")
    assert inside == [pytest.approx(pair, rel=1e-6) for pair in losses(place / "outside")]


@pytest.mark.parametrize("inject", [(), ("mpich",)])
def test_podman_hpc_takes_the_words_of_perlmutter(
    machine: PodmanHpc, open_folder: Path, inject: tuple[str, ...]
) -> None:
    plan = plan_for("perlmutter", account="a", image=IMAGE, inject=list(inject))
    words = container_words(plan, alone=True)
    assert "--gpu" in words
    folders = {name: shlex.quote(str(open_folder)) for name in ("data_root", "run_dir")}
    lines = [*(f"{name}={value}" for name, value in folders.items()), f"image={IMAGE}"]
    lines += ["export OMP_NUM_THREADS=3 TMPDIR=/tmp"]
    show = "hydria --version; pwd; echo $OMP_NUM_THREADS $TMPDIR; touch $HOME/x /tmp/x && echo ok"
    lines += [f"{words} sh -c {shlex.quote(show)}"]
    (open_folder / "words.sh").write_text("\n".join(lines))
    said = machine.command("bash", "words.sh", cwd=open_folder)
    version = run(BIN / "hydria", "--version").strip()
    assert said.splitlines() == [version, str(open_folder), "3 /tmp", "ok"]


def test_image_that_was_not_loaded_is_not_looked_for_elsewhere(
    machine: PodmanHpc, open_folder: Path
) -> None:
    plan = plan_for("perlmutter", account="a", image="localhost/other:1")
    words = container_words(plan, alone=True).replace('"$data_root":"$data_root"', '"$PWD":"$PWD"')
    words = words.replace('--volume "$run_dir":"$run_dir"', "")
    script = f"image=localhost/other:1\n{words} hydria --version"
    with pytest.raises(AssertionError, match="image not known"):
        machine.command("bash", "-c", script, cwd=open_folder)
