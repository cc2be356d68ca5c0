"""The legend of the classes, beside the map: it fits the figure, and the map keeps most of the room.

A figure of our own grows with it. In axes that are given the text is set smaller, then in more columns, then cut off.
Where even that is too much, or would be a list that nobody reads, the last line tells how many classes are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sktopo.plotting._cells import Cells
from sktopo.plotting._names import (
    FEWEST_CHARACTERS,
    cut_to,
    in_lines,
    in_one_line,
    lines_within,
    shortened,
    text_points,
)
from sktopo.plotting._palette import class_colors

TITLE = "class"
# Sizes of the text, as shares of matplotlib's, from the most to the least wanted.
SIZES = (1.0, 0.85, 0.7, 0.6)
# Lengths in units of the text's size: a line, the gaps between rows, between columns and to the map, the patch and the
# gap behind it.
LINE, ROW_GAP, COLUMN_GAP, MAP_GAP, PATCH, PATCH_GAP = 1.2, 0.4, 1.2, 0.6, 1.4, 0.5
MOST_COLUMNS = 6
# Classes that a legend in a figure of our own names: with all of many it would grow by meters.
MOST_LISTED = 120
# Points that a figure of our own has for a legend without growing wider, and those above and below the legend.
FREE_WIDTH, OWN_MARGIN = 94.0, 30.0
# Points of ticks and label below the map, beside which the legend may hang.
BELOW_MAP = 24.0
# What a legend may take of axes that are given.
WIDTH_SHARE, HEIGHT_SHARE = 0.4, 0.95
# By how much more a layout engine widens axes than it heightens them.
ROOMIER = 1.2
# Label of the empty axes that keep room for it.
ROOM = "room for a legend"


@dataclass(frozen=True)
class Arrangement:
    """Labels in columns, in text of one size; lengths are points."""

    labels: Sequence[str]
    size: float
    columns: int
    n_omitted: int = 0  # classes without a label

    @property
    def lines(self) -> list[str]:
        """The labels, and the number of classes that have none."""
        return [*self.labels, f"{self.n_omitted} more"] if self.n_omitted else list(self.labels)

    @property
    def width(self) -> float:
        """Of all columns with the gap to the map."""
        widths = [max(text_points(line, self.size) for line in "\n".join(part).split("\n")) for part in self._parts()]
        return max(sum(widths) + _beside_text(self.columns, self.size), text_points(TITLE, self.size))

    @property
    def height(self) -> float:
        """Of the highest column with the title."""
        lines = [sum(LINE * (1 + label.count("\n")) + ROW_GAP for label in part) for part in self._parts()]
        return self.size * (LINE + max(lines))

    def fits(self, width: float, height: float) -> bool:
        """Whether there is room."""
        return self.height <= height and self.width <= width

    def _parts(self) -> list[list[str]]:
        """Lines of each column, as matplotlib deals them out."""
        return [part.tolist() for part in np.array_split(np.array(self.lines, dtype=object), self.columns)]


def draw_legend(ax: Any, cells: Cells, classes: NDArray[Any], *, own_figure: bool) -> None:
    """One patch a class, beside the map."""
    names = [in_one_line(name) for name in classes]
    if own_figure:
        chosen = _in_own_figure(names, ax.figure)
    else:
        width, height = _box_points(ax)
        chosen = _in_given_axes(names, WIDTH_SHARE * width, HEIGHT_SHARE * height)
        _make_room(ax, cells, chosen.width)
    width, height = _box_points(ax)
    map_height = min(height, (width - chosen.width) * cells.slope)
    hangs_from_top = chosen.height <= (height + map_height) / 2 + BELOW_MAP
    drawn = ax.legend(
        handles=_patches(chosen, class_colors(len(names)), ax.spines["left"].get_edgecolor()),
        title=TITLE,
        loc="upper left" if hangs_from_top else "center left",
        bbox_to_anchor=(1, 1) if hangs_from_top else (1, 0.5),
        frameon=False,
        borderpad=0,
        borderaxespad=MAP_GAP,
        ncols=chosen.columns,
        fontsize=chosen.size,
        title_fontsize=chosen.size,
        handlelength=PATCH,
        handletextpad=PATCH_GAP,
        columnspacing=COLUMN_GAP,
        labelspacing=ROW_GAP,
    )
    for text in drawn.get_texts():
        text.set_parse_math(False)
    drawn.set_in_layout(not _divided_from(ax))


def _patches(chosen: Arrangement, colors: Sequence[Any], edge: Any) -> list[Any]:
    """A patch a line; the edge shows a black one on a dark page."""
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=color, edgecolor=edge, linewidth=0.6, label=label)
        for color, label in zip(colors, chosen.lines, strict=False)
    ]
    if chosen.n_omitted:
        patches[-1].set(facecolor="none", edgecolor="none")
    return patches


def _in_own_figure(names: Sequence[str], figure: Any) -> Arrangement:
    """The arrangement in a figure that holds nothing else, which grows as needed."""
    width, height = figure.get_size_inches() * 72
    labels, n_omitted = [in_lines(name) for name in names[:MOST_LISTED]], max(0, len(names) - MOST_LISTED)
    normal, smaller, *_ = _sizes()
    ways = [(normal, 1)] + [(smaller, columns) for columns in range(1, min(MOST_COLUMNS, len(names)) + 1)]
    arranged = [Arrangement(labels, size, columns, n_omitted) for size, columns in ways]
    chosen = next((way for way in arranged if way.height <= height - OWN_MARGIN), arranged[-1])
    figure.set_size_inches(
        (width + max(0.0, chosen.width - FREE_WIDTH)) / 72, max(height, chosen.height + OWN_MARGIN) / 72
    )
    return chosen


def _in_given_axes(names: Sequence[str], width: float, height: float) -> Arrangement:
    """The first of the arrangements that fit into so many points, or as much as there is room for."""
    fitting = (way for way in _arrangements(names, width, height) if way.fits(width, height))
    return next(fitting, None) or _fewer(names, width, height)


def _arrangements(names: Sequence[str], width: float, height: float) -> Iterator[Arrangement]:
    """Names as they are, in lines (class_0 is rather set a little smaller than broken), and cut off."""
    normal, smaller, *_, smallest = sizes = _sizes()
    yield from (Arrangement(names, size, 1) for size in (normal, smaller))
    for size in sizes:
        for columns in _columns(names, height, size):
            room = _line_points(width, size, columns)
            yield Arrangement([lines_within(name, room, size) for name in names], size, columns)
    for columns in _columns(names, height, smallest):
        room = _line_points(width, smallest, columns)
        yield Arrangement(_cut_labels(names, room, smallest), smallest, columns)


def _fewer(names: Sequence[str], width: float, height: float) -> Arrangement:
    """As many of the names as there is room for, cut off, and the number of those that are left out."""
    size = _sizes()[-1]
    n_shown = max(1, _rows(height, size) - 1)
    shown = _cut_labels(names[:n_shown], _line_points(width, size, 1), size)
    return Arrangement(shown, size, 1, len(names) - n_shown)


def _cut_labels(names: Sequence[str], room: float, size: float) -> list[str]:
    return [
        cut_to(name, room, size, names) or cut_to(name, room, size) or shortened(name, FEWEST_CHARACTERS)
        for name in names
    ]


def _sizes() -> list[float]:
    """Sizes of text in points, the largest first."""
    from matplotlib import rcParams

    return [share * rcParams["font.size"] for share in SIZES]


def _columns(names: Sequence[str], height: float, size: float) -> range:
    """Numbers of columns in which labels of a line each are low enough."""
    return range(-(-len(names) // max(1, _rows(height, size))), min(MOST_COLUMNS, len(names)) + 1)


def _rows(height: float, size: float) -> int:
    """Lines for which there is room below the title."""
    return int((height / size - LINE) / (LINE + ROW_GAP))


def _line_points(width: float, size: float, columns: int) -> float:
    """What is left for the text in each column."""
    return (width - _beside_text(columns, size)) / columns


def _beside_text(columns: int, size: float) -> float:
    """Patches and gaps of all columns, in points."""
    return size * (columns * (PATCH + PATCH_GAP) + (columns - 1) * COLUMN_GAP + MAP_GAP)


def _box_points(ax: Any) -> tuple[float, float]:
    """Sides of the room that a grid has for axes and their legend, before anything is laid out, in points."""
    from matplotlib.transforms import Bbox

    places = [part.get_subplotspec() for part in (ax, *_divided_from(ax))]
    boxes = [place.get_position(ax.figure) for place in places if place is not None]
    box = Bbox.union(boxes or [ax.get_position(original=True)])
    whole, scale = ax.figure.bbox, 72 / ax.figure.dpi
    return box.width * whole.width * scale, box.height * whole.height * scale


def _make_room(ax: Any, cells: Cells, needed: float) -> None:
    """Divide axes where the figure's layout engine, if any, does not find room beside a map of fixed proportions."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure, place, (width, height) = ax.figure, ax.get_subplotspec(), _box_points(ax)
    constrained = isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine)
    # that one does, and makes maps side by side equal, unless their height leaves room at their sides
    if place is None or _divided_from(ax) or (constrained and ROOMIER * width - needed < height / cells.slope):
        return
    share = needed / width
    parts = place.subgridspec(1, 2, width_ratios=[1 - share, share], wspace=0)
    ax.set_subplotspec(parts[0, 0])
    current = figure.gca()
    figure.add_subplot(parts[0, 1], label=ROOM).set_axis_off()
    figure.sca(current)


def _divided_from(ax: Any) -> list[Any]:
    """The axes that keep room for a legend beside axes that were divided before."""
    place = ax.get_subplotspec()
    rooms = [other for other in ax.figure.axes if other.get_label() == ROOM]
    return [room for room in rooms if place and room.get_subplotspec().get_gridspec() is place.get_gridspec()]
