"""Pictures of a fitted map, as scikit-learn's Displays and as an interactive page.

matplotlib (extra ``plot``) and bokeh (extra ``html``) are imported when something is drawn, not before.
"""

from sktopo.plotting._component_planes import ComponentPlanesDisplay
from sktopo.plotting._curve import TrainingCurveDisplay
from sktopo.plotting._hits import HitHistogramDisplay
from sktopo.plotting._labels import LabelMapDisplay
from sktopo.plotting._page import to_html
from sktopo.plotting._u_matrix import UMatrixDisplay

__all__ = [
    "ComponentPlanesDisplay",
    "HitHistogramDisplay",
    "LabelMapDisplay",
    "TrainingCurveDisplay",
    "UMatrixDisplay",
    "to_html",
]
