"""Streaming, as a user of the estimator meets it."""

import numpy as np
import pytest
import torch
from settings import threads
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo.metrics import topographic_error


@pytest.fixture(scope="module")
def sheet():
    """A curved sheet of two dimensions in five, with noise."""
    rng = np.random.default_rng(5)
    a, b = rng.uniform(-1, 1, size=(2, 12_000))
    return (np.c_[a, b, a * b, np.sin(2 * a), b * b] + 0.02 * rng.normal(size=(12_000, 5))).astype(np.float32)


@pytest.fixture(scope="module")
def torus():
    """A surface without edges, for maps without edges."""
    rng = np.random.default_rng(5)
    a, b = rng.uniform(0, 2 * np.pi, size=(2, 12_000))
    return (np.c_[np.cos(a), np.sin(a), np.cos(b), np.sin(b)] + 0.02 * rng.normal(size=(12_000, 4))).astype(np.float32)


def test_a_constant_far_away_changes_nothing(sheet):
    som = TopographicMap(6, 5, solver="stream", random_state=0)
    tiny = sheet.astype(np.float64) * 2.0**-1000
    alone, beside = clone(som).fit(tiny), clone(som).fit(np.c_[tiny, np.full(len(tiny), 1e300)])
    np.testing.assert_allclose(beside.codebook_[:, :5] * 2.0**1000, alone.codebook_ * 2.0**1000, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(beside.codebook_[:, 5], 1e300)


@pytest.mark.parametrize("shape", [(6, 5), (48, 44)])
def test_one_step_over_all_rows_is_one_batch_epoch(digits, shape):
    """On a large map too: a codebook that is given need not be smooth, so the first step looks at all units."""
    X = digits[0][:800]
    given = np.resize(X, (shape[0] * shape[1], 64)) + 1e-3 * np.arange(shape[0] * shape[1])[:, None]
    som = TopographicMap(*shape, init=given, sigma_initial=1.5, sigma_final=1.5, max_iter=1)
    batch = clone(som).set_params(solver="batch").fit(X)
    stream = clone(som).set_params(solver="stream", batch_size=800).fit(X)
    np.testing.assert_allclose(stream.codebook_, batch.codebook_, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(stream.unit_counts_, batch.unit_counts_)
    np.testing.assert_allclose(stream.unit_sums_, batch.unit_sums_, rtol=1e-10, atol=1e-8)


def test_streaming_is_as_good_as_forty_exact_epochs(sheet, torus, arrangement):
    # from a quarter of the side either solver unfolds the torus by chance only
    X, start = (torus, 12) if arrangement["periodic"] else (sheet, None)
    options = {"sigma_initial": start, **arrangement}
    batch = TopographicMap(16, 14, **options, solver="batch", max_iter=40).fit(X)
    stream = TopographicMap(16, 14, **options, solver="stream", random_state=0).fit(X)
    assert stream.quantization_error_ < 1.05 * batch.quantization_error_
    assert topographic_error(stream, X) < topographic_error(batch, X) + 0.03


@pytest.mark.parametrize("neighborhood", ["bubble", "epanechnikov"])
def test_any_neighborhood_streams(sheet, arrangement, neighborhood):
    options = {"neighborhood": neighborhood, "sigma_final": 1.6, **arrangement}
    batch = TopographicMap(20, 18, solver="batch", **options).fit(sheet[:3000])
    stream = TopographicMap(20, 18, solver="stream", random_state=0, **options).fit(sheet[:3000])
    assert stream.quantization_error_ < 1.15 * batch.quantization_error_


def test_labels_and_error_are_exact(sheet):
    som = TopographicMap(10, 12, solver="stream", random_state=0).fit(sheet)
    distance = np.linalg.norm(sheet[:500, None].astype(float) - som.codebook_.astype(float), axis=2)
    np.testing.assert_array_equal(som.labels_, som.predict(sheet))
    np.testing.assert_array_equal(som.labels_[:500], distance.argmin(axis=1))
    assert som.quantization_error_ == -som.score(sheet)
    assert som.codebook_.dtype == np.float32


def test_a_seed_gives_the_same_map_for_any_number_of_threads(sheet):
    som = TopographicMap(20, 20, solver="stream", random_state=3)
    maps = []
    for n in (1, 2, 3):
        with threads(n):
            maps.append(clone(som).fit(sheet).codebook_)
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])
    assert (clone(som).set_params(random_state=4).fit(sheet).codebook_ != maps[0]).any()


def test_sorted_rows_do_no_harm(sheet):
    mixed = TopographicMap(12, 12, solver="stream", random_state=0, max_iter=2).fit(sheet)
    in_order = clone(mixed).fit(sheet[np.argsort(sheet[:, 0])])
    assert in_order.quantization_error_ == pytest.approx(mixed.quantization_error_, rel=0.03)


def test_weights_count_as_rows(sheet):
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 6, len(sheet)) * (sheet[:, 0] > 0)
    som = TopographicMap(10, 10, solver="stream", random_state=0)
    weighted = clone(som).fit(sheet, sample_weight=weight)
    repeated = clone(som).fit(np.repeat(sheet, weight, axis=0))
    assert weighted.quantization_error_ == pytest.approx(repeated.quantization_error_, rel=0.02)
    assert weighted.codebook_[:, 0].min() > -0.1  # rows of weight 0 are absent


