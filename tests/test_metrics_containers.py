"""Every measure and picture: the same in any container, on any lattice; by definition where values are missing."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from containers import DENSE, LAZY, LAZY_FRAMES, SPARSE
from oracles import (
    ARRANGEMENTS,
    lattice_distances,
    neighborhood_matrix,
    neighbors_of,
    reported_distances,
    shortest_paths,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from sktopo import TopographicMap
from sktopo.metrics import (
    combined_error,
    continuity,
    distortion,
    explained_variance,
    hit_entropy,
    neg_combined_error_scorer,
    neg_quantization_error_scorer,
    neg_topographic_error_scorer,
    quantization_error,
    topographic_error,
    trustworthiness,
    trustworthiness_scorer,
)
from sktopo.plotting import HitHistogramDisplay, LabelMapDisplay, to_html
from sktopo.plotting._content import Content

CONTAINERS = DENSE | SPARSE | LAZY | LAZY_FRAMES
MEANS = (quantization_error, topographic_error, distortion, explained_variance, combined_error, hit_entropy)
RANKS = (trustworthiness, continuity)
SCORERS = (
    neg_quantization_error_scorer,
    neg_topographic_error_scorer,
    neg_combined_error_scorer,
    trustworthiness_scorer,
)

pytestmark = pytest.mark.filterwarnings("ignore:X has feature names, but TopographicMap was fitted without")


@pytest.fixture(params=CONTAINERS.values(), ids=CONTAINERS.keys())
def contained(request, tmp_path):
    return lambda X: request.param(X, tmp_path)


@pytest.fixture(params=(DENSE | LAZY | LAZY_FRAMES).values(), ids=(DENSE | LAZY | LAZY_FRAMES).keys())
def contained_gaps(request, tmp_path):
    """Containers that can hold NaN for a missing value."""
    return lambda X: request.param(X, tmp_path)


@pytest.fixture(
    scope="module", params=ARRANGEMENTS, ids=lambda shape: f"{shape[0]}-{'torus' if shape[1] else 'planar'}"
)
def shape(request):
    return request.param


@pytest.fixture(scope="module")
def amounts():
    """Amounts, most of them zero, no two alike: nothing is decided by a tie."""
    rng = np.random.default_rng(3)
    group = rng.integers(0, 4, 600)
    rates = rng.gamma(0.3, 1.0, size=(4, 20))
    return rng.poisson(rates[group]) * rng.uniform(0.5, 1.5, size=(600, 20))


def a_map(X, shape, **parameters):
    """A map that folds somewhere, so that no measure is at its limit."""
    lattice, periodic = shape
    return TopographicMap(6, 5, lattice=lattice, periodic=periodic, sigma_final=0.4, **parameters).fit(X)


def measures_of(som, X, measures, **options):
    return {measure.__name__: measure(som, X, **options) for measure in measures}


@pytest.fixture(scope="module", params=[*zip(ARRANGEMENTS, (2, 1, 1, 2), strict=True)], ids=lambda kind: f"p{kind[1]}")
def measured(request, amounts):
    """A map of the array, and what its measures say of it."""
    shape, p = request.param
    som = a_map(amounts, shape, p_norm=p)
    return som, measures_of(som, amounts, (*MEANS, *RANKS, *SCORERS))


def test_any_container_measures_the_same(contained, measured, amounts):
    som, expected = measured
    values = measures_of(som, contained(amounts), (*MEANS, *RANKS, *SCORERS))
    assert values == pytest.approx(expected, rel=1e-9)
    for value in values.values():
        assert type(value) is float
        assert 0 < abs(value) != 1


@pytest.fixture(scope="module")
def counts(amounts):
    return np.random.default_rng(0).integers(0, 4, len(amounts))


@pytest.fixture(scope="module")
def repeated(shape, amounts, counts):
    """A map of the array, and what its measures say of rows that are there several times."""
    som = a_map(amounts, shape)
    return som, measures_of(som, np.repeat(amounts, counts, axis=0), MEANS)


def test_any_container_takes_weights(contained, repeated, counts, amounts):
    som, expected = repeated
    values = measures_of(som, contained(amounts), MEANS, sample_weight=counts)
    assert values == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["csr array", "pandas", "memmap"])
def test_any_container_passes_through_a_pipeline(amounts, tmp_path, kind):
    X = CONTAINERS[kind](amounts, tmp_path)
    model = make_pipeline(MaxAbsScaler(), TopographicMap(6, 5, sigma_final=0.4)).fit(X)
    scaled = amounts / model[0].scale_
    for measure in (*MEANS, *RANKS, *SCORERS):
        assert measure(model, X) == pytest.approx(measure(model[-1], scaled), rel=1e-9), measure.__name__


def naive_means(X, weight, som, shape, p):
    """The measures by their definitions, loop by loop, over what is observed."""
    hexagonal, periodic = shape[0] == "hexagonal", shape[1]
    W = som.codebook_
    apart = reported_distances(X, W, p)
    best, second = apart.argsort(axis=1, kind="stable")[:, :2].T
    near = neighbors_of(6, 5, hexagonal, periodic)
    H = neighborhood_matrix("gaussian", lattice_distances(6, 5, hexagonal, periodic), som.sigma_)
    to_best = apart.min(axis=1)
    observed = np.where(np.isnan(X), 0, 1) * weight[:, None]
    mean = (np.nan_to_num(X) * observed).sum(axis=0) / observed.sum(axis=0)
    ways = shortest_paths(W, near, p)
    share = np.bincount(best, weights=weight, minlength=len(W)) / weight.sum()
    spread = np.average(reported_distances(X, mean[None], p)[:, 0] ** 2, weights=weight)
    return {
        quantization_error: np.average(to_best, weights=weight),
        topographic_error: np.average([s not in near[b] for b, s in zip(best, second, strict=True)], weights=weight),
        distortion: np.average([H[b] @ d**2 for b, d in zip(best, apart, strict=True)], weights=weight),
        explained_variance: 1 - np.average(to_best**2, weights=weight) / spread,
        combined_error: np.average(to_best + ways[best, second], weights=weight),
        hit_entropy: -sum(s * np.log(s) for s in share if s > 0) / np.log(len(W)),
    }


@pytest.fixture(scope="module")
def gaps():
    """Rows of which a fifth is missing, none of them wholly."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(150, 6)) * [3, 2, 1, 1, 1, 1] + rng.integers(0, 3, (150, 1))
    X[rng.random(X.shape) < 0.2] = np.nan
    X[np.isnan(X).all(axis=1), 0] = 0.5
    return X


