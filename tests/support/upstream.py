"""Reference cases made with HydraGNN: config, weights, inputs and outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hydria.config import load_config
from hydria.config.potential import PotentialSpec
from hydria.config.spec import HeadSpec, ModelSpec
from hydria.graph.batch import GraphBatch
from hydria.models import build_model
from hydria.models.upstream import convert_state, upstream_spec

FOLDER = Path(__file__).resolve().parents[1] / "numerics" / "data" / "hydragnn"


MLIP = "mlip_"


def reference_names() -> list[str]:
    """The architectures that have a reference."""
    return sorted(path.stem for path in FOLDER.glob("*.npz") if not path.stem.startswith(MLIP))


def potential_names() -> list[str]:
    """The architectures that have a reference as an interatomic potential."""
    return sorted(path.stem.removeprefix(MLIP) for path in FOLDER.glob(f"{MLIP}*.npz"))


class Reference:
    """One reference: `model()`, and inputs and outputs by case."""

    def __init__(self, name: str) -> None:
        self.raw: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
        with np.load(FOLDER / f"{name}.npz") as arrays:
            self.arrays = {key: torch.from_numpy(arrays[key]) for key in arrays.files}

    @property
    def cases(self) -> list[str]:
        """`crystal` and `cluster`, as far as they are there."""
        return sorted({key.split("/")[1] for key in self.arrays if key.startswith("in/")})

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The arrays below a prefix, by the rest of their names."""
        return {
            key.removeprefix(prefix): value
            for key, value in self.arrays.items()
            if key.startswith(prefix)
        }

    def spec(self) -> ModelSpec:
        """The spec, with the facts of the data that upstream wrote into its config."""
        facts = self.raw["NeuralNetwork"]["Architecture"]
        network = load_config(self.raw).config.neural_network
        variables = network.variables_of_interest
        heads = tuple(
            HeadSpec(name=name, kind=kind, dim=dim, weight=1 / len(variables.type))
            for name, kind, dim in zip(
                variables.output_names, variables.type, facts["output_dim"], strict=True
            )
        )
        potential = None
        if network.architecture.enable_interatomic_potential:
            potential = PotentialSpec(
                energy_kind=heads[0].kind,
                reference_energies={},
                scale=1.0,
                short_range=None,
                smooth=True,
            )
        spec = ModelSpec(
            architecture=network.architecture,
            heads=heads,
            input_dim=facts["input_dim"],
            edge_dim=facts["edge_dim"] or 0,
            num_nodes=facts["num_nodes"],
            pna_deg=tuple(facts["pna_deg"] or ()),
            avg_num_neighbors=facts["avg_num_neighbors"] or 1.0,
            gaussian_nll=False,
            precision="fp64",
            potential=potential,
        )
        return upstream_spec(spec)

    def model(self) -> nn.Module:
        """Our model with upstream's weights, in eval mode."""
        spec = self.spec()
        model = build_model(spec)
        model.load_state_dict(convert_state(self.under("state/"), spec))
        return model.eval()

    def batch(self, case: str) -> GraphBatch:
        """The input of a case."""
        fields = self.under(f"in/{case}/")
        num_graphs = int(fields["batch"].max()) + 1
        if self.raw["NeuralNetwork"]["Architecture"].get("enable_interatomic_potential"):
            fields["z"] = fields["x"][:, 0].round().long()
        fields["ptr"] = torch.searchsorted(fields["batch"], torch.arange(num_graphs + 1))
        return GraphBatch(fields)
