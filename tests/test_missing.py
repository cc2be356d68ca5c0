"""NaN means missing, exactly: nothing is imputed anywhere."""

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import (
    lattice_distances,
    masked_distances,
    masked_epoch,
    neighborhood_matrix,
    reported_distances,
    unit_norm,
    with_gaps,
)
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo._search import Search
from sktopo.distances import normalized_observed
from sktopo.metrics import quantization_error, topographic_error


@pytest.fixture
def gappy(rng):
    return with_gaps(rng.normal(size=(80, 5)), 0.3, rng)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (6, 3, 2), (150, 17, 15), (70, 400, 40)])
def test_the_search_equals_the_loops(shape, p_norm, normalize, rng):
    n, d, k = shape
    X, W = with_gaps(rng.normal(size=(n, d)), 0.4, rng), rng.normal(size=(k, d))
    if normalize:
        X, W = normalized_observed(torch.from_numpy(X), p_norm).numpy(), unit_norm(W, p_norm)
    x = torch.from_numpy(X)
    search = Search(torch.from_numpy(W), p_norm, torch.float64, normalize=normalize)
    order = masked_distances(X, W, p_norm, normalize).argsort(axis=1, kind="stable")
    expected = reported_distances(X, W, p_norm, normalize)
    np.testing.assert_array_equal(search.bmu(x).numpy(), order[:, 0])
    if k > 1:
        np.testing.assert_array_equal(search.two_best(x).numpy(), order[:, :2])
    np.testing.assert_allclose(search.distances(x).numpy(), expected, rtol=1e-9, atol=1e-12)
    unit = torch.from_numpy(order[:, -1].copy())
    np.testing.assert_allclose(search.distance(x, unit), expected[np.arange(n), order[:, -1]], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reach", [0.3, 30.0])
def test_a_prototype_of_which_nothing_is_seen_is_as_far_as_the_row_is_long(reach, p_norm):
    """After scaling to unit norm: 1, while what points the other way is at 2 and what points along is at 0."""
    W = torch.tensor([[0.0, 0.0, reach], [0.3, -0.4, 0.0], [-0.3, 0.4, 0.0]], dtype=torch.float64)
    x = normalized_observed(torch.tensor([[3.0, -4.0, torch.nan], [-3.0, 4.0, torch.nan]], dtype=torch.float64), p_norm)
    search = Search(W, p_norm, torch.float64, normalize=True)
    assert search.two_best(x).tolist() == [[1, 0], [2, 0]]


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_huge_and_tiny_values_find_the_same_units(scale, offset, p_norm, rng):
    X, W = (np.round(rng.normal(size=(n, 4)) * 2**20) / 2**20 for n in (50, 20))
    X = with_gaps(X, 0.3, rng)
    plain = Search(torch.from_numpy(W), p_norm, torch.float64).bmu(torch.from_numpy(X))
    moved = Search(torch.from_numpy((W + offset) * scale), p_norm, torch.float64)
    winners = moved.bmu(torch.from_numpy((X + offset) * scale))
    apart = masked_distances(X, W, p_norm)
    np.testing.assert_allclose(
        apart[np.arange(50), winners.numpy()], apart[np.arange(50), plain.numpy()], rtol=1e-6, atol=1e-9
    )
    assert torch.isfinite(moved.distance(torch.from_numpy((X + offset) * scale), winners)).all()


@pytest.mark.parametrize("p", [1, 2, 3, np.inf])
@pytest.mark.parametrize("solver", ["batch", "stream"])
@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
def test_training_equals_the_loops(gappy, p, solver, lattice, rng):
    weight, W = rng.integers(0, 3, 80).astype(float), rng.normal(size=(12, 5))
    som = TopographicMap(
        4, 3, lattice=lattice, p_norm=p, init=W, sigma_initial=1.3, sigma_final=1.3, max_iter=1, solver=solver
    )
    H = neighborhood_matrix("gaussian", lattice_distances(4, 3, lattice == "hexagonal", False), 1.3)
    if solver == "stream":  # draws rows in proportion to their weights, so all weigh the same here
        weight = np.ones(80)
        som.set_params(batch_size=80)
    som.fit(gappy, sample_weight=weight)
    _, expected, loss = masked_epoch(gappy, weight, W, H, p)
    np.testing.assert_allclose(som.codebook_, expected, rtol=1e-9, atol=1e-12)
    if solver == "batch":  # the loss before the update
        assert som.loss_curve_[0] == pytest.approx(loss, rel=1e-9)
    assert som.unit_counts_.shape == som.unit_sums_.shape == (12, 5)
    np.testing.assert_allclose(som.unit_counts_.sum(axis=0), weight @ ~np.isnan(gappy))
    np.testing.assert_allclose(som.unit_sums_.sum(axis=0), weight @ np.nan_to_num(gappy))


def test_several_epochs_equal_the_loops(gappy, rng):
    W, sigmas = rng.normal(size=(12, 5)), [1.6 * (1.0 / 1.6) ** min(1, t / 0.8) for t in (0, 1 / 3, 2 / 3, 1)]
    som = TopographicMap(4, 3, init=W, sigma_initial=1.6, sigma_final=1.0, max_iter=4).fit(gappy)
    for sigma in sigmas:
        H = neighborhood_matrix("gaussian", lattice_distances(4, 3, False, False), sigma)
        _, W, _ = masked_epoch(gappy, np.ones(80), W, H)
    np.testing.assert_allclose(som.codebook_, W, rtol=1e-9, atol=1e-12)


def test_every_answer_is_over_the_observed_features(gappy, p_norm):
    som = TopographicMap(4, 3, p_norm=p_norm, output="distances", max_iter=3).fit(gappy)
    expected = reported_distances(gappy, som.codebook_, p_norm)
    np.testing.assert_array_equal(som.labels_, masked_distances(gappy, som.codebook_, p_norm).argmin(axis=1))
    np.testing.assert_array_equal(som.predict(gappy), som.labels_)
    np.testing.assert_allclose(som.transform(gappy), expected, rtol=1e-9)
    nearest = expected[np.arange(80), som.labels_]
    np.testing.assert_allclose(-som.score_samples(gappy), nearest, rtol=1e-9)
    assert som.quantization_error_ == pytest.approx(nearest.mean(), rel=1e-9)
    assert quantization_error(som, gappy) == pytest.approx(nearest.mean(), rel=1e-9)
    assert som.hit_histogram(gappy).sum() == 80
    order = masked_distances(gappy, som.codebook_, p_norm).argsort(axis=1, kind="stable")
    apart = np.abs(som.unit_coordinates_[order[:, 0]] - som.unit_coordinates_[order[:, 1]]).max(axis=1)
    assert topographic_error(som, gappy) == pytest.approx((apart > 1.5).mean())


def test_complete_rows_do_not_notice_the_gaps_of_others(digits, p_norm):
    X = digits[0][:300]
    som = TopographicMap(5, 5, p_norm=p_norm, max_iter=3, output="distances").fit(X)
    mixed = X.copy()
    mixed[::3, 5:40] = np.nan
    complete = np.arange(300) % 3 > 0
    np.testing.assert_array_equal(som.transform(mixed)[complete], som.transform(X)[complete])
    np.testing.assert_array_equal(som.predict(mixed)[complete], som.predict(X)[complete])
    for rows in (slice(0, 1), slice(3, 4), slice(90, 200)):
        np.testing.assert_array_equal(som.transform(mixed[rows]), som.transform(mixed)[rows])
        np.testing.assert_array_equal(som.predict(mixed[rows]), som.predict(mixed)[rows])


@pytest.mark.parametrize("solver", ["batch", "stream"])
def test_a_mask_of_ones_is_no_mask(solver, iris):
    """A row of weight zero brings the masked statistics in, and nothing else."""
    X = np.vstack([iris[0], [[np.nan, 1, 1, 1]]])
    som = TopographicMap(4, 4, init=iris[0][:16].copy(), solver=solver, max_iter=5, random_state=0)
    masked = clone(som).fit(X, sample_weight=np.r_[np.ones(150), 0])
    plain = clone(som).fit(iris[0])
    if solver == "batch":
        np.testing.assert_allclose(masked.codebook_, plain.codebook_, rtol=1e-12)
    assert masked.quantization_error_ == pytest.approx(plain.quantization_error_, rel=0.02)


@pytest.mark.parametrize("fractions", [False, True])
def test_neither_chunks_nor_row_order_change_a_bit(gappy, fractions, rng):
    weight = rng.uniform(size=80) if fractions else rng.integers(0, 4, 80)
    som = TopographicMap(3, 3, init=rng.normal(size=(9, 5)), max_iter=4, solver="batch")
    whole, order = clone(som).fit(gappy, sample_weight=weight), rng.permutation(80)
    small = clone(som).set_params(batch_size=64).fit(gappy, sample_weight=weight)
    for other in (small, clone(som).fit(gappy[order], sample_weight=weight[order])):
        np.testing.assert_array_equal(other.codebook_, whole.codebook_)


def test_integer_weights_equal_repeated_rows(gappy, rng):
    weight = np.r_[2, 1, rng.integers(0, 4, 78)]
    for init in ("pca", "random"):
        som = TopographicMap(3, 3, max_iter=4, init=init, random_state=0)
        repeated = clone(som).fit(np.repeat(gappy, weight, axis=0))
        np.testing.assert_allclose(clone(som).fit(gappy, sample_weight=weight).codebook_, repeated.codebook_, rtol=1e-7)


def test_the_first_plane_is_that_of_mean_filled_rows(gappy):
    filled = np.where(np.isnan(gappy), np.nanmean(gappy, axis=0), gappy)
    options = {"max_iter": 1, "sigma_initial": 1e-3, "sigma_final": 1e-3}  # units without rows keep their start
    ours = TopographicMap(9, 9, **options).fit(gappy)
    filled_map = TopographicMap(9, 9, **options).fit(filled)
    moved = (ours.unit_counts_.sum(axis=1) > 0) | (filled_map.unit_counts_ > 0)
    assert (~moved).sum() > 20
    np.testing.assert_allclose(ours.codebook_[~moved], filled_map.codebook_[~moved], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("p", [1, 2, np.inf])
def test_rows_are_normalized_over_their_observed_features(gappy, p):
    som = TopographicMap(3, 3, normalize=True, p_norm=p, max_iter=3).fit(gappy)
    np.testing.assert_allclose(np.linalg.norm(som.codebook_, ord=p, axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(som.predict(gappy * 37), som.predict(gappy))
    expected = masked_distances(gappy, som.codebook_, p, normalize=True)
    np.testing.assert_allclose(expected[np.arange(80), som.labels_], expected.min(axis=1), rtol=1e-9, atol=1e-12)


def test_chunks_with_and_without_gaps_continue_one_map(digits, rng):
    X = digits[0] + 0.0
    X[600:1200][rng.uniform(size=(600, 64)) < 0.3] = np.nan
    som = TopographicMap(6, 6, random_state=0)
    for start in range(0, 1797, 600):
        som.partial_fit(X[start : start + 600])
    assert np.isfinite(som.codebook_).all()
    assert som.unit_counts_.shape == (36, 64)
    assert -som.score(digits[0]) < 27


def test_a_feature_that_few_rows_have_is_learned():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12_000, 3))
    X[100:, 2] = np.nan
    X[:100, 2] = 5 + 0.1 * X[:100, 2]
    for solver in ("batch", "stream"):
        som = TopographicMap(4, 4, solver=solver, random_state=0, max_iter=6, sigma_final=1.5).fit(X)
        np.testing.assert_allclose(som.codebook_[:, 2], 5, atol=0.5)


METHODS = ["predict", "transform", "score", "score_samples", "hit_histogram", "fit", "partial_fit"]


@pytest.mark.parametrize("method", METHODS)
def test_a_row_that_holds_nothing_is_named_everywhere(gappy, method):
    som = TopographicMap(3, 3, max_iter=1).fit(gappy)
    X = gappy.copy()
    X[17] = np.nan
    with pytest.raises(ValueError, match=r"Every value in row 17 of X is missing \(NaN\).*drop the row"):
        getattr(som, method)(X)


def test_a_column_that_holds_nothing_is_named_where_it_would_be_learned(gappy):
    X = np.nan_to_num(gappy)
    X[:, 3] = np.nan
    for learn in (TopographicMap(3, 3).fit, TopographicMap(3, 3).partial_fit):
        with pytest.raises(ValueError, match=r"Every value in column 3 of X is missing \(NaN\).*drop the column"):
            learn(X)
    with pytest.raises(ValueError, match="Every value in column 'd' of X is missing"):
        TopographicMap(3, 3).fit(pd.DataFrame(X, columns=list("abcde")))
    som = TopographicMap(3, 3, max_iter=1).fit(gappy).partial_fit(gappy)
    assert np.isfinite(som.partial_fit(X).score(X))
    X = np.array([[1, 2], [1, np.nan], [3, np.nan]])
    with pytest.raises(ValueError, match=r"column 1 of X is missing .* in the rows of positive weight"):
        TopographicMap(2, 2).fit(X, sample_weight=[0, 1, 1])


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_no_missing_value(gappy, value):
    X = gappy.copy()
    X[7, 1] = value
    with pytest.raises(ValueError, match=r"infinity(.|\n)*First found in row 7, column 1"):
        TopographicMap(3, 3).fit(X)


def test_what_is_missing_is_read_off_the_prototype(digits, rng):
    """The recipe of docs/how-to/missing-values.md."""
    X = digits[0] / 16
    gaps = rng.uniform(size=X.shape) < 0.2
    incomplete = np.where(gaps, np.nan, X)
    som = TopographicMap(12, 12).fit(incomplete)
    guess = som.inverse_transform(som.transform(incomplete))
    means = np.broadcast_to(np.nanmean(incomplete, axis=0), X.shape)
    assert np.square(guess - X)[gaps].mean() < 0.6 * np.square(means - X)[gaps].mean()
