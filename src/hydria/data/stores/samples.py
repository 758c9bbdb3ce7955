"""A store of samples that are kept one by one: a list, pickles, what HydraGNN wrote."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydria.core.errors import DataError
from hydria.data.assemble import KindFinder, fields_of
from hydria.data.store import GraphStore, SampleKind, Store

if TYPE_CHECKING:
    from torch_geometric.data import Data

Ids = NDArray[np.int64]


class SampleSource(ABC):
    """Samples by number.

    Attributes:
        attrs: JSON-able facts about them.
        kinds: of their attributes, where they are written down.
    """

    attrs: Mapping[str, Any]
    kinds: Mapping[str, SampleKind] | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, ids: Sequence[int]) -> list[Data]:
        """The samples `ids`, as they were written.

        Raises:
            DataError: if one cannot be read.
        """


class ListSource(SampleSource):
    """Samples in memory."""

    def __init__(
        self,
        samples: Sequence[Data],
        attrs: Mapping[str, Any],
        kinds: Mapping[str, SampleKind] | None = None,
    ) -> None:
        self.samples, self.attrs, self.kinds = samples, attrs, kinds

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, ids: Sequence[int]) -> list[Data]:
        """As `SampleSource.read`."""
        return [self.samples[number] for number in ids]


class SampleStore(Store):
    """Samples of a source as a store.

    Kinds and sizes are found by looking at every sample once, when they are first needed.
    """

    def __init__(self, source: SampleSource) -> None:
        self.source = source

    @cached_property
    def _surveyed(self) -> tuple[Mapping[str, SampleKind], dict[str, Any], Ids, Ids]:
        finder = KindFinder()
        nodes: list[int] = []
        edges: list[int] = []
        for sample in self._samples():
            fields = fields_of(len(nodes), sample)
            finder.see(fields, sample.num_nodes)
            nodes.append(sample.num_nodes or 0)
            edges.append(len(fields["edge_source"]))
        if not nodes:
            raise DataError("GraphStore: expected at least one sample, got none")
        attrs = dict(self.source.attrs)
        kinds = self.source.kinds
        if kinds is None:
            kinds, shapes = finder.kinds(), finder.sample_shapes()
            attrs |= {"sample_shapes": shapes} if shapes else {}
        pointers = (np.r_[0, np.cumsum(counts)] for counts in (nodes, edges))
        return (kinds, attrs, *pointers)

    def _samples(self) -> Iterator[Data]:
        for number in range(len(self.source)):
            yield from self.source.read([number])

    @property
    def attrs(self) -> dict[str, Any]:  # type: ignore[override]
        """As `Store.attrs`."""
        return self._surveyed[1]

    @property
    def node_ptr(self) -> Ids:  # type: ignore[override]
        """As `Store.node_ptr`."""
        return self._surveyed[2]

    @property
    def edge_ptr(self) -> Ids:  # type: ignore[override]
        """As `Store.edge_ptr`."""
        return self._surveyed[3]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Data:
        """Sample `index`, as it was written (the edges of graphs are sorted)."""
        return self.source.read([range(len(self))[index]])[0]

    def subset(self, ids: ArrayLike) -> GraphStore:
        """As `Store.subset`; graphs of no sample have no fields, so at least one is needed."""
        kinds, attrs, _, _ = self._surveyed
        chosen = cast(list[int], self._ids(ids).tolist())
        if not chosen:
            return self.subset([0]).subset([])
        return GraphStore.from_data_list(self.source.read(chosen), kinds, attrs)


def preloaded(store: Store) -> GraphStore:
    """All graphs of a store in memory."""
    return store.subset(np.arange(len(store)))


def facts_of(store: GraphStore) -> dict[str, Any]:
    """What must be written beside samples, so that they become the same store again."""
    kinds: dict[str, str] = {
        name: kind for kind, columns in store.columns().items() for name in columns
    }
    return {"attrs": store.attrs, "kinds": kinds | dict.fromkeys(store.ragged, "ragged")}
