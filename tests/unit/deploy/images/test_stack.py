"""Stacks as data."""

from __future__ import annotations

import pytest

from hydria.core.errors import DeployError
from hydria.deploy.images import stack as module
from hydria.deploy.images.lock import pins
from hydria.deploy.images.stack import Base, load_stack, merged, stack_names


def test_the_four_stacks_are_there() -> None:
    assert stack_names() == ("cpu", "cuda", "rocm", "xpu")


@pytest.mark.parametrize("name", stack_names())
def test_each_stack_pins_its_mpi_and_the_trainer(name: str) -> None:
    stack = load_stack(name)
    pinned = pins(stack.requirements)
    assert pinned[stack.mpi.package] == stack.mpi.version
    assert {"mpi4py", "vesin", "e3nn", "torch-geometric", "adios2", "numpy"} <= pinned.keys()
    assert not [package for package in pinned if package.startswith(("nvidia-", "cuda-"))]


def test_unknown_stack_names_the_nearest() -> None:
    with pytest.raises(DeployError, match=r"no container stack 'cudda'.*did you mean 'cuda'"):
        load_stack("cudda")


def test_own_lists_follow_the_common_ones() -> None:
    common = {"packages": [1], "test": "a", "prefix": "/p"}
    assert merged(common, {"packages": [2], "test": "b"}) == {
        "packages": [1, 2],
        "test": "b",
        "prefix": "/p",
    }


def test_one_line_chooses_the_mpi_of_a_stack() -> None:
    """Frontier's older programming environments want 3.4."""
    common = {"mpi": {"package": "mpich", "version": "4.1.3"}}
    older = merged(common, {"mpi": {"version": "3.4.3"}})
    assert older == {"mpi": {"package": "mpich", "version": "3.4.3"}}


def test_every_problem_of_a_stack_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    read = module._read

    def spoiled(path):  # type: ignore[no-untyped-def]
        tree = read(path)
        if path.parent.name == "cpu":
            tree |= {"accelerator": "gpu", "prefx": "/opt"}
            tree["base"] |= {"digest": "sha256:12"}
        return tree

    monkeypatch.setattr(module, "_read", spoiled)
    with pytest.raises(DeployError) as caught:
        load_stack("cpu")
    said = str(caught.value)
    assert "containers/cpu/stack.yaml: accelerator" in said
    assert "prefx" in said
    assert "base.digest" in said


def test_a_known_digest_holds_the_base() -> None:
    digest = "sha256:" + "0" * 64
    base = load_stack("cpu").base
    assert base.reference == base.image
    assert (
        Base.model_validate(vars(base) | {"digest": digest}).reference == f"{base.image}@{digest}"
    )
