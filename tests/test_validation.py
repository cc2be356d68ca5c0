"""Bad input gets an error that names the parameter, or the place, and the remedy."""

import datetime as dt

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from oracles import distances
from sklearn import config_context
from sklearn.exceptions import NotFittedError

from sktopo import TopographicMap, chunk_statistics, metrics

X = np.random.default_rng(0).normal(size=(30, 3))


def with_value(value, row=7, column=1):
    bad = X.copy()
    bad[row, column] = value
    return bad


FRAME = pd.DataFrame(X, columns=["age", "income", "city"])

PARAMETERS = [
    ({"height": 0}, r"'height' parameter .* must be an int in the range \[1, inf\) or a str among \{'auto'\}. Got 0"),
    ({"height": 2.5}, "'height' parameter"),
    ({"width": "wide"}, "'width' parameter .* Got 'wide'"),
    ({"lattice": "triangular"}, "'lattice' parameter.*'hexagonal'"),
    ({"lattice": "hexagonal", "periodic": True, "height": 5}, "even height, got height=5; use 6, or periodic=False"),
    ({"periodic": "yes"}, "'periodic' parameter"),
    ({"p_norm": 0.5}, r"'p_norm' parameter .* range \[1"),
    ({"normalize": "l2"}, "'normalize' parameter"),
    ({"neighborhood": "mexican hat"}, "'neighborhood' parameter"),
    ({"sigma_initial": 0}, "'sigma_initial' parameter"),
    ({"sigma_final": -1.0}, "'sigma_final' parameter"),
    ({"sigma_final": float("inf")}, "'sigma_final' parameter .* Got inf"),
    ({"sigma_initial": 1.0, "sigma_final": 2.0}, "sigma_initial=1.0 is below sigma_final=2.0.*raise sigma_initial"),
    ({"winner": "second"}, "'winner' parameter"),
    ({"temperature": -1.0}, "'temperature' parameter"),
    ({"temperature": 0.5}, r"temperature=0.5 needs winner='local'.* Use winner='local', or temperature=0"),
    ({"temperature": float("inf"), "winner": "local"}, "'temperature' parameter .* Got inf"),
    ({"output": "labels"}, "'output' parameter"),
    ({"init": "zeros"}, "'init' parameter"),
    ({"init": np.zeros((9, 2))}, r"init must have shape \(n_units, n_features\) = \(9, 3\), got \(9, 2\)"),
    ({"init": np.zeros(27)}, r"init must have shape \(n_units, n_features\) = \(9, 3\), got \(27,\)"),
    ({"init": np.full((9, 3), np.nan)}, "init contains NaN"),
    ({"init": [["a"] * 3] * 9}, r"init cannot be used: could not convert string(.|\n)*numbers of shape \(9, 3\)"),
    ({"init": [[1.0, 2.0], [3.0]]}, "init cannot be made an array(.|\n)*all its rows the same length"),
    ({"init": np.zeros((9, 3)) * 1j}, "init holds complex numbers; pass real parts"),
    ({"init": [[1j] * 3] * 9}, "init holds complex numbers; pass real parts"),
    ({"solver": "newton"}, "'solver' parameter"),
    ({"max_iter": 0}, "'max_iter' parameter"),
    (
        {"max_iter": 1.5},
        "max_iter=1.5: solver='batch', and 'auto' up to 10000 rows, make whole passes; use an int",
    ),
    ({"tol": -1e-3}, "'tol' parameter"),
    ({"batch_size": 0}, "'batch_size' parameter"),
    ({"learning_rate": 0}, "'learning_rate' parameter"),
    ({"device": "tpu"}, "'device' parameter"),
    ({"random_state": "seed"}, "'random_state' parameter"),
]


@pytest.mark.parametrize(("parameters", "message"), PARAMETERS, ids=str)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        TopographicMap(**{"height": 3, "width": 3, **parameters}).fit(X)


def test_a_complaint_about_columns_names_no_value():
    som = TopographicMap(3, 3).fit(FRAME)
    with pytest.raises(ValueError, match="feature names should match") as caught:
        som.predict(FRAME.assign(city="Graz").rename(columns={"age": "years"}))
    assert "First found" not in str(caught.value)


