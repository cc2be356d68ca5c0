import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from minisom import MiniSom
from oracles import batch_epoch, coordinates, distances, lattice_distances, neighborhood_matrix, unit_norm
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sktopo import TopographicMap
from sktopo.metrics import quantization_error, topographic_error
from sktopo.nn import TopographicLayer

OUTPUTS = ["coordinates", "activations", "distances"]


def naive_fit(X, weight, W, sigmas, arrangement, neighborhood, shape):
    apart = lattice_distances(*shape, arrangement["lattice"] == "hexagonal", arrangement["periodic"])
    losses = []
    for sigma in sigmas:
        _, W, loss = batch_epoch(X, weight, W, neighborhood_matrix(neighborhood, apart, sigma))
        losses.append(loss)
    return W, losses


def test_training_equals_the_loops(arrangement, neighborhood, rng):
    X, weight, W = rng.normal(size=(60, 3)), rng.uniform(0.5, 2, size=60), rng.normal(size=(12, 3)) * 0.1
    som = TopographicMap(
        4, 3, **arrangement, neighborhood=neighborhood, init=W, sigma_initial=1.6, sigma_final=1.2, max_iter=4
    )
    som.fit(X, sample_weight=weight)
    sigmas = [1.6 * (1.2 / 1.6) ** min(1, t / 0.8) for t in (0, 1 / 3, 2 / 3, 1)]
    expected, losses = naive_fit(X, weight, W, sigmas, arrangement, neighborhood, (4, 3))
    np.testing.assert_allclose(som.codebook_, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(som.loss_curve_, losses, rtol=1e-10)
    assert som.n_iter_ == 4
    assert som.sigma_ == 1.2


def test_with_a_vanishing_neighborhood_an_epoch_is_one_lloyd_step(digits):
    X = digits[0][:500]
    init = X[:16] + 0.0
    som = TopographicMap(4, 4, init=init, sigma_initial=1e-3, sigma_final=1e-3, max_iter=1).fit(X)
    lloyd = KMeans(16, init=init, n_init=1, max_iter=1, algorithm="lloyd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        lloyd.fit(X)
    np.testing.assert_allclose(som.codebook_, lloyd.cluster_centers_, rtol=1e-10, atol=1e-10)


def test_with_an_endless_neighborhood_every_prototype_is_the_mean(iris, arrangement):
    som = TopographicMap(4, 4, **arrangement, sigma_initial=1e5, sigma_final=1e5, max_iter=2).fit(iris[0])
    np.testing.assert_allclose(som.codebook_, np.tile(iris[0].mean(axis=0), (16, 1)), rtol=1e-6)


@pytest.mark.parametrize("p", [1, 2, 3, np.inf])
def test_labels_are_what_predict_says_and_the_nearest_prototypes(iris, arrangement, p):
    X = iris[0]
    som = TopographicMap(4, 5, **arrangement, p_norm=p).fit(X)
    np.testing.assert_array_equal(som.labels_, som.predict(X))
    assert som.labels_.dtype == np.int64
    nearest = distances(X, som.codebook_, p)
    np.testing.assert_allclose(nearest[np.arange(150), som.labels_], nearest.min(axis=1), rtol=1e-9)
    assert som.quantization_error_ == pytest.approx(nearest.min(axis=1).mean(), rel=1e-12)
    assert som.quantization_error_ == -som.score(X)


@pytest.mark.parametrize("init", ["given", "pca", "random"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_integer_weights_equal_repeated_rows(digits, init, dtype, rng):
    X = digits[0][:300].astype(dtype)
    weight = rng.integers(0, 5, 300)
    som = TopographicMap(4, 4, init=X[:16].copy() if init == "given" else init, random_state=0)
    weighted, repeated = clone(som).fit(X, sample_weight=weight), clone(som).fit(np.repeat(X, weight, axis=0))
    np.testing.assert_array_equal(weighted.codebook_, repeated.codebook_)
    assert weighted.quantization_error_ == pytest.approx(repeated.quantization_error_, rel=1e-6)


@pytest.mark.parametrize("place", [1e6, 1e200, np.finfo(float).max])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize(
    "rule", [{}, {"winner": "local", "temperature": 0.1}, {"solver": "stream"}, {"init": "random"}], ids=str
)
def test_zero_weight_is_absence(iris, place, container, rule):
    X, weight = np.vstack([iris[0], np.full((5, 4), place)]), np.r_[np.full(150, 0.5), np.zeros(5)]
    som = TopographicMap(4, 4, random_state=0, max_iter=5, **rule)
    without = clone(som).fit(container(iris[0]), sample_weight=weight[:150])
    with_outliers = clone(som).fit(container(X), sample_weight=weight)
    assert with_outliers.labels_.shape == (155,)
    if rule.get("solver") == "stream":  # which draws other rows from more of them
        assert iris[0].min() <= with_outliers.codebook_.min() <= with_outliers.codebook_.max() <= iris[0].max()
        return
    np.testing.assert_array_equal(with_outliers.codebook_, without.codebook_)
    # shares are summed in floating point
    np.testing.assert_allclose(with_outliers.loss_curve_, without.loss_curve_, rtol=1e-14 if rule else 0)
    assert with_outliers.quantization_error_ == pytest.approx(without.quantization_error_, rel=1e-12)
    assert with_outliers.score(container(X), sample_weight=weight) == pytest.approx(without.score(iris[0]))
    chunk = clone(som).partial_fit(container(X), sample_weight=weight)
    assert np.isfinite(chunk.codebook_).all()
    assert np.isfinite(chunk.loss_curve_).all()


def test_weights_may_be_huge(iris):
    som = TopographicMap(4, 4)
    heavy = clone(som).fit(iris[0], sample_weight=np.full(150, 1e304))
    np.testing.assert_allclose(heavy.codebook_, som.fit(iris[0]).codebook_, rtol=1e-7)
    for size in (1 / 160, 1):
        with pytest.raises(ValueError, match=r"sample_weight sums to .*; divide it by its maximum"):
            som.fit(iris[0], sample_weight=np.full(150, size * np.finfo(float).max))


@pytest.mark.parametrize("change", ["shift", "scale", "rotate"])
def test_the_codebook_follows_the_data(iris, change, rng):
    X = iris[0]
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    move = {"shift": lambda a: a + 1e3, "scale": lambda a: a * 1e-7, "rotate": lambda a: a @ rotation}[change]
    init = X[::10][:12].copy()
    som = TopographicMap(3, 4, init=init).fit(X)
    moved = TopographicMap(3, 4, init=move(init)).fit(move(X))
    np.testing.assert_allclose(moved.codebook_, move(som.codebook_), rtol=1e-9)
    np.testing.assert_array_equal(moved.labels_, som.labels_)


@pytest.mark.parametrize("mirror", ["rows", "columns"])
@pytest.mark.parametrize("periodic", [False, True])
def test_a_mirrored_start_gives_the_mirrored_map(iris, mirror, periodic):
    X, axis = iris[0], {"rows": 0, "columns": 1}[mirror]
    init = X[::10][:12].reshape(3, 4, 4)
    plain = TopographicMap(3, 4, periodic=periodic, init=init.reshape(12, 4)).fit(X)
    mirrored = TopographicMap(3, 4, periodic=periodic, init=np.flip(init, axis).reshape(12, 4)).fit(X)
    expected = np.flip(plain.codebook_.reshape(3, 4, 4), axis).reshape(12, 4)
    np.testing.assert_allclose(mirrored.codebook_, expected, rtol=1e-10)


def test_normalized_maps_live_on_the_unit_sphere(digits, p_norm):
    X = digits[0][:200]
    som = TopographicMap(4, 4, normalize=True, p_norm=p_norm, output="distances").fit(X)
    np.testing.assert_allclose([np.linalg.norm(w, ord=p_norm) for w in som.codebook_], 1, rtol=1e-12)
    np.testing.assert_array_equal(som.predict(X * 37), som.predict(X))
    expected = distances(unit_norm(X, p_norm), som.codebook_, p_norm)
    np.testing.assert_allclose(som.transform(X), expected, rtol=1e-9, atol=1e-9)


def test_transform_to_coordinates_and_back(iris, arrangement):
    som = TopographicMap(4, 5, **arrangement).fit(iris[0])
    places = som.transform(iris[0])
    expected = coordinates(4, 5, arrangement["lattice"] == "hexagonal")
    np.testing.assert_allclose(som.unit_coordinates_, expected)
    np.testing.assert_array_equal(places, som.unit_coordinates_[som.labels_])
    np.testing.assert_array_equal(som.inverse_transform(som.unit_coordinates_), som.codebook_)


def test_coordinates_between_units_are_interpolated(iris):
    som = TopographicMap(4, 5).fit(iris[0])
    W = som.codebook_.reshape(4, 5, 4)
    point = som.inverse_transform([[1.25, 2.5]])[0]
    low = 0.5 * (W[1, 2] + W[1, 3])
    np.testing.assert_allclose(point, 0.75 * low + 0.25 * 0.5 * (W[2, 2] + W[2, 3]), rtol=1e-12)
    np.testing.assert_allclose(som.inverse_transform([[-9.0, 99.0]])[0], W[0, 4], rtol=1e-12)


def test_transform_to_activations_and_back(iris, arrangement, neighborhood):
    som = TopographicMap(4, 5, **arrangement, neighborhood=neighborhood, output="activations", sigma_final=1.2)
    activations = som.fit_transform(iris[0])
    apart = lattice_distances(4, 5, arrangement["lattice"] == "hexagonal", arrangement["periodic"])
    H = neighborhood_matrix(neighborhood, apart, 1.2)
    np.testing.assert_allclose(activations, H[som.labels_], rtol=1e-12, atol=1e-12)
    expected = (H / H.sum(axis=1, keepdims=True) @ som.codebook_)[som.labels_]
    np.testing.assert_allclose(som.inverse_transform(activations), expected, rtol=1e-10)


def test_transform_to_distances_and_back(iris, p_norm):
    som = TopographicMap(4, 5, p_norm=p_norm, output="distances").fit(iris[0])
    values = som.transform(iris[0])
    np.testing.assert_allclose(values, distances(iris[0], som.codebook_, p_norm), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(som.inverse_transform(values), som.codebook_[values.argmin(axis=1)])
    np.testing.assert_array_equal(np.diag(som.transform(som.codebook_)), 0)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_floating_point_type_is_kept(iris, output, dtype):
    X = iris[0].astype(dtype)
    som = TopographicMap(4, 4, output=output).fit(X)
    assert som.codebook_.dtype == dtype
    swapped = TopographicMap(4, 4).fit(X.astype(X.dtype.newbyteorder()))
    assert swapped.codebook_.dtype == dtype
    np.testing.assert_array_equal(swapped.codebook_, som.codebook_)
    assert som.transform(X).dtype == dtype
    assert som.inverse_transform(som.transform(X)).dtype == dtype


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_a_rows_result_never_depends_on_the_other_rows(digits, output, dtype, container):
    X = container(digits[0].astype(dtype))
    som = TopographicMap(7, 5, output=output).fit(X)
    together, units = som.transform(X), som.predict(X)
    for rows in (slice(0, 1), slice(5, 6), slice(90, 171)):
        np.testing.assert_array_equal(som.transform(X[rows]), together[rows])
        np.testing.assert_array_equal(som.predict(X[rows]), units[rows])


@pytest.mark.parametrize("normalize", [False, True])
def test_the_layer_gives_the_maps_answers(iris, arrangement, neighborhood, normalize, p_norm):
    X = iris[0]
    som = TopographicMap(
        4, 5, **arrangement, neighborhood=neighborhood, normalize=normalize, p_norm=p_norm, output="activations"
    ).fit(X)
    layer, z = som.to_layer(), torch.from_numpy(X)
    np.testing.assert_array_equal(layer.bmu(z).numpy(), som.labels_)
    np.testing.assert_allclose(layer.activations(z, som.sigma_).detach().numpy(), som.transform(X), atol=1e-12)
    distance = som.set_params(output="distances").transform(X)
    np.testing.assert_allclose(layer(z).sqdist.detach().numpy(), distance**2, atol=1e-10)
    assert layer.codebook.data_ptr() != som.codebook_.__array_interface__["data"][0]
    assert som.to_layer(dtype=torch.float32).codebook.dtype == torch.float32


def test_pictures_have_the_maps_shape(iris):
    som = TopographicMap(4, 5).fit(iris[0])
    assert som.u_matrix().shape == (4, 5)
    np.testing.assert_array_equal(som.component_planes()[2, 1], som.codebook_[5:10, 2])
    hits = som.hit_histogram(iris[0])
    np.testing.assert_array_equal(hits.ravel(), np.bincount(som.labels_, minlength=20))
    weight = np.linspace(0, 1, 150)
    np.testing.assert_allclose(som.hit_histogram(iris[0], sample_weight=weight).sum(), 75)


@pytest.mark.parametrize(("height", "width"), [("auto", "auto"), ("auto", 7), (6, "auto")])
def test_automatic_sides(digits, height, width):
    som = TopographicMap(height, width, lattice="hexagonal", periodic=True, max_iter=2).fit(digits[0])
    assert som.height_ % 2 == 0
    assert height in (som.height_, "auto")
    assert width in (som.width_, "auto")
    assert som.height_ * som.width_ == pytest.approx(5 * np.sqrt(1797), rel=0.12)
    assert (som.height, som.width) == (height, width)


def test_automatic_size_counts_weights(iris):
    som = TopographicMap("auto", "auto", max_iter=1)
    weighted = clone(som).fit(iris[0], sample_weight=np.full(150, 4))
    repeated = clone(som).fit(np.repeat(iris[0], 4, axis=0))
    assert (weighted.height_, weighted.width_) == (repeated.height_, repeated.width_)


def test_seeds_work_and_none_takes_fresh_entropy(iris):
    def fitted(seed):
        return TopographicMap(4, 4, init="random", random_state=seed, max_iter=1).fit(iris[0]).codebook_

    np.testing.assert_array_equal(fitted(3), fitted(3))
    assert (fitted(3) != fitted(4)).any()
    assert (fitted(None) != fitted(None)).any()
    np.testing.assert_array_equal(fitted(np.random.RandomState(5)), fitted(np.random.RandomState(5)))


def test_training_stops_when_nothing_moves(iris):
    som = TopographicMap(3, 3, max_iter=500, tol=0.0).fit(iris[0])
    early = TopographicMap(3, 3, max_iter=500, tol=0.01).fit(iris[0])
    assert som.n_iter_ < 500
    assert early.n_iter_ <= som.n_iter_
    assert len(som.loss_curve_) == som.n_iter_
    assert early.n_iter_ > 0.8 * 499 * 0.99  # never before sigma is constant


@pytest.mark.parametrize("solver", ["auto", "batch"])
def test_devices(iris, solver):
    expected = TopographicMap(3, 3).fit(iris[0]).codebook_
    for device in ("cpu", torch.device("cpu"), *(() if torch.cuda.is_available() else ("auto",))):
        som = TopographicMap(3, 3, solver=solver, device=device).fit(iris[0])
        np.testing.assert_array_equal(som.codebook_, expected)


@pytest.mark.parametrize("kind", ["list", "frame", "polars", "fortran", "readonly", "reversed", "swapped", "ints"])
def test_containers_of_the_same_numbers_give_the_same_map(kind, digits):
    X = digits[0][:200].astype(np.float64)
    readonly = X.copy()
    readonly.flags.writeable = False
    container = {
        "list": X.tolist(),
        "frame": pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)]),
        "polars": pl.DataFrame(X),
        "fortran": np.asfortranarray(X),
        "readonly": readonly,
        "reversed": X[::-1].copy()[::-1],
        "swapped": X.astype(">f8"),
        "ints": X.astype(np.int32),
    }[kind]
    expected = TopographicMap(4, 4).fit(X)
    som = TopographicMap(4, 4).fit(container)
    np.testing.assert_array_equal(som.codebook_, expected.codebook_)
    np.testing.assert_array_equal(som.predict(container), expected.labels_)


def test_a_read_only_memmap_is_read_as_it_is(tmp_path, digits):
    path = tmp_path / "X.npy"
    np.save(path, digits[0].astype(np.float32))
    som = TopographicMap(4, 4).fit(np.load(path, mmap_mode="r"))
    np.testing.assert_array_equal(som.labels_, TopographicMap(4, 4).fit(digits[0].astype(np.float32)).labels_)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_of_any_size_are_harmless(iris, scale, dtype):
    X = iris[0].astype(np.float64)
    som = TopographicMap(4, 4, output="distances").fit((X * scale).astype(dtype))
    expected = TopographicMap(4, 4, output="distances").fit(X.astype(dtype))
    np.testing.assert_allclose(som.codebook_ / scale, expected.codebook_, rtol=2e-2 if dtype == np.float32 else 1e-6)
    assert np.isfinite(som.transform((X * scale).astype(dtype))).all()


@pytest.mark.parametrize("solver", ["batch", "stream"])
@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
def test_a_torus_has_no_edge(lattice, solver, iris, rng):
    init = rng.normal(size=(6, 5, 4)) + iris[0].mean(axis=0)
    shift = {"shift": (2, 3), "axis": (0, 1)}  # by an even number of rows, which are shifted alike
    options = {"lattice": lattice, "periodic": True, "solver": solver, "random_state": 0, "sigma_initial": 1.0}
    som = TopographicMap(6, 5, init=init.reshape(30, 4), **options).fit(iris[0])
    moved = TopographicMap(6, 5, init=np.roll(init, **shift).reshape(30, 4), **options).fit(iris[0])
    expected = np.roll(som.codebook_.reshape(6, 5, 4), **shift)
    np.testing.assert_allclose(moved.codebook_.reshape(6, 5, 4), expected, atol=1e-8)


def test_a_trained_layer_is_a_start(iris):
    layer = TopographicLayer(4, 3, 3, generator=torch.Generator().manual_seed(0))
    given = layer.codebook.detach().numpy().copy()
    som = TopographicMap(3, 3, init=layer.codebook, max_iter=3).fit(iris[0])
    np.testing.assert_array_equal(som.codebook_, TopographicMap(3, 3, init=given, max_iter=3).fit(iris[0]).codebook_)
    np.testing.assert_array_equal(layer.codebook.detach().numpy(), given)


def test_an_offset_of_1e8_is_harmless(iris):
    X = np.round(iris[0] * 1024) / 1024
    init = X[:16].copy()
    som = TopographicMap(4, 4, init=init).fit(X)
    moved = TopographicMap(4, 4, init=init + 1e8).fit(X + 1e8)
    np.testing.assert_allclose(moved.codebook_ - 1e8, som.codebook_, atol=1e-7)
    np.testing.assert_array_equal(moved.labels_, som.labels_)


@pytest.mark.parametrize(
    "X",
    [
        np.full((20, 3), 7.0),
        np.ones((1, 4)),
        np.arange(30.0)[:, None],
        np.array([[3e38, -3e38], [-3e38, 3e38], [0, 0]], dtype=np.float32),
        np.array([[1e308, -1e308], [-1e308, 1e308]]),
        np.array([[5e-324, 0], [0, 5e-324]]),
        np.array([[1e30, 1.0], [1e30, 2.0], [1e30, 3.0]]),
    ],
    ids=["constant", "one row", "one column", "float32 max", "float64 max", "denormal", "one huge constant column"],
)
@pytest.mark.parametrize("normalize", [False, True])
def test_degenerate_data_gives_finite_results(X, normalize):
    som = TopographicMap(3, 3, output="distances", normalize=normalize).fit(X)
    assert np.isfinite(som.codebook_).all()
    assert np.isfinite(som.quantization_error_)
    assert (som.codebook_.min(axis=0) >= X.min(axis=0)).all() or normalize
    assert np.isfinite(som.set_params(output="coordinates").transform(X)).all()
    np.testing.assert_array_equal(som.labels_, som.predict(X))


def test_distances_that_leave_the_floating_point_range_are_refused():
    X = np.array([[3e38, -3e38], [-3e38, 3e38]], dtype=np.float32)
    som = TopographicMap(3, 3, output="distances").fit(X)
    with pytest.raises(ValueError, match=r"too large for torch.float32: scale X down, or pass float64"):
        som.transform(X)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_finite_data_gives_a_finite_map_inside_its_range(data):
    n, d = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    bits = data.draw(st.sampled_from([32, 64]))
    values = st.floats(-(2.0**100), 2.0**100, width=bits, allow_subnormal=False)
    X = np.array(
        data.draw(st.lists(st.lists(values, min_size=d, max_size=d), min_size=n, max_size=n)), dtype=f"float{bits}"
    )
    som = TopographicMap(
        data.draw(st.integers(1, 4)) * 2,
        data.draw(st.integers(1, 4)),
        lattice=data.draw(st.sampled_from(["rectangular", "hexagonal"])),
        periodic=data.draw(st.booleans()),
        p_norm=data.draw(st.sampled_from([1, 1.5, 2, 3, np.inf])),
        neighborhood=data.draw(st.sampled_from(["gaussian", "bubble", "epanechnikov"])),
        max_iter=3,
    ).fit(X)
    assert np.isfinite(som.codebook_).all()
    assert (som.codebook_ >= X.min(axis=0)).all()
    assert (som.codebook_ <= X.max(axis=0)).all()
    np.testing.assert_array_equal(som.labels_, som.predict(X))
    assert som.hit_histogram(X).sum() == n


def test_no_input_is_touched(iris):
    X, weight = iris[0].copy(), np.ones(150)
    init = X[:9].copy()
    TopographicMap(3, 3, init=init, normalize=True).fit(X, sample_weight=weight).transform(X)
    np.testing.assert_array_equal(X, iris[0])
    np.testing.assert_array_equal(init, iris[0][:9])
    assert (weight == 1).all()


def test_pickles_answer_alike_and_hold_arrays_only(iris):
    som = TopographicMap(4, 4, output="activations").fit(iris[0])
    again = pickle.loads(pickle.dumps(som))
    np.testing.assert_array_equal(again.transform(iris[0]), som.transform(iris[0]))
    for name, value in vars(som).items():
        assert isinstance(value, (np.ndarray, int, float, str, bool, type(None))), name


SIGMA_FINALS = (0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@pytest.mark.parametrize("name", ["digits", "iris", "wine"])
def test_as_good_as_minisom_for_the_same_number_of_passes(name, digits, iris):
    """Lower quantization error at no higher topographic error for some sigma_final: the median of five MiniSoms."""
    X = {"digits": digits[0], "iris": iris[0], "wine": load_wine().data}[name]
    X = StandardScaler().fit_transform(X) if name != "digits" else X / 16.0
    side, passes = {"digits": 10, "iris": 8, "wine": 8}[name], 10
    scores = []
    for seed in range(5):
        rival = MiniSom(side, side, X.shape[1], random_seed=seed)
        rival.train_random(X, passes * len(X))
        scores.append((rival.quantization_error(X), rival.topographic_error(X)))
    error, folds = np.median(scores, axis=0)
    ours = []
    for sigma_final in SIGMA_FINALS:
        som = TopographicMap(side, side, sigma_final=sigma_final, max_iter=passes).fit(X)
        ours.append((quantization_error(som, X), topographic_error(som, X)))
    assert any(qe < error and te <= folds for qe, te in ours), (error, folds, ours)


@pytest.mark.parametrize(("output", "least"), [("activations", 0.88), ("distances", 0.92)])
def test_a_pipeline_classifies_digits(digits, output, least):
    steps = [MinMaxScaler(), TopographicMap(12, 12, output=output)]
    if output == "distances":
        steps.append(StandardScaler())
    model = make_pipeline(*steps, LogisticRegression(max_iter=2000))
    assert cross_val_score(model, *digits, cv=5).mean() > least


def mesh(side):
    """Data whose two leading variances are equal: rounding must not choose the axes."""
    line = np.linspace(0, 1, side)
    return np.array([(a, b) for a in line for b in line])


@pytest.mark.parametrize("X", [mesh(25), mesh(20) / 7, np.eye(6)], ids=["mesh", "mesh / 7", "simplex"])
def test_tied_principal_axes_do_not_depend_on_order_weights_or_chunks(X, rng):
    som = TopographicMap(5, 5)
    plain = clone(som).fit(X)
    order = rng.permutation(len(X))
    repeated = clone(som).fit(np.repeat(X, 3, axis=0))
    weighted = clone(som).fit(X, sample_weight=np.full(len(X), 3))
    np.testing.assert_allclose(weighted.codebook_, repeated.codebook_, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(clone(som).fit(X[order]).codebook_, plain.codebook_, rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(clone(som).set_params(batch_size=64).fit(X).codebook_, plain.codebook_)


def test_an_initial_codebook_outside_the_data_is_used_as_it_is(iris, rng):
    X, W = iris[0], 20 * rng.normal(size=(12, 4))
    som = TopographicMap(3, 4, init=W, sigma_initial=1, sigma_final=1, max_iter=1).fit(X)
    H = neighborhood_matrix("gaussian", lattice_distances(3, 4, False, False), 1.0)
    _, expected, loss = batch_epoch(X, np.ones(150), W, H)
    np.testing.assert_allclose(som.codebook_, expected, rtol=1e-10)
    assert som.loss_curve_[0] == pytest.approx(loss, rel=1e-10)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_normalized_prototypes_may_leave_the_datas_range(rng, p):
    angle = np.linspace(0, 1, 50)
    for X in (np.c_[np.cos(angle), np.sin(angle)], rng.normal(size=(80, 3))):
        som = TopographicMap(3, 3, normalize=True, p_norm=p).fit(X)
        np.testing.assert_allclose(np.linalg.norm(som.codebook_, ord=p, axis=1), 1, rtol=1e-12)


def test_scores_are_exact_across_types(rng):
    X = 1e4 + 1e-3 * rng.normal(size=(60, 2))
    som = TopographicMap(2, 2).fit(X)
    query = X.astype(np.float32)
    expected = distances(query, som.codebook_, 2)[np.arange(60), som.predict(query)]
    np.testing.assert_allclose(-som.score_samples(query), expected, rtol=1e-12)


def test_a_float32_query_of_a_map_beyond_float32_is_answered(iris):
    som = TopographicMap(4, 4).fit(iris[0] * 1e100)
    query = iris[0].astype(np.float32)
    nearest = distances(query * 1e-100, som.codebook_ * 1e-100, 2).min(axis=1)
    chosen = distances(query * 1e-100, som.codebook_ * 1e-100, 2)[np.arange(150), som.predict(query)]
    np.testing.assert_allclose(chosen, nearest, rtol=1e-12)
    assert np.isfinite(som.score(query))


@pytest.mark.parametrize("p", [20, 100, 300, 1e6])
def test_large_orders_neither_overflow_nor_underflow(iris, p):
    X = iris[0]
    som = TopographicMap(5, 5, p_norm=p, output="distances", max_iter=5).fit(X)
    with np.errstate(all="ignore"):
        difference = np.abs(X[:, None] - som.codebook_)
        peak = np.maximum(difference.max(axis=2, keepdims=True), 1e-300)
        expected = peak[..., 0] * ((difference / peak) ** p).sum(axis=2) ** (1 / p)
    np.testing.assert_allclose(som.transform(X), expected, rtol=1e-9, atol=1e-12)
    chosen = expected[np.arange(150), som.labels_]
    np.testing.assert_allclose(chosen, expected.min(axis=1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e-8])
def test_constant_columns_do_not_hide_small_values(digits, scale):
    X = digits[0][:300]
    plain = TopographicMap(4, 4, init=X[:16].copy()).fit(X)
    scaled = TopographicMap(4, 4, init=X[:16] * scale).fit(X * scale)
    np.testing.assert_array_equal(scaled.labels_, plain.labels_)
    np.testing.assert_allclose(scaled.loss_curve_, plain.loss_curve_ * scale * scale, rtol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cpu_tensors_are_treated_as_arrays_of_their_type(iris, dtype):
    X = torch.from_numpy(iris[0]).to(dtype)
    som = TopographicMap(3, 3).fit(X)
    assert som.codebook_.dtype == X.numpy().dtype
    np.testing.assert_array_equal(som.labels_, TopographicMap(3, 3).fit(X.numpy()).labels_)
    assert isinstance(som.transform(X), np.ndarray)


def test_any_memory_layout_serves_as_init(iris):
    X = iris[0]
    init = X[:9].copy()
    expected = TopographicMap(3, 3, init=init).fit(X).codebook_
    readonly = init.copy()
    readonly.flags.writeable = False
    for other in (readonly, np.asfortranarray(init), init[::-1].copy()[::-1], init.tolist()):
        np.testing.assert_array_equal(TopographicMap(3, 3, init=other).fit(X).codebook_, expected)


@pytest.mark.parametrize("d", [300, 5000])
def test_float32_winners_in_the_1_norm_are_within_the_stated_precision(d, rng):
    X = rng.normal(size=(200, d)).astype(np.float32)
    som = TopographicMap(4, 4, p_norm=1, max_iter=2).fit(X)
    wide = np.abs(X.astype(np.float64)[:, None] - som.codebook_).sum(axis=2)
    assert (wide[np.arange(200), som.predict(X)] ** 2 - wide.min(axis=1) ** 2).max() <= 1e-6 * wide.max() ** 2


def test_large_integer_weights_equal_repeated_rows_to_the_bit(iris, rng):
    X, weight = iris[0][:20], rng.integers(1, 40_000, 20)
    som = TopographicMap(3, 3, init=X[:9].copy(), max_iter=4, solver="batch")
    weighted, repeated = clone(som).fit(X, sample_weight=weight), clone(som).fit(np.repeat(X, weight, axis=0))
    np.testing.assert_array_equal(weighted.codebook_, repeated.codebook_)


@pytest.mark.parametrize("sigma", [1e-200, 1e200])
def test_extreme_sigmas_are_limits(iris, neighborhood, sigma):
    som = TopographicMap(3, 3, neighborhood=neighborhood, sigma_initial=sigma, sigma_final=sigma).fit(iris[0])
    assert np.isfinite(som.codebook_).all()
    if sigma > 1:
        np.testing.assert_allclose(som.codebook_, np.tile(iris[0].mean(axis=0), (9, 1)), rtol=1e-9)


@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 1e5), (np.float64, 1e9)])
def test_one_outlier_does_not_blur_the_other_rows(iris, dtype, far):
    X = np.vstack([iris[0], np.full((1, 4), far)]).astype(dtype)
    som = TopographicMap(4, 4, sigma_final=0.3).fit(X)
    nearest = distances(X, som.codebook_, 2)
    chosen = nearest[np.arange(151), som.labels_]
    np.testing.assert_allclose(chosen, nearest.min(axis=1), rtol=1e-3, atol=1e-3)


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from sktopo import TopographicMap

def kilobytes(line):
    status = dict(each.split(":", 1) for each in Path("/proc/self/status").read_text().splitlines())
    return int(status[line].split()[0])

rng = np.random.default_rng(0)
X = rng.normal(size=(int(sys.argv[1]), 4)).astype(np.float32)
som = TopographicMap(60, 60, max_iter=1, output=sys.argv[2]).fit(X[:2000])
Path("/proc/self/clear_refs").write_text("5")  # forgets the peak, which a child inherits from the tests' process
start = kilobytes("VmRSS")
if sys.argv[2] == "coordinates":
    som.set_params(max_iter=1, solver=sys.argv[3]).fit(X).score(X)
size = som.transform(X).nbytes
print((kilobytes("VmHWM") - start) / 1024 - size / 2**20)
"""


@pytest.mark.parametrize(
    ("rows", "output", "solver"),
    [
        (100_000, "coordinates", "batch"),
        (100_000, "coordinates", "stream"),
        (8_000, "activations", "batch"),
        (8_000, "distances", "batch"),
    ],
)
def test_memory_is_bounded_by_chunks(rows, output, solver):
    """100 000 rows by 3600 units would be 1.4 GB."""
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, str(rows), output, solver], capture_output=True, text=True, check=True
    )
    assert float(result.stdout) < 64  # MB beyond input and output


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_fit_that_fails_at_its_end_leaves_the_map_that_was_there(iris, method):
    som = TopographicMap(4, 4).fit(iris[0])
    before = dict(vars(som))
    far = np.random.default_rng(0).choice([-1.7e308, 1.7e308], size=(60, 40 if method == "fit" else 4))
    with pytest.raises(ValueError, match="is too large for torch"):
        getattr(som, method)(far)
    assert vars(som).keys() == before.keys()
    for name, value in vars(som).items():
        assert value is before[name] or np.array_equal(value, before[name]), name


def test_the_loss_curve_goes_on(iris):
    som = TopographicMap(4, 4, random_state=0).fit(iris[0])
    curve = som.loss_curve_
    for n in (1, 2, 3):
        som.partial_fit(iris[0])
        assert len(som.loss_curve_) == len(curve) + n
    np.testing.assert_array_equal(som.loss_curve_[:-3], curve)
