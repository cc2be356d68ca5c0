"""Who takes part: one function for each library that fits a map the way that library's users would.

All start from the same float32 rows and keep their defaults, seeds and numbers of passes aside. A last sigma is asked
for as the standard deviation of a Gaussian in lattice units, the one used in the last pass; each function converts it
to its library's convention (the formulas are in README.md).
"""

import io
import math
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH_EPOCHS = 10
PREDICT_ROWS = 8192
# What "sktopo short" and "sktopo long" make of the passes that sktopo makes by default.
SHORT, LONG = 0.35, 2.0


@dataclass(frozen=True)
class Fit:
    """What a library has learned.

    Parameters
    ----------
    codebook : ndarray of shape (n_units, n_features)
        The prototypes, row-major.
    passes : float
        Passes over the rows.
    predict : callable
        Finds the nearest unit of each row, as the library returns it.
    sigma : float, optional
        Standard deviation of the neighborhood in the last pass.
    labels : ndarray, optional
        Units of the training rows, where fitting finds them.
    transform : callable, optional
        Finds the lattice coordinates of each row.
    """

    codebook: NDArray[np.floating]
    passes: float
    predict: Callable[[NDArray[np.float32]], Any]
    sigma: float | None = None
    labels: NDArray[np.integer] | None = None
    transform: Callable[[NDArray[np.float32]], Any] | None = None

    @property
    def n_bytes(self) -> int:
        """Size of the result itself."""
        return self.codebook.nbytes + (0 if self.labels is None else self.labels.nbytes)


def online_passes(rows: int) -> int:
    """Passes granted to programs that go row by row: few, on many rows."""
    return 10 if rows <= 10_000 else 2 if rows <= 200_000 else 1


def exponential_last(initial: float, end: float, epochs: int) -> float:
    """Last value of ``initial (end / initial) ** (t / epochs)``: with t = epochs - 1, it stops short of the end."""
    return initial * (end / initial) ** ((epochs - 1) / epochs)


def exponential_end(initial: float, last: float, epochs: int) -> float:
    """End of the same schedule for a wanted last value."""
    return initial * (last / initial) ** (epochs / (epochs - 1))


def asymptotic_share(steps: int) -> float:
    """Last value of ``initial / (1 + 2 t / steps)``, as a share of the initial one."""
    return 1 / (1 + 2 * (steps - 1) / steps)


def in_blocks(predict: Callable[[NDArray[np.float32]], Any], X: NDArray[np.float32]) -> list[Any]:
    """Predict block by block, for libraries that would hold all distances at once."""
    return [predict(X[start : start + PREDICT_ROWS]) for start in range(0, len(X), PREDICT_ROWS)]


def fit_sktopo(X: NDArray[np.float32], height: int, width: int, sigma: float | None) -> Fit:
    """Fit sktopo at its defaults; labels and quantization error are part of it."""
    from sktopo import TopographicMap

    som = TopographicMap(height, width, sigma_final=sigma, random_state=0).fit(X)
    return Fit(som.codebook_, som.n_iter_, som.predict, som.sigma_, som.labels_, som.transform)


def fit_sktopo_for(share: float, X: NDArray[np.float32], height: int, width: int, sigma: float | None) -> Fit:
    """Fit sktopo with a share of its default passes: `max_iter`, the knob between time and errors."""
    from sktopo import TopographicMap
    from sktopo.solvers import LARGEST_BATCH
    from sktopo.solvers._batch import DEFAULT_EPOCHS
    from sktopo.solvers._stream import default_rows

    passes = DEFAULT_EPOCHS if len(X) <= LARGEST_BATCH else default_rows(len(X), height * width) / len(X)
    wanted = share * passes
    max_iter = wanted if wanted < 1.5 else round(wanted)  # a part of a pass beside whole ones is of little use
    som = TopographicMap(height, width, max_iter=max_iter, sigma_final=sigma, random_state=0).fit(X)
    return Fit(som.codebook_, som.n_iter_, som.predict, som.sigma_, som.labels_, som.transform)


def fit_fastersom(X: NDArray[np.float32], height: int, width: int, sigma: float | None) -> Fit:
    """Fit fastersom at its defaults (10 epochs); labels are part of it."""
    from fastersom import SOM

    initial = math.ceil(min(height, width) / 2) / 2
    end = 0.1 * initial if sigma is None else exponential_end(initial, sigma, BATCH_EPOCHS)
    som = SOM(height, width, BATCH_EPOCHS, sigma_final=end, random_state=0).fit(X)
    last = exponential_last(initial, end, BATCH_EPOCHS)
    return Fit(som.weights_, BATCH_EPOCHS, som.predict, last, som.labels_)


def fit_minisom(X: NDArray[np.float32], height: int, width: int, sigma: float | None) -> Fit:
    """Fit MiniSom row by row, in random order."""
    from minisom import MiniSom

    passes = online_passes(len(X))
    updates = passes * len(X)
    initial = 1.0 if sigma is None else sigma / asymptotic_share(updates)
    som = MiniSom(height, width, X.shape[1], sigma=initial, random_seed=0)
    som.train(X, updates, random_order=True)
    codebook = som.get_weights().reshape(height * width, -1)
    return Fit(codebook, passes, lambda rows: [som.winner(row) for row in rows], initial * asymptotic_share(updates))


