"""What samples say about units: weighted numbers of samples a unit, by class."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d

from sktopo._fitted import FittedMap, open_query
from sktopo._forks import in_any_process
from sktopo._sources import Source

# Numbers with a fraction may be classes (0.5, 1, 2), but not so many of them.
MOST_FRACTIONS = 20
# Dates may be, such as those of months, but not so many.
MOST_DATES = 100


@in_any_process
def class_counts(
    map: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Weighted number of samples of each class on each unit (n_units, n_classes), and the classes in order."""
    fitted, source = open_query(map, X, sample_weight)
    weight = source.weights(torch.arange(source.n_rows, device="cpu")).cpu().numpy()
    return counted_by_class(units_of(fitted, source), y, weight, fitted.lattice.n_units)


def units_of(fitted: FittedMap, source: Source) -> NDArray[np.int64]:
    """Best matching units (n,) of all rows; `predict` would be lazy for dask."""
    units: NDArray[np.int64] = source.map_rows(fitted.search(source.dtype).bmu).numpy()
    return units


def counted_by_class(
    units: NDArray[np.int64], y: Any, weight: NDArray[np.float64], n_units: int
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """The same from the units (n,) and weights (n,) of the samples."""
    classes, index = _ordered(checked_classes(y))
    check_consistent_length(units, index)
    if getattr(getattr(y, "dtype", None), "ordered", False):  # categories of pandas that have an order of their own
        order = np.argsort(y.dtype.categories.get_indexer(classes))
        classes, index = classes[order], np.argsort(order)[index]
    counts = np.zeros((n_units, len(classes)))
    np.add.at(counts, (units, index), weight)
    return counts, classes


def checked_classes(y: ArrayLike) -> NDArray[Any]:
    """Classes (n,) of samples, or a ValueError if some sample has none, or if they are measurements."""
    labels: NDArray[Any] = column_or_1d(y)
    if labels.dtype.kind in "OfmM":
        missing = np.flatnonzero(np.vectorize(_is_missing, otypes=[bool])(labels))
        if len(missing):
            raise ValueError(
                f"y has no class for row {missing[0]} ({labels[missing[0]]!r}): leave such rows out of X and y, or "
                "give them a class of their own, such as 'unknown'."
            )
    if labels.dtype.kind == "f" and (labels % 1 != 0).any() and len(np.unique(labels)) > MOST_FRACTIONS:
        raise ValueError(
            "y holds measurements, not classes: cut them into intervals (numpy.digitize, pandas.cut), or draw their "
            "mean on each unit, as the gallery does in 'Color a map by what it was not told'."
        )
    if _are_dates(labels) and len(np.unique(labels)) > MOST_DATES:
        raise ValueError(
            f"y holds more than {MOST_DATES} dates or times, too many for classes: take a part of each, such as "
            "y.dt.hour or y.dt.month_name() in pandas."
        )
    return labels


def _ordered(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The classes in order, and the position among them of each label (n,)."""
    try:
        return np.unique(labels, return_inverse=True)
    except TypeError as error:
        kinds = {type(label).__name__: label for label in labels}
        examples = ", ".join(f"{label!r} ({kind})" for kind, label in kinds.items())
        raise TypeError(
            f"y mixes classes that have no common order, such as {examples}: make them all text, "
            "[str(label) for label in y]."
        ) from error


def _are_dates(labels: NDArray[Any]) -> bool:
    """Whether labels are points or lengths of time, by their type or, among objects, by the first one."""
    return labels.dtype.kind in "mM" or (len(labels) > 0 and isinstance(labels[0], (date, timedelta)))


def _is_missing(value: Any) -> bool:
    try:
        if isinstance(value, (float, np.floating)):
            return not np.isfinite(value)
        return value is None or bool(value != value)  # noqa: PLR0124  (only a missing value is not itself)
    except TypeError:  # pandas' NA is neither equal nor unequal
        return True


def majority(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Position of each unit's most frequent class, -1 without samples."""
    return np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
