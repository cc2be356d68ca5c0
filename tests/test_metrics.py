import pickle

import numpy as np
import pytest
import sklearn
from minisom import MiniSom
from oracles import (
    distance,
    distances,
    lattice_distances,
    neighborhood_matrix,
    neighbors_kept,
    neighbors_of,
    shortest_paths,
    unit_distances,
)
from oracles import topographic_product as looped_topographic_product
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.inspection import permutation_importance
from sklearn.manifold import trustworthiness as sklearns_trustworthiness
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.lattices import RectangularLattice
from sktopo.metrics import (
    combined_error,
    continuity,
    distortion,
    explained_variance,
    hit_entropy,
    neg_combined_error_scorer,
    neg_quantization_error_scorer,
    neg_topographic_error_scorer,
    quantization_error,
    topographic_error,
    topographic_product,
    trustworthiness,
    trustworthiness_scorer,
)

MEASURES = (
    quantization_error,
    topographic_error,
    distortion,
    explained_variance,
    combined_error,
    trustworthiness,
    continuity,
    hit_entropy,
)
WEIGHTED = (quantization_error, topographic_error, distortion, explained_variance, combined_error, hit_entropy)
SHAPES = [
    ("rectangular", False, None),
    ("rectangular", True, 4),
    ("hexagonal", False, None),
    ("hexagonal", True, 6),
]


def with_minisoms_codebook(X, lattice, height, width):
    """A MiniSom and a map of ours that hold the same codebook."""
    # MiniSom's first index is our column. It moves every other row, counted from the last, half a unit to the left:
    # with an even number of rows these are ours mirrored
    rival = MiniSom(width, height, X.shape[1], topology=lattice, random_seed=0, sigma=1.5)
    rival.train(X, 300)
    som = TopographicMap(height, width, lattice=lattice, sigma_final=1.5, max_iter=1).fit(X)
    weights = rival.get_weights()
    mirrored = lattice == "hexagonal" and height % 2 == 0
    som.codebook_ = (weights[::-1] if mirrored else weights).transpose(1, 0, 2).reshape(height * width, -1).copy()
    return rival, som


@pytest.mark.parametrize("size", [2.0**1018, 2.0**530, 2.0**-600])
def test_dimensionless_measures_ignore_the_scale(size, iris):
    X = iris[0]
    som, large = (TopographicMap(4, 4).fit(scale * X) for scale in (1.0, size))
    for measure in (trustworthiness, continuity, explained_variance, topographic_error, hit_entropy):
        assert measure(large, size * X) == pytest.approx(measure(som, X), abs=1e-9)
    assert topographic_product(large) == pytest.approx(topographic_product(som), abs=1e-9)


@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
@pytest.mark.parametrize(("height", "width"), [(7, 9), (6, 5)])
def test_errors_are_minisoms(digits, lattice, height, width):
    X = digits[0]
    rival, som = with_minisoms_codebook(X, lattice, height, width)
    assert quantization_error(som, X) == pytest.approx(rival.quantization_error(X), rel=1e-12)
    assert topographic_error(som, X) == pytest.approx(rival.topographic_error(X), abs=1e-12)
    assert 0 < topographic_error(som, X) < 1


@pytest.mark.parametrize("lattice", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("height", [7, 6])
def test_distortion_is_minisoms(iris, lattice, height):
    X = iris[0]
    rival, som = with_minisoms_codebook(X, lattice, height, 5)
    # MiniSom sums over samples, and weighs distances instead of their squares: its own winners and neighborhood do
    expected = np.mean(
        [(rival.neighborhood(rival.winner(x), 1.5) * ((x - rival.get_weights()) ** 2).sum(axis=2)).sum() for x in X]
    )
    assert distortion(som, X) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("lattice", "periodic", "neighbors", "order"),
    [
        ("rectangular", False, 8, np.inf),
        ("rectangular", False, 4, 1),
        ("rectangular", True, 8, np.inf),
        ("rectangular", True, 4, 1),
        ("hexagonal", False, 6, 2),
        ("hexagonal", True, 6, 2),
    ],
)
def test_topographic_error_equals_the_loop(digits, lattice, periodic, neighbors, order):
    X = digits[0][:300]
    som = TopographicMap(6, 5, lattice=lattice, periodic=periodic, sigma_final=0.3).fit(X)
    apart = lattice_distances(6, 5, lattice == "hexagonal", periodic, order)
    best = distances(X, som.codebook_, 2).argsort(axis=1)[:, :2]
    folded = apart[best[:, 0], best[:, 1]] > 1.001
    weight = np.arange(300.0)
    assert topographic_error(som, X, neighbors=neighbors) == pytest.approx(folded.mean(), rel=1e-12)
    assert topographic_error(som, X, neighbors=neighbors, sample_weight=weight) == pytest.approx(
        np.average(folded, weights=weight), rel=1e-12
    )
    assert 0 < folded.mean() < 1


