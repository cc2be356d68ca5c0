"""
Five pictures of one map
========================

``sktopo.plotting`` draws a map as scikit-learn draws a confusion matrix: a Display has ``from_estimator``, takes an
``ax``, and keeps what it has drawn. All take hexagonal, rectangular and periodic maps, and Pipelines that end in one.
"""

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.plotting import (
    ComponentPlanesDisplay,
    HitHistogramDisplay,
    LabelMapDisplay,
    TrainingCurveDisplay,
    UMatrixDisplay,
)

wine = load_wine(as_frame=True)
X, grower = wine.data, wine.target_names[wine.target]
model = make_pipeline(StandardScaler(), TopographicMap(10, 8, lattice="hexagonal")).fit(X)

# %%
# How training went: the loss of each pass falls while the neighborhood narrows.
TrainingCurveDisplay.from_estimator(model)

# %%
# Where the groups are, without and with their names. A ridge of the U-matrix runs along the upper border of class_0;
# between class_1 and class_2 there is none. The brightest spot is no border: on that unit lie three wines of class_1
# with very much magnesium. Look at the hits before you call a ridge a border.
figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
UMatrixDisplay.from_estimator(model, ax=axes[0])
LabelMapDisplay.from_estimator(model, X, grower, ax=axes[1])

# %%
# How many samples are on each unit, and of which class.
figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
HitHistogramDisplay.from_estimator(model, X, ax=axes[0])
HitHistogramDisplay.from_estimator(model, X, grower, ax=axes[1])

# %%
# Which features make the difference.
ComponentPlanesDisplay.from_estimator(model, features=["alcohol", "flavanoids", "color_intensity", "proline"])
