import math

import numpy as np
import pytest
import torch
from oracles import distances, lattice_distances, neighborhood_matrix, unit_norm

from sktopo.nn import TopographicLayer


def make(height=4, width=4, dim=5, p=2, seed=0, dtype=torch.float64, **options):
    generator = torch.Generator().manual_seed(seed)
    return TopographicLayer(dim, height, width, p, dtype=dtype, generator=generator, **options)


def samples(n, dim, seed=1, dtype=torch.float64):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class NaiveLayer(torch.nn.Module):
    """The layer of the question, written the obvious way: all differences, argmin, plain autograd."""

    def __init__(self, codebook, height, width, p, normalize=True):
        super().__init__()
        self.codebook = torch.nn.Parameter(codebook.detach().clone())
        self.p, self.unit = p, normalize
        self.register_buffer(
            "place", torch.tensor([(r, c) for r in range(height) for c in range(width)], dtype=codebook.dtype)
        )

    def forward(self, z):
        w = self.codebook
        if self.unit:
            z = z / torch.linalg.vector_norm(z, ord=self.p, dim=1, keepdim=True)
            w = w / torch.linalg.vector_norm(w, ord=self.p, dim=1, keepdim=True)
        distance = torch.linalg.vector_norm(z[:, None] - w, ord=self.p, dim=2)
        winner = self.place[distance.argmin(dim=1)]
        on_map = torch.linalg.vector_norm(winner[:, None] - self.place, ord=self.p, dim=2)
        return on_map**2, distance**2

    def loss(self, z, sigma):
        on_map, distance = self(z)
        return (torch.exp(-on_map / (2 * sigma**2)) * distance).sum(dim=1).mean()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lattice": "hexagonal", "periodic": True, "neighborhood": "bubble"},
        {"p_norm": math.inf, "normalize": False, "winner": "local", "lattice_p_norm": 1.5},
    ],
)
def test_what_a_layer_prints_makes_a_layer_like_it(options):
    layer = TopographicLayer(5, 4, 3, **options, generator=torch.Generator().manual_seed(0))
    with torch.device("meta"):  # which draws nothing from torch's global generator
        again = eval(repr(layer), {"TopographicLayer": TopographicLayer, "inf": math.inf})
    again.load_state_dict(layer.state_dict(), assign=True)
    assert repr(again) == repr(layer)
    z = samples(9, 5, dtype=torch.float32)
    assert all(map(torch.equal, again(z), layer(z)))
    assert again.loss(z, 1.3) == layer.loss(z, 1.3)


def test_a_winner_is_chosen_once():
    with pytest.raises(AttributeError, match="winner"):
        make().winner = "local"  # which would change what is printed, and nothing else


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("shape", [(4, 4), (3, 7)])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_tensors_loss_and_gradients_equal_the_naive_layer(p, shape, normalize):
    layer = make(*shape, p=p, normalize=normalize)
    naive = NaiveLayer(layer.codebook, *shape, p, normalize)
    z, z_naive = (samples(30, 5).requires_grad_(True) for _ in range(2))
    for ours, theirs in zip(layer(z), naive(z_naive), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    ours, theirs = layer.loss(z, 1.3), naive.loss(z_naive, 1.3)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    ours.backward()
    theirs.backward()
    torch.testing.assert_close(layer.codebook.grad, naive.codebook.grad, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(z.grad, z_naive.grad, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7)])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_fifty_sgd_steps_give_the_naive_codebook(p, shape):
    layer = make(*shape, p=p)
    naive = NaiveLayer(layer.codebook, *shape, p)
    z = samples(60, 5)
    for module in (layer, naive):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
        for _ in range(50):
            optimizer.zero_grad()
            module.loss(z, 1.5).backward()
            optimizer.step()
    torch.testing.assert_close(layer.codebook, naive.codebook, rtol=1e-9, atol=1e-9)


def test_the_step_of_the_question_learns():
    layer = make(20, 20, 128, dtype=torch.float32)
    z = samples(1024, 128, dtype=torch.float32)
    before = layer.codebook.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = layer.loss(z, sigma=5.0)
        loss.backward()
        assert torch.isfinite(layer.codebook.grad).all()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert (layer.codebook.detach() - before).abs().max() > 1e-3


