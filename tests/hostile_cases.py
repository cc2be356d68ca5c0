"""Input that programs stumble over: one list, for the tests and for the table in docs/explanation/hostile-input.md.

A case says which numbers its rows stand for (`truth`), if there is a right answer at all, and which words a refusal
must contain to name the cause. Both are the same for every library; only `refused` is about sktopo.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse

N_ROWS, N_FEATURES = 40, 3
FLOAT32_MAX = float(np.finfo(np.float32).max)
# words by which a refusal names its cause, in any library
NAN, INF = r"nan|missing", r"inf|finite"
NO_NUMBERS = r"string|\bstr\b|dtype|data type|numeric|convert|real number|casting"
SHAPE = r"\bdim|dimension|1d|2d|3d|\bshapes?\b|scalar"
OBJECTS = r"supported types|object_|decimal|NAType|longdouble"
EMPTY = r"empty|\b0 (sample|feature|row)|zero|shape|num_samples=0|at least|minimum of 1"
WIDTH = rf"{SHAPE}|feature|column|same size|broadcast"
WEIGHT = r"weight"


@dataclass(frozen=True)
class Case:
    """One kind of input.

    Parameters
    ----------
    name, group : str
        What the table calls it, and under which heading.
    make : callable
        Makes the rows, as a library gets them.
    truth : callable, optional
        Makes the numbers that they stand for, in float64 with NaN for missing ones; None if no answer can be right.
    cause : str
        A regular expression, found in any message that names what is wrong, whatever the case of its letters.
    refused : bool
        Whether sktopo refuses it.
    height, width : int
        The map.
    sample_weight : callable, optional
        Makes weights from the number of rows.
    trained_on : callable, optional
        Makes ordinary rows for `fit`; the rows of the case are then asked about, and not learned.
    normalize : bool
        Whether only directions count.
    new_rows : bool
        Whether what is true in `fit` is true of new rows too, asked about on a map of ordinary rows.
    by_name : bool
        Whether the case is about the names of columns.
    """

    name: str
    group: str
    make: Callable[[], Any]
    truth: Callable[[], np.ndarray] | None = None
    cause: str = r"\b\B"
    refused: bool = False
    height: int = 3
    width: int = 4
    sample_weight: Callable[[int], Any] | None = None
    trained_on: Callable[[], Any] | None = None
    normalize: bool = False
    new_rows: bool = True
    by_name: bool = False


def ordinary(n=N_ROWS, features=N_FEATURES, seed=0):
    return np.random.default_rng(seed).normal(size=(n, features)) * (1 + np.arange(features))


def with_values(*places, dtype=np.float64):
    """Ordinary rows, with other values at ``(index, value)``."""
    X = ordinary().astype(dtype)
    for index, value in places:
        X[index] = value
    return X


def plain(X):
    return np.asarray(X, dtype=np.float64)


def taken(group, name, make, truth=None, **more):
    """A case that sktopo handles; rows that are plain numbers stand for themselves."""
    return Case(name, group, make, truth or (lambda: plain(make())), **more)


def refused(group, name, make, cause, truth=None, **more):
    """A case that sktopo refuses."""
    return Case(name, group, make, truth, cause, refused=True, **more)


def missing_everywhere():
    X = ordinary()
    X[np.arange(N_ROWS), np.arange(N_ROWS) % N_FEATURES] = np.nan
    return X


MISSING = "Missing and infinite values"
MISSING_CASES = [
    taken(MISSING, "one NaN", lambda: with_values(((3, 1), np.nan)), cause=NAN),
    taken(MISSING, "one NaN in every row", missing_everywhere, cause=NAN),
    refused(MISSING, "a row of NaN only", lambda: with_values((3, np.nan)), NAN),
    refused(MISSING, "a column of NaN only", lambda: with_values(((..., 1), np.nan)), NAN, new_rows=False),
    refused(MISSING, "nothing but NaN", lambda: np.full((N_ROWS, N_FEATURES), np.nan), NAN),
    refused(MISSING, "inf", lambda: with_values(((3, 1), np.inf)), INF),
    refused(MISSING, "-inf", lambda: with_values(((3, 1), -np.inf)), INF),
    refused(MISSING, "inf in float32", lambda: with_values(((3, 1), np.inf), dtype=np.float32), INF),
    refused(MISSING, "inf and -inf in one column", lambda: with_values(((3, 1), np.inf), ((4, 1), -np.inf)), INF),
    refused(MISSING, "inf beside NaN", lambda: with_values(((3, 1), np.inf), ((3, 0), np.nan)), f"{INF}|{NAN}"),
    taken(MISSING, "None among objects", lambda: with_values(((3, 1), None), dtype=object), cause=f"{NAN}|{OBJECTS}"),
    taken(
        MISSING,
        "pandas.NA in a data frame",
        lambda: pd.DataFrame(ordinary()).astype("Float64").mask(lambda frame: frame > 3),
        lambda: np.where(ordinary() > 3, np.nan, ordinary()),
        cause=f"{NAN}|{OBJECTS}",
    ),
    refused(
        MISSING,
        "a masked array",
        lambda: np.ma.masked_greater(ordinary(), 1),
        r"mask|nan",
        lambda: np.where(ordinary() > 1, np.nan, ordinary()),
    ),
    taken(MISSING, "a masked array without a mask", lambda: np.ma.array(ordinary()), ordinary),
]


def scaled(*factors, dtype=np.float64):
    return (ordinary() * factors).astype(dtype)


def extreme(largest, dtype):
    """Rows that reach the largest values of both signs."""
    X = np.random.default_rng(0).uniform(-1, 1, (N_ROWS, N_FEATURES))
    X[:2] = [[1, -1, 1], [-1, 1, 1]]
    return (X * largest).astype(dtype)


def multiples_of(value, dtype):
    return np.random.default_rng(0).integers(-9, 10, (N_ROWS, N_FEATURES)).astype(dtype) * dtype(value)


SIZE = "Large, small and distant values"
SIZE_CASES = [
    taken(SIZE, "float32 up to 3.4e38, both signs", lambda: extreme(FLOAT32_MAX, np.float32), cause=INF),
    taken(SIZE, "float64 up to 4e307, both signs", lambda: extreme(4e307, np.float64), cause=INF),
    refused(
        SIZE,
        "float64 up to 1.8e308, whose distances are beyond",
        lambda: extreme(np.finfo(np.float64).max, np.float64),
        f"{INF}|too large|range|overflow",
        lambda: extreme(np.finfo(np.float64).max, np.float64),
        height=1,
        width=1,
        new_rows=False,
    ),
    taken(SIZE, "1e38 in float64", lambda: scaled(1e38), cause=INF),
    taken(SIZE, "1e30 in float32", lambda: scaled(1e30, dtype=np.float32), cause=INF),
    taken(SIZE, "1e200", lambda: scaled(1e200), cause=INF),
    taken(SIZE, "1e-30 in float32", lambda: scaled(1e-30, dtype=np.float32)),
    taken(SIZE, "1e-200", lambda: scaled(1e-200)),
    taken(SIZE, "denormal float32", lambda: multiples_of(1.5e-45, np.float32)),
    taken(SIZE, "denormal float64", lambda: multiples_of(5e-324, np.float64)),
    taken(SIZE, "one value of 1e30", lambda: with_values(((3, 1), 1e30)), cause=INF),
    taken(SIZE, "columns of 1e-30, 1 and 1e30", lambda: scaled(1e-30, 1, 1e30), cause=INF),
    taken(SIZE, "an offset of 1e8", lambda: ordinary() + 1e8),
    taken(SIZE, "an offset of 1e8 in float32", lambda: (30 * ordinary() + 1e8).astype(np.float32)),
    taken(SIZE, "offsets of 1e8 and -1e8", lambda: ordinary() + np.array([1e8, -1e8, 0])),
    taken(SIZE, "an offset of 1e15", lambda: 10 * ordinary() + 1e15),
    taken(SIZE, "zeros of both signs", lambda: np.where(ordinary() > 0, 0.0, -0.0)),
    taken(SIZE, "float16 up to 65504", lambda: extreme(65504, np.float16), cause=f"{INF}|float16|half"),
    refused(
        SIZE,
        "long doubles of 1e4000",
        lambda: ordinary().astype(np.longdouble) * np.longdouble("1e4000"),
        f"{INF}|{OBJECTS}",
    ),
]


def two_rows_repeated():
    return np.repeat([[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]], N_ROWS // 2, axis=0)


FORM = "Repeated, few and degenerate rows"
FORM_CASES = [
    taken(FORM, "ordinary rows, for comparison", ordinary),
    taken(FORM, "one row, repeated", lambda: np.tile([0.1, 0.7, -3.3], (N_ROWS, 1))),
    taken(FORM, "one row, repeated, in float32", lambda: np.tile(np.float32([0.1, 0.7, -3.3]), (N_ROWS, 1))),
    taken(FORM, "nothing but zeros", lambda: np.zeros((N_ROWS, N_FEATURES))),
    taken(FORM, "a constant column", lambda: with_values(((..., 1), 5.0))),
    taken(FORM, "two rows, repeated", two_rows_repeated),
    taken(FORM, "all rows alike but one", lambda: np.where(np.arange(N_ROWS)[:, None] == 3, [1.0, 2.0, 3.0], 0.5)),
    taken(FORM, "columns that are multiples of one", lambda: ordinary(features=1) * [1.0, -2.0, 0.5]),
    taken(FORM, "one row", lambda: ordinary(1)),
    taken(FORM, "two rows", lambda: ordinary(2)),
    taken(FORM, "one column", lambda: ordinary(features=1)),
    taken(FORM, "one row of one column", lambda: ordinary(1, 1)),
    taken(FORM, "fewer rows than units", lambda: ordinary(5), height=8, width=8),
    taken(FORM, "fewer rows than columns", lambda: ordinary(6, 300)),
    taken(FORM, "a map of 1 x 1", ordinary, height=1, width=1, new_rows=False),
    taken(FORM, "a map of 1 x 7", ordinary, height=1, width=7, new_rows=False),
    taken(FORM, "a map of 9 x 1", ordinary, height=9, width=1, new_rows=False),
    taken(FORM, "one row, a map of 1 x 1", lambda: ordinary(1), height=1, width=1, new_rows=False),
    taken(FORM, "a map of 300 x 300", ordinary, height=300, width=300, new_rows=False),
    refused(FORM, "no rows", lambda: ordinary()[:0], EMPTY),
    refused(FORM, "no columns", lambda: ordinary()[:, :0], EMPTY),
    refused(FORM, "one dimension", lambda: ordinary()[:, 0], SHAPE),
    refused(FORM, "three dimensions", lambda: ordinary()[:, :, None], SHAPE, lambda: ordinary().reshape(-1, 1)),
    refused(FORM, "one number", lambda: np.float64(3.0), SHAPE),
]

DIRECTION = "Where only directions count (normalization, or the cosine distance)"
DIRECTION_CASES = [
    taken(DIRECTION, name, make, normalize=True, cause=f"{INF}|zero|norm", height=4, width=4)
    for name, make in {
        "ordinary directions, for comparison": ordinary,
        "zero vectors": lambda: with_values((slice(0, 5), 0.0)),
        "nothing but zero vectors": lambda: np.zeros((8, 3)),
        "lengths of 1e200": lambda: scaled(1e200),
        "lengths of 1e-200": lambda: scaled(1e-200),
        "denormal lengths": lambda: multiples_of(5e-324, np.float64),
    }.items()
]


def of_fields():
    return np.zeros(N_ROWS, dtype=[("a", "f8"), ("b", "f8")])


def dates():
    return np.datetime64("2026-01-01", "D") + np.arange(3 * N_ROWS).reshape(N_ROWS, 3)


def matrix():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix(ordinary())


DATES = f"date|time|{NO_NUMBERS}"
TYPE = "Types"
TYPE_CASES = [
    taken(TYPE, "int64", lambda: (10 * ordinary()).astype(np.int64)),
    taken(TYPE, "uint8 from 0 to 255", lambda: np.random.default_rng(0).integers(0, 256, (N_ROWS, 3), dtype=np.uint8)),
    taken(TYPE, "int64 near 2^62", lambda: (ordinary() * 1e18).astype(np.int64)),
    taken(TYPE, "bool", lambda: ordinary() > 0),
    taken(TYPE, "numbers as objects", lambda: ordinary().astype(object), cause=OBJECTS),
    taken(
        TYPE, "Decimal", lambda: np.array([[Decimal(int(100 * v)) for v in row] for row in ordinary()]), cause=OBJECTS
    ),
    taken(TYPE, "numbers as words", lambda: ordinary().astype(str), cause=NO_NUMBERS),
    taken(TYPE, "a list of lists", lambda: ordinary().tolist()),
    taken(TYPE, "long double", lambda: ordinary().astype(np.longdouble), cause=OBJECTS),
    refused(TYPE, "a word among numbers", lambda: with_values(((3, 1), "Graz"), dtype=object), NO_NUMBERS),
    refused(TYPE, "words", lambda: np.array([["red", "green"], ["blue", "red"]]), NO_NUMBERS),
    refused(TYPE, "complex numbers", lambda: ordinary() * (1 + 1j), "complex"),
    refused(TYPE, "dates", dates, DATES),
    refused(TYPE, "lengths of time", lambda: dates() - dates()[0], DATES),
    refused(TYPE, "dates in a data frame", lambda: pd.DataFrame(dates()), DATES),
    refused(TYPE, "a NumPy matrix", matrix, "matrix", ordinary),
    refused(TYPE, "fields (a structured array)", of_fields, f"{SHAPE}|field|structured|void|{NO_NUMBERS}"),
    refused(
        TYPE, "a ragged list", lambda: [[1.0, 2.0], [3.0], [4.0, 5.0]], "inhomogeneous|ragged|length|features|shape"
    ),
    refused(TYPE, "a dictionary", lambda: {"a": [1.0, 2.0]}, f"dict|{SHAPE}|{NO_NUMBERS}"),
    refused(TYPE, "None", lambda: None, f"none|{SHAPE}|{NO_NUMBERS}"),
]


def from_file():
    """A copy at an odd address, as it comes from a file with a header."""
    return np.frombuffer(b"x" + ordinary().tobytes(), dtype=np.float64, offset=1).reshape(N_ROWS, N_FEATURES)


def read_only():
    X = ordinary()
    X.flags.writeable = False
    return X


LAYOUT = "Memory"
LAYOUT_CASES = [
    taken(LAYOUT, "read-only", read_only),
    taken(LAYOUT, "Fortran order", lambda: np.asfortranarray(ordinary())),
    taken(LAYOUT, "negative strides", lambda: ordinary()[::-1, ::-1], cause="negative"),
    taken(LAYOUT, "every second column", lambda: ordinary(features=6)[:, ::2]),
    taken(LAYOUT, "strides of zero", lambda: np.broadcast_to(ordinary(1), (N_ROWS, N_FEATURES))),
    taken(LAYOUT, "swapped bytes", lambda: ordinary().astype(">f8"), cause="byte|endian"),
    taken(LAYOUT, "swapped bytes in float32", lambda: ordinary().astype(">f4"), cause="byte|endian"),
    taken(LAYOUT, "odd addresses", from_file, cause="align"),
]


def sparse_rows(kind=scipy.sparse.csr_array):
    return kind(np.where(ordinary() > 0, ordinary(), 0.0))


def dense(make):
    return lambda: make().toarray().astype(np.float64)


def explicit_zeros():
    X = sparse_rows()
    X.data[::3] = 0.0
    return X


def unsorted_places():
    X = sparse_rows()
    for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:stop] = X.indices[start:stop][::-1].copy()
        X.data[start:stop] = X.data[start:stop][::-1].copy()
    X.has_sorted_indices = False
    return X


def places_twice(kind):
    X = sparse_rows(scipy.sparse.coo_array)
    rows, columns = (np.concatenate([places, places]) for places in X.coords)
    twice = scipy.sparse.coo_array((np.concatenate([X.data, 2 * X.data]), (rows, columns)), shape=X.shape)
    if kind is scipy.sparse.coo_array:
        return twice
    order = np.argsort(rows, kind="stable")
    return kind((twice.data[order], columns[order], np.searchsorted(rows[order], np.arange(N_ROWS + 1))), shape=X.shape)


def sparse(name, make, **more):
    return taken("Sparse rows", name, make, dense(make), cause="sparse|csr|csc|coo", **more)


SPARSE_CASES = [
    sparse("explicit zeros", explicit_zeros),
    sparse("unsorted places", unsorted_places),
    sparse("places that occur twice (CSR)", lambda: places_twice(scipy.sparse.csr_array)),
    sparse("places that occur twice (COO)", lambda: places_twice(scipy.sparse.coo_array)),
    sparse("columns instead of rows (CSC)", lambda: sparse_rows(scipy.sparse.csc_array)),
    sparse("nothing stored", lambda: scipy.sparse.csr_array((N_ROWS, N_FEATURES))),
    sparse("sparse bool", lambda: scipy.sparse.csr_array(ordinary() > 0)),
    sparse("sparse 1e200", lambda: sparse_rows() * 1e200),
    sparse("one sparse NaN", lambda: scipy.sparse.csr_array(with_values(((3, 1), np.nan)))),
    refused(
        "Sparse rows",
        "a sparse row of NaN only",
        lambda: scipy.sparse.csr_array(with_values((3, np.nan))),
        f"{NAN}|sparse",
    ),
    refused("Sparse rows", "sparse inf", lambda: scipy.sparse.csr_array(with_values((3, np.inf))), f"{INF}|sparse"),
]

NAMES = ["age", "income", "height"]


def frame():
    return pd.DataFrame(ordinary(), columns=NAMES)


FRAME = "Data frames and new rows"
FRAME_CASES = [
    taken(FRAME, "a data frame", frame, ordinary, new_rows=False),
    taken(
        FRAME, "columns of several types", lambda: frame().astype({"age": "int32", "income": "float32"}), new_rows=False
    ),
    refused(FRAME, "a column of words", lambda: frame().assign(age="young"), NO_NUMBERS, new_rows=False),
    refused(
        FRAME,
        "new rows with columns in another order",
        lambda: frame()[NAMES[::-1]],
        "name|order|column|feature",
        ordinary,
        trained_on=frame,
        by_name=True,
    ),
    refused(FRAME, "new rows without a column", lambda: ordinary()[:, :2], WIDTH, trained_on=ordinary),
    refused(FRAME, "new rows with a column more", lambda: ordinary(features=4), WIDTH, trained_on=ordinary),
    refused(FRAME, "no new rows", lambda: ordinary()[:0], EMPTY, lambda: ordinary()[:0], trained_on=ordinary),
    refused(FRAME, "inf in new rows", lambda: with_values(((3, 1), np.inf)), INF, trained_on=ordinary),
    taken(FRAME, "NaN in new rows", lambda: with_values(((3, 1), np.nan)), cause=NAN, trained_on=ordinary),
    taken(FRAME, "1e200 in new rows", lambda: scaled(1e200), cause=INF, trained_on=ordinary),
    taken(FRAME, "1e30 in new rows, float32", lambda: scaled(1e30, dtype=np.float32), cause=INF, trained_on=ordinary),
]


def weighted(name, weight, *, is_refused=False):
    return Case(name, "Sample weights", ordinary, ordinary, WEIGHT, is_refused, sample_weight=weight, new_rows=False)


WEIGHT_CASES = [
    weighted("zero weights", lambda n: np.arange(n) % 2),
    weighted("one positive weight", lambda n: np.arange(n) == 3),
    weighted("weights of 1e-300", lambda n: np.full(n, 1e-300)),
    weighted("weights of 1e300", lambda n: np.full(n, 1e300)),
    weighted("weights from 1e-200 to 1e200", lambda n: np.logspace(-200, 200, n)),
    weighted("a negative weight", lambda n: np.where(np.arange(n) == 3, -1.0, 1.0), is_refused=True),
    weighted("nothing but zero weights", np.zeros, is_refused=True),
    weighted("a weight of NaN", lambda n: np.where(np.arange(n) == 3, np.nan, 1.0), is_refused=True),
    weighted("an infinite weight", lambda n: np.where(np.arange(n) == 3, np.inf, 1.0), is_refused=True),
    weighted("weights that sum to infinity", lambda n: np.full(n, 1e308), is_refused=True),
    weighted("too few weights", lambda n: np.ones(n - 1), is_refused=True),
    weighted("masked weights", lambda n: np.ma.masked_less(np.arange(n) + 1.0, 4), is_refused=True),
    weighted("weights as words", lambda n: np.full(n, "heavy"), is_refused=True),
]

CASES = (
    *MISSING_CASES,
    *SIZE_CASES,
    *FORM_CASES,
    *DIRECTION_CASES,
    *TYPE_CASES,
    *LAYOUT_CASES,
    *SPARSE_CASES,
    *FRAME_CASES,
    *WEIGHT_CASES,
)
