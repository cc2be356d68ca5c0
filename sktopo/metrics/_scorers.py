"""Measures as scorers for scikit-learn's searches: callables of an estimator and held-out samples, higher is better."""

from typing import Any

from numpy.typing import ArrayLike

from sktopo.metrics._combined import combined_error
from sktopo.metrics._errors import quantization_error, topographic_error
from sktopo.metrics._ranks import continuity, trustworthiness


def neg_quantization_error_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:  # noqa: ARG001
    """Minus the quantization error; larger maps and narrower neighborhoods almost always win by it.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples.
    y : object, default=None
        Ignored.

    Returns
    -------
    float
        Not above 0.

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
    return -quantization_error(estimator, X)


def neg_topographic_error_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:  # noqa: ARG001
    """Minus the topographic error; smooth maps of a wide neighborhood win by it.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples.
    y : object, default=None
        Ignored.

    Returns
    -------
    float
        Between -1 and 0.

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
    return -topographic_error(estimator, X)


def neg_combined_error_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:  # noqa: ARG001
    """Minus the combined error, which penalizes accuracy that is gained by folding.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A fitted map, or a fitted Pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Samples.
    y : object, default=None
        Ignored.

    Returns
    -------
    float
        Not above 0.

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
    return -combined_error(estimator, X)


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
