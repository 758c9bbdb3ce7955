"""mpi4py before torch, where a machine's MPI fails otherwise."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping

from hydria.runtime.launch import detect_ranks

log = logging.getLogger(__name__)

VARIABLE = "HYDRIA_MPI_FIRST"


def import_mpi_first(env: Mapping[str, str]) -> bool:
    """Import mpi4py, and so start MPI, where job scripts ask for it with HYDRIA_MPI_FIRST=1.

    Cray MPICH ends with `Unable to use a NIC_POLICY` when torch was imported before it. Training
    itself needs no MPI: a machine without mpi4py goes on without it.

    Returns:
        Whether MPI is there.
    """
    ranks = detect_ranks(env)
    # torchrun starts its workers itself: MPI would take each of them for a world of its own
    if env.get(VARIABLE, "0") in {"", "0"} or ranks.source in {"single", "torchrun"}:
        return False
    try:
        importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as err:  # RuntimeError: mpi4py without a library
        log.info("%s: going on without MPI: %s", VARIABLE, err)
        return False
    return True
