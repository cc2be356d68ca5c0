"""Names on a map, sized and placed when it is drawn: before, nobody knows how large its cells will be on paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from numpy.typing import NDArray

from sktopo.plotting._cells import Cells
from sktopo.plotting._drawing import cell_points
from sktopo.plotting._names import cut_to, text_points

# Names are not set smaller, nor larger.
SMALLEST_FONT, LARGEST_FONT = 6.5, 12.0
# What a name may take of its cell's width, and its height.
WIDTH_SHARE, HEIGHT_SHARE = 0.84, 0.7
# Where names do not fit into cells, a map that is so many times as wide as the font is large has the largest font.
MAP_WIDTHS = 20.0
# Width of a region's square that is needed for a name, in units of the font's size, and how much wider a name may be.
REGION_WIDTH, OVERHANG = 2.8, 1.3
# Points between names, and between a name and the map's edge, which the halo takes.
GAP = 3.0


@dataclass(frozen=True)
class Name:
    """A name on paper; the center is in points from the lower left corner of the axes."""

    text: str
    center: NDArray[np.float64]
    width: float
    height: float

    def is_apart_from(self, other: "Name") -> bool:
        """Whether two names leave each other room."""
        across, up = np.abs(self.center - other.center)
        return bool(across > (self.width + other.width) / 2 + GAP or up > (self.height + other.height) / 2)


class MapNames(Artist):
    """Names in all cells if they are large enough, else one a region where there is room.

    Parameters
    ----------
    ax : matplotlib Axes
        Where the map is.
    cells : Cells
        The cells of the map.
    units : mapping of int to tuple of (str, bool)
        Name of each unit that has one, and whether its color is dark.
    regions : sequence of tuple of (int, int)
        The unit that bears the name of each region, and the region's number of units, in order of importance.
    """

    def __init__(
        self, ax: Any, cells: Cells, units: Mapping[int, tuple[str, bool]], regions: Sequence[tuple[int, int]]
    ) -> None:
        super().__init__()
        self.set_in_layout(False)
        self.set_zorder(3)
        self.texts: list[Text] = []
        self._ax, self._cells, self._units, self._regions = ax, cells, units, regions

    def get_children(self) -> list[Artist]:
        """The texts that were drawn last."""
        return list(self.texts)

    def draw(self, renderer: Any) -> None:
        """Write the names at the present size of the map.

        Parameters
        ----------
        renderer : matplotlib renderer
            What draws.
        """
        if self.get_visible() and self._units:
            font = self._font_in_cells()
            self.texts = self._in_cells(font) if font >= SMALLEST_FONT else self._in_regions()
            for text in self.texts:
                text.draw(renderer)

    def _font_in_cells(self) -> float:
        """Size of text with which every name fits into its cell."""
        widest = max(text_points(name, 1.0) for name in {name for name, _ in self._units.values()})
        size = cell_points(self._ax, self._cells)
        return min(LARGEST_FONT, HEIGHT_SHARE * size, WIDTH_SHARE * size / max(widest, 1e-9))

    def _in_cells(self, font: float) -> list[Text]:
        places = self._cells.centers
        return [
            self._text(name, places[unit], self._ax.transData, font, color="white" if dark else "black")
            for unit, (name, dark) in self._units.items()
        ]

    def _in_regions(self) -> list[Text]:
        width, _ = self._sides()
        font = float(np.clip(width / MAP_WIDTHS, SMALLEST_FONT, LARGEST_FONT))
        halo = [withStroke(linewidth=2.5, foreground="white")]
        names, points = self._placed(font), self._points_to_pixels()
        return [self._text(name.text, name.center, points, font, color="black", path_effects=halo) for name in names]

    def _placed(self, font: float) -> list[Name]:
        """Names of regions, those of larger ones first, without those that would run over others."""
        size, sides = cell_points(self._ax, self._cells), np.array(self._sides())
        centers = self._points_to_pixels().inverted().transform(self._ax.transData.transform(self._cells.centers))
        all_names = sorted({name for name, _ in self._units.values()})
        placed: list[Name] = []
        for unit, n_units in self._regions:
            square = size * np.sqrt(n_units)
            if square < REGION_WIDTH * font:  # as are all that follow
                break
            text = cut_to(self._units[unit][0], min(OVERHANG * square, sides[0] - 2 * GAP), font, all_names)
            if not text:
                continue
            half = np.array([text_points(text, font), 1.2 * font]) / 2
            center = np.clip(centers[unit], half + GAP, np.maximum(sides - half - GAP, half + GAP))
            name = Name(text, center, *(2 * half))
            if all(name.is_apart_from(other) for other in placed):
                placed.append(name)
        return placed

    def _sides(self) -> tuple[float, float]:
        """Width and height of the map in points."""
        box, scale = self._ax.get_window_extent(), 72 / self._ax.figure.dpi
        return box.width * scale, box.height * scale

    def _points_to_pixels(self) -> Any:
        """From points from the lower left corner of the axes."""
        from matplotlib.transforms import Affine2D

        box = self._ax.get_window_extent()
        return Affine2D().scale(self._ax.figure.dpi / 72).translate(box.x0, box.y0)

    def _text(self, name: str, place: NDArray[Any], transform: Any, font: float, **style: Any) -> Text:
        x, y = place
        text = Text(x, y, name, ha="center", va="center", parse_math=False, fontsize=font, **style)
        text.set_transform(transform)
        text.set_figure(self._ax.figure)
        text.axes = self._ax
        return text
