"""`hydria config` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hydria.cli.config import _print_table, app
from hydria.config import bundled_configs, load_config
from hydria.config.provenance import resolved
from hydria.config.summary import DataSummary
from tests.support.configs import make_config

SUMMARY = DataSummary(
    num_train=70,
    num_validation=15,
    num_test=15,
    input_dim=1,
    edge_dim=0,
    output_dim=(1, 1),
    num_nodes=32,
    pna_deg=(0, 2, 5),
    avg_num_neighbors=1.7,
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("run.json").write_text(json.dumps(make_config(dataset=True)))
    return "run.json"


def test_check_says_what_a_config_is(config: str) -> None:
    done = run("check", config)
    assert done.exit_code == 0
    assert done.output == (
        "run.json: reads well; PNA: energy (graph), charge (node); LSMS data 'alloy'\n"
    )


def test_check_says_that_a_config_is_for_a_script(config: str) -> None:
    Path(config).write_text(json.dumps(make_config()))
    assert run("check", config).output.endswith("; no Dataset, a script's own data\n")


def test_check_reports_every_problem(config: str) -> None:
    done = run("check", config, "radius=-2", "num_epoch=0", "hiden_dim=3")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "run.json: 3 problems",
        "  hiden_dim: unknown key. Hint: did you mean NeuralNetwork.Architecture.hidden_dim?",
        "  NeuralNetwork.Architecture.radius: expected a number > 0 (Å), got -2",
        "  NeuralNetwork.Training.num_epoch: expected a number > 0, got 0",
    ]


def test_check_lists_unused_keys_once(config: str) -> None:
    done = run("check", config, "Profile={}", "num_gaussians=3")
    assert done.exit_code == 0
    assert done.output.splitlines()[:-1] == [
        "run.json: options of other architectures: num_gaussians (NeuralNetwork.Architecture)",
        "run.json: keys without a use here: Profile",
    ]


def test_check_says_what_cannot_be_trained(config: str) -> None:
    done = run("check", config, 'ds_config={"train_batch_size": 4}')
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "run.json: reads well, but this version cannot train it:",
        "  NeuralNetwork.ds_config: asks for DeepSpeed, which this version cannot do. "
        "Hint: leave it out",
    ]


def test_list_has_a_line_for_each_config() -> None:
    lines = run("list").output.splitlines()
    assert [line.split()[0] for line in lines] == list(bundled_configs())


def test_schema_is_printed_as_json() -> None:
    assert json.loads(run("schema").output)["title"] == "Hydria config"


def test_show_prints_values_with_their_origin(config: str) -> None:
    lines = run("show", config, "num_epoch=5").output.splitlines()
    rows = {line.split()[0]: line.split(None, 2)[1:] for line in lines}
    assert rows["NeuralNetwork.Training.num_epoch"] == ["override", "5"]
    assert rows["NeuralNetwork.Architecture.radius"] == ["file", "5.0"]
    assert rows["NeuralNetwork.Training.seed"] == ["default", "0"]


def test_show_as_json_holds_values_in_full(config: str) -> None:
    tree = json.loads(run("show", config, "--json").output)
    assert tree["Dataset.node_features.name"] == {
        "value": ["num_of_protons", "charge_density", "magnetic_moment"],
        "origin": "file",
    }


def test_show_finds_what_was_measured(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from hydria.data.prepare import store_path

    folder = store_path(load_config(config).config, Path("here"))
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(SUMMARY.model_dump_json())
    for arguments in (["--data", "here"], []):
        monkeypatch.setenv("HYDRIA_DATA", "" if arguments else "here")
        tree = json.loads(run("show", config, "--json", *arguments).output)
        assert tree["NeuralNetwork.Architecture.num_nodes"] == {"value": 32, "origin": "measured"}
    assert "Dataset.num_train" not in run("show", config, "--data", "elsewhere").output


def test_show_does_without_what_training_needs(config: str) -> None:
    """A login node: NumPy cannot be imported."""
    code = (
        "import sys; sys.modules['numpy'] = None; from hydria.cli.main import run;"
        f"run(['config', 'show', {config!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "NeuralNetwork.Training.num_epoch" in done.stdout


def test_table_for_a_terminal_holds_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    values = resolved(load_config(make_config(dataset=True)), SUMMARY)
    _print_table(values)
    printed = capsys.readouterr().out
    for value in values:
        section, _, key = value.path.rpartition(".")
        assert section in printed
        assert f"  {key} " in printed
    assert {"file", "default", "measured"} <= set(printed.split())


def test_new_writes_what_check_accepts(config: str) -> None:
    done = run("new", "FePt", "--architecture", "SchNet")
    assert done.exit_code == 0
    assert "hydria config check FePt.json5" in done.output
    assert "SchNet" in run("check", "FePt.json5").output


def test_new_never_overwrites(config: str) -> None:
    before = Path(config).read_text()
    done = run("new", "--out", config)
    assert done.exit_code != 0
    assert str(done.exception) == (
        "run.json: exists, and was left as it is. Hint: another --out, or remove it"
    )
    assert Path(config).read_text() == before


def test_new_says_why_it_cannot_write(config: str) -> None:
    done = run("new", "--out", "nowhere/run.json5")
    assert "nowhere/run.json5: cannot be written: No such file" in str(done.exception)
