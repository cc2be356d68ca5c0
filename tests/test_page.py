"""The interactive page, in a real browser without a network."""

import json
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sktopo import TopographicMap
from sktopo.plotting import LabelMapDisplay, to_html
from sktopo.plotting._content import Content
from sktopo.plotting._page import _note

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1500,900",
)
# Bokeh draws into shadow trees, which ordinary selectors do not enter.
FIND = """
const find = (root, selector) => {
  const found = root.querySelector(selector)
  if (found !== null) return found
  for (const element of root.querySelectorAll("*")) {
    if (element.shadowRoot !== null) {
      const inner = find(element.shadowRoot, selector)
      if (inner !== null) return inner
    }
  }
  return null
}
const model = (name) => Bokeh.documents[0].get_model_by_name(name)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    chromium, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium is not None, "the page is tested in a browser: apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver_path)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


class Page:
    """A page that is open in the browser."""

    def __init__(self, browser, path):
        self.browser = browser
        browser.get(path.as_uri())
        self.until("return window.Bokeh !== undefined && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")

    def run(self, script, *arguments):
        return self.browser.execute_script(FIND + script, *arguments)

    def until(self, script, *arguments):
        for _ in range(300):
            value = self.run(script, *arguments)
            if value:
                return value
            time.sleep(0.1)
        raise AssertionError(f"never true in the page: {script}")

    def choose(self, layer):
        """Select a layer as a hand would."""
        self.run(
            """
            const select = find(document, "select")
            const index = Array.from(select.options).findIndex((option) => option.text === arguments[0])
            select.selectedIndex = index
            select.dispatchEvent(new Event("change", {bubbles: true}))
            """,
            layer,
        )

    def click(self, unit):
        """Click in the middle of a unit's cell; where the machine is so busy that it was a long press, once more."""
        for _ in range(5):
            self.point_at(unit).click().perform()
            for _ in range(30):
                if self.run('return model("cells").selected.indices[0] === arguments[0]', unit):
                    return
                time.sleep(0.1)
        raise AssertionError(f"clicks do not select unit {unit}")

    def hover(self, unit):
        """The text of the box that a pointer on a unit's cell opens."""
        self.point_at(unit).perform()
        text = f"{unit} (row"
        return self.until(
            """
            const box = find(document, ".bk-Tooltip")
            if (box === null || box.shadowRoot === null) return null
            const lines = Array.from(box.shadowRoot.querySelectorAll(".bk-tooltip-row-label")).map((label) =>
              `${label.textContent.trim()} ${label.nextElementSibling.textContent.trim()}`)
            return lines.some((line) => line.includes(arguments[0])) ? lines : null
            """,
            text,
        )

    def point_at(self, unit):
        """Actions that begin with the pointer in the middle of a unit's cell."""
        from selenium.webdriver.common.action_chains import ActionChains

        x, y = self.run(
            """
            const data = model("cells").data, unit = arguments[0]
            const middle = (ends) => (Math.min(...ends) + Math.max(...ends)) / 2
            const view = Bokeh.index.find_one(model("map"))
            const box = view.canvas_view.el.getBoundingClientRect()
            return [box.x + view.frame.x_scale.compute(middle(Array.from(data.xs[unit]))),
                    box.y + view.frame.y_scale.compute(middle(Array.from(data.ys[unit])))]
            """,
            unit,
        )
        actions = ActionChains(self.browser)
        actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        return actions

    def details(self):
        """Heading, hits, and the texts of the tables' cells beside the map."""
        return self.run(
            """
            const body = Bokeh.index.find_one(model("details")).shadow_el
            const texts = (root, selector) => Array.from(root.querySelectorAll(selector)).map((e) => e.textContent)
            return {heading: texts(body, "h3")[0], hits: texts(body, "p")[0],
                    tables: Array.from(body.querySelectorAll("table")).map((table) =>
                      Array.from(table.rows).map((line) => Array.from(line.cells).map((cell) => cell.textContent)))}
            """
        )

    def complaints(self):
        """What the console says, and what was asked of a network."""
        console = [entry for entry in self.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return console + [url for url in asked if not url.startswith(("file:", "data:", "blob:", "chrome:"))]


@pytest.fixture(scope="module")
def wine():
    data = load_wine(as_frame=True)
    return data.data, data.target_names[data.target.to_numpy()]


@pytest.mark.parametrize(("lattice", "periodic"), [("rectangular", False), ("hexagonal", True)])
def test_the_page_switches_layers_and_a_click_shows_the_rows(browser, wine, tmp_path, lattice, periodic):
    X, y = wine
    X = X.set_axis(index := [f"<wine {i}>" for i in range(len(X))])
    model = make_pipeline(StandardScaler(), TopographicMap(6, 8, lattice=lattice, periodic=periodic)).fit(X)
    som, scaled = model[-1], model[0].transform(X)
    to_html(model, X, y, path=tmp_path / "map.html")
    page = Page(browser, tmp_path / "map.html")

    np.testing.assert_allclose(
        page.run('return Array.from(model("cells").data.value)'), som.u_matrix().ravel(), rtol=1e-6
    )
    hits = som.hit_histogram(scaled).ravel()
    page.choose("Hits")
    shown = page.run('return Array.from(model("cells").data.value).map((v) => Number.isFinite(v) ? v : 0)')
    assert shown == hits.tolist()
    page.choose("alcohol")
    np.testing.assert_allclose(page.run('return Array.from(model("cells").data.value)'), som.codebook_[:, 0], rtol=1e-6)
    assert page.run('return model("map").title.text') == "alcohol"
    page.choose("Most frequent class")
    assert page.run('return model("layer").value') == "label"
    assert page.run('return model("legend").visible')

    bmu = som.predict(scaled)
    for unit in (int(np.argmax(hits)), int(np.argmin(hits))):
        page.click(unit)
        details = page.details()
        assert details["heading"] == f"Unit {unit}: row {unit // 8}, column {unit % 8}"
        assert details["hits"].startswith(f"{hits[unit]:.0f} hit" + "s" * int(hits[unit] != 1))
        prototype, rows = details["tables"]
        assert [name for name, _ in prototype[1:]] == list(X.columns)
        np.testing.assert_allclose([float(v) for _, v in prototype[1:]], som.codebook_[unit], rtol=1e-3, atol=1e-3)
        fell = np.flatnonzero(bmu == unit)
        assert [row[:2] for row in rows[1:]] == [[index[i], y[i]] for i in fell]
        for row, i in zip(rows[1:], fell, strict=True):
            np.testing.assert_allclose([float(v) for v in row[2:]], X.iloc[i], rtol=1e-3, atol=1e-3)
    assert page.complaints() == []


def test_the_pointer_opens_a_box_that_tells_of_the_unit(browser, wine, tmp_path):
    X, y = wine
    model = make_pipeline(StandardScaler(), TopographicMap(6, 8, lattice="hexagonal")).fit(X)
    to_html(model, X, y, path=tmp_path / "map.html")
    page = Page(browser, tmp_path / "map.html")
    hits = model[-1].hit_histogram(model[0].transform(X))
    labels = LabelMapDisplay.from_estimator(model, X, y).labels_
    unit = int(hits.argmax())
    lines = page.hover(unit)
    assert lines == [
        f"unit: {unit} (row {unit // 8}, column {unit % 8})",
        f"shown: {model[-1].u_matrix().ravel()[unit]:.4f}",
        f"hits: {hits.ravel()[unit]:.0f}",
        f"label: {np.unique(y)[labels[unit]]}",
    ]
    assert page.complaints() == []


def test_a_map_alone_makes_a_page(browser, iris, tmp_path):
    som = TopographicMap(4, 5).fit(iris[0])
    to_html(som, names=["a", "</script>", "c", "<d>"], path=str(tmp_path / "map.html"))
    page = Page(browser, tmp_path / "map.html")
    assert page.run('return Array.from(find(document, "select").options).map((o) => o.text)') == [
        "U-matrix",
        "a",
        "</script>",
        "c",
        "<d>",
    ]
    page.click(7)
    (prototype,) = page.details()["tables"]
    assert [name for name, _ in prototype[1:]] == ["a", "</script>", "c", "<d>"]
    assert page.complaints() == []


@pytest.mark.parametrize(("shape", "below"), [((3, 40), True), ((8, 8), False)])
def test_the_color_bar_is_as_long_as_the_map(browser, shape, below, iris, tmp_path):
    to_html(TopographicMap(*shape).fit(iris[0]), path=tmp_path / "map.html")
    page = Page(browser, tmp_path / "map.html")
    for side in ("below", "right"):
        found = page.run('return model("map")[arguments[0]].some((part) => part.type === "ColorBar")', side)
        assert found == (below if side == "below" else not below)


def test_a_page_stays_small_and_lists_at_most_5000_rows(browser, tmp_path, rng):
    X = rng.normal(size=(6001, 784)).astype(np.float32) * np.linspace(1, 2, 784, dtype=np.float32)
    som = TopographicMap(100, 100, lattice="hexagonal", init="random", random_state=0, max_iter=1).fit(X[:300])
    path = tmp_path / "map.html"
    to_html(som, X, np.arange(6001) % 7, path=path)
    assert path.stat().st_size < 6e6
    page = Page(browser, path)
    units = page.run('return Array.from(model("rows").data.unit)')
    names = page.run('return Array.from(model("rows").data.name)')
    assert len(units) == len(names) == 5000
    bmu = som.predict(X)
    assert all(bmu[int(name)] == unit for name, unit in zip(names, units, strict=True))
    hits = page.run('return Array.from(model("cells").data.hits)')
    assert hits == np.bincount(bmu, minlength=10_000).tolist()
    assert page.complaints() == []


@pytest.mark.parametrize("size", [1e39, 1e200])
def test_huge_numbers_make_a_page(size, iris, tmp_path):
    X = iris[0] * size
    to_html(TopographicMap(3, 3).fit(X), X, path=tmp_path / "page.html")


def test_lists_make_a_page(iris, tmp_path):
    som = TopographicMap(3, 3).fit(iris[0])
    to_html(som, iris[0].tolist(), iris[1].tolist(), path=tmp_path / "lists.html")
    to_html(som, iris[0], iris[1], path=tmp_path / "arrays.html")
    assert abs((tmp_path / "lists.html").stat().st_size - (tmp_path / "arrays.html").stat().st_size) < 1000


def test_a_page_says_what_is_wrong(iris, tmp_path):
    som = TopographicMap(3, 3).fit(iris[0])
    with pytest.raises(ValueError, match="names must name the 4 features that reach the map, got 2 names"):
        to_html(som, names=["a", "b"], path=tmp_path / "map.html")
    with pytest.raises(ValueError, match="y needs X"):
        to_html(som, y=iris[1], path=tmp_path / "map.html")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        to_html(som, iris[0], iris[1][:7], path=tmp_path / "map.html")
    assert not (tmp_path / "map.html").exists()


def test_rows_of_a_frame_are_shown_as_they_came_in(rng):
    X = pd.DataFrame({"age": rng.integers(18, 80, 60), "country": rng.choice(["France", "Italy"], 60)})
    columns = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(), ["country"]))
    content = Content.of(make_pipeline(columns, TopographicMap(3, 3)).fit(X), X, None, None)
    assert content.names == ["standardscaler__age", "onehotencoder__country_France", "onehotencoder__country_Italy"]
    assert content.rows.columns == ["age", "country"]
    age, country = content.rows.values
    assert [float(value) for value in age] == X["age"].tolist()
    assert country == X["country"].tolist()
    assert "after the steps before it" in _note(content)
    plain = Content.of(TopographicMap(3, 3).fit(X[["age"]]), X[["age"]], None, None)
    assert plain.rows.columns == ["age"]
    assert "after the steps before it" not in _note(plain)


