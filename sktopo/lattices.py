"""Where the units of a map sit.

A lattice numbers its units row by row (``unit = row * width + column``) and gives each a coordinate ``(row, column)``
in lattice units, so that neighboring units are at distance 1. Everything that depends on the arrangement is asked of
the lattice: coordinates, distances (the shorter way round where it is periodic), adjacency and interpolation.
A new lattice is a subclass with its row spacing, the shift of its odd rows and its cells; nothing else changes.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sktopo._options import check_size, chosen

# Coordinates of a hexagonal lattice are irrational, so "at distance 1" needs a little room.
ADJACENCY_TOLERANCE = 1e-6
# Half the side of a regular hexagon whose flat sides are 1 apart.
HALF_SIDE = 1 / math.sqrt(12)


def wrapped(difference: Tensor, period: float | None) -> Tensor:
    """Length of a coordinate difference along one axis, the shorter way round if the axis is periodic.

    Parameters
    ----------
    difference : Tensor
        Differences of coordinates, in lattice units; any shape.
    period : float or None
        Length of the axis, None where it has ends.

    Returns
    -------
    Tensor
        Absolute differences, of the same shape.
    """
    length = difference.abs()
    return length if period is None else torch.minimum(length, period - length)


@dataclass(frozen=True)
class Lattice(ABC):
    """An arrangement of ``height x width`` units.

    Parameters
    ----------
    height, width : int
        Number of rows and of columns.
    periodic : bool, default=False
        Whether opposite edges are joined (a torus).
    """

    height: int
    width: int
    periodic: bool = False

    name: ClassVar[str]
    row_spacing: ClassVar[float]
    odd_row_shift: ClassVar[float]
    # neighbors -> the p-norm whose unit ball holds exactly these neighbors
    adjacency_norms: ClassVar[Mapping[int, float]]
    default_neighbors: ClassVar[int]
    # whether the layer's lattice distance takes the order of its sample distance unless told otherwise
    follows_p_norm: ClassVar[bool]
    # a periodic lattice needs a height that is a multiple of this
    height_multiple: ClassVar[int] = 1
    # units that `interpolate` names for a coordinate
    n_corners: ClassVar[int]
    # corners of a unit's cell, all points that are nearer to it than to any other: (row, column) from the unit
    cell_corners: ClassVar[tuple[tuple[float, float], ...]]

    def __post_init__(self) -> None:
        missing = -self.height % self.height_multiple
        if self.periodic and missing:
            multiple = "an even height" if self.height_multiple == 2 else f"{self.height_multiple} times some height"
            raise ValueError(
                f"A periodic {self.name} lattice needs {multiple}, got height={self.height}; "
                f"use {self.height + missing}, or periodic=False."
            )

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.height * self.width

    @property
    def periods(self) -> tuple[float | None, float | None]:
        """Length of each axis in lattice units, None where it has ends."""
        return self.extent if self.periodic else (None, None)

    @property
    def extent(self) -> tuple[float, float]:
        """Height and width of the area that the units cover, in lattice units."""
        shift = self.odd_row_shift if self.height > 1 and not self.periodic else 0.0
        return self.height * self.row_spacing, self.width + shift

    @property
    def corner(self) -> tuple[float, float]:
        """Coordinates of the first corner of that area."""
        return -0.5 * self.row_spacing, -0.5

    def row_groups(self) -> list[tuple[slice, float]]:
        """Rows that share one column shift: a slice over rows, and the shift in lattice units.

        Returns
        -------
        list of (slice, float)
            One entry a group; together they cover every row once.
        """
        if self.odd_row_shift == 0 or self.height == 1:
            return [(slice(None), 0.0)]
        return [(slice(0, None, 2), 0.0), (slice(1, None, 2), self.odd_row_shift)]

    def row_positions(self) -> Tensor:
        """Position of each row along the first axis.

        Returns
        -------
        Tensor of shape (height,)
            In lattice units, float64.
        """
        return torch.arange(self.height, dtype=torch.float64, device="cpu") * self.row_spacing

    def column_positions(self) -> Tensor:
        """Position of each column of an even row along the second axis.

        Returns
        -------
        Tensor of shape (width,)
            In lattice units, float64.
        """
        return torch.arange(self.width, dtype=torch.float64, device="cpu")

    def coordinates(self) -> Tensor:
        """Coordinates of all units.

        Returns
        -------
        Tensor of shape (n_units, 2)
            ``(row, column)`` in lattice units, float64.
        """
        columns = self.column_positions().repeat(self.height, 1)
        for group, shift in self.row_groups():
            columns[group] += shift
        rows = self.row_positions()[:, None].expand(-1, self.width)
        return torch.stack([rows, columns], dim=-1).reshape(-1, 2)

    def coarsened(self, spacing: float) -> "Lattice":
        """A lattice over the same area whose units are about `spacing` apart; this one for a spacing of 1.

        Parameters
        ----------
        spacing : float
            In lattice units, at least 1.

        Returns
        -------
        Lattice
            A rectangular grid, whose coordinates and lattice distances are this lattice's.
        """
        if spacing == 1:
            return self
        height, width = (max(1, round(length / spacing)) for length in self.extent)
        return CoarseLattice(height, width, self.periodic, self.extent, self.corner)

    def sqdist(self, first: Tensor, second: Tensor, p_norm: float = 2.0) -> Tensor:
        """Squared p-norm lattice distance between coordinates, over broadcast leading axes.

        Parameters
        ----------
        first, second : Tensor of shape (..., 2)
            Coordinates in lattice units.
        p_norm : float, default=2.0
            Order of the norm, at least 1, or inf.

        Returns
        -------
        Tensor of shape (...)
            Squared distances.
        """
        row_period, column_period = self.periods
        rows = wrapped(first[..., 0] - second[..., 0], row_period)
        columns = wrapped(first[..., 1] - second[..., 1], column_period)
        if p_norm == 2:
            return rows.square() + columns.square()
        if p_norm == math.inf:
            return torch.maximum(rows, columns).square()
        longer = torch.maximum(rows, columns)
        ratio = torch.minimum(rows, columns) / torch.where(longer > 0, longer, torch.ones_like(longer))
        return longer.square() * (1 + ratio.pow(p_norm)).pow(2 / p_norm)

    def sqdist_to_all(self, unit: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """Squared lattice distance of some units to all.

        Parameters
        ----------
        unit : Tensor of int64 of shape (n,)
            Unit numbers.
        dtype : torch.dtype, default=torch.float64
            Type to compute in.

        Returns
        -------
        Tensor of shape (n, n_units)
            Squared distances.
        """
        coordinates = self.coordinates().to(dtype)
        return self.sqdist(coordinates[unit][:, None], coordinates)

    def adjacent(self, first: Tensor, second: Tensor, neighbors: int | None = None) -> Tensor:
        """Whether two units are neighbors on the lattice (no unit is its own neighbor).

        Parameters
        ----------
        first, second : Tensor of int64
            Unit numbers; the shapes broadcast.
        neighbors : int, optional
            How many neighbors an inner unit has: 8 or 4 on a rectangular lattice, 6 on a hexagonal one.

        Returns
        -------
        Tensor of bool
            One answer a pair.

        Raises
        ------
        ValueError
            If this lattice has no such neighborhood.
        """
        neighbors = self.default_neighbors if neighbors is None else neighbors
        if neighbors not in [*self.adjacency_norms]:  # a list has no hash
            known = " or ".join([*map(str, self.adjacency_norms), "None"])
            raise ValueError(f"neighbors={neighbors!r} is not defined on this lattice; use {known}.")
        coordinates = self.coordinates()
        sqdist = self.sqdist(coordinates[first], coordinates[second], self.adjacency_norms[neighbors])
        near: Tensor = (sqdist <= 1 + ADJACENCY_TOLERANCE) & (first != second)
        return near

    def edges(self, neighbors: int | None = None) -> Tensor:
        """All pairs of adjacent units, each pair once.

        Parameters
        ----------
        neighbors : int, optional
            As in `adjacent`.

        Returns
        -------
        Tensor of shape (n_edges, 2)
            Unit numbers, the lower one first, in ascending order.

        Raises
        ------
        ValueError
            If this lattice has no such neighborhood.
        """
        units = torch.arange(self.n_units, device="cpu")
        row, column = units // self.width, units % self.width
        pairs = []
        for row_step in (0, 1):
            for column_step in (-1, 0, 1):
                to_row, to_column = row + row_step, column + column_step
                inside = (to_row < self.height) & (to_column >= 0) & (to_column < self.width)
                target = (to_row % self.height) * self.width + to_column % self.width
                pair = torch.stack([torch.minimum(units, target), torch.maximum(units, target)], dim=1)
                pairs.append(pair if self.periodic else pair[inside])
        candidates = torch.unique(torch.cat(pairs), dim=0)
        edges: Tensor = candidates[self.adjacent(candidates[:, 0], candidates[:, 1], neighbors)]
        return edges

    def interpolate(self, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """Units around each coordinate, and the weights that interpolate linearly between them.

        Parameters
        ----------
        coordinates : Tensor of shape (n, 2)
            In lattice units. Wrapped on a periodic lattice, clipped to the map on a planar one.

        Returns
        -------
        units : Tensor of shape (n, n_corners)
            Unit numbers.
        weights : Tensor of shape (n, n_corners)
            Not negative; each row sums to 1.
        """
        position = coordinates[:, 0] / self.row_spacing
        # dividing by an irrational row spacing may return a row's own coordinate slightly off the row
        row = position.round()
        on_row = (position - row).abs() <= 2 * torch.finfo(position.dtype).eps * row.abs()
        position = torch.where(on_row, row, position)
        if not self.periodic:
            position = position.clamp(0, self.height - 1)
        row = position.floor()
        return self._cell(row.long(), position - row, self._clipped_column(coordinates[:, 1]))

    def resampled(self, values: Tensor, target: "Lattice") -> Tensor:
        """Values of the units, interpolated linearly at the units of another lattice over the same area.

        Parameters
        ----------
        values : Tensor of shape (n_units, m)
            One row a unit.
        target : Lattice
            The other lattice.

        Returns
        -------
        Tensor of shape (target.n_units, m)
            One row for each of its units.
        """
        return self.interpolated(values, target.coordinates())

    def interpolated(self, values: Tensor, coordinates: Tensor) -> Tensor:
        """Values of the units, interpolated linearly at some coordinates.

        Parameters
        ----------
        values : Tensor of shape (n_units, m)
            One row a unit.
        coordinates : Tensor of shape (n, 2)
            As `interpolate` takes them.

        Returns
        -------
        Tensor of shape (n, m)
            One row for each coordinate.
        """
        units, weights = self.interpolate(coordinates)
        return (values[units] * weights.to(values)[:, :, None]).sum(dim=1)

    @abstractmethod
    def _cell(self, row: Tensor, fraction: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        """Corners and weights for points `fraction` of the way from `row` to the next, at coordinate `column`."""

    def _clipped_column(self, column: Tensor) -> Tensor:
        """A column coordinate moved onto the map, where the map has an edge."""
        return column if self.periodic else column.clamp(0, self.width - 1 + self.odd_row_shift)

    def _unit(self, row: Tensor, column: Tensor) -> Tensor:
        """Unit at a row and column that may lie outside: wrapped if periodic, else the nearest inside."""
        if self.periodic:
            return (row % self.height) * self.width + column % self.width
        return row.clamp(0, self.height - 1) * self.width + column.clamp(0, self.width - 1)


@dataclass(frozen=True)
class RectangularLattice(Lattice):
    """Units on a square grid; 8 neighbors (a king's moves), or 4 on request.

    Parameters
    ----------
    height, width : int
        Number of rows and of columns.
    periodic : bool, default=False
        Whether opposite edges are joined.
    """

    name: ClassVar[str] = "rectangular"
    row_spacing: ClassVar[float] = 1.0
    odd_row_shift: ClassVar[float] = 0.0
    cell_corners: ClassVar[tuple[tuple[float, float], ...]] = ((-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5))
    adjacency_norms: ClassVar[Mapping[int, float]] = {8: math.inf, 4: 1.0}
    default_neighbors: ClassVar[int] = 8
    n_corners: ClassVar[int] = 4
    follows_p_norm: ClassVar[bool] = True

    def _cell(self, row: Tensor, fraction: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        left = column.floor()
        across = column - left
        left = left.long()
        units = [self._unit(row + up, left + right) for up in (0, 1) for right in (0, 1)]
        down, back = 1 - fraction, 1 - across
        weights = [down * back, down * across, fraction * back, fraction * across]
        return torch.stack(units, dim=1), torch.stack(weights, dim=1)


@dataclass(frozen=True)
class HexagonalLattice(Lattice):
    """Units on a triangular grid with hexagonal cells: odd rows sit half a unit to the right; 6 neighbors.

    Parameters
    ----------
    height, width : int
        Number of rows and of columns.
    periodic : bool, default=False
        Whether opposite edges are joined; needs an even height, or the shifted rows would not meet.

    Raises
    ------
    ValueError
        If the lattice is periodic and its height is odd.
    """

    name: ClassVar[str] = "hexagonal"
    row_spacing: ClassVar[float] = math.sqrt(3) / 2
    odd_row_shift: ClassVar[float] = 0.5
    cell_corners: ClassVar[tuple[tuple[float, float], ...]] = (
        (-HALF_SIDE, -0.5),
        (-2 * HALF_SIDE, 0),
        (-HALF_SIDE, 0.5),
        (HALF_SIDE, 0.5),
        (2 * HALF_SIDE, 0),
        (HALF_SIDE, -0.5),
    )
    adjacency_norms: ClassVar[Mapping[int, float]] = {6: 2.0}
    default_neighbors: ClassVar[int] = 6
    n_corners: ClassVar[int] = 5
    follows_p_norm: ClassVar[bool] = False
    height_multiple: ClassVar[int] = 2

    def _cell(self, row: Tensor, fraction: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        # Between two rows the plane is cut into triangles. Measured from the lower row, its units stand at the
        # integers and those of the row above at k + 1/2: west, middle and east of the cell [left, left + 1].
        odd = row % 2
        place = column - self.odd_row_shift * odd.to(column.dtype)
        left = place.floor()
        across, half = place - left, fraction / 2
        left = left.long()
        to_west, to_east = (half - across).clamp(min=0), (half - (1 - across)).clamp(min=0)
        to_left = torch.minimum(1 - fraction, 1 - across - half).clamp(min=0)
        weights = [to_left, 1 - fraction - to_left, to_west, fraction - to_west - to_east, to_east]
        lower = [self._unit(row, left + step) for step in (0, 1)]
        upper = [self._unit(row + 1, left + odd + step) for step in (-1, 0, 1)]
        return torch.stack(lower + upper, dim=1), torch.stack(weights, dim=1)


@dataclass(frozen=True)
class CoarseLattice(RectangularLattice):
    """A grid of fewer units over the area of another lattice, in that lattice's coordinates.

    Parameters
    ----------
    height, width : int
        Number of rows and of columns.
    periodic : bool, default=False
        Whether opposite edges are joined.
    extent : tuple of (float, float), default=(1.0, 1.0)
        Height and width of the area, in lattice units.
    corner : tuple of (float, float), default=(0.0, 0.0)
        Coordinates of the area's first corner.
    """

    name: ClassVar[str] = "coarse"
    # it lies under a map for a while, and has no neighbors and no cells to be drawn
    adjacency_norms: ClassVar[Mapping[int, float]] = {}
    cell_corners: ClassVar[tuple[tuple[float, float], ...]] = ()

    extent: tuple[float, float] = (1.0, 1.0)
    corner: tuple[float, float] = (0.0, 0.0)

    def row_positions(self) -> Tensor:
        """Position of each row along the first axis.

        Returns
        -------
        Tensor of shape (height,)
            In lattice units, float64.
        """
        return self._centers(0, self.height)

    def column_positions(self) -> Tensor:
        """Position of each column along the second axis.

        Returns
        -------
        Tensor of shape (width,)
            In lattice units, float64.
        """
        return self._centers(1, self.width)

    def interpolate(self, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """Units around each coordinate, and the weights that interpolate linearly between them.

        Parameters
        ----------
        coordinates : Tensor of shape (n, 2)
            In lattice units. Wrapped on a periodic lattice, clipped to the outer units on a planar one.

        Returns
        -------
        units : Tensor of shape (n, 4)
            Unit numbers.
        weights : Tensor of shape (n, 4)
            Not negative; each row sums to 1.
        """
        corner, extent = (coordinates.new_tensor(pair) for pair in (self.corner, self.extent))
        sides = coordinates.new_tensor([self.height, self.width])
        return super().interpolate((coordinates - corner) * sides / extent - 0.5)

    def _centers(self, axis: int, n: int) -> Tensor:
        """Middles of `n` equal parts of an axis."""
        part = self.extent[axis] / n
        return self.corner[axis] + (torch.arange(n, dtype=torch.float64, device="cpu") + 0.5) * part


LATTICES: dict[str, type[Lattice]] = {kind.name: kind for kind in (RectangularLattice, HexagonalLattice)}


def make_lattice(kind: str, height: int, width: int, periodic: bool = False) -> Lattice:
    """The lattice of a name.

    Parameters
    ----------
    kind : {"rectangular", "hexagonal"}
        Arrangement of the units.
    height, width : int
        Number of rows and of columns.
    periodic : bool, default=False
        Whether opposite edges are joined.

    Returns
    -------
    Lattice
        An arrangement of ``height x width`` units.

    Raises
    ------
    ValueError
        If there is no such lattice.
    """
    return chosen("lattice", kind, LATTICES)(check_size("height", height), check_size("width", width), periodic)
