from typing import Any

import pytest
import torch

from hydria.config.summary import DataSummary
from hydria.core.errors import ConfigError
from hydria.scripting.configs import validate_config, write_facts
from hydria.scripting.models import create_model_config, spec_of
from tests.support.graphs import make_cluster
from tests.support.models import HEADS, make_batch

SUMMARY = DataSummary(
    num_train=7, num_validation=2, num_test=1, input_dim=2, edge_dim=0, output_dim=(1, 3),
    num_nodes=None, pna_deg=(0, 3, 4, 2), avg_num_neighbors=2.5,
)  # fmt: skip


def config(mpnn_type: str = "SchNet", **variables: Any) -> dict[str, Any]:
    return {
        "NeuralNetwork": {
            "Architecture": {
                "mpnn_type": mpnn_type,
                "hidden_dim": 8,
                "num_conv_layers": 2,
                "radius": 4.0,
                "max_neighbours": 30,
                "output_heads": HEADS,
            },
            "Variables_of_interest": {
                "input_node_features": [0, 1],
                "output_names": ["energy", "forces"],
                "output_index": [0, 0],
                "type": ["graph", "node"],
                **variables,
            },
        }
    }


def test_facts_of_the_data_reach_the_model() -> None:
    tree = config("PNA")
    write_facts(tree, SUMMARY)
    spec = spec_of(tree["NeuralNetwork"])
    assert (spec.input_dim, spec.pna_deg, spec.avg_num_neighbors) == (2, (0, 3, 4, 2), 2.5)
    assert [(head.name, head.kind, head.dim) for head in spec.heads] == [
        ("energy", "graph", 1),
        ("forces", "node", 3),
    ]
    model = create_model_config(config=tree["NeuralNetwork"], verbosity=0, use_gpu=False)
    cluster = make_batch(make_cluster(), dtype=torch.float32)
    assert [tuple(output.shape) for output in model(cluster)] == [(1, 1), (12, 3)]


def test_columns_of_the_config_are_enough_where_nothing_is_measured() -> None:
    spec = spec_of(config(output_dim=[1, 3])["NeuralNetwork"])
    assert spec.input_dim == 2
    assert [head.dim for head in spec.heads] == [1, 3]


@pytest.mark.parametrize(
    ("mpnn_type", "variables", "missing"),
    [("PNA", {"output_dim": [1, 3]}, "pna_deg"), ("SchNet", {}, "output_dim")],
)
def test_a_missing_fact_says_how_to_get_it(
    mpnn_type: str, variables: dict[str, Any], missing: str
) -> None:
    with pytest.raises(ConfigError, match=rf"{missing}: .*dataset_loading_and_splitting"):
        create_model_config(config(mpnn_type, **variables)["NeuralNetwork"])


def test_validate_config_reports_every_problem() -> None:
    tree = config()
    tree["NeuralNetwork"]["Architecture"] |= {"radius": -2, "hiden_dim": 3}
    with pytest.raises(ConfigError) as caught:
        validate_config(tree)
    assert len(caught.value.problems) == 2
    validate_config(config())
