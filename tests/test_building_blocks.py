"""A pass on any engine: statistics of chunks, their sum, the update."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
import torch
from oracles import batch_epoch, lattice_distances, masked_epoch, neighborhood_matrix

import sktopo
from sktopo import TopographicMap

LATTICES = [("rectangular", False), ("rectangular", True), ("hexagonal", False), ("hexagonal", True)]


@pytest.mark.parametrize(("lattice", "periodic"), LATTICES)
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
        ({"height": 5}, r"init must have shape \(n_units, n_features\) = \(15, 4\)|codebook must have shape"),
        ({"sigma": 0}, "sigma must be above 0, got 0"),
        ({"lattice": "cubic"}, r"lattice must be one of \['hexagonal', 'rectangular'\], got 'cubic'"),
        ({"neighborhood": "hat"}, "neighborhood must be one of .* got 'hat'"),
    ],
    ids=str,
)
def test_bad_geometry_is_named(iris, change, message):
    W = iris[0][:12]
    total = sktopo.chunk_statistics(iris[0], W)
    with pytest.raises(ValueError, match=message):
        sktopo.update_codebook(total, W, **{"height": 4, "width": 3, "sigma": 1.0, **change})


def test_bad_chunks_are_named(iris):
    X, W = iris[0].copy(), iris[0][:12]
    with pytest.raises(ValueError, match="p_norm must be at least 1"):
        sktopo.chunk_statistics(X, W, p_norm=0.5)
    with pytest.raises(ValueError, match=r"must have shape .* \(12, 3\)"):
        sktopo.chunk_statistics(X[:, :3], W)
    with pytest.raises(ValueError, match="must not be negative"):
        sktopo.chunk_statistics(X, W, sample_weight=-np.ones(150))
    X[3] = np.nan
    with pytest.raises(ValueError, match="Every value in row 3"):
        sktopo.chunk_statistics(X, W)


RANK = """
import sys
import numpy as np, torch.distributed as dist
import sktopo
from sklearn.datasets import load_iris
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
X, codebook = load_iris().data, load_iris().data[:12]
mine = X[rank::2]
for sigma in np.geomspace(2.0, 0.5, 10):
    statistics = sktopo.chunk_statistics(mine, codebook)
    for part in (statistics.counts, statistics.sums):
        dist.all_reduce(part)
    codebook = sktopo.update_codebook(statistics, codebook, height=4, width=3, sigma=sigma)
if rank == 0:
    np.save(sys.argv[3], codebook)
dist.destroy_process_group()
"""


def test_the_recipe_for_torch_distributed(tmp_path, iris):
    result = tmp_path / "codebook.npy"
    command = [sys.executable, "-W", "ignore", "-c", RANK]
    ranks = [subprocess.Popen([*command, str(r), str(tmp_path / "store"), str(result)]) for r in (0, 1)]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    W = iris[0][:12]
    for sigma in np.geomspace(2.0, 0.5, 10):
        W = sktopo.update_codebook(sktopo.chunk_statistics(iris[0], W), W, height=4, width=3, sigma=sigma)
    np.testing.assert_allclose(np.load(result), W, rtol=1e-9)
