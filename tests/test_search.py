from functools import partial

import numpy as np
import pytest
import torch
from oracles import distances
from settings import threads

from sktopo._local_scores import local_scores
from sktopo._search import Search


def search(W, p=2.0, dtype=torch.float64, make_scores=None):
    return Search(torch.from_numpy(np.asarray(W)), p, dtype, make_scores=make_scores)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 2), (200, 17, 15), (70, 300, 40), (100, 784, 9)])
def test_best_two_equal_brute_force(shape, p_norm, rng):
    n, d, k = shape
    X, W = rng.normal(size=(n, d)), rng.normal(size=(k, d))
    order = distances(X, W, p_norm).argsort(axis=1, kind="stable")
    ready = search(W, p_norm)
    np.testing.assert_array_equal(ready.bmu(torch.from_numpy(X)).numpy(), order[:, 0])
    if k > 1:
        np.testing.assert_array_equal(ready.two_best(torch.from_numpy(X)).numpy(), order[:, :2])


def excess(X, W, unit):
    """How far the chosen squared distance exceeds the least one, in the measure of the contract."""
    wide, prototypes = X.astype(np.float64), W.astype(np.float64)
    sq = distances(wide, prototypes, 2) ** 2
    center = prototypes.mean(axis=0)
    measure = ((wide - center) ** 2).sum(axis=1) + ((prototypes - center) ** 2).sum(axis=1).max()
    return ((sq[np.arange(len(X)), unit] - sq.min(axis=1)) / measure).max()


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("d", [2, 64, 1000])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_the_winner_is_nearest_to_the_stated_precision(dtype, bound, d, offset, rng):
    X, W = (rng.normal(size=(n, d)) + offset for n in (300, 50))
    X, W = X.astype(dtype), W.astype(dtype)
    unit = search(W, dtype=torch.from_numpy(X).dtype).bmu(torch.from_numpy(X)).numpy()
    assert excess(X, W, unit) <= bound


def test_ties_go_to_the_lowest_unit(p_norm, rng):
    W = np.repeat(rng.integers(-3, 4, size=(20, 6)), 3, axis=0).astype(np.float64)
    X = rng.integers(-3, 4, size=(300, 6)).astype(np.float64)
    winners = search(W, p_norm).bmu(torch.from_numpy(X)).numpy()
    assert (winners % 3 == 0).all()


@pytest.mark.parametrize("container", ["dense", "gaps", "sparse", "full sparse"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("k", "d"), [(17, 3), (35, 330), (200, 9)])
def test_of_equal_prototypes_the_lower_units_win(container, dtype, k, d, rng):
    """A product may sum its last columns in another order, so copies stand far from their originals."""
    X = torch.from_numpy(rng.normal(size=(300, d))).to(dtype)
    W = torch.from_numpy(rng.normal(size=(k, d))).to(dtype)
    if container == "gaps":
        X[::3, 0] = torch.nan
    elif container == "sparse":
        X[:, 2 + d // 50 :] = 0  # in 330 columns, few enough for a sparse product
    ready = search(torch.cat([W, W]).numpy(), dtype=dtype)
    rows = X.to_sparse() if "sparse" in container else X
    first, second = ready.two_best(rows).T
    assert torch.equal(ready.bmu(rows), first)
    assert (first < k).all()
    assert torch.equal(second, first + k)


def halfway_to_the_mean(values):
    return (values + values.mean(dim=0)) / 2


RULES = {"nearest": None, "local": partial(local_scores, average=halfway_to_the_mean)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("p", "k", "d"),
    [
        *((2.0, k, d) for k in (1, 2, 9, 17, 35, 100, 195, 399) for d in (3, 20, 64, 784)),
        *((p, 35, 20) for p in (1.0, 1.5, 2.3, 3.0, 10.0, np.inf)),
    ],
)
def test_a_rows_answer_never_depends_on_its_neighbors(p, k, d, rule, gaps, dtype, rng):
    X, W = torch.from_numpy(rng.normal(size=(150, d)).astype(dtype)), rng.normal(size=(k, d)).astype(dtype)
    if gaps:
        some = torch.from_numpy(rng.random((75, d - 1)) < 0.2)
        X[::2, 1:] = X[::2, 1:].masked_fill(some, torch.nan)
    ready = search(W, p, X.dtype, RULES[rule])
    together, own = ready.distances(X), ready.distance(X, ready.bmu(X))
    for rows in (slice(0, 1), slice(17, 18), slice(3, 90), slice(4, 60), slice(100, 150)):
        assert torch.equal(ready.distances(X[rows]), together[rows])
        assert torch.equal(ready.distance(X[rows], ready.bmu(X[rows])), own[rows])


def test_answers_do_not_depend_on_the_number_of_threads(rng):
    X, W = torch.from_numpy(rng.normal(size=(500, 784)).astype(np.float32)), rng.normal(size=(100, 784))
    results = []
    for n in (1, 2, 3):
        with threads(n):
            results.append(search(W, dtype=torch.float32).distances(X))
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_distances_equal_the_loop(p_norm, rng):
    X, W = rng.normal(size=(40, 8)) + 100, rng.normal(size=(30, 8)) + 100
    X[3] = W[4]  # a sample on a prototype
    result = search(W, p_norm).distances(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(result, distances(X, W, p_norm), rtol=1e-9, atol=1e-9)
    assert result[3, 4] == 0


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, np.inf])
@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_huge_and_tiny_values_find_the_same_units(p, scale, rng):
    X, W = rng.normal(size=(50, 4)), rng.normal(size=(20, 4))
    plain = search(W, p).bmu(torch.from_numpy(X))
    assert torch.equal(search(W * scale, p).bmu(torch.from_numpy(X * scale)), plain)


@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_samples_far_outside_the_codebook_have_finite_distances(p, rng):
    X = torch.tensor([[3e38, -3e38], [1.0, 1.0]])
    W = torch.from_numpy(rng.normal(size=(20, 2)).astype(np.float32))
    wide = Search(W, p, torch.float64).distances(X)
    expected = distances(X.numpy(), W.numpy(), p)
    np.testing.assert_allclose(wide.numpy(), expected, rtol=1e-6)
    narrow = Search(W, p, torch.float32)
    assert narrow.bmu(X)[1] == expected[1].argmin()
    assert torch.isfinite(narrow.distance(X, narrow.bmu(X))).all()


def test_no_rows_have_no_units(rng):
    search = Search(torch.from_numpy(rng.normal(size=(5, 3))), 2.0, torch.float64)
    none = torch.empty(0, 3, dtype=torch.float64)
    assert search.bmu(none).shape == (0,)
    assert search.two_best(none).shape == (0, 2)
    assert search.distances(none).shape == (0, 5)
