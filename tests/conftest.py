"""Shared fixtures: every law runs over these lists."""

import os
import sys

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before SciPy is imported, or scikit-learn skips a check
os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib is imported, or it looks for a screen

import numpy as np
import pytest
import torch
from oracles import ARRANGEMENTS
from sklearn.datasets import load_digits, load_iris

from sktopo import TopographicMap
from sktopo.lattices import HexagonalLattice, RectangularLattice

torch.set_warn_always(True)  # a warning that torch gives once a process would escape all tests but one

LATTICE_CASES = {
    "rectangular": RectangularLattice(5, 7),
    "rectangular-periodic": RectangularLattice(5, 7, periodic=True),
    "hexagonal": HexagonalLattice(5, 7),
    "hexagonal-periodic": HexagonalLattice(6, 7, periodic=True),
    "row": RectangularLattice(1, 9),
    "hexagonal-column": HexagonalLattice(7, 1),
    "one": HexagonalLattice(1, 1),
    "small-torus": HexagonalLattice(2, 2, periodic=True),
}


@pytest.fixture(params=LATTICE_CASES.values(), ids=LATTICE_CASES.keys())
def lattice(request):
    return request.param


@pytest.fixture(params=ARRANGEMENTS, ids=lambda pair: f"{pair[0]}-{'torus' if pair[1] else 'planar'}")
def arrangement(request):
    """The estimator's parameters for each kind of lattice."""
    return dict(zip(("lattice", "periodic"), request.param, strict=True))


@pytest.fixture(params=["gaussian", "bubble", "epanechnikov"])
def neighborhood(request):
    return request.param


@pytest.fixture(params=[1.0, 1.5, 2.0, 3.0, np.inf])
def p_norm(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="session")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture
def som(arrangement, iris):
    """A small map on each kind of lattice."""
    return TopographicMap(6, 4, **arrangement).fit(iris[0])


@pytest.fixture(autouse=True)
def nothing_global_moves():
    """No test, and so no code under test, moves a global generator, default or thread setting."""
    before = (np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes())  # noqa: NPY002
    settings = (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled())
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")  # many figures are a warning, and so an error
    assert (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()) == settings
    after = (np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes())  # noqa: NPY002
    assert after == before
