"""Does it help to anneal the temperature of a soft map: beside sigma, or instead of it?

Run with ``python docs/examples/cooling.py``; some minutes. All runs end at the same sigma and at a twentieth of the
critical temperature; what differs is the way there. The first two tables come from soft EM written out with dense
matrices, so that any pair of schedules can be tried; the third from the recipes of docs/user_guide/cooling.md.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits, load_wine, make_swiss_roll
from sklearn.preprocessing import StandardScaler
from tables import Column, Table, publish

from sktopo import TopographicMap
from sktopo.annealing import critical_temperature
from sktopo.lattices import RectangularLattice
from sktopo.nn import TopographicLayer
from sktopo.schedules import ExponentialSchedule

EPOCHS, SHARE, SEEDS = 40, 0.05, range(5)


def data() -> dict[str, tuple[np.ndarray, int, int, float]]:
    """Samples, height, width, last sigma."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 600)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * rng.normal(size=(600, 2))
    roll = StandardScaler().fit_transform(make_swiss_roll(1500, noise=0.1, random_state=0)[0])
    return {
        "digits, 10 x 10": (load_digits().data / 16, 10, 10, 0.5),
        "wine, 8 x 8": (StandardScaler().fit_transform(load_wine().data), 8, 8, 0.5),
        "swiss roll, 12 x 12": (roll, 12, 12, 0.5),
        "square, chain of 40": (rng.uniform(size=(600, 2)), 1, 40, 1.0),
        "ring, chain of 40": (ring, 1, 40, 1.0),
    }


class SoftMap:
    """Soft EM on one data set, with dense matrices."""

    def __init__(self, X: np.ndarray, height: int, width: int) -> None:
        self.X, self.lattice = X, RectangularLattice(height, width)
        self.places = self.lattice.coordinates().numpy()
        self.apart = ((self.places[:, None] - self.places) ** 2).sum(axis=2)
        self.covariance = torch.from_numpy(np.cov(X.T, bias=True))

    def critical(self, sigma: float) -> float:
        return critical_temperature(self.covariance, self.lattice.height, self.lattice.width, sigma)

    def start(self, init: str, seed: int) -> np.ndarray:
        """A normal cloud like the data, or two standard deviations to either side on the principal plane."""
        if init == "random":
            noise = np.random.default_rng(seed).normal(size=(len(self.places), self.X.shape[1]))
            return self.X.mean(axis=0) + noise * self.X.std(axis=0)
        variances, axes = np.linalg.eigh(self.covariance.numpy())
        half = self.places.max(axis=0) / 2
        at = (self.places - half) / np.where(half > 0, half, 1)
        return self.X.mean(axis=0) + 2 * at[:, ::-1] @ (axes * np.sqrt(variances.clip(0))).T[::-1][:2]

    def neighborhood(self, sigma: float) -> np.ndarray:
        H = np.exp(-self.apart / (2 * sigma**2))
        return H / H.sum(axis=1, keepdims=True)

    def errors(self, W: np.ndarray, G: np.ndarray) -> np.ndarray:
        squares = (self.X**2).sum(axis=1)[:, None] - 2 * self.X @ W.T + (W**2).sum(axis=1)
        return squares @ G.T

    def step(self, W: np.ndarray, sigma: float, temperature: float) -> np.ndarray:
        G = self.neighborhood(sigma)
        errors = self.errors(W, G)
        shares = np.exp((errors.min(axis=1, keepdims=True) - errors) / (2 * temperature))
        shares /= shares.sum(axis=1, keepdims=True)
        mass = G.T @ shares.sum(axis=0)
        moved = (G.T @ (shares.T @ self.X)) / np.maximum(mass, 1e-12)[:, None]
        return np.where(mass[:, None] > 1e-12, moved, W)

    def judge(self, W: np.ndarray, sigma: float, temperature: float) -> tuple[float, float]:
        """Twice the free energy a sample, as a share of the total variance; topographic error (8 neighbors)."""
        errors = self.errors(W, self.neighborhood(sigma))
        least = errors.min(axis=1, keepdims=True)
        loss = least[:, 0] - 2 * temperature * np.log(np.exp((least - errors) / (2 * temperature)).sum(axis=1))
        two = torch.from_numpy(np.argsort(self.errors(W, np.eye(len(W))), axis=1)[:, :2].T.copy())
        folded = ~self.lattice.adjacent(*two)
        return loss.mean() / self.X.var(axis=0).sum(), folded.double().mean().item()

    def run(self, W: np.ndarray, sigma: ExponentialSchedule, temperature: ExponentialSchedule) -> tuple[float, float]:
        for epoch in range(EPOCHS):
            t = epoch / (EPOCHS - 1)
            W = self.step(W, sigma(t), temperature(t))
        return self.judge(W, sigma.final, temperature.final)


