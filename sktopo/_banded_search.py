"""The winner on a large map of smooth prototypes, coarse to fine: for about a quarter of the products.

Smoothing makes the prototypes of neighboring units alike, so the winner among every third unit of every third row
stands near the winner of all. Samples are sorted by the row of that coarse winner and then compared with all units of
the rows around it, a band of the lattice, whose columns of the product's right factor lie side by side. The answer is
nearly always the best unit, and otherwise one that is about as good: enough to train by, while labels are searched
among all units. (Coarse-to-fine search of a map: P. Koikkalainen, E. Oja, "Self-organizing hierarchical feature maps",
IJCNN 1990.)
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sktopo._device import block_rows
from sktopo._minima import first_minimum
from sktopo._products import scores
from sktopo._scores import Scores
from sktopo._search import Search
from sktopo._threads import scratch
from sktopo.lattices import Lattice

# Every third unit of every third row is coarse: docs/decisions/0007-coarse-to-fine-search.md.
STEP = 3
# Rows of a band: those nearest to a coarse row, and as many on either side.
MARGIN = 3
# Fewer rows or values are searched as quickly as a whole.
FEWEST_ROWS, FEWEST_VALUES = 32, 2**17


class BandedSearch(Search):
    """A search among smooth prototypes, for the one winner of dense samples; anything else it does as any search.

    Parameters
    ----------
    codebook, p_norm, dtype, center, make_scores, normalize
        As in `Search`.
    lattice : Lattice
        On which the prototypes are smooth.
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
        lattice: Lattice,
    ) -> None:
        super().__init__(codebook, p_norm, dtype, center, make_scores, normalize=normalize)
        large = max(lattice.height, lattice.width) >= FEWEST_ROWS and codebook.numel() >= FEWEST_VALUES
        factor = self._scores.factor if large and codebook.device.type == "cpu" else None
        self._bands = None if factor is None else Bands(factor, lattice)

    def _winners(self, samples: Tensor, n: int, k: int) -> Tensor:
        """The k best units of the first `n` centered rows: (k, n)."""
        if self._bands is None or k > 1:
            return super()._winners(samples, n, k)
        return self._bands.winners(samples[:n])[None]


class Bands:
    """The units of a lattice in overlapping bands of rows, or of columns where those are longer.

    Parameters
    ----------
    factor : Tensor of shape (n_features + 1, n_units)
        Right factor of the product that scores all units.
    lattice : Lattice
        Arrangement of the units.
    """

    def __init__(self, factor: Tensor, lattice: Lattice) -> None:
        units = torch.arange(lattice.n_units, device="cpu").view(1, lattice.height, lattice.width)
        grid = factor.reshape(len(factor), lattice.height, lattice.width)
        if lattice.width > lattice.height:
            units, grid = units.mT, grid.mT
        _, height, width = units.shape
        coarse = grid[:, STEP // 2 :: STEP, STEP // 2 :: STEP]
        _, n_bands, self._n_coarse_columns = coarse.shape
        self._coarse = coarse.flatten(1)
        lead = MARGIN if lattice.periodic else 0
        if lattice.periodic:
            units, grid = (torch.cat([rows[:, -lead:], rows, rows[:, :lead]], dim=1) for rows in (units, grid))
        firsts = [lead - MARGIN + STEP * band for band in range(n_bands)]
        self._bands = [
            slice(max(0, first) * width, min(height + 2 * lead, first + STEP + 2 * MARGIN) * width) for first in firsts
        ]
        self._factor, self._units = grid.flatten(1), units.flatten()

    def winners(self, samples: Tensor) -> Tensor:
        """The winner (n,) of each centered sample (n, n_features + 1), whose last feature is 1."""
        n, width = samples.shape
        place = torch.empty(n, dtype=torch.int64)
        _first_minima(samples, self._coarse, place)
        band = place.numpy() // self._n_coarse_columns
        order = torch.from_numpy(np.argsort(band.astype(np.uint16), kind="stable"))  # by counting
        ordered = torch.index_select(samples, 0, order, out=scratch("ordered", n, width, samples))
        stops = np.bincount(band, minlength=len(self._bands)).cumsum().tolist()
        for columns, start, stop in zip(self._bands, [0, *stops], stops, strict=False):
            if start < stop:
                _first_minima(ordered[start:stop], self._factor[:, columns], place[start:stop])
                place[start:stop] += columns.start
        return torch.empty_like(place).index_copy_(0, order, self._units[place])


def _first_minima(samples: Tensor, factor: Tensor, out: Tensor) -> None:
    """Where each sample has its least score, the first one on ties, a cache-sized block at a time."""
    n_columns = factor.shape[1]
    rows = block_rows(n_columns, samples.itemsize)
    for block, found in zip(torch.split(samples, rows), torch.split(out, rows), strict=True):
        room = scratch("scores", len(block), n_columns, samples)
        first_minimum(scores(block, factor, out=room), found)
