import numpy as np
import pytest
import torch
from oracles import neighborhood_matrix, unit_distances

from sktopo import TopographicMap
from sktopo._fixed_point import Grid
from sktopo._frame import DataRange, Frame
from sktopo._products import ROW_MULTIPLE
from sktopo._sources import ArraySource, Subset
from sktopo._statistics import UnitStatistics
from sktopo.lattices import HexagonalLattice, RectangularLattice
from sktopo.schedules import ExponentialSchedule
from sktopo.solvers import SOLVERS, Problem, Settings, State, StreamSolver, first_state
from sktopo.solvers._stream import Stage, Step, default_rows, plan, stages, step_rows, window


class Watch:
    silent = False

    def __init__(self, stop_after=10**9):
        self.epochs, self.announced, self.stop_after = [], None, stop_after

    def begin(self, n_epochs):
        self.announced = n_epochs

    def begin_epoch(self):
        self.epochs.append(None)

    def end_epoch(self, state):
        self.epochs[-1] = state
        return len(self.epochs) >= self.stop_after


@pytest.fixture
def run(rng):
    X = rng.normal(size=(80, 2))
    source = ArraySource(X, None, torch.device("cpu"))
    grid = Grid(DataRange.of(source))
    first = grid.to_frame(torch.from_numpy(X[:9].copy()))

    def go(watch, max_iter=None, tol=0.0, solver="batch"):
        problem = make_problem(RectangularLattice(3, 3), grid)
        solver = SOLVERS[solver](problem, Settings(max_iter, tol), source)
        return solver.run(first_state(solver.problem, first), watch)

    return go


def make_problem(lattice, frame, initial=1.5, final=0.5, hold=0.2, p_norm=2.0):
    schedule = ExponentialSchedule(initial, final, hold)
    return Problem(lattice=lattice, p_norm=p_norm, schedule=schedule, frame=frame)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_epoch_is_announced_and_counted(run, solver):
    watch = Watch()
    state = run(watch, max_iter=7, solver=solver)
    assert watch.announced == len(watch.epochs) == len(state.losses)
    assert state.passes == pytest.approx(7)
    assert [len(each.losses) for each in watch.epochs] == list(range(1, len(watch.epochs) + 1))
    assert all(len(each.codebook) == 9 for each in watch.epochs)


def test_sigma_falls_to_its_last_value_and_stays(run):
    watch = Watch()
    run(watch, max_iter=11)
    sigmas = [state.sigma for state in watch.epochs]
    assert sigmas[0] == 1.5
    assert sigmas[-3:] == [0.5] * 3
    assert (np.diff(sigmas) <= 0).all()


def test_a_single_epoch_is_one_at_the_last_sigma(run):
    assert run(Watch(), max_iter=1).sigma == 0.5


def test_the_watcher_can_stop_a_run(run):
    assert len(run(Watch(stop_after=3)).losses) == 3


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_tolerance_stops_a_run_before_sigma_is_narrow_on_all_units(solver, rng):
    X = rng.normal(size=(2000, 3))
    som = TopographicMap(30, 30, solver=solver, sigma_final=1.0, tol=1e9, max_iter=10, random_state=0).fit(X)
    assert som.sigma_ == 1.0
    assert len(som.loss_curve_) < 10 or solver == "stream"  # which rests in its last stage only
    wide = TopographicMap(30, 30, solver=solver, sigma_initial=3, sigma_final=3, tol=1e9, max_iter=10, random_state=0)
    assert wide.fit(X).codebook_.shape == (900, 3)
    assert wide.sigma_ == 3


