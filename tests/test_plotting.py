import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from pictures import (
    LAYOUTS,
    cells_of,
    displays,
)
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.metrics import quantization_error
from sktopo.plotting import (
    ComponentPlanesDisplay,
    HitHistogramDisplay,
    LabelMapDisplay,
    UMatrixDisplay,
)
from sktopo.plotting._cells import Cells


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
    for weight, label in ((None, "samples per unit"), (np.ones(150), "weight of the samples per unit")):
        hits = HitHistogramDisplay.from_estimator(som, iris[0], sample_weight=weight)
        assert hits.colorbar_.ax.get_ylabel() == f"{label} (none: gray)"
    assert UMatrixDisplay.from_estimator(som, colorbar=False).colorbar_ is None


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
    with pytest.raises(ValueError, match="'purples' is not a valid"):
        UMatrixDisplay(som.u_matrix()).plot(cmap="purples")
    for ax in (plt.figure(), plt.subplots(1, 2)[1]):
        for draw in displays(som, *iris).values():
            with pytest.raises((TypeError, ValueError), match=r"ax must be matplotlib Axes|ax holds . axes"):
                draw(ax)
    with pytest.raises(TypeError, match="Colormap"):
        UMatrixDisplay(som.u_matrix()).plot(cmap=7)


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


def test_a_fitted_search_is_accepted(iris):
    X, y = iris
    model = make_pipeline(StandardScaler(), TopographicMap(random_state=0, max_iter=2))
    search = GridSearchCV(model, {"topographicmap__height": [4, 5]}, cv=2)
    of_none = GridSearchCV(model, {"topographicmap__height": [4]}, cv=2, refit=False).fit(X)
    for without in (search, of_none, make_pipeline(StandardScaler(), search)):
        with pytest.raises(TypeError, match="of type GridSearchCV, which has no best_estimator_: fit it, and not with"):
            UMatrixDisplay.from_estimator(without)
    search.fit(pd.DataFrame(X, columns=list("abcd")))
    best = search.best_estimator_
    np.testing.assert_array_equal(UMatrixDisplay.from_estimator(search).u_matrix, best[-1].u_matrix())
    assert ComponentPlanesDisplay.from_estimator(search).feature_names == list("abcd")
    rows = pd.DataFrame(X, columns=list("abcd"))
    assert quantization_error(search, rows) == quantization_error(best, rows)
    LabelMapDisplay.from_estimator(search, rows, y)


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_is_not_painted(dtype):
    values = np.full((1, 9), 0.25, dtype)
    values[0, 3] += 4 * np.finfo(dtype).eps * dtype(0.25)
    values[0, 5] = np.nan
    painted = UMatrixDisplay(values).plot().colorbar_.mappable.get_array()
    np.testing.assert_array_equal(painted.filled(-1), np.where(np.isnan(values), -1, 0.25)[0])
    values[0, 3] *= 1 + 1e-5
    painted = UMatrixDisplay(values).plot().colorbar_.mappable.get_array()
    np.testing.assert_array_equal(painted.compressed(), values[np.isfinite(values)])
