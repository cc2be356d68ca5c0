"""Every measure of samples with missing values, against loops."""

import numpy as np
import pytest
import torch
from oracles import (
    common_distances,
    lattice_distances,
    masked_distances,
    neighborhood_matrix,
    neighbors_kept,
    neighbors_of,
    reported_distances,
    shortest_paths,
)
from oracles import topographic_product as looped_topographic_product
from sklearn.metrics.pairwise import nan_euclidean_distances

from sktopo import TopographicMap
from sktopo.distances import common_minkowski
from sktopo.metrics import (
    combined_error,
    continuity,
    distortion,
    explained_variance,
    hit_entropy,
    topographic_error,
    topographic_product,
    trustworthiness,
    trustworthiness_scorer,
)

SHARES = [0.2, 0.7]


@pytest.fixture(params=SHARES)
def gappy(request, rng):
    X = rng.normal(size=(60, 4))
    X[rng.uniform(size=X.shape) < request.param] = np.nan
    return X[~np.isnan(X).all(axis=1)]


@pytest.fixture
def weight(gappy):
    return np.linspace(0, 3, len(gappy))


@pytest.mark.parametrize("normalize", [False, True])
def test_samples_are_compared_over_the_features_that_both_have(gappy, p_norm, normalize):
    x = torch.from_numpy(gappy)
    ours = common_minkowski(x[:9], x, p_norm, normalize=normalize).numpy()
    np.testing.assert_allclose(ours, common_distances(gappy, p_norm, normalize)[:9], rtol=1e-12, atol=1e-14)


def test_for_the_euclidean_norm_that_is_scikit_learns_distance(gappy):
    x = torch.from_numpy(gappy)
    expected = nan_euclidean_distances(gappy)  # NaN where no feature is common
    np.testing.assert_allclose(common_minkowski(x, x, 2.0), np.nan_to_num(expected, nan=np.inf), atol=1e-7)


@pytest.mark.parametrize("p", [1, 2, np.inf])
@pytest.mark.parametrize("normalize", [False, True])
def test_trustworthiness_and_continuity_equal_the_loop(gappy, p, normalize):
    som = TopographicMap(4, 5, p_norm=p, normalize=normalize).fit(gappy)
    on_map = lattice_distances(4, 5, False, False).round(9)[som.labels_][:, som.labels_]
    in_data = common_distances(gappy, p, normalize)
    in_data = in_data.round(9) if normalize else in_data  # rows of few features, of unit norm, are often as far apart
    for k in (1, 5, 20):
        assert trustworthiness(som, gappy, k) == pytest.approx(neighbors_kept(on_map, in_data, k), rel=1e-9)
        assert continuity(som, gappy, k) == pytest.approx(neighbors_kept(in_data, on_map, k), rel=1e-9)


def test_pairs_without_a_common_feature_are_the_farthest_and_tied():
    X = np.array([[0, np.nan], [1, np.nan], [3, np.nan], [np.nan, 0], [np.nan, 1], [np.nan, 3]])
    som = TopographicMap(1, 9, max_iter=1).fit(X)
    som.codebook_[:] = 1e3
    som.codebook_[[0, 1, 3, 4, 7, 8]] = [[0, 50], [1, 50], [3, 50], [50, 0], [50, 1], [50, 3]]
    # Nearest on the map: 0-1, 1-0, 2-3, 3-2, 4-5, 5-4. Rows 2 and 3 have no feature in common: rank (3 + 4 + 5) / 3.
    # Row 4 is nearest to 3, then to 5: rank 2. So 3 + 3 + 1 is what falls behind rank 1; 6 x 8 / 2 is the worst case.
    assert trustworthiness(som, X, 1) == pytest.approx(1 - 7 / 24)


def test_ranks_do_not_depend_on_the_order_of_the_samples_or_on_blocks(digits, rng):
    X = digits[0][:700] + 0.0
    X[rng.uniform(size=X.shape) < 0.3] = np.nan
    som, order = TopographicMap(5, 5, max_iter=3).fit(X), rng.permutation(700)
    for measure in (trustworthiness, continuity):
        assert measure(som, X[order]) == pytest.approx(measure(som, X), rel=1e-12)
    assert trustworthiness_scorer(som, X) > 0.8


@pytest.mark.parametrize("winner", ["nearest", "local"])
def test_every_other_measure_equals_the_loop(gappy, weight, p_norm, winner):
    som = TopographicMap(4, 5, p_norm=p_norm, winner=winner, sigma_final=0.8).fit(gappy)
    near, apart = neighbors_of(4, 5, False, False), lattice_distances(4, 5, False, False)
    order = masked_distances(gappy, som.codebook_, p_norm).argsort(axis=1, kind="stable")
    best, second, rows = order[:, 0], order[:, 1], np.arange(len(gappy))
    reported = reported_distances(gappy, som.codebook_, p_norm)

    energy = (neighborhood_matrix("gaussian", apart, som.sigma_)[best] * reported**2).sum(axis=1)
    assert distortion(som, gappy, sample_weight=weight) == pytest.approx(np.average(energy, weights=weight))

    folded = [b not in near[a] for a, b in zip(best, second, strict=True)]
    assert topographic_error(som, gappy, sample_weight=weight) == pytest.approx(np.average(folded, weights=weight))

    ways = shortest_paths(som.codebook_, near, p_norm)[best, second]
    expected = np.average(reported[rows, best] + ways, weights=weight)
    assert combined_error(som, gappy, sample_weight=weight) == pytest.approx(expected)

    mass = weight @ ~np.isnan(gappy)
    spread = reported_distances(gappy, (weight @ np.nan_to_num(gappy) / mass)[None], p_norm)[:, 0] ** 2
    expected = 1 - (weight * reported[rows, best] ** 2).sum() / (weight * spread).sum()
    assert explained_variance(som, gappy, sample_weight=weight) == pytest.approx(expected)

    share = np.bincount(best, weight, minlength=20) / weight.sum()
    expected = -sum(s * np.log(s) for s in share if s > 0) / np.log(20)
    assert hit_entropy(som, gappy, sample_weight=weight) == pytest.approx(expected)

    expected = looped_topographic_product(som.codebook_, apart, p_norm)
    assert topographic_product(som) == pytest.approx(expected, rel=1e-6, abs=1e-9)
