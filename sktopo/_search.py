"""The best one or two units of each sample.

A search is prepared once for a codebook and then asked chunk by chunk, from any thread; scores exist only for one
cache-sized block of rows at a time. Samples and prototypes are centered on the codebook and scaled by a power of two
(both exact or to the last bit), so that large offsets and huge or tiny values do no harm. A row's answer never depends
on the rows beside it: blocks have shapes for which matrix products are reproducible row by row.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property, partial

import torch
from torch import Tensor

from sktopo._device import block_rows, blocks, chunk_rows, rounded_rows, wide_dtype
from sktopo._masked_search import MaskedSearch
from sktopo._minima import Repeats, minima
from sktopo._powers import LARGEST_DIRECT_POWER, elementwise_power, multiplies_out, sums_of_powers
from sktopo._sparse_search import SparseSearch
from sktopo._threads import scratch
from sktopo.distances import CANCELLED, minkowski, padded_units, paired_distance, scores

# So many prototypes tell where the others are; a prime, so that they come from all columns of a map.
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
    """

    def __init__(
        self,
        codebook: Tensor,
        p_norm: float,
        dtype: torch.dtype,
        center: Tensor | None = None,
        make_scores: "Callable[[Tensor, float], Scores] | None" = None,
        *,
        normalize: bool = False,
    ) -> None:
        self.codebook = codebook
        self.p_norm = p_norm
        self.normalize = normalize
        self.n_units = codebook.shape[0]
        self._wide = wide_dtype(codebook.device)
        # halves, because the difference of two huge values of opposite sign must stay finite
        spread = codebook.to(self._wide) / 2
        # the median: a few prototypes on outliers must not move the center away from all others
        middle = _median(spread) if center is None else center.to(spread) / 2
        self._half_center = middle.to(dtype)  # prototypes and samples are measured from the same rounded center
        spread -= self._half_center
        size, reach = _reach(middle), _reach(spread)
        if not _within(dtype, size, reach):
            dtype, self._half_center, spread = self._wide, middle, codebook.to(self._wide) / 2 - middle
            reach = _reach(spread)
        self._exponent = _exponent(reach, dtype)
        centered = spread.mul_(2.0**-self._exponent).to(dtype)
        self._scores: Scores = (make_scores or plain_scores)(centered, p_norm)
        self._scale = 2.0 ** (-self._exponent - 1)
        self._minus_center = self._half_center * -(2.0**-self._exponent)
        self._ordinary = _largest_ordinary(dtype, size, self._scores.largest_exponent + self._exponent)
        self._rows = block_rows(self.n_units, dtype.itemsize)

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
        found = torch.empty((k, len(x)), dtype=torch.int64, device=x.device)
        for rows, block in self._blocks(self._centered(x, ends)[0], len(x)):
            minima(block, found[:, rows])
        return found.T

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
        for rows, block in self._blocks(centered, len(x)):
            samples = centered[rows, :-1]
            distance = self._scores.to_distance(block, samples)
            row, unit = torch.nonzero(self._scores.cancelled(distance, samples), as_tuple=True)
            result[rows] = torch.ldexp(distance, exponent[rows] + 1)
            row += rows.start
            for first in range(0, len(row), step):
                pairs = slice(first, first + step)
                result[row[pairs], unit[pairs]] = self.distance(x[row[pairs]], unit[pairs]).to(result)
        return result

    @cached_property
    def _sparse(self) -> SparseSearch:
        """The same search for sparse rows."""
        return self._scores.for_sparse_rows(self.codebook, self.p_norm)

    @cached_property
    def _masked(self) -> MaskedSearch:
        """The same search for rows in which values are missing."""
        return self._scores.for_gaps(self.codebook, self.p_norm, self.normalize)

    def _blocks(self, centered: Tensor, n: int) -> Iterator[tuple[slice, Tensor]]:
        """Consecutive blocks of the first `n` centered rows, and their scores, each valid until the next."""
        # Every call of torch hands Python's lock to another worker, so there are few: one cuts all rows into blocks.
        size, start = -1, 0
        for samples in torch.split(centered, self._rows):
            stop = min(n, start + self._rows)
            if stop - start != size:
                size = stop - start
                room = scratch("scores", len(samples), padded_units(self.n_units), centered)
                block = room[:size, : self.n_units]
            self._scores.fill(room, samples)
            yield slice(start, stop), block
            start = stop

    def _centered(self, x: Tensor, ends: tuple[float, float]) -> tuple[Tensor, Tensor | None]:
        """Half the centered samples times 2^-exponent with a last feature of 1, and the exponents (n, 1) if not common.

        Rows are added up to a reproducible number; what stands in them does not matter. Rows so far outside that
        scores would overflow get a larger exponent of their own; to the last digit of such a row all units are equally
        far.
        """
        n, width = x.shape
        centered = scratch("samples", rounded_rows(n) if n else 0, width + 1, self._half_center)
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


