"""How strongly a unit follows the winner: ``h(lattice_distance, sigma)``, 1 at distance 0.

A neighborhood is a function of the squared lattice distance. It also says what the smoothing may exploit: whether it
is a product over the axes (the Gaussian) or vanishes beyond a radius (the others).
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor


class Neighborhood(ABC):
    """A neighborhood function of the squared lattice distance."""

    name: ClassVar[str]
    separates: ClassVar[bool]
    # root mean square offset along one axis, in sigmas, over the plane weighted by h
    axis_spread: ClassVar[float]

    @abstractmethod
    def __call__(self, lattice_sqdist: Tensor, sigma: float | Tensor) -> Tensor:
        """``h`` at each squared lattice distance."""

    @abstractmethod
    def support(self, sigma: float) -> float:
        """Lattice distance beyond which ``h`` is 0.

        Parameters
        ----------
        sigma : float
            Radius in lattice units.

        Returns
        -------
        float
            A distance in lattice units, or inf.
        """


class Gaussian(Neighborhood):
    """``h = exp(-d^2 / (2 sigma^2))``."""

    name = "gaussian"
    separates = True
    axis_spread = 1.0

    def __call__(self, lattice_sqdist: Tensor, sigma: float | Tensor) -> Tensor:
        """``h`` at each squared lattice distance."""
        radius = _representable(sigma, lattice_sqdist)
        return torch.exp(lattice_sqdist / radius / radius * -0.5)

    def support(self, sigma: float) -> float:  # noqa: ARG002
        """Unbounded.

        Parameters
        ----------
        sigma : float
            Standard deviation in lattice units.

        Returns
        -------
        float
            Infinity.
        """
        return math.inf


class Bubble(Neighborhood):
    """``h = 1`` up to distance sigma, 0 beyond."""

    name = "bubble"
    separates = False
    axis_spread = 1 / 2

    def __call__(self, lattice_sqdist: Tensor, sigma: float | Tensor) -> Tensor:
        """``h`` at each squared lattice distance."""
        # hexagonal coordinates are irrational: a neighbor must not fall out of sigma = 1 by a rounding error
        room = 1 + math.sqrt(torch.finfo(lattice_sqdist.dtype).eps)
        radius = _representable(sigma, lattice_sqdist)
        return (lattice_sqdist.sqrt() <= radius * room).to(lattice_sqdist.dtype)

    def support(self, sigma: float) -> float:
        """Just over sigma, by more than the tolerance of the comparison.

        Parameters
        ----------
        sigma : float
            Radius in lattice units.

        Returns
        -------
        float
            A distance in lattice units.
        """
        return sigma * (1 + 1e-3)


class Epanechnikov(Neighborhood):
    """``h = max(0, 1 - d^2 / sigma^2)``."""

    name = "epanechnikov"
    separates = False
    axis_spread = 1 / math.sqrt(6)

    def __call__(self, lattice_sqdist: Tensor, sigma: float | Tensor) -> Tensor:
        """``h`` at each squared lattice distance."""
        radius = _representable(sigma, lattice_sqdist)
        return (1 - lattice_sqdist / radius / radius).clamp(min=0)

    def support(self, sigma: float) -> float:
        """Exactly sigma.

        Parameters
        ----------
        sigma : float
            Radius in lattice units.

        Returns
        -------
        float
            A distance in lattice units.
        """
        return sigma


def _representable(sigma: float | Tensor, like: Tensor) -> float | Tensor:
    """A radius that the type can divide by; at the least one only a unit itself is in its neighborhood."""
    least = torch.finfo(like.dtype).tiny
    return sigma.to(like).clamp(min=least) if isinstance(sigma, Tensor) else max(sigma, least)


NEIGHBORHOODS: dict[str, Neighborhood] = {kind.name: kind for kind in (Gaussian(), Bubble(), Epanechnikov())}