def test_movement_is_measured_against_the_spread(run):
    watch = Watch()
    run(watch, max_iter=200)
    assert watch.epochs[-1].movement == 0  # a fixed point
    assert len(watch.epochs) < 200
    assert all(state.movement > 0 for state in watch.epochs[:10])


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_step_is_a_function_of_its_state(solver, rng):
    source = ArraySource(rng.normal(size=(200, 3)), None, torch.device("cpu"))
    grid = Grid(DataRange.of(source))
    settings = Settings(5, generator=torch.Generator().manual_seed(0))
    run = SOLVERS[solver](make_problem(RectangularLattice(4, 4), grid), settings, source)
    before = run.run_epoch(first_state(run.problem, grid.to_frame(torch.from_numpy(rng.normal(size=(16, 3))))), 0)
    randomness = settings.generator.get_state()
    once = run.run_epoch(before, 1)
    settings.generator.set_state(randomness)
    again = run.run_epoch(before, 1)
    assert not torch.equal(once.codebook, before.codebook)
    assert torch.equal(once.codebook, again.codebook)
    assert torch.equal(once.statistics.sums, again.statistics.sums)


def test_the_number_of_rows_stops_growing():
    assert default_rows(500, 100) == 10_000  # 20 passes over few rows
    assert default_rows(5_000, 100) == 40_000
    assert default_rows(10**5, 600) == 90_000
    assert [default_rows(n, 600) for n in (10**6, 10**7, 10**9)] == [90_000] * 3
    assert default_rows(10**8, 10_000) == 1_500_000


def test_small_data_are_drawn_in_whole_passes():
    assert default_rows(27_000, 400) == 54_000
    assert [default_rows(n, 100) for n in (40_000, 41_000)] == [40_000] * 2  # enough
    assert default_rows(60_000, 10_000) == 120_000  # at least ten rows for each unit
    assert default_rows(100_000, 900) == 100_000


@pytest.mark.parametrize("batch_size", [None, 700])
@pytest.mark.parametrize("n_drawn", [1, 40, 3_000, 150_000])
def test_a_plan_uses_every_row_once_while_sigma_falls_by_equal_factors(n_drawn, batch_size, rng):
    frame = Grid(DataRange.of(ArraySource(rng.normal(size=(9, 2)), None, torch.device("cpu"))))
    problem = make_problem(RectangularLattice(30, 30), frame, 7.5, 1.0, 0.4)
    steps = plan(problem, batch_size, n_drawn)
    assert [step.start for step in steps] == [0] + [step.stop for step in steps[:-1]]
    assert steps[-1].stop == n_drawn
    assert steps[-1].sigma == 1.0
    sigmas = np.array([step.sigma for step in steps])
    falling = sigmas[sigmas > 1.0]
    if len(falling) > 2:
        np.testing.assert_allclose(falling[1:] / falling[:-1], falling[1] / falling[0])
        resting = sum(step.stop - step.start for step in steps if step.sigma == 1.0)
        assert 0.3 < resting / n_drawn < 0.5


def test_a_window_wants_rows_for_every_degree_of_freedom():
    assert window(600, 1.0) == pytest.approx(100 * 600 / (4 * np.pi))
    assert window(600, 1e-3) == 100 * 600  # no more than one a unit
    assert window(600, 1e6) == 100


def naive_stream(X, W, H, n_steps, remembered, order):
    """Fading sums of the units, one step of equal size after another."""
    counts, sums = np.zeros(len(W)), np.zeros_like(W)
    for rows in np.array_split(order, n_steps):
        fade = max(0.0, 1 - len(rows) / remembered)
        counts, sums = counts * fade, sums * fade
        for i in rows:
            unit = ((X[i] - W) ** 2).sum(axis=1).argmin()
            counts[unit] += 1
            sums[unit] += X[i]
        W = (H @ sums) / (H @ counts)[:, None]
    return W


