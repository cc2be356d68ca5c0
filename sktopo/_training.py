"""From an estimator's parameters and a source of samples to a trained state, and from that to fitted attributes.

Only public parameters and attributes of the estimator are read; nothing is set on it.
"""

import math
import warnings
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from sktopo._assignment import WINNERS
from sktopo._callbacks import callbacks_of
from sktopo._device import numpy_dtype
from sktopo._fitted import FittedMap
from sktopo._frame import DataRange, Frame
from sktopo._journal import Journal, fingerprint_of
from sktopo._means import check_distances, chunk_mean, distances_to_bmu, mean_over_samples, weighted_mean
from sktopo._namespaces import as_numpy, as_tensor
from sktopo._sources import DaskSource, Source
from sktopo._statistics import UnitStatistics
from sktopo._validation import check_affordable, check_codebook, check_known, make_generator
from sktopo.annealing import above_critical
from sktopo.checkpoint import Checkpoint
from sktopo.initialization import INITIALIZERS, Moments, automatic_shape
from sktopo.lattices import LATTICES
from sktopo.neighborhoods import NEIGHBORHOODS
from sktopo.schedules import sigma_schedule
from sktopo.solvers import (
    LARGEST_BATCH,
    BatchSolver,
    Problem,
    Settings,
    Solver,
    State,
    StreamSolver,
    choose_solver,
    continue_stream,
    first_state,
)

# Stack level of the caller of `fit` or `partial_fit`; their decorators lie in between.
CALLERS_LEVEL = 5


class Training(NamedTuple):
    """A solver, the state that it starts from, and what keeps the states that it reaches."""

    solver: Solver
    state: State
    journal: Journal | None

    @classmethod
    def begin(cls, estimator: Any, all_rows: Source, chunked: Source) -> "Training":
        """Everything a fit begins with; `chunked` are the same rows, in chunks of `batch_size`."""
        generator = make_generator(estimator.random_state)
        journal = _journal(estimator, all_rows, generator)
        kind = choose_solver(estimator.solver, all_rows.n_rows)
        _check_passes(estimator.max_iter, kind)
        settings = Settings(estimator.max_iter, estimator.tol, estimator.batch_size, generator, estimator.learning_rate)

        def prepare() -> tuple[Solver, State, str | None]:
            problem, codebook, warning = _problem(estimator, kind, all_rows, generator)
            # hard sums are exact for any chunks; those of soft shares depend on them in their last bits
            exact = kind is BatchSolver and problem.temperature == 0
            return kind(problem, settings, chunked if exact else all_rows), first_state(problem, codebook), warning

        solver, first, warning = all_rows.alone(prepare)
        if warning is not None:
            warnings.warn(warning, ConvergenceWarning, stacklevel=CALLERS_LEVEL)
        resumed = None if journal is None else journal.resumed(solver.problem.lattice)
        return cls(solver, resumed or first, journal)

    def keep(self, state: State) -> None:
        """Tell the journal of a state."""
        if self.journal is not None:
            self.journal.keep(state, self.solver.problem.lattice)

    def close(self) -> None:
        """The fit has ended well."""
        if self.journal is not None:
            self.journal.close()

    def learned(self, state: State) -> dict[str, Any]:
        """Fitted attributes for a state of the run; `weight_seen_` is infinite because annealing is complete."""
        source = self.solver.source
        learned = source.alone(partial(_learned, self.solver.name, self.solver.problem, state, _dtype(source)))
        return {**learned, "weight_seen_": math.inf}


def _check_passes(max_iter: float | None, kind: type[Solver]) -> None:
    """Raise ValueError for a part of a pass that the solver cannot make."""
    if max_iter is not None and max_iter != int(max_iter) and not kind.takes_fractions:
        raise ValueError(
            f"max_iter={max_iter!r}: solver='batch', and 'auto' up to {LARGEST_BATCH} rows, make whole passes; "
            "use an int, or solver='stream'."
        )


def _journal(estimator: Any, source: Source, generator: torch.Generator) -> Journal | None:
    """The journal of a run, if a callback asks for one."""
    checkpoints = [callback for callback in callbacks_of(estimator) if isinstance(callback, Checkpoint)]
    if not checkpoints:
        return None
    return Journal(checkpoints[-1], fingerprint_of(estimator.get_params(deep=False), source), generator)


