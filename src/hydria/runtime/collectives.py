"""Sums, flags and objects across ranks; every function is the identity on a single process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from hydria.core.errors import HydriaError, LaunchError

T = TypeVar("T")


class _Group(Protocol):
    """A process group for small messages on the CPU, whatever the gradients travel on."""


_control: _Group | None = None


def set_control_group(group: _Group | None) -> None:
    """Name the (gloo) group that flags, objects and barriers use; None is the default group."""
    global _control
    _control = group


def is_distributed() -> bool:
    """Whether a process group of more than one rank is up."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """Rank of this process, 0 on a single one."""
    return dist.get_rank() if is_distributed() else 0


def world_size() -> int:
    """Number of ranks, 1 on a single process."""
    return dist.get_world_size() if is_distributed() else 1


class _GlobalSum(torch.autograd.Function):
    """All-reduce whose gradient is the all-reduce of the gradients.

    Every rank ends with the same value, so the derivative of the sum of all ranks' losses with
    respect to one rank's part is the sum of the ranks' incoming gradients.
    """

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return _all_reduced(tensor)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _all_reduced(grads[0])


def _all_reduced(tensor: Tensor) -> Tensor:
    total = tensor.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def global_sum(tensor: Tensor) -> Tensor:
    """Sum of `tensor` over all ranks, differentiable; `tensor` itself on a single process.

    All ranks must call it in the same order with the same shape, also those with an empty part
    of a batch. With gradients averaged by DDP, a loss built from global sums has the gradient
    one process would compute.
    """
    if not is_distributed():
        return tensor
    apply = cast(Callable[[Tensor], Tensor], _GlobalSum.apply)
    return apply(tensor)


class PendingAny:
    """A flag that is being compared across ranks while other work goes on."""

    def __init__(self, flag: bool) -> None:
        self._flag = torch.tensor([int(flag)])
        self._work: Any = None
        if is_distributed():
            self._work = dist.all_reduce(
                self._flag, op=dist.ReduceOp.MAX, group=cast(Any, _control), async_op=True
            )

    def result(self) -> bool:
        """Wait for the other ranks; True when any of them raised the flag."""
        if self._work is not None:
            self._work.wait()
            self._work = None
        return bool(self._flag.item())


def any_rank(flag: bool) -> bool:
    """True on every rank when `flag` is true on any."""
    return PendingAny(flag).result()


def gather_objects(value: T) -> list[T]:
    """The values of all ranks in rank order, on every rank; they must be picklable."""
    if not is_distributed():
        return [value]
    gathered: list[Any] = [None] * world_size()
    dist.all_gather_object(gathered, value, group=cast(Any, _control))
    return gathered


def gather_to_first(value: T) -> list[T]:
    """As `gather_objects`, on rank 0 only; elsewhere empty. For what is large."""
    if not is_distributed():
        return [value]
    gathered: list[Any] | None = [None] * world_size() if rank() == 0 else None
    dist.gather_object(value, gathered, dst=0, group=cast(Any, _control))
    return gathered or []


def broadcast_object(value: T, source: int = 0) -> T:
    """The value of rank `source` on every rank; it must be picklable."""
    if not is_distributed():
        return value
    box: list[Any] = [value if rank() == source else None]
    dist.broadcast_object_list(box, src=source, group=cast(Any, _control))
    return cast(T, box[0])


def barrier() -> None:
    """Wait until every rank has come here."""
    if is_distributed():
        dist.barrier(group=cast(Any, _control))


class FirstRankError(LaunchError):
    """Rank 0 failed and reports it; this rank only has to end."""


def first_rank_does(work: Callable[[], T]) -> T:
    """Do `work` on rank 0 while the others wait; all get its result.

    Raises:
        HydriaError: what `work` raised, on rank 0; a FirstRankError on the others.
    """
    result: Any = None
    error: HydriaError | None = None
    if rank() == 0:
        try:
            result = work()
        except HydriaError as err:
            error = err
    result, problem = broadcast_object((result, None if error is None else str(error)))
    if error is not None:
        raise error
    if problem is not None:
        raise FirstRankError(problem)
    return cast(T, result)
