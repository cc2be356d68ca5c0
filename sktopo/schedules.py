"""A value as a function of progress in [0, 1]."""

import math
from dataclasses import dataclass

__all__ = ["ExponentialSchedule", "default_sigma_final"]


@dataclass(frozen=True)
class ExponentialSchedule:
    """From `initial` to `final` by equal factors, then constant for the last part of the run.

    ``value(t) = initial * (final / initial) ** min(1, t / (1 - hold))``

    Parameters
    ----------
    initial, final : float
        Values at progress 0 and 1; both above 0.
    hold : float, default=0.2
        Share of the run, at its end, that stays at `final`: at least 0, below 1.

    Raises
    ------
    ValueError
        If one of them is not as above.

    Examples
    --------
    >>> from sktopo.schedules import ExponentialSchedule
    >>> sigma = ExponentialSchedule(8, 0.5)
    >>> [round(sigma(progress), 3) for progress in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    [8.0, 4.0, 2.0, 1.0, 0.5, 0.5]
    """

    initial: float
    final: float
    hold: float = 0.2

    def __post_init__(self) -> None:
        if not (0 < self.initial < math.inf and 0 < self.final < math.inf and 0 <= self.hold < 1):
            raise ValueError(f"initial and final must be above 0 and finite, and hold in [0, 1); got {self}.")

    def __call__(self, progress: float) -> float:
        """Value at a progress in [0, 1]."""
        annealed = min(1.0, progress / (1 - self.hold))
        return self.final if annealed == 1 else self.initial * (self.final / self.initial) ** annealed


def default_sigma_final(height: int, width: int, axis_spread: float = 1.0) -> float:
    """The radius at which a map of this size is about as well ordered as it is accurate.

    Larger maps need a wider neighborhood, or they fold: ``0.5 + ln(height * width / 100) / 4``, at least 0.5. Twice the
    sides add 0.35. Another neighborhood than the Gaussian is as wide if it spreads as far along an axis
    (docs/decisions/0003-batch-defaults.md).

    Parameters
    ----------
    height, width : int
        Sides of the map, in units.
    axis_spread : float, default=1.0
        Root mean square offset along an axis, in sigmas, of what the neighborhood weighs: 1 for a Gaussian, 1 / 2 for a
        bubble, 1 / sqrt(6) for an Epanechnikov neighborhood.

    Returns
    -------
    float
        Radius in lattice units: 0.5 at 10 x 10, 1.05 at 30 x 30, 1.65 at 100 x 100, over the spread.

    Examples
    --------
    >>> from sktopo.schedules import default_sigma_final
    >>> round(default_sigma_final(30, 30), 2)
    1.05
    """
    return max(0.5, 0.5 + math.log(height * width / 100) / 4) / axis_spread


def sigma_schedule(
    height: int, width: int, initial: float | None, final: float | None, hold: float = 0.2, *, axis_spread: float = 1.0
) -> ExponentialSchedule:
    """The schedule of sigma for a map, with defaults for what is None.

    Parameters
    ----------
    height, width : int
        Sides of the map, in units.
    initial : float or None
        First radius; None is a quarter of the longer side, at least `final`.
    final : float or None
        Last radius; None is `default_sigma_final`, at most `initial`.
    hold : float, default=0.2
        Share of the run, at its end, that stays at `final`.
    axis_spread : float, default=1.0
        As in `default_sigma_final`.

    Returns
    -------
    ExponentialSchedule
        Sigma as a function of progress.
    """
    if final is None:
        final = default_sigma_final(height, width, axis_spread)
        final = final if initial is None else min(initial, final)
    if initial is None:
        initial = max(max(height, width) / 4, final)
    return ExponentialSchedule(initial, final, hold)
