"""Measures as scorers for scikit-learn's searches: callables of an estimator and held-out samples, higher is better."""

from collections.abc import Callable
from functools import update_wrapper
from inspect import signature
from typing import Any

from numpy.typing import ArrayLike
from sklearn.utils.metadata_routing import MetadataRequest

from sktopo.metrics._combined import combined_error
from sktopo.metrics._errors import quantization_error, topographic_error
from sktopo.metrics._ranks import continuity, trustworthiness


class Scorer:
    """A function of an estimator and samples that tells scikit-learn whether it takes sample weights.

    Parameters
    ----------
    function : callable
        ``function(estimator, X, y)``, perhaps with `sample_weight`.
    request : bool, str or None, default=None
        Whether weights are requested under metadata routing, or under which name.
    """

    def __init__(self, function: Callable[..., float], request: bool | str | None = None) -> None:
        update_wrapper(self, function)
        self._function = function
        self._request = request

    def __call__(self, estimator: Any, X: ArrayLike, y: Any = None, **weights: Any) -> float:
        """The score of an estimator for samples."""
        return self._function(estimator, X, y, **weights)

    def __repr__(self) -> str:
        """Its name, as a search shows it, and what it requests."""
        request = "" if self._request is None else f".set_score_request(sample_weight={self._request!r})"
        return self._function.__name__ + request

    def set_score_request(self, *, sample_weight: bool | str | None) -> "Scorer":
        """The same scorer with a request for weights under metadata routing."""
        return Scorer(self._function, sample_weight)

    def get_metadata_routing(self) -> MetadataRequest:
        """What scikit-learn asks under metadata routing."""
        routing = MetadataRequest(owner=self._function.__name__)
        if self._accept_sample_weight():
            routing.score.add_request(param="sample_weight", alias=self._request)
        return routing

    def _accept_sample_weight(self) -> bool:
        """What scikit-learn asks without metadata routing."""
        return "sample_weight" in signature(self._function).parameters

    def __reduce__(self) -> tuple[Any, ...]:
        """By name: the function that this wraps is found under no other."""
        return _named, (self._function.__name__, self._request)


def _named(name: str, request: bool | str | None) -> Scorer:
    scorer: Scorer = globals()[name]
    return scorer if request is None else scorer.set_score_request(sample_weight=request)


@Scorer
def neg_quantization_error_scorer(
    estimator: Any,
    X: ArrayLike,
    y: Any = None,  # noqa: ARG001
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Minus the quantization error; larger maps and narrower neighborhoods almost always win by it.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples.
    y : object, default=None
        Ignored.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float
        Not above 0.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X or the weights are not usable.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import neg_quantization_error_scorer
    >>> X, _ = load_iris(return_X_y=True)
    >>> search = GridSearchCV(TopographicMap(4, 4), {"width": [2, 4]}, scoring=neg_quantization_error_scorer)
    >>> search.fit(X).best_params_
    {'width': 4}
    """
    return -quantization_error(estimator, X, sample_weight=sample_weight)


@Scorer
def neg_topographic_error_scorer(
    estimator: Any,
    X: ArrayLike,
    y: Any = None,  # noqa: ARG001
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Minus the topographic error; smooth maps of a wide neighborhood win by it.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples.
    y : object, default=None
        Ignored.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float
        Between -1 and 0.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X or the weights are not usable.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import neg_topographic_error_scorer
    >>> X, _ = load_iris(return_X_y=True)
    >>> search = GridSearchCV(TopographicMap(8, 8), {"sigma_final": [0.3, 2]}, scoring=neg_topographic_error_scorer)
    >>> search.fit(X).best_params_
    {'sigma_final': 2}
    """
    return -topographic_error(estimator, X, sample_weight=sample_weight)


@Scorer
def neg_combined_error_scorer(
    estimator: Any,
    X: ArrayLike,
    y: Any = None,  # noqa: ARG001
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Minus the combined error, which penalizes accuracy that is gained by folding.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples.
    y : object, default=None
        Ignored.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float
        Not above 0.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X or the weights are not usable.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import combined_error, neg_combined_error_scorer
    >>> X, _ = load_iris(return_X_y=True)
    >>> som = TopographicMap(4, 4).fit(X)
    >>> neg_combined_error_scorer(som, X) == -combined_error(som, X)
    True
    """
    return -combined_error(estimator, X, sample_weight=sample_weight)


@Scorer
def trustworthiness_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:  # noqa: ARG001
    """Trustworthiness with 5 neighbors; of more than 5000 samples the same 5000 are compared at every call.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples, more than 10.
    y : object, default=None
        Ignored.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X is not usable, or has too few samples.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import trustworthiness, trustworthiness_scorer
    >>> X, _ = load_iris(return_X_y=True)
    >>> som = TopographicMap(4, 4).fit(X)
    >>> trustworthiness_scorer(som, X) == trustworthiness(som, X)
    True
    """
    return trustworthiness(estimator, X, random_state=0)


@Scorer
def continuity_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:  # noqa: ARG001
    """Continuity with 5 neighbors; of more than 5000 samples the same 5000 are compared at every call.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples, more than 10.
    y : object, default=None
        Ignored.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the map is not fitted.
    ValueError
        If X is not usable, or has too few samples.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.metrics import continuity, continuity_scorer
    >>> X, _ = load_iris(return_X_y=True)
    >>> som = TopographicMap(4, 4).fit(X)
    >>> continuity_scorer(som, X) == continuity(som, X)
    True
    """
    return continuity(estimator, X, random_state=0)
