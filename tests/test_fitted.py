import numpy as np
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
