"""The architectures by `mpnn_type`; each entry is a `MessagePassingStack`."""

from __future__ import annotations

from hydria.core.registry import Registry

ARCHITECTURES = Registry(
    "architecture",
    {
        "PAINN": "hydria.models.painn:PAINNStack",
        "EGNN": "hydria.models.egnn:EGNNStack",
        "PNA": "hydria.models.pna:PNAStack",
        "SchNet": "hydria.models.schnet:SchNetStack",
    },
)
