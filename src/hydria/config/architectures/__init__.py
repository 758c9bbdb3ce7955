"""The typed options of each architecture (user manual, "Architecture Configuration").

One file per architecture, without torch, so that a config can be checked on a login node.
"""

from typing import Annotated

from pydantic import Field

from hydria.config.architectures.base import Architecture
from hydria.config.architectures.cgcnn import CGCNN
from hydria.config.architectures.dimenet import DimeNet
from hydria.config.architectures.egnn import EGNN
from hydria.config.architectures.gat import GAT
from hydria.config.architectures.gin import GIN
from hydria.config.architectures.mace import MACE
from hydria.config.architectures.mfc import MFC
from hydria.config.architectures.painn import PAINN
from hydria.config.architectures.pna import PNA
from hydria.config.architectures.pna_eq import PNAEq
from hydria.config.architectures.pna_plus import PNAPlus
from hydria.config.architectures.sage import SAGE
from hydria.config.architectures.schnet import SchNet

AnyArchitecture = Annotated[
    PNA | PNAPlus | PNAEq | EGNN | CGCNN | SchNet | PAINN | MACE | DimeNet | GAT | GIN | SAGE | MFC,
    Field(discriminator="mpnn_type"),
]

ARCHITECTURES: dict[str, type[Architecture]] = {
    options.model_fields["mpnn_type"].annotation.__args__[0]: options  # type: ignore[union-attr]
    for options in (
        PNA,
        PNAPlus,
        PNAEq,
        EGNN,
        CGCNN,
        SchNet,
        PAINN,
        MACE,
        DimeNet,
        GAT,
        GIN,
        SAGE,
        MFC,
    )
}

__all__ = ["ARCHITECTURES", "AnyArchitecture", "Architecture"]
