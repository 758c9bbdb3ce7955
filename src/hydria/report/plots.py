"""The figures of a report as SVG text; colours are those of Okabe and Ito, safe for most eyes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, NullLocator

from hydria.report.groups import Groups
from hydria.report.record import Array, HeadPredictions
from hydria.report.tables import number

BLUE, ORANGE, GREEN, INK, GRID = "#0072B2", "#D55E00", "#009E73", "#2b3138", "#dfe3e8"
CYCLE = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DENSITY = LinearSegmentedColormap.from_list("density", ["#b9d6ea", "#4f9bc9", "#0b5a92", "#05264a"])
WIDTH = 9.4  # inches; the page shows them at its own width
SCATTER_POINTS = 2000  # more are drawn as a density
HISTOGRAM_QUANTILE = 0.995

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "hydria",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Segoe UI", "Helvetica Neue", "Arial"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#8a939e",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": "#59626d",
    "ytick.color": "#59626d",
    "legend.frameon": False,
    "lines.linewidth": 1.5,
}

Drawing = Callable[..., Figure]


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context(STYLE):
        yield


def as_data_uri(draw: Drawing) -> Callable[..., str]:
    """Turn a function that makes a figure into one that returns it as a `data:` URI (SVG)."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> str:
        with _style():
            figure = draw(*args, **kwargs)
            stream = io.BytesIO()
            # no date inside: the same run gives the same bytes
            figure.savefig(stream, format="svg", dpi=200, metadata={"Date": None})
        return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode("ascii")

    return drawn


@as_data_uri
def loss_curves(epochs: Mapping[str, Array], best_epoch: int | None) -> Figure:
    """Training and validation loss over the epochs, the learning rate below them."""
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
    curves = [("train_loss", "training", BLUE), ("val_loss", "validation", ORANGE)]
    drawn = [epochs[key] for key, *_ in curves if key in epochs]
    for key, label, colour in curves:
        if key in epochs:
            _curve(upper, epochs["epoch"], epochs[key], colour, label)
    if drawn and np.nanmin(np.concatenate(drawn)) > 0:  # a likelihood may be negative
        upper.set_yscale("log")
    if best_epoch is not None:
        _mark_best(upper, epochs, best_epoch)
    upper.set_ylabel("loss")
    if drawn:
        upper.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.3)
    if "lr" in epochs:
        _learning_rate(lower, epochs["epoch"], epochs["lr"])
    lower.set_ylabel("learning rate")
    _epoch_axis(lower, epochs["epoch"])
    return figure


@as_data_uri
def losses_by_head(epochs: Mapping[str, Array], heads: Sequence[str]) -> Figure:
    """Training (dashed) and validation loss of each head over the epochs."""
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    axes = figure.subplots()
    for head, colour in zip(heads, cycle(CYCLE)):
        for key, line in (("val_losses", "-"), ("train_losses", "--")):
            values = epochs.get(f"{key}.{head}")
            if values is not None:
                label = head if key == "val_losses" else None
                _curve(axes, epochs["epoch"], values, colour, label, line)
    drawn = np.concatenate([line.get_ydata() for line in axes.lines])
    if np.nanmin(drawn) > 0:
        axes.set_yscale("log")
    axes.set_ylabel("loss")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    _epoch_axis(axes, epochs["epoch"])
    return figure


def _curve(
    axes: Axes, x: Array, y: Array, colour: str, label: str | None = None, line: str = "-"
) -> None:
    """A line, with dots where there are few points: one epoch must be visible too."""
    marker = "o" if len(x) < 15 else ""
    axes.plot(x, y, line, color=colour, label=label, marker=marker, markersize=3.5)


def _epoch_axis(axes: Axes, epoch: Array) -> None:
    margin = max(0.5, 0.02 * (epoch[-1] - epoch[0]))
    axes.set(xlabel="epoch", xlim=(epoch[0] - margin, epoch[-1] + margin))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _learning_rate(axes: Axes, epoch: Array, rate: Array) -> None:
    axes.step(epoch, rate, where="post", color=GREEN)
    low, high = float(np.nanmin(rate)), float(np.nanmax(rate))
    if 0 < low < high:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * 1.3)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(sorted({low, high}), [number(value, 3) for value in sorted({low, high})])