SAMPLES = [
    (with_value(np.inf), "contains infinity(.|\n)*First found in row 7, column 1"),
    (FRAME.assign(income=FRAME.income.where(FRAME.index != 4, np.inf)), "infinity(.|\n)*row 4, column 'income'"),
    (FRAME.assign(city="Graz"), "could not convert string(.|\n)*row 0, column 'city'"),
    (FRAME.assign(city=[dt.date(2020, 1, 1)] * 30), "datetime.date(.|\n)*row 0, column 'city'"),
    (FRAME[[]].assign(vector=list(X)), r"row 0, column 'vector'.\nValues of X are sequences: .* np.stack\(column\)"),
    (pd.Series(list(X)), r"Values of X are sequences: make a table of them, np.stack\(column\)"),
    (FRAME.assign(city=[1, 10**400] * 15), "int too large(.|\n)*row 1, column 'city'"),
    (
        FRAME.assign(age=[31, None] * 15, income=FRAME.income.where(FRAME.index != 4, np.inf)).convert_dtypes(),
        "infinity(.|\n)*row 4, column 'income'",
    ),
    (FRAME.assign(age=[31, None] * 15, city=["1", "x"] * 15).astype(object), "'x'(.|\n)*row 1, column 'city'"),
    (scipy.sparse.csr_array(with_value(np.inf)), "contains infinity(.|\n)*row 7, column 1"),
    (np.ma.masked_less(X, 0), "masked array, whose mask would be lost"),
    (list(np.ma.masked_less(X, 0)), "A row of X is a masked array, whose mask would be lost; fill in what is masked"),
    (X * 1j, "Complex data not supported"),
    (X[0], "Reshape your data"),
    (X[:, :, None], "Found array with dim 3"),
    (X[:0], r"0 sample\(s\)"),
    (X[:, :0], r"0 feature\(s\)"),
    ([[1.0, 2.0], [3.0]], "inhomogeneous"),
    ((row for row in X), "X is of type generator, which NumPy makes no array of; pass an array or a list"),
    ({"age": [31.0]}, "X is of type dict, which NumPy makes no array of; pass an array or a list"),
    ([torch.ones(3, requires_grad=True)] * 9, r"X cannot be made an array.* Use tensor.detach\(\).numpy\(\) instead.$"),
    (np.array([["a", "b"], ["c", "d"]]), "could not convert string"),
    (pl.DataFrame(X).lazy(), r"X is a LazyFrame, which holds no values yet; pass X.collect\(\)"),
    (torch.ones(5, 3).to_sparse(), r"X is a sparse tensor \(torch.sparse_coo\); pass X.to_dense\(\)"),
    (torch.ones(5, 3, dtype=torch.bfloat16), r"X is torch.bfloat16; use X.float\(\)"),
    (torch.ones(5, 3).to(torch.float8_e4m3fn), r"X is torch.float8_e4m3fn; use X.float\(\)"),
    (torch.ones(5, 3, requires_grad=True), "X requires grad: train with sktopo.nn.TopographicLayer, or pass X.detach"),
]


@pytest.mark.parametrize(("samples", "message"), SAMPLES, ids=lambda value: value if isinstance(value, str) else "")
def test_bad_samples_are_named_with_their_place(samples, message):
    with pytest.raises((ValueError, TypeError), match=message):
        TopographicMap(3, 3).fit(samples)
    with config_context(array_api_dispatch=True), pytest.raises((ValueError, TypeError), match=message):
        TopographicMap(3, 3).fit(samples)
    with pytest.raises((ValueError, TypeError), match=message):
        chunk_statistics(samples, X)


def test_missing_values_of_any_kind_are_missing():
    gaps = np.arange(30) % 7 == 3
    expected = TopographicMap(3, 3).fit(FRAME.assign(city=FRAME.city.mask(gaps)))
    for nothing in (None, np.nan, pd.NA):
        values = pd.Series(
            [nothing if gap else value for gap, value in zip(gaps, FRAME.city, strict=True)], dtype=object
        )
        som = TopographicMap(3, 3).fit(FRAME.assign(city=values))
        np.testing.assert_array_equal(som.codebook_, expected.codebook_)


