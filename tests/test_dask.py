"""Dask arrays and frames, without a cluster and on one with processes of its own."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from distributed import Client, LocalCluster
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sktopo import Checkpoint, TopographicMap
from sktopo._sources import ArraySource, DaskRows, DaskSource
from sktopo._sources._parcel import Parcel
from sktopo.metrics import quantization_error, topographic_error

CPU = torch.device("cpu")
CHUNKS = [(64, 4), (1000, 4), ((100, 350, 450), (1, 3))]


@pytest.fixture(scope="module")
def X():  # noqa: N802
    rng = np.random.default_rng(0)
    return (rng.normal(size=(6, 4))[rng.integers(0, 6, 900)] * 3 + rng.normal(size=(900, 4))).astype(np.float32)


@pytest.fixture
def som(X):
    return TopographicMap(5, 4, init=X[:20].astype(float), solver="batch", max_iter=5)


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
@pytest.mark.parametrize("weights", [None, "numpy", "dask"])
def test_any_chunking_gives_the_same_bits(X, som, chunks, weights):
    weight = None if weights is None else np.random.default_rng(1).uniform(size=900)
    given = da.from_array(weight, chunks=77) if weights == "dask" else weight
    plain = clone(som).fit(X, sample_weight=weight)
    lazy = clone(som).fit(da.from_array(X, chunks=chunks), sample_weight=given)
    np.testing.assert_array_equal(lazy.codebook_, plain.codebook_)
    np.testing.assert_array_equal(lazy.loss_curve_, plain.loss_curve_)
    assert lazy.quantization_error_ == pytest.approx(plain.quantization_error_, rel=1e-12)
    assert not hasattr(lazy, "labels_")


@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize("p", [2, 1])
def test_moments_are_taken_on_the_workers(X, som, init, p):
    som.set_params(init=init, random_state=0, p_norm=p)
    lazy = clone(som).fit(da.from_array(X, chunks=(250, 4)))
    np.testing.assert_allclose(lazy.codebook_, clone(som).fit(X).codebook_, rtol=1e-5)


def test_answers_are_lazy_and_the_same(X, som):
    lazy = da.from_array(X, chunks=(250, 2))
    som.fit(lazy)
    for output in ("coordinates", "activations", "distances"):
        som.set_params(output=output)
        answer = som.transform(lazy)
        assert isinstance(answer, da.Array)
        assert answer.dtype == np.float32
        np.testing.assert_array_equal(answer.compute(), som.transform(X))
    units = som.predict(lazy)
    assert isinstance(units, da.Array)
    assert units.dtype == np.int64
    assert units.shape == (900,)
    np.testing.assert_array_equal(units.compute(), som.predict(X))
    np.testing.assert_array_equal(som.score_samples(lazy).compute(), som.score_samples(X))
    np.testing.assert_array_equal(clone(som).fit_predict(lazy).compute(), som.predict(X))
    assert som.score(lazy) == pytest.approx(som.score(X), rel=1e-12)
    assert quantization_error(som, lazy) == pytest.approx(quantization_error(som, X), rel=1e-12)
    assert topographic_error(som, lazy) == pytest.approx(topographic_error(som, X))
    np.testing.assert_array_equal(som.hit_histogram(lazy), som.hit_histogram(X))


@pytest.mark.parametrize("output", ["coordinates", "activations", "distances"])
def test_the_way_back_is_lazy_too(X, som, output):
    som.set_params(output=output).fit(X)
    lazy = som.transform(da.from_array(X, chunks=(250, 4)))
    back = som.inverse_transform(lazy)
    assert isinstance(back, da.Array)
    assert back.shape == X.shape
    np.testing.assert_array_equal(back.compute(), som.inverse_transform(som.transform(X)))
    with pytest.raises(ValueError, match=f"X has 7 columns; output='{output}' has"):
        som.inverse_transform(da.zeros((10, 7), chunks=5))


def test_an_answer_belongs_to_the_map_that_was_asked(X, som):
    units = som.fit(X).predict(da.from_array(X, chunks=(250, 4)))
    expected = som.labels_
    som.set_params(init="random", random_state=1).fit(X)
    np.testing.assert_array_equal(units.compute(), expected)


def test_frames_keep_their_names(X, som):
    frame = pd.DataFrame(X, columns=list("abcd"))
    lazy = dd.from_pandas(frame, npartitions=4)
    lazy = lazy[lazy.a > -100]  # lengths are not known any more
    fitted = clone(som).fit(lazy)
    np.testing.assert_array_equal(fitted.codebook_, clone(som).fit(X).codebook_)
    assert list(fitted.feature_names_in_) == list("abcd")
    np.testing.assert_array_equal(fitted.predict(lazy).compute(), fitted.predict(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(lazy[["d", "c", "b", "a"]])
    some = lazy[lazy.a > frame.a.iloc[:225].max()]  # the first partition is empty
    np.testing.assert_array_equal(fitted.predict(some).compute(), fitted.predict(frame[frame.a > frame.a[:225].max()]))
    assert fitted.score(some) == pytest.approx(fitted.score(frame[frame.a > frame.a[:225].max()]))


@pytest.mark.parametrize("weights", [False, True])
def test_streaming_draws_its_rows_from_the_partitions(X, weights):
    weight = np.random.default_rng(0).uniform(size=900) if weights else None
    som = TopographicMap(5, 4, solver="stream", random_state=0)
    plain = clone(som).fit(X, sample_weight=weight)
    lazy = clone(som).fit(da.from_array(X, chunks=(130, 4)), sample_weight=weight)
    np.testing.assert_allclose(lazy.codebook_, plain.codebook_, rtol=1e-5)
    assert lazy.quantization_error_ == pytest.approx(plain.quantization_error_, rel=1e-6)


def test_weights_may_be_of_unknown_length(X, som):
    """Columns of a filtered frame, as arrays."""
    frame = pd.DataFrame(X).assign(weight=np.random.default_rng(0).uniform(size=900))
    lazy = dd.from_pandas(frame, npartitions=3)
    lazy, frame = lazy[lazy.weight > 0.3], frame[frame.weight > 0.3]
    fitted = clone(som).fit(lazy.drop(columns="weight").to_dask_array(), sample_weight=lazy.weight.to_dask_array())
    plain = clone(som).fit(frame.drop(columns="weight").to_numpy(), sample_weight=frame.weight)
    np.testing.assert_array_equal(fitted.codebook_, plain.codebook_)


def test_one_weight_serves_all_rows(X, som):
    lazy = clone(som).fit(da.from_array(X, chunks=(200, 4)), sample_weight=2.0)
    np.testing.assert_array_equal(lazy.codebook_, clone(som).fit(X, sample_weight=2.0).codebook_)


def test_missing_values_are_found_on_the_workers(X, som):
    gappy = X.copy()
    gappy[400:, 1] = np.nan
    plain = clone(som).fit(gappy)
    lazy = clone(som).fit(da.from_array(gappy, chunks=(200, 4)))
    np.testing.assert_array_equal(lazy.codebook_, plain.codebook_)
    gappy[:, 1] = np.nan
    with pytest.raises(ValueError, match="Every value in column 1 of X is missing"):
        clone(som).fit(da.from_array(gappy, chunks=(200, 4)))
    gappy[450] = np.nan
    with pytest.raises(ValueError, match="Every value in row 50 of a partition of X is missing"):
        clone(som).fit(da.from_array(gappy, chunks=(200, 4)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "Every value in row 50 of a partition of X is missing"),
        (np.inf, "infinity(.|\n)*row 50, column 0 of a partition of X"),
    ],
)
def test_rows_of_lazy_answers_are_named_as_those_of_fit(X, som, value, message):
    wrong = X[:300].copy()
    wrong[250] = value
    lazy = da.from_array(wrong, chunks=(100, 4))
    som.fit(X)
    asks = [getattr(som, name) for name in ("predict", "transform", "score_samples")]
    for ask in (clone(som).fit, som.score, *(lambda rows, ask=ask: ask(rows).compute() for ask in asks)):
        with pytest.raises(ValueError, match=message):
            ask(lazy)
    with pytest.raises(ValueError, match="row 250"):
        som.predict(wrong)


@pytest.mark.parametrize("solver", ["batch", "stream", "gradient"])
@pytest.mark.parametrize("gaps", [False, True])
def test_blocks_may_be_sparse(X, solver, gaps):
    rng = np.random.default_rng(0)
    X = X * (rng.uniform(size=X.shape) < 0.5)
    if gaps:
        X[5::7, 1] = np.nan
    lazy, rows = da.from_array(X, chunks=(250, -1)).map_blocks(csr_array), csr_array(X)
    som = TopographicMap(5, 4, init=rng.normal(size=(20, 4)), solver=solver, max_iter=3, random_state=0)
    local, remote = clone(som).fit(rows), clone(som).fit(lazy)
    if solver == "batch":
        np.testing.assert_array_equal(remote.codebook_, local.codebook_)
    np.testing.assert_allclose(remote.codebook_, local.codebook_, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(remote.predict(lazy).compute(), local.labels_)
    assert remote.score(lazy) == pytest.approx(local.score(rows), rel=1e-6)
    with pytest.raises(ValueError, match=r"sparse blocks of \(3, 1\) columns; they must hold whole rows: 4 columns"):
        som.fit(da.from_array(X, chunks=(250, 3)).map_blocks(csr_array))


def test_lazy_answers_compute_nothing_and_score_does(X, som):
    def refuse(block):
        raise RuntimeError("computed")

    som.fit(X)
    lazy = da.from_array(X, chunks=(250, 4)).map_blocks(refuse, dtype=X.dtype, meta=X[:0])
    answers = [som.predict(lazy), som.transform(lazy), som.score_samples(lazy)]
    for compute in (*(answer.compute for answer in answers), lambda: som.score(lazy)):
        with pytest.raises(RuntimeError, match="computed"):
            compute()


def test_weights_are_fetched_once_and_without_the_rows(X):
    opened = []

    def counted(block):
        opened.append(len(block))
        return block

    lazy = da.from_array(X, chunks=(100, 4)).map_blocks(counted, dtype=X.dtype, meta=X[:0])
    som = TopographicMap(5, 4, solver="stream", max_iter=1, random_state=0)
    with dask.config.set(scheduler="synchronous"):
        plain = clone(som).fit(lazy)
        reads = len(opened)
        weighted = clone(som).fit(lazy, sample_weight=da.ones(900, chunks=100))
    assert len(opened) == 2 * reads
    np.testing.assert_array_equal(weighted.codebook_, plain.codebook_)


def test_what_is_wrong_is_named(X, som):
    lazy = da.from_array(X, chunks=(200, 4))
    with pytest.raises(ValueError, match="infinity"):
        clone(som).fit(da.where(lazy > 5, np.inf, lazy))
    for solver in ("batch", "stream", "gradient"):
        other = clone(som).set_params(solver=solver, init="pca")
        with pytest.raises(ValueError, match="sample_weight must not be negative, got -1 in row 0"):
            other.fit(lazy, sample_weight=-np.ones(900))
        with pytest.raises(ValueError, match="zero everywhere"):
            other.fit(lazy, sample_weight=np.zeros(900))
        with pytest.raises(ValueError, match="sums to infinity"):
            other.fit(lazy, sample_weight=np.full(900, 1e308))
        with pytest.raises(ValueError, match="Every value in column 2 of X is missing"):
            other.fit(da.from_array(np.where(np.arange(4) == 2, np.nan, X), chunks=(200, 4)))
    with pytest.raises(ValueError, match="zero everywhere"):
        clone(som).fit(X).score(lazy, sample_weight=np.zeros(900))
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(5,\), expected \(900,\)"):
        clone(som).fit(lazy, sample_weight=np.ones(5))
    with pytest.raises(ValueError, match=r"one chunk at a time: call it with X.partitions\[i\].compute"):
        clone(som).partial_fit(lazy)
    fitted = clone(som).fit(lazy)
    unknown = lazy[:, da.from_array(np.arange(4) < 4)]
    for ask in (clone(som).fit, fitted.predict, fitted.score):
        with pytest.raises(ValueError, match=r"unknown number of columns: call X.compute_chunk_sizes\(\) first"):
            ask(unknown)
    with pytest.raises(ValueError, match="X has 3 features, but TopographicMap is expecting 4"):
        fitted.predict(lazy[:, :3])
    for ask in (clone(som).fit, fitted.predict, fitted.score):
        with pytest.raises(ValueError, match=r"Expected a 2D dask array .* got a dask Array of 1 dimension"):
            ask(lazy[:, 0])
        with pytest.raises(ValueError, match=r"Expected a 2D dask array .* got a dask Series of 1 dimension"):
            ask(dd.from_dask_array(lazy)[0])
        with pytest.raises(ValueError, match=r"Expected a 2D dask array .* got a dask Delayed"):
            ask(dask.delayed(X))


def masked(weight):
    return (np.ma if isinstance(weight, np.ndarray) else da.ma).masked_less(weight, 3)


WEIGHTS = {
    "masked": (masked, "sample_weight is a masked array.*fill in what is masked"),
    "times": (lambda weight: weight.astype("timedelta64[s]"), "sample_weight holds dates or times"),
    "complex": (lambda weight: weight * (1 + 1j), "sample_weight holds complex numbers"),
    "missing": (lambda weight: weight * np.nan, "sample_weight cannot be used: Input sample_weight contains NaN"),
    "infinite": (lambda weight: weight + np.inf, "sample_weight cannot be used: Input sample_weight contains infinity"),
    "negative": (lambda weight: weight - 5, "sample_weight must not be negative, got -5 in row 0"),
}


@pytest.mark.parametrize("lazy", [False, True], ids=["numpy", "dask"])
@pytest.mark.parametrize("solver", ["batch", "stream"])
@pytest.mark.parametrize(("change", "message"), WEIGHTS.values(), ids=WEIGHTS.keys())
def test_weights_are_refused_as_those_of_arrays(X, som, change, message, solver, lazy):
    plain = np.arange(900.0)
    weight = change(da.from_array(plain, chunks=77) if lazy else plain)
    for rows in (X, da.from_array(X, chunks=(200, 4))):
        with pytest.raises(ValueError, match=message):
            clone(som).set_params(solver=solver).fit(rows, sample_weight=weight)


def test_weights_of_a_series_may_not_be_missing(X, som):
    weight = pd.Series([1.0] * 899 + [pd.NA], dtype="Float64")
    for given in (weight, dd.from_pandas(weight, npartitions=3)):
        with pytest.raises(ValueError, match="sample_weight cannot be used"):
            clone(som).fit(da.from_array(X, chunks=(200, 4)), sample_weight=given)
    expected = clone(som).fit(X, sample_weight=np.r_[np.ones(899), 2.0])
    for rows in (X, da.from_array(X, chunks=(200, 4))):
        lazy = clone(som).fit(rows, sample_weight=dd.from_pandas(weight.fillna(2.0), npartitions=2))
        np.testing.assert_array_equal(lazy.codebook_, expected.codebook_)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_a_lazy_answer_is_not_turned_into_a_frame(X, som, container):
    lazy = da.from_array(X, chunks=(200, 4))
    fitted = clone(som).fit(lazy)
    with pytest.raises(ValueError, match=rf"set_output\(transform='{container}'\) would bring everything here"):
        clone(fitted).fit(lazy).set_output(transform=container).transform(lazy)
    with sklearn.config_context(transform_output=container), pytest.raises(ValueError, match="lazy dask array"):
        fitted.transform(lazy)
    assert isinstance(fitted.set_output(transform="default").transform(lazy), da.Array)


@pytest.fixture(scope="module")
def cluster():
    settings = {
        "distributed.scheduler.allowed-failures": 20,
        "distributed.comm.timeouts.connect": "60s",
        # a worker that takes longer to come back, on a busy machine, would be given up
        "distributed.deploy.lost-worker-timeout": "10 minutes",
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
    ):
        yield cluster


def slow_rows(block):
    """A partition that takes a while to read, so that there is a middle of the fit to die in."""
    time.sleep(0.02)
    return block


def kill_at_work(client, address, process):
    """End a worker once it has rows of the fit to work on."""
    deadline = time.monotonic() + 60
    while not client.processing([address]).get(address) and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)


@pytest.mark.filterwarnings("ignore")  # of workers that have been killed
def test_the_same_bits_on_a_cluster_even_if_a_worker_dies(X, som, cluster):
    expected = clone(som).fit(X)
    lazy = da.from_array(X, chunks=(100, 4)).map_blocks(slow_rows, dtype=X.dtype)
    with Client(cluster) as client:
        calm = clone(som).fit(lazy)
        np.testing.assert_array_equal(calm.codebook_, expected.codebook_)
        np.testing.assert_array_equal(calm.predict(lazy).compute(), expected.labels_)
        address, process = min(client.run(os.getpid).items())
        assert not client.processing([address]).get(address)
        killer = threading.Thread(target=kill_at_work, args=(client, address, process))
        killer.start()
        stormy = clone(som).fit(lazy)
        assert not killer.is_alive()  # the fit has outlived the worker
        np.testing.assert_array_equal(stormy.codebook_, expected.codebook_)
        client.wait_for_workers(2, timeout=60)
        assert process not in client.run(os.getpid).values()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_workers", [1, 3])
def test_the_number_of_workers_changes_no_bit(X, som, n_workers, cluster):
    cluster.scale(n_workers)
    with Client(cluster) as client:
        client.wait_for_workers(n_workers, timeout=60)
        fitted = clone(som).fit(da.from_array(X, chunks=(150, 4)))
    np.testing.assert_array_equal(fitted.codebook_, clone(som).fit(X).codebook_)


class Notes:
    """What a step takes along; it writes into it while it works, as a search does that fills its caches."""

    def __init__(self):
        for i in range(50):
            setattr(self, f"tensor{i}", torch.zeros(10_000))


def noting(notes, x, weight):
    for i in range(50_000):
        setattr(notes, f"note{time.perf_counter_ns()}_{i}", i)
    return float(weight.sum())


@pytest.mark.filterwarnings("ignore")
def test_a_worker_sends_on_a_step_that_it_is_using(X, cluster):
    """It was pickled anew, in the midst of its changes; the worker that it was meant for waited forever."""

    def irregular(block):
        time.sleep(np.random.default_rng().uniform(0, 0.1))
        return block

    def add_up():
        for _ in range(10):
            rows = DaskRows.of(da.from_array(X, chunks=(100, 4)).map_blocks(irregular, dtype=X.dtype))
            totals.append(DaskSource(rows, partial(ArraySource, device=CPU)).reduce(partial(noting, Notes())))

    totals = []
    with Client(cluster):
        waiting = threading.Thread(target=add_up, daemon=True)
        waiting.start()
        waiting.join(timeout=60)
    assert totals == [len(X)] * 10


def test_a_parcel_stays_as_it_was_sent():
    sent = pickle.dumps(Parcel({"a": 1}))
    arrived = pickle.loads(sent)
    arrived.open()["b"] = 2
    assert pickle.dumps(arrived) == sent
    assert arrived.open() is arrived.open()


@pytest.mark.filterwarnings("ignore")
def test_a_grid_search_runs_on_the_cluster(X, cluster):
    grid = {"sigma_final": [0.4, 0.8], "height": [3, 5]}
    with Client(cluster), joblib.parallel_config("dask"):
        search = GridSearchCV(TopographicMap(4, 4, max_iter=4), grid, cv=3).fit(X)
    assert search.best_params_ == {"height": 5, "sigma_final": 0.4}


def test_what_travels_with_a_step_is_small(X):
    """The codebook, not the data: DaskSource leaves its graph behind."""
    source = DaskSource(DaskRows.of(da.from_array(X, chunks=(100, 4))), None)
    assert len(pickle.dumps(source)) < 1000


def test_dask_is_not_imported_unless_it_is_there_already():
    code = "import sys, sktopo, numpy as np; sktopo.TopographicMap(2, 2).fit(np.eye(4)); print('dask' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_a_checkpoint_leaves_the_rows_where_they_are(X, som, tmp_path, monkeypatch):
    def fetch(self):
        raise AssertionError("all rows came to the client")

    monkeypatch.setattr(DaskSource, "chunks", fetch)
    checkpointed = clone(som).set_callbacks(Checkpoint(tmp_path / "checkpoint")).fit(da.from_array(X, chunks=(200, 4)))
    np.testing.assert_array_equal(checkpointed.codebook_, clone(som).fit(X).codebook_)
