import numpy as np
import pytest
import torch

from sktopo import TopographicMap
from sktopo._fitted import FittedMap
from sktopo._outputs import OUTPUTS


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_way_there_and_back_keeps_shape_and_type(iris, name, dtype):
    fitted = FittedMap.of(TopographicMap(4, 3).fit(iris[0]))
    output, x = OUTPUTS[name], torch.from_numpy(iris[0]).to(dtype)
    there = output.transform(fitted, dtype)(x)
    assert there.shape == (150, output.n_columns(fitted.lattice))
    back = output.inverse(fitted, there)
    assert back.shape == x.shape
    assert there.dtype == back.dtype == dtype


@pytest.mark.parametrize("name", ["coordinates", "distances"])
def test_a_prototype_comes_back_as_itself(iris, name):
    fitted = FittedMap.of(TopographicMap(4, 3, lattice="hexagonal").fit(iris[0]))
    output = OUTPUTS[name]
    back = output.inverse(fitted, output.transform(fitted, torch.float64)(fitted.codebook))
    np.testing.assert_allclose(back.numpy(), fitted.codebook.numpy(), rtol=1e-12)


def test_huge_activations_have_a_mean(iris):
    som = TopographicMap(4, 4, output="activations").fit(iris[0])
    expected = som.inverse_transform(np.ones((1, 16)))
    np.testing.assert_allclose(som.inverse_transform(np.full((1, 16), np.finfo(float).max)), expected, rtol=1e-12)
