"""Use a map for long: ``python tests/soak.py --rows 10000000 --fits 1000`` prints a memory curve as JSON.

Rows are streamed through `partial_fit` and `predict`, then small maps are fitted one after another. Twenty times in
each part the most memory that the process has had since the time before is written down, and starts anew.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from sktopo import TopographicMap

MARKS, CHUNK = 20, 50_000


def megabytes_at_most() -> float:
    """The largest resident memory since the last call."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    Path("/proc/self/clear_refs").write_text("5")
    return int(status["VmHWM"].split()[0]) / 1024


def streamed(n_rows: int) -> list[float]:
    """Learn from rows and label them, chunk by chunk."""
    rng, som = np.random.default_rng(0), TopographicMap(12, 12, random_state=0)
    chunk = min(CHUNK, n_rows // (2 * MARKS))
    n_chunks, curve = n_rows // chunk, []
    centers = rng.normal(scale=3, size=(20, 16)).astype(np.float32)
    for i in range(1, n_chunks + 1):
        X = centers[rng.integers(20, size=chunk)] + rng.standard_normal((chunk, 16), dtype=np.float32)
        assert len(som.partial_fit(X).predict(X)) == chunk
        if i * MARKS // n_chunks > (i - 1) * MARKS // n_chunks:
            curve.append(megabytes_at_most())
    return curve


def fitted(n_fits: int) -> list[float]:
    """Fit small maps of every solver and kind."""
    X, curve = np.random.default_rng(1).normal(size=(300, 6)), []
    kinds = [
        {"solver": "batch", "max_iter": 5},
        {"solver": "stream", "max_iter": 2, "lattice": "hexagonal"},
        {"solver": "gradient", "max_iter": 1},
        {"winner": "local", "temperature": 0.5, "max_iter": 3, "output": "activations"},
    ]
    for i in range(1, n_fits + 1):
        TopographicMap(5, 6, random_state=i, **kinds[i % 4]).fit(X).transform(X)
        if i * MARKS // n_fits > (i - 1) * MARKS // n_fits:
            curve.append(megabytes_at_most())
    return curve


def main() -> None:
    """Print both curves, in MB."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--fits", type=int, default=1000)
    options = parser.parse_args()
    megabytes_at_most()
    curves = {"streamed": streamed(options.rows), "fitted": fitted(options.fits)}
    print(json.dumps({name: [round(value, 1) for value in curve] for name, curve in curves.items()}))


if __name__ == "__main__":
    main()