def test_weighted_quantization_error_equals_the_loop(iris, p_norm):
    X = iris[0]
    som = TopographicMap(4, 4, p_norm=p_norm).fit(X)
    weight = np.linspace(0, 3, len(X))
    nearest = distances(X, som.codebook_, p_norm).min(axis=1)
    expected = np.average(nearest, weights=weight)
    assert quantization_error(som, X, sample_weight=weight) == pytest.approx(expected, rel=1e-12)
    assert som.score(X, sample_weight=weight) == pytest.approx(-expected, rel=1e-12)
    np.testing.assert_allclose(som.score_samples(X), -nearest, rtol=1e-12)


def test_a_pipeline_is_accepted(iris):
    X = iris[0]
    model = make_pipeline(StandardScaler(), TopographicMap(4, 4)).fit(X)
    scaled = model[0].transform(X)
    for measure in MEASURES:
        assert measure(model, X) == measure(model[-1], scaled)
        assert measure(make_pipeline(model), X) == measure(model, X)
    assert topographic_product(model) == topographic_product(model[-1])
    alone = make_pipeline(TopographicMap(4, 4)).fit(X)
    assert quantization_error(alone, X) == -alone.score(X)


def test_a_map_of_one_unit_has_no_topographic_error(iris):
    assert topographic_error(TopographicMap(1, 1).fit(iris[0]), iris[0]) == 0


@pytest.mark.parametrize(("lattice", "neighbors"), [("hexagonal", 4), ("hexagonal", 8), ("rectangular", 6)])
def test_unknown_neighbors_are_refused(iris, lattice, neighbors):
    som = TopographicMap(3, 3, lattice=lattice).fit(iris[0])
    with pytest.raises(ValueError, match=f"neighbors={neighbors}"):
        topographic_error(som, iris[0], neighbors=neighbors)


def test_distortion_equals_the_loop(iris, neighborhood, p_norm, lattice):
    X = iris[0]
    options = {"lattice": lattice.name, "periodic": lattice.periodic, "neighborhood": neighborhood, "p_norm": p_norm}
    som = TopographicMap(lattice.height, lattice.width, sigma_final=1.2, max_iter=2, **options).fit(X)
    H = neighborhood_matrix(neighborhood, unit_distances(lattice), som.sigma_)
    apart = distances(X, som.codebook_, p_norm)
    energy = [h @ d**2 for h, d in zip(H[apart.argmin(axis=1)], apart, strict=True)]
    weight = np.linspace(0, 3, len(X))
    assert distortion(som, X) == pytest.approx(np.mean(energy), rel=1e-9)
    assert distortion(som, X, sample_weight=weight) == pytest.approx(np.average(energy, weights=weight), rel=1e-9)


def test_distortion_of_close_prototypes_beside_a_far_one_keeps_its_digits(rng):
    X = 1e3 + 1e-3 * rng.normal(size=(200, 4))
    som = TopographicMap(5, 4, max_iter=3).fit(X)
    som.codebook_[0] += 1e6
    som.sigma_ = 0.2
    H = neighborhood_matrix("gaussian", unit_distances(RectangularLattice(5, 4)), 0.2)
    apart = distances(X, som.codebook_, 2)
    best = apart.argmin(axis=1)
    weight = (H[best, 0] < 1e-40).astype(float)  # samples for which the far one counts nothing
    assert weight.sum() > 100
    energy = (H[best] * apart**2).sum(axis=1)
    assert distortion(som, X, sample_weight=weight) == pytest.approx(np.average(energy, weights=weight), rel=1e-9)


