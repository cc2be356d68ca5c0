import numpy as np
from pictures import (
    area,
)

from sktopo.lattices import HexagonalLattice
from sktopo.plotting._cells import Cells


def test_cells_are_what_is_nearest_to_a_unit(lattice, rng):
    cells = Cells(lattice)
    corners = 6 if isinstance(lattice, HexagonalLattice) else 4
    assert cells.polygons.shape == (lattice.n_units, corners, 2)
    np.testing.assert_allclose([area(p) for p in cells.polygons], lattice.row_spacing)
    reach = np.linalg.norm(cells.polygons - cells.centers[:, None], axis=2)
    np.testing.assert_allclose(reach, np.sqrt(1 / 3) if corners == 6 else np.sqrt(1 / 2))
    for first, second in type(lattice)(lattice.height, lattice.width).edges().tolist():
        if np.linalg.norm(cells.centers[first] - cells.centers[second]) < 1.01:  # neighbors share a side
            both = cells.polygons[[first, second]].reshape(-1, 2).round(6)
            assert len(np.unique(both, axis=0)) == 2 * corners - 2


def test_the_border_goes_once_around(lattice):
    border = Cells(lattice).border()
    ends, times = np.unique(border.reshape(-1, 2).round(6), axis=0, return_counts=True)
    assert set(times) == {2}
    assert len(ends) == len(border)


def test_ghosts_are_periodic_images(lattice):
    polygons, units = Cells(lattice).ghosts()
    if not lattice.periodic:
        assert len(units) == 0
        return
    assert len(units) == 2 * (lattice.height + lattice.width) + 4
    moved = polygons.mean(axis=1) - Cells(lattice).centers[units]
    turns = moved[:, ::-1] / np.array(lattice.periods)
    np.testing.assert_allclose(turns, turns.round(), atol=1e-9)
    assert (np.abs(turns.round()).max(axis=1) == 1).all()
