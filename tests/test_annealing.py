import re

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import arranged_matrix, free_energies, lattice_distances, local_errors, neighborhood_matrix
from sklearn.base import clone
from sklearn.datasets import make_swiss_roll
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.annealing import critical_temperature
from sktopo.nn import TopographicLayer
from sktopo.schedules import ExponentialSchedule


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_critical_temperature_equals_the_dense_eigenvalue(arrangement, neighborhood, sigma, rng):
    C = np.cov(rng.normal(size=(3, 50)))
    apart = lattice_distances(4, 5, arrangement["lattice"] == "hexagonal", arrangement["periodic"])
    H = neighborhood_matrix(neighborhood, apart, sigma)
    G = H / H.sum(axis=1, keepdims=True)
    M = np.diag(1 / G.sum(axis=0)) @ G.T @ (np.eye(20) - 1 / 20) @ G
    expected = np.linalg.eigvals(C).real.max() * np.linalg.eigvals(M).real.max()
    T = critical_temperature(C, 4, 5, sigma, **arrangement, neighborhood=neighborhood)
    assert pytest.approx(expected, rel=1e-10) == T


def test_a_large_map_needs_no_matrix_of_its_units():
    H = neighborhood_matrix("gaussian", lattice_distances(30, 25, False, False), 0.5)
    G = H / H.sum(axis=1, keepdims=True)
    centered = (G - G.mean(axis=0)) / np.sqrt(G.sum(axis=0))
    expected = np.linalg.svd(centered, compute_uv=False)[0] ** 2
    assert critical_temperature(np.eye(3), 30, 25, 0.5) == pytest.approx(expected, rel=1e-12)
    assert 0.9 < critical_temperature(np.eye(3), 100, 100, 10.0) < 1.0