def test_explained_variance_equals_the_loop(iris, p_norm):
    X = iris[0] + 1e4
    som = TopographicMap(4, 4, p_norm=p_norm).fit(X)
    weight = np.linspace(0, 3, len(X))
    mean = np.average(X, axis=0, weights=weight)
    unexplained = sum(a * d**2 for a, d in zip(weight, distances(X, som.codebook_, p_norm).min(axis=1), strict=True))
    spread = sum(a * distance(x, mean, p_norm) ** 2 for a, x in zip(weight, X, strict=True))
    assert explained_variance(som, X, sample_weight=weight) == pytest.approx(1 - unexplained / spread, rel=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
def test_sparse_rows_of_nothing_but_zeros_are_dense_ones(iris, measure):
    som = TopographicMap(3, 3).fit(iris[0])
    assert measure(som, csr_array((20, 4))) == measure(som, np.zeros((20, 4)))


def test_samples_without_spread_are_explained_or_not(iris):
    som = TopographicMap(3, 3).fit(iris[0])
    assert explained_variance(som, np.repeat(som.codebook_[:1], 3, axis=0)) == 1
    assert explained_variance(som, np.full((3, 4), 2.5)) == 0


@pytest.mark.parametrize("value", [0.1, 0.3, 1e-3, 1 / 3, 7.7, -1e9 / 3])
@pytest.mark.parametrize("n", [10, 5003])
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_the_rounding_of_a_mean_is_no_spread(value, n, weight):
    X = np.full((n, 2), value)
    som = TopographicMap(2, 2, max_iter=1, solver="batch").fit(np.concatenate([X, X + 1]))
    assert explained_variance(som, X, sample_weight=np.full(n, weight)) == 0
    assert explained_variance(som, X.astype(np.float32), sample_weight=np.full(n, weight)) == 0


def test_a_feature_that_no_sample_has_is_no_spread(iris):
    som = TopographicMap(2, 2, max_iter=1).fit(iris[0])
    X = np.full((30, 4), 0.1)
    X[:, 2] = np.nan
    assert explained_variance(som, X) == 0


@pytest.mark.parametrize(("lattice", "periodic", "neighbors"), SHAPES)
@pytest.mark.parametrize("p", [1.0, 2.0, np.inf])
def test_combined_error_equals_the_loop(digits, lattice, periodic, neighbors, p):
    X = digits[0][:300]
    options = {"lattice": lattice, "periodic": periodic, "p_norm": p}
    som = TopographicMap(6, 5, sigma_final=0.3, **options).fit(X)
    som.codebook_[7] = som.codebook_[8]  # an edge may have length 0
    ways = shortest_paths(som.codebook_, neighbors_of(6, 5, lattice == "hexagonal", periodic, neighbors), p)
    apart = distances(X, som.codebook_, p)
    best, second = apart.argsort(axis=1, kind="stable")[:, :2].T
    errors = apart.min(axis=1) + ways[best, second]
    weight = np.arange(300.0)
    assert combined_error(som, X, neighbors=neighbors) == pytest.approx(errors.mean(), rel=1e-9)
    assert combined_error(som, X, neighbors=neighbors, sample_weight=weight) == pytest.approx(
        np.average(errors, weights=weight), rel=1e-9
    )


def test_topographic_product_equals_the_loop(digits, arrangement):
    som = TopographicMap(6, 5, **arrangement, sigma_final=0.3).fit(digits[0][:300])
    apart = lattice_distances(6, 5, arrangement["lattice"] == "hexagonal", arrangement["periodic"])
    expected = looped_topographic_product(som.codebook_, apart, 2)
    assert topographic_product(som) == pytest.approx(expected, rel=1e-9)


def test_topographic_product_of_a_perfect_map_is_zero():
    som = TopographicMap(1, 9).fit(np.arange(9.0)[:, None])
    som.codebook_ = np.arange(9.0)[:, None]
    assert topographic_product(som) == pytest.approx(0, abs=1e-12)
    assert topographic_product(TopographicMap(1, 1).fit(np.arange(9.0)[:, None])) == 0


def test_topographic_product_needs_different_prototypes(iris):
    som = TopographicMap(3, 3).fit(iris[0])
    som.codebook_[5] = som.codebook_[2]
    with pytest.raises(ValueError, match="units 2 and 5 are equal"):
        topographic_product(som)


@pytest.mark.parametrize(("scale", "offset"), [(1, 1e6), (1, -1e9), (1e-3, 1e4), (1e290, 1e300), (1e305, 1e308)])
def test_topographic_product_does_not_depend_on_where_the_data_are(digits, scale, offset):
    som = TopographicMap(6, 5).fit(digits[0][:300])
    expected = topographic_product(som)
    som.codebook_ = som.codebook_ * scale + offset
    assert topographic_product(som) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("p", "far"), [(1, 1e12), (2, 1e12), (2, 1e200), (7, 1e50), (np.inf, 1e200)])