def with_na(gaps):
    values = X.astype(object)
    values[gaps, 2] = pd.NA
    return values


HOLDERS = {
    "objects": lambda values: values,
    "list": lambda values: values.tolist(),
    "frame of objects": pd.DataFrame,
    "words": lambda values: pd.DataFrame(values).astype("string"),
    "words of Arrow": lambda values: pd.DataFrame(values).astype("string[pyarrow]"),
    "a column of words": lambda values: pd.DataFrame(values).astype({0: "float64", 1: "float64", 2: "string"}),
    "dask": lambda values: dd.from_pandas(pd.DataFrame(values), npartitions=3),
    "dask array": lambda values: da.from_array(values, chunks=(10, 3)),
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_na_is_missing_among_numbers_wherever_it_stands(holder):
    gaps = np.arange(30) % 7 == 3
    plain = X.copy()
    plain[gaps, 2] = np.nan
    held = holder(with_na(gaps))
    if isinstance(held, pd.DataFrame):
        held.columns = held.columns.astype(str)
    som = TopographicMap(3, 3).fit(held)
    np.testing.assert_allclose(som.codebook_, TopographicMap(3, 3).fit(plain).codebook_)
    np.testing.assert_array_equal(np.asarray(som.predict(held)), TopographicMap(3, 3).fit(plain).labels_)


@pytest.mark.parametrize("name", ["objects", "list", "frame of objects", "words", "words of Arrow", "dask"])
def test_words_beside_na_are_named_with_their_place(name):
    values = with_na(np.arange(30) % 7 == 3)
    values[8, 1] = "x"
    with pytest.raises(ValueError, match=r"could not convert string to float: 'x'(.|\n)*row 8, column 1"):
        TopographicMap(3, 3).fit(HOLDERS[name](values))


DAYS = np.datetime64("2026-01-01") + np.arange(30)


@pytest.mark.parametrize(
    "samples",
    [
        [[day] for day in DAYS],
        [[day, 1.0] for day in DAYS],
        np.array([[day - DAYS[0], 1.0] for day in DAYS], dtype=object),
        pd.DataFrame({"day": pd.Series(list(DAYS), dtype=object), "size": 1.0}),
        pa.table({"day": DAYS, "size": np.ones(30)}),
        pa.table({"day": pa.array(DAYS.astype("datetime64[us]")), "size": np.ones(30)}),
        pa.table({"wait": pa.array((DAYS - DAYS[0]).astype("timedelta64[s]"))}),
        pd.DataFrame({"day": DAYS}).astype("timestamp[us][pyarrow]"),
        pd.DataFrame({"day": DAYS}).astype("timestamp[us][pyarrow]").astype("date32[day][pyarrow]"),
        np.array([DAYS, DAYS]).T.astype(">M8[s]"),
    ],
    ids=str,
)
def test_dates_are_refused_in_any_container(samples):
    for ask in (TopographicMap(3, 3).fit, TopographicMap(3, 3).fit(X[:, :2]).inverse_transform):
        with pytest.raises(ValueError, match="X holds dates or times"):
            ask(samples)


FRAMES = {
    "pandas": lambda frame: frame,
    "nullable": lambda frame: frame.astype("Float32"),
    "Arrow": lambda frame: frame.astype("float[pyarrow]"),
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
    "dask": lambda frame: dd.from_pandas(frame, npartitions=3),
    "dask, nullable": lambda frame: dd.from_pandas(frame.astype("Float32"), npartitions=3),
    "dask, Arrow": lambda frame: dd.from_pandas(frame.astype("float[pyarrow]"), npartitions=3),
    "dask array of swapped bytes": lambda frame: da.from_array(frame.to_numpy(">f4"), chunks=(9, 3)),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("kind", FRAMES.values(), ids=FRAMES.keys())
def test_frames_keep_float32(kind, gaps):
    frame = FRAME.astype(np.float32)
    if gaps:
        frame.iloc[::4, 1] = np.nan
    expected = TopographicMap(3, 3, solver="batch").fit(frame.to_numpy())
    som = TopographicMap(3, 3, solver="batch").fit(kind(frame))
    assert som.codebook_.dtype == np.float32
    np.testing.assert_allclose(som.codebook_, expected.codebook_, rtol=1e-5)
    assert som.transform(kind(frame)).dtype == np.float32
    mixed = kind(frame).astype({"age": "float64"}) if hasattr(kind(frame), "iloc") else frame.astype({"age": float})
    assert TopographicMap(3, 3).fit(mixed).codebook_.dtype == np.float64


def test_hits_of_a_class_that_is_not_there_are_zero():
    som = TopographicMap(3, 3).fit(X)
    assert not som.hit_histogram(X, sample_weight=np.zeros(30)).any()
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(29,\), expected \(30,\)"):
        som.hit_histogram(X, sample_weight=np.zeros(29))


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (
            {"lattice": "hexagonal"},
            "lattice='hexagonal' was set after fit, whose map has lattice='rectangular'; set it back",
        ),
        ({"periodic": True}, "periodic=True was set after fit, whose map has periodic=False; set it back"),
        ({"normalize": True}, "normalize=True was set after fit, whose map has normalize=False; set it back"),
        ({"temperature": -1.0}, "temperature.* must be a .*-1.0"),
    ],
)
def test_parameters_that_do_not_go_with_the_fit_are_named(parameter, message):
    som = TopographicMap(3, 3).fit(X).set_params(**parameter)
    for ask in (som.transform, som.partial_fit):
        with pytest.raises(ValueError, match=message):
            ask(X)


