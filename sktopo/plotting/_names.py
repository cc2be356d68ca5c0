"""Names of features."""

from collections.abc import Sequence
from typing import Any

from sktopo._pipelines import last_step


def feature_names_of(estimator: Any, n: int, given: Sequence[str] | None, parameter: str) -> list[str]:
    """Names of the features as they reach the map: those that are given, or those that the map or Pipeline knows."""
    if given is not None:
        if len(given) != n:
            raise ValueError(f"{parameter} must name the {n} features that reach the map, got {len(given)} names.")
        return [str(name) for name in given]
    map, estimator = last_step(estimator), getattr(estimator, "best_estimator_", estimator)
    if hasattr(map, "feature_names_in_"):
        return [str(name) for name in map.feature_names_in_]
    if map is not estimator and len(estimator.steps) > 1:
        try:
            return [str(name) for name in estimator[:-1].get_feature_names_out()]
        except AttributeError:  # a step that names nothing
            pass
    return [f"feature {i}" for i in range(n)]
