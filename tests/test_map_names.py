import matplotlib.pyplot as plt
import numpy as np
import pytest
from pictures import LAYOUTS, MIXED, classes_of_regions, names_of, names_on, place_of

from sktopo import TopographicMap
from sktopo.lattices import HexagonalLattice
from sktopo.plotting import LabelMapDisplay
from sktopo.plotting._cells import Cells
from sktopo.plotting._labels import named_units
from sktopo.plotting._names import in_lines, shortened


@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
def test_names_stand_in_cells_that_are_large_enough(digits, lattice):
    X, y = digits
    som = TopographicMap(8, 8, lattice=lattice, max_iter=3).fit(X)
    display = LabelMapDisplay.from_estimator(som, X, y)
    written = {tuple(np.round(place_of(text), 6)): text for text in names_on(display)}
    for unit in np.flatnonzero(display.labels_ >= 0):
        text = written[tuple(np.round(som.unit_coordinates_[unit, ::-1], 6))]
        assert text.get_text() == str(display.labels_[unit])
        assert text.get_fontsize() >= 6.5


@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
def test_large_maps_name_regions(lattice):
    counts = np.zeros((3600, 2))
    counts[:1800, 0] = counts[1800:, 1] = 1
    counts[0] = (0, 1)  # alone: too small for a name
    counts[1:1800:3] = counts[1802::3] = 0  # units without samples do not break a region up
    display = LabelMapDisplay(counts, np.array(["upper", "lower"]), (60, 60), lattice=lattice).plot()
    texts = sorted(names_on(display), key=lambda text: place_of(text)[1])
    assert [text.get_text() for text in texts] == ["upper", "lower"]
    spacing = Cells.named(lattice, (60, 60), False).lattice.row_spacing
    rows = [place_of(text)[1] / spacing for text in texts]
    assert rows == pytest.approx([14.5, 44.5], abs=1)


@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
def test_a_region_that_crosses_the_edge_of_a_torus_is_named_in_its_middle(lattice):
    row = np.arange(60).repeat(60)
    outer = (row >= 40) | (row < 12)  # 32 rows, whose middle is row 55.5
    display = LabelMapDisplay(
        np.stack([~outer, outer], axis=1), np.array(["inner", "outer"]), (60, 60), lattice=lattice, periodic=True
    ).plot()
    spacing = 1 if lattice == "rectangular" else np.sqrt(3) / 2
    places = {text.get_text(): place_of(text)[1] / spacing for text in names_on(display)}
    assert places["outer"] == pytest.approx(55.5, abs=1)
    assert places["inner"] == pytest.approx(25.5, abs=1)


def test_scattered_labels_have_names_or_none(rng):
    lattice = HexagonalLattice(8, 8)
    for _ in range(200):
        labels = np.full(64, -1)
        some = rng.choice(64, size=rng.integers(0, 10), replace=False)
        labels[some] = rng.integers(0, 4, len(some))
        for unit, _ in named_units(labels, lattice):
            assert labels[unit] >= 0
    display = LabelMapDisplay(np.zeros((900, 2)), np.array(["a", "b"]), (30, 30)).plot()
    assert not names_on(display)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("grid", "lattice"), [((1, 1), "rectangular"), ((2, 3), "hexagonal")], ids=["1", "6"])
@pytest.mark.parametrize("names", [MIXED, [f"a class name of some length {i}" for i in range(15)]], ids=len)
def test_names_keep_off_each_other_and_stay_on_the_map(names, lattice, grid, layout, rng):
    _, axes = plt.subplots(*grid, layout=layout, squeeze=False)
    counts = classes_of_regions(names, (10, 10), rng)
    displays = [
        LabelMapDisplay(counts, np.array(names), (10, 10), lattice=lattice).plot(ax=ax) for ax in (None, *axes.ravel())
    ]
    for figure in {display.figure_ for display in displays}:
        figure.draw_without_rendering()
    for display in displays:
        texts = names_of(display)
        boxes = [text.get_window_extent() for text in texts]
        map = display.ax_.get_window_extent()
        assert texts
        assert min(text.get_fontsize() for text in texts) >= 6.5
        for i, box in enumerate(boxes):
            assert map.x0 <= box.x0
            assert map.y0 <= box.y0
            assert box.x1 <= map.x1
            assert box.y1 <= map.y1
            assert not any(box.overlaps(other) for other in boxes[:i])


def test_names_follow_the_size_of_the_figure(digits):
    X, y = digits
    names = np.array([f"the digit that is {i}" for i in range(10)])[y]
    display = LabelMapDisplay.from_estimator(TopographicMap(8, 8, max_iter=3).fit(X), X, names)
    few = len(names_on(display))
    display.figure_.set_size_inches(24, 18)
    assert len(names_on(display)) == (display.labels_ >= 0).sum() > few


def test_names_of_regions_can_be_read_on_a_dark_page():
    with plt.style.context("dark_background"):
        display = LabelMapDisplay(np.eye(2).repeat(200, axis=0), np.array(["setosa", "virginica"]), (20, 20)).plot()
        texts = names_on(display)
    assert [text.get_text() for text in texts] == ["setosa", "virginica"]
    assert {text.get_color() for text in texts} == {"black"}  # the halo is white


def test_long_names_are_cut_to_their_regions_and_stand_whole_in_the_legend():
    assert [shortened("polyethylene", room) for room in (3, 4, 8, 12)] == ["", "pol…", "polyeth…", "polyethylene"]
    long = "Provence-Alpes-Côte d'Azur region"
    counts = np.zeros((144, 2))
    counts[:30, 0], counts[30:, 1] = 1, 1
    display = LabelMapDisplay(counts, np.array([long, "b"]), (12, 12)).plot()
    (drawn,) = (text.get_text() for text in names_on(display) if text.get_text() != "b")
    assert len(drawn) < len(long)
    assert drawn[:-1] == long[: len(drawn) - 1]
    assert display.ax_.get_legend().get_texts()[0].get_text().replace("\n", " ") == long


def test_long_names_break_at_spaces_and_underscores():
    assert in_lines("od280/od315_of_diluted_wines") == "od280/od315_of_\ndiluted_wines"
    assert in_lines("a_short_name") == "a_short_name"


def test_names_that_begin_alike_keep_their_ends():
    names = ["digit class 1", "digit class 2", "unknown thing"]
    assert shortened(names[0], 8, names) == "…class 1"
    assert shortened(names[1], 5, names) == "…ss 2"
    assert shortened(names[2], 8, names) == "unknown…"
    assert shortened(names[0], 13, names) == names[0]
    assert shortened(names[0], 3, names) == ""


def test_names_that_begin_and_end_alike_are_not_cut():
    names = ["species a of the family", "species b of the family", "genus"]
    assert [shortened(names[0], room, names) for room in (8, 9, 10, 12)] == ["", "", "species a…", "species a o…"]
    assert shortened(names[2], 4, names) == "gen…"