def test_equally_weighted_rows_are_drawn_once_before_any_is_drawn_twice(sheet):
    from sktopo._sources import ArraySource

    source = ArraySource(sheet, None, torch.device("cpu"))
    counts = np.bincount(source.drawn_positions(2 * len(sheet), torch.Generator()), minlength=len(sheet))
    assert (counts == 2).all()
    few = np.sort(source.drawn_positions(100, torch.Generator()))
    assert (few // (len(sheet) // 100) == np.arange(100)).all()  # one from each hundredth


def test_passes_may_be_a_fraction(sheet):
    som = TopographicMap(8, 8, solver="stream", max_iter=0.25, random_state=0).fit(sheet)
    assert som.n_iter_ == pytest.approx(0.25)
    assert som.sigma_ == 0.5
    assert np.isfinite(som.loss_curve_).all()
    assert som.loss_curve_[-1] < som.loss_curve_[0]


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_values_of_any_size_stream(digits, scale, offset):
    X = digits[0].astype(np.float32)
    plain = TopographicMap(6, 6, solver="stream", random_state=0).fit(X)
    moved = TopographicMap(6, 6, solver="stream", random_state=0).fit((X + offset) * np.float32(scale))
    assert moved.quantization_error_ / scale == pytest.approx(plain.quantization_error_, rel=0.02)


def test_auto_streams_through_many_rows(sheet):
    assert TopographicMap(5, 5, max_iter=1).fit(sheet[:10_000]).n_iter_ == 1
    som = TopographicMap(5, 5).fit(sheet)
    assert som.n_iter_ == 4  # the least whole number of passes over 12 000 rows that makes 40 000


def test_auto_takes_a_fraction_of_many_rows_only(sheet):
    som = TopographicMap(5, 5, max_iter=0.5, random_state=0)
    streamed = clone(som).set_params(solver="stream").fit(sheet)
    np.testing.assert_array_equal(clone(som).fit(sheet).codebook_, streamed.codebook_)
    with pytest.raises(ValueError, match=r"max_iter=0.5: .* make whole passes; use an int, or solver='stream'"):
        som.fit(sheet[:10_000])


def test_chunks_reach_what_one_fit_reaches(sheet):
    whole = TopographicMap(10, 10, solver="stream", random_state=0).fit(sheet)
    som = TopographicMap(10, 10, random_state=0)
    for chunk in np.array_split(sheet, 20):
        som.partial_fit(chunk)
    assert -som.score(sheet) < 1.05 * whole.quantization_error_
    assert topographic_error(som, sheet) < topographic_error(whole, sheet) + 0.05
    assert len(som.loss_curve_) == 20


def test_sigma_follows_the_weight_that_was_seen(sheet):
    som = TopographicMap(10, 10, sigma_initial=4.0, sigma_final=0.5, random_state=0, batch_size=500)
    sigmas = [som.partial_fit(sheet[:500]).sigma_ for _ in range(31)]
    seen = 500 * np.arange(31) / (150 * 100)
    np.testing.assert_allclose(sigmas, 4.0 * (0.5 / 4.0) ** np.minimum(1, seen / 0.8))
    assert som.weight_seen_ == 31 * 500
    weighted = TopographicMap(10, 10, sigma_initial=4.0, sigma_final=0.5, random_state=0)
    weighted.partial_fit(sheet[:500], sample_weight=np.full(500, 1000.0)).partial_fit(sheet[:500])
    assert weighted.sigma_ == 0.5


def test_partial_fit_goes_on_where_fit_ended(sheet):
    som = TopographicMap(10, 10, sigma_final=0.8, random_state=0).fit(sheet[:5000])
    before = som.codebook_.copy()
    som.partial_fit(sheet[5000:5600])
    assert som.sigma_ == 0.8
    assert 0 < np.abs(som.codebook_ - before).max() < 0.3
    np.testing.assert_array_equal(som.labels_, som.predict(sheet[5000:5600]))


def test_partial_fit_carries_its_sums_in_plain_arrays(sheet):
    som = TopographicMap(6, 6, random_state=0).partial_fit(sheet[:3000])
    again = clone(som)
    for name, value in vars(som).items():
        setattr(again, name, value.copy() if isinstance(value, np.ndarray) else value)
    for each in (som, again):
        each.partial_fit(sheet[3000:5000])
    np.testing.assert_array_equal(som.codebook_, again.codebook_)
    assert isinstance(som.unit_counts_, np.ndarray)
    assert som.unit_sums_.shape == (36, 5)


def test_partial_fit_checks_its_chunks(sheet):
    som = TopographicMap(4, 4).partial_fit(sheet[:100])
    with pytest.raises(ValueError, match="5 features"):
        som.partial_fit(sheet[:100, :3])
    with pytest.raises(ValueError, match="must not be negative"):
        som.partial_fit(sheet[:2], sample_weight=[1, -1])


def test_rows_of_a_chunk_without_weight_are_absent(sheet):
    far = np.vstack([sheet[:1000], np.full((50, 5), 1e3, dtype=np.float32)])
    som = TopographicMap(6, 6, random_state=0).partial_fit(far, sample_weight=np.r_[np.ones(1000), np.zeros(50)])
    assert np.abs(som.codebook_).max() < 5
