"""Checks of what the user wrote, some of them by scikit-learn's private helpers."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
import scipy.sparse
import sklearn
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_array, validate_data

from sktopo._device import chunk_rows, machine_memory
from sktopo._namespaces import Namespace, as_tensor, dispatches
from sktopo._options import check_sigma, check_total_weight, chosen
from sktopo._sources import DaskRows, is_dask
from sktopo.lattices import LATTICES, Lattice, make_lattice
from sktopo.neighborhoods import NEIGHBORHOODS, Neighborhood

# A fit needs at least this many float64 values for each value of the codebook.
TABLES_OF_A_FIT = 8

Method = TypeVar("Method", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """scikit-learn's decorator of methods that fit: checks parameters, and tears callbacks down."""
    decorator: Callable[[Method], Method] = _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)
    return decorator


def parameter_constraints(
    winners: Iterable[str], outputs: Iterable[str], initializers: Iterable[str], solvers: Iterable[str]
) -> dict[str, list[Any]]:
    """What scikit-learn checks each parameter of the estimator against; options by the names in their registries."""
    positive, at_least_0 = Interval(Real, 0, None, closed="neither"), Interval(Real, 0, None, closed="left")
    count = Interval(Integral, 1, None, closed="left")
    return {
        "height": [count, StrOptions({"auto"})],
        "width": [count, StrOptions({"auto"})],
        "lattice": [StrOptions(set(LATTICES))],
        "periodic": ["boolean"],
        "p_norm": [Interval(Real, 1, None, closed="both")],
        "normalize": ["boolean"],
        "neighborhood": [StrOptions(set(NEIGHBORHOODS))],
        "sigma_initial": [positive, None],
        "sigma_final": [positive, None],
        "winner": [StrOptions(set(winners))],
        "temperature": [at_least_0],
        "output": [StrOptions(set(outputs))],
        "init": [StrOptions(set(initializers)), "array-like"],
        "solver": [StrOptions({"auto", *solvers})],
        "max_iter": [positive, None],
        "tol": [at_least_0],
        "batch_size": [count, None],
        "learning_rate": [positive],
        "device": [StrOptions({"auto", "cpu", "cuda", "mps"}), torch.device, None],
        "random_state": ["random_state"],
    }


def check_supported(estimator: Any) -> None:
    """Raise ValueError for values that no solver takes, or not together."""
    for name in ("sigma_initial", "sigma_final", "temperature", "tol", "learning_rate", "max_iter"):
        value = getattr(estimator, name)
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value!r}.")
    initial, final = estimator.sigma_initial, estimator.sigma_final
    if initial is not None and final is not None and initial < final:
        raise ValueError(
            f"sigma_initial={initial!r} is below sigma_final={final!r}: the neighborhood shrinks during training; "
            "raise sigma_initial, or leave it at None."
        )


