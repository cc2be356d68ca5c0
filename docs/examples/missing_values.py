"""Missing values: a map learned from incomplete digits against mean imputation.

Run it with ``python docs/examples/missing_values.py``; it prints the table of docs/how-to/missing-values.md.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import SimpleImputer
from sklearn.metrics import adjusted_mutual_info_score
from tables import Column, Table, publish

from sktopo import TopographicMap

ROWS = (
    "quantization error of the complete digits",
    "share of digits in the unit they have with all pixels",
    "mutual information of unit and digit",
    "root mean square error of the removed pixels",
)


def run(share: float, seed: int) -> tuple[list[float], list[float], float]:
    """Remove a share of the pixels, learn a map with and without imputation, and compare on the complete digits."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    gaps = np.random.default_rng(seed).uniform(size=X.shape) < share
    incomplete = np.where(gaps, np.nan, X)
    filled = SimpleImputer(keep_empty_features=True).fit_transform(incomplete)

    exact = TopographicMap(12, 12).fit(incomplete)
    imputed = TopographicMap(12, 12).fit(filled)
    complete = TopographicMap(12, 12).fit(X)
    guess = exact.inverse_transform(exact.transform(incomplete))
    return (
        [*judge(exact, incomplete, X, y), rms(guess - X, gaps)],
        [*judge(imputed, filled, X, y), rms(filled - X, gaps)],
        -complete.score(X),
    )


def judge(som: TopographicMap, seen: np.ndarray, X: np.ndarray, y: np.ndarray) -> list[float]:
    """How well a map fits the complete digits, and what it says of the rows as they were seen."""
    same = float(np.mean(som.predict(seen) == som.predict(X)))
    return [-som.score(X), same, adjusted_mutual_info_score(y, som.predict(seen))]


def rms(difference: np.ndarray, gaps: np.ndarray) -> float:
    """Root mean square over the removed pixels."""
    return float(np.sqrt(np.square(difference[gaps]).mean()))


def tables() -> dict[str, Table]:
    exact, imputed, complete = zip(*[run(0.2, seed) for seed in range(5)], strict=True)
    cells = zip(*[stack(results) for results in (exact, imputed)], strict=True)
    columns = (
        Column("learned from incomplete data", ".3f", 0.01),
        Column("after mean imputation", ".3f", 0.01),
    )
    best = {"learned from the complete digits": [float(np.mean(complete))]}
    return {
        "digits": Table("measure", columns, {name: list(pair) for name, pair in zip(ROWS, cells, strict=True)}),
        "complete": Table("map", (Column("quantization error", ".3f", 0.01),), best),
    }


def stack(results: tuple[list[float], ...]) -> list[list[float]]:
    """[mean, standard deviation] of each measure."""
    return np.stack([np.mean(results, axis=0), np.std(results, axis=0)], axis=1).tolist()


if __name__ == "__main__":
    publish(__file__, tables())
