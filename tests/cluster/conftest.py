"""What the tests with real images share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.images import cpu_image


@pytest.fixture(scope="session")
def image() -> Path:
    """The cpu image of this tree, built unless the cache has it."""
    return cpu_image()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter and write to; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="hydria-test-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)
