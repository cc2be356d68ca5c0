"""Sparse rows: what is particular to them."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
import torch
from oracles import distances
from settings import threads
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo._search import Search
from sktopo._sources import SparseSource
from sktopo._sparse import full_rows
from sktopo._sparse_search import SparseSearch

CPU = torch.device("cpu")


def chunk(X):
    return next(SparseSource(scipy.sparse.csr_array(X), None, CPU).chunks())[0]


def rows_of(fill, rng, dtype=np.float64):
    """150 rows of 60 values; what is nearly empty is searched for by a sparse product, what is full by a dense one."""
    share = {"nearly empty": 0.02, "full": 0.3, "some full": np.where(np.arange(150) % 3 == 0, 0.3, 0.02)[:, None]}
    return (rng.normal(size=(150, 60)) * (rng.uniform(size=(150, 60)) < share[fill])).astype(dtype)


@pytest.fixture(params=["nearly empty", "full", "some full"])
def fill(request):
    return request.param


@pytest.mark.parametrize("offset", [0.0, 1e8])
@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_the_search_equals_brute_force(offset, scale, p_norm, fill, rng):
    X = rows_of(fill, rng)
    X[:, 0] = np.round((offset + X[:, 0]) * 2**20) / 2**20
    W = X[rng.permutation(150)[:30]] + np.round(0.1 * rng.normal(size=(30, 60)) * 2**20) / 2**20
    W[5] = X[7]
    X, W = X * scale, W * scale
    search = Search(torch.from_numpy(W), p_norm, torch.float64)
    expected = distances(X / scale, W / scale, p_norm)
    best, units = search.two_best(chunk(X)).numpy(), search.bmu(chunk(X))
    np.testing.assert_array_equal(best[:, 0], units)
    np.testing.assert_array_equal(best, search.two_best(torch.from_numpy(X)).numpy())
    np.testing.assert_allclose(expected[np.arange(150), units], expected.min(axis=1), rtol=1e-9)
    np.testing.assert_allclose(search.distances(chunk(X)) / scale, expected, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(search.distance(chunk(X), units) / scale, expected.min(axis=1), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_rows_answer_never_depends_on_its_neighbors(fill, dtype, rng):
    X = scipy.sparse.csr_array(rows_of(fill, rng, dtype))
    som = TopographicMap(6, 5, max_iter=3, output="distances").fit(X)
    together, units = som.transform(X), som.predict(X)
    for rows in (slice(0, 1), slice(17, 18), slice(9, 10), slice(50, 121)):
        np.testing.assert_array_equal(som.transform(X[rows]), together[rows])
        np.testing.assert_array_equal(som.predict(X[rows]), units[rows])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_full_when_a_dense_product_is_faster(share, dtype):
    """Above 1/20 of the values in float32, and 1/10 in float64: 4 and 8 of 80."""
    X = np.zeros((100, 80), dtype=dtype)
    X[:, : 4 if dtype == np.float32 else 8] = 1
    X[: int(100 * share), 50] = 1
    np.testing.assert_array_equal(full_rows(chunk(X)), np.arange(100) < 100 * share)


@pytest.mark.parametrize("fractions", [False, True])
def test_neither_chunks_nor_row_order_nor_threads_change_a_bit(fractions, rng):
    X = scipy.sparse.random(900, 50, density=0.1, format="csr", random_state=0)
    weight = rng.uniform(size=900) if fractions else rng.integers(0, 4, 900)
    som = TopographicMap(4, 4, init=X[:16].toarray(), max_iter=4, solver="batch")
    whole = clone(som).fit(X, sample_weight=weight)
    order = rng.permutation(900)
    with threads(1):
        single = clone(som).fit(X, sample_weight=weight)
    small = clone(som).set_params(batch_size=64).fit(X, sample_weight=weight)
    for other in (single, small, clone(som).fit(X[order], sample_weight=weight[order])):
        np.testing.assert_array_equal(other.codebook_, whole.codebook_)


def test_integer_weights_equal_repeated_rows_to_the_bit(rng):
    X = scipy.sparse.random(200, 50, density=0.1, format="csr", random_state=0)
    weight = rng.integers(0, 4, 200)
    som = TopographicMap(4, 4, init=X[:16].toarray(), max_iter=4)
    repeated = clone(som).fit(X[np.repeat(np.arange(200), weight)])
    np.testing.assert_array_equal(clone(som).fit(X, sample_weight=weight).codebook_, repeated.codebook_)


def test_a_spread_of_the_units_is_compared_too(rng):
    X = rng.normal(size=(80, 100)) * (rng.uniform(size=(80, 100)) < 0.02)
    W, spread = 0.1 * rng.normal(size=(7, 100)), rng.uniform(size=7)
    dense = Search(torch.from_numpy(W), 2.0, torch.float64)
    found = SparseSearch(torch.from_numpy(W), 2.0, torch.from_numpy(spread)).best(chunk(X), 1, dense)[:, 0]
    np.testing.assert_array_equal(found, (distances(X, W, 2) ** 2 + spread**2).argmin(axis=1))


def test_stored_values_are_not_infinite():
    X = scipy.sparse.csr_array(np.eye(6))
    som = TopographicMap(2, 2).fit(X)
    X.data[3] = np.inf
    for ask in (som.predict, som.fit, som.score, som.partial_fit):
        with pytest.raises(ValueError, match="infinity"):
            ask(X)


@pytest.fixture
def gappy(rng):
    """A few stored values, and a few of which nothing is known."""
    X = rng.normal(size=(300, 40)) * (rng.uniform(size=(300, 40)) < 0.2)
    X[rng.uniform(size=X.shape) < 0.05] = np.nan
    return X


@pytest.mark.parametrize("fractions", [False, True])
@pytest.mark.parametrize("winner", ["nearest", "local"])
def test_stored_nan_is_missing_to_the_last_bit(gappy, fractions, winner, rng):
    """The sums of dense rows, in a frame that leaves zero at zero, are those of sparse ones: integers."""
    weight = rng.uniform(size=300) if fractions else rng.integers(0, 4, 300)
    low, high = np.full(40, -8.0), np.full(40, 8.0)  # the midranges are zero: one frame for both
    X, weight = np.vstack([gappy, low, high]), np.r_[weight, 1, 1]
    som = TopographicMap(4, 4, winner=winner, init=np.nan_to_num(X[:16]), max_iter=4, solver="batch")
    dense = clone(som).fit(X, sample_weight=weight)
    order = rng.permutation(302)
    for other in (
        clone(som).fit(scipy.sparse.csr_array(X), sample_weight=weight),
        clone(som).set_params(batch_size=64).fit(scipy.sparse.csr_array(X[order]), sample_weight=weight[order]),
    ):
        np.testing.assert_array_equal(other.codebook_, dense.codebook_)
        np.testing.assert_array_equal(other.unit_counts_, dense.unit_counts_)


@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize("share", [0.05, 0.3])
def test_moments_leave_out_what_is_missing(init, share, rng):
    X = rng.normal(size=(120, 1100)) * (rng.uniform(size=(120, 1100)) < share)  # a block power iteration
    X[rng.uniform(size=X.shape) < 0.02] = np.nan
    som = TopographicMap(3, 3, init=init, random_state=0, max_iter=2)
    dense, sparse = clone(som).fit(X), clone(som).fit(scipy.sparse.csr_array(X))
    np.testing.assert_allclose(sparse.codebook_, dense.codebook_, rtol=1e-6, atol=1e-9)


def test_rows_and_columns_that_hold_nothing_are_named(gappy):
    X, weight = gappy.copy(), np.ones(300)
    som = TopographicMap(2, 2, max_iter=1).fit(scipy.sparse.csr_array(X))
    X[7] = np.nan
    for ask in (som.predict, som.fit, som.score, som.partial_fit):
        with pytest.raises(ValueError, match=r"Every value in row 7 of X is missing"):
            ask(scipy.sparse.csr_array(X))
    X = gappy.copy()
    X[5:, 3], X[:5, 3], weight[:5] = np.nan, 1, 0
    with pytest.raises(ValueError, match=r"Every value in column 3 of X is missing"):
        som.fit(scipy.sparse.csr_array(X), sample_weight=weight)
    assert np.isfinite(som.score(scipy.sparse.csr_array(X)))


WIDE = """
import sys
from pathlib import Path
import numpy as np, scipy.sparse
from sktopo import TopographicMap
Path("/proc/self/clear_refs").write_text("5")  # forgets the peak, which a child inherits from the tests' process
n, d, m = map(int, sys.argv[1:4])
rng = np.random.default_rng(0)
group = rng.integers(0, 20, n)
columns = (rng.integers(0, d // 20, (n, m)) + (d // 20) * group[:, None]).astype(np.int32)
X = scipy.sparse.csr_array((np.ones(n * m, np.float32), columns.ravel(), np.arange(0, n * m + 1, m)), shape=(n, d))
parameters = {"init": "random", "winner": "local", "temperature": 0.05, "max_iter": 1} if sys.argv[5] == "soft" else {}
height = 3 if parameters else 8
som = TopographicMap(height, height, solver=sys.argv[4], random_state=0, **parameters).fit(X)
som.transform(X)
pure = np.mean([np.bincount(group[som.labels_ == u]).max() / (som.labels_ == u).sum() for u in np.unique(som.labels_)])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) / 1024, pure)
"""


def peak_and_purity(*arguments, **variables):
    command, variables = [sys.executable, "-c", WIDE, *arguments], os.environ | variables
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
    return map(float, run.stdout.split())


@pytest.mark.parametrize("solver", ["batch", "stream"])
def test_wide_rows_are_never_made_dense(solver):
    """6 000 x 20 000 would be 960 MB; docs/how-to/sparse-data.md has 200 000 rows."""
    peak, pure = peak_and_purity("6000", "20000", "20", solver, "hard")
    assert peak < 900  # MB, with 350 of them for the imports
    assert pure > 0.8


@pytest.mark.parametrize("solver", ["batch", "stream"])
def test_wide_rows_that_units_share_are_made_dense_a_few_at_a_time(solver):
    """6 000 x 10 000 would be 480 MB in float64, several times over, and so would the tables of all blocks of rows."""
    # freed memory is given back at once: else, by chance, glibc does not find the holes that blocks have left
    variables = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    peak, _ = peak_and_purity("6000", "10000", "20", solver, "soft", **variables)
    assert peak < 600
