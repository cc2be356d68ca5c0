"""A map from what a file says of it, after a look at everything that its methods rely on.

A file that is whole may still have been written by something else, or changed: what it claims is checked once, here.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sktopo._device import is_available
from sktopo._model import Model
from sktopo._namespaces import as_numpy, as_tensor
from sktopo.lattices import make_lattice
from sktopo.persistence import Stored


def restored(estimator: Any, stored: Stored) -> Any:
    """A fitted estimator from the content of a file, or a ValueError that says what does not fit together.

    What belongs on a device that is not here comes to the CPU, with one warning.
    """
    with _refusing("The file holds no whole map"):
        kind, parameters, fitted = (stored.content[name] for name in ("estimator", "parameters", "fitted"))
        if kind != type(estimator).__name__:
            raise ValueError(f"it holds a {kind}")
        estimator.set_params(**parameters)
        estimator._validate_params()
        _check_fitted(estimator, fitted)
        facts = Model.described_by(estimator, fitted["height_"], fitted["width_"]).facts
        vars(estimator).update(fitted | facts)
        if stored.content["output"] not in (None, "default", "pandas", "polars"):
            raise ValueError(f"output goes into {stored.content['output']!r}")
        estimator.set_output(transform=stored.content["output"])
    _bring_here(estimator, set(stored.missing))
    return estimator


def check_restorable(estimator: Any, fitted: dict[str, Any]) -> None:
    """Raise ValueError for an estimator whose fitted attributes `restored` would refuse, beside its parameters."""
    with _refusing("What was set after fit makes this no whole map"):
        _check_fitted(estimator, fitted)


@contextmanager
def _refusing(message: str) -> Iterator[None]:
    """Say that something is no whole map, and why."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        missing = "nothing is said of " if isinstance(error, KeyError) else ""
        raise ValueError(f"{message}: {missing}{error!s:.200}.") from error


def _bring_here(estimator: Any, missing: set[str]) -> None:
    """Let the estimator compute on the CPU where its device is not here; one warning for it and its tensors."""
    if estimator.device not in (None, "auto") and not is_available(torch.device(estimator.device)):
        missing.add(str(estimator.device))
        estimator.device = None
    if missing:
        message = f"This map belongs on {', '.join(sorted(missing))}, which is not here; it is on the CPU now."
        warnings.warn(message, stacklevel=5)  # of the caller of `load`, which is decorated


def _check_fitted(estimator: Any, fitted: dict[str, Any]) -> None:
    """Raise ValueError or KeyError for attributes with which some method would fail, or be wrong."""
    unknown = [name for name in fitted if name.startswith("_") or not name.endswith("_")]
    if unknown:
        raise ValueError(f"attributes {unknown}")
    height, width, n_features = sides = [fitted[name] for name in ("height_", "width_", "n_features_in_")]
    if not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"{height} x {width} units of {n_features} features")
    lattice = make_lattice(estimator.lattice, height, width, estimator.periodic)
    n_units = lattice.n_units
    _check_finite("codebook_", _floats(fitted, "codebook_", (n_units, n_features)))
    coordinates = _floats(fitted, "unit_coordinates_", (n_units, 2))
    if not torch.allclose(coordinates.double().cpu(), lattice.coordinates().double(), atol=1e-6):
        raise ValueError(f"unit_coordinates_ are not those of a {estimator.lattice} lattice")
    _check_finite("unit_counts_", _floats(fitted, "unit_counts_", (n_units,), (n_units, n_features)))
    _floats(fitted, "unit_sums_", (n_units, n_features))
    _floats(fitted, "loss_curve_", (as_tensor(fitted["loss_curve_"]).numel(),))
    for name in ("weight_seen_", "n_iter_"):
        _check_number(name, fitted[name])
    if not 0 < _check_number("sigma_", fitted["sigma_"]) < math.inf:
        raise ValueError(f"sigma_ is {fitted['sigma_']}")
    if "labels_" in fitted:
        _check_labels(as_numpy(fitted["labels_"]), n_units)


def _floats(fitted: dict[str, Any], name: str, *shapes: tuple[int, ...]) -> Tensor:
    """An attribute of floating point numbers in one of some shapes."""
    values = as_tensor(fitted[name])
    if not values.is_floating_point() or tuple(values.shape) not in shapes:
        raise ValueError(f"{name} of type {values.dtype} and shape {tuple(values.shape)}")
    return values


def _check_finite(name: str, values: Tensor) -> None:
    if not bool(values.isfinite().all()):
        raise ValueError(f"{name} with missing or infinite values")


def _check_number(name: str, value: Any) -> float:
    """A number that is not below zero."""
    if type(value) not in (int, float) or not value >= 0:
        raise ValueError(f"{name} is {value!r}")
    return float(value)


def _check_labels(labels: NDArray[Any], n_units: int) -> None:
    if labels.dtype != np.int64 or labels.ndim != 1 or ((labels < 0) | (labels >= n_units)).any():
        raise ValueError(f"labels_ that are not of {n_units} units")
