"""What `transform` returns, and the way back.

Each output turns a chunk of samples into rows of numbers and such rows into points between the prototypes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from sktopo._fitted import FittedMap
from sktopo._soft_outputs import expected_places, soft_activations
from sktopo.lattices import LATTICES


class Output(ABC):
    """One kind of transformed sample."""

    # prototypes that the way back gathers for each sample
    n_corners: ClassVar[int] = 1

    @abstractmethod
    def n_columns(self, n_units: int) -> int:
        """Width of a transformed sample on a map of so many units."""

    @abstractmethod
    def transform(self, fitted: FittedMap, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """The function of a chunk (n, n_features) that returns (n, n_columns), for samples of a type."""

    @abstractmethod
    def inverse(self, fitted: FittedMap, values: Tensor) -> Tensor:
        """Points in the space of the samples for transformed samples (n, n_columns)."""


class Coordinates(Output):
    """Lattice coordinates of the best matching unit, or expected ones at a temperature above 0.

    Back by interpolation between the units around a point.
    """

    n_corners = max(lattice.n_corners for lattice in LATTICES.values())

    def n_columns(self, n_units: int) -> int:  # noqa: ARG002
        """Row and column."""
        return 2

    def transform(self, fitted: FittedMap, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Coordinates of the best matching units, or their mean under the responsibilities."""
        if fitted.temperature > 0:
            return expected_places(fitted, dtype)
        search, coordinates = fitted.search(dtype), fitted.lattice.coordinates().to(dtype)
        return lambda x: coordinates.index_select(0, search.bmu(x).cpu())

    def inverse(self, fitted: FittedMap, values: Tensor) -> Tensor:
        """Bilinear on rectangles, barycentric on hexagons."""
        return fitted.lattice.interpolated(fitted.codebook.to(values), values)


class Activations(Output):
    """Neighborhood of the winner, or its mean under the responsibilities at a temperature above 0.

    Back by the mean of the prototypes, weighted by it.
    """

    def n_columns(self, n_units: int) -> int:
        """One a unit."""
        return n_units

    def transform(self, fitted: FittedMap, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """``h(winner, unit; sigma)``, or ``sum_j p_j h(j, unit; sigma)``."""
        if fitted.temperature > 0:
            return soft_activations(fitted, dtype)
        search = fitted.winner_search(dtype)

        def activations(x: Tensor) -> Tensor:
            return fitted.neighborhood(fitted.lattice.sqdist_to_all(search.bmu(x).cpu(), dtype), fitted.sigma)

        return activations

    def inverse(self, fitted: FittedMap, values: Tensor) -> Tensor:
        """``sum_j a_j w_j / sum_j a_j``."""
        largest = values.amax(dim=1, keepdim=True)
        if bool((values < 0).any()) or not bool((largest > 0).all()):
            raise ValueError("Activations must not be negative, and every row needs one above 0.")
        shares = values / largest  # so that the sum cannot overflow
        return (shares / shares.sum(dim=1, keepdim=True)) @ fitted.codebook.to(values)


class Distances(Output):
    """Distance to every prototype; back to the nearest one."""

    def n_columns(self, n_units: int) -> int:
        """One a unit."""
        return n_units

    def transform(self, fitted: FittedMap, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """p-norm distances, computed in the widest type."""
        search = fitted.wide_search()

        def distances(x: Tensor) -> Tensor:
            result = search.distances(x).to(dtype)
            if not bool(torch.isfinite(result).all()):
                raise ValueError(f"A distance is too large for {dtype}: scale X down, or pass float64.")
            return result

        return distances

    def inverse(self, fitted: FittedMap, values: Tensor) -> Tensor:
        """The nearest prototype."""
        return fitted.codebook.to(values)[values.argmin(dim=1)]


OUTPUTS: dict[str, Output] = {"coordinates": Coordinates(), "activations": Activations(), "distances": Distances()}