def test_a_prototype_far_away_leaves_the_others_their_order(rng, p, far):
    W = rng.normal(size=(12, 3))
    som = TopographicMap(3, 4, p_norm=p, max_iter=1).fit(rng.normal(size=(50, 3)))
    products = []
    for factor in (1e4, 1e5, far):
        som.codebook_ = W.copy()
        som.codebook_[5] *= factor
        products.append(topographic_product(som))
    growth = np.diff(products) / np.diff(np.log10([1e4, 1e5, far]))  # once it is the farthest its logarithm counts
    assert growth[1] == pytest.approx(growth[0], rel=1e-3)


def test_prototypes_that_nearly_meet_have_a_topographic_product():
    som = TopographicMap(2, 3).fit(np.arange(12.0).reshape(6, 2))
    som.codebook_ = np.arange(12.0).reshape(6, 2)
    som.codebook_[5] = som.codebook_[2] + 1e-11
    assert np.isfinite(topographic_product(som))
    som.codebook_[0] = som.codebook_[2]
    with pytest.raises(ValueError, match="units 0 and 2 are equal"):
        topographic_product(som)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_trustworthiness_and_continuity_equal_the_loop(iris, arrangement, k):
    X = (10 * iris[0][::3]).round()  # whole numbers: repeated rows, and ties that are exact
    som = TopographicMap(4, 5, **arrangement).fit(X)
    bmu = som.predict(X)
    apart = lattice_distances(4, 5, arrangement["lattice"] == "hexagonal", arrangement["periodic"])
    on_map = apart.round(9)[bmu][:, bmu]
    in_data = distances(X, X, 2)
    assert trustworthiness(som, X, k) == pytest.approx(neighbors_kept(on_map, in_data, k), rel=1e-9)
    assert continuity(som, X, k) == pytest.approx(neighbors_kept(in_data, on_map, k), rel=1e-9)


def test_trustworthiness_is_scikit_learns_where_nothing_ties(rng):
    places = np.array([1, 2, 4, 8, 13, 21, 31, 45, 66, 81, 97, 123, 148, 182])  # no two differences are equal
    X = rng.normal(size=(14, 3))
    som = TopographicMap(1, 200, max_iter=1).fit(X)
    som.codebook_[:] = 1e3
    som.codebook_[places] = X
    for k in (1, 3, 6):
        expected = sklearns_trustworthiness(X, places[:, None], n_neighbors=k)
        assert trustworthiness(som, X, k) == pytest.approx(expected, rel=1e-12)
        expected = sklearns_trustworthiness(places[:, None], X, n_neighbors=k)
        assert continuity(som, X, k) == pytest.approx(expected, rel=1e-12)


def test_ranks_do_not_depend_on_the_order_of_the_samples(digits, rng):
    X = digits[0][:400]
    som = TopographicMap(5, 5).fit(X)
    other = X[rng.permutation(400)]
    for measure in (trustworthiness, continuity):
        assert measure(som, other) == pytest.approx(measure(som, X), rel=1e-12)