def test_steps_equal_the_loops(lattice, rng):
    X = rng.normal(size=(300, 3))
    source = ArraySource(X, None, torch.device("cpu"))
    frame = Grid(DataRange.of(source))
    problem = make_problem(lattice, frame, 1.2, 1.1)
    first = rng.normal(size=(lattice.n_units, 3))
    rows = source.shuffled(torch.Generator().manual_seed(0))
    stage = Stage(problem, lattice)
    none = UnitStatistics.zeros(lattice.n_units, torch.from_numpy(first))
    start = State(frame.to_frame(torch.from_numpy(first)), 1.2, none, lattice)
    end = stage.run(start, [(rows.part(i, i + 100), 1.2) for i in (0, 100, 200)], passes=1)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0)).numpy()
    H = neighborhood_matrix("gaussian", unit_distances(lattice), 1.2)
    expected = naive_stream(X, first, H, 3, window(lattice.n_units, 1.2), order)
    np.testing.assert_allclose(frame.from_frame(end.codebook).numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shares", [1, 2, 7])
def test_shares_of_a_step_add_up_to_the_step(shares, rng):
    X, weight = rng.normal(size=(1000, 3)), rng.uniform(size=1000)
    rows = ArraySource(X, weight, torch.device("cpu")).shuffled(torch.Generator()).part(100, 900)
    result = rows.share_out(lambda chunks: sum(a @ x for x, a in chunks), shares, 128)
    x, a = next(rows.chunks())
    np.testing.assert_allclose(result.numpy(), a.numpy() @ x.numpy(), rtol=1e-12)


def test_a_share_is_read_in_chunks(rng):
    rows = ArraySource(rng.normal(size=(900, 3)), None, torch.device("cpu")).shuffled(torch.Generator()).part(0, 900)
    assert rows.share_out(lambda chunks: [[len(x) for x, _ in chunks]], 2, 200) == [[200, 200, 112], [200, 188]]


@pytest.mark.parametrize(("n_features", "n_units"), [(3, 9), (2000, 400), (784, 900), (20_000, 100)])
def test_chunks_of_a_step_fill_whole_blocks(n_features, n_units, monkeypatch, rng):
    sizes = []
    monkeypatch.setattr(Subset, "share_out", lambda rows, step, shares, size: sizes.append(size))
    X, side = rng.normal(size=(64, n_features)), round(n_units**0.5)
    source = ArraySource(X, None, torch.device("cpu"))
    stage = Stage(
        make_problem(RectangularLattice(side, side), Frame(DataRange.of(source))), RectangularLattice(side, side)
    )
    stage._assigned(
        torch.zeros(n_units, n_features, dtype=torch.float64),
        stage._averaging(1.0),
        source.shuffled(torch.Generator()),
        False,
    )
    assert sizes[0] % ROW_MULTIPLE == 0
    assert sizes[0] >= n_units


def test_steps_respect_the_batch_size(rng):
    frame = Grid(DataRange.of(ArraySource(rng.normal(size=(9, 2)), None, torch.device("cpu"))))
    problem = make_problem(RectangularLattice(3, 3), frame)
    assert step_rows(problem, 1.0, 37) == 37
    assert 512 <= step_rows(problem, 1.0, None) <= 8192
    assert {step.stop - step.start for step in plan(problem, 50, 1000)} == {50}


def test_the_last_stage_rests():
    steps = [Step(i, i + 1, max(5.0 - i, 1.0)) for i in range(40)]
    parts = stages(steps, 1.0)
    assert [step for part in parts for step in part] == steps
    assert len(parts) == 5  # four steps anneal
    rests = [{step.sigma for step in part} == {1.0} for part in parts]
    assert rests == [False] * 4 + [True]
    sizes = [len(part) for part in stages(steps, 0.5)]  # none rests
    assert sizes == [4] * 10
    assert [len(part) for part in stages(steps[4:9], 1.0)] == [1] * 5  # all rest


def test_a_stage_at_a_wide_sigma_works_on_fewer_units(rng):
    X = rng.normal(size=(500, 2))
    source = ArraySource(X, None, torch.device("cpu"))
    problem = make_problem(HexagonalLattice(40, 60), Grid(DataRange.of(source)), 15.0, 1.0)
    solver = StreamSolver(problem, Settings(), source)
    area = 40 * 60 * 3**0.5 / 2
    for sigma in (15.9, 8.0, 4.0, 1.5):
        assert solver._lattice(0, sigma).n_units == pytest.approx(area / (0.8 * sigma) ** 2, rel=0.2)
    assert solver._lattice(0, 1.4).n_units == 2400  # so few would be saved that it is not worth it
    assert solver._lattice(solver.n_epochs - 1, 15.0).n_units == 2400  # the last stage knows every unit
