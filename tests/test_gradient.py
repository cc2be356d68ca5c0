"""Training by gradients, as a user of the estimator meets it."""

import numpy as np
import pytest
import torch
from oracles import ARRANGEMENTS, distances, lattice_distances, neighborhood_matrix
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo.metrics import topographic_error
from sktopo.solvers._gradient import default_passes

# maps that collapse obey the same laws
pytestmark = pytest.mark.filterwarnings("ignore:temperature=.* is above the critical one")


def distortion(som, X, p):
    """Mean neighborhood-weighted squared p-distance to the prototypes around the nearest one, with loops' matrices."""
    H = neighborhood_matrix("gaussian", lattice_distances(som.height_, som.width_, False, False), som.sigma_)
    squares = distances(X, som.codebook_, p) ** 2
    return (H[squares.argmin(axis=1)] * squares).sum(axis=1).mean()


def test_the_hard_map_is_as_accurate_as_the_batch_solvers(digits):
    X = digits[0]
    batch = TopographicMap(10, 10, solver="batch").fit(X)
    gradient = TopographicMap(10, 10, solver="gradient", max_iter=25, random_state=0).fit(X)
    assert gradient.quantization_error_ < 1.05 * batch.quantization_error_
    assert topographic_error(gradient, X) < topographic_error(batch, X) + 0.03


def test_the_free_energy_orders_the_map_and_softmin_alone_does_not(digits):
    X = digits[0]
    som = TopographicMap(10, 10, solver="gradient", winner="local", temperature=20.0, max_iter=12, random_state=0)
    som.set_params(init="random")
    assert topographic_error(clone(som).fit(X), X) < 0.10
    softmin = clone(som).set_params(sigma_initial=1e-3, sigma_final=1e-3).fit(X)
    assert topographic_error(softmin, X) > 0.9


@pytest.mark.parametrize("p", [1, 3])
def test_other_norms_reach_a_lower_distortion_than_the_mean_update(p):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    X[:30] *= 10  # outliers
    mean_update = TopographicMap(6, 6, p_norm=p, solver="batch").fit(X)
    gradient = TopographicMap(6, 6, p_norm=p, solver="gradient", random_state=0).fit(X)
    assert gradient.sigma_ == mean_update.sigma_
    assert distortion(gradient, X, p) < distortion(mean_update, X, p)


@pytest.mark.parametrize("temperature", [0.0, 0.05])
@pytest.mark.parametrize(("lattice", "periodic"), ARRANGEMENTS)
@pytest.mark.parametrize("normalize", [False, True])
def test_every_map_trains_by_gradients(iris, lattice, periodic, temperature, normalize):
    X = iris[0]
    options = {"lattice": lattice, "periodic": periodic, "winner": "local", "normalize": normalize, "max_iter": 8}
    som = TopographicMap(4, 5, **options, temperature=temperature * 0.01 if normalize else temperature)
    som.set_params(solver="gradient", random_state=0).fit(X)
    np.testing.assert_array_equal(som.labels_, som.predict(X))
    assert som.loss_curve_[-1] < som.loss_curve_[0]
    assert len(som.loss_curve_) == som.n_iter_ == 8
    assert som.sigma_ == 0.5
    if normalize:
        np.testing.assert_allclose(np.linalg.norm(som.codebook_, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_seed_gives_the_same_map(iris, dtype):
    X = iris[0].astype(dtype)
    som = TopographicMap(4, 4, solver="gradient", max_iter=2.5, random_state=3)
    first = clone(som).fit(X)
    with torch.no_grad(), torch.inference_mode():
        again = clone(som).fit(X)
    np.testing.assert_array_equal(first.codebook_, again.codebook_)
    assert first.codebook_.dtype == dtype
    assert first.n_iter_ == pytest.approx(2.5)
    assert (clone(som).set_params(random_state=4).fit(X).codebook_ != first.codebook_).any()


@pytest.mark.parametrize("scale", [2.0**-600, 2.0**-100, 2.0**100, 2.0**600])  # 2^1200 is beyond float64
def test_values_of_any_size_train_alike(iris, scale):
    som = TopographicMap(4, 4, solver="gradient", max_iter=3, random_state=0)
    plain, scaled = clone(som).fit(iris[0]), clone(som).fit(iris[0] * scale)
    assert scaled.quantization_error_ / scale == pytest.approx(plain.quantization_error_, rel=1e-9)


def test_rows_without_weight_are_absent_and_partial_fit_goes_on(iris):
    middle = np.median(iris[0][:, 2])
    counts = iris[0][:, 2] > middle
    som = TopographicMap(4, 4, solver="gradient", max_iter=60, random_state=0)
    som.fit(iris[0], sample_weight=counts)
    assert som.codebook_[:, 2].min() > middle
    assert som.unit_counts_.sum() == pytest.approx(counts.sum())
    before = som.score(iris[0])
    assert som.partial_fit(iris[0]).score(iris[0]) > before + 0.1


def test_the_number_of_passes_falls_with_the_number_of_rows():
    assert default_passes(150, 100) == 100
    assert default_passes(10_000, 100) == 10
    assert default_passes(10_000, 1000) == 30
    assert default_passes(10**7, 100) == 1


@pytest.mark.parametrize(("scale", "temperature"), [(1e-20, 1.0), (1e-19, 1.0), (1e-300, 1e-3)])
def test_a_temperature_beyond_any_distance_puts_all_prototypes_at_the_mean(iris, scale, temperature):
    X = iris[0] * scale
    X = X if scale < 1e-40 else X.astype(np.float32)
    som = TopographicMap(3, 3, winner="local", temperature=temperature, solver="gradient", random_state=0, max_iter=60)
    som.fit(X)
    np.testing.assert_allclose(som.codebook_ / scale, np.tile(iris[0].mean(axis=0), (9, 1)), atol=0.4)
    np.testing.assert_allclose(som.loss_curve_, -2 * temperature * np.log(9))
