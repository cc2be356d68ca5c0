"""The quick numbers of docs/explanation/argmin.md, and its two pictures (softmin.py has the slow ones).

Run with ``python docs/examples/argmin.py [--pictures folder]``; some seconds. Pictures need the extra ``plot``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from tables import Column, Table, publish
from torch.nn import functional

from sktopo import TopographicMap
from sktopo.distances import normalized
from sktopo.metrics import topographic_error
from sktopo.nn import TopographicLayer

SIGMA = 1.0
VARIANTS = {
    "nearest unit": ("nearest", 0.0),
    "local error": ("local", 0.0),
    "free energy, T = 0.1": ("local", 0.1),
}


def layer_of(codebook: torch.Tensor, side: int, winner: str) -> TopographicLayer:
    """A layer that holds a codebook, in float64."""
    shape = (codebook.shape[1], side, side)
    generator = torch.Generator()
    layer = TopographicLayer(*shape, normalize=False, winner=winner, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        layer.codebook.copy_(codebook)
    return layer


def gradients() -> Table:
    """The gradients that autograd finds, beside the rules written out."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(500, 3, generator=generator, dtype=torch.float64).requires_grad_(True)
    codebook = torch.randn(25, 3, generator=generator, dtype=torch.float64)
    apart = torch.cdist(*[torch.cartesian_prod(*[torch.arange(5.0, dtype=torch.float64)] * 2)] * 2).square()
    h = torch.exp(-apart / (2 * SIGMA**2))
    g = h / h.sum(dim=1, keepdim=True)
    errors = torch.cdist(z, codebook).square().detach() @ g.T
    shares = {
        "nearest unit": h[torch.cdist(z, codebook).argmin(dim=1)],
        "local error": g[errors.argmin(dim=1)],
        "free energy, T = 0.1": torch.softmax(-errors / 0.2, dim=1) @ g,
    }
    rows = {}
    for name, (winner, temperature) in VARIANTS.items():
        layer = layer_of(codebook, 5, winner)
        z.grad = None
        layer.loss(z, SIGMA, temperature).backward()
        share, x = shares[name], z.detach()
        by_unit = -(2 / len(x)) * (share.T @ x - share.sum(dim=0)[:, None] * codebook)
        by_sample = (2 / len(x)) * (share.sum(dim=1, keepdim=True) * x - share @ codebook)
        rows[name] = [(layer.codebook.grad - by_unit).abs().max().item(), (z.grad - by_sample).abs().max().item()]
    columns = [Column(f"largest difference, d loss / d {what}", ".0e", 1e-12) for what in ("prototypes", "samples")]
    return Table("autograd and the rule", tuple(columns), rows)


def by_sample(layer: TopographicLayer, z: torch.Tensor, temperature: float) -> torch.Tensor:
    """What each sample adds: the derivatives of the weighted mean with respect to the weights say it."""
    weight = torch.ones(len(z), dtype=z.dtype, requires_grad=True)
    loss = layer.loss(z, SIGMA, temperature, sample_weight=weight)
    return (loss + len(z) * torch.autograd.grad(loss, weight)[0]).detach()


def jump(pictures: Path | None) -> Table:
    """A sample walks along a line through a small map: the nearest-unit loss jumps, the local-error loss does not."""
    generator = torch.Generator().manual_seed(3)
    codebook = torch.randn(16, 2, generator=generator, dtype=torch.float64)
    figure, axes = plt.subplots(figsize=(6.5, 3.2))
    rows = {}
    for name, (winner, temperature) in VARIANTS.items():
        layer = layer_of(codebook, 4, winner)
        steps = []
        for n in (4001, 40001):
            position = torch.linspace(-2, 2, n, dtype=torch.float64)
            loss = by_sample(layer, torch.stack([position, 0.3 * position + 0.2], dim=1), temperature)
            loss = loss / loss.mean()
            steps.append(loss.diff().abs().max().item())
        rows[name] = steps
        axes.plot(position, loss, label=name, linewidth=1.2)
    axes.set(xlabel="position of the sample", ylabel="loss / mean loss")
    axes.legend()
    save(figure, pictures, "argmin_jump.png")
    columns = [Column(f"points {step} apart", form, spread)
               for step, form, spread in (("0.001", ".4f", 0.001), ("0.0001", ".4f", 0.001))]  # fmt: skip
    return Table("largest change of loss / mean loss", tuple(columns), rows)


