"""ADIOS2 files as HydraGNN writes them.

Per label and attribute one global array, in which the samples lie one after the other along the
dimension that varies (`variable_dim`), and where each begins and how long it is
(`variable_offset`, `variable_count`); `keys` names the attributes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hydria.core.errors import DataError
from hydria.data.stores.adios import chosen_label
from hydria.data.stores.samples import SampleSource

if TYPE_CHECKING:
    from torch_geometric.data import Data

Array = NDArray[Any]


class UpstreamAdios(SampleSource):
    """The samples of one label.

    Args:
        path: the BP file.
        label: which; the only one when left out.
        preload: read all arrays now, instead of the part of each sample when it is asked for.

    Raises:
        DataError: if ADIOS2 cannot read the file, or HydraGNN did not write it.
    """

    def __init__(self, path: Path, label: str | None = None, preload: bool = False) -> None:
        self._path, self._lock = path, threading.Lock()
        self._file = _open(path)
        attributes = self._file.available_attributes()
        labels = [name.removesuffix("/keys") for name in attributes if name.endswith("/keys")]
        if not labels:
            raise DataError(f"{path}: expected an ADIOS2 file of HydraGNN, got no label in it")
        self._label = chosen_label(path, label, labels)
        self._keys = np.atleast_1d(self._attribute(f"{self._label}/keys")).tolist()
        self._count = int(np.ravel(self._attribute(f"{self._label}/ndata"))[0])
        self.attrs = {
            name: np.asarray(self._attribute(name)).tolist()
            for name in attributes
            if "/" not in name and name != "total_ndata"
        }
        self._places = {key: self._place(key) for key in self._keys}
        self._arrays = {key: self._read(key) for key in self._keys} if preload else None

    def _attribute(self, name: str) -> Any:
        return self._file.read_attribute(name)

    def _read(self, key: str, start: Sequence[int] = (), count: Sequence[int] = ()) -> Array:
        name = f"{self._label}/{key}"
        with self._lock:
            if not start:
                return np.asarray(self._file.read(name))
            return np.asarray(self._file.read(name, list(start), list(count)))

    def _place(self, key: str) -> tuple[int, Array, Array, list[int], Any]:
        """The dimension that varies, offsets, counts, shape and type of an attribute."""
        name = f"{self._label}/{key}"
        try:
            axis = int(np.ravel(self._attribute(f"{name}/variable_dim"))[0])
            offsets, counts = (self._read(f"{key}/variable_{what}") for what in ("offset", "count"))
            known = self._file.available_variables()[name]
        except (KeyError, ValueError, RuntimeError) as err:
            raise DataError(f"{self._path}: expected the places of {name}: {err}") from err
        shape = [int(size) for size in known["Shape"].split(",")]
        return axis, offsets.ravel(), counts.ravel(), shape, _types()[known["Type"]]

    def __len__(self) -> int:
        return self._count

    def read(self, ids: Sequence[int]) -> list[Data]:
        """As `SampleSource.read`."""
        from torch_geometric.data import Data

        return [Data(**{key: self._part(key, number) for key in self._keys}) for number in ids]

    def _part(self, key: str, number: int) -> Any:
        import torch

        axis, offsets, counts, shape, dtype = self._places[key]
        start, count = [0] * len(shape), list(shape)
        start[axis], count[axis] = int(offsets[number]), int(counts[number])
        if self._arrays is not None:
            part = self._arrays[key][
                tuple(slice(s, s + c) for s, c in zip(start, count, strict=True))
            ]
        elif 0 in count:  # ADIOS2 takes an empty count for all
            part = np.empty(count, dtype)
        else:
            part = self._read(key, start, count).reshape(count)
        return torch.from_numpy(np.array(part))  # a copy of its own


def _open(path: Path) -> Any:
    import adios2

    try:
        return adios2.FileReader(str(path))
    except (RuntimeError, ValueError, OSError) as err:
        raise DataError(f"{path}: expected a file that ADIOS2 can read: {err}") from err


def _types() -> dict[str, Any]:
    """NumPy's types by ADIOS2's names."""
    names = {
        f"{sign}int{bits}_t": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
    }
    return {name: np.dtype(one) for name, one in names.items()} | {
        "float": np.dtype("float32"),
        "double": np.dtype("float64"),
    }
