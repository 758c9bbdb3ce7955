"""MPI before torch, where a machine's MPI fails otherwise."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from hydria.runtime.launch import detect_ranks

log = logging.getLogger(__name__)

VARIABLE = "HYDRIA_MPI_FIRST"


def start_mpi_first(env: Mapping[str, str]) -> bool:
    """Import mpi4py and start MPI, where job scripts ask for it with HYDRIA_MPI_FIRST=1.

    Cray MPICH ends with `Unable to use a NIC_POLICY` when torch was imported before it. Training
    itself needs no MPI: a machine without mpi4py, or with one that is not the machine's own,
    goes on without it.

    Returns:
        Whether MPI was started.
    """
    ranks = detect_ranks(env)
    # torchrun starts its workers itself: MPI would take each of them for a world of its own
    if env.get(VARIABLE, "0") in {"", "0"} or ranks.source in {"single", "torchrun"}:
        return False
    try:
        return _start()
    except (ImportError, RuntimeError) as err:  # RuntimeError: mpi4py without a library
        log.info("%s: going on without MPI: %s", VARIABLE, err)
        return False


def _start() -> bool:
    import mpi4py

    # looked at before it is started: one that does not know the launcher ends the process
    mpi4py.rc.initialize = False
    mpi4py.rc.finalize = True
    from mpi4py import MPI

    vendor = MPI.get_vendor()[0]
    if "MPICH" not in vendor and "Cray" not in vendor:
        log.info("%s: going on without MPI: mpi4py is built with %s", VARIABLE, vendor)
        return False
    if not MPI.Is_initialized():
        MPI.Init_thread()
    return True
