"""What is wrong with values, and where they stand.

Values that NumPy would silently turn into others, rows and columns in which nothing is known, and the place of the
first value that scikit-learn refuses.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Number
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

from sktopo._device import chunk_rows
from sktopo._namespaces import Namespace, as_tensor, dispatches
from sktopo._sources import column_types, counted_in, floating


def as_plain(values: Any, name: str = "X") -> Any:
    """Values of which none will silently become another: an array for a sequence, and NaN for missing objects."""
    values = _listed(values, name)
    check_plain(values, name)
    # NumPy takes no tensor whose signs are still to be changed, such as the imaginary part of a conjugate
    return values.resolve_neg() if isinstance(values, torch.Tensor) else _with_nan(values)


def check_plain(values: Any, name: str = "X") -> None:
    """Raise ValueError for what would silently become other numbers: masked and complex values, dates and times."""
    values = _listed(values, name)
    if _is_masked(values):
        how = f"pass {name}.filled(np.nan)" if name == "X" else "fill in what is masked"
        raise ValueError(f"{name} is a masked array, whose mask would be lost; {how}.")
    types = column_types(values)
    if any("complex" in str(dtype) for dtype in types):  # what all libraries of arrays call it
        raise ValueError(
            f"Complex data not supported: {name} holds complex numbers; pass real parts, or absolute values."
        )
    if any(map(_is_temporal, types)) or not _types_of_objects(values).isdisjoint((np.datetime64, np.timedelta64)):
        raise ValueError(
            f"{name} holds dates or times (of dtype datetime or timedelta), which are no numbers: subtract a start and "
            "divide by a unit, for example by np.timedelta64(1, 'D')."
        )


def _listed(values: Any, name: str) -> Any:
    """Sequences as an array, so that the type of what they hold is seen; arrays, frames and tables as they are."""
    if values is None:
        raise ValueError(f"{name} is None; pass an array of shape (n_samples, n_features).")
    if type(values).__name__ == "LazyFrame":
        raise ValueError(f"{name} is a LazyFrame, which holds no values yet; pass {name}.collect().")
    if any(hasattr(values, of_a_container) for of_a_container in ("dtype", "columns", "tocsr")):
        return values
    if isinstance(values, list | tuple) and any(map(_is_masked, values)):
        raise ValueError(f"A row of {name} is a masked array, whose mask would be lost; fill in what is masked.")
    try:
        listed = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        ragged = " Give all its rows the same length." if "inhomogeneous" in str(error) else ""
        raise ValueError(f"{name} cannot be made an array: {error}{ragged}") from error
    if listed.ndim == 0 and listed.dtype == object and not isinstance(values, Number):
        kind = type(values).__name__
        raise ValueError(f"{name} is of type {kind}, which NumPy makes no array of; pass an array or a list.")
    return listed


def _is_masked(values: Any) -> bool:
    """Whether some of the values are masked; NumPy would go on with what is under the mask."""
    return isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values)


def _is_temporal(dtype: Any) -> bool:
    """Whether a type is one of dates or times, in any library's words."""
    words = str(dtype).lower()  # NumPy writes <M8 for bytes in another order
    return getattr(dtype, "kind", None) in ("m", "M") or words.startswith(("date", "time", "duration"))


def _types_of_objects(values: Any) -> set[type]:
    """Types of the values of an array of objects, or of the columns of objects of a frame."""
    if isinstance(values, np.ndarray):
        return set(map(type, values.flat)) if _is_loose(values.dtype) else set()
    if not hasattr(values, "iloc") or getattr(values, "ndim", 2) != 2:
        return set()
    columns = (values.iloc[:, i] for i, dtype in enumerate(column_types(values)) if _is_loose(dtype))
    return set().union(*(map(type, column) for column in columns))


def check_tensor(X: torch.Tensor) -> None:
    """Raise ValueError for a tensor that cannot be taken, and say what to do."""
    if X.requires_grad:
        raise ValueError("X requires grad: train with sktopo.nn.TopographicLayer, or pass X.detach().")
    if X.layout != torch.strided:
        raise ValueError(f"X is a sparse tensor ({X.layout}); pass X.to_dense(), or a sparse matrix of SciPy.")
    if X.device.type != "cpu" and not dispatches():
        raise ValueError(
            f"X lives on {X.device}: call sklearn.set_config(array_api_dispatch=True) to keep it there, or use X.cpu()."
        )
    if X.is_floating_point() and X.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"X is {X.dtype}; use X.float(), because only float32 and float64 are computed in.")


def _with_nan(X: Any) -> Any:
    """Values with NaN for what is missing among objects and words, which may say pandas.NA."""
    if _is_loose(getattr(X, "dtype", None)):
        values = np.asarray(X, dtype=object)
        return np.where(np.asarray(np.frompyfunc(_is_missing, 1, 1)(values), dtype=bool), np.nan, values)
    if hasattr(X, "columns") and hasattr(X, "notna") and any(map(_is_loose, X.dtypes)):
        return X.apply(_known_or_nan)
    return X


def _known_or_nan(column: Any) -> Any:
    """A column of a pandas frame, with NaN for what is missing among objects and words."""
    return column.astype(object).where(column.notna(), np.nan) if _is_loose(column.dtype) else column


def _is_loose(dtype: Any) -> bool:
    """Whether a type is that of objects, or of words in pandas."""
    return getattr(dtype, "kind", None) == "O"


def _is_missing(value: Any) -> bool:
    """Whether a value says that there is none: None or pandas.NA."""
    return value is None or type(value).__name__ == "NAType"


