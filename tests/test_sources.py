import numpy as np
import pytest
import torch

from sktopo._sources import ArraySource

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
