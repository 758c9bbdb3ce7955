"""What the tests of this folder do on several ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hydria.core.errors import DataError
from hydria.runtime import collectives
from hydria.runtime.process_group import World


def talk(folder: Path, world: World) -> dict[str, Any]:
    """Use every collective once."""
    rank, size = collectives.rank(), collectives.world_size()
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    total = collectives.global_sum(weight * (rank + 1))
    total.square().sum().backward()
    problem = ""
    try:
        collectives.first_rank_does(_refuse)
    except DataError as err:
        problem = f"{type(err).__name__}: {err}"
    except collectives.FirstRankError as err:
        problem = f"{type(err).__name__}: {err}"
    collectives.barrier()
    return {
        "size": size,
        "backend": world.backend,
        "sum": total.tolist(),
        "gradient": weight.grad.tolist(),
        "any": [collectives.any_rank(rank == 1), collectives.any_rank(False)],
        "everywhere": collectives.gather_objects({"rank": rank}),
        "first": collectives.gather_to_first(rank),
        "broadcast": collectives.broadcast_object(f"from {rank}"),
        "done": collectives.first_rank_does(lambda: f"by {rank}"),
        "problem": problem,
    }


def _refuse() -> None:
    raise DataError("no data")
