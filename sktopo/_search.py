"""The best one or two units of each sample.

A search is prepared once for a codebook and then asked chunk by chunk, from any thread; scores exist only for one
cache-sized block of rows at a time. Samples and prototypes are centered on the codebook and scaled by a power of two
(both exact or to the last bit), so that large offsets and huge or tiny values do no harm. Except where
winners are sought coarse to fine, a row's answer never depends on the rows beside it: blocks have shapes for which
matrix products are reproducible row by row.
"""

import math
from collections.abc import Callable
from functools import cached_property, partial

import torch
from torch import Tensor

from sktopo._bands import make_bands
from sktopo._device import block_rows, blocks, chunk_rows, wide_dtype
from sktopo._masked_search import MaskedSearch
from sktopo._minima import minima
from sktopo._products import heights, stacked
from sktopo._rounded_scores import FEWEST_ROWS, LARGEST_DOUBT, RoundedScores, make_rounded_scores
from sktopo._scores import Scores, plain_scores
from sktopo._sparse_search import SparseSearch
from sktopo._threads import scratch
from sktopo.distances import paired_distance
from sktopo.lattices import Lattice

# So many prototypes suffice to locate the center; a prime, so that a regular stride visits every column of a map.
MOST_OF_MEDIAN = 251


class Search:
    """Nearest units of one codebook.

    Parameters
    ----------
    codebook : Tensor of shape (n_units, n_features)
        Prototypes, on the device that searches.
    p_norm : float
        Order of the distance.
    dtype : torch.dtype
        Type to compute in: that of the samples.
    center : Tensor of shape (n_features,), optional
        A point amid the prototypes; their median without one.
    make_scores : callable, optional
        What is compared, from the centered prototypes and the order; distances without one.
    normalize : bool, default=False
        Whether samples arrive scaled to unit norm: where values are missing (NaN), prototypes are scaled alike.
    smooth_on : Lattice, optional
        A lattice on which the prototypes are smooth. The winner of a complete dense sample is then sought coarse to
        fine on a large map (`_bands`), which nearly always finds it.
    lasting : bool, default=True
        Whether the codebook meets so many samples that code made for it pays.
    """

    def __init__(
        self,
        codebook: Tensor,
        p_norm: float,
        dtype: torch.dtype,
        center: Tensor | None = None,
        make_scores: Callable[[Tensor, float], Scores] | None = None,
        *,
        normalize: bool = False,
        smooth_on: Lattice | None = None,
        lasting: bool = True,
    ) -> None:
        self.codebook = codebook
        self.p_norm = p_norm
        self.normalize = normalize
        self.n_units = codebook.shape[0]
        self._wide = wide_dtype(codebook.device)
        # halves, because the difference of two huge values of opposite sign must stay finite
        half = codebook.to(self._wide) / 2
        # the median: a few prototypes on outliers must not move the center away from all others
        middle = _median(half) if center is None else center.to(half) / 2
        self._half_center = middle.to(dtype)  # prototypes and samples are measured from the same rounded center
        half -= self._half_center
        offset, extent = _largest_absolute(middle), _largest_absolute(half)
        if not _within(dtype, offset, extent):
            dtype, self._half_center, half = self._wide, middle, codebook.to(self._wide) / 2 - middle
            extent = _largest_absolute(half)
        self._exponent = _exponent(extent, dtype)
        centered = half.mul_(2.0**-self._exponent).to(dtype)
        self._scores: Scores = (make_scores or plain_scores)(centered, p_norm)
        self._scores.lasting = lasting
        self._scale = 2.0 ** (-self._exponent - 1)
        self._minus_center = self._half_center * -(2.0**-self._exponent)
        self._ordinary = _largest_ordinary(dtype, offset, self._scores.largest_exponent + self._exponent)
        self._bands = None if smooth_on is None else make_bands(self._scores.factor, smooth_on)
        self._rows = block_rows(self.n_units, dtype.itemsize, self._scores.block_bytes)

    def bmu(self, x: Tensor) -> Tensor:
        """Best matching units of a chunk: int64 (n,), ties to the lowest unit."""
        return self.best(x, 1)[:, 0]

    def two_best(self, x: Tensor) -> Tensor:
        """Best and second-best units of a chunk: int64 (n, 2)."""
        return self.best(x, 2)

    def best(self, x: Tensor, k: int) -> Tensor:
        """The k best units of a chunk: int64 (n, k)."""
        if x.is_sparse:
            return self._sparse.best(x, k, self)
        ends = _ends(x)
        if math.isnan(ends[0]):
            return _split(x, partial(self.best, k=k), partial(self._masked.best, k=k))
        centered = self._centered(x, ends)[0]
        if self._bands is not None and k == 1:
            return self._bands.winners(centered[: len(x)])[:, None]
        rounded = self._rounded if k == 1 and len(x) >= FEWEST_ROWS else None
        return self._best(centered, len(x), k) if rounded is None else self._nearest(centered, len(x), rounded)

    def _best(self, centered: Tensor, n: int, k: int) -> Tensor:
        """The k best units (n, k) of the first n centered rows."""
        found = torch.empty((k, n), dtype=torch.int64, device=centered.device)
        ranks = found.unbind()
        for rows, samples in stacked(centered, n, self._rows):
            minima(self._scores_of(samples, rows), [rank[rows] for rank in ranks])
        return found.T

    def _nearest(self, centered: Tensor, n: int, rounded: RoundedScores) -> Tensor:
        """The best unit (n, 1) of the first n centered rows: by rounded scores where these leave no doubt."""
        found, doubtful = rounded.winners(centered, n)
        rows = torch.nonzero(doubtful)[:, 0]
        if len(rows) > LARGEST_DOUBT * n:
            self._rounded = None
        if len(rows):
            n_again = sum(heights(len(rows), self._rows))
            again = torch.zeros(n_again, centered.shape[1], dtype=centered.dtype, device="cpu")
            torch.index_select(centered, 0, rows, out=again[: len(rows)])
            found[rows] = self._best(again, len(rows), 1)[:, 0]
        return found[:, None]

    def distance(self, x: Tensor, unit: Tensor) -> Tensor:
        """Exact distance of each sample to its unit, in the widest type: (n,)."""
        if x.is_sparse:
            return self._sparse.distance(x, unit, self)
        result = torch.empty(len(x), dtype=self._wide, device=x.device)
        for rows in blocks(len(x), x.shape[1], self.codebook.itemsize):
            own = scratch("prototypes", rows.stop - rows.start, x.shape[1], self.codebook)
            torch.index_select(self.codebook, 0, unit[rows], out=own)
            result[rows] = paired_distance(x[rows], own, self.p_norm, self._wide)
        if math.isnan(_ends(result)[0]):
            gaps = torch.isnan(result)
            result[gaps] = self._masked.distance(x[gaps], unit[gaps])
        return result

    def distances(self, x: Tensor) -> Tensor:
        """Distance of each sample to every unit: (n, n_units)."""
        if x.is_sparse:
            return self._sparse.distances(x, self)
        ends = _ends(x)
        if math.isnan(ends[0]):
            return _split(x, self.distances, self._masked.distances)
        result = self._half_center.new_empty((len(x), self.n_units))
        step = chunk_rows(x.shape[1])
        centered, exponent = self._centered(x, ends)
        if exponent is None:
            exponent = torch.full((len(x), 1), self._exponent, device=x.device)
        for rows, samples in stacked(centered, len(x), self._rows):
            own = centered[rows, :-1]
            distance = self._scores.to_distance(self._scores_of(samples, rows), own)
            row, unit = torch.nonzero(self._scores.cancelled(distance, own), as_tuple=True)
            result[rows] = torch.ldexp(distance, exponent[rows] + 1)
            row += rows.start
            for first in range(0, len(row), step):
                pairs = slice(first, first + step)
                result[row[pairs], unit[pairs]] = self.distance(x[row[pairs]], unit[pairs]).to(result)
        return result

    @cached_property
    def _rounded(self) -> RoundedScores | None:
        """Scores of float64 samples in float32; None where they save nothing."""
        return make_rounded_scores(self._scores.factor)

    @cached_property
    def _sparse(self) -> SparseSearch:
        """The same search for sparse rows."""
        return self._scores.for_sparse_rows(self.codebook, self.p_norm)

    @cached_property
    def _masked(self) -> MaskedSearch:
        """The same search for rows in which values are missing."""
        return self._scores.for_gaps(self.codebook, self.p_norm, self.normalize)

    def _scores_of(self, samples: Tensor, rows: slice) -> Tensor:
        """Scores (m, n_units) of a block without its padding, valid until this thread asks again."""
        block, n = self._scores.of(samples), rows.stop - rows.start
        return block if block.shape == (n, self.n_units) else block[:n, : self.n_units]

    def _centered(self, x: Tensor, ends: tuple[float, float]) -> tuple[Tensor, Tensor | None]:
        """Half the centered samples times 2^-exponent with a last feature of 1, and the exponents (n, 1) if not common.

        The number of rows is padded to one for which products are reproducible; the padding is not initialized. Rows
        so far out that scores would overflow get a larger exponent of their own; at their precision all units are
        equally far.
        """
        n, width = x.shape
        centered = scratch("samples", sum(heights(n, self._rows)), width + 1, self._half_center)
        centered[:, width] = 1
        inside = centered[:n, :width]
        if max(-ends[0], ends[1]) <= self._ordinary:
            # scaling by a power of two commutes with rounding: the same difference, in one pass
            torch.add(self._minus_center, x, alpha=self._scale, out=inside)
            return centered, None
        torch.mul(x.to(inside.dtype), 0.5, out=inside).sub_(self._half_center)
        peak = inside.abs().amax(dim=1, keepdim=True)
        exponent = torch.frexp(peak).exponent.sub(self._scores.largest_exponent).clamp(min=self._exponent)
        inside.mul_(torch.ldexp(torch.ones_like(peak), -exponent))
        return centered, exponent


