"""The winner on a large map of smooth prototypes, coarse to fine: for about a quarter of the products.

Smoothing makes the prototypes of neighboring units alike, so the winner among every third unit of every third lattice
row stands near the winner of all. Samples are sorted by the lattice row of that coarse winner and then compared with
all units of the lattice rows around it, a band, whose columns of the product's right factor lie side by side. The
answer is nearly always the best unit, and otherwise one that is about as good: enough to train by, while labels are
searched among all units. Where units are equally near, it is one of them, not always the lowest, and may depend on the
samples beside. (Coarse-to-fine search of a map: P. Koikkalainen, E. Oja, "Self-organizing hierarchical feature maps",
IJCNN 1990.)
"""

import numpy as np
import torch
from torch import Tensor

from sktopo._device import block_rows
from sktopo._minima import first_minimum
from sktopo._products import scores
from sktopo._threads import scratch
from sktopo.lattices import Lattice

# The coarse units are every third one of every third lattice row: docs/decisions/0007-coarse-to-fine-search.md.
SPACING = 3
# A band holds the lattice rows nearest to a row of coarse units, and as many on either side.
MARGIN = 3
# Maps with fewer units along their longer side, or fewer values, are searched about as quickly as a whole.
FEWEST_LATTICE_ROWS, FEWEST_VALUES = 32, 2**17


def make_bands(factor: Tensor | None, lattice: Lattice) -> "Bands | None":
    """The bands of a map, given the right factor of its scores; None where it is better searched as a whole."""
    if factor is None or factor.device.type != "cpu":
        return None
    long = max(lattice.height, lattice.width) >= FEWEST_LATTICE_ROWS
    return Bands(factor, lattice) if long and factor[:-1].numel() >= FEWEST_VALUES else None


class Bands:
    """The units of a lattice in overlapping bands of lattice rows, or of columns where there are more of those.

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
        middle = SPACING // 2
        coarse = grid[:, middle::SPACING, min(middle, width - 1) :: SPACING]
        _, n_bands, self._n_coarse_columns = coarse.shape
        self._coarse = coarse.flatten(1)
        lead = MARGIN if lattice.periodic else 0
        if lattice.periodic:
            units, grid = (torch.cat([rows[:, -lead:], rows, rows[:, :lead]], dim=1) for rows in (units, grid))
        firsts = [lead - MARGIN + SPACING * band for band in range(n_bands)]
        self._bands = [
            slice(max(0, first) * width, min(height + 2 * lead, first + SPACING + 2 * MARGIN) * width)
            for first in firsts
        ]
        self._band_dtype = np.min_scalar_type(n_bands)
        self._factor, self._units = grid.flatten(1), units.flatten()

    def winners(self, samples: Tensor) -> Tensor:
        """The winner (n,) of each centered sample (n, n_features + 1), whose last feature is 1."""
        n, width = samples.shape
        place = torch.empty(n, dtype=torch.int64, device="cpu")
        _first_minima(samples, self._coarse, place)
        band = place.numpy() // self._n_coarse_columns
        order = torch.from_numpy(np.argsort(band.astype(self._band_dtype), kind="stable"))  # by counting
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
