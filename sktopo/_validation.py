"""Checks of what the user wrote: parameters, samples and weights, some by scikit-learn's private helpers."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
import sklearn
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, validate_data

from sktopo._device import machine_memory
from sktopo._namespaces import Namespace, as_numpy, as_tensor, dispatches
from sktopo._options import check_sigma, check_total_weight, chosen
from sktopo._sources import DaskRows, all_single, in_a_partition, is_dask
from sktopo._values import as_plain, canonical, check_gaps, check_plain, check_tensor, has_gaps, naming_the_place
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
    """Raise ValueError for values that no solver takes together."""
    initial, final = estimator.sigma_initial, estimator.sigma_final
    if initial is not None and final is not None and initial < final:
        raise ValueError(
            f"sigma_initial={initial!r} is below sigma_final={final!r}: the neighborhood shrinks during training; "
            "raise sigma_initial, or leave it at None."
        )


def check_samples(
    estimator: Any, X: Any, sample_weight: ArrayLike | None = None, *, reset: bool, zero_weights: bool = False
) -> tuple[Any, NDArray[np.float64] | None]:
    """Samples of the right width, and their weights as float64.

    Samples are an array of any numbers, a CSR matrix in float32 or float64 with its places in order, or under Array API
    dispatch a tensor of these types. With `zero_weights` all weights may be zero. Raises ValueError or TypeError that
    names what is wrong, and where.
    """
    if is_dask(X):
        return _checked_dask(estimator, X, sample_weight, reset=reset, zero_weights=zero_weights), None
    X = as_plain(X)
    if isinstance(X, torch.Tensor):
        check_tensor(X)
        X = X if dispatches() else X.numpy()
    library = Namespace.of(X).library
    X, complete = _checked_rows(X, partial(validate_data, estimator, reset=reset), library)
    weight = None if sample_weight is None else _checked_weight(sample_weight, X.shape[0], zero=zero_weights)
    X = canonical(X) if library is np else as_tensor(X)
    if not complete:
        check_gaps(X, weight, getattr(estimator, "feature_names_in_", None), columns_too=reset)
    return X, weight


def _checked_rows(X: Any, check: Callable[..., Any], library: Any = np) -> tuple[Any, bool]:
    """What scikit-learn's `check` makes of rows, and whether it is known that no value is missing.

    Arrays of numbers, and tensors of whole ones, stay as they are.
    """
    with naming_the_place(X):
        if isinstance(X, torch.Tensor) and not X.is_floating_point():
            return check(X, dtype=None), True
        if not (isinstance(X, np.ndarray) and X.dtype.kind in "biuf"):
            return check(X, dtype=floating_types(X, library), accept_sparse="csr", ensure_all_finite="allow-nan"), False
        X = check(X, dtype=None, ensure_all_finite=False)
        return X, not has_gaps(X)


def floating_types(X: Any, library: Any) -> Any:
    """Types in which rows of a library are taken, for scikit-learn's checks: float32 where all values have it."""
    return library.float32 if all_single(X) else [library.float64, library.float32]


def _checked_dask(estimator: Any, X: Any, sample_weight: Any, *, reset: bool, zero_weights: bool) -> DaskRows:
    """A dask collection of the right width and with the right names; its values are checked where they are."""
    if estimator.device not in (None, "cpu", torch.device("cpu")):
        raise ValueError(f"device={estimator.device!r}: dask input is computed on the CPUs of its workers; use None.")
    check_dask_shape(X)
    rows = DaskRows.of(X)
    if not rows.n_features or not rows.n_rows:
        raise ValueError(f"X has {rows.n_rows} sample(s) and {rows.n_features} feature(s); at least 1 is needed.")
    check_dask_features(estimator, X, reset=reset)
    if sample_weight is None:
        return rows
    check_plain(sample_weight, "sample_weight")
    if not is_dask(sample_weight):
        sample_weight = _checked_weight(sample_weight, rows.n_rows, zero=zero_weights)
    return rows.weighted(sample_weight, _weight_of_partition)


def _weight_of_partition(weight: Any) -> NDArray[np.float64]:
    """Weights of the rows of a partition, checked; they may all be zero."""
    return _weight_values(weight, len(weight), "a partition of it")


def check_dask_features(estimator: Any, X: Any, *, reset: bool) -> None:
    """Raise ValueError for a dask collection of another width, or with other names, than fit's; computes nothing."""
    check_dask_shape(X)
    features = X._meta if hasattr(X, "columns") else np.empty((1, X.shape[1]))
    validate_data(estimator, features, reset=reset, skip_check_array=True)


def check_dask_shape(X: Any) -> int:
    """The number of columns of a dask collection, or a ValueError if it is no table."""
    n_dimensions = getattr(X, "ndim", None)
    if not isinstance(n_dimensions, int) or n_dimensions != 2:  # an attribute of a Delayed is another one
        dimensions = f" of {n_dimensions} dimension(s)" if isinstance(n_dimensions, int) else ""
        raise ValueError(f"Expected a 2D dask array or a dask data frame, got a dask {type(X).__name__}{dimensions}.")
    if hasattr(X, "columns"):
        return len(X.columns)
    if math.isnan(X.shape[1]):
        raise ValueError("X has an unknown number of columns: call X.compute_chunk_sizes() first.")
    return int(X.shape[1])


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


