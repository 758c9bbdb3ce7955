"""`hydria validate-potential`: a potential beside its reference, on one crystal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hydria.cli.runs import potential_source
from hydria.core.errors import HydriaError

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from hydria.potential.calculator import HydriaCalculator

app = typer.Typer(help="Check a potential on a crystal.")


@app.command()
def command(
    run: Annotated[
        str, typer.Argument(help="A run folder, the name of one in runs/, or an exported file.")
    ],
    crystal: Annotated[
        str | None,
        typer.Option(help="A file that ASE reads, or an element; else that of the training set."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="What to draw beside it: a validation.json, another potential, or the name of a "
            "calculator of ASE."
        ),
    ] = None,
    time_ps: Annotated[
        float, typer.Option("--time", help="Dynamics at constant energy, ps; 0 leaves them out.")
    ] = 5.0,
    temperature: Annotated[float, typer.Option(help="Of the velocities at their start, K.")] = 300,
    precision: Annotated[
        str | None, typer.Option(help="fp32 or fp64; as it was trained when left out.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for validation.json and .html; else the run folder."),
    ] = None,
) -> None:
    """Relax a crystal and compute what a scientist looks at first.

    Equation of state, elastic constants, energy of a vacancy, and the drift of the energy in
    dynamics, as a table, validation.json and a page with figures.
    """
    from hydria.core.files import write_json_atomic
    from hydria.potential.calculator import HydriaCalculator
    from hydria.report.crystal import crystal_table, write_crystal_page

    source = potential_source(run)
    calculator = HydriaCalculator(source, precision=precision)
    atoms = _crystal(crystal, calculator)
    title = f"{source.resolve().stem} on {atoms.get_chemical_formula()}"
    beside = None if reference is None else _reference(reference)  # before the long work
    found = {"potential": _validated(atoms, calculator, time_ps, temperature)}
    if beside is not None:
        if not isinstance(beside, dict):
            beside = _validated(atoms, beside, time_ps, temperature)
        found["reference"] = beside
    folder = out or (source if source.is_dir() else Path())
    write_json_atomic(folder / "validation.json", found["potential"])
    page = write_crystal_page(folder / "validation.html", title, found)
    for name, *values in crystal_table(found):
        print(f"{name:<20}" + "".join(f"{value:>28}" for value in values))
    print(f"page    {page}")


def _crystal(text: str | None, calculator: HydriaCalculator) -> Any:
    """The crystal of a file, or an element in its usual structure."""
    import ase.io
    from ase.build import bulk
    from ase.data import chemical_symbols

    elements = sorted(calculator.evaluator.elements)
    if text is not None and Path(text).is_file():
        atoms: Any = ase.io.read(text)
        return atoms
    if text is None and len(elements) != 1:
        names = ", ".join(chemical_symbols[number] for number in elements)
        raise HydriaError(
            f"--crystal: expected a file or an element, because the training set has {names}"
        )
    symbol = text or chemical_symbols[elements[0]]
    try:
        return bulk(symbol, cubic=True)
    except (KeyError, ValueError, RuntimeError):
        pass
    try:
        return bulk(symbol)
    except (KeyError, ValueError, RuntimeError) as err:
        raise HydriaError(
            f"--crystal: expected a file, or an element whose structure is known, got {symbol!r}"
        ) from err


def _validated(
    atoms: Any, calculator: Calculator, time_ps: float, temperature: float
) -> dict[str, Any]:
    from hydria.potential.validate import validate

    return validate(atoms, calculator, time_ps=time_ps, temperature=temperature).to_json()


def _reference(text: str) -> dict[str, Any] | Calculator:
    """What a file tells, or the calculator that a name or another potential stands for."""
    from ase.calculators.calculator import get_calculator_class

    from hydria.potential.calculator import HydriaCalculator

    if text.endswith(".json"):
        try:
            told: dict[str, Any] = json.loads(Path(text).read_text(encoding="utf-8"))
        except (OSError, ValueError) as err:
            raise HydriaError(f"--reference: {text}: cannot be read: {err}") from err
        return told
    if Path(text).exists():
        return HydriaCalculator(text)
    try:
        calculator: Calculator = get_calculator_class(text.lower())()  # type: ignore[no-untyped-call]
    except Exception as err:  # ASE imports a module of that name
        raise HydriaError(
            "--reference: expected a validation.json, a potential, or a calculator of ASE, got "
            f"{text!r}"
        ) from err
    return calculator
