"""Colors of classes, which stay apart for the color blind."""

from typing import Any

# M. Okabe and K. Ito, "Color universal design", 2008, in an order in which the first few contrast most.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000")
# Lighter (45 parts of color, 55 of white) and darker (55 parts of color) shades of them, each in turn the one that is
# furthest from all before it, to normal and to color-blind eyes.
SHADES = (
    "#753400",
    "#003f62",
    "#b3ddf5",
    "#ecb78c",
    "#70435c",
    "#8cc0dc",
    "#7f5700",
    "#f8f3aa",
    "#00573f",
    "#2f6380",
    "#e8c3d7",
    "#f4d48c",
    "#8cd3c0",
    "#847d24",
)
# Units that have nothing to show.
EMPTY = "#e9e9e9"

Color = tuple[float, float, float]


def class_colors(n: int) -> list[Color]:
    """Colors for `n` classes: Okabe and Ito's eight, then shades of them; from 23 on they repeat."""
    palette = [as_rgb(color) for color in OKABE_ITO + SHADES]
    return [palette[i % len(palette)] for i in range(n)]


def as_rgb(color: str) -> Color:
    """A color that HTML writes as three numbers from 0 to 1."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def as_hex(color: Color) -> str:
    """A color as HTML writes it."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in color)


def is_dark(color: Any) -> bool:
    """Whether white reads better than black on a color."""
    red, green, blue = color[:3]
    return bool(0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.18)
