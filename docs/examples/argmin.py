"""Every number of docs/explanation/argmin.md, and its two pictures.

Run with ``python docs/examples/argmin.py [directory]``; it takes about half a minute and writes ``argmin_jump.png`` and
``argmin_norms.png`` into the directory. It needs sktopo with the extra ``plot``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

from sktopo import TopographicMap
from sktopo.annealing import critical_temperature
from sktopo.metrics import topographic_error
from sktopo.nn import TopographicLayer

SIGMA = 1.0


def layer_of(codebook: torch.Tensor, side: int, **options: object) -> TopographicLayer:
    layer = TopographicLayer(
        codebook.shape[1], side, side, normalize=False, dtype=torch.float64, generator=torch.Generator(), **options
    )
    with torch.no_grad():
        layer.codebook.copy_(codebook)
    return layer


def gradients_are_kohonens_rule() -> None:
    """The gradient that autograd finds through argmin, beside the rule written out."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(500, 3, generator=generator, dtype=torch.float64)
    layer = layer_of(torch.randn(25, 3, generator=generator, dtype=torch.float64), 5)
    layer.loss(z, SIGMA).backward()
    w = layer.codebook.detach()
    h = torch.exp(-layer(z).lattice_sqdist / (2 * SIGMA**2))
    rule = -(2 / len(z)) * (h.T @ z - h.sum(dim=0)[:, None] * w)
    print(f"gradient       autograd and Kohonen's rule differ by {(layer.codebook.grad - rule).abs().max():.0e}")


def the_loss_jumps(directory: Path) -> None:
    """A sample walks along a line through a small map: the nearest-unit loss jumps, the local-error loss does not."""
    generator = torch.Generator().manual_seed(3)
    codebook = torch.randn(16, 2, generator=generator, dtype=torch.float64)
    position = torch.linspace(-2, 2, 4001, dtype=torch.float64)
    walk = torch.stack([position, 0.3 * position + 0.2], dim=1)
    figure, axes = plt.subplots(figsize=(6.5, 3.2))
    for name, options, temperature in (
        ("nearest", {"winner": "nearest"}, 0.0),
        ("local error", {"winner": "local"}, 0.0),
        ("free energy, T = 0.1", {"winner": "local"}, 0.1),
    ):
        layer = layer_of(codebook, 4, **options)
        reach = layer.activations(layer.codebook[:1], SIGMA).new_ones(())
        loss = torch.stack([layer.loss(x[None], SIGMA, temperature) for x in walk]).detach() * reach
        loss = loss / loss.mean() if temperature == 0 else loss / layer.loss(walk, SIGMA).item()
        jump = loss.diff().abs().max().item()
        print(
            f"largest step   {jump:.4f} of the mean loss between points {position[1] - position[0]:.3f} apart: {name}"
        )
        axes.plot(position, loss, label=name, linewidth=1.2)
    axes.set(xlabel="position of the sample", ylabel="loss / mean loss")
    axes.legend()
    figure.tight_layout()
    figure.savefig(directory / "argmin_jump.png", dpi=100)


def softmin_needs_the_lattice() -> None:
    """Gradient training on digits: the free energy orders the map, softmin over plain distances does not."""
    X, _ = load_digits(return_X_y=True)
    options = {"winner": "local", "init": "random", "solver": "gradient", "max_iter": 20, "random_state": 0}
    critical = critical_temperature(np.cov(X.T, bias=True), 10, 10, 0.5)
    print(f"T_c            {critical:.0f} for digits on 10 x 10 units at sigma 0.5; the maps below have T = 20")
    for name, more in (
        ("free energy", {"temperature": 20.0}),
        ("hard local", {}),
        ("softmin alone", {"temperature": 20.0, "sigma_initial": 1e-3, "sigma_final": 1e-3}),
    ):
        som = TopographicMap(10, 10, **options, **more).fit(X)
        error = topographic_error(som, X)
        print(f"digits         topographic error {error:.2f}, quantization error {som.quantization_error_:.1f}: {name}")


def norms_say_nothing(directory: Path) -> None:
    """Normalised prototypes: the norm of the weights grows under SGD on pure noise as it does on structure."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    for name, structured in (("clusters", True), ("noise", False)):
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(512, 16, generator=generator)
        if structured:
            z = 0.1 * z + torch.randn(10, 16, generator=generator)[torch.arange(512) % 10]
        layer = TopographicLayer(16, 8, 8, generator=generator)
        optimizer = torch.optim.SGD(layer.parameters(), lr=2.0)
        norms, losses = [], []
        for t in range(200):
            optimizer.zero_grad()
            loss = layer.loss(z, sigma=2.0 * 0.25 ** (t / 199))
            loss.backward()
            optimizer.step()
            norms.append(layer.codebook.detach().norm(dim=1).mean().item())
            losses.append((layer(z).sqdist.amin(dim=1).sqrt().mean()).item())
        left.plot(norms, label=name)
        right.plot(losses, label=name)
        print(
            f"{name:14s} mean norm of the weights {norms[0]:.2f} -> {norms[-1]:.2f}, "
            f"quantization error {losses[0]:.2f} -> {losses[-1]:.2f}"
        )
    left.set(title="norm of the weights", xlabel="step")
    right.set(title="quantization error", xlabel="step", ylim=(0, None))
    left.legend()
    figure.tight_layout()
    figure.savefig(directory / "argmin_norms.png", dpi=100)


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    directory.mkdir(parents=True, exist_ok=True)
    gradients_are_kohonens_rule()
    the_loss_jumps(directory)
    softmin_needs_the_lattice()
    norms_say_nothing(directory)


if __name__ == "__main__":
    main()
