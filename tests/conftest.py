"""What all tests share: which of them run here, and an environment that does not leak."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator

import pytest

from tests.support.system import unavailable

# Tests start many small processes; on shared cores more threads are slower, not faster.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Open MPI refuses root otherwise, and CI is root.
os.environ.setdefault("OMPI_ALLOW_RUN_AS_ROOT", "1")
os.environ.setdefault("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")

# pytest's own, what torch sets when its optimisers are used first, and rdkit when imported
SET_BY_LIBRARIES = ("PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR", "RDBASE")
NOT_RUN = pytest.StashKey[dict[str, int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--system", action="store_true", help="every system part must be there")
    parser.addoption("--nightly", action="store_true", help="run the long sweeps too")
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    lacking = {} if config.getoption("--system") else unavailable()
    not_run: dict[str, int] = {}
    keep, drop = [], []
    for item in items:
        reason = _reason_to_leave_out(item, config, lacking)
        (drop if reason else keep).append(item)
        if reason:
            not_run[reason] = not_run.get(reason, 0) + 1
    config.stash[NOT_RUN] = not_run
    config.hook.pytest_deselected(items=drop)
    items[:] = keep


def _reason_to_leave_out(
    item: pytest.Item, config: pytest.Config, lacking: dict[str, list[str]]
) -> str | None:
    for marker in item.iter_markers("system"):
        if marker.args[0] in lacking:
            return f"need {marker.args[0]} (make test SYSTEM=1 installs it)"
    if item.get_closest_marker("slow") and not config.getoption("--nightly"):
        return "belong to the nightly sweep (make test-nightly)"
    if item.get_closest_marker("gpu") and not _gpu():
        return "need a GPU"
    return None


def _gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    not_run = config.stash.get(NOT_RUN, {}) or getattr(config, "hydria_not_run", {})
    if not_run:
        terminalreporter.section("not run here")
        for reason, count in sorted(not_run.items()):
            terminalreporter.line(f"{count:4d} tests {reason}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object, error: object) -> None:
    """Under xdist the workers collect; the first one that ends tells what they left out."""
    output = getattr(node, "workeroutput", {})
    config = node.config  # type: ignore[attr-defined]
    config.hydria_not_run = output.get("not_run", {})


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["not_run"] = session.config.stash.get(NOT_RUN, {})


@pytest.fixture(autouse=True)
def _environment_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that changes the environment for those after it fails."""
    before = dict(os.environ)
    yield
    after = dict(os.environ)
    for name in SET_BY_LIBRARIES:
        before.pop(name, None)
        after.pop(name, None)
    if before != after:
        changed = sorted({key for key, _ in before.items() ^ after.items()})
        os.environ.clear()
        os.environ.update(before)
        pytest.fail(f"the test leaves changed environment variables behind: {changed}")


@pytest.fixture(autouse=True)
def _logging_stays() -> Iterator[None]:
    """What a test configures of the log is gone after it."""
    logger = logging.getLogger("hydria")
    before = logger.level, logger.propagate, list(logger.handlers)
    yield
    level, propagate, handlers = before
    for handler in set(logger.handlers) - set(handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)
    logger.propagate = propagate


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """What a fixture or a test before this one did to torch's threads is undone."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
