"""A fitted map as the code below the estimator sees it: its geometry, its search, and new samples as a source.

Only public parameters and attributes of the estimator are read, so metrics, outputs and the estimator itself ask the
same object and give the same answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sktopo._assignment import WINNERS, Averaging, Winner
from sktopo._device import block_rows, resolve_device, wide_dtype
from sktopo._search import Search
from sktopo._smoothing import make_smoother
from sktopo._sources import ArraySource, Source
from sktopo._validation import check_samples
from sktopo.distances import normalized
from sktopo.lattices import LATTICES, Lattice
from sktopo.neighborhoods import NEIGHBORHOODS, Neighborhood


@dataclass(frozen=True)
class FittedMap:
    """What a fitted map knows, as tensors and objects."""

    codebook: Tensor
    lattice: Lattice
    neighborhood: Neighborhood
    sigma: float
    p_norm: float
    winner: Winner = WINNERS["nearest"]
    temperature: float = 0.0

    @classmethod
    def of(cls, estimator: Any) -> "FittedMap":
        """Read an estimator; NotFittedError if there is nothing to read."""
        if not hasattr(estimator, "to_layer"):
            raise TypeError(f"A TopographicMap, or a Pipeline that ends in one, is needed; got {estimator!r}.")
        check_is_fitted(estimator)
        codebook = torch.from_numpy(np.array(estimator.codebook_))
        device = resolve_device(estimator.device, codebook.dtype)
        return cls(
            codebook.to(device),
            LATTICES[estimator.lattice](estimator.height_, estimator.width_, estimator.periodic),
            NEIGHBORHOODS[estimator.neighborhood],
            estimator.sigma_,
            float(estimator.p_norm),
            WINNERS[estimator.winner],
            float(estimator.temperature),
        )

    def search(self, dtype: torch.dtype) -> Search:
        """A search of the codebook for samples of a type."""
        return Search(self.codebook, self.p_norm, dtype)

    def averaging(self) -> Averaging:
        """Products with the neighborhood at the map's sigma."""
        like = self.codebook.new_empty(0, dtype=wide_dtype(self.codebook.device))
        return Averaging(make_smoother(self.lattice, self.neighborhood).at(self.sigma), like, self.lattice.n_units)

    def winner_search(self, dtype: torch.dtype) -> Search:
        """A search for the unit that takes a sample in training."""
        self.winner.check_temperature(self.temperature)
        return Search(self.codebook, self.p_norm, dtype, make_scores=self.winner.scores(self.averaging().average))

    def wide_search(self) -> Search:
        """A search that computes in the widest type."""
        return self.search(wide_dtype(self.codebook.device))


def open_source(
    estimator: Any, X: NDArray[Any], sample_weight: NDArray[np.float64] | None = None, rows: int | None = None
) -> Source:
    """Checked samples as chunks on the estimator's device, normalized if it normalizes."""
    dtype = torch.float32 if X.dtype == np.float32 else torch.float64
    prepare: Callable[[Tensor], Tensor] | None = None
    if estimator.normalize:
        prepare = partial(normalized, p_norm=float(estimator.p_norm))
    return ArraySource(X, sample_weight, resolve_device(estimator.device, dtype), prepare, rows)


def open_query(
    estimator: Any, X: Any, sample_weight: ArrayLike | None = None, columns: int = 1
) -> tuple[FittedMap, Source]:
    """A fitted map and new samples, checked, in chunks whose answers of so many columns are small too."""
    fitted = FittedMap.of(estimator)
    checked, weight = check_samples(estimator, X, sample_weight, reset=False)
    return fitted, open_source(estimator, checked, weight, block_rows(columns, checked.itemsize))
