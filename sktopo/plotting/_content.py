"""What an interactive page shows: a map's values a unit, and the rows behind them, cut to what a page can hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sktopo._fitted import FittedMap, open_query
from sktopo._forks import in_any_process
from sktopo._namespaces import as_numpy
from sktopo._pipelines import last_step, unwrapped
from sktopo.plotting._cells import Cells
from sktopo.plotting._counts import checked_classes, counted_by_class, majority, units_of
from sktopo.plotting._names import feature_names_of

MOST_ROWS = 5000
# Values of prototypes and rows that are embedded, so that a page stays below 6 MB.
MOST_NUMBERS = 450_000


@dataclass(frozen=True)
class Rows:
    """The rows that are listed, out of `n_all`."""

    unit: NDArray[np.int32]
    name: list[str]
    label: list[str]  # empty without classes
    values: NDArray[np.float32]  # (listed, kept features)
    n_all: int


@dataclass(frozen=True)
class Content:
    """What a page shows; hits and labels are None where there are no samples or classes."""

    cells: Cells
    u_matrix: NDArray[Any]  # (n_units,)
    prototypes: NDArray[Any]  # (n_units, kept features)
    names: list[str]  # of the kept features
    n_features: int
    hits: NDArray[np.int64] | None = None  # (n_units,)
    label: NDArray[np.int64] | None = None  # (n_units,): position in `classes`, -1 for none
    classes: tuple[str, ...] = ()
    rows: Rows | None = None

    @classmethod
    @in_any_process
    def of(cls, estimator: Any, X: Any, y: Any, names: Sequence[str] | None) -> "Content":
        """Ask a fitted map, and find the units of the samples."""
        map = last_step(estimator)
        codebook = FittedMap.of(map).codebook.cpu().numpy()
        u_matrix = as_numpy(map.u_matrix()).ravel()
        known = feature_names_of(estimator, codebook.shape[1], names, "names")
        cells = Cells.named(map.lattice, (map.height_, map.width_), bool(map.periodic))
        if X is None:
            if y is not None:
                raise ValueError("y needs X: classes belong to samples.")
            kept = _kept_features(codebook, 0)
            return cls(cells, u_matrix, codebook[:, kept], [known[i] for i in kept], len(known))
        map, samples = unwrapped(estimator, X)
        fitted, source = open_query(map, samples)
        kept = _kept_features(codebook, min(source.n_rows, MOST_ROWS))
        units = units_of(fitted, source)
        listed = np.unique(np.linspace(0, len(units) - 1, min(len(units), MOST_ROWS)).round().astype(np.int64))
        samples_listed = source.take(torch.from_numpy(listed)).cpu()
        values = samples_listed.index_select(1, torch.from_numpy(kept)).to_dense().numpy()
        label, classes, labels = _classes(units, y, len(codebook), listed)
        rows = Rows(units[listed].astype(np.int32), _row_names(X, listed), labels, values, len(units))
        hits = np.bincount(units, minlength=len(codebook))
        names_kept = [known[i] for i in kept]
        return cls(cells, u_matrix, codebook[:, kept], names_kept, len(known), hits, label, classes, rows)


def _kept_features(codebook: NDArray[Any], n_rows: int) -> NDArray[np.int64]:
    """The features that vary most over the map, in their order: as many as a page can hold."""
    room = max(1, MOST_NUMBERS // (len(codebook) + n_rows))
    largest = np.abs(codebook).max()  # whose square may be no number
    return np.sort(np.argsort(-(codebook / (largest or 1)).var(axis=0), kind="stable")[:room])


def _classes(
    units: NDArray[np.int64], y: Any, n_units: int, listed: NDArray[np.int64]
) -> tuple[Any, tuple[str, ...], list[str]]:
    """Each unit's most frequent class, the classes, and those of the listed rows."""
    if y is None:
        return None, (), []
    counts, classes = counted_by_class(units, y, np.ones(len(units)), n_units)
    return majority(counts), tuple(_text(classes)), _text(checked_classes(y)[listed])


def _row_names(X: Any, listed: NDArray[np.int64]) -> list[str]:
    """The index of a data frame, or row numbers."""
    take = getattr(getattr(X, "index", None), "take", None)
    return _text(listed if take is None else take(listed))


def _text(values: Any) -> list[str]:
    """All as text."""
    return [str(value) for value in values]
