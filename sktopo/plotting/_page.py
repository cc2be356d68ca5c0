"""A map as one interactive page: cells to color by any layer, and a click that shows what stands behind a unit."""

import html
from collections.abc import Sequence
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sktopo.plotting._content import Content, compact
from sktopo.plotting._drawing import FLAT
from sktopo.plotting._palette import EMPTY, as_hex, class_colors

# Pixels of the longer side of the map, and of the columns beside it.
LARGEST_SIDE, SIDE_COLUMN, DETAILS = 540, 230, 430


def to_html(
    map: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    *,
    path: str | PathLike[str],
) -> None:
    """Write a map as one self-contained interactive HTML page that needs no network.

    The cells can be colored by the U-matrix, and, with X and y, by hits and most frequent class, and by any feature. A
    click on a cell shows the unit's prototype, its hits and the rows that fell on it: those of a data frame that a
    Pipeline transforms as they came in.

    Parameters
    ----------
    map : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features), optional
        Samples, as the map or Pipeline takes them. All count as hits; of more than 5000, 5000 evenly spaced ones are
        listed.
    y : array-like of shape (n_samples,), optional
        Classes of the samples.
    names : sequence of str, optional
        Names of the features that reach the map; None takes those that the map or the Pipeline knows.
    path : path-like
        The file to write. It stays below 6 MB: of very many features those are embedded that vary most over the map, of
        a frame's own columns the first that have room, and of a long text its beginning.

    Raises
    ------
    ImportError
        If bokeh, the extra ``html``, is not installed.
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X, y or `names` are not usable.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.plotting import to_html
    >>> X, y = load_iris(return_X_y=True)
    >>> som = TopographicMap(6, 8).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "iris.html")
    ...     to_html(som, X, y, path=path)
    ...     path.stat().st_size < 6e6
    True
    """
    Path(path).write_text(_page(Content.of(map, X, y, names)), encoding="utf-8")


def _page(content: Content) -> str:
    """The page as HTML."""
    bokeh = _bokeh()
    models = bokeh.models
    layers, options = _layers(content)
    data = models.ColumnDataSource(layers, name="layers")
    cells = models.ColumnDataSource(_cell_columns(content), name="cells")
    ghosts = models.ColumnDataSource(_ghost_columns(content))
    parts = _figure(bokeh, content, cells, ghosts)
    figure = parts.pop("map")
    legend = models.Div(name="legend", text=_legend(content.classes), visible=False, width=SIDE_COLUMN)
    select = models.Select(name="layer", title="Color by", value="u_matrix", options=options, width=SIDE_COLUMN)
    palettes = {"label": [as_hex(color) for color in class_colors(len(content.classes))]}
    shown = {"cells": cells, "ghosts": ghosts, "layers": data, "legend": legend, "ramp": parts["mapper"].palette}
    switch = models.CustomJS(args={**parts, **shown, "palettes": palettes}, code=_script("layer.js"))
    select.js_on_change("value", switch)
    details = models.Div(name="details", text="Click a unit to see what stands behind it.", width=DETAILS)
    rows = models.ColumnDataSource(_row_columns(content), name="rows")
    behind = {
        "cells": cells,
        "layers": data,
        "rows": rows,
        "names": content.names,
        "columns": [] if content.rows is None else content.rows.columns,
        "details": details,
        "width": DETAILS,
    }
    cells.selected.js_on_change("indices", models.CustomJS(args=behind, code=_script("unit.js")))
    side = bokeh.layouts.column(select, models.Div(text=_note(content), width=SIDE_COLUMN), legend)
    layout = bokeh.layouts.row(side, figure, details)
    page: str = bokeh.embed.file_html(layout, resources=bokeh.resources.INLINE, title="Topographic map")
    return page


def _bokeh() -> Any:
    """The package bokeh, or an error that says how to get it."""
    try:
        import bokeh
        import bokeh.embed
        import bokeh.layouts
        import bokeh.models
        import bokeh.palettes
        import bokeh.plotting
        import bokeh.resources
    except ImportError as error:
        raise ImportError(
            "sktopo.plotting.to_html draws with bokeh, which is not installed; run: pip install 'sktopo[html]'."
        ) from error
    return bokeh


