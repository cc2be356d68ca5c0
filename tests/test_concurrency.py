"""Many callers at once: answers are those of one caller alone, and nothing of the process's settings moves.

``SKTOPO_STRESS_SECONDS=60 pytest tests/test_concurrency.py`` runs the stress test in full.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import scipy.sparse
import torch
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from settings import threads
from sklearn.base import clone

from sktopo import Checkpoint, TopographicMap
from sktopo._search import Search
from sktopo.nn import TopographicLayer

SECONDS = float(os.environ.get("SKTOPO_STRESS_SECONDS", "3"))
MAPS = [
    TopographicMap(7, 6, solver="batch", max_iter=4),
    TopographicMap(7, 6, solver="batch", max_iter=4, output="activations", lattice="hexagonal"),
    TopographicMap(9, 9, solver="stream", max_iter=2, random_state=0, output="distances"),
    TopographicMap(5, 5, solver="gradient", max_iter=1, random_state=0),
    TopographicMap(5, 5, winner="local", temperature=0.1, max_iter=3, output="activations"),
]


@pytest.fixture(scope="module")
def X():  # noqa: N802
    return np.random.default_rng(0).normal(size=(3000, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def serial(X):
    return [clone(som).fit(X) for som in MAPS]


def settings():
    return (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.get_rng_state().numpy().tobytes(),
        str(np.random.get_state()),  # noqa: NPY002
        str(warnings.filters),
    )


def wrong_answers(X, serial, number):
    """One of the things that a caller may do; how many of its answers are not those of a caller alone."""
    fitted = serial[number % len(serial)]
    if number % 3 == 0:
        again = clone(fitted).fit(X)
        return int((again.codebook_ != fitted.codebook_).any() or (again.labels_ != fitted.labels_).any())
    rows = slice(number % 50, 2000 + number % 900)
    if number % 3 == 1:
        return int((fitted.predict(X[rows]) != fitted.labels_[rows]).any())
    return int((fitted.transform(X[rows]) != fitted.transform(X)[rows]).any())


def test_many_threads_get_the_answers_of_one(X, serial, record_property):
    before, until = settings(), time.monotonic() + SECONDS
    moved, asked = [], 0

    def work(number):
        wrong = wrong_answers(X, serial, number)
        if settings()[:4] != before[:4]:
            moved.append(number)
        return wrong

    with ThreadPoolExecutor(8) as callers:
        while time.monotonic() < until:
            assert sum(callers.map(work, range(asked, asked + 16))) == 0
            asked += 16
    record_property("answers", asked)
    assert asked >= 16
    assert not moved
    assert settings() == before


def fitted_codebook(som, X):
    return som.fit(X).codebook_, torch.get_num_threads()


def test_worker_processes_fit_the_maps_of_one(X, serial):
    found = Parallel(n_jobs=2)(delayed(fitted_codebook)(clone(som), X) for som in MAPS)
    for (codebook, n_threads), expected in zip(found, serial, strict=True):
        assert n_threads == 1
        np.testing.assert_array_equal(codebook, expected.codebook_)


@pytest.mark.parametrize(
    ("change", "back", "value"),
    [
        (torch.set_default_dtype, torch.float32, torch.float64),
        (torch.set_default_dtype, torch.float32, torch.float16),
        (torch.set_default_device, "cpu", "meta"),
        (torch.set_grad_enabled, True, False),
        (partial(torch.set_autocast_enabled, "cpu"), False, True),
    ],
    ids=["float64", "float16", "meta", "without gradients", "autocast"],
)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_the_process_has_set_changes_no_map(change, back, value, n_threads, X, serial):
    """A default device of "meta", which holds no numbers, stands for any accelerator; a single thread is the caller."""
    rows, small = scipy.sparse.csr_array(X[:500]), TopographicMap(3, 3)
    sparse = small.fit(rows).score_samples(rows)
    with threads(n_threads):
        change(value)
        try:
            np.testing.assert_array_equal(small.fit(rows).score_samples(rows), sparse)
            found = [clone(som).fit(X) for som in MAPS]
            wide = np.tile(X, (1, 2**17 // 1600 // X.shape[1] + 1))
            TopographicMap(40, 40, solver="stream", sigma_final=1.3).fit(wide)
            answers = [som.transform(X) for som in found]
            again = [som.partial_fit(X[:100]).u_matrix() for som in found]
        finally:
            change(back)
    for answer, expected in zip(answers, serial, strict=True):
        np.testing.assert_array_equal(answer, expected.transform(X))
    assert all(np.isfinite(matrix).all() for matrix in again)


FORKED = """
import os, signal, sys, numpy as np, sktopo
import matplotlib
from sktopo import TopographicMap, metrics, plotting
from sktopo.annealing import critical_temperature

matplotlib.use("agg")
n_features = int(sys.argv[1])
X = np.random.default_rng(0).normal(size=(12_000, n_features)).astype(np.float32)
y = np.arange(12_000) % 3
maps = [TopographicMap(12, 12, random_state=0), TopographicMap(12, 12, solver="batch", max_iter=3)]