@pytest.mark.parametrize("normalize", [False, True])
def test_gradients_equal_kohonens_rule_chained_through_the_normalization(lattice, neighborhood, normalize):
    n = 40
    layer = TopographicLayer(
        4,
        lattice.height,
        lattice.width,
        normalize=normalize,
        lattice="hexagonal" if lattice.default_neighbors == 6 else "rectangular",
        periodic=lattice.periodic,
        neighborhood=neighborhood,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(0),
    )
    z = samples(n, 4).requires_grad_(True)
    layer.loss(z, 1.2).backward()
    W, Z = layer.codebook.detach().numpy(), z.detach().numpy()
    u, v = (unit_norm(W, 2), unit_norm(Z, 2)) if normalize else (W, Z)
    apart = lattice_distances(lattice.height, lattice.width, lattice.default_neighbors == 6, lattice.periodic)
    H = neighborhood_matrix(neighborhood, apart, 1.2)
    winner = distances(v, u, 2).argmin(axis=1)
    by_unit = -(2 / n) * np.stack([(H[winner, j][:, None] * (v - u[j])).sum(axis=0) for j in range(len(u))])
    by_sample = (2 / n) * np.stack([(H[c][:, None] * (x - u)).sum(axis=0) for c, x in zip(winner, v, strict=True)])
    if normalize:  # (I - u u^T) g / |w|
        by_unit = (by_unit - u * (u * by_unit).sum(axis=1, keepdims=True)) / np.linalg.norm(W, axis=1, keepdims=True)
        by_sample = (by_sample - v * (v * by_sample).sum(axis=1, keepdims=True)) / np.linalg.norm(
            Z, axis=1, keepdims=True
        )
    np.testing.assert_allclose(layer.codebook.grad.numpy(), by_unit, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(z.grad.numpy(), by_sample, rtol=1e-10, atol=1e-10)


def test_gradients_agree_with_finite_differences(p_norm):
    layer = make(3, 3, 3, p=p_norm)
    z = samples(6, 3)

    def loss(codebook, z):
        return torch.func.functional_call(layer, {"codebook": codebook}, (z,))[1].sum()

    inputs = (layer.codebook.detach().clone().requires_grad_(True), z.clone().requires_grad_(True))
    assert torch.autograd.gradcheck(loss, inputs, atol=1e-5)


@pytest.mark.parametrize("normalize", [True, False])
def test_gradients_are_finite_at_coincident_and_zero_vectors(p_norm, normalize):
    layer = make(3, 3, 4, p=p_norm, normalize=normalize)
    with torch.no_grad():
        layer.codebook[4] = 0
    z = torch.cat([layer.codebook.detach()[:3], torch.zeros(2, 4, dtype=torch.float64)]).requires_grad_(True)
    layer.loss(z, 0.7).backward()
    assert torch.isfinite(z.grad).all()
    assert torch.isfinite(layer.codebook.grad).all()


def test_weights_and_masks(rng):
    layer = make(3, 4, 5)
    z = samples(20, 5)
    weight = torch.from_numpy(rng.integers(0, 4, 20))
    repeated = layer.loss(z.repeat_interleave(weight, dim=0), 1.0)
    torch.testing.assert_close(layer.loss(z, 1.0, sample_weight=weight), repeated)
    everything = torch.ones_like(z, dtype=torch.bool)
    torch.testing.assert_close(layer.loss(z, 1.0, mask=everything), layer.loss(z, 1.0))
    some = everything.clone()
    some[:, 2] = False
    hidden = z.clone()
    hidden[:, 2] = math.nan
    torch.testing.assert_close(layer.loss(hidden, 1.0, mask=some), layer.loss(z, 1.0, mask=some))
    layer.loss(hidden, 1.0, mask=some).backward()
    assert torch.isfinite(layer.codebook.grad).all()


def test_bmu_coordinates_activations_and_quantize_agree(lattice, p_norm):
    layer = TopographicLayer(
        3,
        lattice.height,
        lattice.width,
        p_norm,
        normalize=False,
        lattice="hexagonal" if lattice.default_neighbors == 6 else "rectangular",
        periodic=lattice.periodic,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(0),
    )
    z = samples(25, 3)
    bmu = layer.bmu(z)
    expected = distances(z.numpy(), layer.codebook.detach().numpy(), p_norm).argmin(axis=1)
    np.testing.assert_array_equal(bmu.numpy(), expected)
    torch.testing.assert_close(layer.coordinates(z), lattice.coordinates()[bmu])
    activations = layer.activations(z, 1.0)
    assert activations.shape == (25, lattice.n_units)
    assert (activations.gather(1, bmu[:, None]) == 1).all()
    torch.testing.assert_close(activations, torch.exp(-layer(z).lattice_sqdist / 2))
    torch.testing.assert_close(layer.quantize(z), layer.codebook[bmu])


def test_quantize_passes_gradients_straight_through_or_to_the_codebook():
    layer = make(3, 3, 4)
    z = samples(6, 4).requires_grad_(True)
    layer.quantize(z).sum().backward()
    assert (z.grad == 1).all()
    assert layer.codebook.grad is None
    layer.quantize(z.detach(), straight_through=False).sum().backward()
    assert layer.codebook.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("lattice", "p", "given", "expected"),
    [("rectangular", 1, None, 1), ("rectangular", 3, 2, 2), ("hexagonal", 1, None, 2), ("hexagonal", 1, 1, 1)],
)
def test_the_order_of_the_lattice_distance(lattice, p, given, expected):
    layer = make(4, 5, p=p, lattice=lattice, lattice_p_norm=given)
    apart = lattice_distances(4, 5, lattice == "hexagonal", False, expected)
    z = samples(10, 5)
    np.testing.assert_allclose(layer(z).lattice_sqdist.numpy(), apart[layer.bmu(z)] ** 2, rtol=1e-12, atol=1e-12)


