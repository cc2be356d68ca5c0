"""Displays to draw in tests, and what is on them."""

import numpy as np
from matplotlib.collections import PolyCollection

from sktopo.plotting import (
    ComponentPlanesDisplay,
    HitHistogramDisplay,
    LabelMapDisplay,
    TrainingCurveDisplay,
    UMatrixDisplay,
)
from sktopo.plotting._map_names import MapNames

LAYOUTS = [None, "tight", "constrained", "compressed"]
# Names of classes, long and short ones.
MIXED = ("Homo sapiens neanderthalensis", "virginica", "a very long class name", "setosa", "b", "versicolor", "x1")


def displays(estimator, X, y):
    """Every display of an estimator, as functions of an axes."""
    return {
        "u-matrix": lambda ax: UMatrixDisplay.from_estimator(estimator, ax=ax),
        "planes": lambda ax: ComponentPlanesDisplay.from_estimator(estimator, ax=ax),
        "hits": lambda ax: HitHistogramDisplay.from_estimator(estimator, X, ax=ax),
        "pies": lambda ax: HitHistogramDisplay.from_estimator(estimator, X, y, ax=ax),
        "labels": lambda ax: LabelMapDisplay.from_estimator(estimator, X, y, ax=ax),
        "curve": lambda ax: TrainingCurveDisplay.from_estimator(estimator, ax=ax),
    }


def cells_of(ax):
    """The cells of the units: the first collection."""
    return next(c for c in ax.collections if isinstance(c, PolyCollection))


def names_on(display):
    """The names that are written on a map, once it is drawn."""
    display.figure_.draw_without_rendering()
    return names_of(display)


def names_of(display):
    """The names that were written on a map when it was drawn last."""
    (names,) = (artist for artist in display.ax_.artists if isinstance(artist, MapNames))
    return names.texts


def place_of(text):
    """Where a name stands, in lattice units."""
    return text.axes.transData.inverted().transform(text.get_transform().transform(text.get_position()))


def area(polygon):
    x, y = polygon.T
    return 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))


def classes_of_regions(names, shape, rng):
    """Counts of classes (n_units, n_classes) on a map that they divide into regions, by the nearest of some seeds."""
    places = np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1).reshape(-1, 2)
    seeds = rng.random((len(names), 2)) * shape
    return np.eye(len(names))[np.linalg.norm(places[:, None] - seeds, axis=2).argmin(axis=1)]


def drawn_classes(kind, names, shape, rng, **where):
    counts, names = classes_of_regions(names, shape, rng), np.array(names)
    if kind is LabelMapDisplay:
        display = kind(counts, names, shape).plot(**where)
    else:
        display = kind(counts.sum(axis=1).reshape(shape), class_counts=counts, classes=names).plot(**where)
    return display
