"""What a map is apart from its prototypes: its lattice, its distance, and the rule by which a unit takes a sample."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from sktopo._assignment import WINNERS, Averaging, Winner
from sktopo._options import check_p_norm, check_temperature, chosen
from sktopo._search import Search
from sktopo.lattices import LATTICES, Lattice
from sktopo.neighborhoods import NEIGHBORHOODS, Neighborhood
from sktopo.nn import TopographicLayer

# Parameters that say where units sit and what prototypes are.
FACTS = ("lattice", "periodic", "normalize")


@dataclass(frozen=True, kw_only=True)
class Model:
    """The choices that training and a fitted map share."""

    lattice: Lattice
    neighborhood: Neighborhood = NEIGHBORHOODS["gaussian"]
    p_norm: float = 2.0
    normalize: bool = False
    winner: Winner = WINNERS["nearest"]
    temperature: float = 0.0  # in squared units of the data

    @classmethod
    def described_by(cls, estimator: Any, height: int, width: int, **others: Any) -> Self:
        """What an estimator's parameters describe, with the sides that it has; `others` are a subclass's own fields.

        Parameters may have been set since `fit`, which checks them: ValueError for what is no choice.
        """
        return cls(
            lattice=chosen("lattice", estimator.lattice, LATTICES)(height, width, bool(estimator.periodic)),
            neighborhood=chosen("neighborhood", estimator.neighborhood, NEIGHBORHOODS),
            p_norm=check_p_norm(estimator.p_norm),
            normalize=bool(estimator.normalize),
            winner=chosen("winner", estimator.winner, WINNERS),
            temperature=check_temperature(estimator.temperature),
            **others,
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What a fitted map is for good, as attributes of an estimator: values of the parameters in `FACTS`."""
        values = (self.lattice.name, self.lattice.periodic, self.normalize)
        return {f"_fitted_{name}": value for name, value in zip(FACTS, values, strict=True)}

    def winner_of(
        self,
        codebook: Tensor,
        dtype: torch.dtype,
        averaging: Averaging,
        center: Tensor | None = None,
        smooth_on: Lattice | None = None,
        *,
        lasting: bool = True,
    ) -> Search:
        """A search for the units that take samples of a type in training."""
        return Search(
            codebook,
            self.p_norm,
            dtype,
            center,
            self.winner.scores(averaging.average),
            normalize=self.normalize,
            smooth_on=smooth_on,
            lasting=lasting,
        )

    def layer_of(
        self, codebook: Tensor, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> TopographicLayer:
        """A layer that holds a copy of a codebook; without a type it keeps the codebook's."""
        layer = TopographicLayer(
            codebook.shape[1],
            self.lattice.height,
            self.lattice.width,
            self.p_norm,
            normalize=self.normalize,
            lattice=self.lattice.name,
            periodic=self.lattice.periodic,
            neighborhood=self.neighborhood.name,
            winner=self.winner.name,
            lattice_p_norm=2,
            device="cpu" if device is None else device,  # whatever torch's default device is
            dtype=codebook.dtype if dtype is None else dtype,
            generator=torch.Generator(),  # leaves torch's own alone
        )
        with torch.no_grad():
            layer.codebook.copy_(codebook)
        return layer
