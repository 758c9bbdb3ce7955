"""The tables of a report that say how a run was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hydria.report.record import RunRecord
from hydria.report.tables import count, number

Rows = list[tuple[str, str]]

ARCHITECTURE, TRAINING = "NeuralNetwork.Architecture", "NeuralNetwork.Training"
SETTINGS = {
    "Data": (
        ("data set", "Dataset.name"),
        ("format", "Dataset.format"),
        ("stratified splits", "Dataset.compositional_stratified_splitting"),
        ("cutoff radius (Å)", f"{ARCHITECTURE}.radius"),
        ("neighbours at most", f"{ARCHITECTURE}.max_neighbours"),
        ("periodic", f"{ARCHITECTURE}.periodic_boundary_conditions"),
    ),
    "Model": (
        ("architecture", f"{ARCHITECTURE}.mpnn_type"),
        ("hidden width", f"{ARCHITECTURE}.hidden_dim"),
        ("convolution layers", f"{ARCHITECTURE}.num_conv_layers"),
        ("activation", f"{ARCHITECTURE}.activation_function"),
        ("pooling", f"{ARCHITECTURE}.graph_pooling"),
        ("task weights", f"{ARCHITECTURE}.task_weights"),
    ),
    "Training": (
        ("loss", f"{TRAINING}.loss_function_type"),
        ("optimiser", f"{TRAINING}.Optimizer.type"),
        ("learning rate", f"{TRAINING}.Optimizer.learning_rate"),
        ("schedule", f"{TRAINING}.Scheduler.type"),
        ("batch size per rank", f"{TRAINING}.batch_size"),
        ("global batch size", f"{TRAINING}.global_batch_size"),
        ("precision", f"{TRAINING}.precision"),
        ("seed", f"{TRAINING}.seed"),
    ),
}
MEASURED = {
    "Data": (
        ("training samples", "num_train"),
        ("validation samples", "num_validation"),
        ("test samples", "num_test"),
        ("neighbours on average", "avg_num_neighbors"),
    ),
}
GROUPS = {"versions": "Versions", "honoured": "Variables obeyed", "environment": "Environment"}
MAX_RANKS, MAX_ENTRIES = 16, 60


def look(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of nested objects, or None."""
    value: Any = document
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def shown(value: Any) -> str:
    """A value of a JSON document as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return " ".join(shown(entry) for entry in value) or "–"
    return "–" if value is None else str(value)


def groups(run: RunRecord) -> list[dict[str, Any]]:
    """Titled tables of (name, value): data, model, training, then the groups of the receipt."""
    tables: dict[str, Rows] = {title: _picked(run.config, SETTINGS[title]) for title in SETTINGS}
    for title, wanted in MEASURED.items():
        tables[title] += _picked(run.summary, wanted)
    for title, rows in _receipt(run.receipt):
        tables[title] = rows
    return [{"title": title, "rows": rows} for title, rows in tables.items() if rows]


def _picked(document: Mapping[str, Any], wanted: tuple[tuple[str, str], ...]) -> Rows:
    found = ((label, look(document, path)) for label, path in wanted)
    return [(label, shown(value)) for label, value in found if value is not None]


def _receipt(receipt: Mapping[str, Any]) -> Iterator[tuple[str, Rows]]:
    """How it was launched, on what, with which versions and variables."""
    yield "Run", _run(receipt)
    yield "Ranks", _limited([_placement(rank) for rank in receipt.get("ranks", [])], MAX_RANKS)
    for key, title in GROUPS.items():
        yield title, _entries(receipt.get(key, {}))


def _run(receipt: Mapping[str, Any]) -> Rows:
    plain = {key: value for key, value in receipt.items() if not isinstance(value, dict | list)}
    if receipt.get("config_sha256"):
        plain["config_sha256"] = f"{receipt['config_sha256'][:16]}…"
    if receipt.get("command"):
        program, *arguments = (str(word) for word in receipt["command"])
        plain = {"command": " ".join([program.rsplit("/", 1)[-1], *arguments])} | plain
    return [(key.replace("_", " "), value) for key, value in _entries(plain)]


def _placement(rank: Mapping[str, Any]) -> tuple[str, str]:
    where = f"{rank.get('host')}, {rank.get('device')} ({rank.get('device_name')})"
    cores = len(rank.get("cores", ()))
    return f"rank {rank.get('rank')}", f"{where}, cores {cores}, threads {rank.get('threads')}"


def _entries(values: Mapping[str, Any]) -> Rows:
    found = [(key, shown(value)) for key, value in values.items() if value not in (None, "")]
    return _limited(found, MAX_ENTRIES)


def _limited(rows: Rows, most: int) -> Rows:
    """At most `most` rows; the rest is in the receipt itself."""
    if len(rows) <= most:
        return rows
    return [*rows[:most], ("…", f"{len(rows) - most} more in receipt.json")]
