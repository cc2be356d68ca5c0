"""A pass on any engine: statistics of chunks, their sum, the update."""

import pickle
import socket
import subprocess
import sys
from functools import reduce
from pathlib import Path
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import torch
from oracles import ARRANGEMENTS, batch_epoch, lattice_distances, masked_epoch, neighborhood_matrix

import sktopo
from sktopo import TopographicMap


@pytest.mark.parametrize(("lattice", "periodic"), ARRANGEMENTS)
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array, torch.from_numpy], ids=["array", "csr", "tensor"])
def test_a_pass_in_pieces_equals_the_loops(lattice, periodic, kind, neighborhood, rng):
    X, weight, W = rng.normal(size=(90, 3)), rng.uniform(0, 2, size=90), rng.normal(size=(12, 3))
    parts = [
        sktopo.chunk_statistics(kind(X[i : i + 20]), W, sample_weight=weight[i : i + 20]) for i in range(0, 90, 20)
    ]
    total = sum(parts[1:], parts[0])
    options = {"lattice": lattice, "periodic": periodic, "neighborhood": neighborhood}
    codebook = sktopo.update_codebook(total, W, height=4, width=3, sigma=1.3, **options)
    H = neighborhood_matrix(neighborhood, lattice_distances(4, 3, lattice == "hexagonal", periodic), 1.3)
    winners, expected, _ = batch_epoch(X, weight, W, H)
    np.testing.assert_allclose(codebook, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(total.counts, np.bincount(winners, weight, minlength=12))
    assert (pickle.loads(pickle.dumps(total)).sums == total.sums).all()


def test_missing_values_are_missing(rng):
    X, W = rng.normal(size=(60, 3)), rng.normal(size=(12, 3))
    X[20:50, 1] = np.nan
    total = sktopo.chunk_statistics(X[:15], W) + sktopo.chunk_statistics(X[15:], W)
    H = neighborhood_matrix("gaussian", lattice_distances(4, 3, False, False), 1.3)
    _, expected, _ = masked_epoch(X, np.ones(60), W, H)
    np.testing.assert_allclose(sktopo.update_codebook(total, W, height=4, width=3, sigma=1.3), expected, rtol=1e-9)


def test_several_passes_equal_fit(iris):
    X, W = iris[0], iris[0][:12]
    som = TopographicMap(4, 3, init=W.copy(), sigma_initial=2.0, sigma_final=0.7, max_iter=5, p_norm=1).fit(X)
    for t in range(5):
        sigma = 2.0 * (0.7 / 2.0) ** min(1, t / 4 / 0.8)
        total = sktopo.chunk_statistics(X[:70], W, p_norm=1) + sktopo.chunk_statistics(X[70:], W, p_norm=1)
        W = sktopo.update_codebook(total, W, height=4, width=3, sigma=sigma)
    np.testing.assert_allclose(W, som.codebook_, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"height": 5},
            r"codebook must have shape \(n_units, n_features\) = \(15, 4\), got \(12, 4\)",
        ),
        ({"height": 0}, "height must be an int of at least 1, got 0"),
        ({"width": 3.0}, "width must be an int of at least 1, got 3.0"),
        ({"sigma": 0}, "sigma must be a finite number above 0, got 0"),
        ({"lattice": "cubic"}, "lattice must be one of 'rectangular', 'hexagonal', got 'cubic'"),
        ({"neighborhood": "hat"}, "neighborhood must be one of .* got 'hat'"),
    ],
    ids=str,
)
def test_bad_geometry_is_named(iris, change, message):
    W = iris[0][:12]
    total = sktopo.chunk_statistics(iris[0], W)
    with pytest.raises(ValueError, match=message):
        sktopo.update_codebook(total, W, **{"height": 4, "width": 3, "sigma": 1.0, **change})


def test_a_codebook_of_another_size_is_named(iris):
    X = iris[0]
    with pytest.raises(ValueError, match=r"^codebook must have shape \(n_units, n_features\) = \(150, 4\), got"):
        sktopo.chunk_statistics(X, X[:, :2])
    with pytest.raises(ValueError, match="statistics are of 12 units, and the map has 6"):
        sktopo.update_codebook(sktopo.chunk_statistics(X, X[:12]), X[:6], height=2, width=3, sigma=1.0)