def canonical(X: Any) -> Any:
    """Arrays as they are; compressed rows with places that are sorted and occur once, the user's untouched."""
    if scipy.sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def has_gaps(X: NDArray[Any]) -> bool:
    """Whether a value of an array of numbers is missing; raises scikit-learn's ValueError for one that is infinite."""
    # all parts are looked at, each converted and let go by its own call
    gaps = [_has_gaps(floating(X[places])) for places in _parts(X)] if X.dtype.kind == "f" else []
    return any(gaps)


def _has_gaps(rows: NDArray[Any]) -> bool:
    """The same of a few rows."""
    # the second pass finds them in a cache
    if math.isfinite(rows.min()) and math.isfinite(rows.max()):
        return False
    assert_all_finite(rows, allow_nan=True, input_name="X")
    return True


def _parts(X: Any) -> Iterator[slice]:
    """Consecutive rows, few enough to be held at once."""
    size = chunk_rows(max(1, X.shape[1]))
    return (slice(start, start + size) for start in range(0, X.shape[0], size))


def check_gaps(X: Any, weight: NDArray[np.float64] | None, names: Any = None, *, columns_too: bool) -> None:
    """Raise ValueError for a row, or a column, in which every value is missing; it is named."""
    stored = X.data if scipy.sparse.issparse(X) else X
    of_integers = isinstance(stored, np.ndarray) and stored.dtype.kind != "f"
    if of_integers or not len(stored) or not math.isnan(stored.min()):
        return
    values = X.cpu().numpy() if isinstance(X, torch.Tensor) else X
    known, n_known = np.zeros(X.shape[1], dtype=np.int64), np.empty(X.shape[0], dtype=np.int64)
    for some in _parts(X):
        counts = np.ones(len(n_known[some]), dtype=np.int64) if weight is None else (weight[some] > 0).astype(np.int64)
        n_known[some], of_columns = _known(values[some], counts)
        known += of_columns
    if not n_known.all():
        row = int(np.flatnonzero(n_known == 0)[0])
        whole = counted_in() or "X"
        raise ValueError(f"Every value in row {row} of {whole} is missing (NaN): it belongs nowhere; drop the row.")
    if columns_too and not known.all():
        position = int(np.flatnonzero(known == 0)[0])
        column = position if names is None else repr(str(names[position]))
        raise ValueError(
            f"Every value in column {column} of X is missing (NaN), in the rows of positive weight: nothing can be "
            "learned about it; drop the column."
        )


def _known(rows: Any, counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many values are not missing, of each row and, over the rows that count, of each column."""
    n, width = rows.shape
    if not scipy.sparse.issparse(rows):
        seen = ~np.isnan(rows)
        return seen.sum(axis=1), counts @ seen
    gaps = np.isnan(rows.data)
    row, column = np.repeat(np.arange(n), np.diff(rows.indptr))[gaps], rows.indices[gaps]
    missing = np.bincount(column, counts[row], minlength=width).astype(np.int64)
    return width - np.bincount(row, minlength=n), counts.sum() - missing


@contextmanager
def naming_the_place(X: Any) -> Iterator[None]:
    """Add the place, or a remedy, to scikit-learn's error message; silence NumPy's warnings about overflow."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (ValueError, TypeError, OverflowError) as error:
        # a complaint about the columns is about no value
        about_columns = "feature names" in str(error)
        place = None if about_columns else _first_bad_place(X, numbers_too="infinity" in str(error))
        whole = f" of {counted_in()}" if counted_in() else ""
        notes = [] if place is None else [f"First found in {place}{whole}."]
        if "element with a sequence" in str(error):  # embeddings in a column of a frame
            notes.append("Values of X are sequences: make a table of them, np.stack(column).")
        if not notes:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind("\n".join([str(error), *notes])) from error


def _first_bad_place(X: Any, *, numbers_too: bool) -> str | None:
    """Row and column of the first value that is no number, or infinite; arrays of numbers are read only on request."""
    if scipy.sparse.issparse(X):
        return _first_infinite(X) if numbers_too else None
    of_table = getattr(X, "column_names", None)  # pyarrow's; its columns are the values
    names = [repr(name) for name in (of_table if isinstance(of_table, list) else getattr(X, "columns", []))]
    values = np.asarray(X) if Namespace.of(X).is_numpy else as_tensor(X).cpu().numpy()
    numeric = values.dtype.kind in "biuf"
    if values.ndim != 2 or values.dtype.kind == "c" or (numeric and not numbers_too):
        return None
    for part in _parts(values):
        some = values[part]
        with np.errstate(over="ignore"):
            bad = np.argwhere(np.isinf(floating(some)) if numeric else ~np.vectorize(_is_finite, otypes=[bool])(some))
        if len(bad):
            row, column = bad[0]
            return f"row {part.start + row}, column {names[column] if names else column}"
    return None


def _first_infinite(X: Any) -> str | None:
    """Row and column of the first infinite value of a sparse matrix."""
    entries = X.tocsr().tocoo()
    bad = np.flatnonzero(np.isinf(entries.data))
    return f"row {entries.row[bad[0]]}, column {entries.col[bad[0]]}" if len(bad) else None


def _is_finite(value: Any) -> bool:
    """Whether a value can be taken as a number, or as a missing one (None, NaN or pandas.NA)."""
    if _is_missing(value):
        return True
    try:
        return not math.isinf(float(value))
    except (TypeError, ValueError, OverflowError):
        return False
