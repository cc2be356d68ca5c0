"""The three legal ways to assign a sample: nearest, local, and local at a temperature; gradients in closed form."""

import math

import numpy as np
import pytest
import torch
from oracles import (
    distances,
    free_energies,
    local_errors,
    neighborhood_matrix,
    responsibilities,
    unit_distances,
)

from sktopo._assignment import WINNERS, Averaging, expected_coordinates, soft_minimum
from sktopo._smoothing import make_smoother
from sktopo.lattices import HexagonalLattice, RectangularLattice
from sktopo.neighborhoods import NEIGHBORHOODS
from sktopo.nn import TopographicLayer

COMBINATIONS = [("nearest", 0.0), ("local", 0.0), ("local", 0.4)]


def samples(n, dim, seed=1, dtype=torch.float64):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make(lattice, dim=4, p=2, dtype=torch.float64, spread=1.0, **options):
    layer = TopographicLayer(
        dim,
        lattice.height,
        lattice.width,
        p,
        lattice=lattice.name,
        periodic=lattice.periodic,
        dtype=dtype,
        generator=torch.Generator().manual_seed(0),
        **{"normalize": False, "winner": "local", **options},
    )
    with torch.no_grad():
        layer.codebook.mul_(spread)
    return layer


def matrix(lattice, sigma, neighborhood="gaussian", p=2.0):
    return neighborhood_matrix(neighborhood, unit_distances(lattice, p), sigma)


def gradients(layer, z, *arguments, mixed=False):
    z = z.clone().requires_grad_(True)
    layer.codebook.grad = None
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
        loss = layer.loss(z, *arguments)
    loss.backward()
    return loss.item(), z.grad.numpy(), layer.codebook.grad.numpy()


@pytest.mark.parametrize(("winner", "temperature"), COMBINATIONS)
def test_gradients_equal_closed_forms(lattice, neighborhood, winner, temperature):
    layer, z, sigma = make(lattice, winner=winner, neighborhood=neighborhood), samples(40, 4), 1.2
    loss, by_sample, by_unit = gradients(layer, z, sigma, temperature)
    X, W, H = z.numpy(), layer.codebook.detach().numpy(), matrix(lattice, sigma, neighborhood)
    G, n = H / H.sum(axis=1, keepdims=True), len(X)
    if winner == "nearest":
        share = H[distances(X, W, 2).argmin(axis=1)]
        value = (share * distances(X, W, 2) ** 2).sum(axis=1).mean()
    elif temperature == 0:
        errors = local_errors(X, W, H)
        share, value = G[errors.argmin(axis=1)], errors.min(axis=1).mean()
    else:
        errors = local_errors(X, W, H)
        share = responsibilities(errors, temperature) @ G
        value = 2 * free_energies(errors, temperature).mean()
    assert loss == pytest.approx(value, rel=1e-10)
    # dL/dw_k = -(2/n) sum_i share_ik (x_i - w_k), dL/dx_i = (2/n) sum_k share_ik (x_i - w_k)
    expected = -(2 / n) * np.stack([(share[:, [k]] * (X - W[k])).sum(axis=0) for k in range(len(W))])
    np.testing.assert_allclose(by_unit, expected, rtol=1e-10, atol=1e-10)
    expected = (2 / n) * np.stack([(share[i][:, None] * (X[i] - W)).sum(axis=0) for i in range(n)])
    np.testing.assert_allclose(by_sample, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("winner", "temperature"), COMBINATIONS)
