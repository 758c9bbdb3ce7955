"""A step of a model, and what its forward pass keeps for it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hydria.graph.batch import GraphBatch


def step(model: nn.Module, batch: GraphBatch) -> tuple[list[Tensor], list[Tensor], int]:
    """Outputs, gradients, and bytes that the forward pass keeps for the backward pass."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(0)
    model.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(batch)
        loss = sum(output.square().sum() for output in outputs)
    loss.backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    return outputs, gradients, sum(kept.values())
