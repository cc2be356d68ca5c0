import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from pictures import LAYOUTS, cells_of
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sktopo import TopographicMap
from sktopo.plotting import ComponentPlanesDisplay
from sktopo.plotting._component_planes import UNITS


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


@pytest.mark.parametrize("n_features", [4, 10, 30])
def test_numbers_of_color_bars_stay_on_the_figure(n_features, rng):
    X = rng.normal(size=(200, n_features)) / 3
    display = ComponentPlanesDisplay.from_estimator(TopographicMap(12, 8, lattice="hexagonal").fit(X))
    display.figure_.canvas.draw()
    drawn, page = display.figure_.get_tightbbox(), display.figure_.bbox_inches
    assert drawn.x0 >= page.x0
    assert drawn.x1 <= page.x1


def test_an_empty_title_is_no_warning(rng):
    display = ComponentPlanesDisplay(rng.random((2, 5, 5)), feature_names=["", "a"]).plot()
    assert [ax.get_title() for ax in display.axes_] == ["", "a"]


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


def test_wrong_features_are_named_with_what_is_near(iris):
    X = pd.DataFrame(iris[0], columns=["sepal length", "sepal width", "petal length", "petal width"])
    som = TopographicMap(3, 3).fit(X)
    assert ComponentPlanesDisplay.from_estimator(som, features="petal width").feature_names == ["petal width"]
    assert ComponentPlanesDisplay.from_estimator(som, features=2).feature_names == ["petal length"]
    with pytest.raises(ValueError, match="use numbers below 4, or names, such as 'petal width'"):
        ComponentPlanesDisplay.from_estimator(som, features=["petal widht"])
    with pytest.raises(ValueError, match=r"features contains 0\.5; use numbers below 4"):
        ComponentPlanesDisplay.from_estimator(som, features=0.5)
    numbers = make_column_transformer((StandardScaler(), list(X.columns)))
    model = make_pipeline(numbers, TopographicMap(3, 3)).fit(X)
    with pytest.raises(ValueError, match=r"or names, such as 'standardscaler__petal width'\.$"):
        ComponentPlanesDisplay.from_estimator(model, features="petal width")


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
