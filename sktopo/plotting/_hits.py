"""Picture of where the samples fall."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sktopo._namespaces import as_numpy
from sktopo._pipelines import unwrapped
from sktopo.plotting._cells import Cells
from sktopo.plotting._counts import class_counts
from sktopo.plotting._drawing import (
    GHOST_ALPHA,
    color_bar,
    figure_and_axes,
    frame,
    paint_colors,
    paint_values,
)
from sktopo.plotting._legend import draw_legend
from sktopo.plotting._palette import class_colors

# Radius of the fullest unit's pie, and of the emptiest one's that can still be seen, in lattice units.
LARGEST_PIE, SMALLEST_PIE = 0.46, 0.1
PIE_POINTS = 48


class HitHistogramDisplay:
    """How many samples fall on each unit; with classes, one pie a unit, whose area goes with their number.

    Pies below a twentieth of the fullest unit's count are drawn at that size, to stay visible.
    From the 23rd class on colors repeat. Use `from_estimator` to make one.

    Parameters
    ----------
    hits : array of shape (height, width)
        Weighted number of samples per unit.
    class_counts : array of shape (n_units, n_classes), optional
        The same by class.
    classes : array of shape (n_classes,), optional
        Names of the classes.
    lattice : {"rectangular", "hexagonal"}, default="rectangular"
        Arrangement of the units.
    periodic : bool, default=False
        Whether opposite edges are joined.
    weighted : bool, default=False
        Whether `hits` are sums of weights, of which the color bar tells.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the map.
    figure_ : matplotlib Figure
        Containing it.
    colorbar_ : matplotlib Colorbar or None
        Beside it, without classes.

    See Also
    --------
    LabelMapDisplay : Each unit's most frequent class.

    References
    ----------
    J. Vesanto, "SOM-based data visualization methods", Intelligent Data Analysis 3, 1999.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.plotting import HitHistogramDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> som = TopographicMap(6, 8).fit(X)
    >>> display = HitHistogramDisplay.from_estimator(som, X, y)
    >>> display.class_counts.sum(axis=0)
    array([50., 50., 50.])
    """

    def __init__(
        self,
        hits: NDArray[Any],
        *,
        class_counts: NDArray[Any] | None = None,
        classes: NDArray[Any] | None = None,
        lattice: str = "rectangular",
        periodic: bool = False,
        weighted: bool = False,
    ) -> None:
        self.hits = hits
        self.class_counts = class_counts
        self.classes = classes
        self.lattice = lattice
        self.periodic = periodic
        self.weighted = weighted

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        ax: Any = None,
        cmap: Any = "viridis",
        colorbar: bool = True,
        legend: bool = True,
    ) -> Self:
        """Draw the hits of samples on a fitted map.

        Parameters
        ----------
        estimator : TopographicMap, Pipeline or search
            A fitted map, or a fitted Pipeline or search that ends in one.
        X : array-like of shape (n_samples, n_features)
            Samples, as the estimator takes them.
        y : array-like of shape (n_samples,), optional
            Classes; with them every unit gets a pie.
        sample_weight : array-like of shape (n_samples,), optional
            Weights; None counts every sample once.
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        cmap : str, matplotlib Colormap or None, default="viridis"
            Colors (None: the default) from the least to the greatest number; units without samples stay gray. Without
            classes.
        colorbar : bool, default=True
            Whether a color bar is drawn. Without classes.
        legend : bool, default=True
            Whether a legend is drawn beside the map. With classes.

        Returns
        -------
        HitHistogramDisplay
            The display that has been drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If X, y or the weights are not usable; y holds classes, not measurements.
        """
        map, samples = unwrapped(estimator, X)
        options: dict[str, Any] = {"lattice": map.lattice, "periodic": map.periodic}
        options["weighted"] = sample_weight is not None
        if y is None:
            hits = as_numpy(map.hit_histogram(samples, sample_weight))
        else:
            counts, classes = class_counts(map, samples, y, sample_weight)
            hits = counts.sum(axis=1).reshape(map.height_, map.width_)
            options |= {"class_counts": counts, "classes": classes}
        display = cls(hits, **options)
        return display.plot(ax=ax, cmap=cmap, colorbar=colorbar, legend=legend)

    def plot(self, *, ax: Any = None, cmap: Any = "viridis", colorbar: bool = True, legend: bool = True) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        cmap : str, matplotlib Colormap or None, default="viridis"
            Colors (None: the default) from the least to the greatest number; units without samples stay gray. Without
            classes.
        colorbar : bool, default=True
            Whether a color bar is drawn. Without classes.
        legend : bool, default=True
            Whether a legend is drawn beside the map. With classes.

        Returns
        -------
        HitHistogramDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there are classes without their counts, or counts without classes.
        """
        self.figure_, self.ax_ = figure_and_axes(ax)
        cells = Cells.named(self.lattice, self.hits.shape, self.periodic)
        self.colorbar_ = None
        if (self.class_counts is None) != (self.classes is None):
            raise ValueError("class_counts and classes belong together: pass both, or neither.")
        if self.class_counts is not None and self.classes is not None:
            self._plot_pies(cells, self.class_counts, self.classes)
            if legend:
                draw_legend(self.ax_, cells, self.classes, own_figure=ax is None)
            return self
        painted = paint_values(self.ax_, cells, np.where(self.hits > 0, self.hits, np.nan), cmap)
        frame(self.ax_, cells, "Hits")
        if colorbar:
            what = "weight of the samples" if self.weighted else "samples"
            self.colorbar_ = color_bar(self.ax_, painted, cells, f"{what} per unit (none: gray)")
        return self

    def _plot_pies(self, cells: Cells, counts: NDArray[Any], classes: NDArray[Any]) -> None:
        from matplotlib.collections import PolyCollection

        paint_colors(self.ax_, cells, np.full((len(counts), 3), 0.96))
        colors, (ghosts, repeated) = np.array(class_colors(len(classes))), cells.ghosts()
        fullest = counts.sum(axis=1).max()
        pies = ((cells.centers, counts, 1.0), (ghosts.mean(axis=1), counts[repeated], GHOST_ALPHA))
        for centers, shown, alpha in pies:
            slices, owner = pie_slices(centers, shown, fullest)
            self.ax_.add_collection(PolyCollection(slices, facecolors=colors[owner], edgecolors="none", alpha=alpha))
        frame(self.ax_, cells, "Hits by class")


def pie_slices(
    centers: NDArray[Any], counts: NDArray[Any], fullest: float
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """The slices of the units' pies as polygons, and the class of each; areas go with the units' totals."""
    total = counts.sum(axis=1)
    radius = np.maximum(LARGEST_PIE * np.sqrt(total / max(fullest, 1e-300)), SMALLEST_PIE)
    ends = counts.cumsum(axis=1) / np.where(total > 0, total, 1)[:, None]
    units, owner = np.nonzero(counts)
    slices = []
    for unit, index in zip(units, owner, strict=True):
        start = ends[unit, index - 1] if index else 0.0
        turn = 2 * np.pi * np.linspace(start, ends[unit, index], PIE_POINTS)
        arc = radius[unit] * np.stack([np.sin(turn), -np.cos(turn)], axis=1)  # clockwise from the top
        whole = counts[unit, index] == total[unit]
        slices.append(centers[unit] + (arc if whole else np.concatenate([[[0.0, 0.0]], arc])))
    return slices, owner