@pytest.mark.parametrize(("p", "far"), [(1, 1e200), (2, 1e200), (7, 1e50), (np.inf, 1e200)])
def test_a_row_far_away_leaves_the_others_their_ranks(iris, p, far):
    X = iris[0] - iris[0].mean(axis=0)
    som = TopographicMap(4, 4, p_norm=p).fit(X)
    remote = X.copy()
    remote[0] *= 1e3
    for measure in (trustworthiness, continuity):
        expected = measure(som, remote)
        # seen from so far, all others are as far
        assert measure(som, np.concatenate([X[:1] * far, X[1:]])) == pytest.approx(expected, abs=0.01)


def test_ranks_of_a_sample_of_the_rows(digits):
    X = digits[0][:900]
    som = TopographicMap(5, 5).fit(X)
    for measure in (trustworthiness, continuity):
        some, again, other = (measure(som, X, max_samples=500, random_state=seed) for seed in (0, 0, 1))
        assert some == again != other
        assert some == pytest.approx(measure(som, X), abs=0.03)


@pytest.mark.parametrize(
    ("k", "message"), [(0, "an int of at least 1"), (2.0, "an int of at least 1"), (5, "less than half the 10 samples")]
)
def test_too_few_or_too_many_neighbors_are_refused(iris, k, message):
    som = TopographicMap(3, 3).fit(iris[0])
    for measure in (trustworthiness, continuity):
        with pytest.raises(ValueError, match=f"n_neighbors must be {message}.* got {k}"):
            measure(som, iris[0][:10], k)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True])
def test_a_number_of_samples_is_a_number(iris, wrong):
    som = TopographicMap(3, 3).fit(iris[0])
    for measure in (trustworthiness, continuity):
        with pytest.raises(ValueError, match="max_samples must be an int of at least 1"):
            measure(som, iris[0], max_samples=wrong)


@pytest.mark.parametrize("measure", WEIGHTED)
def test_a_row_without_weight_may_be_anywhere(iris, measure):
    X, weight = np.vstack([iris[0], np.full((1, 4), 1.7e308)]), np.append(np.ones(150), 0)
    som = TopographicMap(4, 4).fit(iris[0])
    assert measure(som, X, sample_weight=weight) == pytest.approx(measure(som, iris[0]), rel=1e-12)


@pytest.mark.parametrize("measure", WEIGHTED)
def test_huge_weights_weigh_alike(iris, measure):
    som = TopographicMap(4, 4).fit(iris[0])
    assert measure(som, iris[0], sample_weight=np.full(150, 1e304)) == pytest.approx(measure(som, iris[0]), rel=1e-12)


def test_hit_entropy_equals_the_loop(iris):
    X = iris[0]
    som = TopographicMap(4, 4).fit(X)
    weight = np.linspace(0, 3, len(X))
    share = [weight[som.labels_ == unit].sum() / weight.sum() for unit in range(16)]
    expected = -sum(p * np.log(p) for p in share if p > 0) / np.log(16)
    assert hit_entropy(som, X, sample_weight=weight) == pytest.approx(expected, rel=1e-12)
    assert hit_entropy(som, som.codebook_) == pytest.approx(1)
    assert hit_entropy(som, X[:1]) == 0
    assert hit_entropy(TopographicMap(1, 1).fit(X), X) == 1


@pytest.mark.parametrize("measure", WEIGHTED)
def test_integer_weights_equal_repeated_rows(iris, rng, measure):
    X = iris[0]
    som = TopographicMap(4, 4).fit(X)
    weight = rng.integers(0, 4, len(X))
    expected = measure(som, np.repeat(X, weight, axis=0))
    assert measure(som, X, sample_weight=weight) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("measure", WEIGHTED)
def test_measures_do_not_depend_on_chunks(digits, rng, measure):
    X = np.repeat(digits[0], 12, axis=0)  # more than one chunk
    som = TopographicMap(6, 6).fit(digits[0])
    assert measure(som, X[rng.permutation(len(X))]) == pytest.approx(measure(som, digits[0]), rel=1e-12)


