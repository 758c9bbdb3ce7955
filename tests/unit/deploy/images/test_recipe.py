"""The printed recipes: in step with their stack and with each other, read back by spython."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from spython.main.parse.parsers import DockerParser, SingularityParser

from hydria.deploy.images.recipe import (
    TEMPLATES,
    Format,
    apptainer_text,
    labels,
    print_recipe,
    printed_name,
    steps,
)
from hydria.deploy.images.stack import Stack, load_stack, stack_names

ROOT = Path(__file__).parents[4]
PARSERS = {"docker": DockerParser, "sif": SingularityParser}


@pytest.fixture(params=stack_names())
def stack(request: pytest.FixtureRequest) -> Stack:
    return load_stack(request.param)


def parsed(stack: Stack, format_: Format):  # type: ignore[no-untyped-def]
    (recipe,) = PARSERS[format_](str(stack.folder / printed_name(format_))).recipe.values()
    return recipe


def commands(text: str) -> list[str]:
    """Single commands of shell text, continuation lines joined, `&&` lists taken apart."""
    joined = re.sub(r"\\\n\s*", "", text)
    lines = [line.strip() for line in joined.splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    return [part.strip() for line in kept for part in re.split(r" ?&& ", line)]


def work_of(stack: Stack, format_: Format) -> list[str]:
    """What spython reads between the first step and the last."""
    lines = "\n".join(line.rstrip("\n") for line in parsed(stack, format_).install)
    found = commands(lines)
    first = next(i for i, line in enumerate(found) if line.startswith("dpkg "))
    last = next(i for i, line in enumerate(found) if line.startswith("rm -rf /opt/hydria-build"))
    return found[first : last + 1]


@pytest.mark.parametrize("format_", TEMPLATES)
def test_printed_files_are_in_step(stack: Stack, format_: Format) -> None:
    printed = (stack.folder / printed_name(format_)).read_text(encoding="utf-8")
    assert printed == print_recipe(stack, format_), "run: hydria image print"


def test_both_recipes_do_the_same_in_the_same_order(stack: Stack) -> None:
    wanted = [c for step in steps(stack) for part in step.commands for c in commands(part)]
    assert work_of(stack, "docker") == wanted
    assert work_of(stack, "sif") == wanted


def test_recipes_install_every_system_package_and_pin(stack: Stack) -> None:
    said = "\n".join(work_of(stack, "sif"))
    installed = re.search(r"apt-get install -y --no-install-recommends (.*)", said)
    assert installed is not None
    assert installed[1].split() == [package.name for package in stack.packages]
    assert "--no-deps" in said
    assert "-r /opt/hydria-build/requirements.txt" in said


def test_both_recipes_carry_the_same_labels(stack: Stack) -> None:
    wanted = labels(stack)
    docker = [" ".join(label).removesuffix(" \\") for label in parsed(stack, "docker").labels]
    assert docker == [f'{name}="{value}"' for name, value in wanted.items()]
    sif = [f"{name} {apptainer_text(value)}" for name, value in wanted.items()]
    assert parsed(stack, "sif").labels == sif


def test_both_recipes_set_the_same_environment(stack: Stack) -> None:
    assert parsed(stack, "docker").environ == parsed(stack, "sif").environ
    hooks = ":".join(hook.path for hook in stack.hooks)
    assert any(f'LD_LIBRARY_PATH="{hooks}' in line for line in parsed(stack, "sif").environ)


def test_both_recipes_take_the_same_files_and_run_hydria(stack: Stack) -> None:
    docker, sif = parsed(stack, "docker"), parsed(stack, "sif")
    assert [" ".join(pair) for pair in docker.files] == sif.files
    assert docker.entrypoint == [f"{stack.prefix}/bin/hydria"]
    assert sif.cmd == f'exec {stack.prefix}/bin/hydria "$@"'


def test_only_a_base_with_torch_is_looked_into(stack: Stack) -> None:
    sees_base = "base.pth" in "\n".join(work_of(stack, "docker"))
    assert sees_base == (stack.torch.from_ == "base")
    pinned = "\ntorch==" in stack.requirements.read_text(encoding="utf-8")
    assert pinned == (stack.torch.from_ == "requirements")


def test_gpu_stacks_compile_adios2_against_the_images_mpi(stack: Stack) -> None:
    said = "\n".join(work_of(stack, "docker"))
    mpi_first = f"--no-deps {stack.mpi.package}=={stack.mpi.version} mpi4py=="
    checked = "assert adios2.is_built_with_mpi"
    for sign in (mpi_first, "PIP_NO_BINARY=adios2", "-DADIOS2_USE_MPI=ON", checked):
        assert (sign in said) == (stack.accelerator != "cpu")


def test_hadolint_passes(stack: Stack) -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [program, "--config", ROOT / ".hadolint.yaml", stack.folder / "Dockerfile"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_shellcheck_passes(stack: Stack, tmp_path: Path) -> None:
    text = (stack.folder / "apptainer.def").read_text(encoding="utf-8")
    sections = re.findall(r"^%(post|environment|runscript|test)\n(.*?)(?=^%|\Z)", text, re.M | re.S)
    assert len(sections) == 4
    for name, body in sections:
        script = tmp_path / f"{name}.sh"
        script.write_text("#!/bin/sh\n" + re.sub(r"\{\{.*?\}\}", "value", body), encoding="utf-8")
        program = Path(sys.executable).with_name("shellcheck")
        done = subprocess.run(
            [program, script], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout


def test_recipes_hold_no_secret_and_no_package_index(stack: Stack) -> None:
    for format_ in TEMPLATES:
        text = print_recipe(stack, format_)
        code = "\n".join(line for line in text.splitlines() if not line.strip().startswith("#"))
        assert "://" not in code
        assert not re.search(r"token|password|secret", code, re.I)


def test_a_local_base_changes_the_bootstrap_only(stack: Stack) -> None:
    printed = print_recipe(stack, "sif")
    local = print_recipe(stack, "sif", "localimage")
    assert local == printed.replace("Bootstrap: docker", "Bootstrap: localimage")


def test_caches_are_set_when_python_starts(stack: Stack, tmp_path: Path) -> None:
    """As the image's Python does it: it reads the line from a `.pth` file."""
    (line,) = re.findall(r'echo "(import os; .*)" > ', print_recipe(stack, "sif"))
    (tmp_path / "hydria_caches.pth").write_text(f"{line}\n")
    code = f"import os, site; site.addsitedir({str(tmp_path)!r}); print(*sorted(os.environ))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"TMPDIR": "/scratch"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert {cache.name for cache in stack.caches} <= set(done.stdout.split())
