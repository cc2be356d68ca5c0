"""Many callers at once: answers are those of one caller alone, and nothing of the process's settings moves.

``SKTOPO_STRESS_SECONDS=60 pytest tests/test_concurrency.py`` runs the stress test in full.
"""

import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.base import clone

from sktopo import TopographicMap

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
        if settings()[:3] != before[:3]:
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
    for (codebook, threads), expected in zip(found, serial, strict=True):
        assert threads == 1
        np.testing.assert_allclose(codebook, expected.codebook_, rtol=1e-4, atol=1e-5)


def killed(som, X):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_process_harms_nobody_else(X, serial):
    with pytest.raises(TerminatedWorkerError):
        Parallel(n_jobs=2)(delayed(killed)(clone(som), X) for som in MAPS)
    np.testing.assert_array_equal(clone(serial[0]).fit(X).codebook_, serial[0].codebook_)
    again = Parallel(n_jobs=2)(delayed(fitted_codebook)(clone(som), X) for som in MAPS[:2])
    np.testing.assert_array_equal(again[0][0], serial[0].codebook_)


def test_an_interrupted_fit_leaves_an_estimator_that_fits(X, serial):
    """Ctrl-C reaches the main thread, here in the second half of a long fit."""
    som = TopographicMap(20, 20, solver="batch", max_iter=5000)
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    # a test run that was started in the background ignores Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            som.fit(X)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert not hasattr(som, "codebook_")
    som.set_params(**MAPS[0].get_params()).fit(X)
    np.testing.assert_array_equal(som.codebook_, serial[0].codebook_)
