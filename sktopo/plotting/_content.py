"""What an interactive page shows: a map's values a unit, and the rows behind them, cut to what a page can hold."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sktopo._fitted import FittedMap, open_query
from sktopo._forks import in_any_process
from sktopo._namespaces import as_numpy
from sktopo._pipelines import last_step, steps_before_the_map, unwrapped
from sktopo._sources import is_dask
from sktopo.plotting._cells import Cells
from sktopo.plotting._counts import checked_classes, counted_by_class, majority, units_of
from sktopo.plotting._names import as_text, feature_names_of, most_varied

MOST_ROWS = 5000
# Values of prototypes and rows that are embedded, so that a page stays below 6 MB.
MOST_NUMBERS = 450_000
# What a frame's own columns may take of it, in bytes of the page, and how much of a text is shown.
MOST_BYTES, LONGEST_TEXT = 1_200_000, 100


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows that are listed, out of `n_all`."""

    unit: NDArray[np.int32]
    name: list[str]
    label: list[str]  # empty without classes
    columns: list[str]  # the kept features, or the columns of the frame that a Pipeline takes
    values: list[NDArray[Any] | list[str]]  # numbers or texts of each column
    n_columns: int  # that there are
    n_all: int


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a page shows; hits and labels are None where there are no samples or classes."""

    cells: Cells
    u_matrix: NDArray[Any]  # (n_units,)
    kept: NDArray[np.int64]  # positions of the features that the page has room for
    prototypes: NDArray[Any]  # (n_units, kept features)
    names: list[str]  # of the kept features
    n_features: int
    transformed: bool  # whether other steps come before the map
    hits: NDArray[np.int64] | None = None  # (n_units,)
    label: NDArray[np.int64] | None = None  # (n_units,): position in `classes`, -1 for none
    classes: tuple[str, ...] = ()
    rows: Rows | None = None

    @classmethod
    @in_any_process
    def of(cls, estimator: Any, X: Any, y: Any, names: Sequence[str] | None) -> "Content":
        """Ask a fitted map, and find the units of the samples."""
        if X is None:
            if y is not None:
                raise ValueError("y needs X: classes belong to samples.")
            return cls._of_map(estimator, names, 0)
        fitted, source = open_query(*unwrapped(estimator, X))
        units = units_of(fitted, source)
        listed = np.unique(np.linspace(0, len(units) - 1, min(len(units), MOST_ROWS)).round().astype(np.int64))
        content = cls._of_map(estimator, names, len(listed))
        label, classes, labels = _classes(units, y, len(content.u_matrix), listed)
        names_of_rows = _row_names(X, listed)
        if content.transformed and hasattr(X, "columns") and not is_dask(X):
            n_columns = len(X.columns)
            columns, values = _own_columns(X, listed, MOST_BYTES - _size(labels) - _size(names_of_rows))
        else:
            n_columns = content.n_features
            taken = source.take(torch.from_numpy(listed)).cpu().index_select(1, torch.from_numpy(content.kept))
            columns, values = content.names, [compact(numbers) for numbers in taken.to_dense().numpy().T]
        rows = Rows(
            unit=units[listed].astype(np.int32),
            name=names_of_rows,
            label=labels,
            columns=columns,
            values=values,
            n_columns=n_columns,
            n_all=len(units),
        )
        hits = np.bincount(units, minlength=len(content.u_matrix))
        return replace(content, hits=hits, label=label, classes=classes, rows=rows)

    @classmethod
    def _of_map(cls, estimator: Any, names: Sequence[str] | None, n_rows: int) -> "Content":
        """What there is to say of a map beside so many listed rows."""
        map = last_step(estimator)
        codebook = FittedMap.of(map).codebook.cpu().numpy()
        known = feature_names_of(estimator, codebook.shape[1], names, "names")
        kept = _kept_features(codebook, n_rows)
        return cls(
            cells=Cells.named(map.lattice, (map.height_, map.width_), bool(map.periodic)),
            u_matrix=as_numpy(map.u_matrix()).ravel(),
            kept=kept,
            prototypes=codebook[:, kept],
            names=[known[i] for i in kept],
            n_features=len(known),
            transformed=bool(steps_before_the_map(estimator)),
        )


def _kept_features(codebook: NDArray[Any], n_rows: int) -> NDArray[np.int64]:
    """The features that vary most over the map, in their order: as many as a page can hold."""
    return most_varied(codebook, max(1, MOST_NUMBERS // (len(codebook) + n_rows)))


def _classes(
    units: NDArray[np.int64], y: Any, n_units: int, listed: NDArray[np.int64]
) -> tuple[Any, tuple[str, ...], list[str]]:
    """Each unit's most frequent class, the classes, and those of the listed rows."""
    if y is None:
        return None, (), []
    counts, classes = counted_by_class(units, y, np.ones(len(units)), n_units)
    return majority(counts), tuple(_text(classes)), _text(checked_classes(y)[listed])


def _own_columns(X: Any, listed: NDArray[np.int64], room: int) -> tuple[list[str], list[NDArray[Any] | list[str]]]:
    """A frame's columns as they came in, before a Pipeline made features of them: the first ones, which have room."""
    columns: list[str] = []
    values: list[NDArray[Any] | list[str]] = []
    for column in X.columns:
        entries = np.asarray(X[column])[listed]
        # whole numbers may be names, of which every digit counts
        shown = _floats(entries) if entries.dtype.kind == "f" else _text(entries)
        room -= _size(shown)
        if room < 0 and columns:
            break
        columns.append(str(column))
        values.append(shown)
    return columns, values


def _floats(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers in a type that a page can hold."""
    return values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64)


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers in half the space, if that can hold them."""
    fits = np.nanmax(np.abs(values), initial=0) <= np.finfo(np.float32).max
    return np.ascontiguousarray(values, dtype=np.float32 if fits else np.float64)


def _size(shown: NDArray[Any] | list[str]) -> int:
    """Bytes of a page, in which numbers are base64."""
    return shown.nbytes * 4 // 3 if isinstance(shown, np.ndarray) else len(json.dumps(shown))


def _row_names(X: Any, listed: NDArray[np.int64]) -> list[str]:
    """The index of a data frame, or row numbers."""
    take = getattr(getattr(X, "index", None), "take", None)
    return _text(listed if take is None else take(listed))


def _text(values: Any) -> list[str]:
    """All as text, the beginning of what is long."""
    texts = map(as_text, values)
    return [text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…" for text in texts]
