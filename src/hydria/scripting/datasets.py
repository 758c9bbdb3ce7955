"""Stores under the names and arguments of HydraGNN's data sets and writers.

A data set is a sequence of `torch_geometric` samples. What is written through these names keeps
every numeric attribute of the samples; the edges of a graph are put in order of their targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from hydria.data.store import Store
from hydria.data.stores import convert, kind_of, open_store
from hydria.data.stores.adios import INDEX, BpWriter
from hydria.data.stores.columns import Writer
from hydria.data.stores.pickles import (
    BOUNDS,
    PER_FOLDER,
    PickleFolder,
    PickleFolderWriter,
    PickleWriter,
    open_pickle,
)
from hydria.data.stores.remote import RemoteStore
from hydria.data.stores.samples import ListSource, SampleStore, preloaded
from hydria.data.stores.shared import MpiNode, shared
from hydria.data.stores.upstream_adios import UpstreamAdios

if TYPE_CHECKING:
    from torch_geometric.data import Data


class StoredDataset(Sequence["Data"]):
    """The samples of a store.

    Attributes:
        store: where they are.
        minmax_node_feature, minmax_graph_feature: bounds that were written with them, or None.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        facts = store.source.attrs if isinstance(store, SampleStore) else store.attrs
        bounds = [facts.get(name) for name in BOUNDS]
        self.minmax_node_feature, self.minmax_graph_feature = (
            None if one is None else np.asarray(one) for one in bounds
        )

    def __len__(self) -> int:
        return len(self.store)

    @overload
    def __getitem__(self, index: int) -> Data: ...
    @overload
    def __getitem__(self, index: slice) -> list[Data]: ...
    def __getitem__(self, index: int | slice) -> Data | list[Data]:
        if isinstance(index, slice):
            return [self.store[one] for one in range(len(self))[index]]
        return self.store[index]


class AdiosDataset(StoredDataset):
    """One label of an ADIOS2 file, written by Hydria or HydraGNN.

    Args:
        filename: the file.
        label: such as trainset.
        comm: an MPI communicator; all its ranks open the data set. Needed by `shmem`, `ddstore`.
        preload: read everything now, instead of each sample when it is asked for.
        shmem: with `preload`, keep one copy per node in shared memory.
        ddstore: keep a part in the memory of each rank, and fetch samples from there.

    Raises:
        DataError: if the file is missing or damaged, or lacks the label.
    """

    def __init__(
        self,
        filename: str | Path,
        label: str,
        comm: Any = None,
        preload: bool = False,
        shmem: bool = False,
        ddstore: bool = False,
    ) -> None:
        path = Path(filename)
        address = f"{path}#{label}"
        if shmem:
            store: Store = shared(lambda: open_store(address), _node(comm))
        elif ddstore:
            store = RemoteStore(open_store(address), _communicator(comm))
        elif kind_of(path) == "adios2" and not (path / INDEX).is_file():
            store = SampleStore(UpstreamAdios(path, label, preload=preload))
        else:
            store = open_store(address)
            store = preloaded(store) if preload else store
        super().__init__(store)


def _communicator(comm: Any) -> Any:
    from mpi4py import MPI

    return MPI.COMM_WORLD if comm is None else comm


def _node(comm: Any) -> MpiNode | None:
    return None if comm is None else MpiNode(comm)


class AdiosWriter:
    """Writes data sets into one ADIOS2 file, each with a label; it appears when all is written.

    Args:
        filename: the file; one that is there is replaced.
        comm: an MPI communicator whose ranks all add samples; rank 0 writes them, in order of rank.
    """

    def __init__(self, filename: str | Path, comm: Any = None) -> None:
        self._path, self._comm = Path(filename), comm
        self._labels: dict[str, list[Data]] = {}
        self._facts: dict[str, Any] = {}

    def add(self, label: str, data: Data | Iterable[Data]) -> None:
        """Add a sample or many behind those of this label."""
        from torch_geometric.data import Data

        samples = [data] if isinstance(data, Data) else data
        self._labels.setdefault(label, []).extend(samples)

    def add_global(self, name: str, value: Any) -> None:
        """Add a fact about all of them: a text, a number or an array."""
        self._facts[name] = value if isinstance(value, str) else np.asarray(value)

    def save(self) -> None:
        """Write the file.

        Raises:
            DataError: if samples of a label disagree, or a label has none.
        """
        labels = {label: _gathered(samples, self._comm) for label, samples in self._labels.items()}
        if _rank(self._comm) == 0:
            facts = {
                name: value if isinstance(value, str) else value.tolist()
                for name, value in self._facts.items()
            }
            with BpWriter(self._path, replace=True) as writer:
                for label, samples in labels.items():
                    for piece in SampleStore(ListSource(samples, facts)).pieces():
                        writer.append(label, piece)
                for name, value in self._facts.items():
                    writer.attribute(name, value)
        _wait(self._comm)


def _rank(comm: Any) -> int:
    return 0 if comm is None else int(comm.Get_rank())