def test_measures_of_missing_values_equal_the_loop(gaps, shape, p_norm):
    som = a_map(gaps, shape, p_norm=p_norm)
    weight = np.linspace(0, 3, len(gaps))
    for weights in (np.ones(len(gaps)), weight):
        for measure, expected in naive_means(gaps, weights, som, shape, p_norm).items():
            value = measure(som, gaps, sample_weight=weights)
            assert value == pytest.approx(expected, rel=1e-9), measure.__name__
    for scorer, measure in zip(SCORERS[:3], (quantization_error, topographic_error, combined_error), strict=True):
        assert scorer(som, gaps) == -measure(som, gaps)


@pytest.fixture(scope="module")
def gappy(shape, gaps):
    """A map of the array, what its measures say of it, and of rows that are there several times."""
    som, counts = a_map(gaps, shape), np.random.default_rng(0).integers(0, 4, len(gaps))
    return som, counts, measures_of(som, gaps, MEANS), measures_of(som, np.repeat(gaps, counts, axis=0), MEANS)


def test_any_container_of_missing_values_measures_the_same(contained_gaps, gaps, gappy):
    som, counts, once, often = gappy
    assert measures_of(som, contained_gaps(gaps), MEANS) == pytest.approx(once, rel=1e-9)
    assert measures_of(som, contained_gaps(gaps), MEANS, sample_weight=counts) == pytest.approx(often, rel=1e-9)


@pytest.mark.parametrize("shape", ARRANGEMENTS[1:2])
def test_any_container_gives_the_same_pictures(contained, shape, amounts, tmp_path):
    check_pictures(a_map(amounts, shape), contained(amounts), amounts, tmp_path)


@pytest.mark.parametrize("shape", ARRANGEMENTS[2:3])
def test_any_container_of_missing_values_gives_the_same_pictures(contained_gaps, shape, gaps, tmp_path):
    check_pictures(a_map(gaps, shape), contained_gaps(gaps), gaps, tmp_path)


def check_pictures(som, samples, X, folder):
    """Hits, pies, labels and page of some samples are those of their nearest prototypes."""
    y, weight = np.arange(len(X)) % 3, np.arange(len(X)) % 4
    bmu = reported_distances(X, som.codebook_, 2).argmin(axis=1)
    counts = np.zeros((30, 3))
    for unit, label in zip(bmu, y, strict=True):
        counts[unit, label] += 1
    hits = HitHistogramDisplay.from_estimator(som, samples, sample_weight=weight).hits
    np.testing.assert_array_equal(hits.ravel(), np.bincount(bmu, weights=weight, minlength=30))
    np.testing.assert_array_equal(HitHistogramDisplay.from_estimator(som, samples, y).class_counts, counts)
    majority = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
    np.testing.assert_array_equal(LabelMapDisplay.from_estimator(som, samples, y).labels_, majority)
    plt.close("all")
    content = Content.of(som, samples, y, None)
    np.testing.assert_array_equal(content.hits, counts.sum(axis=1))
    np.testing.assert_array_equal(content.label, majority)
    np.testing.assert_array_equal(content.rows.unit, bmu)
    np.testing.assert_allclose(np.transpose(content.rows.values), X, rtol=1e-6)
    to_html(som, samples, y, path=folder / "map.html")
    assert "NaN" not in (folder / "map.html").read_text(encoding="utf-8").partition('type="application/json"')[2]
