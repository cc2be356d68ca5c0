"""Pictures of the features over the map."""

import math
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sktopo._namespaces import as_numpy
from sktopo._options import check_size
from sktopo._pipelines import last_step
from sktopo.plotting._cells import Cells
from sktopo.plotting._drawing import FLAT, color_bar, frame, paint_values, pyplot
from sktopo.plotting._names import feature_names_of, lines_within, most_varied, titles_within

# Sides of a square map's plane in a figure of our own, and the room beside it, above it and below it, in inches.
PLANE_INCHES, BESIDE_INCHES, ABOVE_INCHES, BELOW_INCHES, EDGE_INCHES = 1.9, 0.8, 0.45, 0.5, 0.1
# The width that a plane with its surroundings needs for its title.
TITLE_INCHES = 1.65
# Sizes of titles, from the most to the least wanted, and of what stands above all planes, in points.
TITLE_SIZES, HEADING_SIZE = (12.0, 10.0, 8.5, 7.0), 12.0
# Planes with fewer points for their title get small numbers at their color bars.
NARROW = 100.0
# Gaps between planes in axes that no layout arranges, as shares of a plane.
GAP_SHARE = 0.35
# What the numbers at the planes mean.
UNITS = "units that reach the map"
# A plane is at most so many times as high, or as wide, as that of a square map.
LARGEST_STRETCH = 2.4
# Names that an error lists.
MOST_NAMED = 5
# More planes take minutes to draw, and nobody looks at them.
MOST_PLANES = 64


