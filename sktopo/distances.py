"""How far samples are from prototypes.

For p = 2 a squared distance is expanded, ``|x - w|^2 = |x|^2 + (|w|^2 - 2 x.w)``, which costs one matrix product; the
bracket alone (the *score*) decides the best matching unit. Expanding cancels badly far from the origin, so samples and
prototypes are centered first (a translation changes no distance). For other norms the differences are taken directly.
"""

import math
from typing import Any

import torch
from torch import Tensor

from sktopo._device import wide_dtype
from sktopo._powers import LARGEST_DIRECT_POWER
from sktopo._products import expanded_scores

HALF_PRECISION = (torch.float16, torch.bfloat16)
# Below this share of its terms a squared distance has lost too many digits to cancellation.
CANCELLED = 1e-6
# Distances beyond this or its inverse are computed again with scaling: their powers may have left the type's range.
SAFE_POWER = 1e-12
# Gradients of the maximum norm are taken for blocks of prototypes with at most this many differences.
LARGEST_BLOCK = 2**18


def sqdist(x: Tensor, codebook: Tensor, p_norm: float) -> Tensor:
    """Squared p-norm distance of every sample to every prototype, differentiable in both.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Samples.
    codebook : Tensor of shape (n_units, n_features)
        Prototypes.
    p_norm : float
        Order of the norm, at least 1, or inf.

    Returns
    -------
    Tensor of shape (n, n_units)
        Squared distances.
    """
    if p_norm != 2:
        return _scaled_minkowski(x, codebook, p_norm).square()
    center = codebook.detach().mean(dim=0)
    centered = x - center
    own = centered.square().sum(dim=1, keepdim=True)
    return (own + expanded_scores(centered, codebook - center)).clamp(min=0)


def minkowski(x: Tensor, codebook: Tensor, p_norm: float) -> Tensor:
    """Minkowski distance of every sample to every prototype, from their differences.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Samples.
    codebook : Tensor of shape (n_units, n_features)
        Prototypes.
    p_norm : float
        Order of the norm, at least 1, or inf.

    Returns
    -------
    Tensor of shape (n, n_units)
        Distances.
    """
    too_large = LARGEST_DIRECT_POWER < p_norm < math.inf
    if _becomes_a_graph():  # a compiler fuses the differences; ONNX has no cdist
        difference = x[:, None] - codebook
        if too_large:
            return norm(difference.flatten(0, 1), p_norm).reshape(-1, len(codebook))
        distance: Tensor = torch.linalg.vector_norm(difference, ord=p_norm, dim=2)
        return distance
    if too_large:
        return torch.stack([norm(x - prototype, p_norm) for prototype in codebook], dim=1)
    if math.isinf(p_norm):
        largest: Tensor = _LargestDifference.apply(x, codebook)  # type: ignore[no-untyped-call]
        return largest
    return torch.cdist(x, codebook, p=p_norm, compute_mode="donot_use_mm_for_euclid_dist")