def test_the_codebook_is_the_only_state_and_buffers_follow():
    layer = make(3, 3, 4)
    assert list(layer.state_dict()) == ["codebook"]
    assert [name for name, _ in layer.named_parameters()] == ["codebook"]
    moved = layer.to("meta")
    assert {b.device.type for b in moved.buffers()} == {"meta"}
    assert {b.dtype for b in make(3, 3, 4).float().buffers()} == {torch.float32}


def test_the_first_codebook_has_variance_one_over_the_dimension():
    codebook = make(50, 50, 16).codebook.detach()
    assert codebook.var().item() == pytest.approx(1 / 16, rel=0.02)


@pytest.mark.parametrize("p_norm", [1, 2, 3, math.inf])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_layer_in_half_precision_computes(p_norm, dtype, rng):
    layer = TopographicLayer(5, 4, 3, p_norm, generator=torch.Generator()).to(dtype)
    z = torch.from_numpy(rng.normal(size=(40, 5))).to(dtype).requires_grad_()
    layer.loss(z, 1.0).backward()
    assert torch.isfinite(z.grad).all()
    assert layer.bmu(z).shape == (40,)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("winner", ["nearest", "local"])
def test_half_precision_is_computed_in_float32(winner, masked, rng):
    layer = TopographicLayer(16, 6, 6, winner=winner, normalize=False, generator=torch.Generator()).bfloat16()
    exact = TopographicLayer(16, 6, 6, winner=winner, normalize=False, generator=torch.Generator())
    exact.load_state_dict({"codebook": layer.codebook.detach().float()})
    z = torch.from_numpy(rng.normal(size=(8192, 16))).bfloat16()
    mask = torch.from_numpy(rng.random(z.shape) > 0.2) if masked else None
    layer.loss(z, 1.0, mask=mask).backward()
    exact.loss(z.float(), 1.0, mask=mask).backward()
    assert torch.equal(layer.bmu(z), exact.bmu(z.float()))
    torch.testing.assert_close(layer.codebook.grad.float(), exact.codebook.grad, rtol=2**-8, atol=1e-9)
    assert torch.equal(layer.coordinates(z), exact.coordinates(z.float()))
    assert layer.quantize(z).dtype == torch.bfloat16


def test_coordinates_of_a_long_map_in_half_precision_are_whole():
    layer = TopographicLayer(4, 1, 300, normalize=False, generator=torch.Generator()).bfloat16()
    assert layer.coordinates(layer.codebook.detach())[:, 1].tolist() == layer.bmu(layer.codebook.detach()).tolist()


