"""Trained interatomic potentials at work: calculators, predictions, checks and exports."""

from hydria.potential.calculator import HydriaCalculator

__all__ = ["HydriaCalculator"]
