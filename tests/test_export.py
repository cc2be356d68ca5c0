"""The layer leaves PyTorch's eager mode: compiled, exported, and run by ONNX Runtime."""

import io
import math

import numpy as np
import onnxruntime
import pytest
import torch

from sktopo.nn import TopographicLayer

LAYERS = {
    "question": ({}, 0.0),
    "local": ({"winner": "local", "normalize": False, "p_norm": 1}, 0.0),
    "soft-hexagonal-torus": ({"winner": "local", "lattice": "hexagonal", "periodic": True}, 0.2),
    "soft-order-3": ({"winner": "local", "p_norm": 3, "neighborhood": "epanechnikov"}, 0.2),
}


@pytest.fixture(params=LAYERS.values(), ids=LAYERS)
def case(request):
    options, temperature = request.param
    layer = TopographicLayer(5, 6, 7, **{"p_norm": 2, **options}, generator=torch.Generator().manual_seed(0))
    return layer, temperature


class Answers(torch.nn.Module):
    """What a deployed map is asked for."""

    def __init__(self, layer, temperature):
        super().__init__()
        self.layer, self.temperature = layer, temperature

    def forward(self, z):
        layer, temperature = self.layer, self.temperature
        return layer.bmu(z), layer.activations(z, 1.3, temperature), layer.coordinates(z, 1.3, temperature)


def samples(n, dim=5):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(n))


def check(answers, z, results):
    bmu, activations, coordinates = (torch.as_tensor(result) for result in results)
    expected = answers(z)
    assert torch.equal(bmu, expected[0])
    torch.testing.assert_close(activations, expected[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(coordinates, expected[2], rtol=1e-4, atol=1e-4)


def test_an_exported_program_answers_alike(case, tmp_path):
    answers = Answers(*case).eval()
    program = torch.export.export(answers, (samples(8),), dynamic_shapes=({0: torch.export.Dim("n")},))
    path = tmp_path / "map.pt2"
    torch.export.save(program, path)
    check(answers, samples(33), torch.export.load(path).module()(samples(33)))


@pytest.mark.parametrize("p_norm", [40, 100])
def test_an_exported_program_scales_large_orders(p_norm):
    layer = TopographicLayer(5, 4, 6, p_norm, normalize=False, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.codebook += 1e4
    program = torch.export.export(layer, (samples(8),), dynamic_shapes=({0: torch.export.Dim("n")},))
    z = samples(20) + 1e4
    torch.testing.assert_close(program.module()(z).sqdist, layer(z).sqdist)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_onnx_runtime_answers_alike(case):
    answers = Answers(*case).eval()
    shapes = ({0: torch.export.Dim("n")},)
    program = torch.onnx.export(answers, (samples(8),), dynamo=True, dynamic_shapes=shapes, verbose=False)
    file = io.BytesIO()
    program.save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    z = samples(33)
    results = session.run(None, {session.get_inputs()[0].name: z.numpy()})
    check(answers, z, [np.array(result) for result in results])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("p_norm", "dim"), [(1, 5), (3, 5), (math.inf, 5), (40, 5), (2, 5), (2, 700)])
def test_the_older_exporter_answers_alike(p_norm, dim):
    """It is the default up to torch 2.8, and turns `cdist` into differences without their absolute values."""
    layer = TopographicLayer(dim, 6, 7, p_norm, generator=torch.Generator().manual_seed(0))
    answers, file = Answers(layer, 0.0).eval(), io.BytesIO()
    axes = {"z": {0: "n"}}
    torch.onnx.export(answers, (samples(8, dim),), file, dynamo=False, input_names=["z"], dynamic_axes=axes)
    results = onnxruntime.InferenceSession(file.getvalue()).run(None, {"z": samples(33, dim).numpy()})
    check(answers, samples(33, dim), results)


@pytest.mark.parametrize("way", ["eager", "compiled", "masked"])
def test_ties_of_the_maximum_norm_share_the_gradient_in_every_way(way):
    """The loss at a zero prototype is the square of the largest part: 2 in all, for three parts that tie."""
    layer = TopographicLayer(3, 1, 1, math.inf, normalize=False, generator=torch.Generator())
    torch.nn.init.zeros_(layer.codebook)
    z = torch.tensor([[1.0, 1.0, -1.0]], requires_grad=True)
    loss = torch.compile(layer.loss, fullgraph=True, backend="aot_eager") if way == "compiled" else layer.loss
    loss(z, 1.0, mask=torch.ones(1, 3, dtype=torch.bool) if way == "masked" else None).backward()
    expected = torch.tensor([[2 / 3, 2 / 3, -2 / 3]])
    torch.testing.assert_close(z.grad, expected)
    torch.testing.assert_close(layer.codebook.grad, -expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("winner", "temperature"), [("nearest", 0.0), ("local", 0.0), ("local", 0.2)])
def test_a_compiled_loss_has_the_same_value_and_gradients(winner, temperature):
    layer = TopographicLayer(5, 4, 6, winner=winner, generator=torch.Generator().manual_seed(0))

    def step(z, sigma):
        return layer.loss(z, sigma, temperature)

    compiled = torch.compile(step, fullgraph=True, backend="inductor" if temperature else "aot_eager")
    for sigma in (1.5, 0.8):
        results = []
        for function in (step, compiled):
            z = samples(20).requires_grad_(True)
            layer.codebook.grad = None
            loss = function(z, sigma)
            loss.backward()
            results.append((loss.detach(), z.grad, layer.codebook.grad))
        for ours, theirs in zip(*results, strict=True):
            torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("p_norm", [1.5, 2, 40])
def test_a_compiled_layer_takes_batches_of_every_size(p_norm):
    layer = TopographicLayer(5, 4, 6, p_norm, generator=torch.Generator().manual_seed(0))
    torch.compiler.reset()  # all layers share a limit of recompilations
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for n in (7, 9, 1, 0, 12):
        torch.testing.assert_close(compiled(samples(n)), layer(samples(n)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("neighborhood", ["gaussian", "bubble"])
def test_a_compiled_loss_takes_sigma_as_a_tensor(neighborhood, lattice):
    layer = TopographicLayer(
        5, 4, 6, lattice=lattice, neighborhood=neighborhood, generator=torch.Generator().manual_seed(0)
    )
    torch.compiler.reset()
    compiled = torch.compile(layer.loss, fullgraph=True, backend="aot_eager")
    for sigma in (2.0, 1.1):
        torch.testing.assert_close(compiled(samples(7), torch.tensor(sigma)), layer.loss(samples(7), sigma))