@pytest.mark.parametrize("p_norm", [1, 1.5, 2, 3, 10, math.inf])
def test_an_infinite_value_leaves_other_rows_alone(p_norm):
    layer, z = make(p=p_norm, normalize=False), samples(7, 5)
    spoiled = z.clone()
    spoiled[0, 0] = math.inf
    assert torch.equal(layer.bmu(spoiled)[1:], layer.bmu(z)[1:])
    torch.testing.assert_close(layer(spoiled).sqdist[1:], layer(z).sqdist[1:])


@pytest.mark.parametrize("length", [1.0, 1e4])
def test_straight_through_gives_the_prototype_itself(length):
    layer, z = make(dtype=torch.float32), (samples(9, 5, dtype=torch.float32) * length).requires_grad_()
    quantized = layer.quantize(z)
    assert torch.equal(quantized, layer.quantize(z, straight_through=False))
    quantized.sum().backward()
    assert torch.equal(z.grad, torch.ones_like(z))


@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("neighborhood", ["gaussian", "bubble"])
def test_an_empty_batch_is_answered_by_empty_tensors(neighborhood, lattice):
    layer, z = make(winner="local", lattice=lattice, neighborhood=neighborhood), samples(0, 5)
    assert layer.activations(z, 1.0).shape == layer.activations(z, 1.0, 0.1).shape == (0, 16)
    assert layer.coordinates(z, 1.0, 0.1).shape == layer.coordinates(z).shape == (0, 2)
    assert layer(z).sqdist.shape == (0, 16)


def test_a_layer_on_the_meta_device_knows_its_shapes():
    layer, z = TopographicLayer(4, 3, 3, device="meta"), torch.empty(5, 4, device="meta")
    assert layer(z).sqdist.shape == layer.activations(z, 1.0).shape == (5, 9)
    assert layer.loss(z, 1.0).shape == ()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_type_are_summed_in_that_of_the_loss(dtype):
    layer, z = make(dtype=torch.float32), samples(7, 5, dtype=torch.float32).repeat(10_001, 1)
    loss = layer.loss(z, 1.0, sample_weight=torch.full((len(z),), 0.5, dtype=dtype))
    torch.testing.assert_close(loss, layer.loss(z, 1.0))


def test_gradients_at_subnormal_rows_are_finite():
    layer, z = make(dtype=torch.float32), torch.full((3, 5), -90.0, requires_grad=True)
    layer.loss(z.exp(), 1.0).backward()
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("scale", [1e-25, 1e-20, 1e20])
def test_the_masked_loss_of_unit_vectors_does_not_depend_on_their_lengths(scale):
    layer, z = make(dtype=torch.float32), samples(9, 5, dtype=torch.float32)
    mask = torch.ones(9, 5, dtype=torch.bool)
    expected = layer.loss(z, 1.0)
    with torch.no_grad():
        layer.codebook *= scale
    torch.testing.assert_close(layer.loss(z, 1.0, mask=mask), expected)


@pytest.mark.parametrize("periodic", [False, True])
def test_expected_coordinates_are_exact_under_autocast(periodic, rng):
    layer = TopographicLayer(5, 40, 60, winner="local", normalize=False, periodic=periodic, generator=torch.Generator())
    z = torch.from_numpy(rng.normal(size=(50, 5))).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        places = layer.coordinates(z, 1.0, 0.01)
    assert torch.equal(places, layer.coordinates(z, 1.0, 0.01))


@pytest.mark.parametrize("normalize", [False, True])
def test_masked_samples_are_checked_and_cast_like_others(normalize, rng):
    layer = TopographicLayer(5, 4, 3, normalize=normalize, generator=torch.Generator())
    z = torch.from_numpy(rng.normal(size=(40, 5))).to(torch.bfloat16)
    mask = torch.from_numpy(rng.random((40, 5)) > 0.2)
    assert torch.equal(layer.loss(z, 1.0, mask=mask), layer.loss(z.float(), 1.0, mask=mask))
    for shape in ((40, 1), (40, 4), (40,)):
        with pytest.raises(ValueError, match=r"z must have shape \(n, 5\)"):
            layer.loss(torch.zeros(shape), 1.0, mask=torch.ones(shape, dtype=torch.bool))


