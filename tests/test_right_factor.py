"""The product that scores samples: right to rounding by oneDNN and by torch's BLAS, and each row on its own."""

import itertools

import numpy as np
import pytest
import torch
from settings import threads

from sktopo import TopographicMap, _right_factor
from sktopo._products import heights, padded_units, rounded_rows, stacked
from sktopo._right_factor import RightFactor


@pytest.fixture(params=["oneDNN", "torch's BLAS"])
def product(request, monkeypatch):
    """What multiplies, whatever this machine would choose; without AVX-512 it is torch's BLAS both times."""
    wanted = request.param == "oneDNN" and _right_factor._offers_onednn()
    monkeypatch.setattr(_right_factor, "_prefers_onednn", lambda: wanted)


def factors(rng, n, width, n_columns):
    """Samples and a right factor with independent columns."""
    samples = torch.from_numpy(rng.normal(size=(n, width)).astype(np.float32))
    return samples, torch.from_numpy(rng.normal(size=(width, n_columns)).astype(np.float32))


@pytest.mark.usefixtures("product")
@pytest.mark.parametrize("n_columns", [16, 100, 604])
@pytest.mark.parametrize("width", [2, 9, 33, 321, 785])
def test_scores_are_right_to_rounding(rng, width, n_columns):
    samples, values = factors(rng, 192, width, n_columns)
    expected = samples.double() @ values.double()
    terms = samples.double().abs() @ values.double().abs()  # what rounding is relative to
    error = (RightFactor(values).scores(samples).double() - expected).abs() / terms
    assert float(error.max()) < 4e-7 * width**0.5


@pytest.mark.usefixtures("product")
@pytest.mark.parametrize("n_columns", [padded_units(n) for n in (1, 50, 101, 401)])
@pytest.mark.parametrize("width", [9, 17, 64, 101, 400, 785])
def test_a_row_has_the_same_scores_beside_any_others(rng, width, n_columns):
    samples, values = factors(rng, 1024, width, n_columns)
    factor = RightFactor(values)
    with threads(1):
        alone = torch.cat([factor.scores(part).clone() for part in samples.split(64)])
    for n, rows, start in itertools.product((1, 2), (65, 128, 200, 576, 900), (0, 1, 64)):
        places = slice(start, start + rounded_rows(rows))
        with threads(n):
            assert torch.equal(factor.scores(samples[places]), alone[places])


def test_with_and_without_onednn_a_map_is_the_same_to_rounding(rng, monkeypatch):
    X = rng.normal(size=(3000, 12)).astype(np.float32)
    monkeypatch.setattr(_right_factor, "_prefers_onednn", _right_factor._offers_onednn)
    som = TopographicMap(20, 20, random_state=0).fit(X)
    monkeypatch.setattr(_right_factor, "_prefers_onednn", lambda: False)
    other = TopographicMap(20, 20, random_state=0).fit(X)
    np.testing.assert_allclose(other.quantization_error_, som.quantization_error_, rtol=1e-3)
    assert np.mean(som.predict(X) == som.labels_) > 0.9999


@pytest.mark.parametrize(("processor", "preferred"), [("vendor_id : GenuineIntel", False), ("AuthenticAMD", True)])
def test_on_processors_of_intel_its_own_library_multiplies(monkeypatch, processor, preferred):
    monkeypatch.setattr(_right_factor, "_offers_onednn", lambda: True)
    monkeypatch.setattr(_right_factor, "_processor", lambda: processor)
    assert _right_factor._prefers_onednn.__wrapped__() == preferred


def test_the_system_knows_its_processor():
    assert _right_factor._processor()


def test_float64_small_and_narrow_products_stay_with_the_blas(rng, monkeypatch):
    monkeypatch.setattr(_right_factor, "_prefers_onednn", lambda: True)
    samples, values = factors(rng, 64, 33, 600)
    assert RightFactor(values.double())._parts is None
    assert RightFactor(values[:4])._parts is None
    assert RightFactor(values[:, :16])._parts is None
    assert RightFactor(values.double()).scores(samples.double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("rows", "most", "expected"),
    [
        (1, 448, [64]),
        (64, 448, [64]),
        (65, 448, [128]),
        (192, 448, [128, 64]),
        (200, 448, [256]),
        (300, 448, [256, 64]),
        (400, 448, [448]),
        (448, 448, [448]),
        (640, 2624, [512, 128]),
        (704, 640, [640, 64]),
        (1537, 2624, [1024, 512, 64]),
        (1000, 2624, [1024]),
        (2600, 2624, [2624]),
        (1000, 64, [64] * 16),
    ],
)
def test_blocks_that_are_not_full_have_heights(rows, most, expected):
    assert heights(rows, most) == expected


@pytest.mark.parametrize("most", [64, 320, 448, 512, 2624])
def test_blocks_hold_all_rows_and_little_more(most):
    for rows in range(1, 3 * most):
        found = heights(rows, most)
        assert sum(found) >= rows > sum(found[:-1])
        assert sum(found) <= 8 / 7 * rounded_rows(rows) + 64
        assert all(height == most or height & (height - 1) == 0 for height in found)


def test_places_of_blocks_are_those_of_their_rows():
    values = torch.arange(704.0)[:, None]
    found = [(places, block[0, 0].item(), len(block)) for places, block in stacked(values, 650, 512)]
    assert found == [(slice(0, 512), 0, 512), (slice(512, 640), 512, 128), (slice(640, 650), 640, 64)]
