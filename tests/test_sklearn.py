"""The contract with scikit-learn, on every version from 1.6 on."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn import config_context, set_config
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from sktopo import TopographicMap

SKLEARN = parse_version(sklearn.__version__)
KINDS = [
    TopographicMap(4, 4),
    TopographicMap(4, 3, output="activations"),
    TopographicMap(4, 3, lattice="hexagonal", output="distances"),
    TopographicMap(2, 3, solver="gradient", winner="local", temperature=0.01, max_iter=3, random_state=0),
    TopographicMap(4, 4, solver="stream", max_iter=3, random_state=0),
]
OTHERS = [
    TopographicMap(4, 3, output="distances"),
    TopographicMap(4, 3, lattice="hexagonal"),
    TopographicMap(4, 3, lattice="hexagonal", output="activations"),
    TopographicMap(4, 3, periodic=True),
    TopographicMap(4, 3, lattice="hexagonal", periodic=True, output="activations"),
    TopographicMap(3, 3, p_norm=1),
    TopographicMap(3, 3, p_norm=1, output="distances"),
    TopographicMap(3, 3, p_norm=3, lattice="hexagonal"),
    TopographicMap(3, 3, p_norm=np.inf),
    TopographicMap(4, 4, init="random", random_state=0),
    TopographicMap(3, 3, init="random", random_state=0, lattice="hexagonal", output="distances"),
    TopographicMap(4, 4, normalize=True, output="activations"),
    TopographicMap(3, 3, neighborhood="bubble", sigma_final=1.0),
    TopographicMap(3, 3, neighborhood="epanechnikov", sigma_final=1.5),
    TopographicMap("auto", "auto"),
    TopographicMap(1, 1),
    TopographicMap(3, 4, winner="local", output="activations"),
    TopographicMap(3, 3, winner="local", temperature=0.01),
    TopographicMap(4, 3, lattice="hexagonal", periodic=True, winner="local", temperature=0.01, output="activations"),
    TopographicMap(1, 9),
    TopographicMap(30, 30, max_iter=3),
    TopographicMap(4, 4, batch_size=7, tol=1e-3, device="cpu"),
    TopographicMap(9, 8, solver="stream", lattice="hexagonal", output="activations", max_iter=3, random_state=0),
]
# versions differ in the contract, which a map of each kind meets or does not
CONFIGURATIONS = KINDS + OTHERS if SKLEARN.release >= (1, 7) else KINDS


def known_gaps(estimator):
    if estimator.solver in ("stream", "gradient"):  # rows are drawn at random, as in scikit-learn's own MiniBatchKMeans
        return {f"check_sample_weight_equivalence_on_{kind}_data": "random rows" for kind in ("dense", "sparse")}
    return {}


@pytest.fixture
def nothing_global_moves():
    """scikit-learn's checks draw from NumPy's global generator themselves."""


@parametrize_with_checks(CONFIGURATIONS, expected_failed_checks=known_gaps)
def test_check_estimator(estimator, check):
    check(estimator)


LEFT_OUT = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_n_features_in",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
]


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names")  # they mix frames and arrays
@pytest.mark.parametrize("name", LEFT_OUT)
@pytest.mark.parametrize("output", ["coordinates", "activations", "distances"])
def test_checks_that_the_generator_leaves_out(name, output):
    getattr(estimator_checks, name)("TopographicMap", TopographicMap(3, 3, output=output))


@pytest.fixture(scope="module")
def X():  # noqa: N802
    return load_iris(return_X_y=True)[0]


def test_grid_search_in_parallel_over_a_pipeline(X):
    model = make_pipeline(MinMaxScaler(), TopographicMap(4, 4))
    grid = {"topographicmap__height": [3, 5], "topographicmap__sigma_final": [0.4, 0.8]}
    search = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(X)
    assert search.best_params_ == {"topographicmap__height": 5, "topographicmap__sigma_final": 0.4}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_clones_are_unfitted_and_equal(X):
    som = TopographicMap(3, 3, init=X[:9]).fit(X)
    again = clone(som)
    assert not hasattr(again, "codebook_")
    np.testing.assert_array_equal(again.fit(X).codebook_, som.codebook_)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("output", ["coordinates", "activations"])
def test_set_output_gives_named_frames(X, library, output):
    som = TopographicMap(3, 2, output=output).set_output(transform=library)
    kind = {"pandas": pd, "polars": pl}[library].DataFrame
    frame = som.fit_transform(kind({name: X[:, i] for i, name in enumerate("abcd")}))
    assert isinstance(frame, kind)
    assert list(frame.columns) == [f"topographicmap{i}" for i in range(2 if output == "coordinates" else 6)]
    if library == "pandas":  # older versions of scikit-learn do not read the names of polars frames
        assert list(som.feature_names_in_) == list("abcd")


def test_feature_names_work_in_a_column_transformer(X):
    columns = ColumnTransformer([("map", TopographicMap(3, 3), [0, 1]), ("rest", "passthrough", [2])])
    columns.fit(X)
    assert list(columns.get_feature_names_out()) == ["map__topographicmap0", "map__topographicmap1", "rest__x2"]


def test_sample_weight_is_routed(X):
    weight = np.arange(150.0)
    with config_context(enable_metadata_routing=True):
        som = TopographicMap(3, 3).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        model = make_pipeline(MinMaxScaler(), som).fit(X, sample_weight=weight)
    scaled = MinMaxScaler().fit_transform(X)
    direct = TopographicMap(3, 3).fit(scaled, sample_weight=weight)
    np.testing.assert_array_equal(model[-1].codebook_, direct.codebook_)


def test_the_repr_shows_what_was_changed(X):
    assert repr(TopographicMap(5, 10, lattice="hexagonal")) == "TopographicMap(height=5, lattice='hexagonal')"
    assert "<div" in TopographicMap(3, 3).fit(X)._repr_html_()


if parse_version("1.9") > SKLEARN:

    def test_callbacks_need_a_newer_scikit_learn(X):
        with pytest.raises(NotImplementedError, match=r"scikit-learn 1\.9 or newer; this is"):
            TopographicMap().set_callbacks(object())

else:
    from sklearn.callback import ProgressBar

    class Recorder:
        """A callback that writes down what it is told."""

        def __init__(self, stop_after=None):
            self.events = []
            self.scores = []
            self.stop_after = stop_after

        def setup(self, estimator, context):
            self.events.append("setup")

        def teardown(self, estimator, context):
            self.events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.events.append(f"begin {context.task_name}")

        def on_fit_task_end(self, estimator, context, *, X, metadata, fitted_estimator):
            self.events.append(f"end {context.task_name}")
            self.metadata = metadata
            self.scores.append(fitted_estimator.score(X))
            return self.stop_after is not None and len(self.scores) >= self.stop_after

    def test_callbacks_see_every_epoch_and_a_usable_map(X):
        recorder = Recorder()
        som = TopographicMap(4, 4, max_iter=6, init="random", random_state=0).set_callbacks(recorder).fit(X)
        epochs = [event for _ in range(som.n_iter_) for event in ("begin epoch", "end epoch")]
        assert recorder.events == ["setup", "begin fit", *epochs, "end fit", "teardown"]
        assert recorder.scores[0] < recorder.scores[-1] == som.score(X)

    def test_callbacks_are_told_the_weights(X):
        recorder, weight = Recorder(), np.arange(len(X)) + 1.0
        TopographicMap(4, 4, max_iter=2).set_callbacks(recorder).fit(X, sample_weight=weight)
        assert recorder.metadata == {"sample_weight": weight}
        TopographicMap(4, 4, max_iter=2).set_callbacks(recorder).fit(X)
        assert recorder.metadata is None

    def test_a_callback_can_stop_training(X):
        recorder = Recorder(stop_after=2)
        som = TopographicMap(4, 4).set_callbacks(recorder).fit(X)
        assert som.n_iter_ == 2
        assert recorder.events[-1] == "teardown"

    @pytest.mark.parametrize("place", ["bare", "pipeline", "search"])
    def test_the_progress_bar_shows(X, place, capsys):
        som = TopographicMap(3, 3, max_iter=3)
        model = {
            "bare": som,
            "pipeline": make_pipeline(StandardScaler(), som),
            "search": GridSearchCV(som, {"height": [2, 3]}, cv=2),
        }[place]
        model.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X)
        assert "TopographicMap" in capsys.readouterr().out


def test_the_global_output_setting_is_respected(X):
    set_config(transform_output="pandas")
    try:
        assert isinstance(TopographicMap(2, 2).fit_transform(X), pd.DataFrame)
    finally:
        set_config(transform_output="default")
