import numpy as np
import pytest
import torch
from oracles import batch_epoch, lattice_distances, neighborhood_matrix

from sktopo import chunk_statistics
from sktopo._fixed_point import Grid
from sktopo._frame import DataRange, Frame
from sktopo._smoothing import make_smoother
from sktopo._sources import ArraySource
from sktopo._statistics import UnitStatistics, batch_update, distortion_sum
from sktopo.lattices import RectangularLattice
from sktopo.neighborhoods import NEIGHBORHOODS

CPU = torch.device("cpu")


def make_grid(X, weight=None):
    return Grid(DataRange.of(ArraySource(X, weight, CPU)))


def totals(grid, X, weight, unit, n_units=4):
    x, weight, unit = (torch.from_numpy(np.ascontiguousarray(a)) for a in (X, weight, unit))
    sums = grid.zeros(n_units)
    grid.add(sums, x, weight, unit)
    return sums


@pytest.fixture(params=["ones", "integers", "large integers", "fractions"])
def weighted(request, rng):
    X = rng.normal(size=(200, 3)) * [1, 1e-6, 1e9] + [0, 5, 0]
    integers = rng.integers(0, 9, 200) * 1.0
    weight = {
        "ones": np.ones(200),
        "integers": integers,
        "large integers": integers * 10**6 + 1,
        "fractions": rng.uniform(size=200),
    }
    return X, weight[request.param], rng.integers(0, 4, 200)


def test_sums_equal_plain_sums(weighted):
    X, weight, unit = weighted
    grid = make_grid(X, weight)
    statistics = grid.statistics(totals(grid, X, weight, unit))
    counts = np.array([weight[unit == j].sum() for j in range(4)])
    np.testing.assert_allclose(statistics.counts.numpy(), counts, rtol=1e-14)
    means = grid.from_frame(statistics.sums / statistics.counts[:, None]).numpy()
    expected = np.array([np.average(X[unit == j], axis=0, weights=weight[unit == j]) for j in range(4)])
    spread = X.max(axis=0) - X.min(axis=0)
    np.testing.assert_allclose((means - expected) / spread, 0, atol=1e-9)  # 5 +- 1e-6 has ten digits left


def test_sums_are_the_same_bits_for_any_order_and_chunking(weighted, rng):
    X, weight, unit = weighted
    grid = make_grid(X, weight)
    whole = totals(grid, X, weight, unit)
    order = rng.permutation(200)
    parts = [totals(grid, X[rows], weight[rows], unit[rows]) for rows in np.array_split(order, 17)]
    assert torch.equal(sum(parts[1:], parts[0]), whole)


def test_integer_weights_equal_repeated_rows_to_the_bit(rng):
    X, unit = rng.normal(size=(60, 3)), rng.integers(0, 4, 60)
    weight = rng.integers(0, 6, 60)
    repeated = [np.repeat(a, weight, axis=0) for a in (X, np.ones(60), unit)]
    first, second = make_grid(X, weight * 1.0), make_grid(repeated[0])
    a = first.statistics(totals(first, X, weight * 1.0, unit))
    b = second.statistics(totals(second, *repeated))
    assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("counts", "sums", "squares"))


@pytest.mark.parametrize("first_gap", [None, 0, 70_000, 99_999])
def test_chunks_equal_the_loops_wherever_the_first_gap_is(first_gap, rng):
    n, width = 100_000, 3  # some blocks each
    X, weight, unit = rng.normal(size=(n, width)), rng.uniform(size=n), rng.integers(0, 4, n)
    weight[:5], X[1, 0], X[2, 1] = 0, np.nan, np.inf  # of rows that do not count
    if first_gap is not None:
        weight[first_gap], X[first_gap, 2] = 1, np.nan
        X[rng.integers(first_gap, n, 50), 1] = np.nan
    seen = ~np.isnan(X) & (weight > 0)[:, None]
    frame = Frame(DataRange.of(ArraySource(X, weight, CPU)))
    parts = [torch.from_numpy(part) for part in (X, weight, unit)]
    chunks = zip(*(torch.split(part, 60_000) for part in parts), strict=True)
    statistics = UnitStatistics.of(frame, chunks, 4)
    mass, sums = np.zeros((4, width)), np.zeros((4, width))
    np.add.at(mass, unit, np.where(seen, weight[:, None], 0))
    np.add.at(sums, unit, np.where(seen, weight[:, None], 0) * np.where(seen, X, 0))
    np.testing.assert_allclose(statistics.mass.expand(4, width).numpy(), mass, rtol=1e-9)
    np.testing.assert_allclose(frame.from_frame(statistics.means).numpy(), sums / mass, rtol=1e-9, atol=1e-12)
    assert (statistics.observed is None) == (first_gap is None)


