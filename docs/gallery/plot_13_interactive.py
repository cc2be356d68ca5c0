"""
An interactive page
===================

``to_html`` writes a map as one HTML file that needs no network: send it to somebody who has no Python. Cells can be
colored by the U-matrix, hits, class or any feature; a click shows the unit's prototype and the rows that fell on it.
"""

# sphinx_gallery_thumbnail_path = "_static/interactive.png"
import html
import tempfile
from pathlib import Path

from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.plotting import to_html

wine = load_wine(as_frame=True)
model = make_pipeline(StandardScaler(), TopographicMap(9, 7, lattice="hexagonal")).fit(wine.data)
path = Path(tempfile.mkdtemp()) / "wine.html"
to_html(model, wine.data, wine.target_names[wine.target], path=path)
print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


# %%
# On this site the page sits in a frame, made smaller; opened from its file it fills the window. Try it:
class Frame:
    """A page within a page."""

    def _repr_html_(self):
        page = html.escape(path.read_text())
        smaller = "width: 133%; height: 960px; transform: scale(0.75); transform-origin: 0 0; border: 0"
        return f'<div style="height: 720px; overflow: hidden"><iframe srcdoc="{page}" style="{smaller}"></iframe></div>'


Frame()
