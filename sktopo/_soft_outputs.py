"""What `transform` returns at a temperature above 0: means under the responsibilities of the units.

Responsibilities exist for one block of rows at a time. Blocks are filled up to a number of rows for which products are
reproducible row by row, so that a row's result does not depend on the rows beside it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sktopo._assignment import expected_coordinates, responsibilities_of_roots
from sktopo._device import block_rows, wide_dtype
from sktopo._fitted import FittedMap
from sktopo._products import rounded_rows, row_by_row
from sktopo._sparse import dense_blocks


def expected_places(fitted: FittedMap, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Expected lattice coordinates of a chunk, (n, 2)."""
    lattice = fitted.lattice
    coordinates = lattice.coordinates().to(fitted.codebook.device, wide_dtype(fitted.codebook.device))
    places = _mean(fitted, lambda weights: expected_coordinates(weights, lattice, coordinates))
    period = torch.tensor([side or torch.inf for side in lattice.periods], dtype=dtype, device="cpu")

    def below_the_period(x: Tensor) -> Tensor:
        place = places(x).to(dtype).cpu()
        return torch.where(place < period, place, torch.zeros_like(place))  # a narrower type may round up to it

    return below_the_period


def soft_activations(fitted: FittedMap, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Responsibilities times the neighborhood of a chunk, (n, n_units)."""
    smooth = fitted.averaging().smooth
    activations = _mean(fitted, lambda weights: row_by_row(smooth, weights))
    return lambda x: activations(x).to(dtype)


def _mean(fitted: FittedMap, of: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A linear function of the responsibilities of a chunk's rows, block by block."""
    wide = wide_dtype(fitted.codebook.device)
    search = fitted.winner_search(wide)
    rows = block_rows(fitted.lattice.n_units, wide.itemsize)

    def of_block(x: Tensor) -> Tensor:
        weights = responsibilities_of_roots(search.distances(x), fitted.temperature)
        added = rounded_rows(len(x)) - len(x)
        return of(torch.nn.functional.pad(weights, (0, 0, 0, added)))[: len(x)]

    return lambda x: torch.cat([of_block(block) for _, block in dense_blocks(x, rows)])
