"""Every old path imports, in a process of its own order, and is the object it stands for."""

import importlib
import subprocess
import sys

import pytest

import hydragnn
from hydragnn._table import TABLE


def here(path: str) -> object:
    module, _, name = TABLE[path].partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", TABLE)
def test_old_path_is_the_object(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert getattr(importlib.import_module(module), name) is here(path)


def test_functions_win_over_modules_of_their_name() -> None:
    script = (
        "from hydragnn.run_training import run_training\n"
        "from hydragnn.train.train_validate_test import train_validate_test\n"
        "import hydragnn, hydragnn.train\n"
        "assert hydragnn.run_training is run_training\n"
        "assert hydragnn.train.train_validate_test is train_validate_test\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_importing_the_package_imports_no_torch() -> None:
    script = "import sys, hydragnn; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_unknown_names_are_the_usual_errors() -> None:
    with pytest.raises(ImportError):
        importlib.import_module("hydragnn.utils.no_such_module")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = hydragnn.no_such_name


def test_names_are_listed() -> None:
    assert {"models", "preprocess", "run_training", "train", "utils"} <= set(dir(hydragnn))
    assert "Timer" in dir(importlib.import_module("hydragnn.utils"))
