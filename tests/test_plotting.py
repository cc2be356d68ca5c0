import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.collections import LineCollection, PolyCollection
from oracles import ARRANGEMENTS
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sktopo import TopographicMap
from sktopo.lattices import HexagonalLattice
from sktopo.metrics import quantization_error
from sktopo.plotting import (
    ComponentPlanesDisplay,
    HitHistogramDisplay,
    LabelMapDisplay,
    TrainingCurveDisplay,
    UMatrixDisplay,
)
from sktopo.plotting._cells import Cells
from sktopo.plotting._component_planes import UNITS
from sktopo.plotting._labels import named_units
from sktopo.plotting._legend import ROOM
from sktopo.plotting._map_names import MapNames
from sktopo.plotting._names import in_lines, shortened
from sktopo.plotting._palette import class_colors


@pytest.fixture(autouse=True)
def figures_closed():
    yield
    plt.close("all")


@pytest.fixture(params=ARRANGEMENTS, ids=lambda shape: f"{shape[0]}-{'torus' if shape[1] else 'planar'}")
def som(request, iris):
    lattice, periodic = request.param
    return TopographicMap(6, 4, lattice=lattice, periodic=periodic).fit(iris[0])


LAYOUTS = [None, "tight", "constrained", "compressed"]


def displays(estimator, X, y):
    """Every display of an estimator, as functions of an axes."""
    return {
        "u-matrix": lambda ax: UMatrixDisplay.from_estimator(estimator, ax=ax),
        "planes": lambda ax: ComponentPlanesDisplay.from_estimator(estimator, ax=ax),
        "hits": lambda ax: HitHistogramDisplay.from_estimator(estimator, X, ax=ax),
        "pies": lambda ax: HitHistogramDisplay.from_estimator(estimator, X, y, ax=ax),
        "labels": lambda ax: LabelMapDisplay.from_estimator(estimator, X, y, ax=ax),
        "curve": lambda ax: TrainingCurveDisplay.from_estimator(estimator, ax=ax),
    }


def cells_of(ax):
    """The cells of the units: the first collection."""
    return next(c for c in ax.collections if isinstance(c, PolyCollection))


def names_on(display):
    """The names that are written on a map, once it is drawn."""
    display.figure_.draw_without_rendering()
    return names_of(display)


def names_of(display):
    """The names that were written on a map when it was drawn last."""
    (names,) = (artist for artist in display.ax_.artists if isinstance(artist, MapNames))
    return names.texts


def place_of(text):
    """Where a name stands, in lattice units."""
    return text.axes.transData.inverted().transform(text.get_transform().transform(text.get_position()))


def area(polygon):
    x, y = polygon.T
    return 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))


def test_cells_are_what_is_nearest_to_a_unit(lattice, rng):
    cells = Cells(lattice)
    corners = 6 if isinstance(lattice, HexagonalLattice) else 4
    assert cells.polygons.shape == (lattice.n_units, corners, 2)
    np.testing.assert_allclose([area(p) for p in cells.polygons], lattice.row_spacing)
    reach = np.linalg.norm(cells.polygons - cells.centers[:, None], axis=2)
    np.testing.assert_allclose(reach, np.sqrt(1 / 3) if corners == 6 else np.sqrt(1 / 2))
    for first, second in type(lattice)(lattice.height, lattice.width).edges().tolist():
        if np.linalg.norm(cells.centers[first] - cells.centers[second]) < 1.01:  # neighbors share a side
            both = cells.polygons[[first, second]].reshape(-1, 2).round(6)
            assert len(np.unique(both, axis=0)) == 2 * corners - 2


def test_the_border_goes_once_around(lattice):
    border = Cells(lattice).border()
    ends, times = np.unique(border.reshape(-1, 2).round(6), axis=0, return_counts=True)
    assert set(times) == {2}
    assert len(ends) == len(border)


def test_ghosts_are_periodic_images(lattice):
    polygons, units = Cells(lattice).ghosts()
    if not lattice.periodic:
        assert len(units) == 0
        return
    assert len(units) == 2 * (lattice.height + lattice.width) + 4
    moved = polygons.mean(axis=1) - Cells(lattice).centers[units]
    turns = moved[:, ::-1] / np.array(lattice.periods)
    np.testing.assert_allclose(turns, turns.round(), atol=1e-9)
    assert (np.abs(turns.round()).max(axis=1) == 1).all()


