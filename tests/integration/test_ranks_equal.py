"""Two ranks compute what one process computes, whatever the last batch looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hydria.config import load_config
from hydria.data.prepare import open_prepared
from hydria.runtime.launch import Ranks
from hydria.runtime.process_group import World
from tests.support import rank_trainings
from tests.support.potentials import potential_tree
from tests.support.rank_trainings import Case
from tests.support.ranks import on_ranks
from tests.support.runs import make_tree

# the ranks start once, whatever the number of test workers
pytestmark = pytest.mark.xdist_group("ranks equal")

ONE = World(Ranks(), torch.device("cpu"))
EPOCHS = 4  # of six steps, the last one with a single graph
HEADS = {"conv_node_head": {"output_heads": {
    "graph": {"num_sharedlayers": 1, "dim_sharedlayers": 8, "num_headlayers": 1,
              "dim_headlayers": [8]},
    "node": {"num_headlayers": 2, "dim_headlayers": [8, 8], "type": "conv"},
}}}  # fmt: skip
CASES = {
    "PNA": ({}, {}),
    "SchNet": ({"mpnn_type": "SchNet", "num_gaussians": 10, "num_filters": 8}, {}),
    "max_pooling": ({"graph_pooling": "max"}, {}),
    # its narrow norms turn a last bit of single precision into a thousandth
    "conv_node_head": (HEADS["conv_node_head"], {"precision": "fp64"}),
    # small variances make it sensitive to the last bits of single precision
    "gaussian": ({}, {"loss_function_type": "GaussianNLLLoss", "precision": "fp64"}),
    "double": ({}, {"precision": "fp64"}),
    "rmse_clipped": ({}, {"loss_function_type": "rmse", "clip_grad_norm": 0.1}),
    "zero_redundancy": ({}, {"Optimizer": {"type": "AdamW", "use_zero_redundancy": True}}),
    # dropout draws other numbers on other ranks
    "attention": (
        {
            "global_attn_engine": "GPS",
            "global_attn_type": "performer",
            "global_attn_heads": 2,
            "pe_dim": 2,
            "global_attn_dropout": 0.0,
        },
        {"precision": "fp64", "global_attn_redraw_interval": 5, "conv_checkpointing": True},
    ),
    "uncertainty": ({}, {"uncertainty_weighting": True}),
    "local_statistics": ({"SyncBatchNorm": False}, {}),
}
# forces, stress, averaged weights and other weights of the loss from the second epoch on
POTENTIALS = {
    "PAINN_potential": ({}, {"ema_decay": 0.9, "stages": [{"epoch": 1, "force_weight": 1.0,
                                                         "learning_rate": 2e-3}]}),
    "MACE_potential": ({"mpnn_type": "MACE"}, {"force_loss_function_type": "l2_norm"}),
    "EGNN_potential": ({"mpnn_type": "EGNN"}, {"conv_checkpointing": True}),
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Losses of every case: on one process, and of both ranks."""
    folder = tmp_path_factory.mktemp("equal")
    trees = {
        name: make_tree(folder / "raw", architecture, num_epoch=EPOCHS, global_batch_size=5,
                        **training)
        for name, (architecture, training) in CASES.items()
    }  # fmt: skip
    trees |= {
        name: potential_tree(folder / "frames", architecture, num_epoch=EPOCHS,
                             global_batch_size=5, **training)
        for name, (architecture, training) in POTENTIALS.items()
    }  # fmt: skip
    cases = [Case(name, tree) for name, tree in trees.items()]
    rank_trainings.write_cases(folder, cases)
    prepared = open_prepared(load_config(trees["PNA"]).config, folder / "data")
    two = on_ranks(2, "tests.support.rank_trainings:everything", folder)
    one = rank_trainings.everything(folder, ONE)
    return {"one": one, "two": two, "train": len(prepared.splits["train"])}


def difference(trained: dict[str, Any], case: str, column: slice) -> float:
    one, two = (
        np.array(losses)[:, column] for losses in (trained["one"][case], trained["two"][0][case])
    )
    return float(np.abs(one - two).max())


def test_the_last_batch_leaves_a_rank_without_a_graph(trained: dict[str, Any]) -> None:
    assert trained["train"] % 5 == 1
    assert EPOCHS * -(-trained["train"] // 5) >= 20


def test_both_ranks_know_the_same_losses(trained: dict[str, Any]) -> None:
    assert trained["two"][0] == trained["two"][1]


@pytest.mark.parametrize(
    "case", [*(case for case in CASES if case != "local_statistics"), *POTENTIALS]
)
def test_two_ranks_equal_one_process_over_20_steps(trained: dict[str, Any], case: str) -> None:
    assert difference(trained, case, slice(0, 1)) < 1e-5


def test_in_double_precision_validation_is_equal_too(trained: dict[str, Any]) -> None:
    assert difference(trained, "double", slice(0, 2)) < 1e-9


def test_statistics_of_each_rank_alone_are_something_else(trained: dict[str, Any]) -> None:
    assert difference(trained, "local_statistics", slice(0, 1)) > 1e-4


@pytest.mark.parametrize("optimizer", sorted(rank_trainings.OPTIMIZERS))
def test_stopped_and_continued_ranks_give_the_same_bits(
    trained: dict[str, Any], optimizer: str
) -> None:
    for result in (trained["one"], *trained["two"]):
        toy = result["toy"][optimizer]
        assert toy["parted"] == toy["whole"]
        assert toy["stopped"] == "SIGTERM"


@pytest.mark.parametrize("optimizer", sorted(rank_trainings.OPTIMIZERS))
def test_a_parameter_no_output_depends_on_is_treated_alike(
    trained: dict[str, Any], optimizer: str
) -> None:
    one, two = (result["toy"][optimizer] for result in (trained["one"], trained["two"][0]))
    assert two["unused"] == one["unused"]
    assert np.abs(np.array(one["whole"]) - np.array(two["whole"])).max() < 1e-5