SCORERS = {
    "quantization": neg_quantization_error_scorer,
    "topography": neg_topographic_error_scorer,
    "combined": neg_combined_error_scorer,
    "trustworthiness": trustworthiness_scorer,
}


def test_a_dict_of_scorers_tunes_a_map_inside_a_pipeline(iris):
    X = iris[0]
    model = make_pipeline(StandardScaler(), TopographicMap())
    grid = {
        "topographicmap__height": [3, 5],
        "topographicmap__width": [3, 5],
        "topographicmap__sigma_final": [0.5, 1.5],
    }
    search = GridSearchCV(model, grid, scoring=SCORERS, refit="combined", cv=3).fit(X)
    assert np.isfinite([search.cv_results_[f"mean_test_{name}"] for name in SCORERS]).all()
    assert search.best_index_ == search.cv_results_["mean_test_combined"].argmax()
    assert neg_combined_error_scorer(search.best_estimator_, X) == -combined_error(search.best_estimator_, X)


@pytest.mark.parametrize("scorer", SCORERS.values())
def test_a_single_scorer_tunes_a_map_with_and_without_y(iris, scorer):
    X, y = iris
    searches = [GridSearchCV(TopographicMap(4, 4), {"sigma_final": [0.4, 2]}, scoring=scorer, cv=3) for _ in range(2)]
    assert searches[0].fit(X).best_params_ == searches[1].fit(X, None).best_params_
    folds = [(np.flatnonzero(np.arange(150) % 3 != i), np.flatnonzero(np.arange(150) % 3 == i)) for i in range(3)]
    with_y = GridSearchCV(TopographicMap(4, 4), {"sigma_final": [0.4, 2]}, scoring=scorer, cv=folds).fit(X, y)
    first = TopographicMap(4, 4, sigma_final=0.4).fit(X[folds[0][0]])
    assert with_y.cv_results_["split0_test_score"][0] == scorer(first, X[folds[0][1]])


WEIGHTED_SCORERS = (neg_quantization_error_scorer, neg_topographic_error_scorer, neg_combined_error_scorer)


@pytest.mark.parametrize("scorer", WEIGHTED_SCORERS)
@pytest.mark.parametrize("routed", [False, True])
def test_weights_reach_scorers_alone_and_in_a_dict(iris, scorer, routed):
    X, weight = iris[0], np.r_[np.full(50, 100.0), np.ones(100)]
    folds = list(KFold(3, shuffle=True, random_state=0).split(X))
    som = TopographicMap(3, 3, max_iter=5)
    expected = []
    for train, test in folds:
        fitted = clone(som).fit(X[train], sample_weight=weight[train])
        expected.append(scorer(fitted, X[test], sample_weight=weight[test]))
    with sklearn.config_context(enable_metadata_routing=routed):
        if routed:
            som.set_fit_request(sample_weight=True)
            scorer = scorer.set_score_request(sample_weight=True)
        for scoring in (scorer, {"score": scorer}):
            search = GridSearchCV(som, {"width": [3]}, cv=folds, scoring=scoring, refit=False)
            results = search.fit(X, sample_weight=weight).cv_results_
            assert [results[f"split{i}_test_score"][0] for i in range(3)] == pytest.approx(expected, rel=1e-12)


def test_scorers_travel_and_keep_their_requests(iris):
    requesting = neg_quantization_error_scorer.set_score_request(sample_weight="weight")
    assert pickle.loads(pickle.dumps(neg_quantization_error_scorer)) is neg_quantization_error_scorer
    routing = pickle.loads(pickle.dumps(requesting)).get_metadata_routing()
    assert routing.score.requests == {"sample_weight": "weight"}
    assert neg_quantization_error_scorer.get_metadata_routing().score.requests == {"sample_weight": None}
    assert trustworthiness_scorer.get_metadata_routing().score.requests == {}
    assert repr(requesting) == "neg_quantization_error_scorer.set_score_request(sample_weight='weight')"
    assert "scoring=trustworthiness_scorer)" in repr(GridSearchCV(TopographicMap(), {}, scoring=trustworthiness_scorer))
    importance = permutation_importance(
        TopographicMap(3, 3).fit(iris[0]),
        iris[0],
        None,
        scoring=neg_quantization_error_scorer,
        sample_weight=np.ones(150),
        n_repeats=2,
    )
    assert (importance.importances_mean > 0).all()


