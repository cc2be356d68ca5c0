"""Drawing on matplotlib's axes: cells, borders, colors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sktopo.plotting._cells import Cells
from sktopo.plotting._names import text_points
from sktopo.plotting._palette import EMPTY

SMALLEST_TITLE = 7.0
GHOST_ALPHA = 0.35
DEFAULT_COLORS = "viridis"
MOST_TICKS = 8
# Of maps whose height is less than this share of their width the color bar is below.
FLAT = 0.4
# Height of that color bar in points, and the lines of text between it and the map.
BAR_POINTS, LINES_BELOW = 10.0, 3.5
# Values that differ by so many units in the last place are equal.
ROUNDING = 8


def pyplot() -> Any:
    """matplotlib.pyplot, or an error that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "sktopo.plotting draws with matplotlib, which is not installed; run: pip install 'sktopo[plot]'."
        ) from error
    return plt


def figure_and_axes(ax: Any) -> tuple[Any, Any]:
    """The figure and the axes to draw on: new ones if none are given."""
    if ax is None:
        figure, ax = pyplot().subplots(layout="compressed")  # cells keep their shape
        return figure, ax
    if not hasattr(ax, "add_collection"):
        raise TypeError(f"ax must be matplotlib Axes, such as one of those of plt.subplots(); got {type(ax).__name__}.")
    return ax.figure, ax


def paint_values(ax: Any, cells: Cells, values: NDArray[Any], cmap: Any) -> Any:
    """Color the cells by a number each (nan stays pale); returns the collection, for a color bar."""
    from matplotlib import colormaps
    from matplotlib.collections import PolyCollection

    masked = np.ma.masked_invalid(_leveled(np.asarray(values)).astype(float).ravel())
    colors = colormaps.get_cmap(DEFAULT_COLORS if cmap is None else cmap).with_extremes(bad=EMPTY)
    # sides in the cell's own color close the hairlines between antialiased cells
    painted = PolyCollection(list(cells.polygons), array=masked, cmap=colors, edgecolors="face", linewidths=0.4)
    ax.add_collection(painted)
    polygons, units = cells.ghosts()
    if len(units):
        ghost = PolyCollection(
            list(polygons), array=masked[units], cmap=colors, norm=painted.norm, edgecolors="none", alpha=GHOST_ALPHA
        )
        ax.add_collection(ghost)
    return painted


def _leveled(values: NDArray[Any]) -> NDArray[Any]:
    """Equal values where they differ by rounding only, of which there should be no picture."""
    known = values[np.isfinite(values)]
    if values.dtype.kind != "f" or not known.size:
        return values
    least, greatest = known.min(), known.max()
    alike = greatest - least <= ROUNDING * np.finfo(values.dtype).eps * max(abs(least), abs(greatest))
    return np.where(np.isfinite(values), least, values) if alike else values


def paint_colors(ax: Any, cells: Cells, colors: NDArray[Any]) -> Any:
    """Color the cells by a color each (n_units, 3)."""
    from matplotlib.collections import PolyCollection

    painted = PolyCollection(list(cells.polygons), facecolors=colors, edgecolors="face", linewidths=0.4)
    ax.add_collection(painted)
    polygons, units = cells.ghosts()
    if len(units):
        ax.add_collection(
            PolyCollection(list(polygons), facecolors=colors[units], edgecolors="none", alpha=GHOST_ALPHA)
        )
    return painted


def frame(ax: Any, cells: Cells, title: str, *, ticks: bool = True) -> None:
    """Draw the border (dashed where the map goes on at the opposite edge), fix the view, and name the axes."""
    from matplotlib.collections import LineCollection

    style = ("dashed", 1.2) if cells.lattice.periodic else ("solid", 0.8)
    color = ax.spines["left"].get_edgecolor()  # white on a dark page
    ax.add_collection(LineCollection(list(cells.border()), colors=[color], linestyles=style[0], linewidths=style[1]))
    low, high = cells.limits()
    # row 0 at the top
    ax.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal")
    _set_title(ax, title)
    ax.spines[:].set_visible(False)
    if not ticks:
        ax.set(xticks=[], yticks=[])
        return
    sides = (cells.lattice.width, cells.lattice.height)
    columns, rows = (np.arange(0, side, -(-max(sides) // MOST_TICKS)) for side in sides)
    ax.set_xticks(columns)
    ax.set_yticks(rows * cells.lattice.row_spacing, labels=[str(row) for row in rows])
    ax.set(xlabel="column" + (" (joined at the edges)" if cells.lattice.periodic else ""), ylabel="row")
    ax.tick_params(length=0)


def _set_title(ax: Any, title: str) -> None:
    """A title that is as wide as the axes at the most."""
    ax.set_title(title, parse_math=False)  # a feature may be called "cost ($)"
    size, room = ax.title.get_fontsize(), ax.get_window_extent().width * 72 / ax.figure.dpi
    width = max(1.0, *(text_points(line, size) for line in title.split("\n")))  # a title may be empty
    ax.title.set_fontsize(max(min(size, size * room / width), min(size, SMALLEST_TITLE)))


def cell_points(ax: Any, cells: Cells) -> float:
    """Width of a cell on paper, in points."""
    low, high = cells.limits()
    box = ax.get_window_extent()
    return float(min(box.width / (high[0] - low[0]), box.height / (high[1] - low[1])) * 72 / ax.figure.dpi)


def color_bar(ax: Any, painted: Any, cells: Cells, label: str = "") -> Any:
    """A color bar as high as the map, or below a flat one and as wide."""
    if cells.slope < FLAT:
        room, orientation = _strip_below(ax), "horizontal"
    else:
        stretch = max(1.0, cells.slope / 2)  # of a narrow map the width says little
        room, orientation = ax.inset_axes([1 + 0.03 * stretch, 0, 0.045 * stretch, 1]), "vertical"
    bar = ax.figure.colorbar(painted, cax=room, label=label, orientation=orientation)
    _set_ticks(bar, painted.get_array().compressed())
    return bar


def _strip_below(ax: Any) -> Any:
    """Axes as wide as others, so many points high, below their ticks and label."""
    from matplotlib import rcParams
    from matplotlib.transforms import Affine2D, ScaledTranslation, blended_transform_factory

    gap = LINES_BELOW * rcParams["font.size"] if ax.get_xlabel() else BAR_POINTS / 2
    points = Affine2D().scale(1 / 72) + ax.figure.dpi_scale_trans + ScaledTranslation(0, 0, ax.transAxes)
    place = blended_transform_factory(ax.transAxes, points)
    return ax.inset_axes([0, -gap - BAR_POINTS, 1, BAR_POINTS], transform=place)


def _set_ticks(bar: Any, values: NDArray[Any]) -> None:
    """Whole numbers where all values are whole, and where all are equal that value."""
    from matplotlib.ticker import MaxNLocator

    distinct = np.unique(values)
    whole = bool((distinct == distinct.round()).all())
    if len(distinct) <= 1:
        bar.set_ticks(distinct, labels=[f"{value:.0f}" if whole else f"{value:.4g}" for value in distinct])
    elif bar.orientation == "horizontal":
        bar.locator = MaxNLocator(nbins=4, integer=whole)
    elif whole:
        bar.locator = MaxNLocator(integer=True)