@pytest.mark.parametrize("parameter", [{"batch_size": -3}, {"batch_size": 2.5}, {"sigma_final": "wide"}])
def test_parameters_are_checked_at_every_partial_fit(parameter):
    som = TopographicMap(3, 3).partial_fit(X).set_params(**parameter)
    with pytest.raises(ValueError, match=f"'{next(iter(parameter))}' parameter"):
        som.partial_fit(X)


@pytest.mark.parametrize("first", ["fit", "partial_fit", "load"])
def test_parameters_that_wait_for_the_next_fit_change_no_answer(first, tmp_path):
    som = TopographicMap(3, 4, periodic=np.True_, random_state=0, output="activations")
    som = getattr(som, "fit" if first == "load" else first)(X)
    if first == "load":
        som.save(tmp_path / "map")
        som = TopographicMap.load(tmp_path / "map")
    before = som.transform(X)
    som.set_params(height=9, width="auto", sigma_initial=9, sigma_final=0.1, init="random", solver="stream", max_iter=1)
    np.testing.assert_array_equal(som.transform(X), before)
    with pytest.raises(ValueError, match="periodic=False was set after fit"):
        som.set_params(periodic=False).transform(X)
    assert som.fit(X).transform(X).shape != before.shape


@pytest.mark.parametrize("p_norm", [1, np.inf])
def test_the_norm_of_a_question_may_be_another_than_fits(p_norm):
    som = TopographicMap(3, 4).fit(X).set_params(p_norm=p_norm)
    expected = distances(X, som.codebook_, p_norm).min(axis=1)
    np.testing.assert_allclose(-som.score_samples(X), expected, rtol=1e-12)


@pytest.mark.parametrize("method", ["predict", "transform", "score", "score_samples", "hit_histogram"])
@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (X[:, :2], "X has 2 features, but TopographicMap is expecting 3 features"),
        (with_value(-np.inf), "contains infinity(.|\n)*row 7, column 1"),
        (scipy.sparse.csr_array(X[:, :2]), "X has 2 features, but TopographicMap is expecting 3 features"),
        (X[:0], r"0 sample\(s\)"),
    ],
    ids=["width", "inf", "sparse", "empty"],
)
def test_every_method_checks_its_samples(method, samples, message):
    som = TopographicMap(3, 3, max_iter=1).fit(X)
    with pytest.raises(ValueError, match=message):
        getattr(som, method)(samples)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.r_[np.ones(29), -1.0], "sample_weight must not be negative, got -1 in row 29"),
        (np.zeros(30), "zero everywhere"),
        (np.r_[np.ones(29), np.nan], "NaN"),
        (np.r_[np.ones(29), np.inf], "infinity"),
        (np.ones(29), r"sample_weight.shape == \(29,\), expected \(30,\)"),
        (np.ones((30, 2)), "1D array or scalar"),
        (np.full(30, 1e308), "sums to infinity; divide it by its maximum"),
        ([1.0] * 29 + [pd.NA], "sample_weight cannot be used: Input sample_weight contains NaN"),
        (list(np.datetime64("2026-01-01") + np.arange(30)), "sample_weight holds dates or times"),
        ([np.ma.masked] * 30, "A row of sample_weight is a masked array.*fill in what is masked"),
        (np.ma.masked_greater(np.arange(30.0), 20), "sample_weight is a masked array.*fill in what is masked"),
    ],
)
def test_bad_weights_are_named(weight, message):
    with pytest.raises(ValueError, match=message):
        TopographicMap(3, 3).fit(X, sample_weight=weight)


