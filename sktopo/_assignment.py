"""Which unit takes a sample, and how firmly.

The *nearest* winner (Kohonen) is the best matching unit; its rule has no energy. The *local* winner is the unit with
the least local error ``e_ij = sum_k g_jk |x_i - w_k|^2``, `g` being the row-normalized neighborhood: the sum of
``min_j e_ij`` is an energy. At a temperature T > 0 it becomes the free energy ``-T sum_i log sum_j exp(-e_ij / 2T)``
(S. P. Luttrell, Neural Computation 6, 1994; T. Heskes, "Energy functions for self-organizing maps", 1999; T. Graepel,
M. Burger, K. Obermayer, Phys. Rev. E 56, 1997). A winner says what a search compares, and how per-unit sums spread.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from sktopo._local_scores import local_scores
from sktopo._options import check_temperature
from sktopo._scores import Scores, plain_scores
from sktopo.lattices import Lattice

ScoresMaker = Callable[[Tensor, float], Scores]
Product = Callable[[Tensor], Tensor]


class Averaging:
    """Products with the neighborhood ``H`` of one sigma, and with its row-normalized form ``G = H / s``.

    Parameters
    ----------
    smooth : callable
        ``H @ values`` for values ``(n_units, m)``.
    like : Tensor
        Of the type and device of the values.
    n_units : int
        Units of the lattice.
    """

    def __init__(self, smooth: Product, like: Tensor, n_units: int) -> None:
        self.smooth = smooth
        self._ones = like.new_ones(n_units, 1)

    @property  # a cached one breaks a compiler's graph
    def row_sums(self) -> Tensor:
        """``s_j = sum_k h_jk``, each at least 1: (n_units, 1)."""
        return self.smooth(self._ones)

    def average(self, values: Tensor) -> Tensor:
        """``G @ values``: what surrounds each unit, on the average."""
        return self.smooth(values) / self.row_sums.to(values)

    def spread(self, values: Tensor) -> Tensor:
        """``G^T @ values``: each unit's values shared out among the units around it."""
        return self.smooth(values / self.row_sums.to(values))