def restored(estimator: Any, content: dict[str, Any]) -> Any:
    """A fitted estimator from what a file says of it, or a ValueError that says what does not fit together."""
    try:
        kind, parameters, fitted = content["estimator"], content["parameters"], content["fitted"]
        if kind != type(estimator).__name__:
            raise ValueError(f"it holds a {kind}")
        estimator.set_params(**parameters)
        estimator._validate_params()
        unknown = [name for name in fitted if name.startswith("_") or not name.endswith("_")]
        codebook, sides = fitted["codebook_"], (fitted["height_"], fitted["width_"])
        if not all(type(side) is int and side > 0 for side in sides):
            raise ValueError(f"sides of {sides}")
        if unknown or codebook.shape != (sides[0] * sides[1], fitted["n_features_in_"]):
            raise ValueError(f"attributes {unknown} of a codebook of shape {codebook.shape} for {sides} units")
        vars(estimator).update(fitted)
        estimator.set_output(transform=content["output"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"The file holds no whole map: {error!s:.200}.") from error
    return estimator


def check_samples(
    estimator: Any, X: Any, sample_weight: ArrayLike | None = None, *, reset: bool, zero_weights: bool = False
) -> tuple[Any, NDArray[np.float64] | None]:
    """Samples in float32 or float64 and of the right width, and their weights as float64.

    Samples are an array, a CSR matrix with its places in order, or under Array API dispatch a tensor. With
    `zero_weights` all weights may be zero. Raises ValueError or TypeError that names what is wrong, and where.
    """
    if is_dask(X):
        return _checked_dask(estimator, X, sample_weight, reset=reset), None
    check_plain(X)
    X = _with_nan(X)
    if isinstance(X, torch.Tensor):
        check_tensor(X)
        X = X if dispatches() else X.numpy()
    elif isinstance(X, np.ndarray) and X.dtype == ">f4":
        X = X.astype(np.float32)  # which would become float64
    library = Namespace.of(X).library
    with _naming_the_place(X):
        X = validate_data(
            estimator,
            X,
            dtype=[library.float64, library.float32],
            reset=reset,
            accept_sparse="csr",
            ensure_all_finite="allow-nan",
        )
    weight = None if sample_weight is None else _checked_weight(sample_weight, X.shape[0], zero=zero_weights)
    X = _canonical(X) if library is np else as_tensor(X)
    _check_gaps(X, weight, getattr(estimator, "feature_names_in_", None), columns_too=reset)
    return X, weight


def _checked_dask(estimator: Any, X: Any, sample_weight: Any, *, reset: bool) -> DaskRows:
    """A dask collection of the right width and with the right names; its values are checked where they are."""
    if estimator.device not in (None, "cpu", torch.device("cpu")):
        raise ValueError(f"device={estimator.device!r}: dask input is computed on the CPUs of its workers; use None.")
    check_dask_shape(X)
    rows = DaskRows.of(X, sample_weight)
    if not rows.n_features or not sum(rows.lengths):
        raise ValueError(f"X has {sum(rows.lengths)} sample(s) and {rows.n_features} feature(s); at least 1 is needed.")
    check_dask_features(estimator, X, reset=reset)
    return rows


def check_dask_features(estimator: Any, X: Any, *, reset: bool) -> None:
    """Raise ValueError for a dask collection of another width, or with other names, than fit's; computes nothing."""
    check_dask_shape(X)
    features = X._meta if hasattr(X, "columns") else np.empty((1, X.shape[1]))
    validate_data(estimator, features, reset=reset, skip_check_array=True)


def check_dask_shape(X: Any) -> int:
    """The number of columns of a dask collection, or a ValueError if it is no table."""
    if getattr(X, "ndim", None) != 2:
        dimensions = f" of {X.ndim} dimension(s)" if hasattr(X, "ndim") else ""
        raise ValueError(f"Expected a 2D dask array or a dask data frame, got a dask {type(X).__name__}{dimensions}.")
    return len(X.columns) if hasattr(X, "columns") else int(X.shape[1])


def check_one_chunk(X: Any, function: str) -> None:
    """Raise ValueError for a dask collection where it would be computed here as a whole."""
    if is_dask(X):
        raise ValueError(
            f"{function} takes one chunk at a time: call it with X.partitions[i].compute(), or on the workers."
        )


def check_lazy_output(estimator: Any) -> None:
    """Raise ValueError if scikit-learn would turn a dask array into a data frame, and so compute all of it here."""
    container = output_container(estimator) or sklearn.get_config()["transform_output"]
    if container != "default":
        raise ValueError(
            f"transform answers dask input with a lazy dask array, of which set_output(transform={container!r}) would "
            "bring everything here; use set_output(transform='default'), or call map_partitions with transform."
        )


def output_container(estimator: Any) -> str | None:
    """What `set_output` was told for `transform`; None if it was not called."""
    container: str | None = getattr(estimator, "_sklearn_output_config", {}).get("transform")
    return container


def check_partition(
    block: Any, weight: NDArray[np.float64] | None, dtype: Any
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """A partition of a dask collection as array or CSR, and its weights; rows in errors are counted from its start."""
    check_plain(block)
    block, whole = _with_nan(block), "a partition of X"
    with sklearn.config_context(array_api_dispatch=False), _naming_the_place(block, whole):
        X = _canonical(check_array(block, dtype=dtype, accept_sparse="csr", ensure_all_finite="allow-nan"))
    _check_gaps(X, None, columns_too=False, whole=whole)
    if weight is not None:
        weight = check_array(weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight")
        _check_weight_values(weight, "a partition of it")
    return X, weight


def check_known(unknown: torch.Tensor, total_weight: float) -> None:
    """Raise ValueError if a pass over the data found no positive weight, or a feature that is missing everywhere."""
    check_total_weight(total_weight)
    if bool(unknown.any()):
        column = int(torch.nonzero(unknown)[0])
        raise ValueError(f"Every value in column {column} of X is missing (NaN); drop the column.")


def _check_gaps(
    X: Any, weight: NDArray[np.float64] | None, names: Any = None, *, columns_too: bool, whole: str = "X"
) -> None:
    """Raise ValueError for a row, or a column, in which every value is missing; it is named, as one of `whole`."""
    stored = X.data if scipy.sparse.issparse(X) else X
    if not len(stored) or stored.min() == stored.min():  # only NaN differs from itself
        return
    values = X.cpu().numpy() if isinstance(X, torch.Tensor) else X
    known, n_known = np.zeros(X.shape[1], dtype=np.int64), np.empty(X.shape[0], dtype=np.int64)
    rows = chunk_rows(X.shape[1])
    for start in range(0, X.shape[0], rows):
        some = slice(start, start + rows)
        counts = np.ones(len(n_known[some]), dtype=np.int64) if weight is None else (weight[some] > 0).astype(np.int64)
        n_known[some], of_columns = _known(values[some], counts)
        known += of_columns
    if not n_known.all():
        row = int(np.flatnonzero(n_known == 0)[0])
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


def _canonical(X: Any) -> Any:
    """Arrays as they are; compressed rows with places that are sorted and occur once, the user's untouched."""
    if scipy.sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def check_rows(X: Any, sample_weight: ArrayLike | None) -> tuple[Any, NDArray[np.float64] | None]:
    """Rows for which there is no estimator, as an array or a CSR matrix, and their weights."""
    check_one_chunk(X, "chunk_statistics")
    check_plain(X)
    with sklearn.config_context(array_api_dispatch=False), _naming_the_place(X):
        X = check_array(X, dtype=[np.float64, np.float32], accept_sparse="csr", ensure_all_finite="allow-nan")
    weight = None if sample_weight is None else _checked_weight(sample_weight, X.shape[0])
    X = _canonical(X)
    _check_gaps(X, weight, columns_too=False)
    return X, weight


def check_geometry(
    height: int, width: int, *, sigma: float, lattice: str, periodic: bool, neighborhood: str
) -> tuple[Lattice, Neighborhood]:
    """A lattice and a neighborhood by their names, or a ValueError that says which there are."""
    check_sigma(sigma)
    return make_lattice(lattice, height, width, periodic), chosen("neighborhood", neighborhood, NEIGHBORHOODS)


def check_affordable(height: int, width: int, n_features: int) -> None:
    """Raise ValueError for a map that cannot be trained in the memory of this machine."""
    needed, there = TABLES_OF_A_FIT * 8 * height * width * (n_features + 2), machine_memory()
    if needed > there:
        raise ValueError(
            f"A fit of {height} x {width} = {height * width:,} units of {n_features:,} features takes about "
            f"{needed / 2**30:,.0f} GB, and this machine has {there / 2**30:,.0f}: lower height or width."
        )


def check_codebook(
    given: ArrayLike, n_units: int | None, n_features: int, name: str = "codebook"
) -> NDArray[np.float64]:
    """Prototypes as float64 (of any number of units for None), or a ValueError that says which shape is needed."""
    check_plain(given, name)
    if isinstance(given, torch.Tensor):
        given = given.detach().cpu().numpy()
    # a copy: what came from a worker's memory map is read-only
    codebook = np.array(
        check_array(given, dtype=np.float64, input_name=name, ensure_2d=False, allow_nd=True), order="C"
    )
    expected = (len(codebook) if n_units is None else n_units, n_features)
    if codebook.shape != expected:
        raise ValueError(
            f"{name} must have shape (n_units, n_features) = {expected}, got {codebook.shape}"
            + ("." if n_units is None else f"; change {name}, or height and width.")
        )
    return codebook


def make_generator(random_state: Any) -> torch.Generator:
    """A CPU generator of its own; None takes fresh entropy, so that no global generator is read or moved."""
    generator = torch.Generator()
    if random_state is None:
        generator.seed()
    else:
        generator.manual_seed(int(check_random_state(random_state).randint(np.iinfo(np.int32).max)))
    return generator


def check_plain(values: Any, name: str = "X") -> None:
    """Raise ValueError for what NumPy would silently turn into other numbers: masked values, dates and times."""
    if np.ma.is_masked(values):
        how = f"pass {name}.filled(np.nan)" if name == "X" else "fill in what is masked"
        raise ValueError(f"{name} is a masked array, whose mask would be lost; {how}.")
    columns = getattr(values, "dtypes", ()) if hasattr(values, "columns") else (getattr(values, "dtype", None),)
    if any(getattr(dtype, "kind", None) in ("m", "M") or getattr(dtype, "is_temporal", bool)() for dtype in columns):
        raise ValueError(
            f"{name} holds dates or times (of dtype datetime or timedelta), which are no numbers: subtract a start and "
            "divide by a unit, for example by np.timedelta64(1, 'D')."
        )


def check_tensor(X: torch.Tensor) -> None:
    """Raise ValueError for a tensor that cannot be taken, and say what to do."""
    if X.requires_grad:
        raise ValueError("X requires grad: train with sktopo.nn.TopographicLayer, or pass X.detach().")
    if X.device.type != "cpu" and not dispatches():
        raise ValueError(
            f"X lives on {X.device}: call sklearn.set_config(array_api_dispatch=True) to keep it there, or use X.cpu()."
        )
    if X.dtype in (torch.bfloat16, torch.float16):
        raise ValueError(f"X is {X.dtype}; use X.float(), because only float32 and float64 are computed in.")


def _checked_weight(sample_weight: Any, n_rows: int, *, zero: bool = False) -> NDArray[np.float64]:
    """Weights as float64; all of them may be zero where only sums are asked for."""
    check_plain(sample_weight, "sample_weight")
    if isinstance(sample_weight, torch.Tensor) or not Namespace.of(sample_weight).is_numpy:
        sample_weight = as_tensor(sample_weight).detach().cpu().to(torch.float64).numpy()
    if zero and not np.any(sample_weight):
        return 0 * _checked_weight(np.ones(np.shape(sample_weight)), n_rows)
    try:
        with sklearn.config_context(array_api_dispatch=False):  # weights may live elsewhere than X
            weight: NDArray[np.float64] = _check_sample_weight(sample_weight, np.empty((n_rows, 0)), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample_weight cannot be used: {error}") from error
    _check_weight_values(weight)
    with np.errstate(over="ignore"):
        check_total_weight(float(weight.sum()))
    return weight


def _check_weight_values(weight: NDArray[np.float64], whole: str | None = None) -> None:
    """Raise ValueError for a weight below zero, and name its row, as one of `whole`."""
    if (weight < 0).any():
        row = int(np.flatnonzero(weight < 0)[0])
        place = f"row {row} of {whole}" if whole else f"row {row}"
        raise ValueError(f"sample_weight must not be negative, got {weight[row]:g} in {place}; 0 leaves it out.")


def _with_nan(X: Any) -> Any:
    """A pandas frame with NaN for what is missing in its columns of objects, which may say pandas.NA."""
    is_pandas = hasattr(X, "columns") and hasattr(X, "notna")
    return X.where(X.notna(), np.nan) if is_pandas and any(dtype == "O" for dtype in X.dtypes) else X


@contextmanager
def _naming_the_place(X: Any, whole: str | None = None) -> Iterator[None]:
    """Add the row and column to scikit-learn's error message; silence NumPy's warnings about overflow."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (ValueError, TypeError, OverflowError) as error:
        # a complaint about the columns is about no value
        about_columns = "feature names" in str(error)
        place = None if about_columns else _first_bad_place(X, numbers_too="infinity" in str(error))
        if place is None:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{error}\nFirst found in {place}{f' of {whole}' if whole else ''}.") from error


def _first_bad_place(X: Any, *, numbers_too: bool) -> str | None:
    """Row and column of the first value that is no number, or infinite; arrays of numbers are read only on request."""
    if scipy.sparse.issparse(X):
        return _first_infinite(X) if numbers_too else None
    names = [repr(name) for name in getattr(X, "columns", [])]
    values = np.asarray(X) if Namespace.of(X).is_numpy else as_tensor(X).cpu().numpy()
    numeric = values.dtype.kind in "biuf"
    if values.ndim != 2 or values.dtype.kind == "c" or (numeric and not numbers_too):
        return None
    rows = chunk_rows(max(1, values.shape[1]))
    for start in range(0, len(values), rows):
        some = values[start : start + rows]
        bad = np.argwhere(np.isinf(some) if numeric else ~np.vectorize(_is_finite, otypes=[bool])(some))
        if len(bad):
            row, column = bad[0]
            return f"row {start + row}, column {names[column] if names else column}"
    return None


def _first_infinite(X: Any) -> str | None:
    """Row and column of the first infinite value of a sparse matrix."""
    entries = X.tocsr().tocoo()
    bad = np.flatnonzero(np.isinf(entries.data))
    return f"row {entries.row[bad[0]]}, column {entries.col[bad[0]]}" if len(bad) else None


def _is_finite(value: Any) -> bool:
    """Whether a value can be taken as a number, or as a missing one (None, NaN or pandas.NA)."""
    if value is None or type(value).__name__ == "NAType":
        return True
    try:
        return not math.isinf(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


@contextmanager
def features_of_the_map(estimator: Any) -> Iterator[None]:
    """Keep number and names of the features in step with the codebook: a fit that fails before it leaves them alone."""
    names, codebook = ("n_features_in_", "feature_names_in_"), vars(estimator).get("codebook_")
    before = {name: value for name, value in vars(estimator).items() if name in names}
    try:
        yield
    except BaseException:
        if vars(estimator).get("codebook_") is codebook:
            for name in names:
                vars(estimator).pop(name, None)
            vars(estimator).update(before)
        raise
