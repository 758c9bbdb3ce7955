"""The model of a run as it was trained, from its folder alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hydria.config.run import RunConfig
from hydria.config.spec import ModelSpec, resolve
from hydria.config.summary import DataSummary
from hydria.core.errors import CheckpointError, HydriaError
from hydria.models import build_model
from hydria.models.base import MessagePassingStack
from hydria.models.potential import Potential
from hydria.train import checkpoint as checkpoints
from hydria.workloads.predict import BEST, config_of, find_checkpoint


@dataclass(frozen=True)
class Trained:
    """A model in eval mode, on the CPU, and what it was made of.

    Attributes:
        config, summary, spec: of the run.
        model: with the weights of the checkpoint.
        checkpoint: its folder.
    """

    config: RunConfig
    summary: DataSummary
    spec: ModelSpec
    model: MessagePassingStack | Potential
    checkpoint: Path


def load_trained(run_dir: Path, checkpoint: str = BEST) -> Trained:
    """Load the model of a run.

    Args:
        run_dir: the run folder.
        checkpoint: best, last, the name of a checkpoint of the run, or its folder.

    Raises:
        HydriaError: if the folder holds no run, or no such checkpoint.
    """
    config, summary = config_of(run_dir), _summary_of(run_dir)
    found = find_checkpoint(run_dir, checkpoint)
    spec = resolve(config, summary)
    state = checkpoints.load(found)
    if state["facts"] != spec.facts:
        raise CheckpointError(
            f"{found.path}: expected weights of the model in config.json, got others"
        )
    model = build_model(spec)
    model.load_state_dict(state["model"])
    return Trained(config, summary, spec, model.eval(), found.path)


def _summary_of(run_dir: Path) -> DataSummary:
    try:
        return DataSummary.model_validate_json((run_dir / "summary.json").read_bytes())
    except (OSError, ValueError) as err:
        raise HydriaError(f"{run_dir / 'summary.json'}: cannot be read: {err}") from err