@pytest.mark.parametrize("small", [RectangularLattice(2, 3), HexagonalLattice(2, 3, periodic=True)], ids=str)
def test_gradients_agree_with_finite_differences(small, p_norm, winner, temperature, normalize):
    layer = make(small, dim=3, p=p_norm, winner=winner, normalize=normalize)

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, z):
            return self.layer.loss(z, 0.9, temperature)

    def loss(codebook, z):
        return torch.func.functional_call(Loss(), {"layer.codebook": codebook}, (z,))

    inputs = (layer.codebook.detach().clone().requires_grad_(True), samples(5, 3).requires_grad_(True))
    assert torch.autograd.gradcheck(loss, inputs, eps=1e-7, atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("temperature", [1e-3, 0.1, 2.0, 50.0])
def test_the_free_energy_is_bounded_by_the_hard_energy(lattice, temperature):
    layer, z = make(lattice), samples(50, 4)
    hard, soft = layer.loss(z, 1.1).item(), layer.loss(z, 1.1, temperature).item()
    assert -1e-12 <= hard - soft <= 2 * temperature * math.log(lattice.n_units) + 1e-12


def test_the_free_energy_is_the_energy_less_temperature_times_entropy(lattice):
    layer, z, temperature = make(lattice), samples(30, 4), 0.3
    errors = local_errors(z.numpy(), layer.codebook.detach().numpy(), matrix(lattice, 1.1))
    p = responsibilities(errors, temperature)
    energy = (p * errors).sum() / 2
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum()
    free = layer.loss(z, 1.1, temperature).item() * len(z) / 2
    assert free == pytest.approx(energy - temperature * entropy, rel=1e-10, abs=1e-10)


def test_temperature_to_zero_is_the_hard_local_map(lattice):
    layer, z = make(lattice), samples(30, 4)
    hard, by_sample, by_unit = gradients(layer, z, 1.1)
    for temperature in (1e-7, 1e-30, 1e-300):
        soft = gradients(layer, z, 1.1, temperature)
        assert soft[0] == pytest.approx(hard, abs=1e-5)
        np.testing.assert_allclose(soft[1], by_sample, atol=1e-6)
        np.testing.assert_allclose(soft[2], by_unit, atol=1e-6)
        torch.testing.assert_close(
            layer.activations(z, 1.1, temperature), layer.activations(z, 1.1), rtol=1e-6, atol=1e-6
        )
        winner = torch.from_numpy(
            local_errors(z.numpy(), layer.codebook.detach().numpy(), matrix(lattice, 1.1)).argmin(axis=1)
        )
        torch.testing.assert_close(
            layer.coordinates(z, 1.1, temperature), lattice.coordinates()[winner], rtol=1e-6, atol=1e-6
        )
    single = make(lattice).float()
    assert single.loss(z.float(), 1.1, 1e-300).item() == pytest.approx(hard, rel=1e-5)


def test_temperature_to_infinity_shares_every_sample_evenly(lattice):
    layer, z, K = make(lattice), samples(30, 4), lattice.n_units
    even = torch.full((30, K), 1 / K, dtype=torch.float64)
    H = torch.from_numpy(matrix(lattice, 1.1))
    torch.testing.assert_close(layer.activations(z, 1.1, 1e12), even @ H, rtol=1e-9, atol=1e-9)
    errors = local_errors(z.numpy(), layer.codebook.detach().numpy(), H.numpy())
    assert layer.loss(z, 1.1, 1e9).item() + 2e9 * math.log(K) == pytest.approx(errors.mean(), abs=1e-4)


@pytest.mark.parametrize(("winner", "temperature"), COMBINATIONS)
def test_a_vanishing_neighborhood_leaves_k_means(lattice, winner, temperature):
    layer, z = make(lattice, winner=winner), samples(30, 4)
    squares = distances(z.numpy(), layer.codebook.detach().numpy(), 2) ** 2
    expected = squares.min(axis=1) if temperature == 0 else 2 * free_energies(squares, temperature)
    assert layer.loss(z, 1e-9, temperature).item() == pytest.approx(expected.mean(), rel=1e-10, abs=1e-12)


def test_activations_and_coordinates_follow_their_definitions(lattice, neighborhood):
    layer, z = make(lattice, neighborhood=neighborhood), samples(30, 4)
    X, W, H = z.numpy(), layer.codebook.detach().numpy(), matrix(lattice, 1.2, neighborhood)
    errors = local_errors(X, W, H)
    np.testing.assert_allclose(layer.activations(z, 1.2).numpy(), H[errors.argmin(axis=1)], rtol=1e-10, atol=1e-12)
    p = responsibilities(errors, 0.3)
    np.testing.assert_allclose(layer.activations(z, 1.2, 0.3).detach().numpy(), p @ H, rtol=1e-9, atol=1e-12)
    place = layer.coordinates(z, 1.2, 0.3).detach().numpy()
    if not lattice.periodic:
        np.testing.assert_allclose(place, p @ lattice.coordinates().numpy(), rtol=1e-9, atol=1e-9)
    else:
        for axis, period in enumerate(lattice.periods):
            turned = p @ np.exp(2j * np.pi * lattice.coordinates().numpy()[:, axis] / period)
            expected = (np.angle(turned) * period / (2 * np.pi)) % period
            apart = np.abs(place[:, axis] - expected)
            assert np.minimum(apart, period - apart)[np.abs(turned) > 1e-6].max(initial=0) < 1e-6
            assert (place[:, axis] >= 0).all()
            assert (place[:, axis] < period).all()
    # the best matching unit is the nearest prototype for either winner
    np.testing.assert_array_equal(layer.bmu(z).numpy(), distances(X, W, 2).argmin(axis=1))
    torch.testing.assert_close(layer.coordinates(z), lattice.coordinates()[layer.bmu(z)])


def test_the_expected_coordinate_of_a_pair_across_the_edge_lies_on_the_edge():
    lattice = RectangularLattice(4, 4, periodic=True)
    weights = torch.zeros(3, 16, dtype=torch.float64)
    weights[0, 0], weights[0, 12] = 0.5, 0.5  # rows 0 and 3
    weights[1, 1], weights[1, 3] = 0.25, 0.75
    weights[2] = 1 / 16  # no direction at all
    weights.requires_grad_(True)
    mean = expected_coordinates(weights, lattice, lattice.coordinates())
    expected = torch.tensor([[3.5, 0.0], [0.0, 3.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(mean, expected)
    mean.sum().backward()
    assert torch.isfinite(weights.grad).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_circular_means_stay_below_the_period(dtype):
    lattice = RectangularLattice(1, 7, periodic=True)
    for shift in (1e-3, 1e-6, 1e-9, 1e-12, 1e-17):
        weights = torch.zeros(1, 7, dtype=dtype)
        weights[0, 0], weights[0, 6] = 1 - shift, shift
        mean = expected_coordinates(weights, lattice, lattice.coordinates().to(dtype))[0, 1].item()
        assert 0 <= mean < 7
        assert min(mean, 7 - mean) < 7 * shift + 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("winner", "temperature"), COMBINATIONS)
@pytest.mark.parametrize("small", [RectangularLattice(4, 3, periodic=True), HexagonalLattice(3, 3)], ids=str)
def test_gradients_are_finite_at_coincident_and_zero_vectors(small, p_norm, winner, temperature, normalize, dtype):
    layer = make(small, p=p_norm, winner=winner, normalize=normalize, dtype=dtype)
    with torch.no_grad():
        layer.codebook[0] = 0
    z = torch.cat([layer.codebook.detach()[-3:], torch.zeros(2, 4, dtype=dtype)]).requires_grad_(True)
    total = layer.loss(z, 0.7, temperature)
    if temperature > 0:
        total = total + layer.activations(z, 0.7, temperature).sum() + layer.coordinates(z, 0.7, temperature).sum()
    total.backward()
    assert torch.isfinite(z.grad).all()
    assert torch.isfinite(layer.codebook.grad).all()


@pytest.mark.parametrize(("winner", "temperature"), COMBINATIONS)
def test_the_one_product_path_equals_the_plain_one(lattice, neighborhood, winner, temperature):
    layer, z = make(lattice, winner=winner, neighborhood=neighborhood), samples(30, 4)
    fast = gradients(layer, z, 1.3, temperature)
    everything = torch.ones_like(z, dtype=torch.bool)  # a mask takes the path over all distances
    layer.codebook.grad = None
    z.requires_grad_(True)
    plain = layer.loss(z, 1.3, temperature, mask=everything)
    plain.backward()
    assert fast[0] == pytest.approx(plain.item(), rel=1e-10)
    np.testing.assert_allclose(fast[1], z.grad.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fast[2], layer.codebook.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("winner", "temperature"), COMBINATIONS)
def test_weights_masks_and_orders(lattice, p_norm, winner, temperature, rng):
    layer, z = make(lattice, p=p_norm, winner=winner), samples(12, 4)
    weight = torch.from_numpy(rng.integers(0, 4, 12))
    repeated = layer.loss(z.repeat_interleave(weight, dim=0), 1.0, temperature)
    torch.testing.assert_close(layer.loss(z, 1.0, temperature, sample_weight=weight), repeated)
    mask = torch.ones_like(z, dtype=torch.bool)
    mask[:, 2] = False
    seen = [0, 1, 3]
    H = matrix(lattice, 1.0, p=2.0 if lattice.name == "hexagonal" else p_norm)
    X, W = z.numpy()[:, seen], layer.codebook.detach().numpy()[:, seen]
    squares = distances(X, W, p_norm) ** 2
    errors = squares if winner == "nearest" else local_errors(X, W, H, p_norm)
    won = errors.argmin(axis=1)
    hard = (H[won] * squares).sum(axis=1) if winner == "nearest" else errors.min(axis=1)
    expected = hard if temperature == 0 else 2 * free_energies(errors, temperature)
    assert layer.loss(z, 1.0, temperature, mask=mask).item() == pytest.approx(expected.mean(), rel=1e-8)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
def test_offsets_do_not_cancel_in_float32(offset):
    lattice = RectangularLattice(5, 5)
    exact, single = make(lattice), make(lattice, dtype=torch.float32)
    z = samples(60, 4)
    single_z = (z + offset).float()
    with torch.no_grad():
        single.codebook.add_(offset)
        exact.codebook.copy_(single.codebook.double())
    for temperature in (0.0, 0.3):
        expected = exact.loss(single_z.double(), 1.0, temperature).item()
        assert single.loss(single_z, 1.0, temperature).item() == pytest.approx(expected, rel=1e-5)


def test_autocast_changes_nothing(lattice):
    layer, z = make(lattice, dtype=torch.float32), samples(30, 4, dtype=torch.float32)
    plain, mixed = (gradients(layer, z, 1.0, 0.2, mixed=on) for on in (False, True))
    bmu = layer.bmu(z)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer.bmu(z), bmu)
        assert layer.loss(z, 1.0).dtype == torch.float32
        assert layer(z).sqdist.dtype == torch.float32
        assert layer.activations(z, 1.0, 0.2).dtype == torch.float32
        encoded = torch.nn.functional.linear(z, torch.eye(4))
        assert encoded.dtype == torch.bfloat16
        assert torch.isfinite(layer.loss(encoded, 1.0))
    for ours, theirs in zip(mixed, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_soft_coordinates_need_a_sigma():
    with pytest.raises(ValueError, match="sigma is needed for the expected coordinates"):
        make(RectangularLattice(3, 3)).coordinates(samples(3, 4), None, 0.5)


@pytest.mark.parametrize("temperature", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("winner", WINNERS.values(), ids=WINNERS)
def test_temperatures_are_checked(winner, temperature):
    with pytest.raises(ValueError, match="temperature must be a finite number of at least 0"):
        winner.check_temperature(temperature)


def test_averaging_is_the_row_normalized_matrix(lattice, neighborhood, rng):
    smoother = make_smoother(lattice, NEIGHBORHOODS[neighborhood])
    averaging = Averaging(smoother.at(1.3), torch.zeros(1, dtype=torch.float64), lattice.n_units)
    H = matrix(lattice, 1.3, neighborhood)
    G = H / H.sum(axis=1, keepdims=True)
    values = rng.normal(size=(lattice.n_units, 3))
    np.testing.assert_allclose(averaging.average(torch.from_numpy(values)).numpy(), G @ values, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(averaging.spread(torch.from_numpy(values)).numpy(), G.T @ values, rtol=1e-12, atol=1e-12)


def test_the_soft_minimum_needs_no_small_numbers():
    errors = torch.tensor([[1e9, 1e9 + 1, 2e9], [0.0, 0.0, 5.0]], dtype=torch.float64)
    expected = [1e9 - math.log(1 + math.exp(-1)), -math.log(2 + math.exp(-5))]
    np.testing.assert_allclose(soft_minimum(errors, 0.5).numpy(), expected, rtol=1e-14)