def _mark_best(axes: Axes, epochs: Mapping[str, Array], best_epoch: int) -> None:
    value = epochs["val_loss"][epochs["epoch"] == best_epoch]
    axes.axvline(best_epoch, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.plot(
        [best_epoch], value, "o", color="white", markeredgecolor=ORANGE, markeredgewidth=1.8,
        markersize=7, label=f"best, epoch {best_epoch}", linestyle="",
    )  # fmt: skip


@as_data_uri
def parity(head: HeadPredictions) -> Figure:
    """Predictions against targets, and beside them the distribution of the errors."""
    figure = Figure(figsize=(WIDTH, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
    unit = f" ({head.unit})" if head.unit else ""
    _parity_panel(figure, left, head)
    left.set(xlabel=f"target{unit}", ylabel=f"prediction{unit}", title="Parity")
    _error_panel(right, head)
    right.set(xlabel=f"prediction − target{unit}", ylabel="count", title="Errors")
    return figure


def _parity_panel(figure: Figure, axes: Axes, head: HeadPredictions) -> None:
    values = np.concatenate([head.target, head.prediction])
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=3)
    if head.target.size > SCATTER_POINTS:
        cells = axes.hexbin(
            head.target, head.prediction, gridsize=75, extent=(*limits, *limits), mincnt=1,
            norm=LogNorm(), cmap=DENSITY, linewidths=0.15, rasterized=True, zorder=2,
        )  # fmt: skip
        # under the diagonal there is room
        bar = figure.colorbar(
            cells, cax=axes.inset_axes((0.6, 0.1, 0.36, 0.028)), orientation="horizontal"
        )
        bar.set_label("points per cell", fontsize=7, labelpad=1)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)
    else:
        opacity = 0.75 if head.target.size <= 300 else 0.4
        axes.scatter(
            head.target, head.prediction, s=14, color=BLUE, alpha=opacity, linewidths=0, zorder=2
        )
    axes.set(xlim=limits, ylim=limits, aspect="equal")


def _error_panel(axes: Axes, head: HeadPredictions) -> None:
    error = head.error
    reach = float(np.quantile(np.abs(error), HISTOGRAM_QUANTILE)) or 1.0
    bins = int(np.clip(np.sqrt(error.size) * 1.5, 15, 61)) // 2 * 2 + 1  # one bin sits on zero
    axes.hist(
        error, bins=bins, range=(-reach, reach), histtype="stepfilled", color=BLUE, alpha=0.85
    )
    axes.set_ylim(0, axes.get_ylim()[1] * 1.12)
    axes.axvline(0, color=INK, linewidth=0.8)
    bias = float(error.mean())
    axes.axvline(bias, color=ORANGE, linewidth=1.4, linestyle=(0, (4, 2)))
    outside = np.count_nonzero(np.abs(error) > reach) / error.size
    notes = f"mean error {bias:+.3g}".replace("-", "\u2212")
    notes += f"\n{outside:.1%} lie beyond the axis" if outside else ""
    axes.annotate(
        notes, (0.985, 0.97), xycoords="axes fraction", ha="right", va="top", color=ORANGE
    )
    axes.grid(axis="x", visible=False)


@as_data_uri
def errors_by_group(groups: Groups, unit: str) -> Figure:
    """A bar for each composition or element."""
    figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(groups.names))
    axes.bar(places, groups.errors, width=0.7, color=BLUE, alpha=0.85)
    steep = len(groups.names) > 8
    axes.set_xticks(places, groups.names, rotation=60 if steep else 0, fontsize=7,
                    ha="right" if steep else "center", rotation_mode="anchor")  # fmt: skip
    axes.set(ylabel=f"MAE ({unit})" if unit else "MAE", title=f"Mean absolute error by {groups.by}")
    axes.grid(axis="x", visible=False)
    return figure


@as_data_uri
def throughput(epochs: Mapping[str, Array]) -> Figure:
    """Samples per second and seconds per epoch."""
    panels = [
        ("samples_per_s", "samples per second", BLUE),
        ("seconds", "seconds per epoch", GREEN),
    ]
    shown = [panel for panel in panels if panel[0] in epochs]
    figure = Figure(figsize=(WIDTH, 2.2), layout=ConstrainedLayoutEngine(wspace=0.06))
    for axes, (key, label, colour) in zip(
        figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True
    ):
        _curve(axes, epochs["epoch"], epochs[key], colour)
        axes.set(title=label.capitalize(), ylim=(0, 1.08 * np.nanmax(epochs[key])))
        _epoch_axis(axes, epochs["epoch"])
    return figure
