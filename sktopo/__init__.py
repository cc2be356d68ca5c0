"""Topographic maps (self-organizing maps) for scikit-learn and PyTorch."""

from sktopo import metrics, nn, plotting
from sktopo.estimator import TopographicMap

__all__ = ["TopographicMap", "__version__", "metrics", "nn", "plotting"]

__version__ = "0.1.0"
