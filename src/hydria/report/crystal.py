"""The page of `hydria validate-potential`: a potential beside its reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from hydria.core.files import write_text_atomic
from hydria.report.plots import BLUE, GREEN, ORANGE, WIDTH, as_data_uri
from hydria.report.tables import number

COLOURS = (BLUE, ORANGE, GREEN)


@as_data_uri
def crystal_figure(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Equation of state, elastic constants and energy over time of each calculator.

    Args:
        found: name → what `hydria.potential.validate.Validation.to_json` gives.
    """
    figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
    panels = figure.subplot_mosaic([["state", "elastic"], ["energy", "energy"]])
    state, elastic, energy = panels["state"], panels["elastic"], panels["energy"]
    names = list(found)
    for name, colour in zip(names, COLOURS, strict=False):
        one = found[name]
        least = min(one["energies"])
        state.plot(one["volumes"], np.array(one["energies"]) - least, "o-", color=colour,
                   label=name, markersize=3.5)  # fmt: skip
        if one["dynamics"]:
            energy.plot(one["dynamics"]["time_ps"], one["dynamics"]["energy"], color=colour,
                        label=name, linewidth=0.8)  # fmt: skip
    state.set(xlabel="volume (Å³/atom)", ylabel="energy (eV/atom)", title="Equation of state")
    state.legend()
    places, width = np.arange(len(CONSTANTS)), 0.8 / max(len(names), 1)
    for index, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        values = [constant(found[name]["elastic"], *pair) for pair in CONSTANTS.values()]
        elastic.bar(places + index * width, values, width, color=colour, alpha=0.85)
    elastic.set_xticks(places + (len(names) - 1) * width / 2, list(CONSTANTS))
    elastic.set(ylabel="GPa", title="Elastic constants")
    energy.set(xlabel="time (ps)", ylabel="energy − mean (meV/atom)", title="Constant energy")
    return figure


# mean over the equivalent ones of a cubic crystal, which all others come near to
CONSTANTS = {
    "C11": ((0, 0), (1, 1), (2, 2)),
    "C12": ((0, 1), (0, 2), (1, 2)),
    "C44": ((3, 3), (4, 4), (5, 5)),
}


def constant(elastic: Sequence[Sequence[float]], *pairs: tuple[int, int]) -> float:
    """Mean of some elastic constants, GPa."""
    return float(np.mean([elastic[i][j] for i, j in pairs]))


def crystal_table(found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A header and a row for each quantity, a column for each calculator."""
    rows = [["", *found]]
    rows.append(["lattice (Å)", *(_row(one["lattice"]) for one in found.values())])
    rows.append(["energy (eV/atom)", *(f"{one['energy']:.4f}" for one in found.values())])
    rows.append(["bulk modulus (GPa)", *(number(one["bulk_modulus"]) for one in found.values())])
    for name, pairs in CONSTANTS.items():
        values = (number(constant(one["elastic"], *pairs)) for one in found.values())
        rows.append([f"{name} (GPa)", *values])
    rows.append(["vacancy (eV)", *(number(one["vacancy"]) for one in found.values())])
    drifts = (one["dynamics"] and number(one["dynamics"]["drift"], 3) for one in found.values())
    rows.append(["drift (meV/atom)", *(drift or "–" for drift in drifts)])
    return rows


def _row(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4f}" for value in values)


def write_crystal_page(path: Path, title: str, found: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write the figure and the table of `found` as one self-contained HTML page."""
    environment = Environment(
        loader=PackageLoader("hydria", "report"), autoescape=True, undefined=StrictUndefined
    )
    header, *rows = crystal_table(found)
    page = environment.get_template("crystal.html.j2").render(
        title=title, figure=crystal_figure(found), header=header, rows=rows
    )
    write_text_atomic(path, page)
    return path
