"""One copy of a store per node, in shared memory, for all ranks there."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from hydria.core.errors import DataError, HydriaError
from hydria.data.store import GraphStore, Store
from hydria.data.stores.folder import FolderWriter, open_folder
from hydria.runtime import collectives

SHARED_MEMORY = Path("/dev/shm")


class Node(Protocol):
    """The ranks of one node; every method is called by all of them."""

    leader: bool
    """Whether this rank does what one rank of the node does."""

    def told(self, text: str) -> str:
        """What the leader says."""

    def barrier(self) -> None:
        """Wait for the others."""


class RunNode:
    """The ranks on this host of a run (or the only rank there is)."""

    def __init__(self) -> None:
        self._hosts = collectives.gather_objects(socket.gethostname())
        self._leader = self._hosts.index(socket.gethostname())
        self.leader = self._leader == collectives.rank()

    def told(self, text: str) -> str:
        """As `Node.told`."""
        return collectives.gather_objects(text)[self._leader]

    def barrier(self) -> None:
        """As `Node.barrier`."""
        collectives.barrier()


class MpiNode:
    """The ranks of an MPI communicator that share memory."""

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self._comm = comm.Split_type(MPI.COMM_TYPE_SHARED)
        self.leader = self._comm.Get_rank() == 0

    def told(self, text: str) -> str:
        """As `Node.told`."""
        return str(self._comm.bcast(text))

    def barrier(self) -> None:
        """As `Node.barrier`."""
        self._comm.Barrier()


def shared(
    opened: Callable[[], Store], node: Node | None = None, memory: Path = SHARED_MEMORY
) -> GraphStore:
    """A store in the shared memory of the node; it goes when the last process that has it ends.

    Args:
        opened: opens the store that is copied; called on one rank of the node.
        node: the ranks of this node; those of the run when left out.
        memory: a folder in memory.

    Raises:
        DataError: on all ranks of the node, if the store cannot be opened or does not fit.
    """
    node = node or RunNode()
    folder = said = ""
    if node.leader:
        try:
            folder = tempfile.mkdtemp(dir=memory, prefix="hydria-")
            with FolderWriter(Path(folder) / "store") as writer:
                for piece in opened().pieces():
                    writer.append(piece)
        except HydriaError as err:
            said = str(err)
        except OSError as err:
            said = f"{memory}: expected room for a copy of the store in shared memory: {err}"
    try:
        folder, _, said = node.told(f"{folder}\n{said}").partition("\n")
        if said:
            raise DataError(said)
        store = open_folder(Path(folder) / "store")
        node.barrier()  # mapped everywhere, so that the names may go
        return store
    finally:
        if node.leader:
            shutil.rmtree(folder, ignore_errors=True)
