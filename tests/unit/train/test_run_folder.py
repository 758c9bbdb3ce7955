"""Who may write into a run folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from hydria.core.errors import HydriaError
from hydria.runtime import status as statuses
from hydria.runtime.status import State, write_status
from hydria.train.run_folder import ARTEFACTS, claim


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    claim(tmp_path / "runs" / "new")
    assert (tmp_path / "runs" / "new").is_dir()


def test_files_of_others_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "slurm-17.out").touch()
    (tmp_path / "job").mkdir()
    claim(tmp_path)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("stopped", r"stopped at step 12 \(SIGTERM\). Hint: use --resume to go on"),
        ("failed", "failed: SIGTERM. Hint: --resume goes on"),
        ("finished", "a finished run. Hint: use another --run-dir, --force"),
        ("running", "was killed. Hint: --resume"),
    ],
)
def test_a_run_is_never_overwritten_unasked(
    tmp_path: Path, state: State, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_status(tmp_path, state, step=12, reason="SIGTERM")
    monkeypatch.setattr(statuses, "_started", lambda pid: None)  # its process is gone
    with pytest.raises(HydriaError, match=said):
        claim(tmp_path)
    claim(tmp_path, resume=True)
    assert (tmp_path / "status.json").exists()


def test_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    write_status(tmp_path, "running")
    for options in ({}, {"resume": True}, {"force": True}):
        with pytest.raises(HydriaError, match="a run is going on here"):
            claim(tmp_path, **options)


def test_force_removes_what_a_run_left_and_nothing_else(tmp_path: Path) -> None:
    for name in ARTEFACTS:
        path = tmp_path / name
        path.write_text("x") if "." in name or name == "STOP" else path.mkdir()
    (tmp_path / "notes.txt").touch()
    claim(tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_resume_and_force_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(HydriaError, match="either --resume or --force"):
        claim(tmp_path, resume=True, force=True)
