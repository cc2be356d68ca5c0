"""What is the same to the bit, what to rounding and what only in quality, as docs/explanation/promises.md says."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from settings import threads
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo._device import is_available
from sktopo.metrics import topographic_error

HARD = [{}, {"winner": "local"}, {"lattice": "hexagonal", "periodic": True}, {"p_norm": 1}]
TO_ROUNDING = [{"init": "pca"}, {"init": "random"}, {"winner": "local", "temperature": 0.5}]


@pytest.fixture(scope="module")
def X():  # noqa: N802
    rng = np.random.default_rng(0)
    return rng.normal(size=(9, 7))[rng.integers(0, 9, 2500)] * 2 + rng.normal(size=(2500, 7))


def alternatives(som, X, weight, order):
    """The same fit, another way: chunks of 64, 1000 and all rows, other threads, rows in another order."""
    for size in (64, 1000, len(X)):
        yield clone(som).set_params(batch_size=size).fit(X, sample_weight=weight)
    for n in (1, 2):
        with threads(n):
            yield clone(som).fit(X, sample_weight=weight)
    yield clone(som).fit(X[order], sample_weight=None if weight is None else weight[order])


@pytest.mark.parametrize("kind", HARD, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_batch_is_the_same_to_the_bit_for_any_chunks_threads_and_order(kind, weighted, X, rng):
    som = TopographicMap(4, 6, solver="batch", init=X[:24].copy(), max_iter=5, **kind)
    weight, order = rng.uniform(size=2500) if weighted else None, rng.permutation(2500)
    whole = clone(som).fit(X, sample_weight=weight)
    for other in alternatives(som, X, weight, order):
        np.testing.assert_array_equal(other.codebook_, whole.codebook_)
        np.testing.assert_array_equal(other.loss_curve_, whole.loss_curve_)
    np.testing.assert_array_equal(other.labels_, whole.labels_[order])


@pytest.mark.parametrize("kind", TO_ROUNDING, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_and_soft_shares_agree_to_rounding(kind, weighted, X, rng):
    options = {"solver": "batch", "init": X[:24].copy(), "max_iter": 5, "random_state": 0} | kind
    som, order = TopographicMap(4, 6, **options), rng.permutation(2500)
    weight = rng.uniform(size=2500) if weighted else None
    whole = clone(som).fit(X, sample_weight=weight)
    for other in alternatives(som, X, weight, order):
        np.testing.assert_allclose(other.codebook_, whole.codebook_, rtol=0, atol=1e-10)


EVERY_KIND = [
    {"solver": "batch"},
    {"solver": "batch", "winner": "local", "temperature": 0.5},
    {"solver": "stream", "lattice": "hexagonal"},
    {"solver": "stream", "winner": "local"},
    {"solver": "gradient", "max_iter": 2},
]

ELSEWHERE = """
import sys, numpy as np, torch
from sktopo import TopographicMap
torch.set_num_threads(int(sys.argv[4]))
X, kinds = np.load(sys.argv[1]), eval(sys.argv[2])
np.save(sys.argv[3], [TopographicMap(4, 6, random_state=3, **kind).fit(X).codebook_ for kind in kinds])
"""


def test_another_process_with_as_many_threads_gives_the_same_bits(X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    command = [sys.executable, "-c", ELSEWHERE, tmp_path / "X.npy", str(EVERY_KIND), tmp_path / "maps.npy", "2"]
    subprocess.run(command, check=True)
    for kind, codebook in zip(EVERY_KIND, np.load(tmp_path / "maps.npy"), strict=True):
        with threads(2):
            here = TopographicMap(4, 6, random_state=3, **kind).fit(X)
        np.testing.assert_array_equal(here.codebook_, codebook)


@pytest.mark.parametrize("solver", ["stream", "gradient"])
def test_other_solvers_agree_in_quality_only(solver, X):
    exact = TopographicMap(6, 6, solver="batch", max_iter=40).fit(X)
    other = clone(exact).set_params(solver=solver, max_iter=None, random_state=0).fit(X)
    assert np.abs(other.codebook_ - exact.codebook_).max() > 1e-3
    assert other.quantization_error_ == pytest.approx(exact.quantization_error_, rel=0.05)
    assert topographic_error(other, X) < topographic_error(exact, X) + 0.1


@pytest.mark.parametrize("device", ["cuda", "mps"])
@pytest.mark.parametrize("solver", ["batch", "stream"])
def test_an_accelerator_agrees_to_rounding(solver, device, X):
    if not is_available(torch.device(device)):
        pytest.skip(f"there is no {device} here")
    X = X.astype(np.float32)
    som = TopographicMap(4, 6, solver=solver, max_iter=3, random_state=0)
    codebook = clone(som).set_params(device=device).fit(X).codebook_
    assert isinstance(codebook, np.ndarray)
    np.testing.assert_allclose(codebook, clone(som).fit(X).codebook_, atol=1e-3)


@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize("neighborhood", ["gaussian", "bubble", "epanechnikov"])
def test_ties_do_not_part_maps(init, neighborhood, rng):
    """Answers from 0 to 3 to two questions: many rows are as far from two units, and the last bit of a mean decides."""
    X = np.stack(np.meshgrid(range(4), range(4)), axis=-1).reshape(-1, 2).astype(float)
    som = TopographicMap(4, 6, init=init, neighborhood=neighborhood, random_state=0, max_iter=10)
    for _ in range(40):
        weight = rng.integers(1, 5, 16)
        rows = np.repeat(X, weight, axis=0)
        expected = clone(som).fit(X, sample_weight=weight).codebook_
        np.testing.assert_array_equal(clone(som).fit(rows).codebook_, expected)
        np.testing.assert_array_equal(clone(som).fit(rng.permutation(rows)).codebook_, expected)
