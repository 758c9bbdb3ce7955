"""`report.html`: one self-contained page about one run, drawn from its folder alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from hydria._version import __version__
from hydria.core.files import write_text_atomic
from hydria.report import facts, plots
from hydria.report.groups import Groups, groups_of
from hydria.report.record import WORDS, Array, HeadPredictions, RunRecord, read_run
from hydria.report.tables import count, fraction, number

STATES = {
    "finished": "The run went to its end.",
    "running": "The run was still going when this page was drawn.",
    "stopped": "The run was stopped on request; it can be resumed.",
    "failed": "The run failed.",
}
FEW_GROUPS = 5  # are told in words
WORST = 8  # largest errors listed per head


def write_report(run_dir: Path) -> Path:
    """Draw the report of the run in `run_dir` and return where it is (`report.html` there).

    What the folder lacks is said in the report; it is never an error.
    """
    page = run_dir / "report.html"
    write_text_atomic(page, render(read_run(run_dir)))
    return page


def render(run: RunRecord) -> str:
    """The report as HTML: no scripts, no links, figures as embedded SVG."""
    environment = Environment(
        loader=PackageLoader("hydria", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=run.path.resolve().name,
        folder=run.path.resolve().name,
        generator=__version__,
        state=_state(run),
        cards=_cards(run),
        rows=_rows(run),
        scale_note=_scale_note(run),
        loss_curves=_loss_curves(run),
        loss_caption=_loss_caption(run),
        losses_by_head=_losses_by_head(run),
        heads=[
            _head(head, run.results.get("heads", {}).get(head.name, {})) for head in run.predictions
        ],
        throughput=plots.throughput(run.epochs) if _has_speed(run) else None,
        facts=facts.groups(run),
        config=json.dumps(run.config, indent=2, ensure_ascii=False) if run.config else None,
        missing=run.missing,
    )


def _state(run: RunRecord) -> dict[str, str]:
    name = str(run.status.get("state") or "unknown")
    reason = run.status.get("reason")
    text = STATES.get(name, "The folder does not say what became of the run.")
    return {
        "name": name,
        "kind": name if name in STATES else "unknown",
        "text": f"{text} Reason: {reason}." if reason and name != "finished" else text,
    }


def best_epoch(run: RunRecord) -> int | None:
    """The epoch with the smallest validation loss, or None when none was measured."""
    values = run.epochs.get("val_loss")
    return None if values is None else int(run.epochs["epoch"][np.nanargmin(values)])


def _cards(run: RunRecord) -> list[dict[str, str]]:
    pairs: list[tuple[str, str]] = []
    if run.epochs:
        asked = facts.look(run.config, "NeuralNetwork.Training.num_epoch")
        done = len(run.epochs["epoch"])
        pairs.append(("epochs" + (f" of {asked}" if asked else ""), count(done)))
    if "val_loss" in run.epochs:
        best = f"best validation loss (epoch {best_epoch(run)})"
        pairs.append((best, number(float(np.nanmin(run.epochs["val_loss"])))))
    if run.results.get("test_loss") is not None:
        pairs.append(("test loss", number(run.results["test_loss"])))
    if "seconds" in run.epochs:
        pairs.append(("training time", duration(float(np.nansum(run.epochs["seconds"])))))
    if "samples_per_s" in run.epochs:
        rate = number(float(np.nanmedian(run.epochs["samples_per_s"])), 3)
        pairs.append(("samples per second (median)", rate))
    return [{"label": label, "value": value} for label, value in pairs]


def duration(seconds: float) -> str:
    """Seconds as people say them: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def _rows(run: RunRecord) -> list[dict[str, str]]:
    predicted = {head.name: head.finite() for head in run.predictions}
    return [
        {
            "name": name,
            "kind": str(head.get("kind") or "–"),
            "mae": number(head.get("mae")),
            "rmse": number(head.get("rmse")),
            "r2": fraction(head.get("r2")),
            "spread": _spread(predicted.get(name)),
            "n": count(head.get("n")),
            "unit": str(head.get("unit") or "–"),
        }
        for name, head in run.results.get("heads", {}).items()
    ]