def test_python_floats_come_back(iris):
    som = TopographicMap(3, 3).fit(iris[0].astype(np.float32))
    assert {type(measure(som, iris[0])) for measure in (*MEASURES, *SCORERS.values())} == {float}
    assert type(topographic_product(som)) is float
    assert type(som.score(iris[0])) is float
    assert type(som.quantization_error_) is float


def test_other_estimators_are_refused(iris):
    with pytest.raises(TypeError, match="a fitted search over either is needed; got an object of type KMeans"):
        quantization_error(KMeans(2, n_init=1, random_state=0).fit(iris[0]), iris[0])


def test_explained_variance_of_unit_rows_with_gaps_equals_the_loop(rng):
    X = rng.normal(size=(200, 5))
    X[::2, 0] = np.nan
    som = TopographicMap(4, 4, normalize=True).fit(X)
    seen = ~np.isnan(X)
    filled = np.where(seen, X, 0)
    rows = filled / np.linalg.norm(filled, axis=1, keepdims=True)
    mean = rows.sum(axis=0) / seen.sum(axis=0)  # not a prototype: it is not scaled
    unexplained = spread = 0.0
    for row, here in zip(rows, seen, strict=True):
        near = [w[here] / np.linalg.norm(w[here]) for w in som.codebook_]
        unexplained += min(((row[here] - w) ** 2).sum() for w in near) * 5 / here.sum()
        spread += ((row[here] - mean[here]) ** 2).sum() * 5 / here.sum()
    assert explained_variance(som, X) == pytest.approx(1 - unexplained / spread, rel=1e-9)


def test_equal_distances_of_unit_rows_are_ties_however_they_round(rng):
    X = np.zeros((200, 60))
    for row in X:
        row[rng.choice(60, 4, replace=False)] = rng.uniform(0.2, 1.2, 4)  # most pairs have no feature in common
    som = TopographicMap(5, 5, normalize=True).fit(X)
    order = rng.permutation(60)
    permuted = TopographicMap(5, 5, normalize=True, init=som.codebook_[:, order], sigma_initial=0.5, max_iter=1)
    permuted.fit(X[:, order]).codebook_ = som.codebook_[:, order]
    for measure in (trustworthiness, continuity):
        expected = measure(som, X)
        assert measure(som, csr_array(X)) == pytest.approx(expected, abs=1e-12)
        assert measure(som, 3.7 * X) == pytest.approx(expected, abs=1e-12)
        assert measure(permuted, X[:, order]) == pytest.approx(expected, abs=1e-12)


def test_topographic_product_does_not_depend_on_the_order_of_the_features(rng):
    W = rng.normal(size=(12, 5))
    W /= np.abs(W).sum(axis=1, keepdims=True)
    som = TopographicMap(4, 3, normalize=True, p_norm=1, init=W, max_iter=1).fit(rng.normal(size=(50, 5)))
    values = []
    for _ in range(6):
        som.codebook_ = W[:, rng.permutation(5)]
        values.append(topographic_product(som))
    assert np.ptp(values) < 1e-12


@pytest.mark.filterwarnings("ignore:temperature=.* is above the critical one")
def test_prototypes_that_have_met_have_no_topographic_product():
    for seed in range(30):
        X = np.repeat(np.random.default_rng(seed).normal(size=(2, 3)), 10, axis=0)
        som = TopographicMap(4, 3, winner="local", temperature=0.05, max_iter=2, solver="batch").fit(X)
        apart = np.linalg.norm(som.codebook_[:, None] - som.codebook_, axis=2)[~np.eye(12, dtype=bool)]
        if apart.min() > 0:
            assert np.isfinite(topographic_product(som))
        else:
            with pytest.raises(ValueError, match="are equal"):
                topographic_product(som)
