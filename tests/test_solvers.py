import numpy as np
import pytest
import torch

from sktopo._sources import ArraySource
from sktopo._statistics import DataRange, Grid
from sktopo.lattices import RectangularLattice
from sktopo.neighborhoods import NEIGHBORHOODS
from sktopo.schedules import ExponentialSchedule
from sktopo.solvers import SOLVERS, Problem


class Watch:
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
        schedule = ExponentialSchedule(1.5, 0.5)
        problem = Problem(RectangularLattice(3, 3), NEIGHBORHOODS["gaussian"], 2.0, False, schedule, tol, grid)
        return SOLVERS[solver](problem, max_iter).run(source, first, watch)

    return go


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_epoch_is_announced_and_counted(run, solver):
    watch = Watch()
    state = run(watch, max_iter=7, solver=solver)
    assert watch.announced == 7
    assert state.n_epochs == len(watch.epochs) == len(state.losses)
    assert [each.n_epochs for each in watch.epochs] == list(range(1, state.n_epochs + 1))


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
    assert run(Watch(stop_after=3)).n_epochs == 3


def test_movement_is_measured_against_the_spread(run):
    watch = Watch()
    run(watch, max_iter=200)
    assert watch.epochs[-1].movement == 0  # a fixed point
    assert len(watch.epochs) < 200
    assert all(state.movement > 0 for state in watch.epochs[:10])


def test_a_step_makes_a_new_state_and_leaves_the_old_one(run):
    watch = Watch()
    run(watch, max_iter=3)
    first, second, _ = (state.codebook for state in watch.epochs)
    assert not torch.equal(first, second)
