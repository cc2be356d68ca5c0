"""Arrays of other libraries, under scikit-learn's dispatch and without it."""

import array_api_strict
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone

from sktopo import TopographicMap, chunk_statistics, update_codebook
from sktopo._validation import check_samples
from sktopo.metrics import quantization_error
from sktopo.plotting import (
    ComponentPlanesDisplay,
    HitHistogramDisplay,
    LabelMapDisplay,
    TrainingCurveDisplay,
    UMatrixDisplay,
    to_html,
)

LIBRARIES = {
    "torch": torch.from_numpy,
    "strict": array_api_strict.asarray,
    "strict elsewhere": lambda a: array_api_strict.asarray(a, device=array_api_strict.Device("device1")),
}


@pytest.fixture(params=LIBRARIES.values(), ids=LIBRARIES.keys())
def library(request):
    return request.param


@pytest.fixture
def dispatch():
    with config_context(array_api_dispatch=True):
        yield


def same(a, b):
    return type(a) is type(b) and a.device == b.device


@pytest.mark.parametrize("solver", ["batch", "stream"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_follows_x(library, dtype, solver, iris, dispatch):
    plain, X = iris[0].astype(dtype), library(iris[0].astype(dtype))
    som = TopographicMap(4, 4, solver=solver, random_state=0, max_iter=3)
    expected, other = clone(som).fit(plain), clone(som).fit(X)
    for name, value in vars(expected).items():
        if isinstance(value, np.ndarray):
            assert same(getattr(other, name), X), name
            np.testing.assert_allclose(np.from_dlpack(getattr(other, name), device="cpu"), value, rtol=1e-5)
    for output in ("coordinates", "activations", "distances"):
        values = other.set_params(output=output).transform(X)
        assert same(values, X)
        assert values.dtype == X.dtype
        assert same(other.inverse_transform(values), X)
    assert same(other.predict(X), X)
    assert same(other.score_samples(X), X)
    assert same(other.u_matrix(), X)
    assert same(other.component_planes(), X)
    assert same(other.hit_histogram(X, sample_weight=np.ones(150)), X)
    assert isinstance(other.score(X), float)
    assert quantization_error(other, X) == pytest.approx(expected.quantization_error_, rel=1e-6)
    assert other.to_layer().codebook.shape == (16, 4)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.bool])
@pytest.mark.parametrize("solver", ["batch", "stream", "gradient"])
def test_tensors_of_whole_numbers_are_cast_chunk_by_chunk(dtype, solver, iris, dispatch):
    X = torch.from_numpy(iris[0] - iris[0].mean(axis=0) > 0 if dtype == torch.bool else iris[0] * 10).to(dtype)
    som = TopographicMap(3, 3, solver=solver, random_state=0, max_iter=2)
    assert check_samples(clone(som), X, reset=True)[0].dtype == dtype
    expected, fitted = clone(som).fit(X.numpy()), clone(som).fit(X)
    assert fitted.codebook_.dtype == torch.float64
    np.testing.assert_array_equal(fitted.codebook_, expected.codebook_)
    np.testing.assert_array_equal(fitted.predict(X), expected.predict(X.numpy()))
    expected_distances = expected.set_params(output="distances").transform(X.numpy())
    np.testing.assert_array_equal(fitted.set_params(output="distances").transform(X), expected_distances)
    assert fitted.score(X) == expected.score(X.numpy())
    assert fitted.partial_fit(X).n_iter_ > expected.n_iter_


def test_partial_fit_follows_x(library, iris, dispatch):
    plain, other = TopographicMap(3, 3, random_state=0), TopographicMap(3, 3, random_state=0)
    for start in range(0, 150, 50):
        plain.partial_fit(iris[0][start : start + 50])
        other.partial_fit(library(iris[0][start : start + 50]))
    assert same(other.codebook_, library(iris[0]))
    np.testing.assert_allclose(np.from_dlpack(other.codebook_, device="cpu"), plain.codebook_)
    with pytest.raises(ValueError, match=r"TopographicMap.partial_fit\(\) must use the same namespace"):
        other.partial_fit(iris[0])


@pytest.mark.parametrize("ask", ["predict", "transform", "score", "score_samples", "hit_histogram"])
def test_another_library_or_device_than_fits_is_refused(library, ask, iris, dispatch):
    som = TopographicMap(3, 3).fit(library(iris[0]))
    with pytest.raises(ValueError, match=rf"TopographicMap.{ask}\(\) must use the same namespace.*fit got"):
        getattr(som, ask)(iris[0])


