import numpy as np
import torch
from oracles import distance, unit_distances

from sktopo import maps
from sktopo.lattices import HexagonalLattice


def test_u_matrix_is_the_mean_distance_to_adjacent_prototypes(lattice, p_norm, rng):
    codebook = rng.normal(size=(lattice.n_units, 3))
    apart = unit_distances(lattice, 2.0 if lattice.name == "hexagonal" else np.inf)
    expected = []
    for j in range(lattice.n_units):
        near = [k for k in range(lattice.n_units) if k != j and apart[j, k] < 1.001]
        expected.append(np.mean([distance(codebook[j], codebook[k], p_norm) for k in near]) if near else 0.0)
    result = maps.u_matrix(torch.from_numpy(codebook), lattice, p_norm)
    assert result.shape == (lattice.height, lattice.width)
    np.testing.assert_allclose(result.numpy().ravel(), expected, rtol=1e-12)


def test_component_planes_lay_features_out_over_the_map(rng):
    codebook = rng.normal(size=(6, 2))
    planes = maps.component_planes(torch.from_numpy(codebook), HexagonalLattice(2, 3))
    assert planes.shape == (2, 2, 3)
    assert planes[1, 1, 2].item() == codebook[5, 1]


def test_hits_add_weights():
    hits = maps.hit_histogram(torch.tensor([0, 3, 3]), torch.tensor([1.0, 2.0, 0.5]), HexagonalLattice(2, 2))
    assert hits.tolist() == [[1, 0], [0, 2.5]]
