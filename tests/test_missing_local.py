"""Missing values under the local winner, hard and soft: as exact as under the nearest one."""

import numpy as np
import pytest
import torch
from oracles import (
    arranged_matrix,
    lattice_distances,
    masked_distances,
    masked_local_errors,
    masked_local_step,
    neighborhood_matrix,
    responsibilities,
    unit_norm,
    with_gaps,
)
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo._assignment import WINNERS, Averaging
from sktopo._search import Search
from sktopo._smoothing import make_smoother
from sktopo.distances import normalized_observed
from sktopo.lattices import HexagonalLattice, RectangularLattice
from sktopo.neighborhoods import NEIGHBORHOODS
from sktopo.nn import TopographicLayer

# maps that collapse obey the same laws
pytestmark = pytest.mark.filterwarnings("ignore:temperature=.* is above the critical one")

TEMPERATURES = [0.0, 0.2]


@pytest.fixture(params=TEMPERATURES)
def temperature(request):
    return request.param


@pytest.fixture
def gappy(rng):
    return with_gaps(rng.normal(size=(70, 5)), 0.3, rng)


def local(arrangement, temperature, sigma=1.3, **options):
    settings = {"sigma_initial": sigma, "sigma_final": sigma, "winner": "local", "temperature": temperature}
    return TopographicMap(4, 3, **arrangement, **{**settings, **options})


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("kind", [RectangularLattice, HexagonalLattice])
def test_the_search_equals_the_loops(kind, p_norm, normalize, rng):
    X, W = with_gaps(rng.normal(size=(90, 6)), 0.4, rng), rng.normal(size=(20, 6))
    W[3, :3], X[0] = 0, [1, np.nan, np.nan, np.nan, np.nan, np.nan]  # nothing of that prototype is seen in that row
    if normalize:
        X, W = normalized_observed(torch.from_numpy(X), p_norm).numpy(), unit_norm(W, p_norm)
    smooth = make_smoother(kind(4, 5), NEIGHBORHOODS["gaussian"]).at(1.1)
    average = Averaging(smooth, torch.zeros(1, dtype=torch.float64), 20).average
    scores = WINNERS["local"].scores(average)
    search = Search(torch.from_numpy(W), p_norm, torch.float64, make_scores=scores, normalize=normalize)
    H = neighborhood_matrix("gaussian", lattice_distances(4, 5, kind is HexagonalLattice, False), 1.1)
    errors = masked_local_errors(X, W, H, p_norm, normalize)
    np.testing.assert_array_equal(search.bmu(torch.from_numpy(X)).numpy(), errors.argmin(axis=1))
    np.testing.assert_allclose(search.distances(torch.from_numpy(X)).numpy() ** 2, errors, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["batch", "stream"])
