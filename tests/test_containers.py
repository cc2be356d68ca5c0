"""The same numbers in any container give the same map: one list of containers, and laws for all of them."""

import numpy as np
import pytest
import scipy.sparse
import torch
from containers import DENSE, LAZY, LAZY_FRAMES, SPARSE
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo.metrics import quantization_error, topographic_error

CONTAINERS = DENSE | SPARSE
EVERY = CONTAINERS | LAZY | LAZY_FRAMES


@pytest.fixture(params=EVERY.values(), ids=EVERY.keys())
def contained(request, tmp_path):
    return lambda X: request.param(X, tmp_path)


@pytest.fixture(params=CONTAINERS.values(), ids=CONTAINERS.keys())
def in_memory(request, tmp_path):
    return lambda X: request.param(X, tmp_path)


@pytest.fixture(scope="module", params=["batch", "stream", "gradient"])
def solver(request):
    return request.param


@pytest.fixture(scope="module", params=[2, 1])
def p(request):
    return request.param


@pytest.fixture(scope="module")
def amounts():
    """Amounts, most of them zero, no two alike: nothing is decided by a tie."""
    rng = np.random.default_rng(3)
    group = rng.integers(0, 4, 900)
    rates = rng.gamma(0.3, 1.0, size=(4, 40))
    return rng.poisson(rates[group]) * rng.uniform(0.5, 1.5, size=(900, 40))


def values_of(X):
    values = X.compute() if hasattr(X, "compute") else X
    return values.toarray() if scipy.sparse.issparse(values) else np.asarray(values)


# each solver and norm from a given start, and each start that the rows make
FITS = [(solver, p, "given") for solver in ("batch", "stream", "gradient") for p in (2, 1)]
FITS += [(solver, 2, init) for solver in ("batch", "stream") for init in ("pca", "random")] + [("gradient", 1, "pca")]


@pytest.fixture(scope="module", params=FITS, ids=lambda fit: "-".join(map(str, fit)))
def plain(request, amounts):
    """A map of the array, with which those of all containers are compared."""
    solver, p, init = request.param
    start = amounts[:20].copy() if init == "given" else init
    return TopographicMap(5, 4, solver=solver, p_norm=p, init=start, random_state=0, max_iter=4).fit(amounts)


def test_any_container_gives_the_same_map(contained, plain, amounts):
    other = clone(plain).fit(contained(amounts))
    # Adam's first steps are of full length, even where a start that was summed makes a gradient a rounding error
    loose = plain.solver == "gradient" and isinstance(plain.init, str)
    np.testing.assert_allclose(
        other.codebook_, plain.codebook_, rtol=1e-5, atol=1e-2 * amounts.max() if loose else 1e-9
    )
    labels = other.labels_ if hasattr(other, "labels_") else other.predict(contained(amounts))
    np.testing.assert_array_equal(labels, plain.labels_)
    np.testing.assert_allclose(other.loss_curve_, plain.loss_curve_, rtol=1e-4 if loose else 1e-6)
    assert other.quantization_error_ == pytest.approx(plain.quantization_error_, rel=1e-4 if loose else 1e-9)


