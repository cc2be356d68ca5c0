import re

import numpy as np
import pytest
import torch
from oracles import coordinates, unit_distances

from sktopo.lattices import HexagonalLattice, RectangularLattice


def test_units_are_numbered_row_by_row(lattice):
    expected = coordinates(lattice.height, lattice.width, lattice.name == "hexagonal")
    np.testing.assert_allclose(lattice.coordinates().numpy(), expected, rtol=0, atol=1e-15)


def test_distance_is_the_shortest_over_all_images(lattice, p_norm):
    units = lattice.coordinates()
    sqdist = lattice.sqdist(units[:, None], units, p_norm)
    np.testing.assert_allclose(sqdist.numpy(), unit_distances(lattice, p_norm) ** 2, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kind", "neighbors", "order"), [("r", 8, np.inf), ("r", 4, 1.0), ("h", 6, 2.0)])
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", [(6, 5), (2, 2), (4, 1), (1, 1)])
def test_adjacent_units_are_at_distance_one(kind, neighbors, order, periodic, shape):
    height, width = shape
    if kind == "h" and height % 2:
        height += 1
    lattice = (HexagonalLattice if kind == "h" else RectangularLattice)(height, width, periodic)
    near = unit_distances(lattice, order) < 1.001
    np.fill_diagonal(near, False)
    units = torch.arange(lattice.n_units)
    np.testing.assert_array_equal(lattice.adjacent(units[:, None], units, neighbors).numpy(), near)
    edges = lattice.edges(neighbors).numpy()
    np.testing.assert_array_equal(edges, np.argwhere(np.triu(near)))


@pytest.mark.parametrize(("lattice", "inner"), [(RectangularLattice(9, 9), 8), (HexagonalLattice(9, 9), 6)])
def test_an_inner_unit_has_the_default_number_of_neighbors(lattice, inner):
    degree = torch.bincount(lattice.edges().flatten(), minlength=81)
    assert degree[4 * 9 + 4] == inner
    assert degree.max() == inner


@pytest.mark.parametrize(
    ("lattice", "neighbors"),
    [(RectangularLattice(3, 3), 6), (HexagonalLattice(3, 3), 4), (RectangularLattice(3, 3), [8])],
)
def test_unknown_neighbors_are_refused(lattice, neighbors):
    with pytest.raises(ValueError, match=re.escape(f"neighbors={neighbors}")):
        lattice.edges(neighbors)


def test_periodic_hexagons_need_an_even_height():
    with pytest.raises(ValueError, match="even height, got height=5; use 6"):
        HexagonalLattice(5, 4, periodic=True)


def test_interpolation_at_a_unit_is_the_unit(lattice):
    units, weights = lattice.interpolate(lattice.coordinates())
    matrix = torch.zeros(lattice.n_units, lattice.n_units, dtype=torch.float64).scatter_add_(1, units, weights)
    np.testing.assert_allclose(matrix.numpy(), np.eye(lattice.n_units), atol=1e-12)


def test_interpolation_weights_are_a_partition_of_one(lattice, rng):
    points = torch.from_numpy(rng.uniform(-3, 12, size=(500, 2)))
    _, weights = lattice.interpolate(points)
    assert (weights >= -1e-12).all()
    np.testing.assert_allclose(weights.sum(dim=1).numpy(), 1, rtol=1e-12)


@pytest.mark.parametrize("kind", [RectangularLattice, HexagonalLattice])
def test_interpolation_reproduces_linear_functions_inside_a_planar_map(kind, rng):
    lattice = kind(6, 8)
    points = torch.from_numpy(rng.uniform([0, 0.5], [5 * lattice.row_spacing, 7], size=(500, 2)))
    units, weights = lattice.interpolate(points)
    back = (lattice.coordinates()[units] * weights[:, :, None]).sum(dim=1)
    np.testing.assert_allclose(back.numpy(), points.numpy(), atol=1e-12)


@pytest.mark.parametrize("lattice", [RectangularLattice(6, 8, periodic=True), HexagonalLattice(6, 8, periodic=True)])
def test_interpolation_wraps_and_is_continuous_on_a_torus(lattice, rng):
    points = torch.from_numpy(rng.uniform(-10, 20, size=(300, 2)))
    values = torch.from_numpy(rng.normal(size=lattice.n_units))

    def value(at):
        units, weights = lattice.interpolate(at)
        return (values[units] * weights).sum(dim=1).numpy()

    period = torch.tensor(lattice.periods, dtype=torch.float64)
    np.testing.assert_allclose(value(points), value(points + period), atol=1e-9)
    np.testing.assert_allclose(value(points), value(points + 1e-9), atol=1e-7)


def test_points_outside_a_planar_map_are_clipped_to_it():
    lattice = RectangularLattice(3, 4)
    units, weights = lattice.interpolate(torch.tensor([[-5.0, -5.0], [9.0, 9.0], [1.0, 99.0]]))
    best = units.gather(1, weights.argmax(dim=1, keepdim=True))[:, 0]
    assert best.tolist() == [0, 11, 7]


@pytest.mark.parametrize("spacing", [2.0, 4.0])
def test_a_coarser_lattice_covers_the_same_area(lattice, spacing):
    coarse = lattice.coarsened(spacing)
    assert lattice.coarsened(1) is lattice
    assert coarse.n_units <= lattice.n_units
    assert coarse.periods == lattice.periods
    np.testing.assert_allclose(coarse.coordinates().mean(dim=0)[0], lattice.coordinates().mean(dim=0)[0], atol=1e-12)
    fine = lattice.coordinates()
    reach = coarse.sqdist(fine[:, None], coarse.coordinates()).min(dim=1).values.sqrt()
    assert reach.max() <= spacing * 1.5
    assert coarse.coarsened(2 * spacing) == lattice.coarsened(2 * spacing)
    with pytest.raises(ValueError, match="not defined on this lattice"):
        coarse.edges()


@pytest.mark.parametrize(
    "planar", [RectangularLattice(9, 8), RectangularLattice(30, 4), HexagonalLattice(9, 8)], ids=str
)
def test_interpolation_on_a_coarser_lattice_is_linear_between_its_units(planar):
    coarse = planar.coarsened(2.0)
    assert coarse.n_units < planar.n_units
    places = coarse.coordinates()
    middle = places.mean(dim=0, keepdim=True) + 0.1
    units, shares = coarse.interpolate(middle)
    np.testing.assert_allclose(shares.sum(dim=1), 1)
    inside = (middle >= places.amin(dim=0)) & (middle <= places.amax(dim=0))
    expected = torch.where(inside, middle, middle.clamp(min=places.amin(dim=0), max=places.amax(dim=0)))
    np.testing.assert_allclose((places[units] * shares[:, :, None]).sum(dim=1), expected, atol=1e-12)
    exact, weight = coarse.interpolate(places)
    np.testing.assert_allclose((places[exact] * weight[:, :, None]).sum(dim=1), places, atol=1e-12)