def _figure(bokeh: Any, content: Content, cells: Any, ghosts: Any) -> dict[str, Any]:
    """The map, and those of its parts that change with the layer."""
    models = bokeh.models
    low, high = content.cells.limits()
    span = high - low
    width, height = (span * LARGEST_SIDE / span.max()).round().astype(int)
    figure = bokeh.plotting.figure(
        frame_width=int(width),  # cells keep their shape, whatever is beside them
        frame_height=int(height),
        x_range=(low[0], high[0]),
        y_range=(high[1], low[1]),
        tools="pan,wheel_zoom,reset,save",
        toolbar_location="below",
        title="U-matrix",
        name="map",
    )
    figure.toolbar.logo = None
    figure.axis.visible = False
    figure.grid.visible = False
    mapper = models.LinearColorMapper(bokeh.palettes.Viridis256, nan_color=EMPTY, **_range(content.u_matrix))
    fill = {"field": "value", "transform": mapper}
    glyph = {"fill_color": fill, "line_color": fill, "line_width": 0.5}
    painted = figure.patches("xs", "ys", source=cells, **glyph, nonselection_fill_alpha=1, nonselection_line_alpha=1)
    painted.selection_glyph = models.Patches(fill_color=fill, line_color="#d00000", line_width=3)
    faded = {"fill_color": fill, "fill_alpha": 0.35, "line_color": "#999999", "line_dash": "dashed"}
    figure.patches("xs", "ys", source=ghosts, **faded)
    tips = [("unit", "@unit (row @row, column @column)"), ("shown", "@value{0.[0000]}")]
    if content.hits is not None:
        tips.append(("hits", "@hits"))
    if content.label is not None:
        tips.append(("label", "@label"))
    hover = models.HoverTool(renderers=[painted], tooltips=tips)
    figure.add_tools(hover, models.TapTool(renderers=[painted]))
    side, thickness = ("below", "height") if content.cells.slope < FLAT else ("right", "width")
    bar = models.ColorBar(color_mapper=mapper, label_standoff=6, **{thickness: 12})
    figure.add_layout(bar, side)
    return {"map": figure, "title": figure.title, "mapper": mapper, "bar": bar, "hover": hover, "tips": tips}


def _cell_columns(content: Content) -> dict[str, Any]:
    """One entry a unit: its polygon, its place, what is shown, and what the hover box says."""
    xs, ys = _sides(content.cells.polygons)
    units = np.arange(content.cells.lattice.n_units, dtype=np.int32)
    width = content.cells.lattice.width
    columns = {"xs": xs, "ys": ys, "unit": units, "row": units // width, "column": units % width}
    columns["value"] = compact(content.u_matrix)
    if content.hits is not None:
        columns["hits"] = content.hits.astype(np.int32)
    if content.label is not None:
        columns["label"] = [content.classes[i] if i >= 0 else "" for i in content.label]
    return columns


def _ghost_columns(content: Content) -> dict[str, Any]:
    """The same of the cells that continue a torus beyond its border."""
    polygons, units = content.cells.ghosts()
    xs, ys = _sides(polygons)
    return {"xs": xs, "ys": ys, "unit": units.astype(np.int32), "value": compact(content.u_matrix[units])}


def _sides(polygons: NDArray[Any]) -> tuple[list[list[float]], list[list[float]]]:
    """Corners as bokeh takes them, to as many digits as can be seen."""
    xs, ys = np.moveaxis(polygons.round(3), 2, 0)
    return xs.tolist(), ys.tolist()


def _layers(content: Content) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What cells can be colored by, one number a unit, and what the layers are called."""
    layers, options = {"u_matrix": content.u_matrix}, [("u_matrix", "U-matrix")]
    if content.hits is not None:
        layers["hits"] = np.where(content.hits > 0, content.hits, np.nan)
        options.append(("hits", "Hits"))
    if content.label is not None:
        layers["label"] = np.where(content.label >= 0, content.label, np.nan)
        options.append(("label", "Most frequent class"))
    for i, name in enumerate(content.names):
        layers[f"f{i}"] = content.prototypes[:, i]
        options.append((f"f{i}", name))
    return {key: compact(values) for key, values in layers.items()}, options


def _row_columns(content: Content) -> dict[str, Any]:
    """One entry a listed row."""
    if content.rows is None:
        return {}
    columns: dict[str, Any] = {"unit": content.rows.unit, "name": content.rows.name}
    if content.rows.label:
        columns["label"] = content.rows.label
    for i, values in enumerate(content.rows.values):
        columns[f"c{i}"] = values
    return columns


def _range(values: NDArray[Any]) -> dict[str, float]:
    low, high = float(values.min()), float(values.max())
    return {"low": low, "high": high if high > low else low + 1}


def _legend(classes: tuple[str, ...]) -> str:
    """One line a class."""
    swatch = '<span style="display:inline-block;width:1em;height:1em;background:{};margin-right:.5em"></span>{}<br>'
    colors = class_colors(len(classes))
    return "".join(swatch.format(as_hex(c), html.escape(name)) for c, name in zip(colors, classes, strict=True))


def _note(content: Content) -> str:
    """What the reader must know about what is shown."""
    lattice = content.cells.lattice
    lines = [f"{lattice.height} x {lattice.width} units, {content.n_features} features."]
    if lattice.periodic:
        lines.append("Opposite edges are joined: the pale ring repeats the other side.")
    if content.transformed:
        lines.append("Prototypes are what reaches the map, after the steps before it.")
    if content.hits is not None:
        lines.append("Gray: no samples.")
    if len(content.names) < content.n_features:
        lines.append(f"Shown are the {len(content.names)} features that vary most over the map.")
    if content.rows is not None and len(content.rows.unit) < content.rows.n_all:
        lines.append(f"Of {content.rows.n_all} rows {len(content.rows.unit)} are listed; all count as hits.")
    if content.rows is not None and content.transformed and len(content.rows.columns) < content.rows.n_columns:
        lines.append(f"Of {content.rows.n_columns} columns the first {len(content.rows.columns)} are listed.")
    return "<p>" + "<br>".join(lines) + "</p>"


def _script(name: str) -> str:
    """A callback's code."""
    return files("sktopo.plotting").joinpath(name).read_text(encoding="utf-8")
