"""``H @ values``: every unit gathers the values of all units, weighted by the neighborhood.

The matrix ``H`` of units by units is never formed. A Gaussian is a product over the axes, so rows and columns are
smoothed one after the other; on a hexagonal lattice that holds within each pair of row parities, because odd rows are
shifted by a constant. A neighborhood with compact support is summed row offset by row offset, each a small matrix
over the columns. The product runs in torch, whose result does not change with the number of threads.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from sktopo.lattices import Lattice, wrapped
from sktopo.neighborhoods import Neighborhood


class Smoother(ABC):
    """The product with ``H`` for one lattice, neighborhood and sigma."""

    def __init__(self, lattice: Lattice, neighborhood: Neighborhood, sigma: float) -> None:
        self.lattice = lattice
        self.neighborhood = neighborhood
        self.sigma = sigma

    def __call__(self, values: Tensor) -> Tensor:
        """``H @ values`` for values of shape ``(n_units,)`` or ``(n_units, m)``."""
        grid = values.reshape(self.lattice.height, self.lattice.width, -1)
        return self._smooth(grid).reshape(values.shape)

    @abstractmethod
    def _smooth(self, grid: Tensor) -> Tensor:
        """Smooth values of shape (height, width, m)."""

    def _row_sqdist(self) -> Tensor:
        """Squared distances between the rows, along the first axis: (height, height)."""
        rows = self.lattice.row_positions()
        return wrapped(rows[:, None] - rows, self.lattice.periods[0]).square()

    def _column_sqdist(self, shift: float) -> Tensor:
        """Squared distances from the columns of a row to those of a row shifted by `shift`: (width, width)."""
        columns = self.lattice.column_positions()
        return wrapped(columns[:, None] - columns - shift, self.lattice.periods[1]).square()


class SeparableSmoother(Smoother):
    """Axis by axis, for a neighborhood that is a product over the axes."""

    def __init__(self, lattice: Lattice, neighborhood: Neighborhood, sigma: float) -> None:
        super().__init__(lattice, neighborhood, sigma)
        self._over_rows = neighborhood(self._row_sqdist(), sigma)
        shifts = {to - of for _, to in lattice.row_groups() for _, of in lattice.row_groups()}
        self._over_columns = {shift: neighborhood(self._column_sqdist(shift), sigma) for shift in shifts}

    def _smooth(self, grid: Tensor) -> Tensor:
        result = torch.zeros_like(grid)
        for target, target_shift in self.lattice.row_groups():
            for source, source_shift in self.lattice.row_groups():
                along = self._over_columns[source_shift - target_shift].to(grid)
                across = self._over_rows[target, source].to(grid)
                partial = along @ grid[source]  # (source rows, width, m)
                result[target] += (across @ partial.flatten(1)).reshape(-1, *partial.shape[1:])
        return result


class CompactSmoother(Smoother):
    """Row offset by row offset, for a neighborhood that vanishes beyond a radius."""

    def _smooth(self, grid: Tensor) -> Tensor:
        result = torch.zeros_like(grid)
        reach = self.neighborhood.support(self.sigma)
        row_sqdist = self._row_sqdist()
        for target, target_shift in self.lattice.row_groups():
            for source, source_shift in self.lattice.row_groups():
                column_sqdist = self._column_sqdist(source_shift - target_shift)
                between = row_sqdist[target, source]
                for distance in torch.unique(between[between.sqrt() <= reach]):
                    along = self.neighborhood(column_sqdist + distance, self.sigma).to(grid)
                    across = (between == distance).to(grid)
                    gathered = (across @ grid[source].flatten(1)).reshape(-1, *grid.shape[1:])
                    result[target] += along @ gathered
        return result


def make_smoother(lattice: Lattice, neighborhood: Neighborhood, sigma: float) -> Smoother:
    """The quickest exact smoother there is for a neighborhood."""
    kind = SeparableSmoother if neighborhood.separates else CompactSmoother
    return kind(lattice, neighborhood, sigma)
