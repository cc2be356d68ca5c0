"""Hostile input is handled or refused by name; the table of docs/explanation/hostile-input.md says the same."""

import importlib
import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hostile_cases import CASES, ordinary
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sktopo import TopographicMap, chunk_statistics
from sktopo.metrics import quantization_error

BENCHMARKS = Path(__file__).parents[1] / "docs" / "benchmarks"
MODULES = ("hostile", "hostile_libraries", "hostile_report", "hostile_verdict")
# what predict promises: by which share of |x - c|^2 + max |w - c|^2 a squared distance may exceed the least one
PROMISED = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-12}


@pytest.fixture(scope="module")
def table():
    """The modules that make the table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return SimpleNamespace(**{name.removeprefix("hostile_"): importlib.import_module(name) for name in MODULES})


@pytest.fixture(params=["batch", "stream"])
def solver(request):
    return request.param


def name_of(case):
    return case.name.replace(" ", "-")


@pytest.fixture(params=CASES, ids=name_of)
def case(request):
    return request.param


def new_map(case, solver):
    passes = 2 if case.height > 100 else None
    return TopographicMap(
        case.height, case.width, normalize=case.normalize, solver=solver, max_iter=passes, random_state=0
    )


def check_labels(verdict, som, truth, labels, dtype):
    assert labels.dtype == np.int64
    excess = verdict.excesses(truth, som.codebook_.astype(np.float64), labels, normalize=som.normalize)
    assert excess.max() <= PROMISED[np.dtype(dtype)]


def check_answers(verdict, som, rows, truth):
    """What the methods say of rows that are fine."""
    assert np.isfinite(som.codebook_).all()
    dtype = np.float32 if getattr(rows, "dtype", None) == np.float32 else np.float64
    check_labels(verdict, som, truth, som.predict(rows), dtype)
    assert np.isfinite(som.transform(rows)).all()
    assert np.isfinite(som.score_samples(rows)).all()


def check_refused(function, case):
    with pytest.raises((ValueError, TypeError), match=f"(?i){case.cause}"):
        function()


def test_hostile_rows_are_handled_or_refused_in_fit(table, case, solver):
    rows, som = case.make(), new_map(case, solver)
    learned = rows if case.trained_on is None else case.trained_on()
    weight = None if case.sample_weight is None else case.sample_weight(len(rows))
    if case.refused and case.trained_on is None:
        check_refused(lambda: som.fit(learned, sample_weight=weight), case)
        return
    som.fit(learned, sample_weight=weight)
    if not case.refused:
        check_answers(table.verdict, som, rows, case.truth())
    if case.trained_on is None:
        assert np.isfinite(som.quantization_error_)
        assert not np.isnan(som.loss_curve_).any()  # squares of 1e200 are infinite
        np.testing.assert_array_equal(som.labels_, som.predict(rows))


@pytest.fixture(scope="module")
def ordinary_maps():
    """Maps that have learned ordinary rows, by their number of features and whether they normalize."""
    return {
        (width, normalize): TopographicMap(3, 4, normalize=normalize).fit(ordinary(features=width))
        for width in (1, 3, 300)
        for normalize in (False, True)
    }


@pytest.mark.parametrize("case", [case for case in CASES if case.new_rows and not case.trained_on], ids=name_of)
def test_hostile_new_rows_are_handled_or_refused(table, ordinary_maps, case):
    """On a map that has learned ordinary rows of the same width."""
    truth = None if case.truth is None else case.truth()
    som = ordinary_maps[3 if case.refused else truth.shape[1], case.normalize]
    if case.refused:
        for method in (som.predict, som.transform, som.score_samples):
            check_refused(lambda method=method: method(case.make()), case)
    else:
        check_answers(table.verdict, som, case.make(), truth)


@pytest.mark.parametrize("case", [case for case in CASES if case.trained_on and case.refused], ids=name_of)
def test_new_rows_that_do_not_fit_the_map_are_refused(solver, case):
    som = new_map(case, solver).fit(case.trained_on())
    for method in (som.predict, som.transform, som.score_samples):
        check_refused(lambda method=method: method(case.make()), case)


@pytest.mark.parametrize("masked", [np.ma.masked_less(np.ones((9, 3)), 2), np.zeros((9, 3), "timedelta64[s]")])
def test_no_mask_or_date_is_lost_beside_the_rows(masked):
    with pytest.raises(ValueError, match=r"init (is a masked array|holds dates or times)"):
        TopographicMap(3, 3, init=masked).fit(ordinary())
    som = TopographicMap(3, 3).fit(ordinary())
    with pytest.raises(ValueError, match=r"X (is a masked array|holds dates or times)"):
        som.inverse_transform(masked[:, :2])
    with pytest.raises(ValueError, match=r"X (is a masked array|holds dates or times)"):
        chunk_statistics(masked, som.codebook_)


def test_dates_of_polars_are_refused():
    frame = pl.DataFrame({"day": np.datetime64("2026-01-01") + np.arange(9), "size": np.arange(9.0)})
    with pytest.raises(ValueError, match="X holds dates or times"):
        TopographicMap(3, 3).fit(frame)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("weight", [1e-200, 1.0, 1e200])
def test_a_mean_is_finite_where_its_sum_would_not_be(scale, weight):
    som = TopographicMap(2, 2, init=np.zeros((4, 1)), sigma_initial=1e-3, max_iter=1).fit([[-1.0], [1.0]])
    som.codebook_ = np.zeros((4, 1))
    X = np.linspace(-1, 1, 12)[:, None] * scale
    weights = np.arange(12.0) * weight
    expected = np.average(np.abs(np.linspace(-1, 1, 12)), weights=np.arange(12.0))
    assert quantization_error(som, X, sample_weight=weights) / scale == pytest.approx(expected, rel=1e-12)


SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=7)
NUMBERS = st.one_of(
    arrays.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    arrays.integer_dtypes(endianness="?"),
    arrays.unsigned_integer_dtypes(endianness="?"),
    arrays.boolean_dtypes(),
    arrays.complex_number_dtypes(),
    arrays.datetime64_dtypes(),
    arrays.unicode_string_dtypes(max_len=3),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(arrays.arrays(NUMBERS, SHAPES), st.sampled_from(["batch", "stream"]), st.booleans())
def test_any_array_is_refused_or_gets_a_finite_map_with_exact_labels(table, X, solver, normalize):
    som = TopographicMap(2, 3, solver=solver, normalize=normalize, max_iter=2, random_state=0)
    try:
        labels = som.fit_predict(X)
    except (ValueError, TypeError):
        return
    check_labels(table.verdict, som, X.astype(np.float64), labels, som.codebook_.dtype)
    assert np.isfinite(som.codebook_).all()
    assert np.isfinite(som.quantization_error_)
    np.testing.assert_array_equal(som.predict(X), labels)


FLOATS = {
    width: st.one_of(
        st.floats(width=width, allow_nan=False, allow_infinity=False),
        st.sampled_from(
            [0.0, -0.0, 1.0, float(np.finfo(f"f{width // 8}").max), float(np.finfo(f"f{width // 8}").tiny)]
        ),
    )
    for width in (32, 64)
}


@st.composite
def finite_rows(draw):
    width = draw(st.sampled_from([32, 64]))
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 4)))
    gaps = draw(arrays.arrays(bool, shape, elements=st.sampled_from([False, False, False, True])))
    gaps[:, 0] = False
    rows = draw(arrays.arrays(f"f{width // 8}", shape, elements=FLOATS[width]))
    return rows, np.where(gaps, np.nan, rows).astype(rows.dtype)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(finite_rows(), st.sampled_from(["batch", "stream"]), st.booleans())
def test_finite_rows_of_any_size_get_exact_labels_or_are_called_too_large(table, rows, solver, with_gaps):
    X = rows[with_gaps]
    som = TopographicMap(2, 3, solver=solver, max_iter=2, random_state=0)
    if np.isnan(X).all(axis=0).any():
        with pytest.raises(ValueError, match="nothing can be learned"):
            som.fit(X)
        return
    try:
        som.fit(X)
    except ValueError:
        if np.abs(rows).max() < np.finfo(np.float64).max / 8:  # no distance can leave the range
            raise
        return
    assert np.isfinite(som.codebook_).all()
    check_labels(table.verdict, som, X.astype(np.float64), som.labels_, X.dtype)
    np.testing.assert_array_equal(som.labels_, som.predict(X))


def test_there_are_at_least_sixty_cases_with_names_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES) >= 60


def test_the_committed_table_has_these_cases_and_says_of_sktopo_what_happens_here(table):
    results = json.loads(table.hostile.RESULTS.read_text())
    assert [(case["group"], case["name"]) for case in results["cases"]] == [(case.group, case.name) for case in CASES]
    for case, row in zip(CASES, results["cases"], strict=True):
        assert set(row["outcomes"]) == set(table.libraries.LIBRARIES)
        expected = "refused" if case.refused else "right"
        assert row["outcomes"]["sktopo"]["verdict"] == expected, case.name
        if case.height < 100:  # fitted by the first test
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert table.hostile.outcome("sktopo", case)["verdict"] == expected, case.name


def test_the_page_is_made_from_the_results(table):
    results = json.loads(table.hostile.RESULTS.read_text())
    assert "\n".join(table.report.page(results)) + "\n" == table.report.PAGE.read_text()


GRID = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("truth", "codebook", "labels", "verdict"),
    [
        ([[0.9, 0.0], [0.1, 0.8]], GRID, [1, 2], "right"),
        ([[0.9, 0.0], [0.1, 0.8]], GRID, [1, 1], "wrong"),
        ([[0.9, 0.0], [0.1, 0.8]], GRID, [1], "wrong"),
        ([[0.9, 0.0]], GRID, [-1], "wrong"),
        ([[0.9, 0.0]], GRID * np.nan, [1], "wrong"),
        ([[0.5, 0.0]], GRID, [1], "right"),
        ([[np.nan, 0.7]], GRID, [2], "right"),
        ([[np.nan, 0.7]], GRID, [1], "wrong"),
        ([[9e307, 0.0]], GRID * 1e308, [1], "right"),
        ([[9e307, 0.0]], GRID * 1e308, [0], "wrong"),
        ([[5e-324, 0.0]], GRID * 5e-324, [0], "wrong"),
        ([[1e15 + 0.75, 1e15]], GRID + 1e15, [0], "wrong"),
        ([[1e15 + 0.75, 1e15]], GRID + 1e15, [1], "right"),
    ],
)
def test_answers_are_judged_by_the_nearest_prototype(table, truth, codebook, labels, verdict):
    found, _ = table.verdict.judge(np.array(truth), codebook, np.array(labels), normalize=False)
    assert found == verdict


def test_directions_are_judged_by_the_angle(table):
    truth, labels = np.array([[3.0, 0.1], [0.0, 0.0]]), np.array([0, -1])
    codebook = np.array([[9.0, 0.0], [3.0, 3.0]])
    assert table.verdict.judge(truth, codebook, labels, normalize=True)[0] == "right"
    assert table.verdict.judge(truth, codebook, labels + 1, normalize=True)[0] == "wrong"


def test_where_no_answer_can_be_right_any_answer_is_wrong(table):
    assert table.verdict.judge(None, GRID, np.array([0]), normalize=False)[0] == "wrong"


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ValueError("X contains NaN"), "refused"),
        (ValueError("index 3 is out of bounds"), "error"),
        (AttributeError("nan has no attribute"), "error"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "crashed"),
    ],
)
def test_an_error_is_a_refusal_if_it_names_the_cause(table, error, verdict):
    assert table.hostile.of_error(error, "nan") == verdict
