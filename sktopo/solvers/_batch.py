"""Exact training by full passes: search all rows, add their statistics, smooth, divide.

(T. Kohonen, "Essentials of the self-organizing map", Neural Networks 37, 2013.)
"""

import math
from functools import partial
from typing import ClassVar

from torch import Tensor

from sktopo._assignment import Averaging
from sktopo._fixed_point import Grid
from sktopo._smoothing import make_smoother
from sktopo._sources import Source
from sktopo._statistics import batch_update
from sktopo.solvers._assigned import Assigned
from sktopo.solvers._base import Problem, Settings, Solver, State, movement

DEFAULT_EPOCHS = 20
# The integers of a data set are made once and kept if they take no more than this.
KEPT_BYTES = 8 * 2**20


class BatchSolver(Solver):
    """Batch training with any winner.

    For p = 2 the local winner's loss never rises at a sigma, at any temperature, unless rows are both normalized and
    incomplete. For p != 2 the winner is the nearest unit in the p-norm and the update stays the mean; the loss is then
    the squared Euclidean distortion that the mean minimizes. Sums are taken on a fixed-point grid over all rows, so
    that nothing depends on their order.
    """

    name: ClassVar[str] = "batch"
    hold: ClassVar[float] = 0.2
    takes_fractions: ClassVar[bool] = False

    def __init__(self, problem: Problem, settings: Settings, source: Source) -> None:
        super().__init__(problem, settings, source)
        self._grid = Grid(problem.frame.extent)
        small = self._grid.n_bytes(source.n_rows) <= KEPT_BYTES
        kept = small and source.is_dense and problem.temperature == 0
        self._kept = [(x, self._grid.limbs(x, weight)) for x, weight in source.chunks()] if kept else []
        self._smoother = make_smoother(problem.lattice, problem.neighborhood)

    @property
    def n_epochs(self) -> int:
        """A default that docs/decisions/0003-batch-defaults.md explains."""
        return DEFAULT_EPOCHS if self.settings.max_iter is None else int(self.settings.max_iter)

    def run_epoch(self, state: State, epoch: int) -> State:
        """One pass over all rows."""
        problem, previous = self.problem, state.codebook
        # a single epoch is the last one
        sigma = problem.schedule(epoch / (self.n_epochs - 1) if self.n_epochs > 1 else 1.0)
        averaging = Averaging(self._smoother.at(sigma), previous, problem.lattice.n_units)
        assigned = self._assigned(previous, averaging)
        statistics = assigned.units
        gathered = statistics.smoothed(problem.winner.spreading(averaging))
        loss = problem.loss(assigned, gathered, previous)
        codebook = problem.constrained(batch_update(gathered, previous))
        moved = movement(codebook, previous, statistics) if sigma == problem.schedule.final else math.inf
        return State(codebook, sigma, statistics, problem.lattice, (*state.losses, loss), state.passes + 1, moved)

    def _assigned(self, codebook: Tensor, averaging: Averaging) -> Assigned:
        problem, grid, n_units = self.problem, self._grid, self.problem.lattice.n_units
        prototypes = grid.from_frame(codebook)
        if problem.temperature > 0:  # shares are no integers: they are summed in floating point
            assign = problem.assign(prototypes, averaging, self.source.dtype)
            return self.source.reduce(lambda *chunk: assign([chunk]))
        search = problem.winner_of(prototypes, self.source.dtype, averaging)
        zeros = partial(grid.zeros, n_units)

        def add(sums: Tensor, x: Tensor, weight: Tensor) -> None:
            grid.add(sums, x, weight, search.bmu(x))

        def add_kept(sums: Tensor, x: Tensor, limbs: Tensor) -> None:
            grid.add_limbs(sums, limbs, search.bmu(x))

        kept, source = self._kept, self.source
        totals = source.accumulate_over(kept, zeros, add_kept) if kept else source.accumulate(zeros, add)
        return Assigned(grid.statistics(totals))