def _median(points: Tensor) -> Tensor:
    """Median of each feature, the lower one of two; of many points it is that of some, evenly spaced."""
    if len(points) > MOST_OF_MEDIAN:
        some = torch.arange(MOST_OF_MEDIAN, device=points.device) * len(points) // MOST_OF_MEDIAN
        points = points.index_select(0, some)  # `points[some]` wakes torch's threads, whose spinning slows workers down
    if points.device.type != "cpu":
        return points.median(dim=0).values
    ordered, position = points.clone(), (len(points) - 1) // 2
    ordered.numpy().partition(position, axis=0)  # SIMD; torch's selection guesses branches wrong
    return ordered[position]


def _largest_absolute(x: Tensor) -> float:
    low, high = _ends(x)
    return max(-low, high)


def _ends(x: Tensor) -> tuple[float, float]:
    """Least and greatest value of a chunk; NaN if a value is missing."""
    low, high = map(float, x.aminmax()) if len(x) else (0.0, 0.0)
    return low, high


def _split(x: Tensor, complete: Callable[[Tensor], Tensor], incomplete: Callable[[Tensor], Tensor]) -> Tensor:
    """Answers for rows without and with missing values: a complete row's does not depend on the others."""
    gaps = torch.isnan(x).any(dim=1)
    answers = incomplete(x[gaps])
    result = answers.new_empty((len(x), *answers.shape[1:]))
    result[gaps] = answers
    if not bool(gaps.all()):
        result[~gaps] = complete(x[~gaps]).to(result.dtype)
    return result


def _within(dtype: torch.dtype, offset: float, extent: float) -> bool:
    """Whether a center and centered prototypes of such sizes can be held and scaled in a type."""
    limits = torch.finfo(dtype)
    return offset < limits.max / 4 and (extent == 0 or limits.tiny * 4 < extent < limits.max / 4)


def _exponent(extent: float, dtype: torch.dtype) -> int:
    """Power of two that brings the largest absolute value to about 1, within what the type can scale by."""
    room = int(-math.log2(torch.finfo(dtype).tiny)) - 2
    return max(-room, min(room, math.frexp(extent)[1]))


def _largest_ordinary(dtype: torch.dtype, offset: float, exponent: int) -> float:
    """Up to this absolute value a sample minus the center stays within 2^exponent, and nothing on the way overflows."""
    largest = torch.finfo(dtype).max
    return min(largest / 4, math.ldexp(1.0, min(1022, exponent)) - 2 * offset) if offset < largest / 4 else -1.0