def continue_training(estimator: Any, source: Source) -> dict[str, Any]:
    """Fitted attributes after one more chunk of rows; the first chunk also says where to start."""
    generator = make_generator(estimator.random_state)
    settings = Settings(batch_size=estimator.batch_size, generator=generator)
    if hasattr(estimator, "codebook_"):
        problem, state = _resumed(estimator, source)
        seen, dtype = estimator.weight_seen_, as_numpy(estimator.codebook_).dtype
        curve = as_numpy(estimator.loss_curve_)
    else:
        seen, dtype, curve = 0.0, _dtype(source), np.empty(0)
        problem, codebook, warning = _problem(estimator, StreamSolver, source, generator)
        if warning is not None:
            warnings.warn(warning, ConvergenceWarning, stacklevel=CALLERS_LEVEL)
        state = first_state(problem, codebook)
    state = source.alone(partial(continue_stream, problem, settings, source, state, seen))
    learned = _learned(StreamSolver.name, problem, state, dtype)
    curve = np.append(curve, learned["loss_curve_"])
    return {**learned, "loss_curve_": curve, "weight_seen_": seen + source.total_weight}


def label(estimator: Any, source: Source) -> dict[str, Any]:
    """One last search: `labels_` is what `predict` says, and `quantization_error_` belongs to it."""
    fitted = FittedMap.of(estimator)
    if isinstance(source, DaskSource):  # labels would be as long as the data: `predict` gives them, lazily
        return {"quantization_error_": mean_over_samples(distances_to_bmu(fitted, source.dtype), source)}
    return source.alone(partial(_labeled, fitted, source))


def _labeled(fitted: FittedMap, source: Source) -> dict[str, Any]:
    search = fitted.search(source.dtype)

    def nearest(x: Tensor, weight: Tensor) -> tuple[Tensor, tuple[float, float]]:
        bmu = search.bmu(x)
        distance = search.distance(x, bmu).masked_fill_(weight == 0, 0)  # they may be too far away for numbers
        return bmu.cpu(), chunk_mean(check_distances(distance), weight)

    labels, parts, start = np.empty(source.n_rows, dtype=np.int64), [], 0
    for bmu, part in source.map_chunks(nearest):
        stop = start + len(bmu)
        labels[start:stop] = bmu.numpy()
        parts.append(part)
        start = stop
    return {"labels_": labels, "quantization_error_": weighted_mean(parts)}


def _problem(
    estimator: Any, kind: type[Solver], rows: Source, generator: torch.Generator
) -> tuple[Problem, Tensor, str | None]:
    """What is to be learned, the first codebook, and what the user should be warned of."""
    WINNERS[estimator.winner].check_temperature(float(estimator.temperature))
    moments = kind.survey(rows, generator)
    if moments.source is rows:
        check_known(moments.frame.unknown, moments.total_weight)
    elif bool(moments.frame.unknown.any()):  # the sample may have missed the few rows that have a value
        extent = DataRange.of(rows)
        check_known(extent.unknown, extent.total_weight)
    frame, sides = moments.frame, _sides(estimator, rows.total_weight, moments)
    check_affordable(*sides, rows.n_features)
    spread = NEIGHBORHOODS[estimator.neighborhood].axis_spread
    schedule = sigma_schedule(*sides, estimator.sigma_initial, estimator.sigma_final, kind.hold, axis_spread=spread)
    problem = Problem.described_by(estimator, *sides, schedule=schedule, frame=frame)
    warning = _collapse_warning(problem, moments)
    if isinstance(estimator.init, str):
        return problem, frame.clipped(INITIALIZERS[estimator.init](problem.lattice, moments, generator)), warning
    given = check_codebook(estimator.init, problem.lattice.n_units, rows.n_features, "init")
    return problem, frame.to_frame(torch.from_numpy(given).to(frame.scale)), warning


def _sides(estimator: Any, total_weight: float, moments: Moments) -> tuple[int, int]:
    """Height and width that the parameters say, or that the data suggests."""
    height, width = (None if side == "auto" else int(side) for side in (estimator.height, estimator.width))
    if height is None or width is None:
        multiple = LATTICES[estimator.lattice].height_multiple if estimator.periodic else 1
        height, width = automatic_shape(total_weight, moments.plane, height, width, multiple)
    return height, width


