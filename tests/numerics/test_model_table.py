"""Every architecture with every head and option trains a step, or says in the config why not."""

from __future__ import annotations

import math

import pytest
import torch

from hydria.core.errors import ConfigError
from hydria.graph.batch import GraphBatch
from hydria.models import build_model
from hydria.models.registry import ARCHITECTURES
from tests.support.graphs import make_cluster, make_crystal
from tests.support.model_table import (
    ATTRIBUTES,
    COLUMNS,
    NUM_NODES,
    PE_DIM,
    printed,
    spec_of,
    table,
)
from tests.support.models import make_batch, with_encodings

INVARIANT = ("PNA", "PNAPlus", "CGCNN", "DimeNet", "GAT", "GIN", "SAGE", "MFC")
# what mathematics does not allow → what the message says of it
HOLES = {
    **{(name, "edge features"): "does not see edge features" for name in ("GIN", "SAGE", "MFC")},
    **{(name, kind): "has no vectors" for name in INVARIANT for kind in ("vector", "tensor")},
}
CELLS = [(name, column) for name in ARCHITECTURES for column in COLUMNS]


def batch_for(column: str) -> GraphBatch:
    first = make_crystal(1, rattle=0.1)
    if column == "transformer":  # which knows no periodic images
        first = make_cluster(NUM_NODES, seed=3)
    second = make_crystal(1, seed=4) if column == "periodic" else make_cluster(NUM_NODES)
    batch = make_batch(first, second, dtype=torch.float32)
    numbers = (batch.x[:, :1] * 50).round()
    attributes = torch.randn(batch.num_graphs, ATTRIBUTES)
    return with_encodings(batch.replace(x=numbers, graph_attr=attributes), PE_DIM)


@pytest.mark.parametrize(("name", "column"), [cell for cell in CELLS if cell not in HOLES])
def test_a_step_of_training_changes_every_weight(name: str, column: str) -> None:
    torch.manual_seed(0)
    spec = spec_of(name, column)
    model = build_model(spec).train()
    batch = batch_for(column)
    outputs = model(batch)
    rows = {"graph": batch.num_graphs, "node": batch.num_nodes}
    for output, head in zip(outputs, spec.heads, strict=True):
        assert output.shape == (rows[head.kind], head.dim)
    loss = sum(output.square().mean() + output.mean() for output in outputs)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loss.backward()
    assert math.isfinite(loss.item())
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert bool(torch.isfinite(parameter.grad).all()), parameter_name
    optimizer.step()
    after = model(batch)
    assert all(bool(torch.isfinite(output).all()) for output in after)


@pytest.mark.parametrize(("name", "column"), HOLES)
def test_a_hole_is_told_when_the_config_is_read(name: str, column: str) -> None:
    with pytest.raises(ConfigError, match=HOLES[name, column]):
        spec_of(name, column)


def test_the_readme_shows_this_table() -> None:
    assert printed() == table()