@pytest.mark.parametrize("p", [2, 1, 3, np.inf])
def test_a_pass_equals_the_loops(gappy, arrangement, temperature, solver, p, rng):
    weight, W = rng.uniform(0.5, 2, size=70), rng.normal(size=(12, 5)) * 0.4
    if solver == "stream":  # draws rows in proportion to their weights, so all weigh the same here
        weight = np.ones(70)
    som = local(arrangement, temperature, init=W, p_norm=p, solver=solver, max_iter=1, batch_size=70)
    som.fit(gappy, sample_weight=weight)
    expected, _ = masked_local_step(gappy, weight, W, arranged_matrix((4, 3), arrangement, 1.3), temperature, p)
    np.testing.assert_allclose(som.codebook_, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(som.unit_counts_.sum(axis=0), weight @ ~np.isnan(gappy))
    np.testing.assert_allclose(som.unit_sums_.sum(axis=0), weight @ np.nan_to_num(gappy), atol=1e-12)


def test_several_passes_and_their_losses_equal_the_loops(gappy, arrangement, neighborhood, temperature, rng):
    weight, W, losses = rng.integers(0, 3, 70) * 1.0, rng.normal(size=(12, 5)) * 0.4, []
    som = local(arrangement, temperature, init=W, sigma_initial=1.6, sigma_final=1.2, max_iter=4)
    som.set_params(neighborhood=neighborhood).fit(gappy, sample_weight=weight)
    for sigma in (1.6 * (1.2 / 1.6) ** min(1, t / 0.8) for t in (0, 1 / 3, 2 / 3, 1)):
        H = arranged_matrix((4, 3), arrangement, sigma, neighborhood)
        W, loss = masked_local_step(gappy, weight, W, H, temperature)
        losses.append(loss)
    np.testing.assert_allclose(som.codebook_, W, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(som.loss_curve_, losses, rtol=1e-9)
    apart = masked_distances(gappy, som.codebook_, 2)  # under a bubble prototypes may be equal, up to rounding
    np.testing.assert_allclose(apart[np.arange(70), som.labels_], apart.min(axis=1), rtol=1e-9)


@pytest.mark.parametrize("solver", ["batch", "stream"])
def test_rows_are_normalized_over_what_they_show(gappy, arrangement, temperature, solver, rng):
    W = unit_norm(rng.normal(size=(12, 5)), 2)
    som = local(arrangement, temperature * 0.1, init=W, normalize=True, solver=solver, max_iter=1, batch_size=70)
    som.fit(gappy * 7)
    X = normalized_observed(torch.from_numpy(gappy), 2.0).numpy()
    H = arranged_matrix((4, 3), arrangement, 1.3)
    expected, _ = masked_local_step(X, np.ones(70), W, H, temperature * 0.1, normalize=True)
    np.testing.assert_allclose(som.codebook_, unit_norm(expected, 2), rtol=1e-9, atol=1e-12)


def test_the_energy_never_rises(arrangement, neighborhood, temperature):
    """30 steps of batch EM with gaps and weights from random starts in each of the 24 cases."""
    steps = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X, weight = with_gaps(rng.normal(size=(70, 4)) * [2, 1, 0.5, 1], 0.35, rng), rng.integers(1, 5, 70) * 0.5
        som = local(arrangement, temperature, rng.uniform(0.6, 2.0), init=rng.normal(size=(12, 4)), max_iter=7)
        change = np.diff(som.set_params(neighborhood=neighborhood).fit(X, sample_weight=weight).loss_curve_)
        steps += len(change)
        assert change.max(initial=0) <= 1e-12 * som.loss_curve_[0] + 1e-12
    assert steps >= 20


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("p", [2, 1, np.inf])
def test_activations_and_coordinates_equal_the_loops(gappy, arrangement, temperature, p, normalize):
    scale = 0.1 if normalize else 1
    som = local(arrangement, temperature * scale, p_norm=p, normalize=normalize, max_iter=2).fit(gappy)
    X = normalized_observed(torch.from_numpy(gappy), p).numpy() if normalize else gappy
    H = arranged_matrix((4, 3), arrangement, som.sigma_)
    errors = masked_local_errors(X, som.codebook_, H, p, normalize)
    activations = som.set_params(output="activations").transform(gappy)
    if temperature == 0:  # a row that shows one feature, of unit norm, is as far from many units
        winner = activations.argmax(axis=1)
        np.testing.assert_allclose(errors[np.arange(70), winner], errors.min(axis=1), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(activations, H[winner], rtol=1e-9, atol=1e-10)
        return
    shares = responsibilities(errors, temperature * scale)
    np.testing.assert_allclose(activations, shares @ H, rtol=1e-9, atol=1e-10)
    if not arrangement["periodic"]:
        places = som.set_params(output="coordinates").transform(gappy)
        np.testing.assert_allclose(places, shares @ som.unit_coordinates_, rtol=1e-9, atol=1e-9)


def test_the_layer_says_the_same(gappy, arrangement, temperature, p_norm, rng):
    """Its loss with a mask is the energy of the loops, and its gradient that of finite differences."""
    layer = TopographicLayer(
        5,
        4,
        3,
        p_norm,
        normalize=False,
        winner="local",
        lattice_p_norm=2,
        dtype=torch.float64,
        generator=torch.Generator(),
        **arrangement,
    )
    W = rng.normal(size=(12, 5)) * 0.5
    with torch.no_grad():
        layer.codebook.copy_(torch.from_numpy(W))
    mask = ~torch.from_numpy(np.isnan(gappy))
    z, weight = torch.from_numpy(np.nan_to_num(gappy, nan=77.0)), rng.uniform(size=70)
    loss = layer.loss(z, 1.3, temperature, mask=mask, sample_weight=torch.from_numpy(weight))
    H = arranged_matrix((4, 3), arrangement, 1.3)

    def energy(codebook):
        return masked_local_step(gappy, weight, codebook, H, temperature, p_norm)[1]

    assert loss.item() == pytest.approx(energy(W), rel=1e-9)
    loss.backward()
    for unit, feature in ((0, 0), (3, 2), (7, 4), (11, 1)):
        step = np.zeros_like(W)
        step[unit, feature] = 1e-6
        slope = (energy(W + step) - energy(W - step)) / 2e-6
        assert layer.codebook.grad[unit, feature].item() == pytest.approx(slope, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("normalize", [False, True])
def test_the_gradient_solver_lowers_the_energy_under_gaps(arrangement, temperature, normalize, iris, rng):
    X = iris[0].copy()
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    X = X[~np.isnan(X).all(axis=1)]
    som = local(arrangement, temperature * 0.01, 0.8, solver="gradient", max_iter=8, random_state=0)
    som.set_params(normalize=normalize).fit(X)
    assert som.loss_curve_[-1] < som.loss_curve_[0]
    prepared = normalized_observed(torch.from_numpy(X), 2.0).numpy() if normalize else X
    expected = masked_distances(prepared, som.codebook_, 2, normalize)
    np.testing.assert_allclose(expected[np.arange(len(X)), som.labels_], expected.min(axis=1), atol=1e-12)


def test_neither_chunks_nor_order_change_a_bit_of_a_hard_map(gappy, rng):
    weight = rng.integers(0, 4, 70)
    som = TopographicMap(4, 3, winner="local", init=rng.normal(size=(12, 5)), max_iter=4)
    whole, order = clone(som).fit(gappy, sample_weight=weight), rng.permutation(70)
    for other in (
        clone(som).set_params(batch_size=64).fit(gappy, sample_weight=weight),
        clone(som).fit(gappy[order], sample_weight=weight[order]),
        clone(som).fit(np.repeat(gappy, weight, axis=0)),
    ):
        np.testing.assert_array_equal(other.codebook_, whole.codebook_)


@pytest.mark.parametrize("output", ["activations", "coordinates"])
@pytest.mark.parametrize("p", [2, 1])
def test_a_row_does_not_notice_the_rows_beside_it(digits, arrangement, temperature, output, p, rng):
    X = digits[0][:300].copy()
    X[::2][rng.uniform(size=(150, 64)) < 0.3] = np.nan
    som = local(arrangement, temperature * 50, p_norm=p, output=output, max_iter=2).fit(X)
    together = som.transform(X)
    for rows in (slice(0, 1), slice(3, 4), slice(90, 200)):
        np.testing.assert_array_equal(som.transform(X[rows]), together[rows])
    complete = clone(som).fit(digits[0][:300])
    mixed = np.where(np.isnan(X), np.nan, digits[0][:300])
    np.testing.assert_array_equal(complete.transform(mixed)[1::2], complete.transform(digits[0][:300])[1::2])


@pytest.mark.parametrize("scale", [1e-100, 1e100, 1e200])
@pytest.mark.parametrize("p", [2, 1])
def test_values_of_any_size_win_alike(gappy, temperature, scale, p):
    arrangement = {"lattice": "rectangular", "periodic": False}
    som = local(arrangement, temperature, p_norm=p, output="activations", max_iter=3).fit(gappy)
    scaled = clone(som)
    if temperature == 0 or scale < 1e150:  # a temperature in squared units would leave the type
        scaled.set_params(temperature=temperature * scale**2 if temperature else 0.0).fit(gappy * scale)
        # training starts at rounded prototypes, and no power of two is 1e100
        np.testing.assert_allclose(scaled.codebook_ / scale, som.codebook_, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(scaled.transform(gappy * scale), som.transform(gappy), rtol=1e-6, atol=1e-9)


def test_partial_fit_goes_on_softly_with_and_without_gaps(digits, rng):
    X = digits[0] + 0.0
    X[600:1200][rng.uniform(size=(600, 64)) < 0.3] = np.nan
    som = TopographicMap(6, 6, winner="local", temperature=5.0, random_state=0)
    for start in range(0, 1797, 600):
        som.partial_fit(X[start : start + 600])
    assert som.unit_counts_.shape == (36, 64)
    assert -som.score(digits[0]) < 30


def test_a_mask_of_ones_is_no_mask(iris, arrangement, temperature):
    """A row of weight zero brings the masked statistics in, and nothing else."""
    som = local(arrangement, temperature, init=iris[0][:12].copy(), solver="batch", max_iter=5)
    X = np.vstack([iris[0], [[np.nan, 1, 1, 1]]])
    masked = clone(som).fit(X, sample_weight=np.r_[np.ones(150), 0])
    plain = clone(som).fit(iris[0])
    np.testing.assert_allclose(masked.codebook_, plain.codebook_, rtol=1e-10)
    np.testing.assert_allclose(masked.loss_curve_, plain.loss_curve_, rtol=1e-10)
