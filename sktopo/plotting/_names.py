"""Features and classes that a picture has room for, and their names."""

import textwrap
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sktopo._pipelines import names_at_the_map

# Longer names in legends are broken into lines.
LINE_WIDTH = 24
# Titles have no more lines.
MOST_LINES = 3
# Names that are cut shorter say nothing.
FEWEST_CHARACTERS = 4
# Mean width of the letters of narrow words, in units of the text's size.
NARROWEST = 0.25


def as_text(value: Any) -> str:
    """What a reader sees of a value: of NumPy's dates no more than there is to say."""
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value, unit="auto")).replace("T", " ")
    return str(value)


def in_one_line(name: Any) -> str:
    """A name without breaks and tabs, for which fonts have no letters."""
    return " ".join(as_text(name).split())


def in_lines(name: str) -> str:
    """A name in lines that are short enough for a legend, broken at spaces and underscores."""
    return "\n".join(textwrap.wrap(name.replace("_", "_ "), LINE_WIDTH)).replace("_ ", "_")


def text_points(text: str, size: float) -> float:
    """Width of a line of text on paper, in points."""
    from matplotlib.font_manager import FontProperties

    return _width_per_size(text, FontProperties(size=1.0)) * size


@lru_cache(maxsize=4096)
def _width_per_size(text: str, font: Any) -> float:
    from matplotlib.textpath import text_to_path

    width: float = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    return width


def lines_within(name: str, room: float, size: float) -> str:
    """A name in lines of at most so many points, if no word is longer; broken at spaces and underscores."""
    lines: list[str] = []
    for word in name.replace("_", "_ ").split():
        longer = f"{lines[-1]} {word}".replace("_ ", "_") if lines else word
        if lines and text_points(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def cut_to(name: str, room: float, size: float, names: Sequence[str] = ()) -> str:
    """A name cut off to so many points; nothing if that is too few to tell names apart."""
    if text_points(name, size) <= room:
        return name
    most = int(room / (NARROWEST * size)) + 1
    for characters in range(min(len(name), most), 0, -1):
        cut = shortened(name, characters, names)
        if text_points(cut, size) <= room:
            return cut
    return ""


def titles_within(names: Sequence[str], room: float, sizes: Sequence[float]) -> tuple[list[str], float]:
    """Titles of at most so many points, and the first of the sizes at which all fit; at the last they are cut off."""
    for size in sizes:
        broken = [lines_within(name, room, size).split("\n") for name in names]
        if all(len(lines) <= MOST_LINES and max(text_points(line, size) for line in lines) <= room for lines in broken):
            break
    else:
        broken = [_shorter(lines, room, size) for lines in broken]
    return ["\n".join(lines) for lines in broken], size


def _shorter(lines: Sequence[str], room: float, size: float) -> list[str]:
    """As many lines as a title may have, each cut off."""
    kept = list(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        kept[-1] += "…"
    return [cut_to(line, room, size) for line in kept]


def shortened(name: str, room: int, names: Sequence[str] = ()) -> str:
    """A name cut off to a number of characters; nothing if that is too few to tell names apart.

    Where another of `names` begins alike, the end is kept instead, unless another ends alike too.
    """
    if len(name) <= room:
        return name
    if room < FEWEST_CHARACTERS:
        return ""
    beginning, end = name[: room - 1], name[1 - room :]
    others = [other for other in names if other != name]
    if not any(other.startswith(beginning) for other in others):
        return beginning.rstrip() + "…"
    return "" if any(other.endswith(end) for other in others) else "…" + end.lstrip()


def feature_names_of(estimator: Any, n: int, given: Sequence[str] | None, parameter: str) -> list[str]:
    """Names of the features as they reach the map: those that are given, or those that the map or Pipeline knows."""
    if given is not None:
        if len(given) != n:
            raise ValueError(f"{parameter} must name the {n} features that reach the map, got {len(given)} names.")
        return [str(name) for name in given]
    known = names_at_the_map(estimator)
    if known is None or len(known) != n:
        return [f"feature {i}" for i in range(n)]
    return [str(name) for name in known]


def most_varied(codebook: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Numbers of the `n` features that vary most over the prototypes (n_units, n_features), in their order."""
    largest = np.abs(codebook).max()  # whose square may be no number
    return np.sort(np.argsort(-(codebook / (largest or 1)).var(axis=0), kind="stable")[:n])