def test_every_display_draws_from_a_map_into_given_axes(som, iris, tmp_path):
    X, y = iris
    for name, draw in displays(som, X, y).items():
        figure, ax = plt.subplots()
        display = draw(ax)
        assert display.figure_ is figure
        axes = display.axes_ if name == "planes" else [display.ax_]
        assert all(part.figure is figure for part in axes)
        assert name == "planes" or display.ax_ is ax
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
        assert draw(None).figure_ is not figure


def test_every_display_draws_from_a_pipeline(iris):
    X, y = iris
    model = make_pipeline(StandardScaler(), TopographicMap(5, 4)).fit(X)
    for through, alone in zip(
        displays(model, X, y).values(), displays(model[-1], model[0].transform(X), y).values(), strict=True
    ):
        one, other = vars(through(None)), vars(alone(None))
        for name, value in one.items():
            if isinstance(value, np.ndarray) and value.dtype.kind in "if":
                np.testing.assert_array_equal(value, other[name])


def test_every_display_can_be_drawn_again(som, iris):
    for draw in displays(som, *iris).values():
        display = draw(None)
        assert display.plot() is display


def test_the_u_matrix_is_painted_with_row_0_at_the_top(som):
    ax = UMatrixDisplay.from_estimator(som).ax_
    np.testing.assert_array_equal(cells_of(ax).get_array(), som.u_matrix().ravel())
    places = [path.vertices[:-1].mean(axis=0) for path in cells_of(ax).get_paths()]
    np.testing.assert_allclose(places, som.unit_coordinates_[:, ::-1], atol=1e-12)
    bottom, top = ax.get_ylim()
    assert bottom > top
    assert ax.get_aspect() == 1
    np.testing.assert_allclose(ax.get_yticks(), som.unit_coordinates_[:: som.width_, 0], atol=1e-12)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "1", "2", "3", "4", "5"]


def test_no_colors_are_the_default_colors(som, iris):
    for kind, samples in ((UMatrixDisplay, ()), (HitHistogramDisplay, iris[:1]), (ComponentPlanesDisplay, ())):
        plain, none = (kind.from_estimator(som, *samples, **chosen) for chosen in ({}, {"cmap": None}))
        first, other = (cells_of(display.figure_.axes[0]) for display in (plain, none))
        assert first.get_cmap() == other.get_cmap()


def test_joined_edges_are_marked(som):
    ax = UMatrixDisplay.from_estimator(som).ax_
    (border,) = [c for c in ax.collections if isinstance(c, LineCollection)]
    dashed = border.get_linestyle()[0][1] is not None
    ghosts = [c for c in ax.collections if isinstance(c, PolyCollection)][1:]
    assert dashed == som.periodic == bool(ghosts) == ("joined" in ax.get_xlabel())
    for ghost in ghosts:
        units = Cells.named(som.lattice, (6, 4), True).ghosts()[1]
        np.testing.assert_array_equal(ghost.get_array(), som.u_matrix().ravel()[units])
        assert ghost.norm is cells_of(ax).norm


def test_color_bars_name_their_units(som, iris):
    assert UMatrixDisplay.from_estimator(som).colorbar_.ax.get_ylabel().endswith("(units of the data)")
    assert "samples" in HitHistogramDisplay.from_estimator(som, iris[0]).colorbar_.ax.get_ylabel()
    assert UMatrixDisplay.from_estimator(som, colorbar=False).colorbar_ is None


def test_component_planes_are_chosen_by_number_or_name():
    X = load_wine(as_frame=True).data
    som = TopographicMap(5, 4).fit(X)
    display = ComponentPlanesDisplay.from_estimator(som, features=["hue", 2])
    assert [ax.get_title() for ax in display.axes_] == ["hue", "ash"]
    hue = list(X.columns).index("hue")
    for ax, feature in zip(display.axes_, (hue, 2), strict=True):
        np.testing.assert_array_equal(cells_of(ax).get_array(), som.codebook_[:, feature])
    scaled = make_pipeline(StandardScaler(), TopographicMap(5, 4)).fit(X)
    assert ComponentPlanesDisplay.from_estimator(scaled).feature_names == list(X.columns)
    bare = TopographicMap(5, 4).fit(X.to_numpy())
    assert ComponentPlanesDisplay.from_estimator(bare, features=[12]).feature_names == ["feature 12"]
    named = ComponentPlanesDisplay.from_estimator(bare, features=["b"], feature_names=list("abcdefghijklm"))
    np.testing.assert_array_equal(named.component_planes[0], bare.component_planes()[1])