def test_sizes_may_be_integers_of_numpy():
    assert TopographicLayer(np.int64(5), np.int32(4), 3, generator=torch.Generator()).codebook.shape == (12, 5)


def test_without_a_generator_torchs_global_one_draws():
    state = torch.get_rng_state()
    try:
        torch.manual_seed(3)
        first = TopographicLayer(4, 3, 3).codebook
        torch.manual_seed(3)
        second = TopographicLayer(4, 3, 3).codebook
    finally:
        torch.set_rng_state(state)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 0}, "height must be an int of at least 1, got 0"),
        ({"width": 2.5}, "width must be"),
        ({"latent_dim": True}, "latent_dim must be"),
        ({"p_norm": 0.5}, "p_norm must be at least 1"),
        ({"lattice_p_norm": 0.5}, "lattice_p_norm must be at least 1"),
        ({"lattice": ["rectangular"]}, r"lattice must be one of 'rectangular', 'hexagonal', got \['rectangular'\]"),
        ({"neighborhood": {}}, "neighborhood must be one of .*, got {}"),
        ({"lattice": "triangular"}, "lattice must be one of 'rectangular', 'hexagonal', got 'triangular'"),
        ({"neighborhood": "mexican"}, "neighborhood must be one of"),
        ({"winner": "second"}, "winner must be one of 'nearest', 'local'"),
        ({"lattice": "hexagonal", "periodic": True, "height": 3}, "even height"),
        ({"device": "gpu"}, "device='gpu' cannot be used: Expected one of cpu, cuda"),
        ({"device": 2.5}, "device=2.5 cannot be used"),
        ({"device": "cuda:99"}, "device='cuda:99' cannot be used"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        TopographicLayer(**{"height": 4, "width": 4, "generator": torch.Generator(), **arguments})


@pytest.mark.parametrize("sigma", [0, -1.0, float("nan"), float("inf"), "1", torch.ones(5), np.ones(2), [1.0]])
@pytest.mark.parametrize("method", ["loss", "activations", "coordinates"])
def test_bad_sigma_is_named(method, sigma):
    with pytest.raises(ValueError, match="sigma must be a finite number above 0"):
        getattr(make(), method)(samples(3, 5), sigma)


@pytest.mark.parametrize("method", ["loss", "activations", "coordinates"])
def test_temperature_needs_the_local_winner(method):
    with pytest.raises(ValueError, match="needs winner='local'"):
        getattr(make(), method)(samples(3, 5), 1.0, 0.5)
    with pytest.raises(ValueError, match="temperature must be a finite number of at least 0"):
        getattr(make(), method)(samples(3, 5), 1.0, -0.5)


@pytest.mark.parametrize("temperature", ["0.5", torch.ones(2), np.ones(2), [0.5]])
@pytest.mark.parametrize("method", ["loss", "activations", "coordinates"])
def test_bad_temperature_is_named(method, temperature):
    with pytest.raises(ValueError, match="temperature must be a finite number of at least 0, got"):
        getattr(make(winner="local"), method)(samples(3, 5), 1.0, temperature)


def test_an_order_of_several_numbers_is_named():
    with pytest.raises(ValueError, match=r"p_norm must be at least 1 .* got tensor\(\[1., 1.\]\)"):
        make(p=torch.ones(2))


def test_sigma_and_temperature_may_be_tensors_of_one_number():
    layer, z = make(winner="local"), samples(3, 5)
    expected = layer.loss(z, 1.5, 0.25)
    for shape in ((), (1,)):
        torch.testing.assert_close(layer.loss(z, torch.full(shape, 1.5), torch.full(shape, 0.25)), expected)


@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("neighborhood", ["gaussian", "epanechnikov"])
def test_sigma_and_temperature_may_be_learned(neighborhood, lattice):
    layer, z = make(winner="local", neighborhood=neighborhood, lattice=lattice), samples(6, 5)
    numbers = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (1.3, 0.2)]
    assert torch.autograd.gradcheck(lambda *each: layer.loss(z, *each), numbers)
    assert torch.autograd.gradcheck(lambda *each: layer.activations(z, *each), numbers)


