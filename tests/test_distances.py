import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import distance, distances, unit_norm

from sktopo import distances as module
from sktopo._options import check_p_norm
from sktopo._powers import multiplies_out, roots, sums_of_powers
from sktopo.distances import masked_sqdist, norm, normalized, paired_distance, sqdist


def test_sqdist_equals_the_loop(p_norm, rng):
    X, W = rng.normal(size=(20, 5)), rng.normal(size=(7, 5)) + 3
    result = sqdist(torch.from_numpy(X), torch.from_numpy(W), p_norm)
    np.testing.assert_allclose(result.numpy(), distances(X, W, p_norm) ** 2, rtol=1e-12, atol=1e-12)


def test_wide_samples_are_summed_in_slices(rng):
    X, W = rng.normal(size=(5, 700)), rng.normal(size=(3, 700))
    result = sqdist(torch.from_numpy(X), torch.from_numpy(W), 2)
    np.testing.assert_allclose(result.numpy(), distances(X, W, 2) ** 2, rtol=1e-12)


def test_an_offset_changes_no_distance(rng):
    X, W = rng.normal(size=(20, 5)).astype(np.float32), rng.normal(size=(7, 5)).astype(np.float32)
    shift = np.float32(2**14)  # the sums are rounded to float32 here; what is left must survive
    moved, W_moved = X + shift, W + shift
    result = sqdist(torch.from_numpy(moved), torch.from_numpy(W_moved), 2)
    np.testing.assert_allclose(result.numpy(), distances(moved, W_moved, 2) ** 2, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("normalize", [False, True])
def test_masked_distances_equal_the_loop(p_norm, normalize, rng):
    X, W = rng.normal(size=(12, 6)), rng.normal(size=(5, 6))
    mask = rng.uniform(size=X.shape) < 0.6
    mask[0] = False
    expected = np.zeros((12, 5))
    for i, j in np.ndindex(12, 5):
        x, w = X[i, mask[i]][None], W[j, mask[i]][None]
        if normalize:
            x, w = unit_norm(x, p_norm), unit_norm(w, p_norm)
        expected[i, j] = distance(x[0], w[0], p_norm) ** 2 if mask[i].any() else 0
    hidden = torch.from_numpy(np.where(mask, X, np.nan))
    result = masked_sqdist(hidden, torch.from_numpy(mask), torch.from_numpy(W), p_norm, normalize=normalize)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-10, atol=1e-12)


@given(
    arrays(np.float64, (3, 4), elements=st.floats(-1e300, 1e300)),
    st.sampled_from([1.0, 1.5, 2.0, 3.0, 20.0, np.inf]),
)
def test_norms_never_overflow_and_unit_norm_is_one(X, p):
    with np.errstate(over="ignore"):
        largest = np.abs(X).max(axis=1)
    length = norm(torch.from_numpy(X), p).numpy()
    assert np.isfinite(length).all()
    assert (length >= largest * (1 - 1e-12)).all()
    assert (length <= largest * 4 * (1 + 1e-12)).all()
    units = norm(normalized(torch.from_numpy(X), p), p).numpy()
    np.testing.assert_allclose(units, (largest > 0).astype(float), rtol=1e-12)


def test_normalized_has_finite_gradients_at_zero(p_norm):
    x = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    normalized(x, p_norm).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_paired_distance_of_huge_opposite_values_is_finite():
    x = torch.tensor([[1.5e308, 0.0]], dtype=torch.float64)
    assert paired_distance(x / 4, -x / 4, 2.0, torch.float64).item() == pytest.approx(0.75e308)


@pytest.mark.parametrize("largest_block", [1, 100, 2**18])
def test_features_that_tie_share_the_gradient_of_the_maximum_norm(largest_block, monkeypatch, rng):
    monkeypatch.setattr(module, "LARGEST_BLOCK", largest_block)
    X, W, pull = rng.integers(-2, 3, (12, 5)), rng.integers(-2, 3, (7, 5)), rng.normal(size=(12, 7))
    by_sample, by_unit = np.zeros(X.shape), np.zeros(W.shape)
    for i, j in np.ndindex(pull.shape):
        apart = X[i] - W[j]
        ties = np.abs(apart) == np.abs(apart).max()
        share = pull[i, j] * 2 * apart * ties / ties.sum()
        by_sample[i] += share
        by_unit[j] -= share
    x, w = (torch.from_numpy(values).double().requires_grad_() for values in (X, W))
    sqdist(x, w, np.inf).backward(torch.from_numpy(pull))
    np.testing.assert_allclose(x.grad.numpy(), by_sample, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(w.grad.numpy(), by_unit, rtol=1e-12, atol=1e-12)


def test_gradients_of_the_maximum_norm_can_be_taken_for_each_sample():
    generator = torch.Generator().manual_seed(0)
    X, W = (torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (6, 3))

    def total(w, x):
        return sqdist(x[None], w, np.inf).sum()

    one_by_one = torch.stack([torch.func.grad(total)(W, x) for x in X])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(total), (None, 0))(W, X), one_by_one)


@pytest.mark.parametrize("bad", [0.5, 0, -1, float("nan")])
def test_orders_below_one_are_refused(bad):
    with pytest.raises(ValueError, match="p_norm must be at least 1"):
        check_p_norm(bad)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("p", [1, 1.5, 2, 2.5, 3, 7, 31.5, 32, np.inf])
def test_sums_of_powers_equal_the_loop(p, masked, rng):
    X, W = rng.normal(size=(9, 5)), rng.normal(size=(4, 5))
    mask = rng.uniform(size=X.shape) < (0.6 if masked else 2)
    expected = [
        [np.linalg.norm((x - w)[seen], p) if seen.any() else 0 for w in W] for x, seen in zip(X, mask, strict=True)
    ]
    assert multiplies_out(p)
    powers = sums_of_powers(torch.from_numpy(X), torch.from_numpy(W), p, torch.from_numpy(mask) if masked else None)
    np.testing.assert_allclose(roots(powers, p).numpy(), expected, rtol=1e-12)
    assert not any(map(multiplies_out, (1.3, 2.25, 33, 1e9)))