def test_component_planes_fill_the_axes_they_are_given(iris):
    som = TopographicMap(5, 4).fit(iris[0])
    figure, axes = plt.subplots(2, 2)
    display = ComponentPlanesDisplay.from_estimator(som, ax=axes)
    assert list(display.axes_) == list(axes.ravel())
    assert display.figure_ is figure
    with pytest.raises(ValueError, match="ax holds 2 axes for 4 planes"):
        ComponentPlanesDisplay.from_estimator(som, ax=axes[0])


def titles_of(display):
    """Where the titles of planes are, once they are drawn."""
    display.figure_.draw_without_rendering()
    return [ax.title.get_window_extent() for ax in display.axes_]


@pytest.mark.parametrize("shape", [(30, 1), (40, 3), (20, 2), (30, 4), (1, 30), (4, 30), (8, 8), (1, 1)])
def test_titles_of_component_planes_keep_off_each_other_and_stay_on_the_page(shape, rng):
    names = [*load_wine().feature_names, "a-name-without-a-break-that-no-narrow-plane-has-room-for"]
    display = ComponentPlanesDisplay(rng.random((14, *shape)), feature_names=names).plot()
    boxes, page = titles_of(display), display.figure_.bbox
    for i, box in enumerate(boxes):
        assert page.contains(*box.min)
        assert page.contains(*box.max)
        assert not any(box.overlaps(other) for other in boxes[:i])
    assert all(ax.title.get_fontsize() >= 7 for ax in display.axes_)
    assert display.axes_[0].get_title() == "alcohol"


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_heading_of_component_planes_stays_on_the_page(n, rng):
    display = ComponentPlanesDisplay(rng.random((n, 8, 8)), feature_names=["x"] * n, n_omitted=900).plot()
    titles, heading = titles_of(display), display.figure_._suptitle.get_window_extent()
    assert display.figure_.bbox.contains(*heading.min)
    assert display.figure_.bbox.contains(*heading.max)
    assert not any(heading.overlaps(title) for title in titles)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(8, 10), (2, 12), (12, 8)])
def test_component_planes_divide_axes_without_waste_and_say_their_units(shape, layout, rng):
    names = ["alcohol", "malic_acid", "ash", "od280/od315_of_diluted_wines"]
    widths = []
    for chosen in (None, layout):
        figure, axes = plt.subplots(1, 2, layout=chosen)
        display = ComponentPlanesDisplay(rng.random((4, *shape)), feature_names=names, n_omitted=2).plot(ax=axes[1])
        boxes = titles_of(display)
        assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])
        (units,) = (ax.xaxis.label for ax in display.axes_ if ax.get_xlabel())
        assert units.get_text().split() == f"in the {UNITS}, without the 2 features that vary least".split()
        assert figure.bbox.contains(*units.get_window_extent().min)
        assert not any(ax.get_window_extent().overlaps(units.get_window_extent()) for ax in display.axes_)
        widths.append(display.axes_[0].get_window_extent().width)
    assert widths[1] > 0.75 * widths[0]  # without a layout, numbers run into the next plane


def test_color_bars_of_component_planes_in_axes_of_their_own_name_the_units(rng):
    _, axes = plt.subplots(2, 2)
    ComponentPlanesDisplay(rng.random((4, 5, 5)), feature_names=list("abcd")).plot(ax=axes)
    for ax in axes.ravel():
        (bar,) = ax.child_axes
        assert bar.get_ylabel() == UNITS


