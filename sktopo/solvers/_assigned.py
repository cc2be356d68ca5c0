"""What the units take of some samples: whole samples, or at a temperature above 0 a share of each.

Soft statistics are the E-step of soft EM on the free energy: responsibilities ``p_ij = softmax_j(-e_ij / 2T)`` of the
local errors, a cache-sized block of rows at a time, and their sums ``P^T a`` and ``P^T (a x)``. The M-step is the hard
one (T. Graepel, M. Burger, K. Obermayer, Phys. Rev. E 56, 1997).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from sktopo._assignment import responsibilities_of_roots
from sktopo._device import block_rows
from sktopo._frame import Frame
from sktopo._search import Search
from sktopo._sources import added
from sktopo._sparse import dense_blocks
from sktopo._statistics import UnitStatistics

# Samples and their weights.
Chunk = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Assigned:
    """Statistics of units, and the entropy of the assignment that made them; both add.

    Parameters
    ----------
    units : UnitStatistics
        Weighted counts and sums.
    entropy : float
        Weighted sum over the samples of ``-sum_j p_ij log p_ij``; 0 for a hard assignment.
    """

    units: UnitStatistics
    entropy: float = 0.0

    def __add__(self, other: "Assigned") -> "Assigned":
        """What was taken of both sets of samples together."""
        return Assigned(self.units + other.units, self.entropy + other.entropy)


def hard_shares(frame: Frame, chunks: Iterable[Chunk], search: Search) -> Assigned:
    """Every sample goes to its winner as a whole; statistics in a frame."""
    won = ((x, weight, search.bmu(x)) for x, weight in chunks)
    return Assigned(UnitStatistics.of(frame, won, search.n_units))


def soft_shares(frame: Frame, chunks: Iterable[Chunk], search: Search, temperature: float) -> Assigned:
    """Every unit takes its responsibility; `search` is for the least local error, in the widest type."""
    rows = block_rows(search.n_units, frame.scale.itemsize)
    return added(
        _soft_shares_of_block(frame, part, weight[places], search, temperature)
        for x, weight in chunks
        for places, part in dense_blocks(x, rows)
    )


def _soft_shares_of_block(frame: Frame, x: Tensor, weight: Tensor, search: Search, temperature: float) -> Assigned:
    scale = float(frame.scale)  # in the frame, where no square overflows
    shares = responsibilities_of_roots(search.distances(x).div_(scale), temperature / scale / scale)
    shares[weight == 0] = 0  # of rows that are too far away for numbers
    entropy = float(weight @ torch.special.entr(shares).sum(dim=1))
    return Assigned(UnitStatistics.of_shares(frame, x, weight, shares), entropy)
