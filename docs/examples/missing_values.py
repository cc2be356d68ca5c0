"""Missing values: a map learned from incomplete digits against mean imputation.

Run it with ``python docs/examples/missing_values.py``; it prints the table of docs/how-to/missing-values.md.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import SimpleImputer
from sklearn.metrics import adjusted_mutual_info_score

from sktopo import TopographicMap


def run(share: float, seed: int) -> dict[str, float]:
    """Remove a share of the pixels, learn a map with and without imputation, and compare on the complete digits."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    gaps = np.random.default_rng(seed).uniform(size=X.shape) < share
    incomplete = np.where(gaps, np.nan, X)
    imputer = SimpleImputer(keep_empty_features=True).fit(incomplete)
    filled = imputer.transform(incomplete)

    exact = TopographicMap(12, 12).fit(incomplete)
    imputed = TopographicMap(12, 12).fit(filled)
    complete = TopographicMap(12, 12).fit(X)
    guess = exact.inverse_transform(exact.transform(incomplete))
    return {
        "quantization error of the complete digits, learned from the incomplete ones": -exact.score(X),
        "the same, learned from mean-imputed ones": -imputed.score(X),
        "the same, learned from the complete ones": -complete.score(X),
        "same unit as with all pixels, from the observed ones": np.mean(exact.predict(incomplete) == exact.predict(X)),
        "the same, mean-imputed": np.mean(imputed.predict(filled) == imputed.predict(X)),
        "mutual information of unit and digit, from the observed pixels": adjusted_mutual_info_score(
            y, exact.predict(incomplete)
        ),
        "the same, mean-imputed ": adjusted_mutual_info_score(y, imputed.predict(filled)),
        "error of the removed pixels (root mean square), read off the map": rms(guess - X, gaps),
        "the same, column means": rms(filled - X, gaps),
    }


def rms(difference: np.ndarray, gaps: np.ndarray) -> float:
    """Root mean square over the removed pixels."""
    return float(np.sqrt(np.square(difference[gaps]).mean()))


if __name__ == "__main__":
    results = [run(0.2, seed) for seed in range(5)]
    for name in results[0]:
        values = [result[name] for result in results]
        print(f"{np.mean(values):7.3f} +- {np.std(values):.3f}  {name}")
