"""The search of training on large maps: coarse to fine, over bands of the lattice."""

from functools import partial
from itertools import product
from unittest.mock import patch

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo._bands import FEWEST_VALUES, Bands
from sktopo._local_scores import local_scores
from sktopo._search import Search
from sktopo._smoothing import make_smoother
from sktopo.lattices import make_lattice
from sktopo.metrics import topographic_error
from sktopo.neighborhoods import NEIGHBORHOODS
from sktopo.solvers import _stream

N_FEATURES = 120


def unfolded(lattice, places, seed=0):
    """Points of a plane or, where the lattice is periodic, of a torus, at coordinates (n, 2) of the lattice."""
    directions = np.linalg.qr(np.random.default_rng(seed).normal(size=(N_FEATURES, 4)))[0].T
    if not lattice.periodic:
        return places @ directions[:2]
    height, width = lattice.extent
    angles = places * 2 * np.pi / [height, width]
    circles = np.stack([np.sin(angles), np.cos(angles)], axis=2) * [[height], [width]]
    return circles.reshape(len(places), 4) @ directions


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        *product([(38, 34), (34, 39), (36, 35), (40, 33)], [torch.float32, torch.float64]),
        # units so far apart that float32 cannot tell neighbors from each other
        *product([(1400, 1), (2, 700)], [torch.float64]),
    ],
)
def test_on_an_unfolded_map_it_finds_the_nearest_unit(shape, dtype, arrangement, rng):
    lattice = make_lattice(arrangement["lattice"], *shape, arrangement["periodic"])
    W = unfolded(lattice, lattice.coordinates().numpy())
    assert W.size >= FEWEST_VALUES  # so that there are bands
    X = unfolded(
        lattice, rng.uniform(-1, 1, size=(500, 2)) + lattice.coordinates().numpy()[rng.integers(len(W), size=500)]
    )
    X += 0.1 * rng.normal(size=X.shape)
    distance = cdist(X, W)
    least, second = np.partition(distance, 1, axis=1)[:, :2].T
    clear = second - least > 1e-4  # to float32
    found = Search(torch.from_numpy(W), 2.0, dtype, smooth_on=lattice).bmu(torch.from_numpy(X).to(dtype))
    np.testing.assert_array_equal(found.numpy()[clear], distance.argmin(axis=1)[clear])


def searches(lattice, W, make_scores=None):
    """The search, and the one among all units."""
    banded = Search(torch.from_numpy(W), 2.0, torch.float64, make_scores=make_scores, smooth_on=lattice)
    return banded, Search(torch.from_numpy(W), 2.0, torch.float64, make_scores=make_scores)


def test_it_finds_local_winners(arrangement, rng):
    lattice = make_lattice(arrangement["lattice"], 38, 34, arrangement["periodic"])
    smooth = make_smoother(lattice, NEIGHBORHOODS["gaussian"]).at(1.5)
    row_sums = smooth(torch.ones(lattice.n_units, 1, dtype=torch.float64))
    make_scores = partial(local_scores, average=lambda values: smooth(values) / row_sums)
    W = unfolded(lattice, lattice.coordinates().numpy())
    X = torch.from_numpy(W[rng.integers(len(W), size=500)] + 0.1 * rng.normal(size=(500, N_FEATURES)))
    banded, plain = searches(lattice, W, make_scores)
    np.testing.assert_array_equal(banded.bmu(X), plain.bmu(X))


@pytest.mark.parametrize("case", ["two best", "gaps", "sparse", "copies"])
def test_everything_else_is_searched_among_all_units(case, rng):
    """Prototypes without order, among which bands would find nothing."""
    lattice = make_lattice("rectangular", 38, 34)
    W, X = (rng.normal(size=(n, N_FEATURES)) for n in (lattice.n_units, 200))
    if case == "gaps":
        X[:, 3] = np.nan
    elif case == "sparse":
        X[:, 1:] = 0  # rows that store more are searched for like dense ones
    elif case == "copies":
        W[-1] = W[0]
    banded, plain = searches(lattice, W)
    rows = torch.from_numpy(X)
    rows = rows.to_sparse().coalesce() if case == "sparse" else rows
    k = 2 if case == "two best" else 1
    np.testing.assert_array_equal(banded.best(rows, k), plain.best(rows, k))


