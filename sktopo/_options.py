"""Checks of what a user chose, for functions and layers to which scikit-learn's checks do not reach."""

import math
from collections.abc import Mapping
from numbers import Integral
from typing import SupportsFloat, TypeVar

import torch
from torch import Tensor

Kind = TypeVar("Kind")

LARGEST_TOTAL_WEIGHT = 2.0**1020


def chosen(name: str, value: object, options: Mapping[str, Kind]) -> Kind:
    """What an option's name stands for, or a ValueError that says which there are."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}.")
    return options[value]


def check_size(name: str, value: object) -> int:
    """A number of units or features as an int, or a ValueError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an int of at least 1, got {value!r}.")
    return int(value)


def check_p_norm(p_norm: object, name: str = "p_norm") -> float:
    """The order of a norm as a float, or a ValueError; `name` is what the caller calls it."""
    order = math.nan if isinstance(p_norm, bool) else _number(p_norm)
    if not order >= 1:
        raise ValueError(f"{name} must be at least 1 (inf is allowed), got {p_norm!r}.")
    return order


def check_temperature(temperature: object) -> float:
    """A temperature as a float, or a ValueError."""
    value = _number(temperature)
    if not 0 <= value < math.inf:
        raise ValueError(f"temperature must be a finite number of at least 0, got {temperature!r}.")
    return value


def check_sigma(sigma: object) -> None:
    """Raise ValueError for what is no radius."""
    if isinstance(sigma, Tensor) and torch.compiler.is_compiling():
        return  # a compiled graph takes the number as it comes
    if not 0 < _number(sigma) < math.inf:
        raise ValueError(f"sigma must be a finite number above 0, got {sigma!r}.")


def _number(value: object) -> float:
    """A number as a float, and NaN for anything else, such as a tensor of several."""
    value = value.detach() if isinstance(value, Tensor) else value  # it may be learned
    try:
        return float(value) if isinstance(value, SupportsFloat) else math.nan
    except (TypeError, ValueError):
        return math.nan


def check_total_weight(total: float) -> None:
    """Raise ValueError if the weights sum to zero, or to so much that products would overflow."""
    if not total > 0:
        raise ValueError("sample_weight is zero everywhere; at least one row must have a positive weight.")
    if total > LARGEST_TOTAL_WEIGHT:
        size = "infinity" if math.isinf(total) else f"{total:g}"
        raise ValueError(f"sample_weight sums to {size}; divide it by its maximum.")
