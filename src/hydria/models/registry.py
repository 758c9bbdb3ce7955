"""The architectures by `mpnn_type`; each entry is a `MessagePassingStack`."""

from __future__ import annotations

from hydria.core.registry import Registry

ARCHITECTURES = Registry(
    "architecture",
    {
        "PNA": "hydria.models.pna:PNAStack",
        "PNAPlus": "hydria.models.pna_plus:PNAPlusStack",
        "PNAEq": "hydria.models.pna_eq:PNAEqStack",
        "EGNN": "hydria.models.egnn:EGNNStack",
        "CGCNN": "hydria.models.cgcnn:CGCNNStack",
        "SchNet": "hydria.models.schnet:SchNetStack",
        "PAINN": "hydria.models.painn:PAINNStack",
        "MACE": "hydria.models.mace:MACEStack",
        "DimeNet": "hydria.models.dimenet:DimeNetStack",
        "GAT": "hydria.models.gat:GATStack",
        "GIN": "hydria.models.gin:GINStack",
        "SAGE": "hydria.models.sage:SAGEStack",
        "MFC": "hydria.models.mfc:MFCStack",
    },
)