def test_component_planes_say_what_is_wrong(iris):
    som = TopographicMap(5, 4).fit(iris[0])
    for feature in ("width", 4, None, True, np.True_):
        with pytest.raises(ValueError, match="features contains"):
            ComponentPlanesDisplay.from_estimator(som, features=[feature])
    with pytest.raises(ValueError, match="feature_names must name the 4 features that reach the map, got 1 names"):
        ComponentPlanesDisplay.from_estimator(som, feature_names=["a"])
    with pytest.raises(ValueError, match="name at least one of the features"):
        ComponentPlanesDisplay.from_estimator(som, features=[])
    for n_columns in (0, 1.5, "2", True):
        with pytest.raises(ValueError, match=rf"n_columns must be an int of at least 1, got {n_columns!r}"):
            ComponentPlanesDisplay.from_estimator(som, n_columns=n_columns)
    figure = plt.figure()
    for ax in (figure.add_axes([0, 0, 1, 1]), figure.add_subplot().inset_axes([0, 0, 1, 1])):
        with pytest.raises(ValueError, match="ax is no part of a grid of subplots"):
            ComponentPlanesDisplay.from_estimator(som, ax=ax)
        assert ax.axison


def test_names_find_their_way_through_pipelines(iris):
    frame = pd.DataFrame(iris[0], columns=list("abcd"))
    turned = make_column_transformer(("passthrough", [2, 0, 1]), verbose_feature_names_out=False)
    search = GridSearchCV(make_pipeline(turned, TopographicMap(3, 3)), {"topographicmap__height": [3]}, cv=2)
    for estimator, names in (
        (make_pipeline(StandardScaler(), PCA(2), TopographicMap(3, 3)), ["pca0", "pca1"]),
        (make_pipeline(StandardScaler(), make_pipeline(PCA(2), TopographicMap(3, 3))), ["pca0", "pca1"]),
        (make_pipeline(StandardScaler(), make_pipeline(turned, TopographicMap(3, 3))), ["c", "a", "b"]),
        (make_pipeline(StandardScaler(), search), ["c", "a", "b"]),
        (make_pipeline("passthrough", TopographicMap(3, 3)), ["a", "b", "c", "d"]),
    ):
        assert ComponentPlanesDisplay.from_estimator(estimator.fit(frame)).feature_names == names
    for first in ("passthrough", FunctionTransformer(lambda x: x[:, :2])):
        bare = make_pipeline(first, TopographicMap(3, 3)).fit(iris[0])
        expected = [f"feature {i}" for i in range(4 if first == "passthrough" else 2)]
        assert ComponentPlanesDisplay.from_estimator(bare).feature_names == expected
    plt.close("all")


def test_hits_are_painted_and_units_without_samples_are_not(som, iris):
    weight = np.linspace(0, 3, 150)
    display = HitHistogramDisplay.from_estimator(som, iris[0], sample_weight=weight)
    expected = np.bincount(som.labels_, weights=weight, minlength=24)
    shown = cells_of(display.ax_).get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), expected == 0)
    np.testing.assert_allclose(shown.filled(0), expected)


def test_pies_have_the_shares_and_sizes_of_the_classes(som, iris):
    X, y = iris
    display = HitHistogramDisplay.from_estimator(som, X, y)
    counts = np.array([[np.sum((som.labels_ == unit) & (y == c)) for c in range(3)] for unit in range(24)])
    np.testing.assert_array_equal(display.class_counts, counts)
    total = counts.sum(axis=1)
    *_, pies, ghosts = (c for c in display.ax_.collections if isinstance(c, PolyCollection))
    units = Cells.named(som.lattice, (6, 4), som.periodic).ghosts()[1]  # none on a planar map
    assert len(ghosts.get_paths()) == (counts[units] > 0).sum()
    places = list(zip(*np.nonzero(counts), strict=True))
    assert len(places) == len(pies.get_paths())
    whole = np.pi * 0.46**2 / total.max()
    for (unit, c), path, color in zip(places, pies.get_paths(), pies.get_facecolors(), strict=True):
        assert tuple(color[:3]) == class_colors(3)[c]
        if total[unit] > total.max() / 20:
            assert area(path.vertices[:-1]) == pytest.approx(whole * counts[unit, c], rel=0.01)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["0", "1", "2"]


