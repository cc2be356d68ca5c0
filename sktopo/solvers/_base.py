"""The training loop, written once.

A solver supplies a step that turns a state into the next one; the loop anneals sigma, asks the callbacks, and stops
when the codebook rests. Codebooks of a run are kept in its frame, where all values are moderate.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from sktopo._frame import Frame
from sktopo._sources import Source
from sktopo._statistics import UnitStatistics, distortion_sum
from sktopo.distances import normalized
from sktopo.initialization import Moments
from sktopo.lattices import Lattice
from sktopo.neighborhoods import Neighborhood
from sktopo.schedules import ExponentialSchedule


@dataclass(frozen=True)
class Problem:
    """What is to be learned: everything that does not change during a run."""

    lattice: Lattice
    neighborhood: Neighborhood
    p_norm: float
    normalize: bool
    sigma: ExponentialSchedule
    frame: Frame

    def constrained(self, codebook: Tensor) -> Tensor:
        """A codebook in the frame, its prototypes of unit norm if the problem asks for that."""
        if not self.normalize:
            return codebook
        return self.frame.to_frame(normalized(self.frame.from_frame(codebook), self.p_norm))

    def distortion(self, statistics: UnitStatistics, smooth: Callable[[Tensor], Tensor], codebook: Tensor) -> float:
        """Mean over the samples of the statistics of ``sum_j h(c, j) |x - w_j|^2``, in the units of the data."""
        total = float(statistics.counts.sum())
        return distortion_sum(statistics, smooth, codebook) / total * float(self.frame.scale.square())


@dataclass(frozen=True)
class Settings:
    """How it is to be learned: what the user may leave to the solver."""

    max_iter: float | None = None
    tol: float = 0.0
    batch_size: int | None = None
    generator: torch.Generator = field(default_factory=torch.Generator)


class State(NamedTuple):
    """What changes during a run."""

    codebook: Tensor  # (n_units, n_features), in the frame
    sigma: float
    statistics: UnitStatistics
    lattice: Lattice  # of the statistics
    losses: tuple[float, ...] = ()
    passes: float = 0  # over the data
    movement: float = math.inf  # root mean square move of a prototype in the last epoch, over the data's spread


class Run(Protocol):
    """Who watches a run."""

    def begin(self, n_epochs: int) -> None:
        """The run starts and will take at most so many epochs."""

    def begin_epoch(self) -> None:
        """An epoch starts."""

    def end_epoch(self, state: State) -> bool:
        """An epoch has ended; True asks the run to stop."""


class CallbackRun:
    """Tells scikit-learn's callbacks how a run gets on: one task for the fit, one for each epoch."""

    def __init__(self, estimator: Any, X: Any, y: Any, learned: Callable[[State], dict[str, Any]]) -> None:
        self._arguments = {"estimator": estimator, "X": X, "y": y}
        self._learned = learned
        self._fit: Any = None
        self._epoch: Any = None

    def begin(self, n_epochs: int) -> None:
        """The fit starts."""
        self._fit = self._arguments["estimator"]._init_callback_context(max_subtasks=n_epochs)
        self._fit.call_on_fit_task_begin(**self._arguments)

    def begin_epoch(self) -> None:
        """An epoch starts."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._arguments)

    def end_epoch(self, state: State) -> bool:
        """An epoch has ended; True if a callback asks to stop."""
        return bool(
            self._epoch.call_on_fit_task_end(**self._arguments, reconstruction_attributes=lambda: self._learned(state))
        )

    def end(self, state: State) -> None:
        """The fit has ended."""
        self._fit.call_on_fit_task_end(**self._arguments, reconstruction_attributes=lambda: self._learned(state))


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

    # share of the run, at its end, in which sigma stays at its last value
    hold: ClassVar[float]

    def __init__(self, problem: Problem, settings: Settings, source: Source) -> None:
        self.problem = problem
        self.settings = settings
        self.source = source

    @classmethod
    @abstractmethod
    def survey(cls, source: Source, generator: torch.Generator) -> Moments:
        """The moments from which the first codebook is made, and the frame of the run."""

    @property
    @abstractmethod
    def n_epochs(self) -> int:
        """How many steps the loop makes."""

    @abstractmethod
    def step(self, state: State, epoch: int) -> State:
        """One epoch."""

    def run(self, codebook: Tensor, watch: Run) -> State:
        """Train from a first codebook (in the frame) and return the last state."""
        none = UnitStatistics.none(len(codebook), codebook)
        state = State(self.problem.constrained(codebook), self.problem.sigma(0.0), none, self.problem.lattice)
        watch.begin(self.n_epochs)
        for epoch in range(self.n_epochs):
            watch.begin_epoch()
            state = self.source.alone(partial(self.step, state, epoch))
            if watch.end_epoch(state):
                break
            if self.problem.sigma.is_constant(self._progress(epoch)) and state.movement <= self.settings.tol:
                break
        return state

    def _progress(self, epoch: int) -> float:
        """Share of the run that an epoch stands for, in [0, 1]; a single epoch is the last one."""
        return epoch / (self.n_epochs - 1) if self.n_epochs > 1 else 1.0


def movement(codebook: Tensor, previous: Tensor, statistics: UnitStatistics) -> float:
    """Root mean square move of a prototype, as a share of the data's root mean square spread."""
    moved = math.sqrt(float((codebook - previous).square().sum(dim=1).mean()))
    total = statistics.counts.sum()
    mass = statistics.mass.sum(dim=0)
    mean = statistics.sums.sum(dim=0) / torch.where(mass > 0, mass, 1.0)
    variance = (statistics.squares.sum() - (mass * mean.square()).sum()) / total
    spread = math.sqrt(max(0.0, float(variance)))
    return 0.0 if moved == 0 else math.inf if spread == 0 else moved / spread