def _collapse_warning(problem: Problem, moments: Moments) -> str | None:
    """What to say if the map is likely to collapse to the mean."""
    # what is critical is known where distances are Euclidean and complete
    if problem.temperature == 0 or problem.p_norm != 2 or problem.normalize or problem.frame.extent.missing:
        return None
    variance, sigma = float((moments.plane.spread[0] * problem.frame.scale).square()), problem.schedule.final
    if problem.lattice.n_units == 1 or variance == 0:
        return None
    if not above_critical(problem.temperature, variance, problem.lattice, problem.neighborhood, sigma):
        return None
    return (
        f"temperature={problem.temperature:g} is above the critical one: the state with every prototype at the mean "
        f"of X, whose leading variance is {variance:g}, is then stable, and the map usually collapses to it. Try a "
        "twentieth of what sktopo.annealing.critical_temperature says."
    )


def _resumed(estimator: Any, source: Source) -> tuple[Problem, State]:
    """The problem and the state that a fitted estimator stands at, in a frame that holds its map and the new rows."""
    fitted = FittedMap.of(estimator)
    lattice = fitted.lattice
    extent = DataRange.of(source)
    codebook = fitted.codebook.to(extent.low)
    frame = Frame(extent.including(codebook))
    bounds = (estimator.sigma_initial, estimator.sigma_final)
    if math.isinf(estimator.weight_seen_):  # after fit, sigma stays where it is
        bounds = (fitted.sigma, fitted.sigma)
    fitted.winner.check_temperature(fitted.temperature)
    spread = fitted.neighborhood.axis_spread
    schedule = sigma_schedule(lattice.height, lattice.width, *bounds, StreamSolver.hold, axis_spread=spread)
    problem = Problem.described_by(estimator, lattice.height, lattice.width, schedule=schedule, frame=frame)
    mass, sums = (as_tensor(values).to(codebook) for values in (estimator.unit_counts_, estimator.unit_sums_))
    counts, observed = (mass, None) if mass.ndim == 1 else (mass.amax(dim=1), mass)
    held = UnitStatistics(counts, sums, torch.zeros_like(counts), observed)
    # sums of the largest numbers may have left the range of float64
    means = torch.where(held.means.isfinite(), held.means, codebook)
    statistics = replace(held, sums=frame.to_frame(means) * held.mass)
    state = State(frame.to_frame(codebook), fitted.sigma, statistics, lattice)
    return problem, state._replace(passes=estimator.n_iter_)


def _learned(solver: str, problem: Problem, state: State, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Fitted attributes for a state."""
    lattice, codebook, statistics = problem.lattice, state.codebook, state.statistics
    if state.lattice != lattice:
        codebook = problem.constrained(state.lattice.resampled(codebook, lattice))
        units, shares = lattice.interpolate(state.lattice.coordinates())
        statistics = statistics.moved(units, shares, lattice.n_units)
    mass, means = statistics.mass, problem.frame.from_frame_unclipped(statistics.means)
    return {
        **problem.facts,
        "codebook_": _as_type(problem.frame.from_frame(codebook).cpu().numpy(), dtype),
        "unit_coordinates_": lattice.coordinates().numpy(),
        "height_": lattice.height,
        "width_": lattice.width,
        "sigma_": state.sigma,
        "solver_": solver,
        "loss_curve_": np.array(state.losses),
        "n_iter_": state.passes,
        "unit_counts_": (mass[:, 0] if statistics.observed is None else mass).cpu().numpy(),
        "unit_sums_": (means * mass).cpu().numpy(),
    }


def _as_type(codebook: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Prototypes in the type of the map; ValueError if that cannot hold them."""
    if not np.isfinite(codebook).all():
        raise ValueError("Training has left the range of numbers: scale X, or lower learning_rate (solver='gradient').")
    with np.errstate(over="ignore"):
        converted = codebook.astype(dtype)
    if not np.isfinite(converted).all():
        raise ValueError(f"X has values that are too large for the map, which is of {dtype}: fit it on float64.")
    return converted


def _dtype(source: Source) -> np.dtype[Any]:
    return np.dtype(numpy_dtype(source.dtype))
