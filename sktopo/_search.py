"""The best one or two units of each sample.

A search is prepared once for a codebook and then asked chunk by chunk; scores exist only for one cache-sized block of
rows at a time. Samples and prototypes are centred on the codebook and scaled by a power of two (both exact or to the
last bit), so that large offsets and huge or tiny values do no harm. A row's answer never depends on the rows beside
it: blocks are padded to shapes for which matrix products are reproducible row by row.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from sktopo._device import block_rows, rounded_rows, wide_dtype
from sktopo.distances import Operands, minkowski, operands, paired_distance, scores

# A matrix product with fewer columns takes another path through the BLAS, whose rows are not reproducible.
FEWEST_UNITS = 16
# Pairs whose squared distance cancelled below this share of its terms are computed again, directly.
CANCELLED = 1e-6


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
    """

    def __init__(self, codebook: Tensor, p_norm: float, dtype: torch.dtype) -> None:
        self.codebook = codebook
        self.p_norm = p_norm
        self.n_units = codebook.shape[0]
        # halves, because the difference of two huge values of opposite sign must stay finite
        wide = codebook.to(wide_dtype(codebook.device)) / 2
        self._half_centre = wide.mean(dim=0).to(dtype)
        spread = wide - self._half_centre
        self._exponent = _exponent(spread, dtype)
        centred = (spread * 2.0**-self._exponent).to(dtype)
        self._scores: Scores = (EuclideanScores if p_norm == 2 else MinkowskiScores)(centred, p_norm)
        self._rows = block_rows(self.n_units, dtype.itemsize)

    def bmu(self, x: Tensor) -> Tensor:
        """Best matching units of a chunk: int64 (n,), ties to the lowest unit."""
        return torch.cat([_argmin(block) for block, _, _ in self._blocks(x)])

    def two_best(self, x: Tensor) -> Tensor:
        """Best and second-best units of a chunk: int64 (n, 2)."""
        found = []
        for block, _, _ in self._blocks(x):
            first = _argmin(block)
            block.scatter_(1, first[:, None], math.inf)
            found.append(torch.stack([first, _argmin(block)], dim=1))
        return torch.cat(found)

    def distance(self, x: Tensor, unit: Tensor) -> Tensor:
        """Exact distance of each sample to its unit, in the widest type: (n,)."""
        wide = wide_dtype(x.device)
        return paired_distance(x.to(wide), self.codebook[unit].to(wide), self.p_norm)

    def distances(self, x: Tensor) -> Tensor:
        """Distance of each sample to every unit: (n, n_units)."""
        parts, start = [], 0
        for block, centred, exponent in self._blocks(x):
            distance = self._scores.to_distance(block, centred)
            sample, unit = torch.nonzero(self._scores.cancelled(distance, centred), as_tuple=True)
            distance = torch.ldexp(distance, exponent + 1)
            distance[sample, unit] = self.distance(x[start + sample], unit).to(distance)
            parts.append(distance)
            start += len(block)
        return torch.cat(parts)

    def _blocks(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Consecutive blocks of rows: their scores (valid until the next), the centred rows, their exponents."""
        for start in range(0, len(x), self._rows):
            rows = x[start : start + self._rows]
            centred, exponent = self._centred(rows)
            yield self._scores(centred)[: len(rows), : self.n_units], centred[: len(rows)], exponent

    def _centred(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Half the centred samples times 2^-exponent, with rows added up to a reproducible number.

        Rows so far outside that scores would overflow get a larger exponent of their own; to the last digit of
        such a row all units are equally far.
        """
        centred = self._half_centre.new_zeros((rounded_rows(len(x)), x.shape[1]))
        inside = centred[: len(x)].copy_(x).mul_(0.5).sub_(self._half_centre)
        exponent = torch.tensor([[self._exponent]], device=x.device)
        limit = math.ldexp(1.0, min(1023, self._scores.largest_exponent + self._exponent))
        if max(map(abs, map(float, inside.aminmax()))) > limit:
            peak = inside.abs().amax(dim=1, keepdim=True)
            own = torch.frexp(peak).exponent - self._scores.largest_exponent
            exponent = own.clamp(min=self._exponent)
            inside.mul_(torch.ldexp(torch.ones_like(peak), -exponent))
        else:
            inside.mul_(2.0**-self._exponent)
        return centred, exponent


class Scores(ABC):
    """What a search compares, and how large a sample may be, for a centred codebook."""

    def __init__(self, centred: Tensor, p_norm: float) -> None:
        self.codebook = centred
        self.p_norm = p_norm
        digits = int(-math.log2(torch.finfo(centred.dtype).eps))
        self.largest_exponent = digits + 16  # beyond it the codebook is below the sample's last digit

    @abstractmethod
    def __call__(self, centred: Tensor) -> Tensor:
        """Scores (n, at least n_units); the least in a row wins."""

    @abstractmethod
    def to_distance(self, block: Tensor, centred: Tensor) -> Tensor:
        """Distances from scores and the samples that they belong to."""

    @abstractmethod
    def cancelled(self, distance: Tensor, centred: Tensor) -> Tensor:
        """Where a distance from `to_distance` has lost its digits to cancellation."""


class EuclideanScores(Scores):
    """Squared distances less the sample's own squared norm, by one matrix product."""

    def __init__(self, centred: Tensor, p_norm: float) -> None:
        super().__init__(centred, p_norm)
        weights, bias = operands(centred)
        self._largest = float(bias.max())
        missing = max(0, FEWEST_UNITS - len(centred))
        pad = torch.nn.functional.pad
        self._ready = Operands(pad(weights, (0, missing)), pad(bias, (0, missing), value=math.inf))
        self._buffer = centred.new_empty(0)

    def __call__(self, centred: Tensor) -> Tensor:
        """Scores, in a buffer that the next call uses again."""
        shape = (len(centred), self._ready.bias.shape[1])
        if self._buffer.shape != shape:
            self._buffer = centred.new_empty(shape)
        return scores(centred, self._ready, out=self._buffer)

    def to_distance(self, block: Tensor, centred: Tensor) -> Tensor:
        """``sqrt(|x|^2 + score)``."""
        return (block + _sqnorm(centred)).clamp_(min=0).sqrt_()

    def cancelled(self, distance: Tensor, centred: Tensor) -> Tensor:
        """Where the square is small beside its terms."""
        return distance.square() < CANCELLED * (_sqnorm(centred) + self._largest)


class MinkowskiScores(Scores):
    """The distances themselves, from the differences."""

    def __init__(self, centred: Tensor, p_norm: float) -> None:
        # a p-th power soon leaves float32's range
        direct = p_norm == 1 or math.isinf(p_norm)
        super().__init__(centred if direct else centred.to(wide_dtype(centred.device)), p_norm)
        if not direct:
            self.largest_exponent = min(self.largest_exponent, int(1000 / p_norm))

    def __call__(self, centred: Tensor) -> Tensor:
        """Distances."""
        return minkowski(centred.to(self.codebook), self.codebook, self.p_norm)

    def to_distance(self, block: Tensor, centred: Tensor) -> Tensor:  # noqa: ARG002
        """The scores as they are."""
        return block.clone()

    def cancelled(self, distance: Tensor, centred: Tensor) -> Tensor:  # noqa: ARG002
        """Nowhere."""
        return torch.zeros_like(distance, dtype=torch.bool)


def _sqnorm(x: Tensor) -> Tensor:
    return x.square().sum(dim=1, keepdim=True)


def _exponent(spread: Tensor, dtype: torch.dtype) -> int:
    """Power of two that brings the largest absolute value to at most 1, within what the type can scale by."""
    room = int(-math.log2(torch.finfo(dtype).tiny)) - 2
    exponent = math.frexp(float(spread.abs().max()))[1]
    return max(-room, min(room, exponent))


def _argmin(block: Tensor) -> Tensor:
    """Position of the least score of each row, the first one on ties."""
    if block.device.type == "cpu":
        return torch.from_numpy(block.numpy().argmin(axis=1))  # SIMD over the product's own buffer
    return block.argmin(dim=1)