def schedules() -> tuple[Table, Table]:
    """Four ways from the start to the same sigma and temperature: final losses, and topographic errors."""
    losses, orders = {}, {}
    for name, (X, height, width, last) in data().items():
        soft = SoftMap(X, height, width)
        wide = max(height, width) / 4
        T = SHARE * soft.critical(last)
        narrowing, narrow = ExponentialSchedule(wide, last), ExponentialSchedule(last, last)
        constant = ExponentialSchedule(T, T)
        ways = [
            (narrowing, constant),
            (narrowing, ExponentialSchedule(soft.critical(wide), T)),
            (narrow, constant),
            (narrow, ExponentialSchedule(soft.critical(last), T)),
        ]
        for init, seeds in (("random", SEEDS), ("pca", [0])):
            runs = np.array([[soft.run(soft.start(init, seed), *way) for way in ways] for seed in seeds])
            means, deviations = runs.mean(axis=0), runs.std(axis=0)  # (ways, 2)
            for table, j in ((losses, 0), (orders, 1)):
                pairs = np.stack([means[:, j], deviations[:, j]], axis=1).tolist()
                table[f"{name}, {init}"] = pairs if init == "random" else [pair[0] for pair in pairs]
    names = (
        "sigma falls, T constant", "sigma falls, T falls", "sigma constant, T constant", "sigma constant, T falls",
    )  # fmt: skip
    return (
        Table("2 F / n / total variance", tuple(Column(name, ".4f", 0.01) for name in names), losses),
        Table("topographic error", tuple(Column(name, ".3f", 0.04) for name in names), orders),
    )


def by_batch(X: np.ndarray, som: TopographicMap, temperatures: list[float]) -> np.ndarray:
    """One exact pass at each temperature."""
    som.set_params(solver="batch", max_iter=1)
    for temperature in temperatures:
        som.set_params(temperature=temperature).fit(X)
        som.set_params(init=som.codebook_)
    return som.codebook_


def by_stream(X: np.ndarray, som: TopographicMap, temperatures: list[float]) -> np.ndarray:
    """All rows once at each temperature."""
    for temperature in temperatures:
        som.set_params(temperature=temperature).partial_fit(X)
    return som.codebook_


def by_gradients(X: np.ndarray, som: TopographicMap, temperatures: list[float]) -> np.ndarray:
    """The layer in a torch loop, one pass at each temperature."""
    generator, rows = torch.Generator().manual_seed(0), torch.from_numpy(X)
    layer = TopographicLayer(
        X.shape[1], som.height, som.width, normalize=False, winner="local", dtype=rows.dtype, generator=generator
    )
    with torch.no_grad():
        layer.codebook.copy_(torch.from_numpy(som.init))
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    for epoch, temperature in enumerate(temperatures):
        optimizer.param_groups[0]["lr"] = 0.02 * min(1.0, 2.5 * (1 - epoch / len(temperatures)))
        for part in torch.randperm(len(rows), generator=generator).split(64):
            optimizer.zero_grad()
            layer.loss(rows[part], som.sigma_final, temperature).backward()
            optimizer.step()
    return layer.codebook.detach().numpy()


def recipes() -> Table:
    """Sigma constant, random starts: a constant temperature beside a falling one, on three engines."""
    rows = {}
    for name in ("digits, 10 x 10", "swiss roll, 12 x 12"):
        X, height, width, sigma = data()[name]
        soft = SoftMap(X, height, width)
        critical = soft.critical(sigma)
        cooling = ExponentialSchedule(critical, SHARE * critical)
        falling = [cooling(t / (EPOCHS - 1)) for t in range(EPOCHS)]
        for engine, train in (("batch", by_batch), ("partial_fit", by_stream), ("layer", by_gradients)):
            cells = []
            for temperatures in ([cooling.final] * EPOCHS, falling):
                runs = []
                for seed in range(3):
                    som = TopographicMap(height, width, winner="local", random_state=seed)
                    som.set_params(sigma_initial=sigma, sigma_final=sigma, init=soft.start("random", seed))
                    runs.append(soft.judge(train(X, som, temperatures), sigma, cooling.final))
                cells += [[float(np.mean(values)), float(np.std(values))] for values in zip(*runs, strict=True)]
            rows[f"{name}, {engine}"] = cells
    columns = [
        Column(f"{what}, T {way}", form, spread)
        for way in ("constant", "falls")
        for what, form, spread in (("loss", ".4f", 0.02), ("topographic error", ".3f", 0.05))
    ]
    return Table("random start, sigma constant", tuple(columns), rows)


def tables() -> dict[str, Table]:
    losses, orders = schedules()
    return {"losses": losses, "orders": orders, "recipes": recipes()}


if __name__ == "__main__":
    publish(__file__, tables())
