import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from hydria.core.errors import CheckpointError
from hydria.scripting.models import create_model_config
from hydria.scripting.weights import load_existing_model_config, save_model
from tests.support.models import make_model, make_spec

REFERENCE = Path(__file__).parents[2] / "numerics" / "data" / "hydragnn"
CONTINUE = {"continue": 1, "startfrom": "first"}


def trained(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A model, and an optimiser that has made a step on it."""
    model = make_model(make_spec("SchNet"), seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    sum(parameter.square().sum() for parameter in model.parameters()).backward()
    optimizer.step()
    return model, optimizer


def assert_same(first: nn.Module, second: nn.Module) -> None:
    for name, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], value, rtol=0, atol=0)


def test_saved_model_and_optimizer_come_back(tmp_path: Path) -> None:
    model, optimizer = trained(seed=1)
    save_model(model, optimizer, "first", path=tmp_path)
    other, its_optimizer = trained(seed=2)
    load_existing_model_config(other, CONTINUE, path=tmp_path, optimizer=its_optimizer)
    assert_same(model, other)
    moments = optimizer.state_dict()["state"][0]["exp_avg"]
    torch.testing.assert_close(its_optimizer.state_dict()["state"][0]["exp_avg"], moments)


def test_the_default_folder_is_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(*trained(seed=1), "first")
    assert (tmp_path / "logs" / "first" / "first.pk").is_file()


@pytest.mark.parametrize("settings", [{}, {"continue": 0, "startfrom": "first"}])
def test_nothing_is_loaded_unless_asked_for(tmp_path: Path, settings: dict[str, object]) -> None:
    model, _ = trained(seed=1)
    before = make_model(make_spec("SchNet"), 5)
    before.load_state_dict(model.state_dict())
    load_existing_model_config(model, settings, path=tmp_path)
    assert_same(before, model)


def test_a_wrapped_model_is_saved_and_loaded_plain(tmp_path: Path) -> None:
    class Wrapper(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module

    model, optimizer = trained(seed=1)
    save_model(Wrapper(model), optimizer, "first", path=tmp_path)
    other, _ = trained(seed=2)
    load_existing_model_config(Wrapper(other), CONTINUE, path=tmp_path)
    assert_same(model, other)


@pytest.mark.parametrize("name", ["PNA", "SchNet"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_of_hydragnn_give_its_outputs(tmp_path: Path, name: str, prefix: str) -> None:
    arrays = np.load(REFERENCE / f"{name}.npz")
    tensors = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    upstream = {
        prefix + key.removeprefix("state/"): value
        for key, value in tensors.items()
        if key.startswith("state/")
    }
    (tmp_path / "first").mkdir()
    torch.save({"model_state_dict": upstream}, tmp_path / "first" / "first.pk")
    config = json.loads((REFERENCE / f"{name}.json").read_text())
    model = create_model_config(config=config["NeuralNetwork"], verbosity=0, use_gpu=False)
    load_existing_model_config(model.eval(), CONTINUE, path=tmp_path)
    fields = {
        key.removeprefix("in/cluster/"): value
        for key, value in tensors.items()
        if key.startswith("in/cluster/")
    }
    batch = Batch.from_data_list([Data(**fields)])
    batch.batch, batch._num_graphs = fields["batch"], int(fields["batch"].max()) + 1
    batch.ptr = torch.searchsorted(fields["batch"], torch.arange(batch._num_graphs + 1))
    for kind, output in zip(("graph", "node"), model(batch), strict=True):
        torch.testing.assert_close(output, tensors[f"out/cluster/{kind}"], rtol=0, atol=1e-10)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"first\.pk.*Hint: .*startfrom"):
        load_existing_model_config(trained(1)[0], CONTINUE, path=tmp_path)


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    save_model(*trained(1), "first", path=tmp_path)
    file = tmp_path / "first" / "first.pk"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_existing_model_config(trained(1)[0], CONTINUE, path=tmp_path)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    save_model(*trained(1), "first", path=tmp_path)
    wider = make_model(make_spec("SchNet", hidden_dim=12))
    with pytest.raises(CheckpointError, match="expected weights of this model"):
        load_existing_model_config(wider, CONTINUE, path=tmp_path)
