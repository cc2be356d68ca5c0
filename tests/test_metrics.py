import numpy as np
import pytest
from minisom import MiniSom
from oracles import distances, lattice_distances
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.metrics import quantization_error, topographic_error


def with_minisoms_codebook(X, lattice, height, width):
    """A MiniSom and a map of ours that hold the same codebook."""
    # MiniSom's x is our row; its hexagonal lattice shifts the other rows, so columns are mirrored
    rival = MiniSom(height, width, X.shape[1], topology=lattice, random_seed=0, sigma=1.5)
    rival.train(X, 300)
    som = TopographicMap(height, width, lattice=lattice, max_iter=1).fit(X)
    som.codebook_ = rival.get_weights().reshape(height * width, -1)
    return rival, som


@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
def test_quantization_error_is_minisoms(iris, lattice):
    X = iris[0]
    rival, som = with_minisoms_codebook(X, lattice, 6, 5)
    assert quantization_error(som, X) == pytest.approx(rival.quantization_error(X), rel=1e-12)


def test_topographic_error_is_minisoms_on_rectangles(digits):
    X = digits[0]
    rival, som = with_minisoms_codebook(X, "rectangular", 7, 9)
    assert topographic_error(som, X) == pytest.approx(rival.topographic_error(X), abs=1e-12)


@pytest.mark.parametrize(
    ("lattice", "periodic", "neighbors", "order"),
    [
        ("rectangular", False, 8, np.inf),
        ("rectangular", False, 4, 1),
        ("rectangular", True, 8, np.inf),
        ("rectangular", True, 4, 1),
        ("hexagonal", False, 6, 2),
        ("hexagonal", True, 6, 2),
    ],
)
def test_topographic_error_equals_the_loop(digits, lattice, periodic, neighbors, order):
    X = digits[0][:300]
    som = TopographicMap(6, 5, lattice=lattice, periodic=periodic, sigma_final=0.3).fit(X)
    apart = lattice_distances(6, 5, lattice == "hexagonal", periodic, order)
    best = distances(X, som.codebook_, 2).argsort(axis=1)[:, :2]
    folded = apart[best[:, 0], best[:, 1]] > 1.001
    weight = np.arange(300.0)
    assert topographic_error(som, X, neighbors=neighbors) == pytest.approx(folded.mean(), rel=1e-12)
    assert topographic_error(som, X, neighbors=neighbors, sample_weight=weight) == pytest.approx(
        np.average(folded, weights=weight), rel=1e-12
    )
    assert 0 < folded.mean() < 1


def test_weighted_quantization_error_equals_the_loop(iris, p_norm):
    X = iris[0]
    som = TopographicMap(4, 4, p_norm=p_norm).fit(X)
    weight = np.linspace(0, 3, len(X))
    nearest = distances(X, som.codebook_, p_norm).min(axis=1)
    expected = np.average(nearest, weights=weight)
    assert quantization_error(som, X, sample_weight=weight) == pytest.approx(expected, rel=1e-12)
    assert som.score(X, sample_weight=weight) == pytest.approx(-expected, rel=1e-12)
    np.testing.assert_allclose(som.score_samples(X), -nearest, rtol=1e-12)


def test_a_pipeline_is_accepted(iris):
    X = iris[0]
    model = make_pipeline(StandardScaler(), TopographicMap(4, 4)).fit(X)
    scaled = model[0].transform(X)
    assert quantization_error(model, X) == quantization_error(model[-1], scaled)
    assert topographic_error(model, X) == topographic_error(model[-1], scaled)
    alone = make_pipeline(TopographicMap(4, 4)).fit(X)
    assert quantization_error(alone, X) == -alone.score(X)


def test_a_map_of_one_unit_has_no_topographic_error(iris):
    assert topographic_error(TopographicMap(1, 1).fit(iris[0]), iris[0]) == 0


@pytest.mark.parametrize(("lattice", "neighbors"), [("hexagonal", 4), ("hexagonal", 8), ("rectangular", 6)])
def test_unknown_neighbors_are_refused(iris, lattice, neighbors):
    som = TopographicMap(3, 3, lattice=lattice).fit(iris[0])
    with pytest.raises(ValueError, match=f"neighbors={neighbors}"):
        topographic_error(som, iris[0], neighbors=neighbors)


def test_python_floats_come_back(iris):
    som = TopographicMap(3, 3).fit(iris[0].astype(np.float32))
    assert {type(f(som, iris[0])) for f in (quantization_error, topographic_error)} == {float}
    assert type(som.score(iris[0])) is float
    assert type(som.quantization_error_) is float


def test_other_estimators_are_refused(iris):
    with pytest.raises(TypeError, match="A TopographicMap, or a Pipeline that ends in one, is needed"):
        quantization_error(KMeans(2, n_init=1, random_state=0).fit(iris[0]), iris[0])
