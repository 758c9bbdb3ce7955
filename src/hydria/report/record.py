"""What a run folder says about its run, read into one object; missing pieces are named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PREDICTION_COLUMNS = ("sample", "node", "component", "target", "prediction")
WORDS = ("formula", "element", "config_type")
JSON_FILES = {
    "config": "the resolved config",
    "summary": "the facts measured from the data",
    "spec": "the model specification",
    "results": "the results on the test set",
    "status": "the state of the run",
    "receipt": "the receipt of what ran",
}


@dataclass(frozen=True)
class HeadPredictions:
    """Targets and predictions of one head, one entry per number predicted.

    All arrays are (M,); `sample` is the id in the store, `node` is −1 for a graph head. `formula`
    of the structure and `element` of the node are there where the data has atomic numbers,
    `config_type` where it says of what kind a structure is.
    """

    name: str
    kind: str
    unit: str
    sample: Array
    node: Array
    component: Array
    target: Array
    prediction: Array
    formula: Array | None = None
    element: Array | None = None
    config_type: Array | None = None

    @property
    def error(self) -> Array:
        return self.prediction - self.target

    def finite(self) -> HeadPredictions:
        """The entries whose target and prediction are both numbers."""
        keep = np.isfinite(self.target) & np.isfinite(self.prediction)
        names = [*PREDICTION_COLUMNS, *(n for n in WORDS if getattr(self, n) is not None)]
        columns = {name: getattr(self, name)[keep] for name in names}
        return HeadPredictions(self.name, self.kind, self.unit, **columns)


@dataclass(frozen=True)
class RunRecord:
    """One run folder.

    `epochs` has one array for each key of `metrics.jsonl` that ever held a finite number, NaN
    where it did not; losses by head are called `val_losses.<head>`. `lost` are the epochs whose
    training or validation loss was not a number.
    """

    path: Path
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    receipt: dict[str, Any] = field(default_factory=dict)
    epochs: dict[str, Array] = field(default_factory=dict)
    lost: tuple[int, ...] = ()
    predictions: tuple[HeadPredictions, ...] = ()
    missing: tuple[str, ...] = ()


def read_run(run_dir: Path) -> RunRecord:
    """Read all that a report needs from `run_dir`; nothing outside it is opened.

    A file that is absent or cannot be read leaves its field empty and a sentence in `missing`:
    a run that was stopped or that failed has a report too.
    """
    missing: list[str] = []
    documents = {
        name: _read_json(run_dir / f"{name}.json", what, missing)
        for name, what in JSON_FILES.items()
    }
    rows = _read_epochs(run_dir / "metrics.jsonl", missing)
    units = {name: head.get("unit") for name, head in documents["results"].get("heads", {}).items()}
    predictions = _try_predictions(run_dir / "predictions" / "test.parquet", units, missing)
    return RunRecord(
        run_dir,
        **documents,
        epochs=_columns(rows),
        lost=tuple(int(row["epoch"]) for row in rows if _is_lost(row)),
        predictions=predictions,
        missing=tuple(missing),
    )


def _read_json(path: Path, what: str, missing: list[str]) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        missing.append(f"{path.name} ({what}) is not there")
    except (OSError, ValueError) as err:
        missing.append(f"{path.name} ({what}) cannot be read: {err}")
    else:
        if isinstance(value, dict):
            return value
        missing.append(f"{path.name} ({what}) does not hold a JSON object")
    return {}


def _read_epochs(path: Path, missing: list[str]) -> list[dict[str, Any]]:
    """Records of `metrics.jsonl` by epoch; of an epoch that was run twice the later one counts."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        missing.append(f"{path.name} (one line per epoch) is not there: no epoch was finished")
        return []
    rows: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            rows[int(row["epoch"])] = row
        except (ValueError, KeyError, TypeError):
            missing.append(f"{path.name}, line {number} is not a complete record and was left out")
    return [rows[epoch] for epoch in sorted(rows)]


def _is_lost(row: dict[str, Any]) -> bool:
    losses = (row.get(key) for key in ("train_loss", "val_loss"))
    return any(loss is not None and not np.isfinite(loss) for loss in losses)


def _columns(rows: list[dict[str, Any]]) -> dict[str, Array]:
    flat = [_flat(row) for row in rows]
    keys = dict.fromkeys(key for row in flat for key in row)
    columns = {key: np.array([row.get(key, np.nan) for row in flat]) for key in keys}
    return {key: values for key, values in columns.items() if np.isfinite(values).any()}


def _flat(row: dict[str, Any]) -> dict[str, float]:
    """The numbers of a record, those of a nested object under dotted names."""
    pairs = list(row.items())
    for key, inner in row.items():
        if isinstance(inner, dict):
            pairs += [(f"{key}.{name}", value) for name, value in inner.items()]
    return {name: float(value) for name, value in pairs if isinstance(value, int | float)}


def _try_predictions(
    path: Path, units: dict[str, Any], missing: list[str]
) -> tuple[HeadPredictions, ...]:
    from pyarrow import ArrowException

    try:
        return read_predictions(path, units)
    except FileNotFoundError:
        missing.append("predictions/test.parquet (the predictions on the test set) is not there")
    except (OSError, ArrowException, KeyError) as err:
        missing.append(f"predictions/test.parquet cannot be read: {err}")
    return ()


def read_predictions(
    path: Path, units: Mapping[str, Any] = MappingProxyType({})
) -> tuple[HeadPredictions, ...]:
    """The predictions of each head in a file that training or `hydria predict` wrote.

    Args:
        path: the Parquet file.
        units: head → unit, where known.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(path, memory_map=True)
    names = table["head"].unique().to_pylist()
    return tuple(_one_head(table, name, units.get(name) or "") for name in names)


def _one_head(table: Any, name: str, unit: str) -> HeadPredictions:
    import pyarrow.compute as pc

    rows = table.filter(pc.equal(table["head"], name))
    names = [*PREDICTION_COLUMNS, *(name for name in WORDS if name in rows.column_names)]
    columns = {name: rows[name].to_numpy() for name in names}
    return HeadPredictions(name, str(rows["kind"][0]), unit, **columns)
