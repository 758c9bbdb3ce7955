"""The words that put ranks into images, and what scripts say to them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from hydria.config.site import Site
from hydria.deploy.checks import judge
from hydria.deploy.plan import Plan
from hydria.deploy.render import render
from hydria.deploy.runtimes import container_words
from tests.support.jobs import plan_for


def with_runtime(runtime: str) -> Plan:
    return plan_for("vista", image="/x.img", assume=[f"container.runtime={runtime}"])


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        ("apptainer", ['apptainer exec --pwd "$PWD"', '--bind "$run_dir"', '"$image"']),
        ("singularity", ['singularity exec --pwd "$PWD"', '--bind "$PWD"']),
        ("podman-hpc", ["--pull=never", "--entrypoint=", "--env TMPDIR", "--env 'SLURM_*'",
                        '--workdir "$PWD"']),
        ("shifter", ['--volume="$PWD":"$PWD"', '--workdir="$PWD"']),
        ("pyxis", ['--container-workdir="$PWD"', "--no-container-entrypoint", ",/tmp:/tmp ",
                   "--container-env=HYDRIA_DATA,"]),
    ],
)  # fmt: skip
def test_each_runtime_is_told_folder_image_and_environment(runtime: str, words: list[str]) -> None:
    said = container_words(with_runtime(runtime))
    assert [word for word in words if word not in f"{said} "] == []


@pytest.mark.parametrize("runtime", ["apptainer", "singularity"])
def test_planned_variables_win_over_those_of_an_image(runtime: str) -> None:
    plan = with_runtime(runtime)
    text = render(plan).text
    match = re.search(r"for name in ([^;]*); do\n\s+export \"(\w+)\$name=", text)
    assert match is not None
    assert match[2] == f"{runtime.upper()}ENV_"
    names = set(match[1].replace("\\", " ").split())
    assert names >= {"HYDRIA_DATA", "TMPDIR", *(entry.name for entry in plan.env)}


def test_variables_of_the_runtime_are_not_passed_on() -> None:
    plan = plan_for("frontier", account="a", image="/x.sif", inject=["by-hand"])
    assert "APPTAINERENV_LD_PRELOAD" in {entry.name for entry in plan.env}
    passed = render(plan).text.partition("pass_on() {")[2].partition("}")[0]
    assert "LD_PRELOAD" not in passed


def test_image_sees_neither_python_packages_of_the_machine_nor_its_tmpdir() -> None:
    without = render(plan_for("frontier", account="a")).text
    with_image = render(plan_for("frontier", account="a", image="/x.sif")).text
    for line in ("unset PYTHONPATH PYTHONHOME\n", "export TMPDIR=/tmp\n", "start_image || die"):
        assert line in with_image
        assert line not in without
    asked = plan_for("frontier", account="a", image="/x.sif", env={"TMPDIR": "/mnt/bb"})
    assert "export TMPDIR=/mnt/bb\n" in render(asked).text


def test_port_and_data_that_change_are_passed_on_again() -> None:
    text = render(plan_for("frontier", nodes=2, account="a", image="/x.sif")).text
    assert text.index("\nfree_port\n") < text.rindex("\npass_on\n") < text.rindex("\nlaunch ")


def test_perlmutters_containers_share_the_machine_once() -> None:
    usual = container_words(plan_for("perlmutter", account="a", image="x:1"))
    asked = container_words(plan_for("perlmutter", account="a", image="x:1", inject=["mpich"]))
    assert "--network=host" in usual
    assert "--mpi" in asked
    assert "--network=host" not in asked


def test_bind_that_hides_hydria_is_refused() -> None:
    plan = plan_for("polaris", account="a", image="/x.sif")
    assert not [finding for finding in judge(plan) if "hides" in str(finding)]
    row = plan.site.container.injections[0].model_copy(update={"binds": ("/opt",)})
    container = plan.site.container.model_copy(update={"injections": (row,)})
    site: Site = plan.site.model_copy(update={"container": container})
    (said,) = [str(f) for f in judge(replace(plan, site=site)) if f.number == 23]
    assert "bind '/opt' of polaris hides /opt/hydria/bin/python of the image" in said
