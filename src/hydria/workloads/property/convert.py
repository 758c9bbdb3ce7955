"""A checkpoint of HydraGNN turned into a run folder, whose model predicts as any other."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hydria._version import __version__
from hydria.config import load_config
from hydria.config.parse import find_config
from hydria.config.potential import PotentialOptions
from hydria.config.read import read_tree
from hydria.config.run import RunConfig
from hydria.config.spec import ModelSpec, resolve
from hydria.config.summary import DataSummary
from hydria.core.errors import CheckpointError, ConfigError, Problem
from hydria.core.files import write_json_atomic
from hydria.data.locate import sources
from hydria.data.prepare import prepare
from hydria.models import build_model
from hydria.models.upstream import convert_state, differences, upstream_spec
from hydria.runtime.status import write_status
from hydria.train import checkpoint as checkpoints
from hydria.train import run_folder

log = logging.getLogger(__name__)

WEIGHTS = "model_state_dict"
# its potentials are the network alone
UPSTREAM_POTENTIAL = PotentialOptions(
    reference_energies="zero", scale_by_forces=False, smooth=False
)


@dataclass(frozen=True)
class Converted:
    """What came of it.

    Attributes:
        run_dir: the run folder.
        checkpoint: the checkpoint in it.
        parameters: numbers in the weights.
        measured: whether the facts of the data were measured on it, not read in the config.
        differences: where outputs differ from upstream's on purpose.
    """

    run_dir: Path
    checkpoint: Path
    parameters: int
    measured: bool
    differences: tuple[str, ...]


def convert_hydragnn(
    weights: Path,
    config: str | Path,
    run_dir: Path,
    data_root: Path,
    *,
    force: bool = False,
) -> Converted:
    """Make a run folder of upstream's weights.

    Where upstream ignores an option of the config (CGCNN's width, say), the config of the run
    says what its weights were made with.

    Args:
        weights: `logs/NAME/NAME.pk`; only tensors and plain containers are restored.
        config: the config of that run, best as upstream wrote it back (`logs/NAME/config.json`).
        run_dir: the folder to make.
        data_root: where raw data and stores lie; without the data, the derived keys of the config
            tell its facts.
        force: replace what a run left there.

    Raises:
        HydriaError: if the weights cannot be read or are not those of the config.
    """
    run_folder.check(run_dir, force=force)
    state = read_weights(weights)
    path = find_config(config)
    loaded = load_config(path).config
    measured = sources(loaded.dataset, data_root) is not None
    if measured:
        summary = prepare(loaded, data_root).summary
    else:
        facts = _facts(read_tree(path), loaded)
        summary = facts.model_copy(update={"graph_attr_dim": _attributes(state)})
    adapted, spec = _as_upstream(loaded, summary)
    model = build_model(spec)
    try:
        model.load_state_dict(convert_state(state, spec))
    except RuntimeError as err:
        raise CheckpointError(
            f"{weights}: expected weights of the model in {path.name}, got others: "
            f"{' '.join(str(err).split()[:40])}. Hint: is it the config of that run?"
        ) from err
    run_folder.claim(run_dir, force=force)
    saved = _write(run_dir, adapted, spec, summary, model.state_dict())
    count = sum(parameter.numel() for parameter in model.parameters())
    return Converted(run_dir, saved, count, measured, differences(spec))


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a checkpoint of HydraGNN, by their names there.

    Raises:
        CheckpointError: if it is missing, damaged, or holds anything but tensors and containers.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as err:
        raise CheckpointError(f"{path}: expected a checkpoint, got nothing there") from err
    except Exception as err:  # unpickling raises whatever the bytes make it
        raise CheckpointError(
            f"{path}: expected a checkpoint of tensors and plain containers, got "
            f"{type(err).__name__}: {str(err).splitlines()[0]}"
        ) from err
    state = saved.get(WEIGHTS, saved) if isinstance(saved, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{path}: expected {WEIGHTS!r} with tensors by name, got others")
    return dict(state)


def _facts(tree: Mapping[str, Any], config: RunConfig) -> DataSummary:
    """The facts that upstream wrote into its config."""
    network = tree.get("NeuralNetwork", tree)
    written = network.get("Architecture", {})
    missing = [key for key in ("input_dim", "output_dim") if not written.get(key)]
    if missing:
        raise ConfigError(
            [
                Problem(
                    f"NeuralNetwork.Architecture.{key}",
                    "expected what was measured on the data, because the data is not there; "
                    "got none",
                    "take the config that HydraGNN wrote beside the weights, or name the folder "
                    "of the data with --data",
                )
                for key in missing
            ]
        )
    edge_dim = written.get("edge_dim") or len(config.neural_network.architecture.edge_features)
    return DataSummary(
        num_train=0,
        num_validation=0,
        num_test=0,
        input_dim=written["input_dim"],
        edge_dim=edge_dim,
        output_dim=written["output_dim"],
        num_nodes=written.get("num_nodes"),
        pna_deg=written.get("pna_deg") or (),
        avg_num_neighbors=written.get("avg_num_neighbors") or 0.0,
        **_bounds(network.get("Variables_of_interest", {}), config),
    )


def _attributes(state: Mapping[str, Tensor]) -> int:
    """Columns of the graphs' attributes that the weights take in; 0 without conditioning."""
    for name, weight in state.items():
        out_dim, in_dim = weight.shape if weight.dim() == 2 else (0, 0)
        if name.endswith("graph_conditioner.0.weight"):
            return in_dim
        # these take in what they give out, and the attributes
        if name.endswith(("graph_concat_projector.weight", "graph_pool_projector.0.weight")):
            return in_dim - out_dim
    return 0


def _bounds(variables: Mapping[str, Any], config: RunConfig) -> dict[str, Any]:
    """Smallest and largest values of the features, as upstream keeps them."""
    found = {}
    for kind in ("node", "graph"):
        given = variables.get(f"minmax_{kind}_feature")
        names = getattr(config.dataset, f"{kind}_features").name
        if given:
            pairs = zip(names, *given, strict=False)
            found[f"{kind}_minmax"] = {name: ((low,), (high,)) for name, low, high in pairs}
    return found


def _as_upstream(config: RunConfig, summary: DataSummary) -> tuple[RunConfig, ModelSpec]:
    """The config with what upstream does whatever it says, and its model."""
    asked = resolve(config, summary)
    architecture = upstream_spec(asked).architecture
    network = config.neural_network
    columns = ("scalar",) * len(asked.heads)  # upstream's vectors are plain columns
    variables = network.variables_of_interest.model_copy(update={"output_symmetry": columns})
    update = {
        "architecture": architecture,
        "variables_of_interest": variables,
        "potential": UPSTREAM_POTENTIAL,
    }
    adapted = config.model_copy(update={"neural_network": network.model_copy(update=update)})
    changed = {
        name: value
        for name, value in architecture.model_dump().items()
        if value != getattr(asked.architecture, name)
    }
    for name, value in changed.items():
        log.info("Architecture.%s is %s in these weights", name, value)
    return adapted, resolve(adapted, summary)


def _write(
    run_dir: Path,
    config: RunConfig,
    spec: ModelSpec,
    summary: DataSummary,
    state: Mapping[str, Tensor],
) -> Path:
    documents = {
        "config.json": config.model_dump(mode="json", by_alias=True),
        "spec.json": spec.model_dump(mode="json"),
        "summary.json": summary.model_dump(mode="json"),
    }
    for name, content in documents.items():
        write_json_atomic(run_dir / name, content)
    about: dict[str, Any] = {"epoch": 0, "batch": 0, "best": True, "best_loss": None}
    about["versions"] = {"hydria": __version__}
    saved = checkpoints.save(run_dir, 0, {"model": dict(state), "facts": spec.facts}, about)
    write_status(run_dir, "finished", reason="converted from HydraGNN", exit_code=0)
    return saved
