import matplotlib.pyplot as plt
import numpy as np
import pytest
from pictures import LAYOUTS, MIXED, drawn_classes

from sktopo.plotting import HitHistogramDisplay, LabelMapDisplay
from sktopo.plotting._legend import ROOM
from sktopo.plotting._palette import class_colors

LONG = [f"a class name of some length {i}" for i in range(20)]


@pytest.mark.parametrize("kind", [LabelMapDisplay, HitHistogramDisplay])
@pytest.mark.parametrize("shape", [(10, 10), (3, 20), (30, 4)])
@pytest.mark.parametrize(
    ("name", "n"),
    [("{}", 3), ("a class name of some length {}", 12), ("a class name of some length {}", 20), ("species {}", 80)],
)
def test_a_legend_fits_into_a_figure_of_its_own_and_leaves_the_map_its_size(kind, shape, name, n, rng):
    names = [name.format(i) for i in range(n)]
    display, plain = (drawn_classes(kind, names, shape, rng, legend=legend) for legend in (True, False))
    for figure in (display.figure_, plain.figure_):
        figure.draw_without_rendering()
    page, legend = display.figure_.bbox, display.ax_.get_legend()
    box, map, alone = (part.get_window_extent() for part in (legend, display.ax_, plain.ax_))
    assert page.contains(*box.min)
    assert page.contains(*box.max)
    assert not box.overlaps(map)
    assert max(map.width, map.height) > 0.7 * max(alone.width, alone.height)
    assert [text.get_text().replace("\n", " ") for text in legend.get_texts()] == names


@pytest.mark.parametrize("n", [120, 121, 2000])
def test_a_figure_of_its_own_lists_no_more_classes_than_anybody_reads(n):
    display = LabelMapDisplay(np.ones((4, n)), np.arange(n), (2, 2)).plot()
    shown = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert shown == [*map(str, range(120)), *([f"{n - 120} more"] if n > 120 else [])]
    assert display.figure_.get_size_inches()[1] < 6


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("grid", "names"), [((1, 1), MIXED), ((1, 2), LONG), ((2, 3), MIXED), ((2, 3), LONG)], ids=["1", "2", "6", "6 long"]
)
def test_a_legend_in_given_axes_fits_and_leaves_the_map_most_of_the_room(names, grid, layout, rng):
    figure, axes = plt.subplots(*grid, layout=layout, squeeze=False)
    for ax in axes.ravel().repeat(2):  # drawing again takes no more room
        ax.clear()
        drawn_classes(LabelMapDisplay, names, (10, 10), rng, ax=ax)
    figure.draw_without_rendering()
    maps = [ax.get_window_extent() for ax in axes.ravel()]
    for ax in axes.ravel():
        box = ax.get_legend().get_window_extent()
        assert figure.bbox.contains(*box.min)
        assert figure.bbox.contains(*box.max)
        assert not any(box.overlaps(map) for map in maps)
        assert ax.get_window_extent().width > 1.2 * box.width
        assert not box.overlaps(ax.title.get_window_extent())
    assert sum(part.get_label() == ROOM for part in figure.axes) <= axes.size


def test_a_legend_sets_a_word_a_little_smaller_rather_than_breaking_it(rng):
    names = ["class_0", "class_1", "class_2"]
    _, axes = plt.subplots(2, 3, figsize=(9, 5), layout="constrained")
    legend = drawn_classes(LabelMapDisplay, names, (10, 8), rng, ax=axes[0, 0]).ax_.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == names


def test_a_legend_without_room_for_all_classes_counts_the_rest(rng):
    _, axes = plt.subplots(3, 3, layout="constrained")
    display = drawn_classes(LabelMapDisplay, [f"species {i}" for i in range(80)], (10, 10), rng, ax=axes[0, 0])
    *shown, last = (text.get_text() for text in display.ax_.get_legend().get_texts())
    assert last == f"{80 - len(shown)} more"
    assert len(shown) >= 3


def test_a_legend_shows_black_on_black(rng):
    with plt.style.context("dark_background"):
        display = drawn_classes(LabelMapDisplay, [str(i) for i in range(8)], (4, 4), rng)
        page = display.figure_.get_facecolor()
    for patch, color in zip(display.ax_.get_legend().get_patches(), class_colors(8), strict=True):
        assert patch.get_facecolor()[:3] == color
        assert patch.get_edgecolor()[:3] != page[:3]
        assert patch.get_edgecolor()[3] == 1
