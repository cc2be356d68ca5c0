"""Powers and roots that come out alike wherever a value stands in a tensor."""

import math

import torch
from torch import Tensor

# Powers up to this are taken directly, in float64; distances of a higher order divide by the largest difference first.
LARGEST_DIRECT_POWER = 32


def sums_of_powers(x: Tensor, codebook: Tensor, p_norm: float, mask: Tensor | None = None) -> Tensor:
    """``sum_f |x_f - w_f|^p`` (for p = inf the maximum) feature by feature, by products and square roots alone.

    Quicker than a power for each difference, and rounded alike wherever a sample stands in a block.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Samples; what stands at unobserved places must be a number.
    codebook : Tensor of shape (n_units, n_features)
        Prototypes.
    p_norm : float
        An order for which `multiplies_out` is true.
    mask : Tensor of bool of shape (n, n_features), optional
        True where a feature was observed.

    Returns
    -------
    Tensor of shape (n, n_units)
        What `roots` makes distances of.
    """
    total = codebook.new_zeros(len(x), len(codebook))
    seen = None if mask is None else mask.to(codebook)
    for feature in range(x.shape[1]):
        apart = (x[:, feature, None] - codebook[:, feature]).abs_()
        if seen is not None:
            apart *= seen[:, feature, None]
        if math.isinf(p_norm):
            torch.maximum(total, apart, out=total)
        else:
            total += _multiplied_out(apart, p_norm)
    return total


def multiplies_out(p_norm: float) -> bool:
    """Whether a power is made of products and a square root: 1, 1.5, 2, 2.5 and so on up to 32, and inf.

    Parameters
    ----------
    p_norm : float
        Order of a norm.

    Returns
    -------
    bool
        True for such an order.
    """
    return math.isinf(p_norm) or (p_norm <= LARGEST_DIRECT_POWER and float(2 * p_norm).is_integer())


def roots(powers: Tensor, p_norm: float) -> Tensor:
    """Distances from `sums_of_powers`.

    Parameters
    ----------
    powers : Tensor
        Of any shape.
    p_norm : float
        Order of the norm.

    Returns
    -------
    Tensor
        ``powers ** (1 / p)``; the same for p = inf.
    """
    return powers if math.isinf(p_norm) else elementwise_power(powers, 1 / p_norm)


def elementwise_power(values: Tensor, exponent: float) -> Tensor:
    """``values ** exponent`` by NumPy: torch rounds the values left over after its last full SIMD vector differently.

    Parameters
    ----------
    values : Tensor
        Of any shape.
    exponent : float
        The power.

    Returns
    -------
    Tensor
        Of the same shape.
    """
    if values.device.type != "cpu":
        return values**exponent
    powers: Tensor = torch.from_numpy(values.numpy() ** exponent)
    return powers


def _multiplied_out(values: Tensor, p_norm: float) -> Tensor:
    """``values ** p`` by repeated squaring, for a whole p or one with a half."""
    whole = int(p_norm)
    result = None if whole == p_norm else values.sqrt()
    square = values
    while whole:
        if whole % 2:
            result = square if result is None else result * square
        whole //= 2
        if whole:
            square = square * square
    assert result is not None  # p is at least 1
    return result


def moderating_scale(values: Tensor) -> float:
    """The power of two that brings values to about 1, so that their squares neither overflow nor underflow.

    Parameters
    ----------
    values : Tensor
        Of any shape, without NaN.

    Returns
    -------
    float
        The factor; the largest absolute value times it is about 1, unless that value is beyond 2^1000 or its inverse.
    """
    return 2.0 ** -max(-1000, min(1000, math.frexp(float(values.abs().max()))[1]))
