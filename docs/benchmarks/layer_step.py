"""One training step of the layer (forward, loss, backward) beside the obvious one, which leaves all to autograd.

Run with ``python docs/benchmarks/layer_step.py [repetitions]``: 1024 samples of width 128 on a map of 20 x 20, float32,
steps of both taken in turn so that a busy machine slows them alike; medians, and the peak of the memory that a step
holds beyond what it started with (torch's own allocations, by its profiler).
"""

import statistics
import sys
import time

import torch
from torch.profiler import ProfilerActivity, profile

from sktopo.nn import TopographicLayer

N, DIM, SIDE, SIGMA = 1024, 128, 20, 3.0


class PlainLayer(torch.nn.Module):
    """p-normalized samples and prototypes, cdist, argmin, a Gaussian on the lattice."""

    def __init__(self, codebook: torch.Tensor, p_norm: float = 2) -> None:
        super().__init__()
        self.codebook = torch.nn.Parameter(codebook.detach().clone())
        self.p_norm = p_norm
        rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
        self.register_buffer("places", torch.stack([rows, columns], dim=-1).reshape(-1, 2).float())

    def loss(self, z: torch.Tensor, sigma: float) -> torch.Tensor:
        z = torch.nn.functional.normalize(z, p=self.p_norm, dim=1)
        codebook = torch.nn.functional.normalize(self.codebook, p=self.p_norm, dim=1)
        distance = torch.cdist(z, codebook, p=self.p_norm)
        on_map = torch.cdist(self.places[distance.argmin(dim=1)], self.places, p=self.p_norm)
        return (torch.exp(-on_map.square() / (2 * sigma**2)) * distance.square()).sum(dim=1).mean()


def step(layer: torch.nn.Module, z: torch.Tensor, **options: float) -> float:
    layer.codebook.grad = z.grad = None
    loss = layer.loss(z, SIGMA, **options)
    loss.backward()
    return loss.item()


def peak_memory(layer: torch.nn.Module, z: torch.Tensor, **options: float) -> int:
    """Largest sum of what was allocated and not yet freed, over the allocations and frees of one step."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        step(layer, z, **options)
    held = peak = 0
    for event in trace.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(N, DIM, generator=generator, requires_grad=True)
    ours = TopographicLayer(DIM, SIDE, SIDE, generator=generator)
    local = TopographicLayer(DIM, SIDE, SIDE, winner="local", generator=generator)
    plain = PlainLayer(ours.codebook)
    cases = {
        "plain autograd": (plain, {}),
        "TopographicLayer": (ours, {}),
        "winner='local'": (local, {}),
        "winner='local', temperature=0.01": (local, {"temperature": 0.01}),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for repetition in range(repetitions + 5):
        for name, (layer, options) in cases.items():
            start = time.perf_counter()
            step(layer, z, **options)
            if repetition >= 5:
                times[name].append(time.perf_counter() - start)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {repetitions} steps each, in turn")
    print("| layer | median ms | fastest ms | peak MB |\n|---|---|---|---|")
    for name, (layer, options) in cases.items():
        middle, least = statistics.median(times[name]) * 1e3, min(times[name]) * 1e3
        print(f"| {name} | {middle:.2f} | {least:.2f} | {peak_memory(layer, z, **options) / 2**20:.1f} |")


if __name__ == "__main__":
    main()