class Scores(ABC):
    """What a search compares, and how large a sample may be, for a centered codebook."""

    def __init__(self, centered: Tensor, p_norm: float) -> None:
        self.codebook = centered
        self.p_norm = p_norm
        digits = int(-math.log2(torch.finfo(centered.dtype).eps))
        self.largest_exponent = digits + 16  # beyond it the codebook is below the sample's last digit

    def for_sparse_rows(self, codebook: Tensor, p_norm: float) -> SparseSearch:
        """The same search for sparse rows."""
        return SparseSearch(codebook, p_norm)

    def for_gaps(self, codebook: Tensor, p_norm: float, normalize: bool) -> MaskedSearch:
        """The same search for rows in which values are missing."""
        return MaskedSearch(codebook, p_norm, normalize)

    def keep_powers(self) -> None:
        """Let no sample be so large that the p-th powers of its differences would leave the type."""
        self.largest_exponent = min(self.largest_exponent, int(1000 / self.p_norm))

    @abstractmethod
    def fill(self, block: Tensor, samples: Tensor) -> None:
        """Write the scores of centered samples with a last feature of 1; the least of a row's first n_units wins."""

    @abstractmethod
    def to_distance(self, block: Tensor, centered: Tensor) -> Tensor:
        """Distances from scores and the samples that they belong to."""

    def cancelled(self, distance: Tensor, centered: Tensor) -> Tensor:  # noqa: ARG002
        """Where a distance from `to_distance` has lost its digits to cancellation: nowhere, without a difference."""
        return torch.zeros_like(distance, dtype=torch.bool)


class EuclideanScores(Scores):
    """Squared distances less the sample's own squared norm, by one matrix product."""

    def __init__(self, centered: Tensor, p_norm: float) -> None:
        super().__init__(centered, p_norm)
        self._n_units = n_units = len(centered)
        # padded units have score 0 and are not looked at
        self._right = centered.new_zeros(centered.shape[1] + 1, padded_units(n_units))
        torch.mul(centered.T, -2, out=self._right[:-1, :n_units])
        torch.sum(centered.square(), dim=1, out=self._right[-1, :n_units])
        self._repeats = Repeats(centered)

    def fill(self, block: Tensor, samples: Tensor) -> None:
        """One matrix product."""
        self._repeats.copy_first(scores(samples, self._right, out=block))

    def to_distance(self, block: Tensor, centered: Tensor) -> Tensor:
        """``sqrt(|x|^2 + score)``."""
        return (block + _sqnorm(centered)).clamp_(min=0).sqrt_()

    def cancelled(self, distance: Tensor, centered: Tensor) -> Tensor:
        """Where the square is small beside its terms: such pairs are computed again, directly."""
        return distance.square() <= CANCELLED * (_sqnorm(centered) + self._right[-1, : self._n_units])


class MinkowskiScores(Scores):
    """The distances themselves, from the differences."""

    def __init__(self, centered: Tensor, p_norm: float) -> None:
        # sums over many features and p-th powers need more than float32; a maximum does not
        super().__init__(centered if math.isinf(p_norm) else centered.to(wide_dtype(centered.device)), p_norm)
        if p_norm <= LARGEST_DIRECT_POWER:
            self.keep_powers()

    def fill(self, block: Tensor, samples: Tensor) -> None:
        """Distances, one by one."""
        block[:, : len(self.codebook)] = minkowski(samples[:, :-1].to(self.codebook), self.codebook, self.p_norm)

    def to_distance(self, block: Tensor, centered: Tensor) -> Tensor:  # noqa: ARG002
        """The scores as they are."""
        return block.clone()


class PowerScores(Scores):
    """Powers of the distances, for orders that multiply out: as good to compare, and a root only where it is wanted.

    ``d^p`` is halved in its exponent until that is at most 1.5, so that no type is left.
    """

    def __init__(self, centered: Tensor, p_norm: float) -> None:
        super().__init__(centered.to(wide_dtype(centered.device)), p_norm)
        self.keep_powers()
        self._square_roots = max(0, math.ceil(math.log2(p_norm / 1.5)))

    def fill(self, block: Tensor, samples: Tensor) -> None:
        """Sums of powers, feature by feature."""
        powers = sums_of_powers(samples[:, :-1].to(self.codebook), self.codebook, self.p_norm)
        for _ in range(self._square_roots):
            powers.sqrt_()
        block[:, : len(self.codebook)] = powers

    def to_distance(self, block: Tensor, centered: Tensor) -> Tensor:  # noqa: ARG002
        """Roots of the powers."""
        return elementwise_power(block, 2**self._square_roots / self.p_norm)


def plain_scores(centered: Tensor, p_norm: float) -> Scores:
    """Scores by which the nearest unit wins."""
    if p_norm == 2:
        return EuclideanScores(centered, p_norm)
    powers = 1 < p_norm < math.inf and multiplies_out(p_norm)
    return (PowerScores if powers else MinkowskiScores)(centered, p_norm)


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


def _reach(x: Tensor) -> float:
    """Largest absolute value."""
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


def _sqnorm(x: Tensor) -> Tensor:
    return x.square().sum(dim=1, keepdim=True)


def _within(dtype: torch.dtype, center: float, reach: float) -> bool:
    """Whether a center and a spread of such sizes can be held and scaled in a type."""
    limits = torch.finfo(dtype)
    return center < limits.max / 4 and (reach == 0 or limits.tiny * 4 < reach < limits.max / 4)


def _exponent(reach: float, dtype: torch.dtype) -> int:
    """Power of two that brings the largest absolute value to about 1, within what the type can scale by."""
    room = int(-math.log2(torch.finfo(dtype).tiny)) - 2
    return max(-room, min(room, math.frexp(reach)[1]))


def _largest_ordinary(dtype: torch.dtype, center: float, exponent: int) -> float:
    """Up to this absolute value a sample minus the center stays within 2^exponent, and nothing on the way overflows."""
    largest = torch.finfo(dtype).max
    return min(largest / 4, math.ldexp(1.0, min(1022, exponent)) - 2 * center) if center < largest / 4 else -1.0
