"""From what a user has fitted to the map inside: a Pipeline ends in it, and a search has it as its best estimator."""

from typing import Any


def last_step(estimator: Any) -> Any:
    """The map inside, as it is.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A map, a Pipeline that ends in one, or a fitted search over either.

    Returns
    -------
    TopographicMap
        The map itself.

    Raises
    ------
    TypeError
        If it is something else.
    """
    map = estimator
    while hasattr(map, "best_estimator_") or hasattr(map, "steps"):  # a Pipeline may end in a Pipeline
        map = map.best_estimator_ if hasattr(map, "best_estimator_") else map[-1]
    if not hasattr(map, "to_layer"):
        raise TypeError(
            "A TopographicMap, a Pipeline that ends in one, or a fitted search over either is needed; "
            f"got an object of type {type(estimator).__name__}."
        )
    return map


def unwrapped(estimator: Any, X: Any) -> tuple[Any, Any]:
    """The map inside, and X as it arrives there.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A fitted map, a fitted Pipeline that ends in one, or a fitted search over either.
    X : object
        Samples, as the estimator takes them.

    Returns
    -------
    tuple
        The map and what its own methods take.

    Raises
    ------
    TypeError
        If there is no map inside.
    """
    map = last_step(estimator)
    while estimator is not map:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            estimator, X = estimator[-1], (estimator[:-1].transform(X) if len(estimator.steps) > 1 else X)
    return map, X