@pytest.mark.parametrize("neighborhood", ["gaussian", "bubble", "epanechnikov"])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_sigma_of_another_type_gives_activations_of_the_layers(shape, neighborhood):
    layer, z = make(neighborhood=neighborhood, dtype=torch.float32), samples(6, 5, dtype=torch.float32)
    for sigma in (1.5, 1e-46, 1e-300):
        activations = layer.activations(z, torch.full(shape, sigma, dtype=torch.float64))
        torch.testing.assert_close(activations, layer.activations(z, sigma))


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("temperature", [0.5, 1e-300, 1e300])
def test_a_temperature_of_another_type_gives_the_loss_of_the_layers(temperature, shape):
    layer, z = make(winner="local", dtype=torch.float32), samples(6, 5, dtype=torch.float32)
    other = torch.full(shape, temperature, dtype=torch.float64)
    for ask in (layer.loss, layer.activations, layer.coordinates):
        torch.testing.assert_close(ask(z, 1.5, other), ask(z, 1.5, temperature))


@pytest.mark.parametrize(
    ("mask", "kind"), [(np.ones((3, 5), dtype=bool), "ndarray"), ([[True] * 5] * 3, "list"), (True, "bool")]
)
def test_a_mask_that_is_no_tensor_is_named(mask, kind):
    with pytest.raises(TypeError, match=f"mask must be a bool tensor, got {kind}; torch.as_tensor makes one"):
        make().loss(samples(3, 5), 1.0, mask=mask)


def test_bad_shapes_are_named():
    with pytest.raises(ValueError, match=r"z must have shape \(n, 5\), got \(3, 4\)"):
        make()(samples(3, 4))
    with pytest.raises(ValueError, match="mask must be a bool tensor"):
        make().loss(samples(3, 5), 1.0, mask=torch.ones(3, 5))


@pytest.mark.parametrize("p", [3, 10, 20, 100])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e5])
def test_large_orders_stay_finite_in_float32(p, scale):
    layer = make(4, 4, 5, p=p, normalize=False, dtype=torch.float32)
    with torch.no_grad():
        layer.codebook.mul_(scale)
    z = (scale * samples(20, 5, dtype=torch.float32)).requires_grad_(True)
    loss = layer.loss(z, 1.0)
    loss.backward()
    expected = distances(z.detach().numpy() / scale, layer.codebook.detach().numpy() / scale, p) ** 2
    torch.testing.assert_close(layer(z).sqdist / scale**2, torch.from_numpy(expected).float(), rtol=1e-4, atol=1e-6)
    for gradient in (z.grad, layer.codebook.grad):
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0
    everything = torch.ones_like(z, dtype=torch.bool)
    torch.testing.assert_close(layer.loss(z, 1.0, mask=everything), loss, rtol=1e-4, atol=0)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 40, math.inf])
def test_distances_in_float32_are_those_of_the_differences_far_from_the_origin(p):
    layer = make(4, 4, 5, p=p, normalize=False, dtype=torch.float32)
    with torch.no_grad():
        layer.codebook += 1e6
    z = samples(20, 5, dtype=torch.float32) + 1e6
    expected = distances(z.double().numpy(), layer.codebook.detach().double().numpy(), p) ** 2
    np.testing.assert_allclose(layer(z).sqdist.detach(), expected, rtol=1e-4, atol=1e-5)


def test_lattice_distances_of_large_orders_stay_finite():
    layer = make(20, 20, 3, dtype=torch.float32, lattice_p_norm=40)
    on_map = layer(samples(30, 3, dtype=torch.float32)).lattice_sqdist
    apart = lattice_distances(20, 20, False, False, np.inf)
    assert torch.isfinite(on_map).all()
    assert on_map.max() <= 1.05 * apart.max() ** 2


def test_extreme_sigma_is_a_limit():
    layer, z = make(), samples(8, 5)
    assert layer.loss(z, 1e-21).item() == pytest.approx(layer(z).sqdist.amin(dim=1).mean().item())
    assert layer.loss(z, 1e200).item() == pytest.approx(layer(z).sqdist.sum(dim=1).mean().item())


