import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from containers import DENSE, LAZY, LAZY_FRAMES, SPARSE
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktopo import Checkpoint, TopographicMap, persistence

# one a solver, a winner and a way to draw; the streamed ones pass through coarse lattices
CASES = {
    "batch": {"max_iter": 30, "solver": "batch"},
    "random": {"max_iter": 30, "solver": "batch", "init": "random", "random_state": None},
    "local": {"max_iter": 30, "solver": "batch", "winner": "local", "temperature": 0.1},
    "stream": {"solver": "stream", "sigma_initial": 9.0},
    "fresh stream": {"solver": "stream", "random_state": None, "lattice": "hexagonal"},
    "gradient": {"solver": "gradient", "max_iter": 8},
}
KEPT = {"random_state": 0}


class InterruptedFitError(Exception):
    """Stands for a kill."""


class Interrupt(Checkpoint):
    """A checkpoint beside which the fit breaks off after some epochs."""

    def __init__(self, path, after, every=1):
        super().__init__(path, every)
        self.left = after

    def on_fit_task_end(self, estimator, context):
        self.left -= 1
        if self.left == 0:
            raise InterruptedFitError


@pytest.fixture
def X(digits):  # noqa: N802
    return digits[0][:600].astype(np.float32)


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def som(request):
    return TopographicMap(9, 8, **(KEPT | request.param))


def test_the_latest_map_has_no_labels_of_an_earlier_fit(X, tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    som = TopographicMap(4, 4, max_iter=3).fit(X)
    assert len(som.labels_) == len(X)
    som.set_callbacks(checkpoint).fit(X[:200])
    assert not hasattr(checkpoint.latest, "labels_")
    assert not hasattr(checkpoint.latest, "quantization_error_")
    assert len(som.labels_) == 200


@pytest.mark.parametrize("inside", ["bare", "pipeline"])
def test_the_latest_map_learns_on_beside_a_progress_bar(X, inside, tmp_path):
    checkpoint, bar, som = Checkpoint(tmp_path / "checkpoint"), ProgressBar(), TopographicMap(4, 4, max_iter=3)
    if inside == "bare":
        som.set_callbacks(checkpoint, bar).fit(X)
    else:
        make_pipeline(som.set_callbacks(checkpoint)).set_callbacks(bar).fit(X)
    assert len(checkpoint.latest.partial_fit(X).labels_) == len(X)
    assert [name for name in vars(checkpoint.latest) if "callback" in name] == ["_skl_callbacks"]


@pytest.mark.parametrize(("after", "every"), [(1, 1), (4, 1), (7, 3)])
def test_a_resumed_fit_ends_at_the_map_of_an_undisturbed_one(som, X, after, every, tmp_path):
    path = tmp_path / "checkpoint"
    broken = clone(som).set_callbacks(Interrupt(path, after, every))
    with pytest.raises(InterruptedFitError):
        broken.fit(X)
    first = path.read_bytes()
    resumed = clone(som).set_callbacks(Checkpoint(path)).fit(X)
    assert not path.exists()
    path.write_bytes(first)  # the same break again: what comes out is a function of the file
    again = clone(som).set_callbacks(Checkpoint(path)).fit(X)
    np.testing.assert_array_equal(resumed.codebook_, again.codebook_)
    if som.random_state is not None:
        undisturbed = clone(som).fit(X)
        np.testing.assert_array_equal(resumed.codebook_, undisturbed.codebook_)
        np.testing.assert_array_equal(resumed.loss_curve_, undisturbed.loss_curve_)
        np.testing.assert_array_equal(resumed.unit_counts_, undisturbed.unit_counts_)
        assert resumed.n_iter_ == undisturbed.n_iter_


def test_without_a_file_the_fit_starts_and_leaves_none(som, X, tmp_path):
    fitted = clone(som).set_callbacks(Checkpoint(tmp_path / "checkpoint")).fit(X)
    assert not list(tmp_path.iterdir())
    if som.random_state is not None:
        np.testing.assert_array_equal(fitted.codebook_, clone(som).fit(X).codebook_)


def test_of_a_link_the_file_is_removed_and_the_link_stays(X, tmp_path):
    link, path = tmp_path / "link", tmp_path / "checkpoint"
    link.symlink_to(path)
    for _ in range(2):
        TopographicMap(4, 4, max_iter=3).set_callbacks(Checkpoint(link)).fit(X)
        assert link.is_symlink()
        assert not path.exists()


@pytest.mark.parametrize("change", ["row", "weight", "parameter", "init", "seed", "version"])
def test_a_file_of_another_fit_is_refused(change, X, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint"
    som = TopographicMap(4, 4, init=X[:16].copy(), random_state=0).set_callbacks(Interrupt(path, 3))
    with pytest.raises(InterruptedFitError):
        som.fit(X)
    before, weight = path.read_bytes(), np.ones(600)
    other, X = clone(som).set_callbacks(Checkpoint(path)), X.copy()
    if change == "row":
        X[5, 5] += 1
    elif change == "weight":
        weight[3] = 2
    elif change == "parameter":
        other.set_params(sigma_final=0.9)
    elif change == "seed":
        other.set_params(random_state=1)
    elif change == "version":
        monkeypatch.setattr(persistence, "versions", lambda: {"sktopo": "99"})
    else:
        other.set_params(init=X[1:17].copy())
    with pytest.raises(ValueError, match=r"belongs to other data or parameters, .* remove the file"):
        other.fit(X, sample_weight=weight if change == "weight" else None)
    assert path.read_bytes() == before


def test_empty_columns_make_other_data(X, tmp_path):
    path, rows = tmp_path / "checkpoint", csr_array(X)
    with pytest.raises(InterruptedFitError):
        TopographicMap(4, 4).set_callbacks(Interrupt(path, 3)).fit(rows)
    wider = csr_array((rows.data, rows.indices, rows.indptr), shape=(600, 70))
    with pytest.raises(ValueError, match="belongs to other data"):
        TopographicMap(4, 4).set_callbacks(Checkpoint(path)).fit(wider)


def test_what_transform_returns_may_change(X, tmp_path):
    path = tmp_path / "checkpoint"
    with pytest.raises(InterruptedFitError):
        TopographicMap(4, 4).set_callbacks(Interrupt(path, 3)).fit(X)
    TopographicMap(4, 4, output="distances").set_callbacks(Checkpoint(path)).fit(X)


@pytest.mark.parametrize("name", ["csr array", "dask", "dask of csr", "dask frame", "pandas", "memmap"])
def test_rows_of_every_kind_can_be_resumed(name, X, tmp_path):
    som, path = TopographicMap(4, 4, max_iter=6), tmp_path / "checkpoint"
    rows = {**DENSE, **SPARSE, **LAZY, **LAZY_FRAMES}[name](X, tmp_path)
    with pytest.raises(InterruptedFitError):
        clone(som).set_callbacks(Interrupt(path, 3)).fit(rows)
    with pytest.raises(ValueError, match="belongs to other data"):
        clone(som).set_callbacks(Checkpoint(path)).fit(2 * X)
    resumed = clone(som).set_callbacks(Checkpoint(path)).fit(rows)
    np.testing.assert_array_equal(resumed.codebook_, clone(som).fit(rows).codebook_)


def test_the_path_may_be_bytes_and_init_a_frame(X, tmp_path):
    path, init = os.fsencode(tmp_path / "checkpoint"), pd.DataFrame(X[:16].astype(float))
    with pytest.raises(InterruptedFitError):
        TopographicMap(4, 4, init=init).set_callbacks(Interrupt(path, 3)).fit(X)
    som = TopographicMap(4, 4, init=init).set_callbacks(Checkpoint(path)).fit(X)
    som.save(tmp_path / "map")
    np.testing.assert_array_equal(TopographicMap.load(tmp_path / "map").init, init.to_numpy())


def test_a_damaged_file_is_refused(X, tmp_path):
    path = tmp_path / "checkpoint"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not a whole sktopo file"):
        TopographicMap(4, 4).set_callbacks(Checkpoint(path)).fit(X)


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "often"])
def test_every_is_a_number_of_epochs(every):
    with pytest.raises(ValueError, match="every must be an int of at least 1"):
        Checkpoint("file", every=every)