def test_rows_may_all_belong_to_one_band():
    lattice = make_lattice("rectangular", 38, 34)
    W = unfolded(lattice, lattice.coordinates().numpy())
    X = torch.from_numpy(np.repeat(W[[700]], 5000, axis=0))
    assert (searches(lattice, W)[0].bmu(X) == 700).all()
    assert searches(lattice, W)[0].bmu(X[:0]).shape == (0,)


@pytest.fixture(scope="module")
def clouds():
    """More clouds than a plane can hold in order, so that maps of them are folded."""
    rng = np.random.default_rng(3)
    centers = 2 * rng.normal(size=(40, 64))
    return (centers[rng.integers(40, size=12_000)] + rng.normal(size=(12_000, 64))).astype(np.float32)


@pytest.mark.parametrize("winner", ["nearest", "local"])
def test_training_is_as_good_as_with_all_units(clouds, winner, arrangement, monkeypatch):
    som = TopographicMap(48, 44, solver="stream", winner=winner, sigma_final=1.2, random_state=0, **arrangement)
    with patch.object(Bands, "winners", autospec=True, side_effect=Bands.winners) as winners:
        banded = clone(som).fit(clouds)
        assert winners.called
    monkeypatch.setattr(_stream, "SMOOTH_SPREAD", np.inf)
    whole = clone(som).fit(clouds)
    assert banded.quantization_error_ == pytest.approx(whole.quantization_error_, rel=0.005)
    assert topographic_error(banded, clouds) == pytest.approx(topographic_error(whole, clouds), abs=0.01)


@pytest.mark.parametrize(
    ("options", "anywhere", "at_rest"),
    [
        ({"sigma_final": 1.3}, True, True),
        ({"sigma_final": 1.1}, True, False),
        ({"sigma_initial": 5.9, "sigma_final": 1.3}, False, False),  # too narrow to unfold
        ({"sigma_initial": 6.0, "sigma_final": 1.3}, True, True),
        ({"neighborhood": "bubble", "sigma_final": 2.5}, True, True),
        ({"neighborhood": "bubble", "sigma_final": 2.3}, True, False),
        ({"neighborhood": "epanechnikov", "sigma_initial": 15, "sigma_final": 3.0}, True, True),
        ({"neighborhood": "epanechnikov", "sigma_initial": 15, "sigma_final": 2.8}, True, False),
        ({"neighborhood": "epanechnikov", "sigma_initial": 14, "sigma_final": 3.0}, False, False),
    ],
)
def test_only_smooth_and_unfolded_prototypes_are_searched_in_bands(clouds, options, anywhere, at_rest, monkeypatch):
    smooth = []
    assigned = _stream.Stage._assigned

    def recording(stage, codebook, averaging, rows, is_smooth):
        smooth.append(is_smooth)
        return assigned(stage, codebook, averaging, rows, is_smooth)

    monkeypatch.setattr(_stream.Stage, "_assigned", recording)
    TopographicMap(48, 48, solver="stream", max_iter=0.5, batch_size=500, random_state=0, **options).fit(clouds)
    assert not smooth[0]  # a codebook that is given need not be smooth
    assert any(smooth) is anywhere
    assert smooth[-1] is at_rest


@pytest.mark.parametrize("shape", [(1, 2100), (2100, 1), (2, 1100)])
def test_long_thin_maps_are_trained(clouds, shape):
    som = TopographicMap(*shape, solver="stream", max_iter=1, random_state=0).fit(clouds)
    assert np.isfinite(som.codebook_).all()


def test_nearly_all_winners_are_nearest(clouds):
    """On a map that is not unfolded, though trained by the rules."""
    som = TopographicMap(48, 44, solver="stream", sigma_final=1.3, random_state=0).fit(clouds)
    lattice = make_lattice("rectangular", 48, 44)
    distance = cdist(clouds[:3000], som.codebook_)
    W = torch.from_numpy(som.codebook_)
    found = Search(W, 2.0, torch.float32, smooth_on=lattice).bmu(torch.from_numpy(clouds[:3000])).numpy()
    least = distance.min(axis=1)
    chosen = np.take_along_axis(distance, found[:, None], axis=1)[:, 0]
    assert (chosen <= least * (1 + 1e-6)).mean() > 0.99
    assert np.square(chosen).sum() < 1.0003 * np.square(least).sum()
