import numpy as np
import pytest
import torch
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo._sources import ArraySource, _base, _draws
from sktopo._sources._draws import DrawnPositions

CPU = torch.device("cpu")


@pytest.mark.parametrize("rows", [None, 1, 64, 10**6])
def test_chunks_hold_all_rows_in_order(rows, rng):
    X, weight = rng.normal(size=(300, 3)), rng.uniform(size=300)
    chunks = list(ArraySource(X, weight, CPU, rows=rows).chunks())
    np.testing.assert_array_equal(torch.cat([x for x, _ in chunks]).numpy(), X)
    np.testing.assert_array_equal(torch.cat([w for _, w in chunks]).numpy(), weight)
    assert all(len(x) <= (rows or 25_600) for x, _ in chunks)


def test_reduce_adds_and_map_rows_keeps_the_order(rng):
    X, weight = rng.normal(size=(300, 3)), rng.uniform(size=300)
    source = ArraySource(X, weight, CPU, rows=64)
    np.testing.assert_allclose(source.reduce(lambda x, w: w @ x).numpy(), weight @ X)
    np.testing.assert_array_equal(source.map_rows(lambda x: x[:, 0]).numpy(), X[:, 0])


def test_every_thread_accumulates_in_a_total_of_its_own(rng):
    X, totals = rng.integers(0, 99, size=(3000, 3)) * 1.0, []

    def zeros():
        totals.append(torch.zeros(3, dtype=torch.float64))
        return totals[-1]

    total = ArraySource(X, None, CPU, rows=64).accumulate(zeros, lambda sums, x, _: sums.add_(x.sum(dim=0)))
    np.testing.assert_array_equal(total.numpy(), X.sum(axis=0))
    assert 1 <= len(totals) <= torch.get_num_threads()


def test_without_weights_every_row_counts_once():
    source = ArraySource(np.zeros((5, 2), dtype=np.float32), None, CPU)
    assert source.reduce(lambda _, weight: weight.sum()) == 5
    assert source.dtype == torch.float32
    assert next(source.chunks())[1].dtype == torch.float64


def test_preparation_sees_every_chunk(rng):
    X = rng.normal(size=(100, 2))
    source = ArraySource(X, None, CPU, prepare=lambda x: 2 * x, rows=64)
    np.testing.assert_array_equal(source.map_rows(lambda x: x).numpy(), 2 * X)


@pytest.mark.parametrize("change", ["read-only", "fortran", "reversed", "every other"])
def test_arrays_that_torch_cannot_share_are_copied_chunk_by_chunk(change, rng):
    X = rng.normal(size=(200, 4))
    view = {"fortran": np.asfortranarray(X), "reversed": X[::-1, ::-1], "every other": X[::2]}.get(change, X)
    view.flags.writeable = change != "read-only"
    result = ArraySource(view, None, CPU, rows=64).map_rows(lambda x: x.mul_(1)).numpy()
    np.testing.assert_array_equal(result, view)


def positions_of(rows):
    return rows.take(torch.arange(rows.n_rows)).long()[:, 0].numpy()


@pytest.fixture
def few_at_once(monkeypatch):
    """Positions are made of 100 rows at once, as if those were many."""
    for module in (_draws, _base):
        monkeypatch.setattr(module, "MOST_AT_ONCE", 100)


@pytest.mark.parametrize(("n_rows", "n"), [(1000, 3000), (1000, 2570), (1003, 1003), (250, 249), (30, 305)])
def test_rows_drawn_in_parts_come_from_one_stratum_each(n_rows, n, few_at_once):
    source = ArraySource(np.arange(n_rows, dtype=np.float64)[:, None], None, CPU)  # a row holds its position
    rows = source.draw_in_parts(n, torch.Generator().manual_seed(1))
    drawn = [positions_of(rows.part(start, min(start + 37, n))) for start in range(0, n, 37)]
    positions = np.concatenate(drawn)
    assert len(positions) == n
    draws = DrawnPositions(source.rows_at, n_rows, n, torch.Generator().manual_seed(1))
    in_order = draws.positions(0, n).numpy()  # a part of 37 is sorted
    np.testing.assert_array_equal(np.sort(positions), np.sort(in_order))
    for start in range(0, n, n_rows):
        one_pass = np.sort(in_order[start : start + n_rows])
        bounds = np.arange(len(one_pass) + 1) * n_rows // len(one_pass)
        assert (bounds[:-1] <= one_pass).all()  # one from each stratum
        assert (one_pass <= bounds[1:]).all()
        assert len(one_pass) < n_rows or (one_pass == np.arange(n_rows)).all()
    again = source.draw_in_parts(n, torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(positions_of(again.part(n - 37, n)), np.sort(draws.positions(n - 37, n)))


def test_every_block_of_draws_covers_all_of_the_data(few_at_once):
    source = ArraySource(np.zeros((1000, 1)), None, CPU)
    draws = DrawnPositions(source.rows_at, 1000, 1000, torch.Generator())
    for start in range(0, 1000, 100):
        block = np.sort(draws.positions(start, start + 100).numpy())
        np.testing.assert_array_equal(block // 10, np.arange(100))  # one of each ten rows
        assert (np.diff(draws.positions(start, start + 100).numpy()) < 0).any()  # in random order


def test_weights_are_respected_in_parts(few_at_once, rng):
    weight = rng.integers(0, 5, 400) * 1.0
    source = ArraySource(np.zeros((400, 1)), weight, CPU)
    draws = DrawnPositions(source.rows_at, 400, 4000, torch.Generator())
    counts = np.bincount(draws.positions(0, 4000).numpy(), minlength=400)
    assert (counts[weight == 0] == 0).all()
    np.testing.assert_allclose(counts, 4000 * weight / weight.sum(), atol=10)  # a row in each of ten passes


@pytest.mark.parametrize("solver", ["stream", "gradient"])
def test_a_fit_that_draws_in_parts_is_as_good_and_deterministic(solver, few_at_once, monkeypatch, rng):
    X = rng.uniform(size=(1500, 2))
    som = TopographicMap(5, 5, solver=solver, max_iter=2, random_state=0)
    first, second = clone(som).fit(X), clone(som).fit(X)
    np.testing.assert_array_equal(first.codebook_, second.codebook_)
    monkeypatch.undo()
    at_once = clone(som).fit(X)
    assert (at_once.codebook_ != first.codebook_).any()
    assert first.quantization_error_ == pytest.approx(at_once.quantization_error_, rel=0.05)
