"""What a search compares to find the unit with the least local error ``e_ij = sum_k g_jk |x_i - w_k|^2``.

For p = 2 a local error is a squared distance to the smoothed prototype ``v_j = sum_k g_jk w_k`` plus a constant of the
unit, ``e_ij = |x_i - v_j|^2 + u_j``, so one matrix product finds it (``docs/architecture.md``). Other norms average the
squared distances over the lattice.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sktopo._device import wide_dtype
from sktopo._masked_search import MaskedSearch
from sktopo._minima import Repeats
from sktopo._powers import LARGEST_DIRECT_POWER, moderating_scale, multiplies_out, roots, sums_of_powers
from sktopo._products import padded, row_by_row
from sktopo._right_factor import RightFactor
from sktopo._scores import Scores
from sktopo._sparse_search import SparseSearch
from sktopo.distances import minkowski

# Squares of distances up to 2 to this, and sums of many of them, are numbers in float64.
LARGEST_SQUARE_EXPONENT = 250


class LocalScores(Scores):
    """What is compared where the winner has the least local error.

    Parameters
    ----------
    centered : Tensor of shape (n_units, n_features)
        Prototypes, centered.
    p_norm : float
        Order of the distance.
    average : callable
        ``G @ values``.
    """

    def __init__(self, centered: Tensor, p_norm: float, average: Callable[[Tensor], Tensor]) -> None:
        super().__init__(centered, p_norm)
        self._average = average

    def for_gaps(self, codebook: Tensor, p_norm: float, normalize: bool) -> MaskedSearch:
        """Local errors over the observed features."""
        return MaskedSearch(codebook, p_norm, normalize, self._average)


class LocalEuclideanScores(LocalScores):
    """Local errors less the sample's own squared norm, ``(G q)_j - 2 x.v_j``, by one matrix product."""

    def __init__(self, centered: Tensor, p_norm: float, average: Callable[[Tensor], Tensor]) -> None:
        super().__init__(centered, p_norm, average)
        wide = centered.to(wide_dtype(centered.device))
        smoothed = average(torch.cat([-2 * wide, wide.square().sum(dim=1, keepdim=True)], dim=1)).to(centered)
        right = padded(smoothed.T)
        self._right, self._repeats = RightFactor(right), Repeats(smoothed)
        self.factor = None if self._repeats else right[:, : len(centered)]

    @property
    def block_bytes(self) -> int:
        """As the product wants it."""
        return self._right.block_bytes(lasting=self.lasting)

    def of(self, samples: Tensor) -> Tensor:
        """One matrix product."""
        return self._repeats.copy_first(self._right.scores(samples, lasting=self.lasting))

    def for_sparse_rows(self, codebook: Tensor, p_norm: float) -> SparseSearch:
        """Squared distances to the smoothed prototypes, plus the spread of the prototypes around each unit."""
        wide = codebook.to(wide_dtype(codebook.device))
        scale = moderating_scale(wide)
        center = wide.mean(dim=0)
        centered = (wide - center) * scale  # prototypes may be far closer to each other than to zero
        smoothed = self._average(torch.cat([centered, centered.square().sum(dim=1, keepdim=True)], dim=1))
        added = smoothed[:, -1] - smoothed[:, :-1].square().sum(dim=1)
        return SparseSearch(smoothed[:, :-1] / scale + center, p_norm, added.clamp(min=0).sqrt() / scale)

    def to_distance(self, block: Tensor, centered: Tensor) -> Tensor:
        """Roots of the local errors."""
        return (block + centered.square().sum(dim=1, keepdim=True)).clamp_(min=0).sqrt_()


class LocalMinkowskiScores(LocalScores):
    """Local errors for other norms: squared distances, averaged over the lattice."""

    def __init__(self, centered: Tensor, p_norm: float, average: Callable[[Tensor], Tensor]) -> None:
        super().__init__(centered.to(wide_dtype(centered.device)), p_norm, average)
        self.largest_exponent = min(self.largest_exponent, LARGEST_SQUARE_EXPONENT)
        if p_norm <= LARGEST_DIRECT_POWER:
            self.keep_powers_finite()

    def of(self, samples: Tensor) -> Tensor:
        """Distances to all prototypes, squared and averaged."""
        x = samples[:, :-1].to(self.codebook)
        if multiplies_out(self.p_norm):
            distance = roots(sums_of_powers(x, self.codebook, self.p_norm), self.p_norm)
        else:
            distance = minkowski(x, self.codebook, self.p_norm)
        return row_by_row(self._average, distance.square_())

    def to_distance(self, block: Tensor, centered: Tensor) -> Tensor:  # noqa: ARG002
        """Roots of the local errors."""
        return block.sqrt()


def local_scores(centered: Tensor, p_norm: float, average: Callable[[Tensor], Tensor]) -> Scores:
    """The quickest scores for a norm."""
    kind = LocalEuclideanScores if p_norm == 2 else LocalMinkowskiScores
    return kind(centered, p_norm, average)
