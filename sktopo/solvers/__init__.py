"""How a map is trained: one loop, and a step for each solver."""

from sktopo.solvers._base import CallbackRun, Problem, Run, Settings, Solver, State, first_state
from sktopo.solvers._batch import DEFAULT_EPOCHS, BatchSolver
from sktopo.solvers._gradient import GradientSolver
from sktopo.solvers._stream import StreamSolver, continue_stream, default_rows

__all__ = [
    "LARGEST_BATCH",
    "SOLVERS",
    "BatchSolver",
    "CallbackRun",
    "GradientSolver",
    "Problem",
    "Run",
    "Settings",
    "Solver",
    "State",
    "StreamSolver",
    "choose_solver",
    "continue_stream",
    "default_passes",
    "first_state",
]

SOLVERS: dict[str, type[Solver]] = {"batch": BatchSolver, "stream": StreamSolver, "gradient": GradientSolver}
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


def default_passes(n_rows: int, n_units: int) -> float:
    """Passes over the data that solver="auto" makes where `max_iter` is None.

    Parameters
    ----------
    n_rows, n_units : int
        Rows of the data and units of the map.

    Returns
    -------
    float
        20 up to 10 000 rows, then those of a stream.
    """
    return DEFAULT_EPOCHS if n_rows <= LARGEST_BATCH else default_rows(n_rows, n_units) / n_rows
