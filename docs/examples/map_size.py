"""How large a map, how narrow a neighborhood? Criteria compared on three data sets.

Run with ``python docs/examples/map_size.py``; it takes some minutes. docs/how-to/map-size.md tells what came out.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import Column, Table, publish

from sktopo import TopographicMap
from sktopo.metrics import (
    continuity_scorer,
    neg_combined_error_scorer,
    neg_quantization_error_scorer,
    neg_topographic_error_scorer,
    trustworthiness_scorer,
)

SIDES = (3, 4, 6, 8, 10, 12, 16, 24, 32)
SIGMAS = (0.5, 0.8, 1.2, 1.8, 2.7)
TOLERANCE = 0.01


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


def size_and_sigma(parameters):
    return [parameters["topographicmap__height"], parameters["topographicmap__sigma_final"]]


def of_data(X):
    """What each criterion chooses, and how well the best sigma of each size keeps neighbors."""
    found = search(X)
    results = found.cv_results_
    chosen = {
        criterion: size_and_sigma(results["params"][results[f"mean_test_{criterion}"].argmax()])
        for criterion in SCORERS
    }
    chosen["smallest good"] = size_and_sigma(found.best_params_)
    kept = {}
    for side in SIDES:
        mine = [i for i, p in enumerate(results["params"]) if p["topographicmap__height"] == side]
        best = max(mine, key=lambda i: results["mean_test_neighbors"][i])
        kept[f"{side} x {side}"] = [
            float(results["mean_test_neighbors"][best]),
            size_and_sigma(results["params"][best])[1],
        ]
    return chosen, kept


def tables() -> dict[str, Table]:
    data = {"wine": load_wine(), "breast cancer": load_breast_cancer(), "digits": load_digits()}
    chosen, kept = zip(*[of_data(bunch.data) for bunch in data.values()], strict=True)
    # sides and sigmas are steps of the grid: a near tie may fall to the next one
    choices = [Column(f"{name}: {what}", *how) for name in data
               for what, how in (("side", ("d", 8)), ("sigma_final", (".1f", 0.9)))]  # fmt: skip
    scores = [Column(f"{name}: {what}", *how) for name in data
              for what, how in (("kept", (".3f", 0.005)), ("sigma_final", (".1f", 0.9)))]  # fmt: skip
    return {
        "chosen": Table("chosen by", tuple(choices), joined(chosen)),
        "kept": Table("units", tuple(scores), joined(kept)),
    }


def joined(parts):
    """Rows of several tables side by side."""
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}


if __name__ == "__main__":
    publish(__file__, tables())
