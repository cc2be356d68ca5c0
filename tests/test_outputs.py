import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csr_array

from sktopo import TopographicMap
from sktopo._fitted import FittedMap
from sktopo._outputs import OUTPUTS


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_way_there_and_back_keeps_shape_and_type(iris, name, dtype):
    fitted = FittedMap.of(TopographicMap(4, 3).fit(iris[0]))
    output, x = OUTPUTS[name], torch.from_numpy(iris[0]).to(dtype)
    there = output.transform(fitted, dtype)(x)
    assert there.shape == (150, output.n_columns(fitted.lattice.n_units))
    back = output.inverse(fitted, there)
    assert back.shape == x.shape
    assert there.dtype == back.dtype == dtype


@pytest.mark.parametrize(
    "container",
    [pl.DataFrame, pd.DataFrame, lambda a: pd.DataFrame(a).convert_dtypes(), lambda a: pa.table(pd.DataFrame(a)), list],
)
def test_the_way_back_keeps_float32_in_any_container(iris, container):
    som = TopographicMap(4, 3).fit(iris[0])
    places = som.transform(iris[0].astype(np.float32)) + np.float32(0.25)
    back = som.inverse_transform(container(places))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, som.inverse_transform(places))


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


@pytest.mark.parametrize(
    ("name", "value"), [("output", "labels"), ("neighborhood", "cone"), ("winner", "far"), ("p_norm", 0.5)]
)
def test_what_was_set_wrong_since_fit_is_named(name, value, iris):
    som = TopographicMap(4, 4, winner="local").fit(iris[0]).set_params(**{name: value})
    with pytest.raises(ValueError, match=f"{name} must be"):
        som.transform(iris[0])
    with pytest.raises(ValueError, match=f"{name} must be"):
        som.inverse_transform(iris[0][:, :2])


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("p_norm", [2, 3])
@pytest.mark.parametrize("output", ["activations", "coordinates"])
def test_a_rows_soft_output_never_depends_on_its_neighbors(output, p_norm, gaps, rng):
    X = rng.normal(size=(700, 4))
    if gaps:
        X[rng.uniform(size=X.shape) < 0.1] = np.nan
        X = X[~np.isnan(X).all(axis=1)]
    som = TopographicMap(
        4, 5, p_norm=p_norm, winner="local", temperature=0.1, max_iter=1, solver="batch", output=output
    )
    together = som.fit(X).transform(X)
    for some in (slice(0, 1), slice(63, 66), slice(0, 64), slice(100, 420)):
        np.testing.assert_array_equal(som.transform(X[some]), together[some])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sparse_rows_output_never_depends_on_its_neighbors(dtype, rng):
    X = csr_array(rng.normal(size=(200, 5)).astype(dtype))
    som = TopographicMap(4, 5, p_norm=3, normalize=True, output="distances", max_iter=1).fit(X)
    together = som.transform(X)
    for row in range(0, 200, 7):
        np.testing.assert_array_equal(som.transform(X[[row]])[0], together[row])
