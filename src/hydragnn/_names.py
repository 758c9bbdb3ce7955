"""Modules of the old names, made from the table when they are imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from hydragnn._table import TABLE

MODULES = frozenset(
    path.rsplit(".", depth)[0] for path in TABLE for depth in range(1, path.count("."))
)


def load(path: str) -> Any:
    """The object that stands in the table under an old path."""
    module, _, name = TABLE[path].partition(":")
    return getattr(importlib.import_module(module), name)


class OldModule(ModuleType):
    """A module whose attributes are looked up in the table when they are first used."""

    def __getattr__(self, name: str) -> Any:
        path = f"{self.__name__}.{name}"
        if path in TABLE:
            self.__dict__[name] = load(path)
            return self.__dict__[name]
        if path in MODULES:
            return importlib.import_module(path)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        # importing `a.b.b` sets `a.b` to the module, where scripts expect the function `a.b`
        if not (isinstance(value, ModuleType) and f"{self.__name__}.{name}" in TABLE):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        start = f"{self.__name__}."
        names = (path.removeprefix(start) for path in TABLE if path.startswith(start))
        return sorted({name.split(".")[0] for name in names} | self.__dict__.keys())


class OldNames(MetaPathFinder, Loader):
    """Finds the modules that the table speaks of and that are no files."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname in MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return OldModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the attributes come from the table."""


def install(package: str) -> None:
    """Let the import system find the old modules below `package`."""
    sys.modules[package].__class__ = OldModule
    if not any(isinstance(finder, OldNames) for finder in sys.meta_path):
        sys.meta_path.append(OldNames())
