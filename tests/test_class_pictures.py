import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from pictures import area, cells_of

from sktopo.plotting import HitHistogramDisplay, LabelMapDisplay
from sktopo.plotting._cells import Cells
from sktopo.plotting._palette import class_colors


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


def test_colors_of_classes_differ():
    assert len({tuple(np.round(color, 3)) for color in class_colors(22)}) == 22
    assert class_colors(23)[22] == class_colors(1)[0]


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


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_many_dates_are_no_classes(zone, som, iris):
    hours = pd.Series(pd.date_range("2025-01-01", periods=150, freq="h", tz=zone))
    with pytest.raises(ValueError, match=r"y holds more than 100 dates or times, too many for classes: .* y\.dt\.hour"):
        LabelMapDisplay.from_estimator(som, iris[0], hours)
    LabelMapDisplay.from_estimator(som, iris[0], hours.dt.hour)
    legend = LabelMapDisplay.from_estimator(som, iris[0], hours.dt.floor("D")).ax_.get_legend()
    texts = [text.get_text() for text in legend.get_texts()]
    assert [text[:10] for text in texts] == [f"2025-01-0{day}" for day in range(1, 8)]
    assert zone or max(map(len, texts)) == 10


def test_counts_and_classes_belong_together():
    with pytest.raises(ValueError, match="class_counts and classes belong together"):
        HitHistogramDisplay(np.ones((2, 2)), class_counts=np.ones((4, 2))).plot()
