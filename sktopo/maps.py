"""Pictures of a map: one number, or one vector, per unit."""

import torch
from torch import Tensor

from sktopo._device import wide_dtype
from sktopo.distances import paired_distance
from sktopo.lattices import Lattice


def u_matrix(codebook: Tensor, lattice: Lattice, p_norm: float) -> Tensor:
    """Mean distance of each prototype to the adjacent prototypes.

    Parameters
    ----------
    codebook : Tensor of shape (n_units, n_features)
        Prototypes.
    lattice : Lattice
        Where the units sit; its default adjacency counts.
    p_norm : float
        Order of the distance.

    Returns
    -------
    Tensor of shape (height, width)
        Mean distances, in the units of the data; 0 on a map of one unit.

    References
    ----------
    A. Ultsch and H. P. Siemon, "Kohonen's self organizing feature maps for exploratory data analysis",
    Proc. Intern. Neural Networks Conf., 1990.
    """
    first, second = lattice.edges().to(codebook.device).T
    length = paired_distance(codebook[first], codebook[second], p_norm, wide_dtype(codebook.device))
    total = length.new_zeros(lattice.n_units)
    degree = torch.zeros_like(total)
    for end in (first, second):
        total.index_add_(0, end, length)
        degree.index_add_(0, end, torch.ones_like(length))
    return (total / degree.clamp(min=1)).reshape(lattice.height, lattice.width)


def component_planes(codebook: Tensor, lattice: Lattice) -> Tensor:
    """Each feature of the codebook, laid out over the map.

    Parameters
    ----------
    codebook : Tensor of shape (n_units, n_features)
        Prototypes.
    lattice : Lattice
        Where the units sit.

    Returns
    -------
    Tensor of shape (n_features, height, width)
        One plane a feature.
    """
    return codebook.T.reshape(-1, lattice.height, lattice.width)


def hit_histogram(bmu: Tensor, weight: Tensor, lattice: Lattice) -> Tensor:
    """Weighted number of samples per best matching unit.

    Parameters
    ----------
    bmu : Tensor of int64 of shape (n,)
        Best matching units.
    weight : Tensor of shape (n,)
        Sample weights.
    lattice : Lattice
        Where the units sit.

    Returns
    -------
    Tensor of shape (height, width)
        Sums of weights.
    """
    hits = weight.new_zeros(lattice.n_units).index_add_(0, bmu, weight)
    return hits.reshape(lattice.height, lattice.width)
