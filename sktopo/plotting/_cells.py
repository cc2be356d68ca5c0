"""The cells of a map: a polygon for each unit, the border, and on a torus the ring of cells that continue it beyond.

Positions are ``(x, y) = (column, row)`` in lattice units, with `y` pointing down as rows do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sktopo.lattices import Lattice, make_lattice


@dataclass(frozen=True)
class Cells:
    """Polygons of a lattice.

    Parameters
    ----------
    lattice : Lattice
        Where the units sit.
    """

    lattice: Lattice

    @classmethod
    def named(cls, lattice: str, shape: Sequence[int], periodic: bool) -> "Cells":
        """Cells of the lattice of that name, with so many rows and columns."""
        height, width = shape
        return cls(make_lattice(lattice, height, width, periodic))

    @property
    def centers(self) -> NDArray[np.float64]:
        """Places of the units: (n_units, 2)."""
        places: NDArray[np.float64] = self.lattice.coordinates().numpy()
        return places[:, ::-1].copy()

    @property
    def polygons(self) -> NDArray[np.float64]:
        """Cells of the units: (n_units, n_corners, 2)."""
        return self.centers[:, None] + self._corners

    def ghosts(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Cells beyond the edges of a torus, and the units that they repeat; none on a planar map."""
        height, width = (self.lattice.height, self.lattice.width) if self.lattice.periodic else (-2, -2)
        rows, columns = (part.ravel() for part in np.mgrid[-1 : height + 1, -1 : width + 1])
        outside = (rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)
        rows, columns = rows[outside], columns[outside]
        places = np.stack([columns + self.lattice.odd_row_shift * (rows % 2), rows * self.lattice.row_spacing], axis=1)
        return places[:, None] + self._corners, (rows % height) * width + columns % width

    @property
    def _corners(self) -> NDArray[np.float64]:
        """Corners of a cell from its unit: (n_corners, 2)."""
        return np.array(self.lattice.cell_corners)[:, ::-1]

    def border(self) -> NDArray[np.float64]:
        """Sides that belong to one cell only: (n_sides, 2, 2)."""
        polygons = self.polygons
        sides = np.stack([polygons, np.roll(polygons, -1, axis=1)], axis=2).reshape(-1, 2, 2)
        middles = sides.mean(axis=1).round(6)
        _, place, times = np.unique(middles, axis=0, return_inverse=True, return_counts=True)
        outer: NDArray[np.float64] = sides[times[place.ravel()] == 1]
        return outer

    @property
    def slope(self) -> float:
        """Height of the view over its width."""
        low, high = self.limits()
        return float((high[1] - low[1]) / (high[0] - low[0]))

    def limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and greatest x and y of what is drawn."""
        drawn = np.concatenate([self.polygons, self.ghosts()[0]]).reshape(-1, 2)
        return drawn.min(axis=0) - 0.05, drawn.max(axis=0) + 0.05
