"""Batch norm of the global batch."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from hydria.nn.norm import GlobalBatchNorm

CHANNELS = 3


def global_batch() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 100.0 + 0.5 * torch.randn(7, CHANNELS, generator=generator)


def with_affine(norm: nn.BatchNorm1d) -> nn.BatchNorm1d:
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, -0.5]))
        norm.bias.copy_(torch.tensor([0.1, 0.0, -1.0]))
    return norm


def test_one_process_equals_torch() -> None:
    ours, theirs = with_affine(GlobalBatchNorm(CHANNELS)), with_affine(nn.BatchNorm1d(CHANNELS))
    for _ in range(2):
        assert torch.equal(ours(global_batch()), theirs(global_batch()))
    assert torch.equal(ours.eval()(global_batch()), theirs.eval()(global_batch()))
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)


def test_a_single_row_becomes_the_bias() -> None:
    norm = with_affine(GlobalBatchNorm(CHANNELS))
    assert torch.equal(norm(torch.full((1, CHANNELS), 5.0)), norm.bias[None])
    assert torch.isfinite(norm.running_var).all()


def test_an_empty_batch_leaves_the_statistics_alone() -> None:
    norm = GlobalBatchNorm(CHANNELS)
    assert norm(torch.zeros(0, CHANNELS)).shape == (0, CHANNELS)
    assert torch.equal(norm.running_mean, torch.zeros(CHANNELS))
    assert torch.equal(norm.running_var, torch.ones(CHANNELS))


def _on_rank(rank: int, rendezvous: str, parts: list[tuple[int, int]]) -> None:
    """Normalise this rank's rows and compare with the same rows of the whole batch."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=len(parts)
    )
    whole = global_batch().requires_grad_()
    reference = with_affine(nn.BatchNorm1d(CHANNELS))
    targets = torch.linspace(-1, 1, whole.numel()).view_as(whole)
    expected = reference(whole)
    (expected * targets).sum().backward()

    rows = slice(*parts[rank])
    own = global_batch()[rows].requires_grad_()
    norm = with_affine(GlobalBatchNorm(CHANNELS))
    output = norm(own)
    (output * targets[rows]).sum().backward()
    # float32 leaves a few 1e-7 of the mean, which is 200 standard deviations away from zero
    torch.testing.assert_close(output, expected[rows], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(own.grad, whole.grad[rows], rtol=1e-3, atol=1e-3)
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(norm.state_dict()[name], value, rtol=1e-5, atol=1e-5)

    dist.destroy_process_group()


def _alone_on_rank(rank: int, rendezvous: str, world_size: int) -> None:
    """Without synchronisation each rank normalises by its own rows."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world_size
    )
    rows = global_batch()[3 * rank : 3 * rank + 3]
    expected = nn.BatchNorm1d(CHANNELS)(rows)
    assert torch.equal(GlobalBatchNorm(CHANNELS, sync=False)(rows), expected)
    assert not torch.allclose(GlobalBatchNorm(CHANNELS)(rows), expected)
    dist.destroy_process_group()


def test_ranks_without_synchronisation_use_their_own_rows(tmp_path: Path) -> None:
    mp.spawn(_alone_on_rank, (str(tmp_path / "rendezvous"), 2), nprocs=2, join=True)


def test_ranks_with_unequal_and_empty_parts_equal_one_process(tmp_path: Path) -> None:
    parts = [(0, 5), (5, 7), (7, 7)]
    mp.spawn(_on_rank, (str(tmp_path / "rendezvous"), parts), nprocs=len(parts), join=True)
