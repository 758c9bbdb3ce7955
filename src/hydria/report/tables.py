"""The results table that ends a training run or a prediction on the terminal."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

COLUMNS = ("head", "kind", "MAE", "RMSE", "R²", "n", "unit")
WIDTH = 100
MOST_LINES = 20
LOSSES = {
    "train_loss": "training loss",
    "validate_loss": "validation loss",
    "test_loss": "test loss",
    "best_val_loss": "best validation loss",
}


def number(value: Any, digits: int = 4) -> str:
    """`value` with `digits` significant digits; a dash for what is missing or not a number."""
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
        return "–"
    return f"{value:.{digits}g}"


def fraction(value: Any) -> str:
    """A coefficient of determination with four decimals; a dash for what is missing."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return f"{value:.4f}" if value > -10 else f"{value:.3g}"


def count(value: Any) -> str:
    """A whole number with thousands separated by a thin gap; a dash for what is missing."""
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else "–"


def head_row(name: str, head: Mapping[str, Any]) -> tuple[str, ...]:
    """One head of `results.json` as the cells of `COLUMNS`."""
    return (
        name,
        str(head.get("kind") or "–"),
        number(head.get("mae")),
        number(head.get("rmse")),
        fraction(head.get("r2")),
        count(head.get("n")),
        str(head.get("unit") or "–"),
    )


def results_table(results: Mapping[str, Any]) -> str:
    """The content of `results.json` as text: one line per head, then the losses.

    Args:
        results: `{"heads": {name: {"mae", "rmse", "r2", "n", "kind", "unit"}}, "test_loss",
            "epoch", "best_val_loss", …}`; whatever is missing shows as a dash.

    Returns:
        Lines without a trailing newline and without colour codes.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in {"head", "kind", "unit"} else "right")
    for name, head in results.get("heads", {}).items():
        table.add_row(*head_row(name, head))
    stream = io.StringIO()
    Console(file=stream, width=WIDTH, color_system=None, highlight=False).print(table)
    lines = [line[1:].rstrip() for line in stream.getvalue().splitlines()]
    return "\n".join([*filter(None, lines), *_footer(results)])


def predictions_table(
    names: Sequence[str], head: str, unit: str, values: Sequence[Sequence[float]]
) -> str:
    """Predictions of one graph head, a line for each structure; the middle of many is left out.

    Args:
        names: of the G structures.
        head, unit: what is predicted.
        values: (G, dim).
    """
    wide = max(len(name) for name in names)
    lines = [
        f"{name:<{wide}}  " + " ".join(f"{value:>12.6g}" for value in row)
        for name, row in zip(names, values, strict=True)
    ]
    if len(lines) > MOST_LINES:
        half = MOST_LINES // 2
        lines = [*lines[:half], f"… {len(lines) - 2 * half} more", *lines[-half:]]
    return "\n".join([f"{head} ({unit})" if unit else head, *lines])


def _footer(results: Mapping[str, Any]) -> list[str]:
    parts = [
        f"{label} {number(results[key], 6)}"
        for key, label in LOSSES.items()
        if results.get(key) is not None
    ]
    if parts and results.get("epoch") is not None:
        parts.append(f"weights of epoch {results['epoch']}")
    return [", ".join(parts)] if parts else []