def _wait(comm: Any) -> None:
    if comm is not None:
        comm.Barrier()


def _gathered(samples: Iterable[Data], comm: Any) -> list[Data]:
    """The samples of all ranks on rank 0."""
    if comm is None:
        return list(samples)
    parts = comm.gather(list(samples))
    return [sample for part in parts or [] for sample in part]


class SerializedDataset(StoredDataset):
    """The pickle `<basedir>/<name>-<label>.pkl` of all samples.

    Raises:
        DataError: if it is missing, damaged, or names what samples do not consist of.
    """

    def __init__(self, basedir: str | Path, datasetname: str, label: str) -> None:
        super().__init__(open_pickle(Path(basedir) / f"{datasetname}-{label}.pkl"))


class SerializedWriter:
    """Writes the pickle `<basedir>/<name>-<label>.pkl`, in place of one that is there.

    Args:
        dataset: samples.
        minmax_node_feature, minmax_graph_feature: bounds to write with them.
        comm: an MPI communicator whose ranks all give samples; rank 0 writes them.

    Raises:
        DataError: if there are no samples, or they disagree.
    """

    def __init__(
        self,
        dataset: Iterable[Data],
        basedir: str | Path,
        name: str,
        label: str = "total",
        minmax_node_feature: Any = None,
        minmax_graph_feature: Any = None,
        comm: Any = None,
    ) -> None:
        writer = PickleWriter(Path(basedir) / f"{name}-{label}.pkl", replace=True)
        _write(dataset, (minmax_node_feature, minmax_graph_feature), writer, comm)


def _write(dataset: Iterable[Data], bounds: Sequence[Any], writer: Writer, comm: Any) -> None:
    """Write the samples of all ranks with `BOUNDS`, on rank 0; all ranks wait for it."""
    samples = _gathered(dataset, comm)
    if _rank(comm) == 0:
        pairs = zip(BOUNDS, bounds, strict=True)
        facts = {name: np.asarray(one).tolist() for name, one in pairs if one is not None}
        convert(SampleStore(ListSource(samples, facts)), writer)
    _wait(comm)


class SimplePickleDataset(StoredDataset):
    """The samples `<basedir>/…/<label>-<number>.pkl`, read when they are asked for.

    Args:
        preload: read them all now.

    Raises:
        DataError: if they are missing or damaged.
    """

    def __init__(self, basedir: str | Path, label: str, preload: bool = False) -> None:
        source = PickleFolder(Path(basedir), label)
        if preload:
            samples = source.read(range(len(source)))
            super().__init__(SampleStore(ListSource(samples, source.attrs, source.kinds)))
        else:
            super().__init__(SampleStore(source))


class SimplePickleWriter:
    """Writes a pickle for each sample.

    Args:
        dataset: samples.
        basedir: the folder; a label that is there is replaced if it is the only one.
        minmax_node_feature, minmax_graph_feature: bounds to write with them.
        use_subdir: whether to write into sub-folders of `nmax_persubdir` samples.
        comm: an MPI communicator whose ranks all give samples; rank 0 writes them.

    Raises:
        DataError: if there are no samples, or they disagree.
    """

    def __init__(
        self,
        dataset: Iterable[Data],
        basedir: str | Path,
        label: str = "total",
        minmax_node_feature: Any = None,
        minmax_graph_feature: Any = None,
        use_subdir: bool = False,
        nmax_persubdir: int = PER_FOLDER,
        comm: Any = None,
    ) -> None:
        writer = PickleFolderWriter(
            Path(basedir), label, replace=True, use_subdir=use_subdir, per_folder=nmax_persubdir
        )
        _write(dataset, (minmax_node_feature, minmax_graph_feature), writer, comm)


class DistDataset(StoredDataset):
    """Samples in the memory of all ranks; any rank gets any sample.

    Every rank gives its own samples; together, in order of rank, they are the data set.

    Args:
        data: this rank's samples.
        label: what they are called.
        comm: an MPI communicator; all ranks when left out.

    Raises:
        DataError: if the ranks' samples disagree.
    """

    def __init__(self, data: Sequence[Data], label: str, comm: Any = None) -> None:
        self.label = label
        own = SampleStore(ListSource(list(data), {}))
        super().__init__(RemoteStore(own, _communicator(comm), parted=True))


class RawDatasetLoader:
    """For loaders of one's own: `load_raw_data` fills `dataset`, `get_data` returns it.

    Attributes:
        config: as given.
        dataset: samples, once they are loaded.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self.dataset: list[Data] = []

    def load_raw_data(self) -> None:
        """Fill `dataset`; to be written by the subclass.

        Raises:
            NotImplementedError: if it is not.
        """
        raise NotImplementedError(f"{type(self).__name__}: expected a load_raw_data() of its own")

    def get_data(self) -> list[Data]:
        """The samples, loaded first if they are not yet."""
        if not self.dataset:
            self.load_raw_data()
        return self.dataset