def test_a_bubble_ends_at_sigma():
    layer = make(5, 5, 5, neighborhood="bubble")
    center = layer.codebook.detach()[12:13]
    assert layer.activations(center, 1.4140).sum() == 5
    assert layer.activations(center, 1.4143).sum() == 9


@pytest.mark.parametrize("shape", [(1,), (20, 1), (19,)])
def test_weights_of_another_shape_are_named(shape):
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(20,\)"):
        make().loss(samples(20, 5), 1.0, sample_weight=torch.ones(shape))


def test_coordinates_are_as_exact_as_the_type_after_a_conversion():
    layer = make(20, 20, 3, lattice="hexagonal", dtype=torch.float32).double()
    torch.testing.assert_close(layer.coordinates_of_units, layer.lattice.coordinates(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p_norm": None}, "p_norm must be at least 1"),
        ({"p_norm": "2"}, "p_norm must be at least 1"),
        ({"normalize": "no"}, "normalize must be True or False"),
        ({"periodic": "no"}, "periodic must be True or False"),
        ({"generator": 0}, "generator must be a torch.Generator, got 0"),
        ({"dtype": torch.int64}, "dtype must be a floating point type, got torch.int64"),
        ({"dtype": torch.complex64}, "dtype must be a floating point type"),
    ],
)
def test_arguments_of_another_type_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        TopographicLayer(4, 3, 3, **{"generator": torch.Generator(), **arguments})


def test_a_temperature_of_none_and_weights_of_a_list_are_named():
    with pytest.raises(ValueError, match="temperature must be a finite number of at least 0"):
        make(winner="local").loss(samples(3, 5), 1.0, None)
    with pytest.raises(TypeError, match="sample_weight must be a tensor, got list"):
        make().loss(samples(3, 5), 1.0, sample_weight=[1.0] * 3)


@pytest.mark.parametrize("neighborhood", ["gaussian", "bubble", "epanechnikov"])
def test_a_sigma_below_the_type_leaves_each_unit_alone(neighborhood):
    layer, z = make(neighborhood=neighborhood, dtype=torch.float32), samples(8, 5, dtype=torch.float32)
    torch.testing.assert_close(layer.loss(z, 1e-46), layer(z).sqdist.amin(dim=1).mean())
    assert torch.equal(layer.activations(z, 1e-46).sum(dim=1), torch.ones(8))


def test_a_state_that_is_assigned_brings_its_type_and_device():
    random = torch.Generator().manual_seed(0)
    codebook, z = torch.randn(9, 4, generator=random), torch.randn(5, 4, generator=random)
    layer = TopographicLayer(4, 3, 3, winner="local", lattice="hexagonal", generator=random)
    layer.load_state_dict({"codebook": codebook.double()}, assign=True)
    assert layer.coordinates(z.double(), 1.0, 0.1).dtype == torch.float64
    assert torch.equal(layer.coordinates_of_units, layer.lattice.coordinates())
    with torch.device("meta"):
        hollow = TopographicLayer(4, 3, 3)
    hollow.load_state_dict({"codebook": codebook}, assign=True)
    assert torch.isfinite(hollow(z).lattice_sqdist).all()


def test_a_temperature_beyond_the_type_keeps_loss_and_gradients_finite():
    random = torch.Generator().manual_seed(0)
    layer = TopographicLayer(4, 3, 3, winner="local", generator=random)
    loss = layer.loss(torch.randn(500, 4, generator=random), 0.7, 1e300)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(layer.codebook.grad).all()


def test_samples_of_another_kind_or_type_are_named():
    layer = TopographicLayer(4, 3, 3, generator=torch.Generator().manual_seed(0))
    for ask in (layer, layer.bmu, layer.quantize, lambda z: layer.loss(z, 1.0), lambda z: layer.activations(z, 1.0)):
        with pytest.raises(TypeError, match=r"z must be a tensor, got ndarray; torch.from_numpy makes one"):
            ask(np.zeros((2, 4), dtype=np.float32))
        with pytest.raises(ValueError, match=r"z is torch.float64, the codebook torch.float32: pass z.to"):
            ask(torch.zeros(2, 4, dtype=torch.float64))
