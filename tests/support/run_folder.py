"""A run folder as the trainer leaves it, made up in a moment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HEADS = {  # name → kind, centre, spread of the targets, error, unit
    "energy": ("graph", -3.5, 0.4, 0.02, "eV/atom"),
    "charge_density": ("node", 27.0, 2.0, 0.15, ""),
    "magnetic_moment": ("node", 0.4, 0.3, 0.04, "μB"),
}


def make_run_folder(
    path: Path,
    *,
    state: str = "finished",
    epochs: int = 40,
    samples: int = 150,
    heads: Iterable[str] = HEADS,
    seed: int = 0,
) -> Path:
    """Write a run folder to `path` and return it.

    Args:
        path: folder to create.
        state: what `status.json` says; only a finished run has results and predictions.
        epochs: lines of `metrics.jsonl`.
        samples: graphs of the test set, 32 nodes each.
        heads: those of `HEADS` that are predicted.
        seed: of the made-up numbers.
    """
    random = np.random.default_rng(seed)
    path.mkdir(parents=True)
    val_losses = _write_metrics(path, epochs, random)
    _write_json(path, "config", CONFIG)
    _write_json(path, "summary", SUMMARY)
    _write_json(path, "spec", SPEC)
    _write_json(path, "receipt", RECEIPT)
    reason = {"stopped": "SIGTERM", "failed": "RuntimeError: loss is not a number"}.get(state, "")
    _write_json(
        path,
        "status",
        {"state": state, "epoch": epochs, "step": 22 * epochs, "reason": reason},
    )
    if state == "finished":
        best = int(np.argmin(val_losses))
        heads = _write_predictions(path, samples, random, heads)
        results = {"heads": heads, "test_loss": 0.00121, "epoch": best, "step": 22 * (best + 1)}
        results |= {"best_val_loss": min(val_losses), "seconds": 97.2}
        _write_json(path, "results", results)
    return path


def _write_json(path: Path, name: str, value: object) -> None:
    (path / f"{name}.json").write_text(json.dumps(value, indent=2), encoding="utf-8")


def _write_metrics(path: Path, epochs: int, random: np.random.Generator) -> list[float]:
    val_losses = []
    with (path / "metrics.jsonl").open("w", encoding="utf-8") as stream:
        for epoch in range(epochs):
            train = 0.08 * np.exp(-epoch / 6) + 0.0009
            val = 0.09 * np.exp(-epoch / 5.5) + 0.0012 + 0.00001 * max(epoch - 25, 0)
            seconds = 2.4 + 0.2 * random.random() + (1.5 if epoch == 0 else 0.0)
            row = {
                "epoch": epoch,
                "train_loss": train * random.lognormal(0, 0.05),
                "val_loss": val * random.lognormal(0, 0.15),
                "lr": 1e-3 * 0.5 ** (epoch // 15),
                "seconds": seconds,
                "samples_per_s": 700 / seconds,
                "step": 22 * (epoch + 1),
            }
            parts = {name: part for part, name in enumerate(HEADS, 1)}
            for which in ("train", "val"):
                total = row[f"{which}_loss"]
                row[f"{which}_losses"] = {name: total / part for name, part in parts.items()}
            stream.write(json.dumps(row) + "\n")
            val_losses.append(row["val_loss"])
    return val_losses


def _write_predictions(
    path: Path, samples: int, random: np.random.Generator, names: Iterable[str]
) -> dict[str, dict[str, object]]:
    tables, heads = [], {}
    for name in names:
        kind, centre, spread, error, unit = HEADS[name]
        per_sample = 1 if kind == "graph" else 32
        size = samples * per_sample
        target = centre + spread * random.standard_normal(size)
        prediction = target + error * random.standard_normal(size)
        node = np.full(size, -1) if kind == "graph" else np.tile(np.arange(32), samples)
        copper = random.integers(8, 25, samples)
        of_copper = np.arange(32)[None] < copper[:, None]
        columns = {
            "head": [name] * size,
            "kind": [kind] * size,
            "sample": np.repeat(np.arange(samples) * 3, per_sample),
            "node": node,
            "component": np.zeros(size, dtype=np.int64),
            "target": target,
            "prediction": prediction,
            "formula": np.repeat([f"Au{32 - n}Cu{n}" for n in copper], per_sample),
            "element": np.where(of_copper, "Cu", "Au").ravel() if kind == "node" else [""] * size,
        }
        tables.append(pa.table(columns))
        heads[name] = _scores(target, prediction) | {"n": size, "kind": kind, "unit": unit}
    (path / "predictions").mkdir()
    pq.write_table(pa.concat_tables(tables), path / "predictions" / "test.parquet")
    return heads


def _scores(target: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    error = prediction - target
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": float(1 - (error**2).sum() / ((target - target.mean()) ** 2).sum()),
    }


CONFIG = {
    "Verbosity": {"level": 2},
    "Dataset": {"name": "lsms", "format": "LSMS", "path": {"total": "raw/lsms"}},
    "NeuralNetwork": {
        "Architecture": {
            "mpnn_type": "PNA",
            "hidden_dim": 64,
            "num_conv_layers": 3,
            "radius": 5.0,
            "max_neighbours": 100,
            "periodic_boundary_conditions": True,
        },
        "Variables_of_interest": {
            "output_names": list(HEADS),
            "type": [kind for kind, *_ in HEADS.values()],
            "output_dim": [1, 1, 1],
            "denormalize_output": True,
        },
        "Training": {
            "num_epoch": 40,
            "batch_size": 32,
            "perc_train": 0.7,
            "loss_function_type": "mse",
            "Optimizer": {"type": "AdamW", "learning_rate": 1e-3},
        },
    },
}
SUMMARY = {
    "num_train": 700,
    "num_validation": 150,
    "num_test": 150,
    "input_dim": 1,
    "edge_dim": 0,
    "avg_num_neighbors": 41.2,
}
SPEC = {"heads": [{"name": name, "kind": kind} for name, (kind, *_) in HEADS.items()]}
RECEIPT = {
    "command": ["/opt/hydria/bin/hydria", "train", "lsms"],
    "host": "node-17",
    "time": "2026-03-04T05:06:07+0000",
    "versions": {"hydria": "0.1.0", "python": "3.12.4", "torch": "2.13.0"},
    "git": "0123456789ab",
    "launch": "torchrun",
    "world_size": 2,
    "backend": "gloo",
    "ranks": [
        {
            "rank": rank,
            "host": "node-17",
            "device": "cpu",
            "device_name": "x86_64",
            "cores": [2 * rank, 2 * rank + 1],
            "threads": 1,
        }
        for rank in range(2)
    ],
    "honoured": {"num_workers": 0, "backend": None},
    "environment": {"HYDRAGNN_NUM_WORKERS": "0"},
    "config_sha256": "d2a84f4b8b650937ec8f73cd8be2c74add5a911ba64df27458ed8229da804a26",
    "container": None,
}
