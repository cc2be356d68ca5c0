"""``H @ values``: every unit gathers the values of all units, weighted by the neighborhood.

The matrix ``H`` of units by units is never formed. A Gaussian is a product over the axes, so rows and columns are
smoothed one after the other; on a hexagonal lattice that holds within each pair of row parities, because odd rows are
shifted by a constant. A neighborhood with compact support is summed row offset by row offset, each a small matrix
over the columns. The product runs in torch, whose result does not change with the number of threads. A smoother is
prepared once for a lattice and then asked at any sigma.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from sktopo.lattices import Lattice, wrapped
from sktopo.neighborhoods import Neighborhood

RowGroup = tuple[slice, float]


class Smoother(ABC):
    """The product with ``H`` for one lattice and neighborhood."""

    def __init__(self, lattice: Lattice, neighborhood: Neighborhood) -> None:
        self.lattice = lattice
        self.neighborhood = neighborhood
        self._groups = lattice.row_groups()
        rows = lattice.row_positions()
        self._row_sqdist = wrapped(rows[:, None] - rows, lattice.periods[0]).square()
        shifts = {to - of for _, to in self._groups for _, of in self._groups}
        self._column_sqdist = {shift: self._across(shift) for shift in shifts}

    def at(self, sigma: float | Tensor) -> Callable[[Tensor], Tensor]:
        """``H @ values`` as a function of values of shape ``(n_units,)`` or ``(n_units, m)``."""
        product = self._product(sigma)
        shape = (self.lattice.height, self.lattice.width, -1)
        return lambda values: product(values.reshape(shape)).reshape(values.shape)

    @abstractmethod
    def _product(self, sigma: float | Tensor) -> Callable[[Tensor], Tensor]:
        """The function that smooths values of shape (height, width, m)."""

    def _across(self, shift: float) -> Tensor:
        """Squared distances from the columns of a row to those of a row shifted by `shift`: (width, width)."""
        columns = self.lattice.column_positions()
        return wrapped(columns[:, None] - columns - shift, self.lattice.periods[1]).square()


class SeparableSmoother(Smoother):
    """Axis by axis, for a neighborhood that is a product over the axes."""

    def _product(self, sigma: float | Tensor) -> Callable[[Tensor], Tensor]:
        over_rows = self.neighborhood(self._row_sqdist, sigma)
        over_columns = {shift: self.neighborhood(sqdist, sigma) for shift, sqdist in self._column_sqdist.items()}

        def between(grid: Tensor, target: RowGroup, source: RowGroup) -> Tensor:
            """What the units of one group of rows gather from those of another."""
            along, across = over_columns[source[1] - target[1]].to(grid), over_rows[target[0], source[0]].to(grid)
            partial = along @ grid[source[0]]  # (source rows, width, m)
            return (across @ partial.flatten(1)).reshape(len(across), *partial.shape[1:])

        def smooth(grid: Tensor) -> Tensor:
            if len(self._groups) == 1:
                return between(grid, self._groups[0], self._groups[0])
            result = torch.empty_like(grid)
            for target in self._groups:
                result[target[0]] = sum(between(grid, target, source) for source in self._groups)
            return result

        return smooth


class CompactSmoother(Smoother):
    """Row offset by row offset, for a neighborhood that vanishes beyond a radius."""

    def _product(self, sigma: float | Tensor) -> Callable[[Tensor], Tensor]:
        reach = self.neighborhood.support(float(sigma))

        def smooth(grid: Tensor) -> Tensor:
            result = torch.zeros_like(grid)
            for target, target_shift in self._groups:
                for source, source_shift in self._groups:
                    column_sqdist = self._column_sqdist[source_shift - target_shift]
                    between = self._row_sqdist[target, source]
                    for distance in torch.unique(between[between.sqrt() <= reach]):
                        along = self.neighborhood(column_sqdist + distance, sigma).to(grid)
                        across = (between == distance).to(grid)
                        gathered = (across @ grid[source].flatten(1)).reshape(len(across), *grid.shape[1:])
                        result[target] += along @ gathered
            return result

        return smooth


def make_smoother(lattice: Lattice, neighborhood: Neighborhood) -> Smoother:
    """The quickest exact smoother there is for a neighborhood."""
    kind = SeparableSmoother if neighborhood.separates else CompactSmoother
    return kind(lattice, neighborhood)
