import numpy as np
import pytest
import torch

from sktopo._minima import Repeats, first_minimum, minima


@pytest.fixture
def block(rng):
    """Scores of few values, so that most rows have ties."""
    return torch.from_numpy(rng.integers(0, 4, size=(200, 37)).astype(float))


def test_the_first_of_equal_minima_is_found(block):
    expected = [row.tolist().index(min(row.tolist())) for row in block]
    assert first_minimum(block, torch.empty(len(block), dtype=torch.int64)).tolist() == expected


@pytest.mark.parametrize("k", [1, 2, 5])
def test_minima_come_in_order_of_score_and_unit(block, k):
    expected = [sorted(range(37), key=lambda j, row=row: (row[j], j))[:k] for row in block.tolist()]
    found = torch.empty((k, len(block)), dtype=torch.int64)
    minima(block, found)
    assert found.T.tolist() == expected


def test_the_two_best_of_one_unit_are_that_unit(rng):
    found = torch.empty((2, 5), dtype=torch.int64)
    minima(torch.from_numpy(rng.normal(size=(5, 1))), found)
    assert found.tolist() == [[0] * 5, [0] * 5]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_repeated_points_share_the_scores_of_the_first(dtype, rng):
    points = torch.from_numpy(rng.integers(0, 3, size=(40, 2))).to(dtype)  # at most nine kinds
    block = torch.from_numpy(rng.normal(size=(6, 43)))
    first = [next(i for i in range(40) if points[i].equal(points[j])) for j in range(40)] + [40, 41, 42]
    expected = block.numpy()[:, first].copy()
    np.testing.assert_array_equal(Repeats(points).copy_first(block).numpy(), expected)


def test_points_that_differ_in_the_last_bit_keep_their_scores(rng):
    points = torch.from_numpy(rng.normal(size=(4, 3)))
    points = torch.cat([points, torch.nextafter(points, points + 1)])
    block = torch.from_numpy(rng.normal(size=(5, 8)))
    np.testing.assert_array_equal(Repeats(points).copy_first(block.clone()).numpy(), block.numpy())


def test_equal_keys_of_different_points_are_no_repeats(rng):
    points = torch.from_numpy(rng.normal(size=(20_000, 3))).to(torch.float32)  # float32 keys meet by chance
    block = torch.from_numpy(rng.normal(size=(2, 20_000)))
    np.testing.assert_array_equal(Repeats(points).copy_first(block.clone()).numpy(), block.numpy())
    points[17_000] = points[5]
    shared = Repeats(points).copy_first(block.clone()).numpy()
    assert np.flatnonzero((shared != block.numpy()).any(axis=0)).tolist() == [17_000]
