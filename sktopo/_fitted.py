"""A fitted map as the code below the estimator sees it: its geometry, its search, and new samples as a source.

Only parameters and attributes of the estimator are read (private ones say what it was trained as, `Model.facts`), so
metrics, outputs and the estimator itself ask the same object and give the same answer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sktopo._assignment import Averaging
from sktopo._device import block_rows, numpy_dtype, resolve_device, torch_dtype, wide_dtype
from sktopo._model import FACTS, Model
from sktopo._namespaces import Namespace, as_tensor, check_same_namespace
from sktopo._search import Search
from sktopo._smoothing import make_smoother
from sktopo._sources import DaskRows, DaskSource, Source, as_source, ask_lazily
from sktopo._sparse import normalized_rows
from sktopo._validation import check_dask_features, check_partition, check_samples
from sktopo.distances import normalized, normalized_observed


@dataclass(frozen=True, kw_only=True)
class FittedMap(Model):
    """What a fitted map knows, as tensors and objects."""

    codebook: Tensor
    sigma: float

    @classmethod
    def of(cls, estimator: Any) -> "FittedMap":
        """Read an estimator; NotFittedError if there is nothing to read."""
        codebook = codebook_of(estimator)
        codebook = codebook.to(_device(estimator, codebook))
        if estimator.normalize:
            codebook = _of_unit_norm(codebook, float(estimator.p_norm))
        sides = (estimator.height_, estimator.width_)
        return cls.described_by(estimator, *sides, codebook=codebook, sigma=estimator.sigma_)

    def search(self, dtype: torch.dtype) -> Search:
        """A search for the nearest units of samples of a type."""
        return Search(self.codebook, self.p_norm, dtype, normalize=self.normalize)

    def averaging(self) -> Averaging:
        """Products with the neighborhood at the map's sigma."""
        like = self.codebook.new_empty(0, dtype=wide_dtype(self.codebook.device))
        return Averaging(make_smoother(self.lattice, self.neighborhood).at(self.sigma), like, self.lattice.n_units)

    def winner_search(self, dtype: torch.dtype) -> Search:
        """A search for the unit that takes a sample in training."""
        self.winner.check_temperature(self.temperature)
        return self.winner_of(self.codebook, dtype, self.averaging())

    def wide_search(self) -> Search:
        """A search that computes in the widest type."""
        return self.search(wide_dtype(self.codebook.device))


def codebook_of(estimator: Any) -> Tensor:
    """The codebook of an estimator, which its user may have replaced; NotFittedError if there is none."""
    check_is_fitted(estimator)
    for name in FACTS:
        value, fact = getattr(estimator, name), getattr(estimator, f"_fitted_{name}")
        if value != fact:
            raise ValueError(
                f"{name}={value!r} was set after fit, whose map has {name}={fact!r}; set it back, or fit again."
            )
    given, expected = estimator.codebook_, (estimator.height_ * estimator.width_, estimator.n_features_in_)
    is_array = hasattr(given, "shape") and hasattr(given, "dtype")
    if not is_array or tuple(given.shape) != expected:
        raise ValueError(
            f"codebook_ must be an array of shape (n_units, n_features) = {expected}, got "
            + (f"{tuple(given.shape)}." if is_array else f"a {type(given).__name__}.")
        )
    if not str(given.dtype).endswith(("float32", "float64")) or getattr(given, "requires_grad", False):
        raise ValueError(
            f"codebook_ must hold float32 or float64 without gradients, not {given.dtype}: convert it, or detach it."
        )
    codebook = as_tensor(given)
    if not all(math.isfinite(end) for end in map(float, codebook.aminmax())):
        raise ValueError("codebook_ has missing or infinite values, from which nothing is near or far.")
    return codebook


def open_source(
    estimator: Any, X: Any, sample_weight: NDArray[np.float64] | None = None, rows: int | None = None
) -> Source:
    """Checked samples as chunks on the estimator's device, normalized if it normalizes."""
    prepare: Callable[[Tensor], Tensor] | None = None
    if estimator.normalize:
        prepare = partial(_normalized, p_norm=float(estimator.p_norm))
    if isinstance(X, DaskRows):
        return DaskSource(X, PartitionOpener(X.dtype, prepare, rows))
    device = _device(estimator, X) if isinstance(X, Tensor) else resolve_device(estimator.device, torch_dtype(X.dtype))
    return as_source(X, sample_weight, device, prepare, rows)


def open_query(
    estimator: Any,
    X: Any,
    sample_weight: ArrayLike | None = None,
    columns: int = 1,
    method: str = "score",
    *,
    zero_weights: bool = False,
) -> tuple[FittedMap, Source]:
    """A fitted map and new samples, checked, in chunks small enough that `columns` results per row fit the cache."""
    fitted = FittedMap.of(estimator)
    check_same_namespace(estimator, X, method)
    checked, weight = check_samples(estimator, X, sample_weight, reset=False, zero_weights=zero_weights)
    return fitted, open_source(estimator, checked, weight, block_rows(columns, torch_dtype(checked.dtype).itemsize))


def answer(
    estimator: Any,
    X: Any,
    method: str,
    prepare: Callable[[FittedMap, torch.dtype], Callable[[Tensor], Tensor]],
    columns: int = 1,
) -> Any:
    """What a method says of each row of X, in the namespace of X; `prepare` makes the function of a chunk."""
    fitted, source = open_query(estimator, X, columns=columns, method=method)
    rows = source.alone(lambda: source.map_rows(prepare(fitted, source.dtype)))
    return Namespace.of(X).array(rows)


def answer_lazily(estimator: Any, X: Any, method: str, columns: int | None = None, dtype: Any = None) -> NDArray[Any]:
    """What a method says of a dask collection of samples, as a dask array: chunk by chunk, when it is computed."""
    codebook_of(estimator)
    check_dask_features(estimator, X, reset=False)
    return ask_lazily(estimator, X, method, columns, dtype)


@dataclass(frozen=True)
class PartitionOpener:
    """Makes a partition of a dask collection a source of its own, checked, on the worker that holds it."""

    dtype: torch.dtype
    prepare: Callable[[Tensor], Tensor] | None
    rows: int | None

    def __call__(self, block: Any, weight: Any) -> Source:
        """The source of a partition and its weights, which are checked already."""
        X = check_partition(block, numpy_dtype(self.dtype))
        return as_source(X, weight, torch.device("cpu"), self.prepare, self.rows)


def _device(estimator: Any, values: Tensor) -> torch.device:
    """Where the computation runs: where the values are, unless the user says otherwise."""
    return values.device if estimator.device is None else resolve_device(estimator.device, values.dtype)


def _of_unit_norm(codebook: Tensor, p_norm: float) -> Tensor:
    """The codebook as training leaves it, or one that its user has replaced, scaled."""
    length = torch.linalg.vector_norm(codebook, ord=p_norm, dim=1, dtype=wide_dtype(codebook.device))
    is_unit = torch.allclose(length, torch.ones_like(length), atol=1e-5)
    return codebook if is_unit else normalized(codebook, p_norm)


def _normalized(x: Tensor, p_norm: float) -> Tensor:
    """A chunk of rows of unit norm, whatever it is like."""
    if x.is_sparse:
        return normalized_rows(x, p_norm)
    return normalized_observed(x, p_norm) if bool(torch.isnan(x).any()) else normalized(x, p_norm)
