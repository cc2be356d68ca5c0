import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from sktopo import TopographicMap
from sktopo._fixed_point import Grid
from sktopo._frame import DataRange
from sktopo._sources import ArraySource
from sktopo.initialization import INITIALIZERS, Moments, automatic_shape
from sktopo.lattices import RectangularLattice


def start(X, weight=None, **settings):
    source = ArraySource(X, weight, torch.device("cpu"))
    return Moments(source, Grid(DataRange.of(source)), **settings)


@pytest.fixture
def correlated(rng):
    return rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 50


@pytest.mark.parametrize("largest_covariance", [1000, 1])
def test_the_plane_is_scikit_learns(correlated, largest_covariance):
    moments = start(correlated, largest_covariance=largest_covariance)
    grid, plane = moments.frame, moments.plane
    pca = PCA(2).fit(correlated)
    np.testing.assert_allclose(grid.from_frame(plane.mean).numpy(), pca.mean_, rtol=1e-12)
    np.testing.assert_allclose(np.abs(plane.axes.numpy() @ pca.components_.T), np.eye(2), atol=1e-6)
    spread = plane.spread.numpy() * grid.scale.item() * np.sqrt(400 / 399)
    np.testing.assert_allclose(spread, np.sqrt(pca.explained_variance_), rtol=1e-6)


def test_of_many_features_the_plane_holds_as_much_variance_as_scikit_learns(rng):
    X = rng.normal(size=(400, 40)) @ rng.normal(size=(40, 40)) + 50  # wider than the block of the power iteration
    plane = start(X, largest_covariance=1).plane
    held = (X @ plane.axes.numpy().T).var(axis=0, ddof=1)
    np.testing.assert_allclose(held, PCA(2).fit(X).explained_variance_, rtol=1e-4)


def test_integer_weights_equal_repeated_rows(correlated, rng):
    weight = rng.integers(0, 5, 400)
    first = start(correlated, weight * 1.0)
    second = start(np.repeat(correlated, weight, axis=0))
    for name in INITIALIZERS:
        a, b = (
            INITIALIZERS[name](RectangularLattice(4, 5), each, torch.Generator().manual_seed(0))
            for each in (first, second)
        )
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-9)


def test_pca_prototypes_lie_evenly_on_the_plane(correlated):
    moments = start(correlated)
    plane = moments.plane
    codebook = INITIALIZERS["pca"](RectangularLattice(3, 5), moments, None).reshape(3, 5, 6)
    along = (codebook[1, 4] - codebook[1, 0]) / 4
    np.testing.assert_allclose(along.numpy(), (plane.spread[0] * plane.axes[0]).numpy(), atol=1e-8)  # rounded
    across = (codebook[2, 1] - codebook[1, 1]) / 2
    np.testing.assert_allclose(across.numpy(), (plane.spread[1] * plane.axes[1]).numpy(), atol=1e-8)


@pytest.mark.parametrize("X", [np.full((5, 3), 7.0), np.arange(4.0)[:, None], np.ones((1, 2))])
def test_degenerate_data_gives_finite_prototypes(X):
    assert torch.isfinite(INITIALIZERS["pca"](RectangularLattice(3, 3), start(X), None)).all()


def test_random_prototypes_have_the_datas_mean_and_spread(correlated):
    moments = start(correlated)
    grid = moments.frame
    codebook = INITIALIZERS["random"](RectangularLattice(60, 60), moments, torch.Generator().manual_seed(0))
    W = codebook.numpy() * grid.scale.item() + grid.from_frame(torch.zeros(6, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(W.mean(axis=0), correlated.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(W.std(axis=0), correlated.std(axis=0), rtol=0.1)


def test_automatic_shape_follows_the_rule():
    class Plane:
        spread = torch.tensor([4.0, 1.0])

    height, width = automatic_shape(1600.0, Plane, None, None)
    assert (height, width) == (7, 29)  # sqrt(200 / 4) = 7.07, 200 / 7 = 28.6
    assert automatic_shape(1600.0, Plane, 10, None) == (10, 20)
    assert automatic_shape(1600.0, Plane, None, 10) == (20, 10)
    assert automatic_shape(1600.0, Plane, None, None, 2)[0] % 2 == 0
    height, width = automatic_shape(1e12, Plane, None, None)
    assert 9000 < height * width <= 10_000


@pytest.mark.parametrize("n", [1, 2, 5, 20, 150, 1000, 3000, 10**6, 10**9])
@pytest.mark.parametrize("multiple", [1, 2])
def test_the_longer_side_is_at_most_ten_times_the_shorter(n, multiple):
    class Plane:
        spread = torch.tensor([100.0, 1.0])

    height, width = automatic_shape(float(n), Plane, None, None, multiple)
    assert height % multiple == 0
    assert width <= 10 * height
    if multiple == 1:
        assert height * width == pytest.approx(min(5 * n**0.5, 10_000), rel=0.15)


def test_the_plane_does_not_depend_on_the_default_type(rng):
    X = rng.normal(size=(60, 1100))  # wide enough for a power iteration, too round for it to converge
    expected = TopographicMap(3, 3, max_iter=1).fit(X).codebook_
    torch.set_default_dtype(torch.float64)
    try:
        other = TopographicMap(3, 3, max_iter=1).fit(X).codebook_
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(other, expected)
