"""How large a map, how narrow a neighborhood? Criteria compared on three data sets.

Run with ``python docs/examples/map_size.py``; it takes some minutes. docs/how-to/map-size.md tells what came out.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.metrics import (
    continuity,
    neg_combined_error_scorer,
    neg_quantization_error_scorer,
    neg_topographic_error_scorer,
    trustworthiness_scorer,
)

SIDES = (3, 4, 6, 8, 10, 12, 16, 24, 32)
SIGMAS = (0.5, 0.8, 1.2, 1.8, 2.7)
TOLERANCE = 0.01


def continuity_scorer(estimator, X, y=None):  # noqa: ARG001
    return continuity(estimator, X, random_state=0)


def neighbors_kept(estimator, X, y=None):  # noqa: ARG001
    """Do neighbors stay neighbors, from the data to the map and back?"""
    return (trustworthiness_scorer(estimator, X) + continuity_scorer(estimator, X)) / 2


def smallest_good_map(results):
    """Position of the smallest map within the tolerance of the best score, and of those the best (for refit)."""
    score = results["mean_test_neighbors"]
    units = np.array([p["topographicmap__height"] * p["topographicmap__width"] for p in results["params"]])
    return min(np.flatnonzero(score >= score.max() - TOLERANCE), key=lambda i: (units[i], -score[i]))


SCORERS = {
    "quantization": neg_quantization_error_scorer,
    "topographic": neg_topographic_error_scorer,
    "combined": neg_combined_error_scorer,
    "trustworthiness": trustworthiness_scorer,
    "continuity": continuity_scorer,
    "neighbors": neighbors_kept,
}
FOLDS = KFold(5, shuffle=True, random_state=0)


def search(X):
    grid = [
        {"topographicmap__height": [s], "topographicmap__width": [s], "topographicmap__sigma_final": SIGMAS}
        for s in SIDES
    ]
    model = make_pipeline(StandardScaler(), TopographicMap())
    return GridSearchCV(model, grid, scoring=SCORERS, refit=smallest_good_map, cv=FOLDS).fit(X)


def name(parameters):
    side, sigma = parameters["topographicmap__height"], parameters["topographicmap__sigma_final"]
    return f"{side} x {side}, {sigma}"


for title, data in {"wine": load_wine(), "breast cancer": load_breast_cancer(), "digits": load_digits()}.items():
    found = search(data.data)
    results = found.cv_results_
    print(f"\n{title}: {len(data.data)} rows, {data.data.shape[1]} features; map and sigma_final chosen by")
    for criterion in SCORERS:
        best = results[f"mean_test_{criterion}"].argmax()
        print(f"  {criterion:15} {name(results['params'][best]):>14}")
    print(f"  {'smallest good':15} {name(found.best_params_):>14}")
    print("  neighbors kept, best sigma_final of each size:")
    for side in SIDES:
        mine = [i for i, p in enumerate(results["params"]) if p["topographicmap__height"] == side]
        best = max(mine, key=lambda i: results["mean_test_neighbors"][i])
        score, sigma = results["mean_test_neighbors"][best], results["params"][best]["topographicmap__sigma_final"]
        print(f"    {side:2} x {side:2}  {score:.3f}  ({sigma})")
