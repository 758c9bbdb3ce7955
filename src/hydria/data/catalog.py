"""Data sets that Hydria can make, brings along, or knows where to fetch."""

from __future__ import annotations

from hydria.core.errors import DataError, listed
from hydria.core.registry import nearest
from hydria.data.sets import (
    csce_gap,
    cu_au,
    dft_si,
    eam_ninb,
    fept,
    ising_model,
    lennard_jones,
    lsms,
    md17,
    mlearn,
    multibranch,
    ogb_gap,
    qm9,
    zinc,
)
from hydria.data.sets.entry import DataSet

CATALOG = {
    data_set.name: data_set
    for data_set in (
        lsms.DATA_SET,
        fept.DATA_SET,
        cu_au.DATA_SET,
        ising_model.DATA_SET,
        lennard_jones.DATA_SET,
        eam_ninb.DATA_SET,
        qm9.DATA_SET,
        md17.DATA_SET,
        zinc.DATA_SET,
        ogb_gap.DATA_SET,
        csce_gap.DATA_SET,
        dft_si.DATA_SET,
        multibranch.DATA_SET,
        *mlearn.DATA_SETS,
    )
}


def entry(name: str) -> DataSet:
    """The entry of that name.

    Raises:
        DataError: if there is none; names the nearest one.
    """
    if name in CATALOG:
        return CATALOG[name]
    close = nearest(name, CATALOG)
    hint = f" Hint: did you mean {close!r}?" if close else ""
    raise DataError(f"unknown data set {name!r}; known: {listed(CATALOG)}.{hint}")
