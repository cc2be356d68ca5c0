"""Quality measures of a fitted map, and scorers for model choice.

Every measure takes a map, or a Pipeline or search that ends in one, and returns a Python float.
"""

from sktopo.metrics._combined import combined_error
from sktopo.metrics._errors import distortion, explained_variance, quantization_error, topographic_error
from sktopo.metrics._hits import hit_entropy
from sktopo.metrics._product import topographic_product
from sktopo.metrics._ranks import continuity, trustworthiness
from sktopo.metrics._scorers import (
    continuity_scorer,
    neg_combined_error_scorer,
    neg_quantization_error_scorer,
    neg_topographic_error_scorer,
    trustworthiness_scorer,
)

__all__ = [
    "combined_error",
    "continuity",
    "continuity_scorer",
    "distortion",
    "explained_variance",
    "hit_entropy",
    "neg_combined_error_scorer",
    "neg_quantization_error_scorer",
    "neg_topographic_error_scorer",
    "quantization_error",
    "topographic_error",
    "topographic_product",
    "trustworthiness",
    "trustworthiness_scorer",
]
