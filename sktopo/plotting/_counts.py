"""What samples say about units: weighted numbers of samples a unit, by class."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d

from sktopo._fitted import open_query
from sktopo.metrics._means import unwrapped


def class_counts(
    estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Weighted number of samples of each class on each unit (n_units, n_classes), and the classes in order."""
    fitted, source = open_query(*unwrapped(estimator, X))
    units = source.map_rows(fitted.search(source.dtype).bmu).numpy()  # not predict: that is lazy for dask
    classes, index = np.unique(column_or_1d(y), return_inverse=True)
    weight = np.ones(len(units)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    check_consistent_length(units, index, weight)
    counts = np.zeros((fitted.lattice.n_units, len(classes)))
    np.add.at(counts, (units, index), weight)
    return counts, classes


def majority(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Position of each unit's most frequent class, -1 without samples."""
    return np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
