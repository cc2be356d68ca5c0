"""Training by a stream of rows, without a learning rate.

Each step searches some rows, adds their unsmoothed statistics to those of the rows before, which fade, and derives the
codebook from them. Statistics know nothing of sigma, so annealing never invalidates them. A Gaussian of width sigma
leaves about ``n_units / (4 pi sigma^2)`` degrees of freedom, and each wants a certain number of rows: that is how many
a step remembers. While sigma is wide the window is short and the units are few: the map is trained on a
coarser lattice over the same area. On large maps winners are sought coarse to fine (`_bands`). (Stepwise EM:
O. Cappe and E. Moulines, J. R. Stat. Soc. B 71, 2009.)
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from sktopo._assignment import Averaging
from sktopo._device import chunk_rows
from sktopo._frame import DataRange, Frame
from sktopo._products import rounded_rows
from sktopo._smoothing import make_smoother
from sktopo._sources import Source, Subset
from sktopo._statistics import UnitStatistics, batch_update
from sktopo.initialization import Moments
from sktopo.lattices import Lattice
from sktopo.solvers._assigned import Assigned
from sktopo.solvers._base import Problem, Settings, Solver, State, movement

# The choices below are explained in docs/decisions/0006-stream.md.
STAGES = 10
# Spacing of the units of a coarse lattice, in sigmas; below the least spacing, in lattice units, it is not worth it.
COARSE_SPACING, LEAST_SPACING = 0.8, 1.15
SURVEY_ROWS, FEWEST_SURVEY_ROWS, SURVEY_VALUES = 4096, 512, 2**20
LARGEST_SURVEY_COVARIANCE = 128
ROWS_PER_UNIT, FEWEST_ROWS_PER_UNIT = 150, 10
FEWEST_ROWS, MOST_PASSES = 40_000, 20
ROWS_PER_FREEDOM = 100
# How much longer the memory is once sigma rests.
RESTING_MEMORY = 4
SMALLEST_STEP = 512
LARGEST_STEP = 12_288
# From this spread of the neighborhood on, in spacings of the units, prototypes are smooth, if the map has unfolded: if
# its first spread was this share of the longer side (docs/decisions/0007-coarse-to-fine-search.md).
SMOOTH_SPREAD, UNFOLDING_SPREAD = 1.2, 1 / 8
# The smallest share of a step, in multiplications, that is worth handing to a worker.
WORTHWHILE = 4e7
# Each share of a step has a table of sums of its own: there are at most so many, and they take no more than this.
MOST_SHARES, SHARES_VALUES = 8, 2**20


def default_rows(n_rows: int, n_units: int) -> int:
    """Rows that a fit draws in all.

    Where there are at least 40 000 rows and 10 for each unit: 150 for each unit, at least 40 000, in at most one
    pass. Where there are fewer: as many whole passes as make up for it, at most 20, because a map of few rows is worse
    where some of them count more than others.
    """
    passes = min(MOST_PASSES, math.ceil(max(FEWEST_ROWS, FEWEST_ROWS_PER_UNIT * n_units) / n_rows))
    return passes * n_rows if passes > 1 else min(n_rows, max(FEWEST_ROWS, ROWS_PER_UNIT * n_units))


def enough_rows(n_units: int) -> int:
    """Rows, or weight of rows, over which `partial_fit` runs through the schedule of sigma."""
    return ROWS_PER_UNIT * n_units


def window(n_units: int, sigma: float) -> float:
    """Rows that the degrees of freedom left at a sigma want."""
    freedom = n_units / (4 * math.pi * sigma * sigma)
    return ROWS_PER_FREEDOM * max(1.0, min(freedom, n_units))


class Stage:
    """Steps on one lattice.

    Parameters
    ----------
    problem : Problem
        What to learn.
    lattice : Lattice
        The map's own lattice, or a coarser one over the same area.
    """

    def __init__(self, problem: Problem, lattice: Lattice) -> None:
        self.problem = problem
        self.lattice = lattice
        self._smoother = make_smoother(lattice, problem.neighborhood)
        self._spacing = math.sqrt(math.prod(lattice.extent) / lattice.n_units)
        first, sides = problem.schedule.initial, (problem.lattice.height, problem.lattice.width)
        self._unfolds = first * problem.neighborhood.axis_spread >= UNFOLDING_SPREAD * max(sides)

    def run(self, state: State, steps: Iterable[tuple[Subset, float]], passes: float) -> State:
        """The state after some steps, each of so many rows at a sigma; `passes` over the data have been made by then.

        A step searches its rows and adds their statistics to those of the rows before, which fade.
        """
        problem, sigma = self.problem, state.sigma
        codebook, statistics = self._taken_over(state)
        averaging, latest = self._averaging(sigma), Assigned(statistics)
        # a codebook that was given need not be smooth
        smoothed_at = sigma if bool(statistics.counts.any()) else 0.0
        # what a step replaces is let go at once: on a large map each of these is some megabytes
        for rows, sigma in steps:
            averaging = self._averaging(sigma)
            latest = self._assigned(codebook, averaging, rows, self._leaves_smooth(smoothed_at))
            statistics = latest.units.plus(statistics, max(0.0, 1 - rows.total_weight / self._memory(sigma)))
            codebook, smoothed_at = self._codebook(statistics, averaging, codebook), sigma
        loss = problem.loss(latest, latest.units.smoothed(problem.winner.spreading(averaging)), codebook)
        loss *= problem.winner.coarse_factor(problem.lattice.n_units / self.lattice.n_units)
        rests = sigma == problem.schedule.final and state.lattice == self.lattice
        moved = movement(codebook, state.codebook, latest.units) if rests else math.inf
        return State(codebook, sigma, statistics, self.lattice, (*state.losses, loss), passes, moved)

    def _taken_over(self, state: State) -> tuple[Tensor, UnitStatistics]:
        """The statistics of the stage before on this lattice, and what they say of the codebook."""
        codebook, statistics = state.codebook, state.statistics
        if state.lattice == self.lattice:
            return codebook, statistics
        units, shares = self.lattice.interpolate(state.lattice.coordinates())
        statistics = statistics.moved(units, shares, self.lattice.n_units)
        previous = state.lattice.resampled(codebook, self.lattice)
        return self._codebook(statistics, self._averaging(state.sigma), previous), statistics

    def _memory(self, sigma: float) -> float:
        """Rows, or weight of rows, that are remembered."""
        rests = sigma == self.problem.schedule.final
        return window(self.problem.lattice.n_units, sigma) * (RESTING_MEMORY if rests else 1)

    def _leaves_smooth(self, sigma: float) -> bool:
        """Whether prototypes that were smoothed at a sigma are so much alike that few units tell where a winner is."""
        return self._unfolds and sigma * self.problem.neighborhood.axis_spread >= SMOOTH_SPREAD * self._spacing

    def _assigned(self, codebook: Tensor, averaging: Averaging, rows: Subset, is_smooth: bool) -> Assigned:
        """What the units take of some rows; a search is as large as the map, and gone when this returns."""
        prototypes = self.problem.frame.from_frame_unclipped(codebook)
        # the mean is a good enough center here, and quicker than the median
        center = prototypes.mean(dim=0)
        smooth_on = self.lattice if is_smooth else None
        lasting = self.lattice == self.problem.lattice
        add_up = self.problem.assign(prototypes, averaging, rows.dtype, center, smooth_on, lasting=lasting)
        # not fewer rows than units: on a large map they are sorted by bands, of which each wants many
        size = max(chunk_rows(rows.n_features), rounded_rows(self.lattice.n_units))
        return rows.share_out(add_up, self._shares(rows), size)

    def _shares(self, rows: Subset) -> int:
        """How many parts of a step are worth handing out, one or an even number, for any number of threads."""
        values = self.lattice.n_units * rows.n_features
        most = max(2, min(MOST_SHARES, SHARES_VALUES // values) // 2 * 2)
        return max(1, min(most, int(rows.n_rows * values / WORTHWHILE) // 2 * 2))

    def _averaging(self, sigma: float) -> Averaging:
        return Averaging(self._smoother.at(sigma), self.problem.frame.scale, self.lattice.n_units)

    def _codebook(self, statistics: UnitStatistics, averaging: Averaging, previous: Tensor) -> Tensor:
        gathered = statistics.smoothed(self.problem.winner.spreading(averaging))
        return self.problem.constrained(batch_update(gathered, previous))


class StreamSolver(Solver):
    """Streaming training with any winner; the number of rows it touches does not grow with the data."""

    name: ClassVar[str] = "stream"
    epoch_name: ClassVar[str] = "annealing stage"
    hold: ClassVar[float] = 0.2
    takes_fractions: ClassVar[bool] = True

    def __init__(self, problem: Problem, settings: Settings, source: Source) -> None:
        super().__init__(problem, settings, source)
        wanted = settings.max_iter
        if wanted is None:
            n_drawn = default_rows(source.n_rows, problem.lattice.n_units)
        else:
            n_drawn = max(1, round(wanted * source.n_rows))
        self._stages = stages(plan(problem, settings.batch_size, n_drawn), problem.schedule.final)
        self._rows = source.draw_in_parts(n_drawn, settings.generator)

    @classmethod
    def survey(cls, source: Source, generator: torch.Generator) -> Moments:
        """Moments of a sample."""
        wanted = min(SURVEY_ROWS, max(FEWEST_SURVEY_ROWS, SURVEY_VALUES // source.n_features))
        rows = source.draw(min(source.n_rows, wanted), generator)
        return Moments(rows, Frame(DataRange.of(rows)), LARGEST_SURVEY_COVARIANCE)

    @property
    def n_epochs(self) -> int:
        """Stages of the annealing."""
        return len(self._stages)

    def run_epoch(self, state: State, epoch: int) -> State:
        """One stage: its share of the steps."""
        steps = self._stages[epoch]
        stage = Stage(self.problem, self._lattice(epoch, steps[-1].sigma))
        parts = ((self._rows.part(step.start, step.stop), step.sigma) for step in steps)
        return stage.run(state, parts, steps[-1].stop / self.source.n_rows)

    def _lattice(self, epoch: int, narrowest: float) -> Lattice:
        """Where a stage is worked on: units four fifths of sigma apart, in the last stage all units."""
        spacing = COARSE_SPACING * narrowest
        coarse = spacing >= LEAST_SPACING and epoch < self.n_epochs - 1
        return self.problem.lattice.coarsened(spacing if coarse else 1.0)


class Step(NamedTuple):
    """Rows of the drawn ones, and sigma."""

    start: int
    stop: int
    sigma: float


def plan(problem: Problem, batch_size: int | None, n_drawn: int) -> list[Step]:
    """All steps of a fit: sigma falls by equal factors from step to step, then rests for the last part of the rows.

    A step takes as many rows as the degrees of freedom at its sigma want, so that most rows go to the narrow ones.
    """
    schedule = problem.schedule

    def annealed(n_steps: int) -> list[float]:
        return [schedule((1 - schedule.hold) * t / n_steps) for t in range(n_steps)]

    def rows(sigmas: list[float]) -> list[int]:
        return [step_rows(problem, sigma, batch_size) for sigma in sigmas]

    annealing_rows = round((1 - schedule.hold) * n_drawn) if schedule.initial > schedule.final else 0
    most_steps = annealing_rows // step_rows(problem, schedule.initial, batch_size)
    n_steps = bisect_right(range(1, most_steps + 1), annealing_rows, key=lambda n: sum(rows(annealed(n))))
    n_resting = round((n_drawn - annealing_rows) / step_rows(problem, schedule.final, batch_size))
    sigmas = annealed(n_steps) + [schedule.final] * max(1, n_resting)
    stops = list(accumulate(rows(sigmas)))
    stops = [round(stop * n_drawn / stops[-1]) for stop in stops]
    steps = zip([0, *stops], stops, sigmas, strict=False)
    return [Step(*step) for step in steps if step[0] < step[1]]


def stages(steps: list[Step], final: float) -> list[list[Step]]:
    """Steps in stages of about equally many, the last of which rests at the final sigma."""
    n_annealing = sum(step.sigma != final for step in steps)
    resting = [steps[n_annealing:]] if 0 < n_annealing < len(steps) else []
    moving = steps[:n_annealing] if resting else steps
    n_stages = min(STAGES - len(resting), len(moving))
    stops = [len(moving) * i // n_stages for i in range(n_stages + 1)]
    return [moving[start:stop] for start, stop in pairwise(stops)] + resting


def continue_stream(problem: Problem, settings: Settings, source: Source, state: State, seen: float) -> State:
    """All rows of a source once, in random order, after rows of weight `seen`: the step of `partial_fit`."""
    order, enough = source.shuffled(settings.generator), enough_rows(problem.lattice.n_units)

    def steps() -> Iterator[tuple[Subset, float]]:
        weight, start = seen, 0
        while start < source.n_rows:
            sigma = problem.schedule(min(1.0, weight / enough))
            stop = min(source.n_rows, start + step_rows(problem, sigma, settings.batch_size))
            rows = order.part(start, stop)
            if rows.total_weight > 0:
                yield rows, sigma
            weight, start = weight + rows.total_weight, stop

    return Stage(problem, problem.lattice).run(state, steps(), state.passes + 1)


def step_rows(problem: Problem, sigma: float, batch_size: int | None) -> int:
    """Rows of a step: as many as the degrees of freedom want, within bounds, unless the user says otherwise."""
    return batch_size or int(min(max(window(problem.lattice.n_units, sigma), SMALLEST_STEP), LARGEST_STEP))
