"""The search for rows in which values are missing (NaN): exact, nothing is imputed.

A distance runs over the observed features only. For p = 2, with x and w centred and m the mask,
``sum_f m_f (x_f - w_f)^2 - |m x|^2 = m.(w^2) - 2 (m x).w``: one product of twice the width. Winners compare these
sums as they are; reported distances are scaled up to all features, by ``(n_features / observed)^(1/p)``.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from sktopo._device import block_rows, rounded_rows, wide_dtype
from sktopo.distances import first_minimum, masked_minkowski, norm, normalized, scores

# A matrix product with fewer columns takes another path through the BLAS, whose rows are not reproducible.
FEWEST_UNITS = 16
# A scaled value beyond this is equally far from all units, to its last digit.
LARGEST_VALUE = 1e100


class MaskedSearch:
    """Nearest units of one codebook for rows with missing values.

    Parameters
    ----------
    codebook : Tensor of shape (n_units, n_features)
        Prototypes.
    p_norm : float
        Order of the distance.
    normalize : bool
        Whether the rows were scaled to unit norm over their observed features; prototypes then are too.
    extra : Tensor of shape (n_units, n_features), optional
        What each observed feature adds to the squared distance from a unit (p = 2 only).
    """

    def __init__(self, codebook: Tensor, p_norm: float, normalize: bool, extra: Tensor | None = None) -> None:
        self.codebook = codebook.to(wide_dtype(codebook.device))
        self.p_norm = p_norm
        self.normalize = normalize
        self._scale = 2.0 ** -max(-1000, min(1000, math.frexp(float(self.codebook.abs().max()))[1]))
        scaled = self.codebook * self._scale
        self._centre = torch.zeros_like(scaled[0]) if normalize else scaled.median(dim=0).values
        spread = scaled - self._centre
        squares = spread.square() if extra is None else spread.square() + extra.to(scaled) * self._scale * self._scale
        padding = (0, max(0, FEWEST_UNITS - len(codebook)))
        self._products = torch.nn.functional.pad(-2 * spread.T, padding).contiguous()
        self._squares = torch.nn.functional.pad(squares.T, padding).contiguous()
        self._rows = block_rows(len(codebook), scaled.element_size())

    def bmu(self, x: Tensor) -> Tensor:
        """Best matching units of a chunk: int64 (n,), ties to the lowest unit."""
        found = torch.empty(len(x), dtype=torch.int64, device=x.device)
        for rows, block in self._blocks(x):
            first_minimum(block, found[rows])
        return found

    def two_best(self, x: Tensor) -> Tensor:
        """Best and second-best units of a chunk: int64 (n, 2)."""
        found = torch.empty((2, len(x)), dtype=torch.int64, device=x.device)
        for rows, block in self._blocks(x):
            first = first_minimum(block, found[0, rows])
            block.scatter_(1, first[:, None], math.inf)
            first_minimum(block, found[1, rows])
        return found.T

    def distance(self, x: Tensor, unit: Tensor) -> Tensor:
        """Distance of each sample to its unit over the observed features, scaled up to all of them: (n,)."""
        seen = ~torch.isnan(x)
        prototypes = torch.where(seen, self.codebook[unit], 0.0)
        if self.normalize:
            prototypes = normalized(prototypes, self.p_norm)
        # halves, so that the difference of two huge values of opposite sign stays finite
        difference = torch.where(seen, x.to(prototypes), 0.0) / 2 - prototypes / 2
        return 2 * norm(difference, self.p_norm) * self._enlargement(seen)

    def distances(self, x: Tensor) -> Tensor:
        """Distance of each sample to every unit over the observed features, scaled up to all of them: (n, n_units)."""
        result = self.codebook.new_empty(len(x), len(self.codebook))
        for rows in torch.split(torch.arange(len(x), device="cpu"), self._rows):
            for unit in range(len(self.codebook)):
                part = x[rows]
                result[rows, unit] = self.distance(part, torch.full((len(part),), unit, device=x.device))
        return result

    def _enlargement(self, seen: Tensor) -> Tensor:
        """From the observed features to all of them; a maximum needs none."""
        share: Tensor = seen.shape[1] / seen.sum(dim=1).to(self.codebook)
        return share ** (0.0 if math.isinf(self.p_norm) else 1 / self.p_norm)

    def _blocks(self, x: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Consecutive rows and what decides their winners."""
        for start in range(0, len(x), self._rows):
            part = x[start : start + self._rows]
            seen = ~torch.isnan(part)
            yield slice(start, start + len(part)), self._scores(part.to(self.codebook), seen)

    def _scores(self, x: Tensor, seen: Tensor) -> Tensor:
        n_units = len(self.codebook)
        if self.p_norm != 2:
            return masked_minkowski(x, seen, self.codebook, self.p_norm, normalize=self.normalize)
        # blocks of such heights are reproducible row by row
        padding = (0, 0, 0, rounded_rows(len(x)) - len(x))
        observed = torch.where(seen, x * self._scale - self._centre, 0.0).clamp(-LARGEST_VALUE, LARGEST_VALUE)
        products = scores(torch.nn.functional.pad(observed, padding), self._products)[: len(x), :n_units]
        squares = scores(torch.nn.functional.pad(seen.to(x), padding), self._squares)[: len(x), :n_units]
        if not self.normalize:
            return products + squares
        present = squares > 0  # the prototype's norm over the observed features
        length = torch.where(present, squares, 1.0).sqrt()
        return products / length + present.to(products)


def unit_observed(x: Tensor, p_norm: float) -> Tensor:
    """Rows scaled to unit p-norm over their observed features; missing values stay missing."""
    gaps = torch.isnan(x)
    return torch.where(gaps, x, normalized(torch.where(gaps, 0.0, x), p_norm))
