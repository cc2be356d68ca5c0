"""The local winner and soft assignments, as a user of the estimator meets them."""

import numpy as np
import pytest
import scipy.sparse
import torch
from oracles import (
    arranged_matrix,
    distances,
    free_energies,
    local_errors,
    responsibilities,
)
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo._assignment import WINNERS, Averaging
from sktopo._frame import DataRange, Frame
from sktopo._smoothing import make_smoother
from sktopo._sources import ArraySource
from sktopo.lattices import RectangularLattice
from sktopo.metrics import topographic_error
from sktopo.schedules import ExponentialSchedule
from sktopo.solvers import Problem

# maps that collapse obey the same laws
pytestmark = pytest.mark.filterwarnings("ignore:temperature=.* is above the critical one")

TEMPERATURES = [0.0, 0.05, 1.0]


def naive_step(X, weight, W, H, temperature, p=2.0):
    """Soft EM with loops: responsibilities of local errors, then means under them, shared out by G."""
    errors, G = local_errors(X, W, H, p), H / H.sum(axis=1, keepdims=True)
    if temperature > 0:
        shares, energy = responsibilities(errors, temperature), 2 * free_energies(errors, temperature)
    else:
        shares, energy = np.eye(len(W))[errors.argmin(axis=1)], errors.min(axis=1)
    updated = W.copy()
    for k in range(len(W)):
        pull = weight * (shares @ G[:, k])
        if pull.sum() > 0:  # else it keeps its place
            updated[k] = sum(a * x for a, x in zip(pull, X, strict=True)) / pull.sum()
    return updated, (weight * energy).sum() / weight.sum()


