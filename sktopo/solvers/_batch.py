"""Exact training by full passes: search all rows, add their statistics, smooth, divide.

(T. Kohonen, "Essentials of the self-organizing map", Neural Networks 37, 2013.)
"""

import math

from torch import Tensor

from sktopo._search import Search
from sktopo._smoothing import make_smoother
from sktopo._sources import Source
from sktopo._statistics import UnitStatistics, distortion_sum, update_codebook
from sktopo.distances import normalized
from sktopo.solvers._base import Solver, State

DEFAULT_EPOCHS = 20


class BatchSolver(Solver):
    """Batch training with the nearest unit as winner.

    For p != 2 the winner is the nearest unit in the p-norm and the update stays the mean; the loss is then the squared
    Euclidean distortion that the mean minimises.
    """

    def default_epochs(self) -> int:
        """A number that docs/decisions/0003-batch-defaults.md explains."""
        return DEFAULT_EPOCHS

    def step(self, source: Source, state: State, sigma: float) -> State:
        """One pass over all rows."""
        problem, previous = self.problem, state.codebook
        statistics = self._statistics(source, previous)
        smooth = make_smoother(problem.lattice, problem.neighborhood, sigma)
        total = float(statistics.counts.sum())
        loss = distortion_sum(statistics, smooth, previous) / total * float(problem.grid.scale.square())
        codebook = update_codebook(statistics, smooth, previous)
        if problem.normalize:
            codebook = problem.grid.to_frame(normalized(problem.grid.from_frame(codebook), problem.p_norm))
        movement = _movement(codebook, previous, statistics)
        return State(codebook, sigma, (*state.losses, loss), movement)

    def _statistics(self, source: Source, codebook: Tensor) -> UnitStatistics:
        grid, n_units = self.problem.grid, self.problem.lattice.n_units
        search = Search(grid.from_frame(codebook), self.problem.p_norm, source.dtype)
        return grid.statistics(source.reduce(lambda x, weight: grid.totals(x, weight, search.bmu(x), n_units)))


def _movement(codebook: Tensor, previous: Tensor, statistics: UnitStatistics) -> float:
    """Root mean square move of a prototype, as a share of the data's root mean square spread."""
    moved = math.sqrt(float((codebook - previous).square().sum(dim=1).mean()))
    total = statistics.counts.sum()
    variance = statistics.squares.sum() / total - (statistics.sums.sum(dim=0) / total).square().sum()
    spread = math.sqrt(max(0.0, float(variance)))
    return 0.0 if moved == 0 else math.inf if spread == 0 else moved / spread
