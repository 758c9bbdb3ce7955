"""What each architecture can be asked for: the table of `src/hydria/models/README.md`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydria.config import load_config
from hydria.config.architectures.base import WITH_VECTORS
from hydria.config.spec import ModelSpec, resolve
from hydria.config.summary import DataSummary
from hydria.core.errors import ConfigError
from hydria.models.registry import ARCHITECTURES
from tests.support.configs import Tree, make_config, merged

README = Path(__file__).resolve().parents[2] / "src" / "hydria" / "models" / "README.md"
START, END = "<!-- table: from here", "<!-- table: to here"
RADIUS, PE_DIM, ATTRIBUTES = 4.0, 2, 2
NUM_NODES = 4
HEAD = {"num_headlayers": 1, "dim_headlayers": [6]}
# options without which an architecture has no vectors
VECTORS = {"EGNN": {"equivariance": True}, "SchNet": {"equivariance": True}}


def _node(kind: str) -> Tree:
    return {"Architecture": {"output_heads": {"node": {**HEAD, "type": kind}}}}


def _attention(kind: str) -> Tree:
    return {
        "Architecture": {
            "global_attn_engine": "GPS",
            "global_attn_type": kind,
            "global_attn_heads": 2,
            "pe_dim": PE_DIM,
        }
    }


TRANSFORMER = {
    "Architecture": {
        "global_attn_engine": "EquivariantTransformer",
        "global_attn_heads": 2,
        "equivariant_attn_num_radial": 4,
    }
}
# without which the transformer refuses architectures that have scalars only
SCALARS_ONLY = {
    "equivariant_attn_allow_scalar_only": True,
    "equivariant_attn_require_tensor_coupling": False,
}


def _conditioning(mode: str) -> Tree:
    return {
        "Architecture": {
            "use_graph_attr_conditioning": True,
            "graph_attr_conditioning_mode": mode,
        }
    }


# column → what is added to the `NeuralNetwork` section
COLUMNS: dict[str, Tree] = {
    "graph head": {},
    "mlp": _node("mlp"),
    "mlp_per_node": _node("mlp_per_node"),
    "conv": _node("conv"),
    "vector": {"Variables_of_interest": {"output_symmetry": ["scalar", "vector"]}},
    "tensor": {"Variables_of_interest": {"output_symmetry": ["tensor", "scalar"]}},
    "edge features": {"Architecture": {"edge_features": ["lengths"]}},
    "periodic": {"Architecture": {"periodic_boundary_conditions": True}},
    "GPS multihead": _attention("multihead"),
    "GPS performer": _attention("performer"),
    "transformer": TRANSFORMER,
    "concat_node": _conditioning("concat_node"),
    "film": _conditioning("film"),
    "fuse_pool": _conditioning("fuse_pool"),
}


def asked(name: str, column: str) -> Tree:
    """The config of one cell."""
    architecture = {
        "mpnn_type": name,
        "hidden_dim": 8,
        "num_conv_layers": 2,
        "radius": RADIUS,
        "max_neighbours": 80,
        "output_heads": {"graph": {"num_sharedlayers": 1, "dim_sharedlayers": 6, **HEAD},
                         "node": {**HEAD, "type": "mlp"}},
    }  # fmt: skip
    if column in ("vector", "tensor"):
        architecture |= VECTORS.get(name, {})
    if column == "transformer" and name not in WITH_VECTORS:
        architecture |= SCALARS_ONLY
    tree = make_config()
    network: Mapping[str, Any] = {"Architecture": architecture}
    section = merged(merged(tree["NeuralNetwork"], dict(network)), COLUMNS[column])
    return {"NeuralNetwork": section}


def spec_of(name: str, column: str) -> ModelSpec:
    """The model of one cell.

    Raises:
        ConfigError: where there is none.
    """
    summary = DataSummary(
        num_train=8,
        num_validation=1,
        num_test=1,
        input_dim=1,
        edge_dim=int(column == "edge features"),
        graph_attr_dim=ATTRIBUTES,
        output_dim=(9 if column == "tensor" else 1, 3 if column == "vector" else 2),
        num_nodes=NUM_NODES,
        pna_deg=(0, 2, 5, 9),
        avg_num_neighbors=12.0,
    )
    return resolve(load_config(asked(name, column)).config, summary)


def table() -> str:
    """The table as Markdown."""
    lines = [["", *COLUMNS], ["---"] + ["---"] * len(COLUMNS)]
    lines += [[name, *(_cell(name, column) for column in COLUMNS)] for name in ARCHITECTURES]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(name: str, column: str) -> str:
    try:
        spec_of(name, column)
    except ConfigError:
        return "–"
    return "yes"


def printed() -> str:
    """The table in the README."""
    text = README.read_text(encoding="utf-8")
    return text[text.index(START) : text.index(END)].partition("-->")[2].strip()