def check_partition(block: Any, dtype: Any) -> NDArray[Any]:
    """A partition of a dask collection as array or CSR; rows in errors are counted from its start."""
    with sklearn.config_context(array_api_dispatch=False), in_a_partition():
        block = as_plain(block)
        with naming_the_place(block):
            X: NDArray[Any] = canonical(
                check_array(block, dtype=dtype, accept_sparse="csr", ensure_all_finite="allow-nan")
            )
        check_gaps(X, None, columns_too=False)
    return X


def check_known(unknown: torch.Tensor, total_weight: float) -> None:
    """Raise ValueError if a pass over the data found no positive weight, or a feature that is missing everywhere."""
    check_total_weight(total_weight)
    if bool(unknown.any()):
        column = int(torch.nonzero(unknown)[0])
        raise ValueError(f"Every value in column {column} of X is missing (NaN); drop the column.")


def check_rows(X: Any, sample_weight: ArrayLike | None) -> tuple[Any, NDArray[np.float64] | None]:
    """Rows for which there is no estimator, as an array or a CSR matrix, and their weights."""
    check_one_chunk(X, "chunk_statistics")
    X = as_plain(X)
    if isinstance(X, torch.Tensor):
        check_tensor(X)
        X = as_numpy(X)
    with sklearn.config_context(array_api_dispatch=False):
        X, complete = _checked_rows(X, check_array)
    weight = None if sample_weight is None else _checked_weight(sample_weight, X.shape[0])
    X = canonical(X)
    if not complete:
        check_gaps(X, weight, columns_too=False)
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


def check_codebook(given: Any, n_units: int | None, n_features: int, name: str = "codebook") -> NDArray[np.float64]:
    """Prototypes as float64 (of any number of units for None), or a ValueError that says which shape is needed."""
    given = _brought_here(as_plain(given, name))
    try:
        with sklearn.config_context(array_api_dispatch=False):
            checked = check_array(given, dtype=np.float64, input_name=name, ensure_2d=False, allow_nd=True)
    except (TypeError, ValueError) as error:
        rows = "n_units" if n_units is None else n_units
        raise ValueError(f"{name} cannot be used: {error}\nPass numbers of shape ({rows}, {n_features}).") from error
    expected = (len(checked) if n_units is None else n_units, n_features)
    if checked.shape != expected:
        raise ValueError(
            f"{name} must have shape (n_units, n_features) = {expected}, got {checked.shape}"
            + ("." if n_units is None else f"; change {name}, or height and width.")
        )
    return np.array(checked, order="C")  # a copy: what came from a worker's memory map is read-only


def make_generator(random_state: Any) -> torch.Generator:
    """A CPU generator of its own; None takes fresh entropy, so that no global generator is read or moved."""
    generator = torch.Generator()
    if random_state is None:
        generator.seed()
    else:
        generator.manual_seed(int(check_random_state(random_state).randint(np.iinfo(np.int32).max)))
    return generator


def _checked_weight(sample_weight: Any, n_rows: int, *, zero: bool = False) -> NDArray[np.float64]:
    """Weights of all rows as float64; all of them may be zero where only sums are asked for."""
    if is_dask(sample_weight):  # beside rows that are here, and take more
        sample_weight = sample_weight.compute()
    weight = _weight_values(sample_weight, n_rows)
    if not zero or weight.any():
        with np.errstate(over="ignore"):
            check_total_weight(float(weight.sum()))
    return weight


def _weight_values(sample_weight: Any, n_rows: int, whole: str | None = None) -> NDArray[np.float64]:
    """Weights as float64, each of them checked; rows in errors are those of `whole`."""
    sample_weight = _brought_here(as_plain(sample_weight, "sample_weight"))
    try:
        with sklearn.config_context(array_api_dispatch=False):  # weights may live elsewhere than X
            weight: NDArray[np.float64] = check_array(
                sample_weight,
                dtype=np.float64,
                order="C",
                ensure_2d=False,
                allow_nd=True,
                ensure_min_samples=0,
                input_name="sample_weight",
            )
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample_weight cannot be used: {error}") from error
    if weight.ndim == 0:
        weight = np.full(n_rows, weight)
    if weight.shape != (n_rows,):
        raise ValueError(
            f"sample_weight must be a 1D array or scalar: sample_weight.shape == {weight.shape}, expected {(n_rows,)}."
        )
    if (weight < 0).any():
        row = int(np.flatnonzero(weight < 0)[0])
        place = f"row {row} of {whole}" if whole else f"row {row}"
        raise ValueError(f"sample_weight must not be negative, got {weight[row]:g} in {place}; 0 leaves it out.")
    return weight


def _brought_here(values: Any) -> Any:
    """Arrays of any library as NumPy's; what else is taken as it is."""
    elsewhere = hasattr(values, "__array_namespace__") and not isinstance(values, np.ndarray | np.generic)
    if isinstance(values, torch.Tensor) or elsewhere:
        return as_tensor(values).detach().cpu().to(torch.float64).numpy()
    return values


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