def loss(X, weight, W, H, temperature):
    return naive_step(X, weight, W, H, temperature)[1]


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_training_equals_the_loops(arrangement, neighborhood, temperature, rng):
    X, weight, W = rng.normal(size=(60, 3)), rng.uniform(0.5, 2, size=60), rng.normal(size=(12, 3)) * 0.3
    som = TopographicMap(
        4,
        3,
        **arrangement,
        neighborhood=neighborhood,
        winner="local",
        temperature=temperature,
        init=W,
        sigma_initial=1.6,
        sigma_final=1.2,
        max_iter=4,
    ).fit(X, sample_weight=weight)
    losses = []
    for sigma in (1.6 * (1.2 / 1.6) ** min(1, t / 0.8) for t in (0, 1 / 3, 2 / 3, 1)):
        W, value = naive_step(X, weight, W, arranged_matrix((4, 3), arrangement, sigma, neighborhood), temperature)
        losses.append(value)
    np.testing.assert_allclose(som.codebook_, W, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(som.loss_curve_, losses, rtol=1e-9)
    to_units = distances(X, som.codebook_, 2)  # units with one neighborhood share a prototype, up to rounding
    np.testing.assert_allclose(to_units[np.arange(60), som.labels_], to_units.min(axis=1), rtol=1e-12)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("p", [1.0, 3.0, np.inf])
def test_other_norms_choose_by_their_own_errors(p, temperature, rng):
    X, W = rng.normal(size=(50, 3)), rng.normal(size=(9, 3))
    options = {"p_norm": p, "winner": "local", "temperature": temperature, "sigma_initial": 0.9, "sigma_final": 0.9}
    som = TopographicMap(3, 3, init=W, max_iter=1, **options).fit(X)
    H = arranged_matrix((3, 3), {"lattice": "rectangular", "periodic": False}, 0.9)
    np.testing.assert_allclose(som.codebook_, naive_step(X, np.ones(50), W, H, temperature, p)[0], rtol=1e-9)


@pytest.mark.parametrize("temperature", [0.0, 0.3])
def test_the_energy_never_rises(arrangement, neighborhood, temperature):
    """84 steps of batch EM, from random starts, weighted: 1008 in the 12 cases of each temperature."""
    steps, rises, seed = 0, 0, 0
    while steps < 84:
        seed += 1
        rng = np.random.default_rng(seed)
        X, weight = rng.normal(size=(70, 3)) * [2, 1, 0.5], rng.integers(1, 5, 70) * 0.5
        sigma = rng.uniform(0.6, 2.5)
        som = TopographicMap(
            6,
            5,
            **arrangement,
            neighborhood=neighborhood,
            winner="local",
            temperature=temperature,
            init=rng.normal(size=(30, 3)),
            sigma_initial=sigma,
            sigma_final=sigma,
            max_iter=10,
        ).fit(X, sample_weight=weight)
        change = np.diff(som.loss_curve_)
        scale = np.abs(som.loss_curve_).max()
        steps, rises = steps + len(change), rises + (change > 1e-12 * scale).sum()
    assert rises == 0


def test_raw_neighborhoods_would_have_no_energy():
    """The row-normalized rule falls where Kohonen's nearest rule rises."""
    X = np.random.default_rng(3).normal(size=(200, 3))
    som = TopographicMap(5, 5, init=X[:25].copy(), sigma_initial=1.0, sigma_final=1.0, max_iter=40)
    nearest = np.diff(clone(som).fit(X).loss_curve_)
    local = np.diff(clone(som).set_params(winner="local").fit(X).loss_curve_)
    assert (nearest > 0).any()
    assert (local <= 1e-12).all()


@pytest.mark.parametrize("temperature", [0.0, 20.0])
def test_one_step_over_all_rows_is_one_batch_epoch(digits, arrangement, temperature):
    X = digits[0][:800]
    som = TopographicMap(6, 5, **arrangement, init=X[:30].copy(), sigma_initial=1.5, sigma_final=1.5, max_iter=1)
    som.set_params(winner="local", temperature=temperature)
    batch = clone(som).set_params(solver="batch").fit(X)
    stream = clone(som).set_params(solver="stream", batch_size=800).fit(X)
    np.testing.assert_allclose(stream.codebook_, batch.codebook_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(stream.unit_counts_, batch.unit_counts_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["batch", "stream"])
@pytest.mark.parametrize("temperature", [0.0, 20.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_soft_maps_of_digits_are_ordered(digits, solver, temperature, dtype):
    X = digits[0].astype(dtype)
    som = TopographicMap(10, 10, winner="local", temperature=temperature, solver=solver, random_state=0).fit(X)
    assert topographic_error(som, X) < 0.12
    assert som.quantization_error_ < 22
    assert som.codebook_.dtype == dtype


def test_partial_fit_learns_softly(digits):
    X = digits[0]
    som = TopographicMap(8, 8, winner="local", temperature=10.0, random_state=0)
    for chunk in np.array_split(X, 10):
        som.partial_fit(chunk)
    assert -som.score(X) < 28
    assert np.isfinite(som.loss_curve_).all()
    som.fit(X).partial_fit(X[:500])
    assert -som.score(X) < 24


@pytest.mark.parametrize("temperature", [0.0, 0.2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transform_gives_what_the_layer_gives(arrangement, neighborhood, temperature, dtype, rng):
    X, init = rng.normal(size=(150, 4)).astype(dtype), rng.normal(size=(20, 4))
    options = {"neighborhood": neighborhood, "winner": "local", "temperature": temperature, "sigma_final": 1.1}
    som = TopographicMap(4, 5, **arrangement, **options, init=init, max_iter=3).fit(X)
    layer, z = som.to_layer(dtype=torch.float64), torch.from_numpy(X).double()
    squares = layer(z).sqdist.detach().numpy()
    H = arranged_matrix((4, 5), arrangement, 1.1, neighborhood)
    for output, expected, compared in [
        ("coordinates", layer.coordinates(z, som.sigma_, temperature), squares),
        ("activations", layer.activations(z, som.sigma_, temperature), squares @ (H / H.sum(axis=1, keepdims=True)).T),
    ]:
        result = som.set_params(output=output).transform(X)
        assert result.dtype == dtype
        tolerance = 1e-4 if dtype == np.float32 else 1e-8
        # with a bubble, prototypes that are the mean of the same samples differ by rounding alone: either may win
        clear = (temperature > 0) | (np.diff(np.sort(compared, axis=1)[:, :2], axis=1)[:, 0] > tolerance)
        assert clear.mean() > 0.5
        np.testing.assert_allclose(result[clear], expected.detach().numpy()[clear], rtol=tolerance, atol=tolerance)
        back = som.inverse_transform(result)
        assert back.shape == X.shape
        assert np.isfinite(back).all()


@pytest.mark.parametrize("output", ["coordinates", "activations"])
def test_soft_rows_do_not_depend_on_the_rows_beside_them(digits, arrangement, output):
    X = digits[0]
    som = TopographicMap(6, 8, **arrangement, winner="local", temperature=15.0, output=output, max_iter=3).fit(X)
    together = som.transform(X)
    for i, n in ((0, 1), (5, 2), (63, 70), (1796, 1)):
        np.testing.assert_array_equal(som.transform(X[i : i + n]), together[i : i + n])


def test_chunks_weights_and_order_hardly_matter_and_a_hard_local_map_is_exact(digits, rng):
    X, weight = digits[0][:300], rng.integers(0, 4, 300)
    for temperature in (0.0, 20.0):
        som = TopographicMap(4, 4, winner="local", temperature=temperature, init=X[:16].copy(), max_iter=5)
        whole = clone(som).fit(X, sample_weight=weight)
        order = rng.permutation(300)
        others = [
            clone(som).set_params(batch_size=7).fit(X, sample_weight=weight),
            clone(som).fit(X[order], sample_weight=weight[order]),
            clone(som).fit(np.repeat(X, weight, axis=0)),
        ]
        for other in others:
            np.testing.assert_allclose(other.codebook_, whole.codebook_, rtol=1e-10, atol=1e-10)
            if temperature == 0:
                np.testing.assert_array_equal(other.codebook_, whole.codebook_)


@pytest.mark.parametrize("scale", [1e-100, 1e-20, 1e20, 1e100])
def test_values_of_any_size_are_soft_alike(digits, scale):
    X = digits[0][:300]
    som = TopographicMap(4, 4, winner="local", temperature=10.0, max_iter=4).fit(X)
    scaled = clone(som).set_params(temperature=10.0 * scale**2).fit(X * scale)
    np.testing.assert_allclose(scaled.codebook_ / scale, som.codebook_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(scaled.transform(X * scale), som.transform(X), rtol=1e-6, atol=1e-6)
    far = np.full((1, 64), 1e150 * min(1, scale))
    assert np.isfinite(scaled.transform(far)).all()


def test_at_a_vanishing_temperature_the_map_is_the_hard_one(digits):
    X = digits[0][:500]
    som = TopographicMap(5, 5, winner="local", max_iter=4)
    hard, soft = clone(som).fit(X), clone(som).set_params(temperature=1e-9).fit(X)
    np.testing.assert_allclose(soft.codebook_, hard.codebook_, rtol=1e-9, atol=1e-9)
    endless = clone(som).set_params(temperature=1e9).fit(X)
    np.testing.assert_allclose(endless.codebook_, np.tile(X.mean(axis=0), (25, 1)), atol=1e-4)


def test_the_temperature_may_change_before_transform(iris):
    som = TopographicMap(4, 4, winner="local", output="activations").fit(iris[0])
    hard = som.transform(iris[0])
    soft = som.set_params(temperature=1e-9).transform(iris[0])
    np.testing.assert_allclose(soft, hard, atol=1e-9)
    with pytest.raises(ValueError, match="needs winner='local'"):
        som.set_params(winner="nearest").transform(iris[0])


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("temperature", [0.0, 0.2])
@pytest.mark.parametrize("solver", ["batch", "stream", "gradient"])
def test_sparse_rows_give_the_map_of_dense_ones(temperature, solver, p, rng):
    X = rng.normal(size=(120, 6)) * (rng.uniform(size=(120, 6)) < 0.4) + 0.0
    options = {"winner": "local", "temperature": temperature, "solver": solver, "p_norm": p, "output": "activations"}
    som = TopographicMap(4, 3, **options, max_iter=3, random_state=0, init=rng.normal(size=(12, 6)))
    dense, sparse = clone(som).fit(X), clone(som).fit(scipy.sparse.csr_array(X))
    np.testing.assert_allclose(sparse.codebook_, dense.codebook_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(sparse.transform(scipy.sparse.csr_array(X)), dense.transform(X), rtol=1e-6, atol=1e-8)


def test_what_units_take_of_parts_of_the_rows_adds_up(iris, rng):
    x, weight = torch.from_numpy(iris[0]), torch.from_numpy(rng.uniform(size=150))
    schedule, frame = ExponentialSchedule(1.0, 1.0), Frame(DataRange.of(ArraySource(iris[0], None, x.device)))
    lattice = RectangularLattice(4, 4)
    problem = Problem(lattice=lattice, winner=WINNERS["local"], temperature=0.2, schedule=schedule, frame=frame)
    averaging = Averaging(make_smoother(lattice, problem.neighborhood).at(1.0), x, 16)
    assign = problem.assign(x[:16], averaging, x.dtype)
    whole = assign([(x, weight)])
    for n in (2, 7, 150):
        first, *others = [assign([(x[i], weight[i])]) for i in np.array_split(np.arange(150), n)]
        parts = sum(others, first)
        np.testing.assert_allclose(parts.units.counts, whole.units.counts, rtol=1e-12)
        np.testing.assert_allclose(parts.units.sums, whole.units.sums, rtol=1e-10, atol=1e-12)
        assert parts.entropy == pytest.approx(whole.entropy, rel=1e-12)
    assert whole.units.counts.sum() == pytest.approx(weight.sum())
