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
