"""What a map learns from: per-unit weighted counts and sums, which only ever add."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sktopo._device import blocks
from sktopo._frame import Frame
from sktopo._sources import added
from sktopo._sparse import row_sums
from sktopo._threads import is_forked, run_alone, scratch

# A denominator below this share of the mean mass is rounding, and the old prototype is kept.
NEGLIGIBLE_MASS = 1e-12


@dataclass(frozen=True, eq=False)
class UnitStatistics:
    """Sums over the samples of each unit.

    Parameters
    ----------
    counts : Tensor of shape (n_units,)
        Sums of weights.
    sums : Tensor of shape (n_units, n_features)
        Weighted sums of samples.
    squares : Tensor of shape (n_units,)
        Weighted sums of squared Euclidean norms.
    observed : Tensor of shape (n_units, n_features), optional
        Sums of the weights of the values that were not missing; None if none was missing.

    Examples
    --------
    >>> import sktopo
    >>> statistics = sktopo.chunk_statistics([[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0]])
    >>> (statistics + statistics).sums
    tensor([[ 8., 12.]], dtype=torch.float64)
    """

    counts: Tensor
    sums: Tensor
    squares: Tensor
    observed: Tensor | None = None

    @property
    def mass(self) -> Tensor:
        """What sums are divided by: (n_units, n_features), or (n_units, 1) where nothing is missing."""
        return self.counts[:, None] if self.observed is None else self.observed

    @property
    def means(self) -> Tensor:
        """Weighted means of what was observed, (n_units, n_features); 0 where nothing was."""
        return quotient(self.sums, self.mass)

    @classmethod
    def zeros(cls, n_units: int, like: Tensor) -> "UnitStatistics":
        """No samples yet.

        Parameters
        ----------
        n_units : int
            Number of units.
        like : Tensor of shape (any, n_features)
            Prototypes, or anything of their width, type and device.

        Returns
        -------
        UnitStatistics
            Zeros.
        """
        width = like.shape[1]  # a view of a single zero
        return cls.from_table(like.new_zeros(1, 1).expand(n_units, width + 2), width)

    @classmethod
    def of(cls, frame: Frame, chunks: Iterable[tuple[Tensor, Tensor, Tensor]], n_units: int) -> "UnitStatistics":
        """Statistics, in a frame, of samples that each went to one unit.

        Parameters
        ----------
        frame : Frame
            The frame in which to add up.
        chunks : iterable of tuple
            Samples (n, n_features), dense or sparse, NaN means missing; their weights (n,); their units, int64 (n,).
        n_units : int
            Number of units.

        Returns
        -------
        UnitStatistics
            Their sums.
        """
        return added(cls._parts(frame, chunks, n_units))

    @classmethod
    def _parts(
        cls, frame: Frame, chunks: Iterable[tuple[Tensor, Tensor, Tensor]], n_units: int
    ) -> Iterator["UnitStatistics"]:
        """What adds up to the statistics of chunks: each sparse one, and of all dense ones at most two tables."""
        complete = incomplete = None
        for x, weight, unit in chunks:
            if x.is_sparse:
                yield cls._of_sparse(frame, x, weight, unit, n_units)
                continue
            if complete is None:
                complete = frame.scale.new_zeros(n_units, x.shape[1] + 2)
            n = _add_complete(complete, frame, x, weight, unit)
            if n < len(x):
                if incomplete is None:
                    incomplete = frame.scale.new_zeros(n_units, 2 * x.shape[1] + 2)
                _add_incomplete(incomplete, frame, x[n:], weight[n:], unit[n:])
        for table in (complete, incomplete):
            if table is not None:
                yield cls.from_table(table, len(frame.unknown))

    @classmethod
    def of_shares(cls, frame: Frame, x: Tensor, weight: Tensor, shares: Tensor) -> "UnitStatistics":
        """Statistics, in a frame, of samples that several units share.

        Parameters
        ----------
        frame : Frame
            The frame in which to add up.
        x : Tensor of shape (n, n_features)
            Samples, dense; NaN means missing.
        weight : Tensor of shape (n,)
            Their weights.
        shares : Tensor of shape (n, n_units)
            What each unit takes of each sample.

        Returns
        -------
        UnitStatistics
            Their sums.
        """
        samples = frame.samples(x)
        missing = bool(torch.isnan(samples).any())
        values = filled(samples) if missing else _with_squares(samples)
        table = shares.T @ weigh(values, weight)
        return cls.from_table(table, x.shape[1])

    @classmethod
    def _of_sparse(cls, frame: Frame, x: Tensor, weight: Tensor, unit: Tensor, n_units: int) -> "UnitStatistics":
        samples = frame.samples(x)
        (row, column), gaps = samples.indices(), torch.isnan(samples.values())
        values, place = samples.values().masked_fill(gaps, 0), unit[row] * x.shape[1] + column
        values.masked_fill_(weight[row] == 0, 0)
        sums = values.new_zeros(n_units * x.shape[1]).index_add_(0, place, values * weight[row])
        of_rows = torch.stack([weight, weight * row_sums(x, values.square())], dim=1)
        counts, squares = values.new_zeros(n_units, 2).index_add_(0, unit, of_rows).T
        observed = None
        if bool(gaps.any()):
            lost = torch.zeros_like(sums).index_add_(0, place[gaps], weight[row[gaps]])
            observed = counts[:, None] - lost.view(n_units, -1)
        return cls(counts, sums.view(n_units, -1), squares, observed)

    def __add__(self, other: "UnitStatistics") -> "UnitStatistics":
        """Statistics of both sets of samples together; ValueError if they are of different maps."""
        if not isinstance(other, UnitStatistics):
            return NotImplemented
        if self.sums.shape != other.sums.shape:
            shapes = f"{tuple(self.sums.shape)} and {tuple(other.sums.shape)}"
            raise ValueError(f"Statistics of different maps do not add: (n_units, n_features) = {shapes}.")
        return self.plus(other, 1.0)

    def plus(self, other: "UnitStatistics", factor: float) -> "UnitStatistics":
        """Statistics of both sets of samples together, the weights of the others times a factor.

        Parameters
        ----------
        other : UnitStatistics
            Of the same map.
        factor : float
            Not negative.

        Returns
        -------
        UnitStatistics
            The sums.
        """
        return run_alone(lambda: self._plus(other, factor)) if is_forked() else self._plus(other, factor)

    def _plus(self, other: "UnitStatistics", factor: float) -> "UnitStatistics":
        if (self.observed is None) == (other.observed is None):
            return self._of_table(torch.add(self._table, other._table, alpha=factor))
        return UnitStatistics(
            torch.add(self.counts, other.counts, alpha=factor),
            torch.add(self.sums, other.sums, alpha=factor),
            torch.add(self.squares, other.squares, alpha=factor),
            torch.add(self.mass, other.mass, alpha=factor),
        )

    def smoothed(self, smooth: Callable[[Tensor], Tensor]) -> "UnitStatistics":
        """What every unit gathers from the units around it, by one product.

        Parameters
        ----------
        smooth : callable
            Turns values of the units (n_units, m) into smoothed ones.

        Returns
        -------
        UnitStatistics
            The smoothed sums.
        """
        return self._of_table(smooth(self._table))

    def moved(self, units: Tensor, shares: Tensor, n_units: int) -> "UnitStatistics":
        """Statistics on another lattice, where each unit's samples are shared among some units.

        Parameters
        ----------
        units : Tensor of int64 of shape (n_units, n_corners)
            Units of the other lattice that take what a unit has.
        shares : Tensor of shape (n_units, n_corners)
            Their shares; rows sum to 1.
        n_units : int
            Number of units of the other lattice.

        Returns
        -------
        UnitStatistics
            The same samples on the other lattice.
        """
        table = self._table
        moved = table.new_zeros(n_units, table.shape[1])
        for unit, share in zip(units.T, shares.T, strict=True):
            moved.index_add_(0, unit, table * share[:, None])
        return self._of_table(moved)

    @cached_property
    def _table(self) -> Tensor:
        """All sums side by side, a row for each unit: features, what was observed of them, counts, squares."""
        observed = [] if self.observed is None else [self.observed]
        return torch.cat([self.sums, *observed, self.counts[:, None], self.squares[:, None]], dim=1)

    def _of_table(self, table: Tensor) -> "UnitStatistics":
        """Statistics of the same kind from such a table."""
        return UnitStatistics.from_table(table, self.sums.shape[1])

    @classmethod
    def from_table(cls, table: Tensor, n_features: int) -> "UnitStatistics":
        """Statistics whose sums are columns of a table.

        Parameters
        ----------
        table : Tensor of shape (n_units, n_columns)
            Sums, what was observed of each feature (if anything was missing), counts and squares, side by side.
        n_features : int
            Number of features.

        Returns
        -------
        UnitStatistics
            Views of the table.
        """
        observed = table[:, n_features:-2] if table.shape[1] > n_features + 2 else None
        statistics = cls(table[:, -2], table[:, :n_features], table[:, -1], observed)
        vars(statistics)["_table"] = table
        return statistics

    def __getstate__(self) -> dict[str, Any]:
        """The sums alone travel; a table is made of them again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _add_complete(table: Tensor, frame: Frame, x: Tensor, weight: Tensor, unit: Tensor) -> int:
    """Add samples to a table of sums up to the first block in which a value is missing; the number of those added."""
    width, weighted = x.shape[1], bool((weight != 1).any())
    for rows in blocks(len(x), width + 2, table.itemsize):
        values = scratch("values", rows.stop - rows.start, width + 2, table)
        samples = frame.samples(x[rows], out=values[:, :width])
        values[:, width] = 1
        squares = torch.linalg.vector_norm(samples, dim=1, out=values[:, width + 1]).square_()
        if weighted:
            weigh(values, weight[rows])
        if bool(torch.isnan(squares).any()):  # which a missing value has reached
            return int(rows.start)
        table.index_add_(0, unit[rows], values)
    return len(x)