@pytest.mark.filterwarnings("ignore:X has feature names, but TopographicMap was fitted without")
def test_any_container_gets_the_same_answers(contained, p, amounts):
    weight = np.linspace(0.1, 2, len(amounts))
    som, other = TopographicMap(5, 4, p_norm=p, max_iter=4).fit(amounts), contained(amounts)
    np.testing.assert_array_equal(som.predict(other), som.labels_)
    for output in ("coordinates", "activations", "distances"):
        som.set_params(output=output)
        np.testing.assert_allclose(som.transform(other), som.transform(amounts), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(som.score_samples(other), som.score_samples(amounts), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(som.hit_histogram(other), som.hit_histogram(amounts))
    assert som.score(other, sample_weight=weight) == pytest.approx(som.score(amounts, sample_weight=weight))
    assert quantization_error(som, other) == pytest.approx(som.quantization_error_, rel=1e-9)
    assert topographic_error(som, other) == topographic_error(som, amounts)


def test_any_container_continues_a_map(in_memory, amounts):
    plain, other = (TopographicMap(5, 4, random_state=0) for _ in range(2))
    for start in range(0, 900, 300):
        plain.partial_fit(amounts[start : start + 300])
        other.partial_fit(in_memory(amounts[start : start + 300]))
    np.testing.assert_allclose(other.codebook_, plain.codebook_, rtol=1e-5, atol=1e-9)


@pytest.fixture(scope="module")
def weight():
    return np.random.default_rng(0).uniform(size=900) * (np.arange(900) % 3 > 0)


@pytest.fixture(scope="module")
def weighted(solver, weight, amounts):
    som = TopographicMap(5, 4, solver=solver, init=amounts[:20].copy(), random_state=0, max_iter=3)
    return som.fit(amounts, sample_weight=weight)


def test_any_container_takes_weights(contained, weighted, weight, amounts):
    other = clone(weighted).fit(contained(amounts), sample_weight=weight)
    np.testing.assert_allclose(other.codebook_, weighted.codebook_, rtol=1e-5, atol=1e-9)


@pytest.fixture(scope="module")
def gaps(amounts):
    """Among stored values NaN is missing; what is not stored is zero."""
    return np.where(np.random.default_rng(0).uniform(size=amounts.shape) < 0.05, np.nan, amounts)


@pytest.fixture(scope="module", params=["nearest", "local"])
def gappy(request, solver, p, gaps, amounts):
    som = TopographicMap(5, 4, solver=solver, p_norm=p, winner=request.param, random_state=0)
    return som.set_params(init=amounts[:20].copy(), max_iter=2, output="activations").fit(gaps)


@pytest.mark.filterwarnings("ignore:X has feature names, but TopographicMap was fitted without")
def test_any_container_takes_gaps(contained, gappy, gaps):
    other = clone(gappy).fit(contained(gaps))
    np.testing.assert_allclose(other.codebook_, gappy.codebook_, rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(np.asarray(gappy.predict(contained(gaps))), gappy.labels_)
    np.testing.assert_allclose(gappy.transform(contained(gaps)), gappy.transform(gaps), rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module", params=[1, 2, 3, np.inf])
def normalized(request, amounts):
    som = TopographicMap(4, 4, normalize=True, p_norm=request.param, max_iter=3)
    return som.fit(amounts[amounts.any(axis=1)])


def test_any_container_is_normalized(contained, normalized, amounts):
    other = clone(normalized).fit(contained(amounts[amounts.any(axis=1)]))
    np.testing.assert_allclose(other.codebook_, normalized.codebook_, rtol=1e-5, atol=1e-9)


def test_no_container_is_touched(contained, amounts):
    X = contained(amounts)
    if type(X).__module__.startswith("dask"):  # what its tasks return may be held by others
        X = X.persist(scheduler="synchronous")
    before = X.copy() if scipy.sparse.issparse(X) else values_of(X).copy()
    TopographicMap(4, 4, max_iter=2, normalize=True).fit(X).transform(X)
    if scipy.sparse.issparse(X):
        for part in ("data", "indices", "indptr", "row", "col"):
            if hasattr(before, part):
                np.testing.assert_array_equal(getattr(X, part), getattr(before, part))
    else:
        np.testing.assert_array_equal(values_of(X), before)


def test_a_tensor_whose_signs_are_still_to_be_changed_is_taken(amounts):
    imaginary = torch.complex(torch.zeros(amounts.shape), torch.from_numpy(-amounts).float()).conj().imag
    som = TopographicMap(3, 4, solver="batch", init=imaginary[:12]).fit(imaginary)
    expected = TopographicMap(3, 4, solver="batch", init=amounts[:12]).fit(amounts.astype(np.float32))
    np.testing.assert_array_equal(som.codebook_, expected.codebook_)
    np.testing.assert_array_equal(som.predict(imaginary), expected.labels_)
