import numpy as np
import pytest
import torch
from oracles import neighborhood_matrix, unit_distances
from settings import threads

from sktopo._smoothing import make_smoother
from sktopo.lattices import RectangularLattice
from sktopo.neighborhoods import NEIGHBORHOODS


def dense(lattice, name, sigma):
    return neighborhood_matrix(name, unit_distances(lattice), sigma)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.7, 30.0])
def test_smoothing_equals_the_dense_product(lattice, neighborhood, sigma, rng):
    values = rng.normal(size=(lattice.n_units, 3))
    smooth = make_smoother(lattice, NEIGHBORHOODS[neighborhood]).at(sigma)
    expected = dense(lattice, neighborhood, sigma) @ values
    np.testing.assert_allclose(smooth(torch.from_numpy(values)).numpy(), expected, rtol=1e-12, atol=1e-12)


def test_row_sums_come_from_smoothing_ones(lattice, neighborhood):
    ones = torch.ones(lattice.n_units, dtype=torch.float64)
    smooth = make_smoother(lattice, NEIGHBORHOODS[neighborhood]).at(1.3)
    np.testing.assert_allclose(smooth(ones).numpy(), dense(lattice, neighborhood, 1.3).sum(axis=1), rtol=1e-12)


def test_smoothing_is_the_same_for_any_number_of_threads(rng):
    values = torch.from_numpy(rng.normal(size=(900, 40)))
    results = []
    for n in (1, 2, 4):
        with threads(n):
            results.append(make_smoother(RectangularLattice(30, 30), NEIGHBORHOODS["gaussian"]).at(2.0)(values))
    assert all(torch.equal(results[0], other) for other in results[1:])