def _add_incomplete(table: Tensor, frame: Frame, x: Tensor, weight: Tensor, unit: Tensor) -> None:
    """Add samples of which some values may be missing to a table of sums and of what was observed."""
    for rows in blocks(len(x), table.shape[1], table.itemsize):
        table.index_add_(0, unit[rows], weigh(filled(frame.samples(x[rows])), weight[rows]))


def _with_squares(samples: Tensor, *others: Tensor) -> Tensor:
    """Samples, other columns, ones, and squared norms: (n, n_features + others + 2)."""
    squares = samples.square().sum(dim=1, keepdim=True)
    return torch.cat([samples, *others, torch.ones_like(squares), squares], dim=1)


def filled(samples: Tensor) -> Tensor:
    """Samples with zeros for missing values, which values are there, ones, and squared norms: (n, 2 n_features + 2)."""
    gaps = torch.isnan(samples)
    filled = samples.masked_fill(gaps, 0)
    return _with_squares(filled, (~gaps).to(filled))


def weigh(values: Tensor, weight: Tensor) -> Tensor:
    """Values (n, ...) times weights (n,), in place; rows of weight 0 become 0, even if a value is infinite."""
    values.mul_(weight.view(-1, *[1] * (values.ndim - 1)))
    nothing = weight == 0
    if bool(nothing.any()):
        values[nothing] = 0
    return values


def quotient(sums: Tensor, mass: Tensor) -> Tensor:
    """Sums divided by masses that broadcast to them; 0 where there is no mass, and so no sum."""
    return sums / torch.where(mass > 0, mass, 1.0)


def batch_update(gathered: UnitStatistics, previous: Tensor) -> Tensor:
    """Kohonen's batch update ``(H S) / (H n)``, the kernel regression of samples on lattice positions.

    From smoothed statistics, in their frame. Where values are missing, each feature has masses of its own. A unit whose
    neighborhood holds no mass keeps its previous prototype (Mulier & Cherkassky, Neural Computation 7, 1995).
    """
    reached = gathered.mass > NEGLIGIBLE_MASS * gathered.counts.mean()
    return gathered.sums / gathered.mass if bool(reached.all()) else torch.where(reached, gathered.means, previous)


def distortion_sum(gathered: UnitStatistics, codebook: Tensor) -> float:
    """``sum_i sum_k h_{c_i k} |x_i - w_k|^2`` from smoothed statistics alone, all in one frame."""
    products = gathered.mass * codebook.square() - 2 * codebook * gathered.sums
    # unit by unit: a sum over everything would depend on the number of threads
    return max(0.0, float((gathered.squares + products.sum(dim=1)).sum()))