class ComponentPlanesDisplay:
    """Component planes: each feature of the prototypes over the map, side by side.

    Features whose planes look alike go together in the data. Use `from_estimator` to make one.

    Parameters
    ----------
    component_planes : array of shape (n_planes, height, width)
        Some of the planes from `TopographicMap.component_planes`.
    feature_names : sequence of str of length n_planes
        Titles of the planes.
    lattice : {"rectangular", "hexagonal"}, default="rectangular"
        Arrangement of the units.
    periodic : bool, default=False
        Whether opposite edges are joined.
    n_omitted : int, default=0
        Number of features that vary less and are not among them; the title says so.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_planes,)
        One a plane.
    figure_ : matplotlib Figure
        Containing them.

    See Also
    --------
    UMatrixDisplay : Where the map is stretched.

    References
    ----------
    J. Vesanto, "SOM-based data visualization methods", Intelligent Data Analysis 3, 1999.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.plotting import ComponentPlanesDisplay
    >>> X, _ = load_iris(return_X_y=True, as_frame=True)
    >>> display = ComponentPlanesDisplay.from_estimator(TopographicMap(6, 8).fit(X), features=[0, "petal width (cm)"])
    >>> [ax.get_title() for ax in display.axes_]
    ['sepal length (cm)', 'petal width (cm)']
    """

    def __init__(
        self,
        component_planes: NDArray[Any],
        *,
        feature_names: Sequence[str],
        lattice: str = "rectangular",
        periodic: bool = False,
        n_omitted: int = 0,
    ) -> None:
        self.component_planes = component_planes
        self.feature_names = feature_names
        self.n_omitted = n_omitted
        self.lattice = lattice
        self.periodic = periodic

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        features: Sequence[int | str] | int | str | None = None,
        feature_names: Sequence[str] | None = None,
        ax: Any = None,
        cmap: Any = "viridis",
        n_columns: int | None = None,
    ) -> Self:
        """Draw planes of a fitted map.

        Parameters
        ----------
        estimator : TopographicMap, Pipeline or search
            A fitted map, or a fitted Pipeline or search that ends in one.
        features : int, str or sequence of them, optional
            Which features, by number or name; None draws all, or of more than 64 those that vary most over the map.
        feature_names : sequence of str, optional
            Names of all features that reach the map; None takes those that the map or the Pipeline knows.
        ax : matplotlib Axes or sequence of them, optional
            One to be divided, or one a plane; None makes a figure.
        cmap : str, matplotlib Colormap or None, default="viridis"
            Colors (None: the default) from the least to the greatest value of each plane.
        n_columns : int, optional
            Planes in a row; None makes the arrangement about square.

        Returns
        -------
        ComponentPlanesDisplay
            The display that has been drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If there is no such feature.
        """
        map = last_step(estimator)
        planes = as_numpy(map.component_planes())
        names = feature_names_of(estimator, len(planes), feature_names, "feature_names")
        if features is None:
            chosen = most_varied(planes.reshape(len(planes), -1).T, MOST_PLANES).tolist()
        else:
            one = isinstance(features, str) or not isinstance(features, Iterable)
            wanted: Any = [features] if one else features
            chosen = [_position(feature, names) for feature in wanted]
        display = cls(
            planes[chosen],
            feature_names=[names[i] for i in chosen],
            lattice=map.lattice,
            periodic=map.periodic,
            n_omitted=len(planes) - len(chosen) if features is None else 0,
        )
        return display.plot(ax=ax, cmap=cmap, n_columns=n_columns)

    def plot(self, *, ax: Any = None, cmap: Any = "viridis", n_columns: int | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, optional
            One to be divided, or one a plane; None makes a figure.
        cmap : str, matplotlib Colormap or None, default="viridis"
            Colors (None: the default) from the least to the greatest value of each plane.
        n_columns : int, optional
            Planes in a row; None makes the arrangement about square.

        Returns
        -------
        ComponentPlanesDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there are no planes, no columns, more planes than axes, or an axes that cannot be divided.
        """
        n = len(self.component_planes)
        if not n:
            raise ValueError("There are no planes to draw; name at least one of the features.")
        if n_columns is not None:
            check_size("n_columns", n_columns)
        cells = Cells.named(self.lattice, self.component_planes.shape[1:], self.periodic)
        columns = _columns(n, _plane_inches(cells)) if n_columns is None else n_columns
        omitted = f", without the {self.n_omitted} features that vary least" if self.n_omitted else ""
        divided = hasattr(ax, "get_subplotspec")
        if ax is None:
            self.figure_, axes, room = _new_figure(cells, n, columns, f"Component planes (in the {UNITS}){omitted}")
        elif divided:
            self.figure_, axes, room = _divided(ax, n, columns)
        else:
            self.figure_, axes, room = _given(ax, n)
        titles, size = titles_within(self.feature_names, room, TITLE_SIZES)
        for place, plane, title in zip(axes, self.component_planes, titles, strict=True):
            painted = paint_values(place, cells, plane, cmap)
            frame(place, cells, title, ticks=False)
            place.title.set_fontsize(size)
            bar = color_bar(place, painted, cells, "" if ax is None or divided else UNITS)
            if room < NARROW:
                bar.ax.tick_params(labelsize=TITLE_SIZES[-1])
        if divided:
            _write_below(axes[(n - 1) // columns * columns], cells, f"in the {UNITS}{omitted}", room * columns)
        self.axes_ = np.array(axes, dtype=object)
        return self


def _position(feature: int | str, names: Sequence[str]) -> int:
    """Number of a feature."""
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    if isinstance(feature, (int, np.integer)) and not isinstance(feature, bool) and -len(names) <= feature < len(names):
        return int(feature)
    inside = [name for name in names if isinstance(feature, str) and feature in name]  # such as number__age for age
    known = ", ".join(map(repr, (inside or get_close_matches(str(feature), names) or names)[:MOST_NAMED]))
    raise ValueError(f"features contains {feature!r}; use numbers below {len(names)}, or names, such as {known}.")


def _new_figure(cells: Cells, n: int, columns: int, heading: str) -> tuple[Any, list[Any], float]:
    """A figure with `n` axes of the map's proportions, and the points that each has for a title."""
    plt, rows, (width, height) = pyplot(), -(-n // columns), _plane_inches(cells)
    lines = lines_within(heading, columns * width * 72, HEADING_SIZE)
    size = (columns * width, rows * height + ABOVE_INCHES * (1 + lines.count("\n") / 2))
    figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for unused in grid.ravel()[n:]:
        unused.remove()
    figure.get_layout_engine().set(w_pad=EDGE_INCHES)  # color bars' numbers stick out a little farther than is measured
    figure.suptitle(lines, fontsize=HEADING_SIZE)
    beside = 0.0 if cells.slope < FLAT else BESIDE_INCHES / 2
    return figure, list(grid.ravel()[:n]), 72 * (width - beside)


def _plane_inches(cells: Cells) -> tuple[float, float]:
    """Width and height of a plane with the room around it, about as large for any map; a color bar may be below."""
    slope = cells.slope
    longer = PLANE_INCHES * min(math.sqrt(max(slope, 1 / slope)), LARGEST_STRETCH)
    width, height = (longer, longer * slope) if slope < 1 else (longer / slope, longer)
    beside, below = (0.0, BELOW_INCHES) if slope < FLAT else (BESIDE_INCHES, 0.0)
    return max(width + beside, TITLE_INCHES), height + ABOVE_INCHES + below


def _columns(n: int, plane: tuple[float, float]) -> int:
    """Planes in a row of a figure that is about square."""
    return min(n, math.ceil(math.sqrt(n * plane[1] / plane[0])))


def _divided(ax: Any, n: int, columns: int) -> tuple[Any, list[Any], float]:
    """The figure, `n` axes in the room of one, and the points that each has for a title."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    place, figure = ax.get_subplotspec(), ax.figure
    if place is None:
        raise ValueError(f"ax is no part of a grid of subplots; give one that is, to be divided, or {n} axes.")
    ax.set_axis_off()
    gap = None if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine) else GAP_SHARE
    parts = place.subgridspec(-(-n // columns), columns, hspace=gap, wspace=gap)
    axes = [figure.add_subplot(parts[i // columns, i % columns]) for i in range(n)]
    return figure, axes, ax.get_window_extent().width * 72 / figure.dpi / columns


def _write_below(place: Any, cells: Cells, text: str, room: float) -> None:
    """Lines of so many points below the first plane of the last row, and below its color bar if the map is flat."""
    pad = 72 * BELOW_INCHES if cells.slope < FLAT else None
    place.set_xlabel(lines_within(text, room, TITLE_SIZES[2]), loc="left", fontsize=TITLE_SIZES[2], labelpad=pad)


def _given(axes: Any, n: int) -> tuple[Any, list[Any], float]:
    """The figure, the first `n` of the axes, and the points that each has for a title."""
    given = list(np.asarray(axes, dtype=object).ravel())
    if len(given) < n:
        raise ValueError(f"ax holds {len(given)} axes for {n} planes; give one to divide, or {n}.")
    figure = given[0].figure
    return figure, given[:n], min(ax.get_window_extent().width for ax in given[:n]) * 72 / figure.dpi
