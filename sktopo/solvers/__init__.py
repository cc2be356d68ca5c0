"""How a map is trained: one loop, and a step for each solver."""

from sktopo.solvers._base import Problem, Settings, Solver, State, Watcher, first_state
from sktopo.solvers._batch import BatchSolver
from sktopo.solvers._gradient import GradientSolver
from sktopo.solvers._stream import StreamSolver, continue_stream

__all__ = [
    "LARGEST_BATCH",
    "SOLVERS",
    "BatchSolver",
    "GradientSolver",
    "Problem",
    "Settings",
    "Solver",
    "State",
    "StreamSolver",
    "Watcher",
    "choose_solver",
    "continue_stream",
    "first_state",
]

SOLVERS: dict[str, type[Solver]] = {kind.name: kind for kind in (BatchSolver, StreamSolver, GradientSolver)}
# Up to this many rows full passes are cheap enough to be exact (docs/decisions/0006-stream.md).
LARGEST_BATCH = 10_000


def choose_solver(name: str, n_rows: int) -> type[Solver]:
    """The solver of a name; "auto" makes exact passes over few rows and streams through many.

    Parameters
    ----------
    name : {"auto", "batch", "stream", "gradient"}
        What the user asked for.
    n_rows : int
        Rows of the data.

    Returns
    -------
    type
        A subclass of `Solver`.
    """
    if name in SOLVERS:
        return SOLVERS[name]
    return BatchSolver if n_rows <= LARGEST_BATCH else StreamSolver