def fit_xpysom(X: NDArray[np.float32], height: int, width: int, sigma: float | None) -> Fit:
    """Fit XPySom (10 epochs), whose Gaussian has half its "sigma" as standard deviation."""
    with redirect_stdout(io.StringIO()):  # it prints that there is no CuPy
        from xpysom import XPySom

    initial = min(height, width) / 4
    end = 0.5 if sigma is None else exponential_end(initial, sigma, BATCH_EPOCHS)
    som = XPySom(height, width, X.shape[1], sigmaN=2 * end, random_seed=0)
    som.train(X, BATCH_EPOCHS)
    codebook = som.get_weights().reshape(height * width, -1)
    return Fit(codebook, BATCH_EPOCHS, som.winner, exponential_last(initial, end, BATCH_EPOCHS))


def fit_somoclu(X: NDArray[np.float32], height: int, width: int, sigma: float | None) -> Fit:
    """Fit somoclu at its defaults (10 epochs); best units are part of it. Its Gaussian is cut off at two sigma."""
    from somoclu import Somoclu

    last = 0.5 if sigma is None else sigma
    # its own random start is the same uniform one, but it cannot be seeded
    start = np.random.default_rng(0).random(height * width * X.shape[1], dtype=np.float32)
    som = Somoclu(width, height, initialcodebook=start)
    som.train(X, epochs=BATCH_EPOCHS, radiusN=2 * last)
    codebook = som.codebook.reshape(height * width, -1)

    def predict(rows: NDArray[np.float32]) -> list[Any]:
        return in_blocks(lambda block: som.get_bmus(som.get_surface_state(block)), rows)

    return Fit(codebook, BATCH_EPOCHS, predict, last, som.bmus)


def fit_torchsom(X: NDArray[np.float32], height: int, width: int, sigma: float | None) -> Fit:
    """Fit torchsom at its defaults (batches of 5 rows)."""
    import torch
    from torchsom import SOM

    passes = online_passes(len(X))
    initial = 1.0 if sigma is None else sigma / asymptotic_share(passes)
    som = SOM(height, width, X.shape[1], epochs=passes, sigma=initial, random_seed=0)
    som.fit(torch.from_numpy(X), verbose=False)
    codebook = som.weights.numpy().reshape(height * width, -1)

    def predict(rows: NDArray[np.float32]) -> list[Any]:
        return in_blocks(lambda block: som.identify_bmus(torch.from_numpy(block)), rows)

    return Fit(codebook, passes, predict, initial * asymptotic_share(passes))


def fit_kmeans(X: NDArray[np.float32], height: int, width: int, _: float | None) -> Fit:
    """Fit scikit-learn's KMeans with a cluster for each unit."""
    from sklearn.cluster import KMeans

    model = KMeans(height * width, random_state=0).fit(X)
    return Fit(model.cluster_centers_, model.n_iter_, model.predict, labels=model.labels_)


def fit_minibatch_kmeans(X: NDArray[np.float32], height: int, width: int, _: float | None) -> Fit:
    """Fit scikit-learn's MiniBatchKMeans with a cluster for each unit."""
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(height * width, random_state=0).fit(X)
    passes = model.n_steps_ * min(model.batch_size, len(X)) / len(X)
    return Fit(model.cluster_centers_, passes, model.predict, labels=model.labels_)


@dataclass(frozen=True)
class Contender:
    """A library, and how to fit with it.

    Parameters
    ----------
    name, distribution, module : str
        What tables, pip and Python call it; the module is its compiled core, where it has one.
    fit : callable
        Fits a map of ``(height, width)`` units and a last sigma (None: the library's default) to the rows.
    on_lattice : bool, default=True
        Whether its prototypes are units of a map.
    compared : bool, default=False
        Whether the claims compare it; it then has a front on every workload where that is affordable.
    """

    name: str
    distribution: str
    module: str
    fit: Callable[[NDArray[np.float32], int, int, float | None], Fit]
    on_lattice: bool = True
    compared: bool = False

    @property
    def is_built(self) -> bool:
        """Whether it can be imported here."""
        return find_spec(self.module) is not None

    def warm_up(self) -> None:
        """Fit and predict some rows, so that imports, thread pools and what is loaded at first use do not count."""
        rows = np.random.default_rng(0).random((512, 16), dtype=np.float32)
        self.fit(rows, 16, 16, None).predict(rows)


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("sktopo", "sktopo", "sktopo", fit_sktopo, compared=True),
        Contender("sktopo short", "sktopo", "sktopo", partial(fit_sktopo_for, SHORT), compared=True),
        Contender("sktopo long", "sktopo", "sktopo", partial(fit_sktopo_for, LONG), compared=True),
        Contender("fastersom", "fastersom", "fastersom", fit_fastersom, compared=True),
        Contender("MiniSom", "minisom", "minisom", fit_minisom),
        Contender("XPySom", "xpysom", "xpysom", fit_xpysom),
        Contender("somoclu", "somoclu", "_somoclu_wrap", fit_somoclu),
        Contender("torchsom", "torchsom", "torchsom", fit_torchsom),
        Contender("KMeans", "scikit-learn", "sklearn", fit_kmeans, on_lattice=False),
        Contender("MiniBatchKMeans", "scikit-learn", "sklearn", fit_minibatch_kmeans, on_lattice=False),
    )
}
