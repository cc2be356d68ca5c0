"""Picture of the classes over the map."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from sktopo._assignment import expected_coordinates
from sktopo._pipelines import unwrapped
from sktopo.lattices import Lattice
from sktopo.plotting._cells import Cells
from sktopo.plotting._counts import class_counts, majority
from sktopo.plotting._drawing import figure_and_axes, frame, paint_colors
from sktopo.plotting._legend import draw_legend
from sktopo.plotting._names import in_one_line
from sktopo.plotting._palette import EMPTY, as_rgb, class_colors, is_dark


class LabelMapDisplay:
    """Each unit in the color of its most frequent class, with its name; units without samples are gray.

    Where cells are too small for names, each larger region of one class is named once, if there is room. From the 23rd
    class on colors repeat. Use `from_estimator` to make one.

    Parameters
    ----------
    class_counts : array of shape (n_units, n_classes)
        Weighted number of samples of each class on each unit.
    classes : array of shape (n_classes,)
        Names of the classes.
    shape : tuple of (int, int)
        Height and width of the map.
    lattice : {"rectangular", "hexagonal"}, default="rectangular"
        Arrangement of the units.
    periodic : bool, default=False
        Whether opposite edges are joined.

    Attributes
    ----------
    labels_ : ndarray of shape (n_units,)
        Position in `classes` of each unit's most frequent class (ties to the first), -1 without samples.
    ax_ : matplotlib Axes
        With the map.
    figure_ : matplotlib Figure
        Containing it.

    See Also
    --------
    HitHistogramDisplay : With classes, the shares of all of them.

    References
    ----------
    T. Kohonen, "Self-Organizing Maps", 3rd ed., Springer, 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.plotting import LabelMapDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = LabelMapDisplay.from_estimator(TopographicMap(6, 8).fit(X), X, y)
    >>> display.labels_.shape
    (48,)
    """

    def __init__(
        self,
        class_counts: NDArray[Any],
        classes: NDArray[Any],
        shape: tuple[int, int],
        *,
        lattice: str = "rectangular",
        periodic: bool = False,
    ) -> None:
        self.class_counts = class_counts
        self.classes = classes
        self.shape = shape
        self.lattice = lattice
        self.periodic = periodic

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        ax: Any = None,
        legend: bool = True,
    ) -> Self:
        """Draw the classes of samples on a fitted map.

        Parameters
        ----------
        estimator : TopographicMap, Pipeline or search
            A fitted map, or a fitted Pipeline or search that ends in one.
        X : array-like of shape (n_samples, n_features)
            Samples, as the estimator takes them.
        y : array-like of shape (n_samples,)
            Classes.
        sample_weight : array-like of shape (n_samples,), optional
            Weights; None counts every sample once.
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        legend : bool, default=True
            Whether a legend is drawn beside the map.

        Returns
        -------
        LabelMapDisplay
            The display that has been drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If X, y or the weights are not usable; y holds classes, not measurements.
        """
        map, samples = unwrapped(estimator, X)
        counts, classes = class_counts(map, samples, y, sample_weight)
        shape = (map.height_, map.width_)
        display = cls(counts, classes, shape, lattice=map.lattice, periodic=map.periodic)
        return display.plot(ax=ax, legend=legend)

    def plot(self, *, ax: Any = None, legend: bool = True) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        legend : bool, default=True
            Whether a legend is drawn beside the map.

        Returns
        -------
        LabelMapDisplay
            The display itself.
        """
        self.figure_, self.ax_ = figure_and_axes(ax)
        self.labels_ = majority(self.class_counts)
        cells = Cells.named(self.lattice, self.shape, self.periodic)
        colors = class_colors(len(self.classes))
        paint_colors(self.ax_, cells, np.array([*colors, as_rgb(EMPTY)])[self.labels_])
        frame(self.ax_, cells, "Most frequent class")
        if legend:
            draw_legend(self.ax_, cells, self.classes, own_figure=ax is None)
        self._write_names(cells, colors)
        return self

    def _write_names(self, cells: Cells, colors: list[Any]) -> None:
        from sktopo.plotting._map_names import MapNames

        bearers = np.flatnonzero(self.labels_ >= 0).tolist()
        names, regions = [in_one_line(name) for name in self.classes], named_units(self.labels_, cells.lattice)
        units = {unit: (names[self.labels_[unit]], is_dark(colors[self.labels_[unit]])) for unit in bearers}
        self.ax_.add_artist(MapNames(self.ax_, cells, units, regions))


def named_units(labels: NDArray[np.int64], lattice: Lattice) -> list[tuple[int, int]]:
    """The middle unit of each region of one label, and the region's number of units; the largest region comes first.

    Units without samples, of which a large map has many, belong to the region that is nearest.
    """
    known = np.flatnonzero(labels >= 0)
    if not len(known):
        return []
    centers = Cells(lattice).centers
    nearest = cKDTree(centers[known]).query(centers)[1]
    # where several are as near, units of one region may not hang together, and a part of it has no samples
    regions = [region for region in _regions(labels[known[nearest]], lattice) if (labels[region] >= 0).any()]
    return [(_innermost(region, labels, lattice), len(region)) for region in sorted(regions, key=len, reverse=True)]


def _regions(labels: NDArray[np.int64], lattice: Lattice) -> list[NDArray[np.int64]]:
    """Units of one label that hang together."""
    first, second = lattice.edges().int().numpy().T  # SciPy 1.11 takes no longer integers
    same = labels[first] == labels[second]
    joined = coo_array((np.ones(same.sum()), (first[same], second[same])), shape=(len(labels),) * 2)
    n, region = connected_components(joined, directed=False)
    return [np.flatnonzero(region == i) for i in range(n)]


def _innermost(region: NDArray[np.int64], labels: NDArray[np.int64], lattice: Lattice) -> int:
    """The unit with samples that is nearest to the middle of a region, which may cross the edges of a torus."""
    coordinates = lattice.coordinates()
    alike = coordinates.new_full((1, len(region)), 1 / len(region))
    middle = expected_coordinates(alike, lattice, coordinates[region])
    bearers = region[labels[region] >= 0]
    return int(bearers[lattice.sqdist(coordinates[bearers], middle).argmin()])
