"""The search for rows in which values are missing (NaN): exact, nothing is imputed.

A distance runs over the observed features only. For p = 2, with x and w centered and m the mask,
``sum_f m_f (x_f - w_f)^2 - |m x|^2 = m.(w^2) - 2 (m x).w``: one product of twice the width. Winners compare these
sums as they are; reported distances are scaled up to all features, by ``(n_features / observed)^(1/p)``. A local error
``sum_k g_jk d_ik`` is the same product with ``G W^2`` and ``G W``; where there is none, squared distances are averaged
over the lattice.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sktopo._device import block_rows, wide_dtype
from sktopo._minima import Repeats, minima
from sktopo._powers import elementwise_power, moderating_scale, multiplies_out, roots, sums_of_powers
from sktopo._products import padded, rounded_rows, row_by_row, scores
from sktopo.distances import masked_minkowski, normalized, paired_distance

# Scaled values beyond this are clipped: in float64 they are equally far from all units.
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
    average : callable, optional
        ``G @ values``, for units that win by the least local error; without it the nearest unit wins.
    """

    def __init__(
        self, codebook: Tensor, p_norm: float, normalize: bool, average: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.codebook = codebook.to(wide_dtype(codebook.device))
        self.p_norm = p_norm
        self.normalize = normalize
        self._average = average
        # unit vectors are compared as they are, everything else in numbers of moderate size
        self._scale = 1.0 if normalize else moderating_scale(self.codebook)
        scaled = self.codebook * self._scale
        self._center = torch.zeros_like(scaled[0]) if normalize else scaled.median(dim=0).values
        self._centered = scaled - self._center
        products, squares = -2 * self._centered, self._centered.square()
        if average is not None and p_norm == 2 and not normalize:
            products, squares = average(products), average(squares)  # scores are linear in both
            self._average_scores = None
        else:
            self._average_scores = average
        self._repeats = Repeats(torch.cat([products, squares], dim=1))
        self._products, self._squares = padded(products.T), padded(squares.T)
        self._rows = block_rows(len(codebook), scaled.element_size())

    def best(self, x: Tensor, k: int) -> Tensor:
        """The k best units of a chunk: int64 (n, k), ties to the lowest unit."""
        found = torch.empty((k, len(x)), dtype=torch.int64, device=x.device)
        for rows, observed, seen in self._blocks(x):
            minima(self._scores(observed, seen)[: rows.stop - rows.start], found[:, rows].unbind())
        return found.T

    def distance(self, x: Tensor, unit: Tensor) -> Tensor:
        """Distance of each sample to its unit over the observed features, scaled up to all of them: (n,)."""
        seen = ~torch.isnan(x)
        prototypes = torch.where(seen, self.codebook[unit], 0.0)
        if self.normalize:
            prototypes = normalized(prototypes, self.p_norm)
        observed = torch.where(seen, x.to(prototypes), 0.0)
        return paired_distance(observed, prototypes, self.p_norm, prototypes.dtype) * self._enlargement(seen)

    def distances(self, x: Tensor) -> Tensor:
        """Distance of each sample to every unit over the observed features, scaled up to all of them: (n, n_units).

        For units that win by the local error: its root, which is not scaled up.
        """
        result = self.codebook.new_empty(len(x), len(self.codebook))
        for rows, observed, seen in self._blocks(x):
            part = x[rows]
            if self._average is not None:
                result[rows] = self._roots_of_errors(observed, seen)[: len(part)]
            else:
                for unit in range(len(self.codebook)):
                    result[rows, unit] = self.distance(part, torch.full((len(part),), unit, device=x.device))
        return result

    def _enlargement(self, seen: Tensor) -> Tensor:
        """From the observed features to all of them; a maximum needs none."""
        share: Tensor = seen.shape[1] / seen.sum(dim=1).to(self.codebook)
        return elementwise_power(share, 0.0 if math.isinf(self.p_norm) else 1 / self.p_norm)

    def _blocks(self, x: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Consecutive rows, centered and scaled, with zeros for what is missing, and what is there.

        Blocks are filled up to heights for which products are reproducible row by row.
        """
        for start in range(0, len(x), self._rows):
            part = x[start : start + self._rows]
            seen = ~torch.isnan(part)
            observed = torch.where(seen, part.to(self.codebook) * self._scale - self._center, 0.0)
            padding = (0, 0, 0, rounded_rows(len(part)) - len(part))
            observed = torch.nn.functional.pad(observed.clamp_(-LARGEST_VALUE, LARGEST_VALUE), padding)
            yield slice(start, start + len(part)), observed, torch.nn.functional.pad(seen, padding)

    def _scores(self, observed: Tensor, seen: Tensor) -> Tensor:
        """What decides the winners of a block: (n, n_units)."""
        average = self._average_scores
        if self.p_norm == 2:
            squares = self._euclidean_scores(observed, seen)
        else:
            distances = self._distances(observed, seen)
            squares = distances if average is None else distances.square()
        return self._repeats.copy_first(squares) if average is None else row_by_row(average, squares)

    def _distances(self, observed: Tensor, seen: Tensor) -> Tensor:
        """Distances over the observed features: (n, n_units)."""
        # higher powers of the largest value would be no numbers
        moderate = self.p_norm <= 3 or math.isinf(self.p_norm)
        if moderate and multiplies_out(self.p_norm) and not self.normalize:
            return roots(sums_of_powers(observed, self._centered, self.p_norm, seen), self.p_norm)
        return masked_minkowski(observed, seen, self._centered, self.p_norm, normalize=self.normalize)

    def _euclidean_scores(self, observed: Tensor, seen: Tensor) -> Tensor:
        """Squared distances less the samples' own squared norms, by two products."""
        n_units = len(self.codebook)
        products = scores(observed, self._products)[:, :n_units]
        squares = scores(seen.to(observed), self._squares)[:, :n_units]
        if not self.normalize:
            return products + squares
        present = squares > 0  # the prototype's norm over the observed features
        length = torch.where(present, squares, 1.0).sqrt()
        return products / length + present.to(products)

    def _roots_of_errors(self, observed: Tensor, seen: Tensor) -> Tensor:
        """Roots of the local errors of a block: (n, n_units)."""
        own = observed.square().sum(dim=1, keepdim=True) if self.p_norm == 2 else 0.0
        return (self._scores(observed, seen) + own).clamp_(min=0).sqrt_() / self._scale