def test_bad_chunks_are_named(iris):
    X, W = iris[0].copy(), iris[0][:12]
    with pytest.raises(ValueError, match="p_norm must be at least 1"):
        sktopo.chunk_statistics(X, W, p_norm=0.5)
    with pytest.raises(ValueError, match=r"must have shape .* \(12, 3\)"):
        sktopo.chunk_statistics(X[:, :3], W)
    with pytest.raises(ValueError, match="must not be negative"):
        sktopo.chunk_statistics(X, W, sample_weight=-np.ones(150))
    with pytest.raises(ValueError, match="chunk_statistics takes one chunk at a time"):
        sktopo.chunk_statistics(da.from_array(X), W)
    X[3] = np.nan
    with pytest.raises(ValueError, match="Every value in row 3"):
        sktopo.chunk_statistics(X, W)


def recipe(heading):
    """The first program under a heading of docs/how-to/cluster.md: what stands there is what is run here."""
    page = (Path(__file__).parent.parent / "docs" / "how-to" / "cluster.md").read_text(encoding="utf-8")
    return page.split(heading)[1].split("```python\n")[1].split("```")[0]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4, 3))[rng.integers(0, 4, 1500)] + 0.3 * rng.normal(size=(1500, 3))
    return X, rng.normal(size=(900, 3))


def by_one_process(X, W):
    for sigma in np.geomspace(8, 1, 20):
        W = sktopo.update_codebook(sktopo.chunk_statistics(X, W), W, height=30, width=30, sigma=sigma)
    return W


class Rdd:
    """Stands in for Spark's: functions and results travel by pickle, sums are made in a tree."""

    def __init__(self, partitions):
        self.partitions = partitions

    def mapPartitions(self, function):  # noqa: N802
        return Rdd([pickle.loads(pickle.dumps(list(function(iter(part))))) for part in self.partitions])

    def treeReduce(self, add):  # noqa: N802
        values = [value for part in self.partitions for value in part]
        while len(values) > 1:
            values = [pickle.loads(pickle.dumps(reduce(add, values[i : i + 2]))) for i in range(0, len(values), 2)]
        return values[0]


def test_the_recipe_for_spark(rows):
    """There is no Spark here: its three methods are, and the recipe is run word for word."""
    X, W = rows
    parts = [*np.array_split(X, 5), X[:0]]  # the last one is empty
    frame = SimpleNamespace(rdd=Rdd([[SimpleNamespace(features=row) for row in part] for part in parts]))
    context = SimpleNamespace(broadcast=lambda value: SimpleNamespace(value=value))
    names = {"spark": SimpleNamespace(sparkContext=context), "frame": frame, "codebook": W}
    exec(compile(recipe("\nSpark"), "cluster.md", "exec"), names)
    np.testing.assert_allclose(names["codebook"], by_one_process(X, W), rtol=1e-9, atol=1e-12)


PRELUDE = """
import os, sys, numpy as np
rank, folder = int(sys.argv[1]), sys.argv[2]
os.environ.update(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=sys.argv[3])
rows, codebook = np.load(folder + "/X.npy"), np.load(folder + "/W.npy")
my_rows = rows[: len(rows) // 3] if rank else rows[len(rows) // 3 :]
"""
EPILOGUE = """
np.save(f"{folder}/codebook{rank}.npy", codebook)
dist.destroy_process_group()
"""


@pytest.mark.parametrize("gaps", [False, True])
def test_the_recipe_for_torch_distributed(rows, gaps, tmp_path):
    X, W = rows[0].copy(), rows[1]
    program = recipe("\ntorch.distributed")
    if gaps:  # in the rows of one process only
        X[700:, 1] = np.nan
        all_reduce = "    for part in (statistics.counts, statistics.sums):\n        dist.all_reduce(part)\n"
        assert all_reduce in program
        program = program.replace(all_reduce, recipe("\nWith missing values"))
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "W.npy", W)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-c", PRELUDE + program + EPILOGUE]
    ranks = [subprocess.Popen([*command, str(r), str(tmp_path), str(port)]) for r in (0, 1)]
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
    for rank in (0, 1):
        result = np.load(tmp_path / f"codebook{rank}.npy")
        np.testing.assert_allclose(result, by_one_process(X, W), rtol=1e-9, atol=1e-12)