class _LargestDifference(torch.autograd.Function):
    """The maximum norm; features that tie share the gradient, which `torch.cdist` gives to each of them in full."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, codebook: Tensor) -> Tensor:
        return torch.cdist(x, codebook, p=math.inf)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, codebook = ctx.saved_tensors
        by_sample, by_unit = torch.zeros_like(x), []
        width = max(1, LARGEST_BLOCK // max(1, x.numel()))
        for some, pull in zip(torch.split(codebook, width), torch.split(gradient, width, dim=1), strict=True):
            difference = x[:, None] - some  # (n, units of the block, features)
            apart = difference.abs()
            ties = apart == apart.amax(dim=2, keepdim=True)
            shares = difference.sign() * ties * (pull / ties.sum(dim=2))[:, :, None]
            by_sample = by_sample + shares.sum(dim=1)
            by_unit.append(-shares.sum(dim=0))
        return by_sample, torch.cat(by_unit)


def _scaled_minkowski(x: Tensor, codebook: Tensor, p_norm: float) -> Tensor:
    """`minkowski` for values of any size: powers are taken of numbers up to 1, in float64 where there is one."""
    if p_norm in (1, math.inf):
        return minkowski(x, codebook, p_norm)
    wide = wide_dtype(x.device)
    finite = torch.nan_to_num(x.detach(), nan=0.0, posinf=0.0, neginf=0.0)  # one bad row leaves the others alone
    peaks = [finite.abs().amax(dim=1), codebook.detach().abs().amax(dim=1)]  # of which there may be none of samples
    peak = torch.cat(peaks).max()
    peak = torch.where(peak > 0, peak, torch.ones_like(peak))
    scaled = minkowski(x.to(wide) / peak, codebook.to(wide) / peak, p_norm)  # quotients of a narrow type are rounded
    return scaled.to(x.dtype) * peak


def masked_sqdist(x: Tensor, mask: Tensor, codebook: Tensor, p_norm: float, *, normalize: bool = False) -> Tensor:
    """Squared p-norm distance over the observed features of each sample.

    ``d_ij = (sum_f m_if |x_if - w_jf|^p)^(2/p)``; with `normalize` the sample's and the prototype's norms are taken
    over the same observed features.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Samples; what stands at unobserved places does not matter.
    mask : Tensor of bool of shape (n, n_features)
        True where a feature was observed.
    codebook : Tensor of shape (n_units, n_features)
        Prototypes.
    p_norm : float
        Order of the norm, at least 1, or inf.
    normalize : bool, default=False
        Whether samples and prototypes are scaled to unit p-norm.

    Returns
    -------
    Tensor of shape (n, n_units)
        Squared distances.
    """
    if p_norm == 2:
        return _masked_euclidean(x, mask, codebook, normalize=normalize)
    return masked_minkowski(x, mask, codebook, p_norm, normalize=normalize).square()


def masked_minkowski(x: Tensor, mask: Tensor, codebook: Tensor, p_norm: float, *, normalize: bool = False) -> Tensor:
    """Minkowski distance over the observed features, from the differences, one prototype after the other.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Samples; what stands at unobserved places does not matter.
    mask : Tensor of bool of shape (n, n_features)
        True where a feature was observed.
    codebook : Tensor of shape (n_units, n_features)
        Prototypes.
    p_norm : float
        Order of the norm, at least 1, or inf.
    normalize : bool, default=False
        Whether samples and prototypes are scaled to unit p-norm over the observed features.

    Returns
    -------
    Tensor of shape (n, n_units)
        Distances.
    """
    observed = torch.where(mask, x, torch.zeros_like(x))
    columns = []
    for prototype in codebook:
        visible = torch.where(mask, prototype, torch.zeros_like(prototype))
        if normalize:
            columns.append(norm(normalized(observed, p_norm) - normalized(visible, p_norm), p_norm))
        else:
            columns.append(norm(observed - visible, p_norm))
    return torch.stack(columns, dim=1)


def common_minkowski(x: Tensor, others: Tensor, p_norm: float, *, normalize: bool = False) -> Tensor:
    """Minkowski distance between samples over the features that both have, scaled up to all features.

    ``d_ij = (n_features / n_common * sum_{f common} |x_if - y_jf|^p)^(1/p)``, for the maximum norm unscaled; infinite
    where no feature is common.

    Parameters
    ----------
    x : Tensor of shape (b, n_features)
        Samples; NaN means missing.
    others : Tensor of shape (n, n_features)
        Samples that they are compared with.
    p_norm : float
        Order of the norm, at least 1, or inf.
    normalize : bool, default=False
        Whether both are first scaled to unit p-norm over the features that they have in common.

    Returns
    -------
    Tensor of shape (b, n)
        Distances.
    """
    difference = (x[:, None] - others).flatten(0, 1)  # (b * n, features)
    gaps = torch.isnan(difference)
    if normalize:
        left, right = x[:, None].expand(-1, len(others), -1), others.expand(len(x), -1, -1)
        left, right = (normalized(side.flatten(0, 1).masked_fill(gaps, 0), p_norm) for side in (left, right))
        difference = left - right
    filled = difference.masked_fill_(gaps, 0)
    distance = paired_distance(filled, torch.zeros_like(filled[:1]).expand_as(filled), p_norm, filled.dtype)
    n_common = x.shape[1] - gaps.sum(dim=1, dtype=distance.dtype)
    share = 1.0 if math.isinf(p_norm) else (x.shape[1] / n_common.clamp(min=1)) ** (1 / p_norm)
    return torch.where(n_common > 0, distance * share, math.inf).reshape(len(x), len(others))


def _masked_euclidean(x: Tensor, mask: Tensor, codebook: Tensor, *, normalize: bool) -> Tensor:
    """``|m x|^2 - 2 (m x).w + m.(w^2)``: two matrix products."""
    seen = mask.to(codebook.dtype)
    if not normalize:
        center = codebook.detach().mean(dim=0)
        observed, prototypes = torch.where(mask, x - center, torch.zeros_like(x)), codebook - center
        own = observed.square().sum(dim=1, keepdim=True)
        return (own - 2 * observed @ prototypes.T + seen @ prototypes.square().T).clamp(min=0)
    observed = normalized(torch.where(mask, x, torch.zeros_like(x)), 2.0)
    codebook = codebook / _nonzero_peak(codebook)  # its squares stay in the type
    visible = seen @ codebook.square().T  # (n, units): squared norms over the observed features
    present = visible > 0
    length = torch.where(present, visible, torch.ones_like(visible)).sqrt()
    own = observed.square().sum(dim=1, keepdim=True)
    return (own - 2 * (observed @ codebook.T) / length + present.to(own.dtype)).clamp(min=0)


def norm(x: Tensor, p_norm: float) -> Tensor:
    """Norm of each row, safe from overflow and underflow, with finite gradients at zero.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Rows.
    p_norm : float
        Order of the norm, at least 1, or inf.

    Returns
    -------
    Tensor of shape (n,)
        Norms.
    """
    largest = _nonzero_peak(x)
    moderate: Tensor = torch.linalg.vector_norm(x / largest, ord=p_norm, dim=1)
    return moderate * largest[:, 0]


def normalized(x: Tensor, p_norm: float) -> Tensor:
    """Rows scaled to unit p-norm; zero rows stay zero, and every gradient is finite.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Rows.
    p_norm : float
        Order of the norm, at least 1, or inf.

    Returns
    -------
    Tensor of shape (n, n_features)
        Scaled rows.
    """
    peak = _nonzero_peak(x)
    if x.requires_grad:  # the gradient at a subnormal row would be larger than any number
        x = torch.where(peak < torch.finfo(x.dtype).tiny, x.detach(), x)
    moderate = x / peak  # a constant factor does not change the result, so the peak needs no gradient of its own
    length = torch.linalg.vector_norm(moderate, ord=p_norm, dim=1, keepdim=True)
    return moderate / torch.where(length > 0, length, torch.ones_like(length))


def normalized_observed(x: Tensor, p_norm: float) -> Tensor:
    """Rows scaled to unit p-norm over their observed features; missing values stay missing.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Rows; NaN means missing.
    p_norm : float
        Order of the norm, at least 1, or inf.

    Returns
    -------
    Tensor of shape (n, n_features)
        Scaled rows.
    """
    gaps = torch.isnan(x)
    return torch.where(gaps, x, normalized(torch.where(gaps, 0.0, x), p_norm))


def paired_distance(x: Tensor, prototypes: Tensor, p_norm: float, wide: torch.dtype) -> Tensor:
    """Distance of each sample to its own prototype, computed directly.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Samples.
    prototypes : Tensor of shape (n, n_features)
        One prototype a sample.
    p_norm : float
        Order of the norm, at least 1, or inf.
    wide : torch.dtype
        Type to sum in.

    Returns
    -------
    Tensor of shape (n,)
        Distances, in the wide type.
    """
    # a difference of two numbers of one type is right to its last digit: only the sum needs the wide type
    length: Tensor = torch.linalg.vector_norm(x - prototypes, ord=p_norm, dim=1, dtype=wide)
    if len(length):
        least, largest = map(float, length.aminmax())
        if least > SAFE_POWER and largest < 1 / SAFE_POWER:
            return length
    doubtful = torch.nonzero(~((length > SAFE_POWER) & (length < 1 / SAFE_POWER)))[:, 0]
    if len(doubtful):
        # halves, so that the difference of two huge values of opposite sign stays finite
        length[doubtful] = 2 * norm(x[doubtful].to(wide) / 2 - prototypes[doubtful].to(wide) / 2, p_norm)
    return length


def _becomes_a_graph() -> bool:
    """Whether torch compiles or exports what runs; its older exporters trace."""
    return torch.compiler.is_compiling() or bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def _nonzero_peak(x: Tensor) -> Tensor:
    """Largest absolute value of each row, 1 for a zero row, without a gradient."""
    largest = x.detach().abs().amax(dim=1, keepdim=True)
    return torch.where(largest > 0, largest, torch.ones_like(largest))