def test_a_fit_that_rests_early_rests_as_early_when_resumed(X, tmp_path):
    path, som = tmp_path / "checkpoint", TopographicMap(3, 3, max_iter=400)
    undisturbed = clone(som).fit(X)
    assert undisturbed.n_iter_ < 400
    with pytest.raises(InterruptedFitError):
        clone(som).set_callbacks(Interrupt(path, undisturbed.n_iter_)).fit(X)
    resumed = clone(som).set_callbacks(Checkpoint(path)).fit(X)
    assert resumed.n_iter_ == undisturbed.n_iter_
    np.testing.assert_array_equal(resumed.codebook_, undisturbed.codebook_)


KILLED = """
import sys, numpy as np
from sktopo import Checkpoint, TopographicMap
som = TopographicMap(12, 12, solver=sys.argv[2], max_iter=int(sys.argv[3]), random_state=0)
np.save(sys.argv[4], som.set_callbacks(Checkpoint(sys.argv[1])).fit(np.load(sys.argv[5])).codebook_)
"""


@pytest.mark.parametrize(
    ("solver", "passes", "n"), [("batch", 60, 20_000), ("stream", 40, 20_000), ("gradient", 8, 5000)]
)
def test_a_killed_process_is_continued_by_a_new_one(solver, passes, n, tmp_path):
    X = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    path, result = tmp_path / "checkpoint", tmp_path / "result.npy"
    command = [sys.executable, "-c", KILLED, path, solver, str(passes), result, tmp_path / "X.npy"]
    child = subprocess.Popen(command)
    while not path.exists() and child.poll() is None:
        time.sleep(0.005)
    time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert path.exists(), "the fit was over before it could be killed"
    subprocess.run(command, check=True)
    undisturbed = TopographicMap(12, 12, solver=solver, max_iter=passes, random_state=0).fit(X)
    np.testing.assert_array_equal(np.load(result), undisturbed.codebook_)
    assert not Path(path).exists()


def test_a_pipeline_refuses_a_checkpoint(X, tmp_path):
    model = make_pipeline(StandardScaler(), TopographicMap(3, 3)).set_callbacks(Checkpoint(tmp_path / "checkpoint"))
    with pytest.raises(ValueError, match="keeps the state of a map, not of a Pipeline: give it to the map inside"):
        model.fit(X)


def test_a_missing_folder_is_named(X, tmp_path):
    som = TopographicMap(3, 3).fit(X)
    with pytest.raises(FileNotFoundError, match=r"There is no such folder: .*nowhere'"):
        som.save(tmp_path / "nowhere" / "map")
