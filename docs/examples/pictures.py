"""Draw the pictures in docs/images. Run with ``python docs/examples/pictures.py [folder]``."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, load_wine
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

folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "images")
folder.mkdir(exist_ok=True)
X, y = load_digits(return_X_y=True)
wine = load_wine(as_frame=True)


def save(display, name):
    display.figure_.savefig(folder / f"{name}.png", dpi=100)
    plt.close(display.figure_)


for lattice in ("rectangular", "hexagonal"):
    small = TopographicMap(8, 8, lattice=lattice).fit(X)
    save(HitHistogramDisplay.from_estimator(small, X), f"hits_{lattice}")
    save(HitHistogramDisplay.from_estimator(small, X, y), f"pies_{lattice}")
    save(LabelMapDisplay.from_estimator(small, X, y), f"labels_{lattice}")
    large = TopographicMap(60, 60, lattice=lattice).fit(X)
    save(HitHistogramDisplay.from_estimator(large, X, y), f"pies_60_{lattice}")
    save(LabelMapDisplay.from_estimator(large, X, y), f"labels_60_{lattice}")
    medium = TopographicMap(20, 24, lattice=lattice).fit(X)
    save(UMatrixDisplay.from_estimator(medium), f"u_matrix_{lattice}")
    model = make_pipeline(StandardScaler(), TopographicMap(10, 12, lattice=lattice)).fit(wine.data)
    save(ComponentPlanesDisplay.from_estimator(model), f"component_planes_{lattice}")
torus = TopographicMap(10, 12, lattice="hexagonal", periodic=True).fit(X)
save(UMatrixDisplay.from_estimator(torus), "u_matrix_torus")
save(TrainingCurveDisplay.from_estimator(small), "training_curve")