@pytest.mark.parametrize(
    ("output", "values", "message"),
    [
        ("coordinates", np.zeros((4, 3)), "X has 3 columns; output='coordinates' has 2"),
        ("activations", np.zeros((4, 2)), "X has 2 columns; output='activations' has 9"),
        ("activations", np.zeros((4, 9)), "every row needs one above 0"),
        ("activations", -np.ones((4, 9)), "must not be negative"),
        ("distances", np.full((4, 9), np.nan), "NaN"),
        ("coordinates", torch.zeros(4, 2, requires_grad=True), "requires grad"),
        ("coordinates", torch.zeros(4, 2, dtype=torch.bfloat16), "only float32 and float64 are computed in"),
    ],
)
def test_inverse_transform_checks_its_input(output, values, message):
    som = TopographicMap(3, 3, output=output, max_iter=1).fit(X)
    with pytest.raises(ValueError, match=message):
        som.inverse_transform(values)


UNFITTED = {
    "predict": (X,),
    "transform": (X,),
    "inverse_transform": ([[0.0, 0.0]],),
    "score": (X,),
    "score_samples": (X,),
    "hit_histogram": (X,),
    "u_matrix": (),
    "component_planes": (),
    "to_layer": (),
    "get_feature_names_out": (),
}


@pytest.mark.parametrize("method", UNFITTED)
def test_unfitted_maps_say_so(method):
    with pytest.raises(NotFittedError, match="not fitted"):
        getattr(TopographicMap(), method)(*UNFITTED[method])


@pytest.mark.parametrize("measure", [metrics.quantization_error, metrics.topographic_error])
def test_metrics_of_unfitted_maps_say_so(measure):
    with pytest.raises(NotFittedError, match="not fitted"):
        measure(TopographicMap(), X)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_devices_that_are_not_there_are_named(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match=f"device='{device}' is not available here; use None, 'auto' or one of: 'cpu'"):
        TopographicMap(3, 3, device=device).fit(X)


@pytest.mark.parametrize("device", ["foo", "cuda:x", 3.5])
def test_what_is_no_device_is_named(device):
    som = TopographicMap(3, 3).fit(X).set_params(device=device)
    with pytest.raises(ValueError, match=f"device={device!r} is no device; use None, 'auto', 'cpu'"):
        som.predict(X)


def test_mps_refuses_float64(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(ValueError, match="device='mps' computes in float32 only: pass X as float32"):
        TopographicMap(3, 3, device="mps").fit(X)


def test_columns_in_another_order_are_refused():
    som = TopographicMap(3, 3, max_iter=1).fit(FRAME.iloc[:, :3])
    with pytest.raises(ValueError, match="feature names should match"):
        som.predict(FRAME[["city", "age", "income"]])


@pytest.mark.parametrize("sides", [(100_000, 100_000), (10**9, 1), (1, 10**9)])
def test_a_map_that_no_memory_holds_is_refused_before_it_is_made(sides, iris):
    with pytest.raises(ValueError, match=r"units of 4 features takes about [\d,]+ GB, .*: lower height or width"):
        TopographicMap(*sides).fit(iris[0])
    with pytest.raises(ValueError, match="lower height or width"):
        TopographicMap(*sides).partial_fit(iris[0])