@pytest.mark.parametrize(("height", "width", "sigma"), [(1, 1, 1.0), (2, 2, 1e9), (5, 4, 1e12)])
def test_units_that_are_all_alike_never_spread(height, width, sigma):
    assert critical_temperature(np.eye(2), height, width, sigma) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lattice": "hex"}, "lattice must be one of 'rectangular', 'hexagonal', got 'hex'"),
        ({"neighborhood": "hat"}, "neighborhood must be one of"),
        ({"height": 0}, "height must be an int of at least 1, got 0"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        critical_temperature(np.eye(2), **{"height": 3, "width": 3, "sigma": 1.0, **change})


@pytest.mark.filterwarnings("ignore:temperature=.* is above the critical one")
@pytest.mark.parametrize("sigma", [0.7, 1.2])
def test_a_small_map_collapses_just_above_and_spreads_just_below(arrangement, sigma):
    """Soft EM from a small map: its spread dies out at 1.03 T_c and grows at 0.97 T_c."""
    X = np.random.default_rng(0).normal(size=(400, 3)) * [2.0, 1.0, 0.5]
    T = critical_temperature(np.cov(X.T, bias=True), 4, 5, sigma, **arrangement)
    spreads = {}
    for factor in (1.03, 0.97):
        init = X.mean(axis=0) + 0.05 * np.random.default_rng(1).normal(size=(20, 3))
        som = TopographicMap(
            4, 5, **arrangement, init=init, sigma_initial=sigma, sigma_final=sigma, winner="local",
            temperature=factor * T, max_iter=220, solver="batch",
        ).fit(X)  # fmt: skip
        spreads[factor] = np.abs(som.codebook_ - som.codebook_.mean(axis=0)).max()
    assert spreads[1.03] < 1e-3
    assert spreads[0.97] > 0.05


def test_above_the_critical_temperature_a_spread_map_of_skewed_data_may_have_the_lower_free_energy(arrangement):
    """A small map collapses to the mean, which is stable; one that starts at the plane stays spread, and lower."""
    X = np.random.default_rng(0).lognormal(sigma=1.3, size=(200, 2))
    T = 1.1 * critical_temperature(np.cov(X.T, bias=True), 4, 4, 0.5, **arrangement)
    mean = np.tile(X.mean(axis=0), (16, 1))
    small = mean + 0.01 * np.random.default_rng(1).normal(size=mean.shape)
    som = TopographicMap(
        4, 4, **arrangement, init=small, sigma_initial=0.5, sigma_final=0.5, winner="local", temperature=T,
        max_iter=100, solver="batch",
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match="is above the critical one"):
        collapsed, spread = som.fit(X).codebook_, som.set_params(init="pca").fit(X).codebook_
    assert np.abs(collapsed - mean).max() < 1e-3
    assert np.abs(spread - mean).max() > 1
    H = arranged_matrix((4, 4), arrangement, 0.5)
    lower, higher = (free_energies(local_errors(X, W, H), T).mean() for W in (spread, mean))
    assert lower < higher - 0.02


@pytest.mark.parametrize("solver", ["batch", "stream", "gradient"])
@pytest.mark.parametrize("init", ["pca", "random", "given"])
def test_a_fit_above_the_critical_temperature_says_so(arrangement, solver, init):
    X = np.random.default_rng(0).normal(size=(400, 3)) * [2.0, 1.0, 0.5] + 5
    som = TopographicMap(
        6, 4, **arrangement, init=X[:24] if init == "given" else init, winner="local", sigma_final=1.2, solver=solver,
        max_iter=1, random_state=0,
    )  # fmt: skip
    T = critical_temperature(np.cov(X.T, bias=True), 6, 4, 1.2, **arrangement)
    for temperature in (0, T / 20, 0.98 * T, T):
        som.set_params(temperature=temperature).fit(X)
    for temperature in (1.02 * T, 1e300):
        message = re.escape(f"temperature={temperature:g} is above the critical one: ") + ".*usually collapses"
        with pytest.warns(ConvergenceWarning, match=message) as warned:
            som.set_params(temperature=temperature).fit(X)
        assert [each.filename for each in warned] == [__file__]
    # where the formula does not hold, or nothing could spread, nothing is said
    for other in ({"p_norm": 1}, {"normalize": True}):
        clone(som).set_params(**other).fit(X)
    if init != "given":
        clone(som).set_params(height=1, width=1, periodic=False).fit(X)
        clone(som).fit(np.ones((40, 3)))


def layer_of(codebook):
    shape, generator = (codebook.shape[1], 8, 8), torch.Generator()
    layer = TopographicLayer(*shape, normalize=False, winner="local", dtype=torch.float64, generator=generator)
    with torch.no_grad():
        layer.codebook.copy_(torch.from_numpy(codebook))
    return layer


def train_by_batch(X, start, temperatures):
    som = TopographicMap(8, 8, winner="local", sigma_initial=0.6, sigma_final=0.6, solver="batch", max_iter=1)
    som.set_params(init=start)
    for temperature in temperatures:
        som.set_params(temperature=temperature).fit(X)
        som.set_params(init=som.codebook_)
    return som.to_layer()


def train_by_gradients(X, start, temperatures):
    layer, rows = layer_of(start), torch.from_numpy(X)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    for temperature in temperatures:
        for _ in range(5):
            optimizer.zero_grad()
            layer.loss(rows, 0.6, temperature).backward()
            optimizer.step()
    return layer


@pytest.mark.parametrize("train", [train_by_batch, train_by_gradients])
def test_where_sigma_rests_cooling_ends_at_a_lower_free_energy(train):
    """The recipes of the guide, from random starts to the same sigma and temperature."""
    X = StandardScaler().fit_transform(make_swiss_roll(500, random_state=0)[0])
    critical = critical_temperature(np.cov(X.T, bias=True), 8, 8, 0.6)
    cooling = ExponentialSchedule(critical, critical / 20)
    ways = [[cooling.final] * 30, [cooling(t) for t in np.linspace(0, 1, 30)]]
    losses = []
    for seed in range(2):
        start = np.random.default_rng(seed).normal(size=(64, 3))
        trained = [train(X, start, temperatures) for temperatures in ways]
        losses.append([layer.loss(torch.from_numpy(X), 0.6, cooling.final).item() for layer in trained])
    constant, cooled = np.array(losses).T
    assert (cooled < constant).all()


def test_one_unit_and_bad_arguments():
    assert critical_temperature(np.eye(2), 1, 1, 1.0) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="square matrix"):
        critical_temperature(np.ones((2, 3)), 3, 3, 1.0)
    with pytest.raises(ValueError, match="sigma must be a finite number above 0"):
        critical_temperature(np.eye(2), 3, 3, 0.0)


def test_a_covariance_may_be_of_any_kind(rng):
    covariance = np.cov(rng.normal(size=(50, 3)).T)
    expected = critical_temperature(covariance, 4, 4, 1.0)
    read_only = covariance.copy()
    read_only.flags.writeable = False
    for other in (pd.DataFrame(covariance), covariance.tolist(), read_only, torch.from_numpy(covariance)):
        assert critical_temperature(other, 4, 4, 1.0) == expected
    assert critical_temperature(covariance[::-1, ::-1], 4, 4, 1.0) == pytest.approx(expected, rel=1e-12)
    halved = torch.from_numpy(covariance).bfloat16()
    assert critical_temperature(halved, 4, 4, 1.0) == pytest.approx(expected, rel=0.02)
    assert critical_temperature(-np.eye(2), 4, 4, 1.0) == 0
    with pytest.raises(ValueError, match="covariance holds NaN"):
        critical_temperature(np.full((2, 2), np.nan), 4, 4, 1.0)