def alternation(winners: np.ndarray, updates: np.ndarray | None) -> tuple[int, float]:
    """1000 steps of assign and update, 20 from each of 50 starts: how many raised the loss, and who was at a corner.

    The unit with the least ``sum_k winners[j, k] |x - w_k|^2`` takes a sample (`winners` of identity: the nearest), and
    pulls the prototypes by its row of `updates`. The loss is what the update lowers.
    """
    raised, cornered = 0, []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        X, W = rng.normal(size=(100, 3)), rng.normal(size=(25, 3))
        losses = []
        for _ in range(21):
            squares = ((X[:, None] - W) ** 2).sum(axis=2)
            taken = (squares @ winners.T).argmin(axis=1)
            losses.append((updates[taken] * squares).sum(axis=1).mean())
            pull = updates[taken]
            mass = pull.sum(axis=0)[:, None]
            W = np.where(mass > 1e-12, pull.T @ X / np.maximum(mass, 1e-12), W)
        raised += int((np.diff(losses) > 1e-12).sum())
        cornered.append(np.isin(taken, (0, 4, 20, 24)).mean())
    return raised, float(np.mean(cornered))


def energies() -> Table:
    """Which pair of winner and update has a loss that no step raises."""
    places = np.stack(np.divmod(np.arange(25), 5), axis=1)
    H = np.exp(-((places[:, None] - places) ** 2).sum(axis=2) / (2 * SIGMA**2))
    G = H / H.sum(axis=1, keepdims=True)
    rows = {
        "nearest unit, update by h": alternation(np.eye(25), H),
        "least error under g, update by h": alternation(G, H),
        "least error under h, update by h": alternation(H, H),
        "least error under g, update by g": alternation(G, G),
    }
    columns = (
        Column("steps of 1000 that raised the loss", ".0f", 20),
        Column("samples at the 4 corners of 25 units", ".2f", 0.05),
    )
    return Table("who wins, what moves", columns, {name: list(values) for name, values in rows.items()})


def sigmas() -> Table:
    """Digits on 10 x 10 units from random starts: sigma held, and sigma falling."""
    X = load_digits().data
    rows = {}
    for name, first, last in (
        ("held at 0.5", 0.5, 0.5),
        ("held at 2.5", 2.5, 2.5),
        ("falling from 2.5 to 0.5", 2.5, 0.5),
    ):
        som = TopographicMap(10, 10, sigma_initial=first, sigma_final=last, init="random", random_state=0).fit(X)
        rows[name] = [som.quantization_error_, topographic_error(som, X)]
    columns = (Column("quantization error", ".1f", 0.5), Column("topographic error (8 neighbors)", ".2f", 0.03))
    return Table("sigma", columns, rows)


def small_numbers() -> Table:
    """What a 1e-5 changes, by the place where it stands: unit vectors of width 128, 20 x 20 units, sigma 0.5.

    Of the neighborhood, only the BMU and its neighbors on the lattice count: far away h itself is nothing.
    """
    eps, sigma = 1e-5, 0.5
    generator = torch.Generator().manual_seed(0)
    z, w = (functional.normalize(torch.randn(n, 128, generator=generator).double()) for n in (1000, 400))
    d = torch.cdist(z, w)
    square = d.square()
    places = torch.cartesian_prod(*[torch.arange(20.0, dtype=torch.float64)] * 2)
    on_map = torch.cdist(places, places).square()
    h = torch.exp(-on_map / (2 * sigma**2))
    with_it = torch.exp(-on_map / (2 * sigma**2 + eps))
    squares = {
        "on the distance: `(d + 1e-5)^2`": (d + eps).square(),
        "on its square: `d^2 + 1e-5`": square + eps,
        "on the difference: `z - w + 1e-5`": torch.cdist(z + eps, w).square(),
        "on the norm: `z / (norm + 1e-5)`": torch.cdist(z / (1 + eps), w / (1 + eps)).square(),
    }
    rows = {"in the Gaussian: `2 sigma^2 + 1e-5`": [((with_it - h) / h)[on_map <= 1].max().item(), 0.0]}
    for name, other in squares.items():
        changed = (other.argmin(dim=1) != d.argmin(dim=1)).double().mean().item()
        rows[name] = [((other - square) / square).abs().max().item(), changed]
    what = "largest relative change (of h at the BMU and its neighbors; of any squared distance)"
    columns = (Column(what, ".0e", 1e-5), Column("BMUs that change", ".3f", 0.002))
    return Table("where the 1e-5 stands", columns, rows)


