"""Each library, called the way its own documentation does, with rows in the container that it documents.

A function gets the rows as a user holds them, fits a map of ``(height, width)`` units and says at which units
(row-major) the asked rows are. Seeds and numbers of passes aside, everything is at its default.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UPDATES = 1000  # of MiniSom, as many as SuSi makes by default
EPOCHS = 10


class Task(NamedTuple):
    """What a library is to do.

    Parameters
    ----------
    rows : object
        What the map learns.
    asked : object
        The rows to find the units of: `rows` themselves, or new ones.
    height, width : int
        The map.
    normalize : bool
        Whether only directions count.
    sample_weight : object, optional
        Weights of the rows.
    """

    rows: Any
    asked: Any
    height: int
    width: int
    normalize: bool = False
    sample_weight: Any = None


class Answer(NamedTuple):
    """A codebook ``(n_units, n_features)`` and the units of the asked rows."""

    codebook: NDArray[Any]
    labels: NDArray[Any]


def with_sktopo(task: Task) -> Answer:
    """sktopo takes rows as they are."""
    from sktopo import TopographicMap

    som = TopographicMap(task.height, task.width, normalize=task.normalize, random_state=0)
    som.fit(task.rows, sample_weight=task.sample_weight)
    return Answer(som.codebook_, som.predict(task.asked))


def with_minisom(task: Task) -> Answer:
    """MiniSom takes a NumPy matrix or a list of lists, and must be told its width."""
    from minisom import MiniSom

    rows, asked = values_of(task.rows), values_of(task.asked)
    metric = "cosine" if task.normalize else "euclidean"
    som = MiniSom(task.height, task.width, width_of(rows), activation_distance=metric, random_seed=0)
    som.train(rows, UPDATES, random_order=True)
    labels = [row * task.width + column for row, column in map(som.winner, asked)]
    return Answer(som.get_weights().reshape(task.height * task.width, -1), np.array(labels))


def with_susi(task: Task) -> Answer:
    """SuSi takes what scikit-learn takes."""
    from susi import SOMClustering

    metric = "spectralangle" if task.normalize else "euclidean"
    som = SOMClustering(task.height, task.width, distance_metric=metric, random_state=0).fit(task.rows)
    places = np.array(som.transform(task.asked)).reshape(-1, 2)
    return Answer(som.unsuper_som_.reshape(task.height * task.width, -1), places @ np.array([task.width, 1]))


def with_torchsom(task: Task) -> Answer:
    """torchsom takes a tensor of its own type, float32 by default; its users must convert."""
    from torchsom import SOM

    rows, asked = as_floats(task.rows), as_floats(task.asked)
    metric = "cosine" if task.normalize else "euclidean"
    som = SOM(task.height, task.width, width_of(rows), epochs=EPOCHS, distance_function=metric, random_seed=0)
    som.initialize_weights(data=rows)
    som.fit(data=rows, verbose=False)
    places = som.identify_bmus(asked).numpy().reshape(-1, 2)
    return Answer(som.weights.numpy().reshape(task.height * task.width, -1), places @ np.array([task.width, 1]))


def with_fastersom(task: Task) -> Answer:
    """fastersom takes array-likes."""
    from fastersom import SOM

    metric = "cosine" if task.normalize else "euclidean"
    som = SOM(task.height, task.width, EPOCHS, metric=metric, random_state=0).fit(task.rows)
    return Answer(som.weights_, som.predict(task.asked))


def values_of(rows: Any) -> Any:
    """The array in a data frame, and anything else as it is."""
    return rows.to_numpy() if hasattr(rows, "to_numpy") else rows


def as_floats(rows: Any) -> Any:
    """Rows as a float32 tensor; what is not real stays what it is."""
    import torch

    tensor = torch.as_tensor(values_of(rows))
    return tensor if tensor.is_complex() else tensor.float()


def width_of(rows: Any) -> int:
    """Number of features that a user would name, or 3 where nobody can tell: the library shall complain, not we."""
    if isinstance(rows, list):
        return len(rows[0])
    shape = getattr(rows, "shape", ())
    return shape[1] if len(shape) > 1 else 3


class Library(NamedTuple):
    """A library.

    Parameters
    ----------
    name, distribution, module : str
        What the table, pip and Python call it.
    answer : callable
        Does a task with it.
    takes_weights, takes_frames : bool
        Whether it has sample weights, and whether the names of columns can reach it.
    """

    name: str
    distribution: str
    module: str
    answer: Callable[[Task], Answer]
    takes_weights: bool = False
    takes_frames: bool = False


LIBRARIES = {
    library.name: library
    for library in (
        Library("sktopo", "sktopo", "sktopo", with_sktopo, takes_weights=True, takes_frames=True),
        Library("MiniSom", "minisom", "minisom", with_minisom),
        Library("SuSi", "susi", "susi", with_susi, takes_frames=True),
        Library("torchsom", "torchsom", "torchsom", with_torchsom),
        Library("fastersom", "fastersom", "fastersom", with_fastersom, takes_frames=True),
    )
}