def test_weights_may_live_elsewhere(library, iris, dispatch):
    weight = np.arange(150.0)
    expected = TopographicMap(3, 3).fit(iris[0], sample_weight=weight).codebook_
    for X, a in ((library(iris[0]), weight), (iris[0], library(weight)), (library(iris[0]), library(weight))):
        codebook = TopographicMap(3, 3).fit(X, sample_weight=a).codebook_
        np.testing.assert_allclose(np.from_dlpack(codebook, device="cpu"), expected)


@pytest.mark.parametrize("dispatches", [False, True])
def test_a_codebook_may_live_anywhere(library, iris, dispatches):
    start = iris[0][::17]
    expected = TopographicMap(3, 3, init=start).fit(iris[0]).codebook_
    statistics = chunk_statistics(iris[0], start)
    with config_context(array_api_dispatch=dispatches):
        fitted = TopographicMap(3, 3, init=library(start)).fit(iris[0])
        np.testing.assert_array_equal(fitted.codebook_, expected)
        again = chunk_statistics(iris[0], library(start))
        np.testing.assert_array_equal(again.sums, statistics.sums)
        moved = update_codebook(again, library(start), height=3, width=3, sigma=1.0)
    np.testing.assert_array_equal(moved, update_codebook(statistics, start, height=3, width=3, sigma=1.0))


def test_missing_values_and_bad_values_are_seen(library, iris, dispatch):
    X = iris[0].copy()
    X[::3, 1] = np.nan
    som = TopographicMap(3, 3).fit(library(X))
    np.testing.assert_allclose(np.from_dlpack(som.codebook_, device="cpu"), TopographicMap(3, 3).fit(X).codebook_)
    X[4] = np.nan
    with pytest.raises(ValueError, match="Every value in row 4"):
        som.predict(library(X))
    X[4] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        som.predict(library(X))


def test_lists_and_frames_stay_numpy_under_dispatch(iris, dispatch):
    assert isinstance(TopographicMap(3, 3).fit(iris[0].tolist()).codebook_, np.ndarray)


def test_a_map_learned_from_tensors_serves_arrays_without_dispatch(iris):
    X = torch.from_numpy(iris[0])
    with config_context(array_api_dispatch=True):
        som = TopographicMap(3, 3).fit(X)
    assert isinstance(som.codebook_, torch.Tensor)
    assert isinstance(som.predict(iris[0]), np.ndarray)
    assert isinstance(som.predict(X), np.ndarray)


def test_tensors_that_want_gradients_are_refused(iris, dispatch):
    with pytest.raises(ValueError, match=r"train with sktopo.nn.TopographicLayer, or pass X.detach\(\)"):
        TopographicMap(3, 3).fit(torch.ones(5, 3, requires_grad=True))


def test_no_imaginary_part_is_lost(library, iris, dispatch):
    som, turned = TopographicMap(3, 3).fit(library(iris[0])), library(iris[0] * 1j)
    for ask in (som.predict, som.transform, som.inverse_transform, som.score, clone(som).fit, clone(som).partial_fit):
        with pytest.raises(ValueError, match="X holds complex numbers; pass real parts"):
            ask(turned)
    with pytest.raises(ValueError, match="sample_weight holds complex numbers"):
        clone(som).fit(library(iris[0]), sample_weight=library(np.full(150, 1 + 1j)))


def test_tensors_on_an_accelerator_name_the_setting():
    with pytest.raises(ValueError, match=r"X lives on meta: call sklearn.set_config\(array_api_dispatch=True\)"):
        TopographicMap(3, 3).fit(torch.ones(5, 3, device="meta"))


@pytest.mark.filterwarnings("error")
def test_pictures_of_it(library, iris, dispatch, tmp_path):
    plt.close("all")  # of those that other tests have drawn
    X, y = library(iris[0]), iris[1]
    som = TopographicMap(4, 4).fit(X)
    for display in (UMatrixDisplay, ComponentPlanesDisplay, TrainingCurveDisplay):
        assert display.from_estimator(som).figure_.axes
    assert HitHistogramDisplay.from_estimator(som, X).hits.sum() == len(y)
    assert HitHistogramDisplay.from_estimator(som, X, y).class_counts.sum() == len(y)
    assert LabelMapDisplay.from_estimator(som, X, y).class_counts.sum() == len(y)
    to_html(som, X, y, path=tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 0
    plt.close("all")
