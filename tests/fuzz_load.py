"""Feed mixed-up files to `TopographicMap.load`: ``python tests/fuzz_load.py --minutes 10``.

Every input must load, or raise ValueError, within a second and in little memory. What does anything else is kept in
``sktopo-broken-files`` among the temporary files and makes the command fail.
"""

import argparse
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

from sktopo import TopographicMap

BROKEN = Path(tempfile.gettempdir()) / "sktopo-broken-files"
LONGEST_SECONDS, LARGEST_BYTES = 1.0, 64 * 2**20


def seeds(folder: Path) -> list[bytes]:
    """Whole files of several kinds."""
    X = load_iris().data
    kinds = [
        TopographicMap(3, 3),
        TopographicMap(4, 2, lattice="hexagonal", p_norm=np.inf, init=X[:8].copy()),
        TopographicMap(2, 2, init="random", random_state=np.random.RandomState(0), output="activations"),
    ]
    path, found = folder / "seed", []
    for som in kinds:
        som.fit(X).save(path)
        found.append(path.read_bytes())
    return found


def mixed(whole: list[bytes], rng: np.random.Generator) -> bytes:
    """A file with some bytes changed, cut, repeated, or taken from another."""
    data = bytearray(whole[rng.integers(len(whole))])
    for _ in range(rng.integers(1, 6)):
        at, size = int(rng.integers(len(data) + 1)), int(rng.integers(1, 64))
        kind = rng.integers(6)
        if kind == 0:
            data[at : at + size] = rng.bytes(size)
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = data[max(0, at - size) : at]
        elif kind == 3:
            other = whole[rng.integers(len(whole))]
            start = int(rng.integers(len(other)))
            data[at : at + size] = other[start : start + size]
        elif kind == 4 and at < len(data):
            data[at] ^= 1 << int(rng.integers(8))
        else:
            data = data[:at] or data
    return bytes(data)


def tried(path: Path, data: bytes) -> str | None:
    """What is wrong with how one input was taken, if anything."""
    path.write_bytes(data)
    start = time.perf_counter()
    tracemalloc.reset_peak()
    try:
        TopographicMap.load(path)
    except ValueError:
        pass
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    if time.perf_counter() - start > LONGEST_SECONDS:
        return "slow"
    return "large" if tracemalloc.get_traced_memory()[1] > LARGEST_BYTES else None


def main() -> int:
    """Try inputs until the time is up; 1 if any did harm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, until, inputs, harms = np.random.default_rng(options.seed), time.monotonic() + 60 * options.minutes, 0, 0
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        whole = seeds(Path(folder))
        while time.monotonic() < until:
            data = mixed(whole, rng)
            harm = tried(Path(folder) / "mixed", data)
            inputs += 1
            if harm:
                harms += 1
                BROKEN.mkdir(exist_ok=True)
                (BROKEN / f"{options.seed}-{inputs}").write_bytes(data)
                print(f"input {inputs}: {harm}", flush=True)
    print(f"{inputs} inputs, {harms} harms")
    return 1 if harms else 0


if __name__ == "__main__":
    sys.exit(main())