def _spread(head: HeadPredictions | None) -> str:
    return number(float(head.target.std())) if head is not None and head.target.size else "–"


def _scale_note(run: RunRecord) -> str:
    physical = facts.look(run.config, "NeuralNetwork.Variables_of_interest.denormalize_output")
    if run.spec.get("potential"):
        return "A stress is positive under tension."
    if physical:
        return "All are in the units of the data."
    return "All are on the scale the model was trained on (denormalize_output is off)."


def _loss_curves(run: RunRecord) -> str | None:
    if not {"train_loss", "val_loss"} & run.epochs.keys():
        return None
    return plots.loss_curves(run.epochs, best_epoch(run))


def _losses_by_head(run: RunRecord) -> str | None:
    heads = [key.partition(".")[2] for key in run.epochs if key.startswith("val_losses.")]
    return plots.losses_by_head(run.epochs, heads) if len(heads) > 1 else None


def _loss_caption(run: RunRecord) -> str:
    epoch = run.results.get("epoch")
    tested = f" The test set saw the weights of epoch {epoch}." if epoch is not None else ""
    gaps = f" Epochs without a finite loss: {_enumerated(run.lost)}." if run.lost else ""
    return f"Loss over the epochs; the learning rate below.{tested}{gaps}"


def _enumerated(values: Sequence[int], most: int = 10) -> str:
    texts = [str(value) for value in values]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _head(given: HeadPredictions, results: Mapping[str, Any]) -> dict[str, Any]:
    head = given.finite()
    if not head.target.size:
        return {"name": head.name, "figure": None, "caption": "No finite predictions."}
    columns, worst = _worst(head)
    groups = groups_of(head)
    few = [one for one in groups if len(one.names) <= FEW_GROUPS]
    many = [one for one in groups if len(one.names) > FEW_GROUPS]
    caption = _parity_caption(head, given.target.size - head.target.size)
    if results.get("cosine") is not None:
        caption += f" Mean cosine to the target: {number(results['cosine'])}."
    return {
        "name": head.name,
        "figure": plots.parity(head),
        "caption": " ".join([caption, *(_told(one, head.unit) for one in few)]),
        "groups": [plots.errors_by_group(one, head.unit) for one in many],
        "columns": columns,
        "worst": worst,
    }


def _parity_caption(head: HeadPredictions, lost: int) -> str:
    caption = f"{count(head.target.size)} predictions"
    if head.target.size > plots.SCATTER_POINTS:
        caption += ", shown as their density"
    caption += "; the dashed line is perfect agreement."
    if lost:
        caption += f" {count(lost)} more are not finite numbers and are left out."
    return caption


def _told(groups: Groups, unit: str) -> str:
    """A few groups as a sentence: two bars say no more."""
    parts = (f"{n} {number(float(e))}" for n, e in zip(groups.names, groups.errors, strict=True))
    return f"MAE by {groups.by}: {', '.join(parts)}{f' {unit}' if unit else ''}."


def _worst(head: HeadPredictions) -> tuple[list[str], list[list[str]]]:
    """The largest errors, so that the structures behind them can be looked at."""
    places = ["sample"]
    places += ["node"] if head.kind == "node" else []
    places += ["component"] if head.component.any() else []
    places += [word for word in WORDS if _tells(getattr(head, word))]
    order = np.argsort(-np.abs(head.error), kind="stable")[:WORST]
    rows = [
        [str(getattr(head, place)[row]) for place in places]
        + [number(float(v[row]), 5) for v in (head.target, head.prediction, head.error)]
        for row in order
    ]
    return [*places, "target", "prediction", "error"], rows


def _tells(words: Array | None) -> bool:
    return words is not None and bool(np.any(words != ""))


def _has_speed(run: RunRecord) -> bool:
    return bool({"samples_per_s", "seconds"} & run.epochs.keys())