def test_any_number_of_chunks_with_gaps_takes_two_tables(rng):
    X = rng.normal(size=(640, 3))
    X[::8, 1] = np.nan
    frame = Frame(DataRange.of(ArraySource(X, None, CPU)))
    parts = [torch.from_numpy(part) for part in (X, np.ones(640), rng.integers(0, 4, 640))]
    chunks = zip(*(torch.split(part, 64) for part in parts), strict=True)
    assert [part.observed is None for part in UnitStatistics._parts(frame, chunks, 4)] == [True, False]


def test_rows_of_weight_zero_do_not_stretch_the_grid():
    X = np.array([[0.0], [1.0], [1e9]])
    extent = DataRange.of(ArraySource(X, np.array([1.0, 1.0, 0.0]), CPU))
    assert (extent.low.item(), extent.high.item()) == (0, 1)


def test_update_and_distortion_equal_the_loops(neighborhood, rng):
    lattice, sigma = RectangularLattice(3, 4), 1.1
    X, W, weight = rng.normal(size=(80, 2)), rng.normal(size=(12, 2)), rng.uniform(0.1, 2, size=80)
    H = neighborhood_matrix(neighborhood, lattice_distances(3, 4, False, False), sigma)
    winners, expected, loss = batch_epoch(X, weight, W, H)
    grid = make_grid(X, weight)
    statistics = grid.statistics(totals(grid, X, weight, winners, 12))
    smooth = make_smoother(lattice, NEIGHBORHOODS[neighborhood]).at(sigma)
    frame = grid.to_frame(torch.from_numpy(W))
    updated = grid.from_frame(batch_update(statistics.smoothed(smooth), frame))
    clipped = np.clip(expected, X.min(axis=0), X.max(axis=0))
    np.testing.assert_allclose(updated.numpy(), clipped, rtol=1e-11)
    total = distortion_sum(statistics.smoothed(smooth), frame) * grid.scale.item() ** 2
    assert total / weight.sum() == pytest.approx(loss, rel=1e-11)


def test_the_update_has_zero_gradient_of_the_frozen_energy(rng):
    lattice, sigma = RectangularLattice(3, 3), 0.8
    X, unit = rng.normal(size=(50, 2)), rng.integers(0, 9, 50)
    grid = make_grid(X)
    statistics = grid.statistics(totals(grid, X, np.ones(50), unit, 9))
    smooth = make_smoother(lattice, NEIGHBORHOODS["gaussian"]).at(sigma)
    origin = grid.to_frame(torch.zeros(9, 2, dtype=torch.float64))
    W = grid.from_frame(batch_update(statistics.smoothed(smooth), origin))
    W.requires_grad_(True)
    H = torch.from_numpy(neighborhood_matrix("gaussian", lattice_distances(3, 3, False, False), sigma))
    energy = (H[unit] * (torch.from_numpy(X)[:, None] - W).square().sum(dim=2)).sum()
    energy.backward()
    np.testing.assert_allclose(W.grad.numpy(), 0, atol=1e-10)


def test_units_without_mass_keep_their_prototypes():
    X = np.array([[0.0], [1.0]])
    grid = make_grid(X)
    statistics = grid.statistics(totals(grid, X, np.ones(2), np.array([0, 0]), 3))
    smooth = make_smoother(RectangularLattice(1, 3), NEIGHBORHOODS["bubble"]).at(0.5)
    previous = torch.tensor([[0.1], [0.2], [0.3]], dtype=torch.float64)
    updated = batch_update(statistics.smoothed(smooth), previous)
    assert updated[1:].tolist() == previous[1:].tolist()
    assert updated[0].item() == 0  # the mean, which is the frame's origin


def test_statistics_of_parts_add(weighted):
    X, weight, unit = weighted
    grid = make_grid(X, weight)
    whole = grid.statistics(totals(grid, X, weight, unit))
    halves = [grid.statistics(totals(grid, X[rows], weight[rows], unit[rows])) for rows in (slice(90), slice(90, 200))]
    np.testing.assert_allclose((halves[0] + halves[1]).sums.numpy(), whole.sums.numpy(), rtol=1e-12, atol=1e-12)


def test_statistics_compare_by_identity():
    first, second = (UnitStatistics.zeros(3, torch.zeros(2, 2)) for _ in range(2))
    assert first == first
    assert first != second


def test_statistics_of_different_maps_do_not_add(rng):
    X = rng.normal(size=(20, 3))
    statistics = chunk_statistics(X, X[:4])
    with pytest.raises(ValueError, match=r"different maps do not add: .* \(4, 3\) and \(5, 3\)"):
        statistics + chunk_statistics(X, X[:5])
    with pytest.raises(TypeError, match="unsupported operand"):
        statistics + 3
