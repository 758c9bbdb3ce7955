import numpy as np
import pytest

from hydria.core.errors import DataError
from hydria.data.samplers import GlobalBatches, rank_part


def test_every_sample_comes_once_an_epoch():
    ids = np.array([5, 9, 2, 40, 11, 3, 8])
    batches = GlobalBatches(ids, 3, seed=1).epoch(4)
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert sorted(np.concatenate(batches)) == sorted(ids)


def test_order_follows_from_seed_and_epoch():
    def order(seed, epoch):
        return np.concatenate(GlobalBatches(50, 8, seed=seed).epoch(epoch)).tolist()

    assert order(0, 3) == order(0, 3)
    assert len({tuple(order(seed, epoch)) for seed in (-1, 0, 1) for epoch in (0, 1, 2)}) == 9


def test_order_is_the_same_on_every_platform():
    """Recorded once: another order would make resumed runs differ from uninterrupted ones."""
    batches = GlobalBatches(10, 4, seed=7).epoch(2)
    assert [batch.tolist() for batch in batches] == [[0, 3, 5, 1], [8, 4, 9, 2], [6, 7]]


def test_order_does_not_depend_on_the_global_batch_size():
    small, large = (np.concatenate(GlobalBatches(20, n, seed=3).epoch(0)) for n in (4, 7))
    np.testing.assert_array_equal(small, large)


def test_without_shuffling_the_given_order_stays():
    batches = GlobalBatches([4, 1, 3], 2, shuffle=False).epoch(9)
    assert [batch.tolist() for batch in batches] == [[4, 1], [3]]


def test_drop_last_leaves_out_the_short_batch():
    batches = GlobalBatches(10, 4, drop_last=True)
    assert len(batches) == len(batches.epoch(0)) == 2


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_resuming_within_an_epoch_continues_it(start):
    batches = GlobalBatches(10, 4, seed=2)
    rest = batches.epoch(5, start_step=start)
    for resumed, whole in zip(rest, batches.epoch(5)[start:], strict=True):
        np.testing.assert_array_equal(resumed, whole)


@pytest.mark.parametrize("world_size", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("size", [0, 1, 10])
def test_parts_of_all_ranks_make_the_global_batch(size, world_size):
    ids = np.arange(size) * 3
    parts = [rank_part(ids, rank, world_size) for rank in range(world_size)]
    np.testing.assert_array_equal(np.concatenate(parts), ids)
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(
    ("samples", "size", "drop_last"), [(0, 4, False), (3, 4, True), ([], 4, False)]
)
def test_no_batches_are_an_error(samples, size, drop_last):
    with pytest.raises(DataError, match="expected at least one, got none"):
        GlobalBatches(samples, size, drop_last=drop_last)


def test_global_batch_size_must_be_positive():
    with pytest.raises(DataError, match="global batch size: expected a number >= 1, got 0"):
        GlobalBatches(3, 0)
