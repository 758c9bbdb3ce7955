"""The model of a run on structures that it has not seen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from hydria.core.errors import LaunchError
from hydria.core.files import replace_atomically
from hydria.data.loaders import BatchLoader
from hydria.data.store import GraphStore
from hydria.data.unseen import known_outputs, unseen_graphs
from hydria.runtime.determinism import set_deterministic
from hydria.runtime.environment import read_environment
from hydria.runtime.launch import detect_ranks
from hydria.runtime.process_group import choose_device, set_threads
from hydria.train.step import DTYPES
from hydria.workloads.property.results import Collector, HeadTable, score, write_predictions
from hydria.workloads.trained import Trained, load_trained


@dataclass(frozen=True)
class Unseen:
    """What came of it.

    Attributes:
        names: of the structures, in the order of the files.
        tables: predictions by head; targets are NaN where the files have none.
        results: errors of the heads whose targets the files have, as in `results.json`.
        path: the file of predictions.
        checkpoint: whose weights were used.
    """

    names: tuple[str, ...]
    tables: list[HeadTable]
    results: dict[str, Any]
    path: Path
    checkpoint: Path


def predict_unseen(
    run_dir: Path,
    files: Sequence[Path],
    data_root: Path,
    env: Mapping[str, str],
    *,
    checkpoint: str = "best",
    out: Path | None = None,
) -> Unseen:
    """Predict the properties of the structures in `files`; the run folder is all that is needed.

    Args:
        run_dir: the run folder.
        files: in the raw format of the run, or anything that ASE reads.
        data_root: where a lattice file of the config may lie.
        env: the environment, such as `os.environ`.
        checkpoint: best, last, the name of a checkpoint of the run, or its folder.
        out: the file of predictions; else `predictions/<first file>.parquet` in the run folder.

    Raises:
        HydriaError: if a file cannot be read or lacks an input, or there is no such checkpoint.
    """
    ranks, environment = detect_ranks(env), read_environment(env)
    if ranks.world_size > 1:
        raise LaunchError(f"--input: expected one process, got {ranks.world_size} ranks")
    trained = load_trained(run_dir, checkpoint)
    config = trained.config
    store, names = unseen_graphs(files, config, trained.summary, data_root)
    device = choose_device(ranks, environment)
    set_threads(ranks, env)
    set_deterministic(config.neural_network.training.deterministic, device)
    units = _units_of(run_dir)
    tables = [
        replace(table, unit=units.get(table.name, table.unit))
        for table in _evaluate(store, trained, device)
    ]
    path = out or run_dir / "predictions" / f"{files[0].stem}.parquet"
    write_predictions(path, tables, store)
    _add_names(path, names)
    known = known_outputs(store, config)
    results = {table.name: score(table) for table in tables if table.name in known}
    return Unseen(names, tables, {"heads": results} if results else {}, path, trained.checkpoint)


def _evaluate(store: GraphStore, trained: Trained, device: torch.device) -> list[HeadTable]:
    config, model = trained.config, trained.model.to(device)
    training = config.neural_network.training
    size = training.global_batch_size or training.batch_size
    collector = Collector(trained.spec.heads)
    load = BatchLoader(store, device=device, dtype=DTYPES[training.precision])
    chunks = np.array_split(np.arange(len(store)), -(-len(store) // size))
    half = torch.autocast(device.type, torch.bfloat16, enabled=training.precision == "bf16")
    with torch.no_grad(), half:
        for part in load(chunks):
            collector(model(part.batch), part)
    in_units = config.neural_network.variables_of_interest.denormalize_output
    return collector.gathered(store.attrs, in_units)


def _units_of(run_dir: Path) -> dict[str, str]:
    """Units of the run's own results: other files do not say what theirs are."""
    try:
        heads = json.loads((run_dir / "results.json").read_text(encoding="utf-8"))["heads"]
    except (OSError, ValueError, KeyError):
        return {}
    return {name: head.get("unit") or "" for name, head in heads.items()}


def _add_names(path: Path, names: tuple[str, ...]) -> None:
    """A column `structure`, so that a row tells where it came from."""
    table = pq.read_table(path)
    column = [names[sample] for sample in table["sample"].to_pylist()]
    with replace_atomically(path) as temporary:
        pq.write_table(table.append_column("structure", [column]), temporary)
