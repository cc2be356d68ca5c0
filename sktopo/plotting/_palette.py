"""Colours of classes, which stay apart for the colour blind."""

from typing import Any

# M. Okabe and K. Ito, "Color universal design", 2008, in an order in which the first few contrast most.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000")
# Lighter (45 parts of colour, 55 of white) and darker (55 parts of colour) shades of them, each in turn the one that is
# furthest from all before it, to normal and to colour-blind eyes.
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

Colour = tuple[float, float, float]


def class_colours(n: int) -> list[Colour]:
    """Colours for `n` classes: Okabe and Ito's eight, then shades of them; from 23 on they repeat."""
    palette = [as_rgb(colour) for colour in OKABE_ITO + SHADES]
    return [palette[i % len(palette)] for i in range(n)]


def as_rgb(colour: str) -> Colour:
    """A colour that HTML writes as three numbers from 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def as_hex(colour: Colour) -> str:
    """A colour as HTML writes it."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


def is_dark(colour: Any) -> bool:
    """Whether white reads better than black on a colour."""
    red, green, blue = colour[:3]
    return bool(0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.18)