def test_the_label_map_shows_the_majority(som, iris):
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    display = LabelMapDisplay.from_estimator(som, X, names)
    painted = cells_of(display.ax_).get_facecolors()
    for unit in range(24):
        here = names[som.labels_ == unit]
        if len(here) == 0:
            assert display.labels_[unit] == -1
            continue
        winner = display.labels_[unit]
        assert np.sum(here == display.classes[winner]) == max(np.sum(here == name) for name in display.classes)
        np.testing.assert_allclose(painted[unit, :3], class_colors(3)[winner])


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


MIXED = ("Homo sapiens neanderthalensis", "virginica", "a very long class name", "setosa", "b", "versicolor", "x1")


def classes_of_regions(names, shape, rng):
    """Counts of classes (n_units, n_classes) on a map that they divide into regions, by the nearest of some seeds."""
    places = np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1).reshape(-1, 2)
    seeds = rng.random((len(names), 2)) * shape
    return np.eye(len(names))[np.linalg.norm(places[:, None] - seeds, axis=2).argmin(axis=1)]


def drawn_classes(kind, names, shape, rng, **where):
    counts, names = classes_of_regions(names, shape, rng), np.array(names)
    if kind is LabelMapDisplay:
        display = kind(counts, names, shape).plot(**where)
    else:
        display = kind(counts.sum(axis=1).reshape(shape), class_counts=counts, classes=names).plot(**where)
    return display


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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("grid", [(1, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("names", [MIXED, [f"a class name of some length {i}" for i in range(20)]], ids=len)
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


@pytest.mark.parametrize("n", [120, 121, 2000])
def test_a_figure_of_its_own_lists_no_more_classes_than_anybody_reads(n):
    display = LabelMapDisplay(np.ones((4, n)), np.arange(n), (2, 2)).plot()
    shown = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert shown == [str(i) for i in range(n)] if n == 120 else [*map(str, range(119)), f"{n - 119} more"]
    assert display.figure_.get_size_inches()[1] < 6


def test_a_legend_shows_black_on_black(rng):
    with plt.style.context("dark_background"):
        display = drawn_classes(LabelMapDisplay, [str(i) for i in range(8)], (4, 4), rng)
        page = display.figure_.get_facecolor()
    for patch, color in zip(display.ax_.get_legend().get_patches(), class_colors(8), strict=True):
        assert patch.get_facecolor()[:3] == color
        assert patch.get_edgecolor()[:3] != page[:3]
        assert patch.get_edgecolor()[3] == 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("grid", [(1, 1), (2, 3)])
@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
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


def test_colors_of_classes_differ():
    assert len({tuple(np.round(color, 3)) for color in class_colors(22)}) == 22
    assert class_colors(23)[22] == class_colors(1)[0]


def test_the_training_curve_is_the_loss(iris):
    som = TopographicMap(4, 4, max_iter=7).fit(iris[0])
    display = TrainingCurveDisplay.from_estimator(som)
    np.testing.assert_array_equal(display.line_.get_ydata(), som.loss_curve_)
    np.testing.assert_array_equal(display.line_.get_xdata(), np.arange(1, som.n_iter_ + 1))
    assert display.ax_.get_xlabel() == "epoch"


def test_the_labels_of_a_small_training_curve_stay_on_the_page():
    with plt.rc_context({"figure.figsize": (3, 2.4)}):
        display = TrainingCurveDisplay(np.linspace(400, 3, 18)).plot()
    display.figure_.draw_without_rendering()
    box = display.ax_.yaxis.label.get_window_extent()
    assert display.figure_.bbox.contains(*box.min)
    assert display.figure_.bbox.contains(*box.max)


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


@pytest.mark.parametrize("rule", [{}, {"winner": "local"}, {"winner": "local", "temperature": 0.2}], ids=str)
@pytest.mark.parametrize(
    ("solver", "max_iter", "step"),
    [
        ("auto", None, "epoch"),
        ("batch", 10, "epoch"),
        ("stream", None, "annealing stage"),
        ("stream", 10, "annealing stage"),  # as many as there are passes
        ("gradient", 2.5, "epoch"),
    ],
)
def test_the_training_curve_says_what_its_steps_are_and_shows_all(solver, max_iter, step, rule, iris):
    som = TopographicMap(4, 4, solver=solver, max_iter=max_iter, random_state=0, **rule).fit(iris[0])
    display = TrainingCurveDisplay.from_estimator(som)
    assert display.ax_.get_xlabel() == step
    low, high = display.ax_.get_ylim()
    assert low <= min(0, som.loss_curve_.min()) < som.loss_curve_.max() <= high
    plt.close(display.figure_)


def test_the_training_curve_counts_the_calls_of_partial_fit(iris):
    som = TopographicMap(4, 4, random_state=0)
    for chunk in np.array_split(iris[0], 5):
        som.partial_fit(chunk)
    display = TrainingCurveDisplay.from_estimator(som)
    assert display.ax_.get_xlabel() == "call of partial_fit"
    assert len(display.line_.get_ydata()) == 5


@pytest.mark.parametrize(("losses", "n_lost"), [([np.nan] * 3, 3), ([4.0, np.inf, 1.0], 1), ([4.0, 2.0, 1.0], 0)])
def test_the_training_curve_tells_of_losses_that_are_not_finite(losses, n_lost):
    display = TrainingCurveDisplay(np.array(losses)).plot()
    expected = f"Training ({n_lost} of 3 losses are not finite)" if n_lost else "Training"
    assert display.ax_.get_title() == expected
    display.figure_.canvas.draw()


@pytest.mark.filterwarnings("error")
def test_names_may_hold_dollars_and_breaks(iris):
    X = pd.DataFrame(iris[0][:, :2], columns=["price\n\t$$", "cost ($) / income ($x_{)"])
    y = np.array(["a $x_{$", "b $$", "c\nd\te"])[iris[1]]
    som = TopographicMap(3, 3).fit(X)
    for display in (
        ComponentPlanesDisplay.from_estimator(som),
        LabelMapDisplay.from_estimator(som, X, y),
        HitHistogramDisplay.from_estimator(som, X, y),
    ):
        display.figure_.canvas.draw()


def test_unfitted_maps_are_refused(iris):
    for draw in displays(TopographicMap(3, 3), *iris).values():
        with pytest.raises(NotFittedError):
            draw(None)


def test_wrong_input_is_refused(iris):
    som = TopographicMap(3, 3).fit(iris[0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LabelMapDisplay.from_estimator(som, iris[0], iris[1][:9])
    for display, y in ((HitHistogramDisplay, None), (HitHistogramDisplay, iris[1]), (LabelMapDisplay, iris[1])):
        with pytest.raises(ValueError, match="sample_weight must not be negative, got -1 in row 0"):
            display.from_estimator(som, iris[0], y, sample_weight=-np.ones(150))
    with pytest.raises(ValueError, match="lattice must be one of 'rectangular', 'hexagonal', got 'cubic'"):
        UMatrixDisplay(som.u_matrix(), lattice="cubic").plot()


MISSING = """
import sys, tempfile
sys.modules["matplotlib"] = sys.modules["bokeh"] = None
from sklearn.datasets import load_iris
from sktopo import TopographicMap, plotting
som = TopographicMap(3, 3).fit(load_iris().data)
X, y = load_iris(return_X_y=True)
for draw in (
    lambda: plotting.UMatrixDisplay.from_estimator(som),
    lambda: plotting.ComponentPlanesDisplay.from_estimator(som),
    lambda: plotting.HitHistogramDisplay.from_estimator(som, X),
    lambda: plotting.HitHistogramDisplay.from_estimator(som, X, y),
    lambda: plotting.LabelMapDisplay.from_estimator(som, X, y),
    lambda: plotting.TrainingCurveDisplay.from_estimator(som),
    lambda: plotting.to_html(som, X, y, path="never.html"),
):
    try:
        draw()
    except ImportError as error:
        print(error)
"""


def test_a_missing_library_is_named_with_its_extra():
    result = subprocess.run([sys.executable, "-c", MISSING], capture_output=True, text=True, check=True)
    *drawn, page = result.stdout.splitlines()
    assert len(drawn) == 6
    assert all("matplotlib" in line and "'sktopo[plot]'" in line for line in drawn)
    assert "bokeh" in page
    assert "'sktopo[html]'" in page


def test_long_names_break_at_spaces_and_underscores():
    assert in_lines("od280/od315_of_diluted_wines") == "od280/od315_of_\ndiluted_wines"
    assert in_lines("a_short_name") == "a_short_name"


def test_a_fitted_search_is_accepted(iris):
    X, y = iris
    model = make_pipeline(StandardScaler(), TopographicMap(random_state=0, max_iter=2))
    search = GridSearchCV(model, {"topographicmap__height": [4, 5]}, cv=2)
    with pytest.raises(TypeError, match="or a fitted search over either is needed; got an object of type GridSearchCV"):
        UMatrixDisplay.from_estimator(search)
    search.fit(pd.DataFrame(X, columns=list("abcd")))
    best = search.best_estimator_
    np.testing.assert_array_equal(UMatrixDisplay.from_estimator(search).u_matrix, best[-1].u_matrix())
    assert ComponentPlanesDisplay.from_estimator(search).feature_names == list("abcd")
    rows = pd.DataFrame(X, columns=list("abcd"))
    assert quantization_error(search, rows) == quantization_error(best, rows)
    LabelMapDisplay.from_estimator(search, rows, y)
    plt.close("all")


@pytest.mark.parametrize("kind", ["object", "float", "infinite", "string", "category", "date", "duration"])
def test_samples_without_a_class_are_named(kind, som, iris):
    names = np.array(["a", "b", "c"], dtype=object)[iris[1]]
    y = {
        "object": np.where(np.arange(150) == 7, None, names),
        "float": np.where(np.arange(150) == 7, np.nan, iris[1]),
        "infinite": np.where(np.arange(150) == 7, -np.inf, iris[1]),
        "date": np.where(np.arange(150) == 7, np.datetime64("NaT"), iris[1].astype("datetime64[D]")),
        "duration": np.where(np.arange(150) == 7, np.timedelta64("NaT"), iris[1].astype("timedelta64[D]")),
        "string": pd.Series(names, dtype="string").where(pd.Series(np.arange(150) != 7)),
        "category": pd.Categorical(pd.Series(names).where(pd.Series(np.arange(150) != 7))),
    }[kind]
    for display in (LabelMapDisplay, HitHistogramDisplay):
        with pytest.raises(ValueError, match=r"y has no class for row 7 .*leave such rows out"):
            display.from_estimator(som, iris[0], y)


def test_classes_of_several_kinds_are_refused_by_name(som, iris):
    y = np.array(["a", 1, 1], dtype=object)[iris[1]]
    for display in (LabelMapDisplay, HitHistogramDisplay):
        with pytest.raises(TypeError, match=r"y mixes classes .*'a' \(str\), 1 \(int\): make them all text"):
            display.from_estimator(som, iris[0], y)


def test_measurements_are_no_classes(som, iris):
    with pytest.raises(ValueError, match="y holds measurements, not classes: cut them into intervals"):
        LabelMapDisplay.from_estimator(som, iris[0], iris[0][:, 0])
    LabelMapDisplay.from_estimator(som, iris[0], iris[1] / 2)
    plt.close("all")


def test_wrong_features_are_named_with_what_is_near(iris):
    X = pd.DataFrame(iris[0], columns=["sepal length", "sepal width", "petal length", "petal width"])
    som = TopographicMap(3, 3).fit(X)
    assert ComponentPlanesDisplay.from_estimator(som, features="petal width").feature_names == ["petal width"]
    assert ComponentPlanesDisplay.from_estimator(som, features=2).feature_names == ["petal length"]
    with pytest.raises(ValueError, match="use numbers below 4, or names, such as 'petal width'"):
        ComponentPlanesDisplay.from_estimator(som, features=["petal widht"])
    plt.close("all")


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
    plt.close(display.figure_)


@pytest.mark.parametrize("n_features", [4, 10, 30])
def test_numbers_of_color_bars_stay_on_the_figure(n_features, rng):
    X = rng.normal(size=(200, n_features)) / 3
    display = ComponentPlanesDisplay.from_estimator(TopographicMap(12, 8, lattice="hexagonal").fit(X))
    display.figure_.canvas.draw()
    drawn, page = display.figure_.get_tightbbox(), display.figure_.bbox_inches
    assert drawn.x0 >= page.x0
    assert drawn.x1 <= page.x1
    plt.close(display.figure_)


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


def test_counts_and_classes_belong_together():
    with pytest.raises(ValueError, match="class_counts and classes belong together"):
        HitHistogramDisplay(np.ones((2, 2)), class_counts=np.ones((4, 2))).plot()


def test_of_very_many_features_those_that_vary_most_are_drawn(rng):
    X = rng.normal(size=(60, 90)) * np.linspace(1, 10, 90)
    som = TopographicMap(3, 3, max_iter=2).fit(X)
    display = ComponentPlanesDisplay.from_estimator(som)
    spread = som.codebook_.var(axis=0)
    drawn = [int(ax.get_title().split()[1]) for ax in display.axes_]
    assert sorted(drawn) == drawn
    assert set(drawn) == set(np.argsort(spread)[-64:])
    assert "without the 26 features that vary least" in display.figure_.get_suptitle()
    few = ComponentPlanesDisplay.from_estimator(som, features=range(3))
    assert "without" not in few.figure_.get_suptitle()


@pytest.mark.parametrize("shape", [(3, 30), (30, 3), (1, 20), (20, 1)])
def test_long_maps_have_color_bars_that_can_be_read(shape, iris):
    som = TopographicMap(*shape, max_iter=2).fit(iris[0])
    for display in (UMatrixDisplay.from_estimator(som), HitHistogramDisplay.from_estimator(som, iris[0])):
        display.figure_.canvas.draw()
        box, whole = display.colorbar_.ax.get_window_extent(), display.figure_.bbox
        label = display.colorbar_.ax.xaxis.label if shape[0] < shape[1] else display.colorbar_.ax.yaxis.label
        assert max(box.width, box.height) > 0.2 * whole.width
        assert whole.contains(*label.get_window_extent().min)
        assert whole.contains(*label.get_window_extent().max)
    planes = ComponentPlanesDisplay.from_estimator(som)
    assert max(planes.figure_.get_size_inches()) < 12


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 30), (1, 60), (5, 30), (30, 1), (6, 8)])
def test_color_bars_are_as_long_as_the_map_and_keep_off_its_labels(shape, layout, rng):
    _, ax = plt.subplots(layout=layout)
    for display in (UMatrixDisplay(rng.random(shape)).plot(), UMatrixDisplay(rng.random(shape)).plot(ax=ax)):
        display.figure_.canvas.draw()
        bar, map = display.colorbar_.ax.get_window_extent(), display.ax_.get_window_extent()
        lengths, thickness = ((bar.width, map.width), bar.height)
        if shape[0] >= shape[1] / 2:
            lengths, thickness = ((bar.height, map.height), bar.width)
        assert lengths[0] == pytest.approx(lengths[1])
        assert thickness >= 8
        assert not bar.overlaps(display.ax_.xaxis.get_tightbbox())
        assert display.figure_.bbox.contains(*bar.min)
        assert display.figure_.bbox.contains(*bar.max)


@pytest.mark.parametrize(("value", "shown"), [(1.0, ["1"]), (0.0, ["0"]), (0.25, ["0.25"]), (np.nan, [])])
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (1, 9)])
def test_color_bars_of_one_value_show_that_value_only(value, shown, shape):
    bar = UMatrixDisplay(np.full(shape, value)).plot().colorbar_
    bar.ax.figure.canvas.draw()
    axis = bar.ax.xaxis if bar.orientation == "horizontal" else bar.ax.yaxis
    assert [label.get_text() for label in axis.get_ticklabels()] == shown
    assert not axis.get_offset_text().get_text()


@pytest.mark.parametrize("ordered", [True, False])
def test_ordered_categories_keep_their_order(som, iris, ordered):
    names = ["low", "medium", "high"]
    y = pd.Series(pd.Categorical.from_codes(iris[1], names, ordered=ordered))
    for kind in (LabelMapDisplay, HitHistogramDisplay):
        display, plain = kind.from_estimator(som, iris[0], y), kind.from_estimator(som, iris[0], iris[1])
        expected = names if ordered else sorted(names)
        assert display.classes.tolist() == expected
        codes = [names.index(name) for name in expected]
        np.testing.assert_array_equal(display.class_counts, plain.class_counts[:, codes])


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
