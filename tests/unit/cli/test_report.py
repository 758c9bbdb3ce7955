import json
import webbrowser
from pathlib import Path

import pytest

from hydria.cli.main import run
from hydria.core.errors import HydriaError
from tests.support.run_folder import make_run_folder


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_run_folder(tmp_path / "runs" / "lsms", epochs=3, samples=5)
    return tmp_path / "runs"


@pytest.mark.parametrize("name", ["lsms", "runs/lsms"])
def test_report_says_where_it_is(runs: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        run(["report", name])
    assert done.value.code == 0
    page = Path(capsys.readouterr().out.strip())
    assert page == Path("runs/lsms/report.html")
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_report_opens_a_browser_when_asked(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    with pytest.raises(SystemExit):
        run(["report", "lsms", "--open"])
    assert opened == [(runs / "lsms" / "report.html").as_uri()]


def test_report_prints_the_table_alone(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        run(["report", "lsms", "--table"])
    assert done.value.code == 0
    assert "RMSE" in capsys.readouterr().out
    assert not (runs / "lsms" / "report.html").exists()


def test_report_of_no_run_names_the_nearest(runs: Path) -> None:
    with pytest.raises(HydriaError, match=r"runs/lmss: .*Hint: did you mean 'runs/lsms'\?"):
        run(["report", "runs/lmss"])


def test_report_refuses_a_folder_that_is_no_run(runs: Path) -> None:
    (runs / "other").mkdir()
    with pytest.raises(HydriaError, match=r"without status\.json"):
        run(["report", "runs/other"])


def test_report_of_a_run_that_has_just_begun(runs: Path) -> None:
    (runs / "new").mkdir()
    (runs / "new" / "status.json").write_text(json.dumps({"state": "running"}))
    with pytest.raises(SystemExit) as done:
        run(["report", "new"])
    assert done.value.code == 0
