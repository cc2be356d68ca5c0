"""Winners by scores in float32: those of float64, or in doubt."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from sktopo import _right_factor
from sktopo._rounded_scores import FEWEST_VALUES, RoundedScores, make_rounded_scores
from sktopo._search import Search


@pytest.fixture(params=["oneDNN", "torch's BLAS"], autouse=True)
def product(request, monkeypatch):
    """What multiplies, whatever this machine would choose; without AVX-512 it is torch's BLAS both times."""
    wanted = request.param == "oneDNN" and _right_factor._offers_onednn()
    monkeypatch.setattr(_right_factor, "_prefers_onednn", lambda: wanted)


def factor_of(W):
    """The right factor of scores."""
    return torch.cat([-2 * W.T, W.square().sum(dim=1)[None]])


def exact_scores(X, W):
    """Scores in twice the digits of float64."""
    X, W = X.numpy().astype(np.longdouble), W.numpy().astype(np.longdouble)
    return (W**2).sum(axis=1) - 2 * X @ W.T


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4, 1e-6, 0.0])
@pytest.mark.parametrize("n_features", [8, 40, 500])
def test_a_winner_that_is_not_in_doubt_is_the_winner(n_features, spread, rng):
    """Prototypes in pairs that are ever nearer to each other, down to copies."""
    W = torch.from_numpy(rng.normal(size=(300, n_features)))
    W = torch.cat([W, W + spread * torch.from_numpy(rng.normal(size=W.shape))])
    X = W[torch.from_numpy(rng.integers(600, size=200))] + 0.3 * torch.from_numpy(rng.normal(size=(200, n_features)))
    samples = torch.nn.functional.pad(torch.nn.functional.pad(X, (0, 1), value=1.0), (0, 0, 0, 56))
    found, doubtful = RoundedScores(factor_of(W)).winners(samples, 200)
    np.testing.assert_array_equal(found[~doubtful], exact_scores(X, W).argmin(axis=1)[~doubtful])
    if spread == 1:
        assert doubtful.float().mean() < 0.1
    if spread == 0:
        assert doubtful.all()


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e25, 1e300])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_search_in_float64_finds_the_nearest_unit(size, offset, rng):
    W = rng.normal(size=(400, 20))
    W[200:] = W[:200] + 1e-7 * rng.normal(size=(200, 20))
    X = W[rng.integers(400, size=3000)] + 0.2 * rng.normal(size=(3000, 20))
    distance = cdist(X, W)
    least, second = np.partition(distance, 1, axis=1)[:, :2].T
    clear = second - least > 2e-9  # which the rounding of an offset does not change
    assert clear.mean() > 0.9
    search = Search(torch.from_numpy((W + offset) * size), 2.0, torch.float64)
    found = search.bmu(torch.from_numpy((X + offset) * size)).numpy()
    np.testing.assert_array_equal(found[clear], distance.argmin(axis=1)[clear])


def test_rows_far_out_and_rows_beside_them_are_right(rng):
    W, X = rng.normal(size=(400, 20)), rng.normal(size=(300, 20))
    X[7] *= 1e12
    X[8] *= 1e200
    found = Search(torch.from_numpy(W), 2.0, torch.float64).bmu(torch.from_numpy(X)).numpy()
    ordinary = np.delete(np.arange(300), [7, 8])
    np.testing.assert_array_equal(found[ordinary], cdist(X[ordinary], W).argmin(axis=1))
    assert found[7] == (W @ (-X[7] / 1e12)).argmin()


def test_a_row_has_the_same_winner_beside_any_others(rng):
    W = torch.from_numpy(np.repeat(rng.normal(size=(50, 30)), 8, axis=0) + 1e-8 * rng.normal(size=(400, 30)))
    X = torch.from_numpy(rng.normal(size=(500, 30)))
    together = Search(W, 2.0, torch.float64).bmu(X)
    search = Search(W, 2.0, torch.float64)
    for row in range(0, 500, 7):
        assert search.bmu(X[row : row + 1])[0] == together[row]


def test_only_large_maps_in_float64_are_scored_in_float32(rng):
    factor = factor_of(torch.from_numpy(rng.normal(size=(400, 20))))
    assert factor.numel() >= FEWEST_VALUES
    assert make_rounded_scores(factor) is not None
    assert make_rounded_scores(factor.float()) is None
    assert make_rounded_scores(factor[:, :100]) is None
    assert make_rounded_scores(None) is None
