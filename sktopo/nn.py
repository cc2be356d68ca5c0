"""The topographic map as a differentiable PyTorch layer.

The winner is found by argmin, which has no derivative and needs none: it is constant almost everywhere, and the
gradient of the neighborhood-weighted squared distances with the winner held fixed is exactly Kohonen's rule
(T. Kohonen, "Self-Organizing Maps", Springer, 2001). With the local winner the loss is an energy, and at a temperature
above 0 it is a free energy, smooth everywhere. docs/explanation/argmin.md answers which to choose when.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sktopo._assignment import WINNERS, Averaging, Product, expected_coordinates, responsibilities, soft_minimum
from sktopo._device import check_reachable
from sktopo._options import check_p_norm, check_sigma, check_size, chosen
from sktopo._products import expanded_scores
from sktopo._smoothing import make_smoother
from sktopo.distances import HALF_PRECISION, masked_sqdist, normalized, sqdist
from sktopo.lattices import make_lattice
from sktopo.neighborhoods import NEIGHBORHOODS

__all__ = ["LayerOutput", "TopographicLayer"]


class LayerOutput(NamedTuple):
    """What a forward pass of `TopographicLayer` returns.

    Parameters
    ----------
    lattice_sqdist : Tensor of shape (n, n_units)
        Squared distance, on the lattice, from each sample's best matching unit to every unit.
    sqdist : Tensor of shape (n, n_units)
        Squared p-norm distance of each sample to every prototype.
    """

    lattice_sqdist: Tensor
    sqdist: Tensor


class TopographicLayer(nn.Module):
    """A map of ``height x width`` units in a latent space, to be trained with any torch optimizer.

    The loss is the mean over samples of ``sum_j h(c, j; sigma) |z - w_j|_p^2`` with a neighborhood `h` on the
    lattice and the winner `c`. For p = 2 its gradients are ``dL/dw_j = -(2/N) sum_i h_{c_i j} (z_i - w_j)``, Kohonen's
    rule, and ``dL/dz_i = (2/N) sum_j h_{c_i j} (z_i - w_j)``, which pulls an encoder toward the smoothed codebook. With
    ``normalize=True`` they are those of the unit vectors, and pass on through the normalization: for a prototype of
    direction u and gradient g, ``(I - u u^T) g / |w|``.

    With ``winner="nearest"`` the winner is the best matching unit and the loss jumps where a sample changes its unit.
    With ``winner="local"`` it is the unit of the least *local error* ``e_j = sum_k g_jk |z - w_k|_p^2``, where
    ``g_jk = h_jk / sum_k h_jk``; the loss is then ``min_j e_j``, a continuous energy, and at a temperature T > 0 the
    free energy ``-2T log sum_j exp(-e_j / 2T)``, whose gradient weighs the units by their responsibilities
    ``softmax_j(-e_j / 2T)``.

    Parameters
    ----------
    latent_dim : int, default=128
        Width of the samples.
    height, width : int, default=20
        Sides of the map, in units.
    p_norm : float, default=2
        Order of the distance between samples and prototypes: at least 1, or inf.
    normalize : bool, default=True
        Whether samples and prototypes are scaled to unit p-norm first (zero vectors stay zero).
    lattice : {"rectangular", "hexagonal"}, default="rectangular"
        Arrangement of the units.
    periodic : bool, default=False
        Whether opposite edges are joined. A periodic hexagonal lattice needs an even height.
    neighborhood : {"gaussian", "bubble", "epanechnikov"}, default="gaussian"
        Function of the lattice distance; the Gaussian is ``exp(-d^2 / (2 sigma^2))``.
    winner : {"nearest", "local"}, default="nearest"
        Which unit takes a sample in the loss, in the activations and in soft coordinates: the nearest prototype
        (Kohonen), or the one with the least local error (Heskes), which a temperature above 0 needs. The best matching
        unit, `bmu`, is the nearest prototype for both.
    lattice_p_norm : float, optional
        Order of the lattice distance. None means `p_norm` on a rectangular lattice and 2 on a hexagonal one.
    device : torch.device or str, optional
        Where the parameters are made.
    dtype : torch.dtype, optional
        Type of the parameters.
    generator : torch.Generator, optional
        Draws the first codebook; without one torch's global generator does, as for torch's own layers.

    Attributes
    ----------
    codebook : Parameter of shape (height * width, latent_dim)
        The prototypes, drawn from ``N(0, 1 / latent_dim)``. The only parameter, and all of the state dict.
    coordinates_of_units : Tensor of shape (height * width, 2)
        Lattice coordinates of the units; a buffer.
    lattice : Lattice
        Where the units sit; its `name`, `height`, `width` and `periodic` are the arguments.
    neighborhood : Neighborhood
        The function of the lattice distance; its `name` is the argument.
    latent_dim, p_norm, normalize, winner, lattice_p_norm
        The arguments, with the order of the lattice distance that None stands for.

    Raises
    ------
    ValueError
        If an argument is not one of those named above.

    Notes
    -----
    Parameters of half precision are computed with in float32, and results are float32, prototypes from `quantize`
    excepted. NaN is not a missing value here: only `loss` takes a `mask`, and the unit of a row with NaN means nothing.
    For p other than 2 there are first derivatives by reverse mode only.

    References
    ----------
    T. Kohonen, "Self-Organizing Maps", 3rd ed., Springer, 2001.

    T. Heskes, "Energy functions for self-organizing maps", in "Kohonen Maps", Elsevier, 1999.

    T. Graepel, M. Burger, K. Obermayer, "Phase transitions in stochastic self-organizing maps", Phys. Rev. E 56, 1997.

    Examples
    --------
    >>> import torch
    >>> from sktopo.nn import TopographicLayer
    >>> generator = torch.Generator().manual_seed(0)
    >>> z = torch.randn(256, 3, generator=generator)
    >>> layer = TopographicLayer(3, height=6, width=6, generator=generator)
    >>> optimizer = torch.optim.SGD(layer.parameters(), lr=1.0, momentum=0.9)
    >>> losses = []
    >>> for _ in range(20):
    ...     optimizer.zero_grad()
    ...     loss = layer.loss(z, sigma=1.5)
    ...     loss.backward()
    ...     optimizer.step()
    ...     losses.append(loss.item())
    >>> losses[-1] < 0.8 * losses[0]
    True
    """

    coordinates_of_units: Tensor

    def __init__(
        self,
        latent_dim: int = 128,
        height: int = 20,
        width: int = 20,
        p_norm: float = 2,
        *,
        normalize: bool = True,
        lattice: str = "rectangular",
        periodic: bool = False,
        neighborhood: str = "gaussian",
        winner: str = "nearest",
        lattice_p_norm: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("normalize", normalize), ("periodic", periodic)):
            if not isinstance(value, bool):
                raise ValueError(f"{name} must be True or False, got {value!r}.")
        if dtype is not None and not getattr(dtype, "is_floating_point", False):
            raise ValueError(f"dtype must be a floating point type, got {dtype!r}.")
        if generator is not None and not isinstance(generator, torch.Generator):
            raise ValueError(f"generator must be a torch.Generator, got {generator!r}.")
        check_reachable(device)
        self.latent_dim = check_size("latent_dim", latent_dim)
        self.lattice = make_lattice(lattice, height, width, periodic)
        self.p_norm = check_p_norm(p_norm)
        self.normalize = normalize
        self._rule = chosen("winner", winner, WINNERS)
        self.neighborhood = chosen("neighborhood", neighborhood, NEIGHBORHOODS)
        self.lattice_p_norm = self._lattice_norm(lattice_p_norm)
        self._smoother = make_smoother(self.lattice, self.neighborhood)
        codebook = torch.empty(self.lattice.n_units, self.latent_dim, device=device, dtype=dtype)
        self.codebook = nn.Parameter(codebook)
        self.register_buffer("coordinates_of_units", self._coordinates(), persistent=False)
        self.reset_parameters(generator)

    @property
    def winner(self) -> str:
        """Which unit takes a sample in training."""
        return self._rule.name

    def _lattice_norm(self, lattice_p_norm: float | None) -> float:
        if lattice_p_norm is not None:
            return check_p_norm(lattice_p_norm, "lattice_p_norm")
        return self.p_norm if self.lattice.follows_p_norm else 2.0

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw a new codebook from ``N(0, 1 / latent_dim)``.

        Parameters
        ----------
        generator : torch.Generator, optional
            Source of randomness; torch's global generator without one.
        """
        like = self.codebook
        place = like.device if generator is None else generator.device
        with torch.no_grad():
            noise = torch.randn(like.shape, generator=generator, device=place, dtype=like.dtype)
            like.copy_(noise / math.sqrt(self.latent_dim))

    def forward(self, z: Tensor) -> LayerOutput:
        """Distances on the map and in the latent space.

        Parameters
        ----------
        z : Tensor of shape (n, latent_dim)
            Samples.

        Returns
        -------
        LayerOutput
            ``lattice_sqdist`` and ``sqdist``, both ``(n, n_units)``.

        Raises
        ------
        ValueError
            If `z` has another shape.
        """
        with _full_precision(z):
            distance = self._sqdist(z)
        return LayerOutput(self._lattice_sqdist(distance.argmin(dim=1)), distance)

    def loss(
        self,
        z: Tensor,
        sigma: float | Tensor,
        temperature: float | Tensor = 0.0,
        *,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Mean over samples of ``sum_j h(c, j; sigma) |z - w_j|_p^2``, or twice the free energy.

        With ``winner="local"`` the neighborhood is row-normalized. At a temperature T > 0 the loss is the mean of
        ``-2T log sum_j exp(-e_j / 2T)``, which goes to the hard loss as T goes to 0, is at most
        ``2T log n_units`` below it, and has a continuous gradient.

        Parameters
        ----------
        z : Tensor of shape (n, latent_dim)
            Samples.
        sigma : float or Tensor of one number
            Radius of the neighborhood, in lattice units, above 0. It has a gradient, but should not be learned from
            this loss, which falls as it narrows.
        temperature : float or Tensor of one number, default=0.0
            Softness of the assignment, in squared units of `z`; only 0 goes with ``winner="nearest"``.
        sample_weight : Tensor of shape (n,), optional
            Weights of the mean: not negative, not all zero (their values are not checked, which would stall a GPU).
        mask : Tensor of bool of shape (n, latent_dim), optional
            True where a feature was observed; distances run over the observed features.

        Returns
        -------
        Tensor
            A scalar, differentiable in `z` and the codebook.

        Raises
        ------
        ValueError
            If `sigma`, `temperature` or a shape is not as above.
        TypeError
            If `z`, `sample_weight` or `mask` is no tensor.
        """
        check_sigma(sigma)
        self._rule.check_temperature(temperature)
        with _full_precision(z):
            energy = self._energy(z, sigma, temperature, mask)
        if sample_weight is None:
            return energy.mean()
        if not isinstance(sample_weight, Tensor):
            raise TypeError(f"sample_weight must be a tensor, got {type(sample_weight).__name__}.")
        if sample_weight.shape != energy.shape:
            raise ValueError(f"sample_weight must have shape ({len(z)},), got {tuple(sample_weight.shape)}.")
        weight = sample_weight.to(energy.dtype)
        return (energy * weight).sum() / weight.sum()

    def bmu(self, z: Tensor) -> Tensor:
        """Best matching units: the nearest prototypes, ties to the lower number (up to the rounding of a product).

        Parameters
        ----------
        z : Tensor of shape (n, latent_dim)
            Samples.

        Returns
        -------
        Tensor of int64 of shape (n,)
            Unit numbers ``row * width + column``.

        Raises
        ------
        ValueError
            If `z` has another shape.
        """
        with torch.no_grad(), _full_precision(z):
            return self._sqdist(z).argmin(dim=1)

    def coordinates(self, z: Tensor, sigma: float | Tensor | None = None, temperature: float | Tensor = 0.0) -> Tensor:
        """Lattice coordinates of the best matching units, or for a temperature above 0 the expected coordinates.

        Expected coordinates are the mean of the units' coordinates under the responsibilities; along a periodic axis
        the circular mean, in [0, period). They are differentiable.

        Parameters
        ----------
        z : Tensor of shape (n, latent_dim)
            Samples.
        sigma : float or Tensor of one number, optional
            Radius of the neighborhood; needed for a temperature above 0.
        temperature : float or Tensor of one number, default=0.0
            Softness of the assignment, in squared units of `z`; only 0 goes with ``winner="nearest"``.

        Returns
        -------
        Tensor of shape (n, 2)
            ``(row, column)`` in lattice units.

        Raises
        ------
        ValueError
            If `sigma`, `temperature` or a shape is not as above.
        """
        if sigma is not None:
            check_sigma(sigma)
        self._rule.check_temperature(temperature)
        if temperature == 0:
            return self.coordinates_of_units[self.bmu(z)]
        if sigma is None:
            raise ValueError(f"sigma is needed for the expected coordinates at temperature={temperature!r}.")
        weights = self._responsibilities(z, self._averaging(sigma), temperature)
        with _full_precision(z):
            return expected_coordinates(weights, self.lattice, self.coordinates_of_units)

    def activations(self, z: Tensor, sigma: float | Tensor, temperature: float | Tensor = 0.0) -> Tensor:
        """How strongly each unit answers: ``h(c, unit; sigma)`` with the winner c, or its mean over soft winners.

        At a temperature above 0 activations are the responsibilities times the neighborhood,
        ``sum_j p_j h(j, unit; sigma)``, and differentiable; they go to the hard ones as it goes to 0.

        Parameters
        ----------
        z : Tensor of shape (n, latent_dim)
            Samples.
        sigma : float or Tensor of one number
            Radius of the neighborhood, in lattice units, above 0; it may be learned.
        temperature : float or Tensor of one number, default=0.0
            Softness of the assignment, in squared units of `z`; only 0 goes with ``winner="nearest"``.

        Returns
        -------
        Tensor of shape (n, n_units)
            Activations; hard ones are 1 at the winner.

        Raises
        ------
        ValueError
            If `sigma`, `temperature` or a shape is not as above.
        """
        check_sigma(sigma)
        self._rule.check_temperature(temperature)
        averaging = self._averaging(sigma)
        if temperature == 0:
            with torch.no_grad(), _full_precision(z):
                winner = self._rule.errors(self._sqdist(z), averaging).argmin(dim=1)
            return self.neighborhood(self._lattice_sqdist(winner), sigma)
        weights = self._responsibilities(z, averaging, temperature)
        with _full_precision(z):
            return averaging.smooth(weights.T).T

    def quantize(self, z: Tensor, straight_through: bool = True) -> Tensor:
        """Each sample's nearest prototype (of unit p-norm if the layer normalizes).

        Parameters
        ----------
        z : Tensor of shape (n, latent_dim)
            Samples.
        straight_through : bool, default=True
            Whether the gradient passes to `z` unchanged (the straight-through estimator, for a decoder behind the
            layer); otherwise it goes to the codebook.

        Returns
        -------
        Tensor of shape (n, latent_dim)
            Prototypes.

        Raises
        ------
        ValueError
            If `z` has another shape.
        """
        nearest = self._prototypes()[self.bmu(z)].to(self.codebook.dtype)
        return nearest.detach() + (z - z.detach()) if straight_through else nearest

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move or convert the layer; coordinates are made anew, so that they are as exact as the new type allows."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._place_coordinates()
        return self

    def _load_from_state_dict(self, *args: Any) -> None:
        """Take over a state; with ``assign=True`` the codebook may have come with another type or device."""
        super()._load_from_state_dict(*args)
        self._place_coordinates()

    def _place_coordinates(self) -> None:
        self.coordinates_of_units = self._coordinates()

    def _coordinates(self) -> Tensor:
        return self.lattice.coordinates().to(self.codebook.device, self._compute_dtype)

    @property
    def _compute_dtype(self) -> torch.dtype:
        """The codebook's type, or float32 for one of half precision, in which sums and distances would go wrong."""
        return torch.float32 if self.codebook.dtype in HALF_PRECISION else self.codebook.dtype

    def extra_repr(self) -> str:
        """Arguments shown by ``repr``.

        Returns
        -------
        str
            One line.
        """
        lattice = self.lattice
        return (
            f"latent_dim={self.latent_dim}, height={lattice.height}, width={lattice.width}, p_norm={self.p_norm:g}, "
            f"normalize={self.normalize}, lattice={lattice.name!r}, periodic={lattice.periodic}, "
            f"neighborhood={self.neighborhood.name!r}, winner={self.winner!r}, lattice_p_norm={self.lattice_p_norm:g}"
        )

    def _prototypes(self) -> Tensor:
        """Prototypes as they are compared."""
        codebook = self.codebook.to(self._compute_dtype)
        return normalized(codebook, self.p_norm) if self.normalize else codebook

    def _checked(self, z: Tensor) -> Tensor:
        """Samples of the right shape, in the type that is computed in."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z must have shape (n, {self.latent_dim}), got {tuple(z.shape)}.")
        dtype = self.codebook.dtype
        if z.dtype in HALF_PRECISION:  # which is what an encoder under autocast makes
            return z.to(self._compute_dtype)
        if z.dtype != dtype:
            raise ValueError(f"z is {z.dtype}, the codebook {dtype}: pass z.to({dtype}), or convert the layer.")
        return z

    def _inputs(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Samples and prototypes as they are compared."""
        z = self._checked(z)
        return normalized(z, self.p_norm) if self.normalize else z, self._prototypes()

    def _energy(self, z: Tensor, sigma: float | Tensor, temperature: float | Tensor, mask: Tensor | None) -> Tensor:
        """What each sample adds to the loss, (n,)."""
        averaging = self._averaging(sigma)
        if mask is None and self.p_norm == 2:
            return self._euclidean_energy(z, averaging, temperature)
        distance = self._sqdist(z, mask)
        if temperature > 0:
            return soft_minimum(self._rule.errors(distance, averaging), temperature)
        winner = self._rule.errors(distance.detach(), averaging).argmin(dim=1, keepdim=True)
        return self._rule.energies(distance, averaging).gather(1, winner)[:, 0]

    def _euclidean_energy(self, z: Tensor, averaging: Averaging, temperature: float | Tensor) -> Tensor:
        """The same for p = 2, by one product with smoothed prototypes; a hard winner needs only its own error.

        A local error is a squared distance to the smoothed prototype ``v = G w`` plus a constant of the unit:
        ``sum_k g_jk |z - w_k|^2 = |z - v_j|^2 + (G |w|^2)_j - |v_j|^2``.
        """
        samples, prototypes = self._inputs(z)
        center = prototypes.detach().mean(dim=0)  # squares would cancel far from the origin
        samples, prototypes = samples - center, prototypes - center
        sqnorm = prototypes.square().sum(dim=1, keepdim=True)
        averages = averaging.average(torch.cat([prototypes, sqnorm], dim=1))
        smoothed, mean_sqnorm = averages[:, :-1], averages[:, -1:]
        if temperature > 0:
            errors = expanded_scores(samples, smoothed, mean_sqnorm)  # less each sample's own |z|^2
            return soft_minimum(errors, temperature) + samples.square().sum(dim=1)
        constant = mean_sqnorm[:, 0] - smoothed.square().sum(dim=1)
        with torch.no_grad():
            compared = self._rule.compared((prototypes, sqnorm), (smoothed, mean_sqnorm))
            winner = expanded_scores(samples, *compared).argmin(dim=1)
        error = (samples - smoothed[winner]).square().sum(dim=1) + constant[winner]
        energy: Tensor = error * self._rule.energy_over_error(averaging)[winner]
        return energy

    def _responsibilities(self, z: Tensor, averaging: Averaging, temperature: float | Tensor) -> Tensor:
        with _full_precision(z):
            return responsibilities(self._rule.errors(self._sqdist(z), averaging), temperature)

    def _averaging(self, sigma: float | Tensor) -> Averaging:
        return Averaging(self._smoothing(sigma), self.coordinates_of_units, self.lattice.n_units)

    def _smoothing(self, sigma: float | Tensor) -> Product:
        """``H @ values``: axis by axis where the lattice separates, else by the matrix."""
        if self.neighborhood.separates and self.lattice_p_norm == 2:
            return self._smoother.at(sigma)
        units = self.coordinates_of_units
        matrix = self.neighborhood(self.lattice.sqdist(units[:, None], units, self.lattice_p_norm), sigma)
        return lambda values: matrix.to(values) @ values

    def _sqdist(self, z: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return sqdist(*self._inputs(z), self.p_norm)
        z = self._checked(z)
        if not isinstance(mask, Tensor):
            raise TypeError(
                f"mask must be a bool tensor, got {type(mask).__name__}; torch.as_tensor makes one of an array."
            )
        if mask.shape != z.shape or mask.dtype != torch.bool:
            raise ValueError(
                f"mask must be a bool tensor of z's shape {tuple(z.shape)}, got {mask.dtype} of {tuple(mask.shape)}."
            )
        codebook = self.codebook.to(self._compute_dtype)
        return masked_sqdist(z, mask, codebook, self.p_norm, normalize=self.normalize)

    def _lattice_sqdist(self, bmu: Tensor) -> Tensor:
        units = self.coordinates_of_units
        return self.lattice.sqdist(units[bmu][:, None], units, self.lattice_p_norm)


def _full_precision(z: Tensor) -> AbstractContextManager[object]:
    """No autocast: distances in half precision would find other units."""
    if not isinstance(z, Tensor):
        raise TypeError(f"z must be a tensor, got {type(z).__name__}; torch.from_numpy makes one of an array.")
    kind = z.device.type
    autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # "meta" has none
    return torch.autocast(kind, enabled=False) if autocast else nullcontext()
