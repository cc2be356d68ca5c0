"""How a map is trained: one loop, and a step for each solver."""

from sktopo.solvers._base import CallbackRun, Problem, Run, Solver, State
from sktopo.solvers._batch import BatchSolver

__all__ = ["SOLVERS", "BatchSolver", "CallbackRun", "Problem", "Run", "Solver", "State"]

SOLVERS: dict[str, type[Solver]] = {"auto": BatchSolver, "batch": BatchSolver}