def frame_of_customers(rng):
    numbers = np.arange(200)
    price = 100_000.25 + numbers / 8
    return pd.DataFrame({"customer": 1_234_567 + numbers, "zip": 10_001 + numbers, "price": price, "paid": price > 1e5})


def test_dates_of_a_frame_are_shown_without_zeros(iris):
    frame = pd.DataFrame(iris[0][:50], columns=list("abcd")).assign(day=pd.date_range("2024-02-28", periods=50))
    numbers = make_column_transformer((StandardScaler(), list("abcd")))
    model = make_pipeline(numbers, TopographicMap(3, 3)).fit(frame)
    assert Content.of(model, frame, None, None).rows.values[-1][:2] == ["2024-02-28", "2024-02-29"]
    by_time = Content.of(model, frame, frame["day"] + pd.Timedelta(hours=6), None)
    assert by_time.classes[0] == "2024-02-28 06:00"


def test_every_digit_of_a_row_is_shown(browser, tmp_path, rng):
    X = frame_of_customers(rng)
    model = make_pipeline(make_column_transformer((StandardScaler(), ["price"])), TopographicMap(2, 2)).fit(X)
    to_html(model, X, path=tmp_path / "map.html")
    page = Page(browser, tmp_path / "map.html")
    page.click(0)
    rows = page.details()["tables"][1]
    fell = X[model.predict(X) == 0]
    assert rows[0] == ["row", *X.columns]
    for row, (name, customer, code, price, paid) in zip(rows[1:], fell.itertuples(), strict=True):
        assert row[:3] + row[4:] == [str(name), str(customer), str(code), str(paid)]
        assert float(row[3]) == price
    assert page.complaints() == []


@pytest.mark.parametrize("length", [35, 3000])
def test_a_page_of_texts_stays_small(length, tmp_path, rng):
    text = pd.Series(["é" + "x" * length] * 6000)
    X = pd.DataFrame({"price": rng.normal(size=6000)} | {f"text {i}": text for i in range(30)})
    X.index = text + text.index.astype(str)
    model = make_pipeline(make_column_transformer((StandardScaler(), ["price"])), TopographicMap(2, 2)).fit(X)
    to_html(model, X, text.to_numpy(), path=tmp_path / "map.html")
    assert (tmp_path / "map.html").stat().st_size < 6e6
    content = Content.of(model, X, None, None)
    assert 1 <= len(content.rows.columns) < 31
    assert f"Of 31 columns the first {len(content.rows.columns)} are listed" in _note(content)
    assert all(len(name) <= 101 for name in content.rows.name)