class Winner(ABC):
    """The rule by which a unit takes a sample."""

    name: ClassVar[str]
    # whether the rule has an energy, and so a soft form
    softens: ClassVar[bool]

    def check_temperature(self, temperature: object) -> None:
        """Raise ValueError for a temperature that this winner cannot have."""
        if check_temperature(temperature) > 0 and not self.softens:
            raise ValueError(
                f"temperature={temperature!r} needs winner='local': with winner='nearest' there is no energy "
                "whose soft assignment it could be. Use winner='local', or temperature=0."
            )

    @abstractmethod
    def scores(self, average: Product) -> ScoresMaker:
        """What a `Search` compares."""

    @abstractmethod
    def spreading(self, averaging: Averaging) -> Product:
        """How per-unit sums reach the prototypes: the update is the mean of what arrives."""

    @abstractmethod
    def errors(self, sqdist: Tensor, averaging: Averaging) -> Tensor:
        """What the winner has least of, (n, n_units), from squared distances of that shape."""

    @abstractmethod
    def energies(self, sqdist: Tensor, averaging: Averaging) -> Tensor:
        """What a sample adds to the loss if a unit wins it, (n, n_units)."""

    @abstractmethod
    def compared(self, raw: tuple[Tensor, Tensor], smoothed: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """For p = 2, the pair that samples are compared with: prototypes and squared norms, either raw or smoothed."""

    @abstractmethod
    def coarse_factor(self, ratio: float) -> float:
        """Factor from the energy on a coarse lattice, of `ratio` times fewer units, to that on the full one."""

    @abstractmethod
    def energy_over_error(self, averaging: Averaging) -> Tensor:
        """Energy over local error of each unit, (n_units,)."""


class NearestWinner(Winner):
    """The nearest prototype: least distance, and an energy of ``sum_k h_jk |x - w_k|^2``."""

    name = "nearest"
    softens = False

    def scores(self, average: Product) -> ScoresMaker:  # noqa: ARG002
        """Distances."""
        return plain_scores

    def spreading(self, averaging: Averaging) -> Product:
        """By the raw neighborhood."""
        return averaging.smooth

    def errors(self, sqdist: Tensor, averaging: Averaging) -> Tensor:  # noqa: ARG002
        """The distances as they are."""
        return sqdist

    def energies(self, sqdist: Tensor, averaging: Averaging) -> Tensor:
        """``sum_k h_jk d_ik``."""
        return averaging.smooth(sqdist.T).T

    def compared(self, raw: tuple[Tensor, Tensor], smoothed: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """The raw ones."""
        return raw

    def coarse_factor(self, ratio: float) -> float:
        """A coarse unit stands for several."""
        return ratio

    def energy_over_error(self, averaging: Averaging) -> Tensor:
        """Row sums of the neighborhood."""
        return averaging.row_sums[:, 0]


class LocalWinner(Winner):
    """The unit with the least local error ``sum_k g_jk |x - w_k|^2``, which is the energy too."""

    name = "local"
    softens = True

    def scores(self, average: Product) -> ScoresMaker:
        """Local errors."""
        return partial(local_scores, average=average)

    def spreading(self, averaging: Averaging) -> Product:
        """By the row-normalized neighborhood, transposed."""
        return averaging.spread

    def errors(self, sqdist: Tensor, averaging: Averaging) -> Tensor:
        """``sum_k g_jk d_ik``."""
        return averaging.average(sqdist.T).T

    def energies(self, sqdist: Tensor, averaging: Averaging) -> Tensor:
        """The local errors."""
        return self.errors(sqdist, averaging)

    def compared(self, raw: tuple[Tensor, Tensor], smoothed: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """The smoothed ones."""
        return smoothed

    def coarse_factor(self, ratio: float) -> float:  # noqa: ARG002
        """Weights that sum to 1 do so on every lattice."""
        return 1.0

    def energy_over_error(self, averaging: Averaging) -> Tensor:
        """1 everywhere."""
        return torch.ones_like(averaging.row_sums[:, 0])


WINNERS: dict[str, Winner] = {winner.name: winner for winner in (NearestWinner(), LocalWinner())}


def soft_minimum(errors: Tensor, temperature: float | Tensor) -> Tensor:
    """``-2T log sum_j exp(-e_ij / 2T)``: twice each sample's free energy, the least error as T goes to 0; (n,)."""
    least = errors.amin(dim=1, keepdim=True).detach()
    width = 2 * _representable(temperature, errors)
    return least[:, 0] - width * torch.logsumexp((least - errors) / width, dim=1)


def responsibilities(errors: Tensor, temperature: float | Tensor) -> Tensor:
    """``softmax_j(-e_ij / 2T)``: the gradient of `soft_minimum`; (n, n_units), rows sum to 1."""
    least = errors.amin(dim=1, keepdim=True).detach()
    return torch.softmax((least - errors) / (2 * _representable(temperature, errors)), dim=1)


def responsibilities_of_roots(roots: Tensor, temperature: float) -> Tensor:
    """The same from the roots of the errors, whose squares may be too large for the type."""
    least = roots.amin(dim=1, keepdim=True)
    return responsibilities((roots - least) * (roots + least), temperature)


def expected_coordinates(weights: Tensor, lattice: Lattice, coordinates: Tensor) -> Tensor:
    """Mean lattice coordinates (n, 2) under weights (n, n_units) whose rows sum to 1.

    Along a periodic axis it is the circular mean, in [0, period): the direction of the mean of points on a circle.
    """
    table, turns = [], []
    for positions, period in zip(coordinates.T, lattice.periods, strict=True):
        turn = 1.0 if period is None else period / (2 * math.pi)
        table += [positions] if period is None else [(positions / turn).sin(), (positions / turn).cos()]
        turns.append(turn)
    means = weights @ torch.stack(table, dim=1)
    if not lattice.periodic:
        return means
    return torch.stack([_angle(means[:, 2 * i], means[:, 2 * i + 1]) * turn for i, turn in enumerate(turns)], dim=1)


def _angle(north: Tensor, east: Tensor) -> Tensor:
    """Direction of a point, in [0, 2 pi)."""
    # weights all round the circle have no direction: it is 0 then, and so is its gradient
    directed = east.square() + north.square() > torch.finfo(north.dtype).eps ** 1.5
    east = torch.where(directed, east, torch.ones_like(east))
    north = torch.where(directed, north, torch.zeros_like(north))
    angle = torch.atan2(north, east)
    angle = torch.where(angle < 0, angle + 2 * math.pi, angle)
    # a tiny negative angle is rounded up to a whole turn
    return torch.where(angle * (1 + 4 * torch.finfo(angle.dtype).eps) < 2 * math.pi, angle, torch.zeros_like(angle))


def highest_temperature(dtype: torch.dtype) -> float:
    """Up to this temperature a type can add up the free energies of many samples."""
    limits = torch.finfo(dtype)
    return limits.max * limits.eps


def _representable(temperature: float | Tensor, like: Tensor) -> float | Tensor:
    """A temperature that the type can divide by, and add up."""
    least, highest = torch.finfo(like.dtype).tiny, highest_temperature(like.dtype)
    if isinstance(temperature, Tensor):
        return temperature.to(like).clamp(least, highest)
    return min(max(temperature, least), highest)
