"""The training loop, written once.

A solver supplies a step that turns a state into the next one, at the sigma that it takes from the schedule; the loop
asks the callbacks, and stops when the codebook rests. Codebooks of a run are kept in its frame, where all values are
moderate.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from sktopo._assignment import Averaging
from sktopo._device import wide_dtype
from sktopo._frame import DataRange, Frame
from sktopo._model import Model
from sktopo._sources import Source
from sktopo._statistics import UnitStatistics, distortion_sum, quotient
from sktopo.distances import normalized
from sktopo.initialization import Moments
from sktopo.lattices import Lattice
from sktopo.schedules import ExponentialSchedule
from sktopo.solvers._assigned import Assigned, Chunk, hard_shares, soft_shares


@dataclass(frozen=True, kw_only=True)
class Problem(Model):
    """What is to be learned: everything that does not change during a run."""

    schedule: ExponentialSchedule  # of sigma
    frame: Frame

    def constrained(self, codebook: Tensor) -> Tensor:
        """A codebook in the frame, its prototypes of unit norm if the problem asks for that."""
        if not self.normalize:
            return codebook
        return self.frame.to_frame(normalized(self.frame.from_frame(codebook), self.p_norm))

    def assign(
        self,
        codebook: Tensor,
        averaging: Averaging,
        dtype: torch.dtype,
        center: Tensor | None = None,
        smooth_on: Lattice | None = None,
        *,
        lasting: bool = True,
    ) -> Callable[[Iterable[Chunk]], Assigned]:
        """What the units of a codebook, in the data's own coordinates, take of chunks of samples and weights.

        A hard assignment may look for winners coarse to fine, on a lattice on which the codebook is smooth; one that is
        not `lasting` meets few samples.
        """
        if self.temperature == 0:
            search = self.winner_of(codebook, dtype, averaging, center, smooth_on, lasting=lasting)
            return partial(hard_shares, self.frame, search=search)
        search = self.winner_of(codebook, wide_dtype(codebook.device), averaging, center)
        return partial(soft_shares, self.frame, search=search, temperature=self.temperature)

    def loss(self, assigned: Assigned, gathered: UnitStatistics, codebook: Tensor) -> float:
        """Mean energy of the samples, less ``2T`` times the mean entropy of their assignment, in the data's units.

        `gathered` is what units have, smoothed.
        """
        total = float(assigned.units.counts.sum())
        energy = distortion_sum(gathered, codebook) / total * float(self.frame.scale.square())
        return energy - 2 * self.temperature * assigned.entropy / total


@dataclass(frozen=True)
class Settings:
    """How it is to be learned: what the user may leave to the solver."""

    max_iter: float | None = None
    tol: float = 0.0
    batch_size: int | None = None
    generator: torch.Generator = field(default_factory=torch.Generator)
    learning_rate: float = 0.01


class State(NamedTuple):
    """What changes during a run."""

    codebook: Tensor  # (n_units, n_features), in the frame
    sigma: float
    statistics: UnitStatistics
    lattice: Lattice  # of the codebook and the statistics: the map's own, or a coarser one over the same area
    losses: tuple[float, ...] = ()
    passes: float = 0  # over the data
    # root mean square move of a prototype in the last epoch, over the data's spread; asked for only where sigma rests
    movement: float = math.inf
    optimizer: dict[str, Any] | None = None  # what a gradient method remembers of its steps


def first_state(problem: Problem, codebook: Tensor) -> State:
    """The state of a run that starts from a codebook (in the frame)."""
    none = UnitStatistics.zeros(len(codebook), codebook)
    return State(problem.constrained(codebook), problem.schedule(0.0), none, problem.lattice)


class Watcher(Protocol):
    """Who is told how a run gets on."""

    @property
    def silent(self) -> bool:
        """Whether there are no callbacks, so that the whole run may stay on one thread."""

    def begin(self, n_epochs: int) -> None:
        """The run starts and will take at most so many epochs."""

    def begin_epoch(self) -> None:
        """An epoch starts."""

    def end_epoch(self, state: State) -> bool:
        """An epoch has ended; True asks the run to stop."""


class Solver(ABC):
    """The loop around a step.

    Parameters
    ----------
    problem : Problem
        What to learn.
    settings : Settings
        How to learn it.
    source : Source
        Samples.
    """

    name: ClassVar[str]
    # what one value of the loss curve stands for
    epoch_name: ClassVar[str] = "epoch"
    # share of the run, at its end, in which sigma stays at its last value
    hold: ClassVar[float]
    # whether it can make a part of a pass
    takes_fractions: ClassVar[bool]

    def __init__(self, problem: Problem, settings: Settings, source: Source) -> None:
        self.problem = problem
        self.settings = settings
        self.source = source

    @classmethod
    def survey(cls, source: Source, generator: torch.Generator) -> Moments:  # noqa: ARG003
        """The moments from which the first codebook is made, and the frame of the run: those of all rows."""
        return Moments(source, Frame(DataRange.of(source)))

    @property
    @abstractmethod
    def n_epochs(self) -> int:
        """The number of epochs that the loop runs at most."""

    @abstractmethod
    def run_epoch(self, state: State, epoch: int) -> State:
        """One epoch."""

    def run(self, state: State, watcher: Watcher) -> State:
        """Train from a state, the first one or one that an earlier run has reached, and return the last."""
        watcher.begin(self.n_epochs)
        loop = partial(self._loop, state, watcher)
        # a run that nobody watches is handed over once, not epoch by epoch
        return self.source.alone(loop) if watcher.silent else loop()

    def _loop(self, state: State, watcher: Watcher) -> State:
        for epoch in range(len(state.losses), self.n_epochs):
            if self._rests(state):
                break
            watcher.begin_epoch()
            state = self.source.alone(partial(self.run_epoch, state, epoch))
            if watcher.end_epoch(state):
                break
        return state

    def _rests(self, state: State) -> bool:
        """Whether sigma has reached its last value, on all units, and the codebook moves no more."""
        problem = self.problem
        settled = bool(state.losses) and state.sigma == problem.schedule.final and state.lattice == problem.lattice
        return settled and state.movement <= self.settings.tol


def movement(codebook: Tensor, previous: Tensor, statistics: UnitStatistics) -> float:
    """Root mean square move of a prototype, as a share of the data's root mean square spread."""
    moved = math.sqrt(float((codebook - previous).square().sum(dim=1).mean()))
    total = statistics.counts.sum()
    mass = statistics.mass.sum(dim=0)
    mean = quotient(statistics.sums.sum(dim=0), mass)
    variance = (statistics.squares.sum() - (mass * mean.square()).sum()) / total
    spread = math.sqrt(max(0.0, float(variance)))
    return 0.0 if moved == 0 else math.inf if spread == 0 else moved / spread