def answers():
    for som in maps:
        yield from (som.fit(X).codebook_, som.predict(X[:5]), som.transform(X[:5]), som.score_samples(X[:5]))
        yield from (som.u_matrix(), som.component_planes(), som.hit_histogram(X[:5]), som.to_layer().codebook.detach())
        yield from (som.inverse_transform(som.transform(X)), metrics.topographic_error(som, X), som.score(X))
        yield som.partial_fit(X[:2000]).codebook_
        yield (sktopo.chunk_statistics(X[:2000], som.codebook_) + sktopo.chunk_statistics(X[:9], som.codebook_)).sums
        som.save(sys.argv[2] + ".map")
        yield TopographicMap.load(sys.argv[2] + ".map").predict(X[:5])
        yield plotting.LabelMapDisplay.from_estimator(som, X, y).class_counts
        plotting.to_html(som, X[:500], y[:500], path=sys.argv[2])
        yield critical_temperature(np.cov(X.T), 12, 12, 1.0)

expected = list(answers())
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(0 if all(map(np.array_equal, answers(), expected)) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("n_features", [16, 784])  # torch uses its threads for more than 32 768 values
def test_a_forked_child_gets_the_answers_of_its_parent(n_features, tmp_path):
    command = [sys.executable, "-c", FORKED, str(n_features), str(tmp_path / "page.html")]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.split() == ["0"]  # -14: it waits for threads that only its parent has


FORKED_FIRST = """
import multiprocessing, torch

def child():
    import numpy as np
    from sktopo import TopographicMap
    X = np.random.default_rng(0).normal(size=(12_000, 784)).astype(np.float32)
    TopographicMap(12, 12, random_state=0).fit(X).predict(X)

torch.randn(500, 500) @ torch.randn(500, 500)
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(60)
print(process.exitcode)
process.kill()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_child_that_was_forked_before_it_imported_sktopo_fits():
    run = subprocess.run([sys.executable, "-c", FORKED_FIRST], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.split() == ["0"]


class Kill:
    """A callback that kills its process in the middle of a fit."""

    def setup(self, estimator, context):
        pass

    on_fit_task_begin = teardown = setup

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        os.kill(os.getpid(), signal.SIGKILL)


def killed(som, X):
    som.set_callbacks(Kill()).fit(X)


def test_a_killed_worker_process_harms_nobody_else(X, serial):
    with pytest.raises(TerminatedWorkerError):
        Parallel(n_jobs=2)(delayed(killed)(clone(som), X) for som in MAPS)
    np.testing.assert_array_equal(clone(serial[0]).fit(X).codebook_, serial[0].codebook_)
    again = Parallel(n_jobs=2)(delayed(fitted_codebook)(clone(som), X) for som in MAPS[:2])
    np.testing.assert_array_equal(again[0][0], serial[0].codebook_)


def interrupted(fit, wait):
    """Ctrl-C reaches the main thread after ``wait()``, in the middle of a fit."""

    def press():
        wait()
        # received by this thread, not by the one that waits: a signal sent to the process may come to any of them
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    finger = threading.Thread(target=press)
    # a test run that was started in the background ignores Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        finger.start()
        with pytest.raises(KeyboardInterrupt):
            fit()
        finger.join()
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupted_fit_leaves_an_estimator_that_fits(X, serial):
    som = TopographicMap(20, 20, solver="batch", max_iter=5000)
    interrupted(lambda: som.fit(X), lambda: time.sleep(0.5))
    assert not hasattr(som, "codebook_")
    som.set_params(**MAPS[0].get_params()).fit(X)
    np.testing.assert_array_equal(som.codebook_, serial[0].codebook_)


@pytest.mark.parametrize("solver", ["batch", "stream", "gradient"])
def test_an_interrupted_fit_that_nobody_watches_ends(solver, X, monkeypatch):
    calls, begun = [], threading.Event()

    def called():
        calls.append(1)
        begun.set()

    best = Search.best
    monkeypatch.setattr(Search, "best", lambda *args: (called(), best(*args))[1])
    loss = TopographicLayer.loss
    monkeypatch.setattr(TopographicLayer, "loss", lambda *args, **options: (called(), loss(*args, **options))[1])
    som = TopographicMap(9, 9, solver=solver, max_iter=5000, random_state=0)
    interrupted(lambda: som.fit(X), lambda: begun.wait(60))
    time.sleep(0.5)
    n_calls = len(calls)
    time.sleep(0.3)
    assert 0 < n_calls == len(calls)


class Bell(Checkpoint):
    """A checkpoint that rings when an epoch has ended."""

    def __init__(self, path):
        super().__init__(path)
        self.rung = threading.Event()

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        super().on_fit_task_end(estimator, context, fitted_estimator=fitted_estimator)
        self.rung.set()


@pytest.mark.parametrize(("solver", "passes"), [("batch", 5000), ("stream", 300), ("gradient", 500)])
def test_what_an_interrupted_fit_has_learned_is_there_on_request(solver, passes, X, tmp_path):
    bell = Bell(tmp_path / "checkpoint")
    som = TopographicMap(9, 9, solver=solver, max_iter=passes, random_state=0).set_callbacks(bell)
    interrupted(lambda: som.fit(X), lambda: bell.rung.wait(60))
    assert not hasattr(som, "codebook_")
    latest = bell.latest
    assert not hasattr(latest, "labels_")
    assert len(latest.loss_curve_) >= 1
    assert latest.n_iter_ < passes
    latest.save(tmp_path / "map")
    np.testing.assert_array_equal(TopographicMap.load(tmp_path / "map").predict(X), latest.predict(X))
    assert np.isfinite(latest.partial_fit(X).score(X))
    assert (tmp_path / "checkpoint").exists()  # the next fit goes on from there
