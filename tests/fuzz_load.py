"""Feed mixed-up files to `TopographicMap.load`: ``python tests/fuzz_load.py --minutes 10``.

Every input must load, or raise ValueError, within a second of computing and 64 MB of memory; the fuzzer makes files of
some megabytes, too, which may take a second a megabyte and fifty times their size, as parsed JSON does. What loads must
then do what a map does. Half of the inputs are files with mixed-up bytes, which checksums mostly give away; the others
are whole archives, with right checksums, of mixed-up values. What does harm is kept in ``sktopo-broken-files`` among
the temporary files and makes the command fail; once it is mended, it moves to ``tests/fuzz_corpus``, which the tests
replay.
"""

import argparse
import copy
import io
import json
import sys
import tempfile
import time
import tracemalloc
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_iris

from sktopo import TopographicMap

BROKEN = Path(tempfile.gettempdir()) / "sktopo-broken-files"
LONGEST_SECONDS, LARGEST_BYTES = 1.0, 64 * 2**20
STRANGE = [
    *(
        None,
        True,
        False,
        0,
        -1,
        624,
        10**12,
        2**63,
        1e308,
        -0.0,
        float("nan"),
        float("inf"),
        "",
        "pca",
        "x" * 2000,
        [],
        {},
    ),
    *({"array": 0}, {"array": 1}, {"array": 10**9}, {"array": -1}, {"array": "0"}, [{"array": 2}] * 500),
    *({"dict": []}, {"dict": [["state", [1, 2]]]}, {"strings": ["a", 1, None]}, {"device": "cuda:0"}, {"device": "x"}),
    {"random_state": {"dict": [["state", ["MT19937", [1] * 624, 10**9, 0, 0.0]]]}},
    {"tensor": {"dict": [["device", "meta"], ["values", {"array": 0}]]}},
]


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


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value of lists and dictionaries."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *places(value[key]))]


def rebuilt(whole: list[bytes], rng: np.random.Generator) -> bytes:
    """A whole archive in which some values, or some bytes of arrays, are others."""
    with zipfile.ZipFile(io.BytesIO(whole[rng.integers(len(whole))])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["sktopo.json"])
    for _ in range(rng.integers(1, 5)):
        if rng.integers(4) == 0:
            name = list(members)[rng.integers(len(members))]
            members[name] = mixed([members[name]], rng)
            continue
        spots = places(header)
        (container, key), (other, other_key) = (spots[i] for i in rng.integers(len(spots), size=2))
        values = [STRANGE[rng.integers(len(STRANGE))], other[other_key]]
        container[key] = copy.deepcopy(values[rng.integers(2)])
    if rng.integers(4):
        members["sktopo.json"] = json.dumps(header).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def used(som: TopographicMap) -> None:
    """A map that was loaded does what a map does."""
    rows = np.zeros((3, som.n_features_in_))
    som.predict(rows)
    som.transform(rows)
    som.u_matrix()
    som.partial_fit(rows)


def tried(path: Path, data: bytes) -> str:
    """How one input was taken: loaded, refused, or what is wrong."""
    path.write_bytes(data)
    start = time.process_time()
    tracemalloc.reset_peak()
    try:
        loaded = TopographicMap.load(path)
        taken = "loaded"
        used(loaded)
    except ValueError:
        taken = "refused"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    if time.process_time() - start > max(LONGEST_SECONDS, len(data) / 2**20):
        return "slow"
    return "large" if tracemalloc.get_traced_memory()[1] > max(LARGEST_BYTES, 50 * len(data)) else taken


def main() -> int:
    """Try inputs until the time is up; 1 if any did harm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, until, taken = np.random.default_rng(options.seed), time.monotonic() + 60 * options.minutes, Counter[str]()
    tracemalloc.start()
    warnings.simplefilter("ignore")  # of tensors whose device is not here
    with tempfile.TemporaryDirectory() as folder:
        whole = seeds(Path(folder))
        while time.monotonic() < until:
            data = (mixed, rebuilt)[rng.integers(2)](whole, rng)
            found = tried(Path(folder) / "mixed", data)
            harm = found not in ("loaded", "refused")
            taken["harms" if harm else found] += 1
            if harm:
                BROKEN.mkdir(exist_ok=True)
                (BROKEN / f"{options.seed}-{taken.total()}").write_bytes(data)
                print(f"input {taken.total()}: {found}", flush=True)
    figures = {"inputs": taken.total()} | {name: taken[name] for name in ("loaded", "refused", "harms")}
    print(json.dumps(figures))
    return 1 if figures["harms"] else 0


if __name__ == "__main__":
    sys.exit(main())
