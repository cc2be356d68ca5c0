"""What a search compares to find the nearest unit, in the form that is quickest for a norm."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from sktopo._device import BLOCK_BYTES, wide_dtype
from sktopo._masked_search import MaskedSearch
from sktopo._minima import Repeats
from sktopo._powers import LARGEST_DIRECT_POWER, elementwise_power, multiplies_out, sums_of_powers
from sktopo._products import padded_units
from sktopo._right_factor import RightFactor
from sktopo._sparse_search import SparseSearch
from sktopo.distances import CANCELLED, minkowski

# Powers up to 2 to this, and sums of many of them, are numbers in float64.
LARGEST_POWER_EXPONENT = 1000


class Scores(ABC):
    """What a search compares, and how large a sample may be, for a centered codebook.

    Attributes
    ----------
    factor : Tensor of shape (n_features + 1, n_units) or None
        The right factor of the scores, where its product is all there is to be compared.
    lasting : bool
        Whether the codebook meets so many samples that code made for it pays.
    """

    factor: Tensor | None = None
    lasting: bool = True

    def __init__(self, centered: Tensor, p_norm: float) -> None:
        self.codebook = centered
        self.p_norm = p_norm
        digits = int(-math.log2(torch.finfo(centered.dtype).eps))
        self.largest_exponent = digits + 16  # beyond it the codebook is below the sample's last digit

    @property
    def block_bytes(self) -> int:
        """How large a block of scores should be."""
        return BLOCK_BYTES

    def for_sparse_rows(self, codebook: Tensor, p_norm: float) -> SparseSearch:
        """The same search for sparse rows."""
        return SparseSearch(codebook, p_norm)

    def for_gaps(self, codebook: Tensor, p_norm: float, normalize: bool) -> MaskedSearch:
        """The same search for rows in which values are missing."""
        return MaskedSearch(codebook, p_norm, normalize)

    def keep_powers_finite(self) -> None:
        """Let no sample be so large that the p-th powers of its differences would leave the type."""
        self.largest_exponent = min(self.largest_exponent, int(LARGEST_POWER_EXPONENT / self.p_norm))

    @abstractmethod
    def of(self, samples: Tensor) -> Tensor:
        """Scores of centered samples with a last feature of 1, valid until this thread asks again.

        The least of a row's first n_units wins; there may be more columns.
        """

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
        n_units = len(centered)
        # padded units have score 0 and are not looked at
        right = centered.new_zeros(centered.shape[1] + 1, padded_units(n_units))
        torch.mul(centered.T, -2, out=right[:-1, :n_units])
        self._sqnorm = torch.sum(centered.square(), dim=1, out=right[-1, :n_units])
        self._right, self._repeats = RightFactor(right), Repeats(centered)
        self.factor = None if self._repeats else right[:, :n_units]

    @property
    def block_bytes(self) -> int:
        """As the product wants it."""
        return self._right.block_bytes(lasting=self.lasting)

    def of(self, samples: Tensor) -> Tensor:
        """One matrix product."""
        return self._repeats.copy_first(self._right.scores(samples, lasting=self.lasting))

    def to_distance(self, block: Tensor, centered: Tensor) -> Tensor:
        """``sqrt(|x|^2 + score)``."""
        return (block + _sqnorm(centered)).clamp_(min=0).sqrt_()

    def cancelled(self, distance: Tensor, centered: Tensor) -> Tensor:
        """Where the square is small beside its terms: such pairs are computed again, directly."""
        return distance.square() <= CANCELLED * (_sqnorm(centered) + self._sqnorm)


class MinkowskiScores(Scores):
    """The distances themselves, from the differences."""

    def __init__(self, centered: Tensor, p_norm: float) -> None:
        # sums over many features and p-th powers need more than float32; a maximum does not
        super().__init__(centered if math.isinf(p_norm) else centered.to(wide_dtype(centered.device)), p_norm)
        if p_norm <= LARGEST_DIRECT_POWER:
            self.keep_powers_finite()

    def of(self, samples: Tensor) -> Tensor:
        """Distances, one by one."""
        return minkowski(samples[:, :-1].to(self.codebook), self.codebook, self.p_norm)

    def to_distance(self, block: Tensor, centered: Tensor) -> Tensor:  # noqa: ARG002
        """The scores as they are."""
        return block


class PowerScores(Scores):
    """Powers of the distances, for orders that multiply out: as good to compare, and a root only where it is wanted.

    ``d^p`` is halved in its exponent until that is at most 1.5, so that no type is left.
    """

    def __init__(self, centered: Tensor, p_norm: float) -> None:
        super().__init__(centered.to(wide_dtype(centered.device)), p_norm)
        self.keep_powers_finite()
        self._square_roots = max(0, math.ceil(math.log2(p_norm / 1.5)))

    def of(self, samples: Tensor) -> Tensor:
        """Sums of powers, feature by feature."""
        powers = sums_of_powers(samples[:, :-1].to(self.codebook), self.codebook, self.p_norm)
        for _ in range(self._square_roots):
            powers.sqrt_()
        return powers

    def to_distance(self, block: Tensor, centered: Tensor) -> Tensor:  # noqa: ARG002
        """Roots of the powers."""
        return elementwise_power(block, 2**self._square_roots / self.p_norm)


def plain_scores(centered: Tensor, p_norm: float) -> Scores:
    """Scores by which the nearest unit wins."""
    if p_norm == 2:
        return EuclideanScores(centered, p_norm)
    powers = 1 < p_norm < math.inf and multiplies_out(p_norm)
    return (PowerScores if powers else MinkowskiScores)(centered, p_norm)


def _sqnorm(x: Tensor) -> Tensor:
    return x.square().sum(dim=1, keepdim=True)
