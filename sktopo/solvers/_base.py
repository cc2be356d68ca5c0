"""The training loop, written once.

A solver supplies a step that turns a state into the next one; the loop anneals sigma, asks the callbacks, and stops
when the codebook rests. Codebooks of a run are kept in the frame of the grid, where all values are moderate.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from sktopo._sources import Source
from sktopo._statistics import Grid
from sktopo.lattices import Lattice
from sktopo.neighborhoods import Neighborhood
from sktopo.schedules import ExponentialSchedule


@dataclass(frozen=True)
class Problem:
    """What is to be learned, and how: everything that does not change during a run."""

    lattice: Lattice
    neighborhood: Neighborhood
    p_norm: float
    normalize: bool
    sigma: ExponentialSchedule
    tol: float
    grid: Grid


class State(NamedTuple):
    """What changes during a run."""

    codebook: Tensor  # (n_units, n_features), in the grid's frame
    sigma: float
    losses: tuple[float, ...] = ()
    movement: float = float("inf")  # root mean square move of a prototype in the last epoch, over the data's spread

    @property
    def n_epochs(self) -> int:
        """Passes made."""
        return len(self.losses)


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
    max_iter : float or None
        Passes over the data; None takes the solver's own number.
    """

    def __init__(self, problem: Problem, max_iter: float | None) -> None:
        self.problem = problem
        self.n_epochs = self.default_epochs() if max_iter is None else int(max_iter)

    @abstractmethod
    def default_epochs(self) -> int:
        """Passes over the data unless the user says otherwise."""

    @abstractmethod
    def step(self, source: Source, state: State, sigma: float) -> State:
        """One epoch."""

    def run(self, source: Source, codebook: Tensor, watch: Run) -> State:
        """Train from a first codebook (in the frame) and return the last state."""
        schedule, state = self.problem.sigma, State(codebook, self.problem.sigma(0.0))
        watch.begin(self.n_epochs)
        for epoch in range(self.n_epochs):
            # a single epoch is one at the final sigma
            progress = epoch / (self.n_epochs - 1) if self.n_epochs > 1 else 1.0
            watch.begin_epoch()
            state = self.step(source, state, schedule(progress))
            if watch.end_epoch(state):
                break
            if schedule.is_constant(progress) and state.movement <= self.problem.tol:
                break
        return state
