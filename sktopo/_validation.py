"""Checks of what the user wrote, and the only file that touches scikit-learn's private helpers."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse
import sklearn
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_array, validate_data

from sktopo.lattices import LATTICES
from sktopo.neighborhoods import NEIGHBORHOODS

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn 1.6 to 1.8

    class _SilentContext:
        """Stands in for a callback context: a run that nobody listens to."""

        def subcontext(self, **_: Any) -> "_SilentContext":
            return self

        def call_on_fit_task_begin(self, **_: Any) -> "_SilentContext":
            return self

        def call_on_fit_task_end(self, **_: Any) -> bool:
            return False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """The callback interface of scikit-learn 1.9 for versions that have none."""

        def set_callbacks(self, *callbacks: Any) -> None:
            """Callbacks need a newer scikit-learn."""
            raise NotImplementedError(
                f"set_callbacks needs scikit-learn 1.9 or newer; this is {sklearn.__version__}. Upgrade scikit-learn."
            )

        def _init_callback_context(self, **_: Any) -> _SilentContext:
            return _SilentContext()


__all__ = [
    "PARAMETER_CONSTRAINTS",
    "CallbackSupportMixin",
    "check_initial_codebook",
    "check_samples",
    "check_supported",
    "fit_context",
    "make_generator",
    "restored",
]

fit_context = _fit_context

_POSITIVE = Interval(Real, 0, None, closed="neither")
_SIDE = [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})]
PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "height": _SIDE,
    "width": _SIDE,
    "lattice": [StrOptions(set(LATTICES))],
    "periodic": ["boolean"],
    "p_norm": [Interval(Real, 1, None, closed="both")],
    "normalize": ["boolean"],
    "neighborhood": [StrOptions(set(NEIGHBORHOODS))],
    "sigma_initial": [_POSITIVE, None],
    "sigma_final": [_POSITIVE, None],
    "winner": [StrOptions({"nearest", "local"})],
    "temperature": [Interval(Real, 0, None, closed="left")],
    "output": [StrOptions({"coordinates", "activations", "distances"})],
    "init": [StrOptions({"pca", "random"}), "array-like"],
    "solver": [StrOptions({"auto", "batch", "stream", "gradient"})],
    "max_iter": [_POSITIVE, None],
    "tol": [Interval(Real, 0, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    "learning_rate": [_POSITIVE],
    "device": [StrOptions({"auto", "cpu", "cuda", "mps"}), torch.device, None],
    "random_state": ["random_state"],
}


# Solvers for which a fraction of a pass makes sense.
FRACTIONAL_SOLVERS = ("stream",)


def check_supported(estimator: Any) -> None:
    """Raise ValueError for values whose solvers are not part of this version, naming what is."""
    supported: list[tuple[str, tuple[Any, ...]]] = [
        ("solver", ("auto", "batch", "stream")),
        ("winner", ("nearest",)),
        ("temperature", (0.0,)),
    ]
    for name, values in supported:
        value = getattr(estimator, name)
        if value not in values:
            known = " or ".join(map(repr, values))
            raise ValueError(f"{name}={value!r} is not supported by this version of sktopo; use {name}={known}.")
    for name in ("sigma_initial", "sigma_final", "temperature", "tol", "learning_rate", "max_iter"):
        value = getattr(estimator, name)
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value!r}.")
    passes = estimator.max_iter
    if passes is not None and passes != int(passes) and estimator.solver not in FRACTIONAL_SOLVERS:
        raise ValueError(
            f"max_iter={passes!r}: solver={estimator.solver!r} makes whole passes; use an int, or solver='stream'."
        )
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
        if unknown or codebook.shape != (sides[0] * sides[1], fitted["n_features_in_"]):
            raise ValueError(f"attributes {unknown} of a codebook of shape {codebook.shape} for {sides} units")
        vars(estimator).update(fitted)
        estimator.set_output(transform=content["output"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"The file holds no whole map: {error}.") from error
    return estimator


def check_samples(
    estimator: Any, X: Any, sample_weight: ArrayLike | None = None, *, reset: bool
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Samples as a finite float32 or float64 array of the right width, and their weights as float64.

    Raises ValueError or TypeError that names what is wrong, and where.
    """
    if scipy.sparse.issparse(X):
        raise ValueError(
            "Sparse X is not supported by this version of sktopo, only dense float32 or float64 data; use X.toarray()."
        )
    if isinstance(X, np.ma.MaskedArray):
        raise ValueError("X is a masked array, whose mask would be lost; pass X.filled(value) instead.")
    if isinstance(X, torch.Tensor):
        X = _array_of(X)
    with _naming_the_place(X):
        X = validate_data(estimator, X, dtype=[np.float64, np.float32], reset=reset)
    return X, None if sample_weight is None else _checked_weight(sample_weight, X)


def check_initial_codebook(init: ArrayLike, n_units: int, n_features: int) -> NDArray[np.float64]:
    """An array given as `init` as float64, or a ValueError that says which shape is needed."""
    # a copy: what came from a worker's memory map is read-only
    codebook = np.array(check_array(init, dtype=np.float64, input_name="init"), order="C")
    if codebook.shape != (n_units, n_features):
        raise ValueError(
            f"init must have shape (n_units, n_features) = ({n_units}, {n_features}), got {codebook.shape}; "
            "change init, or height and width."
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


def _array_of(X: torch.Tensor) -> NDArray[Any]:
    """The memory of a CPU tensor as an array, of the same type."""
    if X.requires_grad:
        raise ValueError("X requires grad: train with sktopo.nn.TopographicLayer, or pass X.detach().")
    if X.device.type != "cpu":
        raise ValueError(f"X lives on {X.device}, which this version of sktopo does not take; use X.cpu().")
    if X.dtype in (torch.bfloat16, torch.float16):
        raise ValueError(f"X is {X.dtype}; use X.float(), because only float32 and float64 are computed in.")
    array: NDArray[Any] = X.numpy()
    return array


def _checked_weight(sample_weight: ArrayLike, X: NDArray[Any]) -> NDArray[np.float64]:
    weight: NDArray[np.float64] = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weight < 0).any():
        row = int(np.flatnonzero(weight < 0)[0])
        raise ValueError(f"sample_weight must not be negative, got {weight[row]!r} in row {row}; 0 leaves it out.")
    if not (weight > 0).any():
        raise ValueError("sample_weight is zero everywhere; at least one row must have a positive weight.")
    with np.errstate(over="ignore"):
        total = float(weight.sum())
    if not math.isfinite(total):
        raise ValueError("sample_weight sums to infinity; divide it by its maximum.")
    return weight


@contextmanager
def _naming_the_place(X: Any) -> Iterator[None]:
    """Add to scikit-learn's complaint the row and column that it is about."""
    try:
        yield
    except ValueError as error:
        place = _first_bad_place(X)
        if place is None:
            raise
        raise ValueError(f"{error}\nFirst found in {place}.") from error


def _first_bad_place(X: Any) -> str | None:
    """Row and column of the first value that is no finite number, if that is what is wrong."""
    names = [repr(name) for name in getattr(X, "columns", [])]
    values = np.asarray(X)
    if values.ndim != 2 or values.dtype.kind == "c":
        return None
    for column in range(values.shape[1]):
        name = names[column] if names else str(column)
        for row, value in enumerate(values[:, column]):
            try:
                finite = math.isfinite(float(value))
            except (TypeError, ValueError):
                finite = False
            if not finite:
                return f"row {row}, column {name}"
    return None
