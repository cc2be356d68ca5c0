"""What is mapped: deterministic float32 data of the sizes and shapes that maps are used on.

A workload generates its own rows, so nothing is downloaded, and the same rows every time. A smaller number of rows asks
for the same kind of data in seconds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS = 100_000


def digits(rows: int, features: int) -> NDArray[np.float32]:
    """Return the first of scikit-learn's 1797 handwritten digits of 8 x 8 pixels, scaled to [0, 1]."""
    from sklearn.datasets import load_digits

    return (load_digits().data[:rows, :features] / 16).astype(np.float32)


def mixture(rows: int, features: int, n_components: int = 60) -> NDArray[np.float32]:
    """Draw from a mixture of spherical Gaussians whose centers spread twice as far as their rows."""
    rng = np.random.default_rng(1)
    centers = 2 * rng.standard_normal((n_components, features), dtype=np.float32)
    return centers[rng.integers(n_components, size=rows)] + rng.standard_normal((rows, features), dtype=np.float32)


def manifold_blocks(rows: int, features: int, noise: float = 0.05) -> Iterator[NDArray[np.float32]]:
    """Draw a cube of three latent dimensions, embedded by smooth waves with a little noise, block by block."""
    rng = np.random.default_rng(2)
    n_waves = 24
    frequency, phase = 3 * rng.standard_normal((3, n_waves)), rng.uniform(0, 2 * np.pi, n_waves)
    mixing = rng.standard_normal((n_waves, features)) / np.sqrt(n_waves)
    for start in range(0, rows, BLOCK_ROWS):
        latent = rng.random((min(BLOCK_ROWS, rows - start), 3))
        embedded = np.sin(latent @ frequency + phase) @ mixing
        yield (embedded + noise * rng.standard_normal(embedded.shape)).astype(np.float32)


def manifold(rows: int, features: int) -> NDArray[np.float32]:
    """Draw a curved three-dimensional manifold, in one piece."""
    return np.concatenate(list(manifold_blocks(rows, features)))


def images(rows: int, features: int, noise: float = 0.05) -> NDArray[np.float32]:
    """Enlarge digits to squares of 28 x 28 pixels, each shifted at random by up to two pixels, with noise."""
    from scipy.ndimage import zoom

    rng = np.random.default_rng(3)
    side = int(np.sqrt(features))
    small = digits(1797, 64).reshape(-1, 8, 8)
    large = zoom(small, (1, 3, 3), order=1)  # (1797, 24, 24)
    result = noise * rng.standard_normal((rows, side, side), dtype=np.float32)
    choice, corners = rng.integers(len(large), size=rows), rng.integers(0, side - 23, size=(rows, 2))
    for image, index, (top, left) in zip(result, choice, corners, strict=True):
        image[top : top + 24, left : left + 24] += large[index]
    return result.reshape(rows, features)


@dataclass(frozen=True)
class Workload:
    """Rows to map and the sides of the map.

    Parameters
    ----------
    name, title : str
        What the command line and the tables call it.
    generate : callable
        Makes the samples from the numbers of rows and features.
    rows, features, height, width : int
        Sizes of the data and of the map.
    more_sigmas : tuple of float
        Last sigmas for its fronts beside those of all workloads, where a library's default lies outside them or the
        fronts cross.
    """

    name: str
    title: str
    generate: Callable[[int, int], NDArray[np.float32]]
    rows: int
    features: int
    height: int
    width: int
    more_sigmas: tuple[float, ...] = ()

    @property
    def n_units(self) -> int:
        """Units of the map."""
        return self.height * self.width

    def samples(self) -> NDArray[np.float32]:
        """Make the samples, ``(rows, features)``."""
        return self.generate(self.rows, self.features)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("digits", "handwritten digits", digits, 1797, 64, 10, 10, more_sigmas=(0.3, 0.35, 0.4)),
        Workload("mixture", "mixture of 60 Gaussians", mixture, 100_000, 32, 30, 20, more_sigmas=(0.67, 0.68)),
        Workload("manifold", "curved 3-d manifold", manifold, 1_000_000, 16, 20, 20),
        Workload("images", "shifted, noisy images", images, 20_000, 784, 20, 20),
        Workload("wide-manifold", "curved 3-d manifold", manifold, 90_000, 100, 30, 30),
        Workload("large-map", "mixture of 60 Gaussians", mixture, 60_000, 64, 100, 100, more_sigmas=(1.7, 2.3, 3.0)),
    )
}
