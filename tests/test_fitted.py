import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError

from sktopo import TopographicMap
from sktopo._fitted import FittedMap, open_query


def test_a_fitted_map_is_read_from_public_attributes(iris):
    som = TopographicMap(4, 6, lattice="hexagonal", periodic=True, p_norm=1).fit(iris[0])
    fitted = FittedMap.of(som)
    np.testing.assert_array_equal(fitted.codebook.numpy(), som.codebook_)
    assert (fitted.lattice.height, fitted.lattice.width, fitted.lattice.periodic) == (4, 6, True)
    assert (fitted.sigma, fitted.p_norm) == (som.sigma_, 1.0)


def test_the_estimators_codebook_is_copied(iris):
    som = TopographicMap(3, 3).fit(iris[0])
    FittedMap.of(som).codebook.zero_()
    assert som.codebook_.any()


def test_what_is_not_fitted_cannot_be_asked(iris):
    with pytest.raises(NotFittedError):
        open_query(TopographicMap(), iris[0])


def test_wide_answers_come_in_small_chunks(iris):
    som = TopographicMap(3, 3).fit(iris[0])
    _, source = open_query(som, np.tile(iris[0], (20, 1)), columns=10_000)
    assert max(len(x) for x, _ in source.chunks()) == 64
    assert source.dtype == torch.float64


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        (lambda W: W[:5], r"codebook_ must be an array of shape .* = \(9, 4\), got \(5, 4\)"),
        (lambda W: W[:, :3], r"= \(9, 4\), got \(9, 3\)"),
        (lambda W: W.reshape(3, 3, 4), r"= \(9, 4\), got \(3, 3, 4\)"),
        (lambda W: W.tolist(), "got a list"),
        (pd.DataFrame, "must be an array of .*, got a DataFrame"),
        (lambda W: W.round().astype(int), "codebook_ must hold float32 or float64.* not int64"),
        (lambda W: W.astype(">f8"), "not >f8: convert it"),
        (lambda W: torch.nn.Parameter(torch.from_numpy(W)), "without gradients.*, or detach it"),
        (lambda W: np.where(np.isclose(W, W.max()), np.nan, W), "codebook_ has missing or infinite values"),
        (lambda W: np.where(np.isclose(W, W.max()), -np.inf, W), "codebook_ has missing or infinite values"),
    ],
)
@pytest.mark.parametrize("method", ["predict", "transform", "score", "partial_fit", "save"])
def test_a_codebook_that_was_replaced_is_checked(replace, message, method, iris, tmp_path):
    som = TopographicMap(3, 3).fit(iris[0])
    som.codebook_ = replace(som.codebook_)
    with pytest.raises(ValueError, match=message):
        getattr(som, method)(tmp_path / "map" if method == "save" else iris[0])


@pytest.mark.parametrize("p_norm", [1, 2, np.inf])
def test_prototypes_of_a_map_that_normalizes_count_by_their_direction(p_norm, rng):
    X = rng.normal(size=(300, 3))
    som = TopographicMap(5, 5, normalize=True, p_norm=p_norm).fit(X)
    before, score, bits = som.predict(X), som.score(X), som.codebook_.copy()
    som.codebook_ = bits * rng.uniform(0.2, 5, size=(25, 1))
    np.testing.assert_array_equal(som.predict(X), before)
    np.testing.assert_array_equal(som.to_layer().bmu(torch.from_numpy(X)), before)
    np.testing.assert_allclose(som.score(X), score, rtol=1e-12)
    np.testing.assert_array_equal(TopographicMap(5, 5, normalize=True, p_norm=p_norm).fit(X).codebook_, bits)


def test_a_map_of_the_largest_numbers_learns_on(rng):
    X = rng.normal(size=(20_000, 3)) * 1e305
    som = TopographicMap(4, 4, solver="batch").fit(X)
    assert np.isinf(som.unit_sums_).any()
    score = som.score(X)
    assert som.partial_fit(X[:500]).score(X) > 1.1 * score  # which is negative


def test_rows_that_a_map_of_float32_cannot_hold_are_named(rng):
    X = rng.normal(size=(300, 3)).astype(np.float32)
    som = TopographicMap(3, 3).fit(X)
    before = som.codebook_.copy()
    with pytest.raises(ValueError, match="too large for the map, which is of float32"):
        som.partial_fit(X.astype(np.float64) * 1e42)
    np.testing.assert_array_equal(som.codebook_, before)


def test_steps_that_leave_the_range_of_numbers_are_named(rng):
    X = rng.normal(size=(300, 3))
    with pytest.raises(ValueError, match="lower learning_rate"):
        TopographicMap(3, 3, solver="gradient", learning_rate=1e160, max_iter=2).fit(X)
