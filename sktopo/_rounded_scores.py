"""Winners of float64 samples by scores in float32, which take a third of the time, and which of them are in doubt.

With u = 2^-24, a score ``|w|^2 - 2 x.w`` of K features that was computed in float32 is off by at most
``(K + 4) u (2 |x| |w| + |w|^2)``: K + 1 terms are rounded, summed in any order, and made of rounded factors
(N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 3.1). Where the least score of a row
is below all others by more than twice that, and a little for the rounding of float64, it is the winner in float64 too.
Other rows must be searched again.
"""

import math

import torch
from torch import Tensor

from sktopo._device import block_rows
from sktopo._minima import first_minimum
from sktopo._products import heights, padded, stacked
from sktopo._right_factor import RightFactor
from sktopo._threads import scratch

# Smaller maps, and chunks of fewer rows, gain too little.
FEWEST_VALUES, FEWEST_ROWS = 2**12, 128
# Where more rows than this share are in doubt, scores in float32 save nothing.
LARGEST_DOUBT = 0.25


def make_rounded_scores(factor: Tensor | None) -> "RoundedScores | None":
    """Scores in float32, given the right factor of those in float64; None where they save nothing."""
    if factor is None or factor.device.type != "cpu" or factor.dtype != torch.float64:
        return None
    return RoundedScores(factor) if factor.numel() >= FEWEST_VALUES else None


class RoundedScores:
    """Scores in float32 for one codebook.

    Parameters
    ----------
    factor : Tensor of float64 of shape (n_features + 1, n_units)
        Right factor of the product that scores all units: ``-2 W^T`` and a last row.
    """

    def __init__(self, factor: Tensor) -> None:
        self._n_units = factor.shape[1]
        self._right = RightFactor(padded(factor.float()))
        # for |x|: the samples' last feature is 1, so that the norm of their row is at least |x|
        doubled = float(torch.linalg.vector_norm(factor[:-1], dim=0).max())
        added = float(factor[-1].abs().max())
        rounding = (len(factor) + 4) * torch.finfo(torch.float32).eps / 2
        self._doubt = 2 * rounding * doubled, 2 * rounding * added

    def winners(self, samples: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The least score's unit (n,) of the first n samples, and whether another unit may win in float64."""
        found = torch.empty(n, dtype=torch.int64, device="cpu")
        doubtful = torch.empty(n, dtype=torch.bool, device="cpu")
        most = block_rows(self._n_units, self._right.values.itemsize, self._right.block_bytes())
        rounded = scratch("rounded", sum(heights(n, most)), samples.shape[1], self._right.values)
        rounded[:n].copy_(samples[:n])
        for places, part in stacked(rounded, n, most):
            scores = self._right.scores(part)[: places.stop - places.start, : self._n_units]
            winner = first_minimum(scores, found[places])[:, None]
            least = scores.gather(1, winner)[:, 0].double()
            scores.scatter_(1, winner, math.inf)
            second = torch.from_numpy(scores.numpy().min(axis=1)).double()
            length = torch.linalg.vector_norm(part[: len(winner)], dim=1, dtype=torch.float64)
            # what is no number is in doubt
            doubtful[places] = ~(second - least > length * self._doubt[0] + self._doubt[1])
        return found, doubtful