def at_zero() -> Table:
    """What a zero vector sends back to the encoder, for a gradient of length 1 behind the normalization."""
    ways = {
        "`z / norm`": lambda z: z / z.norm(dim=1, keepdim=True),
        "`z / (norm + 1e-5)`": lambda z: z / (z.norm(dim=1, keepdim=True) + 1e-5),
        "`torch.nn.functional.normalize(z)`": functional.normalize,
        "`TopographicLayer`": lambda z: normalized(z, 2),
    }
    rows = {}
    for name, normalize in ways.items():
        z = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
        (normalize(z) @ torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)).sum().backward()
        length = z.grad.norm().item()
        rows[name] = [length if np.isfinite(length) else None]
    return Table("normalized by", (Column("length of the gradient at z = 0", ".0e", 0.1),), rows)


def norms(pictures: Path | None) -> Table:
    """Normalized prototypes: the norm of the weights grows under SGD on pure noise as it does on structure."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3))
    rows = {}
    for name in ("clusters", "noise"):
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(512, 16, generator=generator)
        if name == "clusters":
            z = 0.1 * z + torch.randn(10, 16, generator=generator)[torch.arange(512) % 10]
        layer = TopographicLayer(16, 8, 8, generator=generator)
        optimizer = torch.optim.SGD(layer.parameters(), lr=2.0)
        history = []
        for t in range(200):
            optimizer.zero_grad()
            layer.loss(z, sigma=2.0 * 0.25 ** (t / 199)).backward()
            optimizer.step()
            history.append(logged(layer, z))
        first, last = history[0], history[-1]
        rows[name] = [value for pair in zip(first, last, strict=True) for value in pair]
        for ax, values in zip(axes, zip(*history, strict=True), strict=True):
            ax.plot(values, label=name)
    titles = ("norm of the weights", "quantization error", "topographic error")
    for ax, title in zip(axes, titles, strict=True):
        ax.set(title=title, xlabel="step")
    axes[1].set_ylim(0, None)
    axes[0].legend()
    save(figure, pictures, "argmin_norms.png")
    columns = [
        Column(f"{title}, {when}", ".2f", spread)
        for title, spread in zip(titles, (0.01, 0.02, 0.05), strict=True)
        for when in ("first", "last")
    ]
    return Table("samples", tuple(columns), rows)


def logged(layer: TopographicLayer, z: torch.Tensor) -> tuple[float, float, float]:
    """Mean norm of the weights, quantization error, topographic error."""
    with torch.no_grad():
        two = layer(z).sqdist.topk(2, largest=False)
        folded = ~layer.lattice.adjacent(*two.indices.T)
        norm = layer.codebook.norm(dim=1).mean().item()
    return norm, two.values[:, 0].sqrt().mean().item(), folded.double().mean().item()


def save(figure: plt.Figure, folder: Path | None, name: str) -> None:
    figure.tight_layout()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / name, dpi=100)
    plt.close(figure)


def tables() -> dict[str, Table]:
    pictures = Path(sys.argv[sys.argv.index("--pictures") + 1]) if "--pictures" in sys.argv else None
    return {
        "gradients": gradients(),
        "jump": jump(pictures),
        "energies": energies(),
        "sigma": sigmas(),
        "small": small_numbers(),
        "zero": at_zero(),
        "norms": norms(pictures),
    }


if __name__ == "__main__":
    publish(__file__, tables())
