"""Topographic maps (self-organizing maps) for scikit-learn and PyTorch."""

from sktopo import annealing, metrics, nn, plotting
from sktopo._building_blocks import chunk_statistics, update_codebook
from sktopo._statistics import UnitStatistics
from sktopo._version import __version__
from sktopo.checkpoint import Checkpoint
from sktopo.estimator import TopographicMap

__all__ = [
    "Checkpoint",
    "TopographicMap",
    "UnitStatistics",
    "__version__",
    "annealing",
    "chunk_statistics",
    "metrics",
    "nn",
    "plotting",
    "update_codebook",
]
