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
    map = _opened(estimator)[1]
    if not hasattr(map, "to_layer"):
        is_search = hasattr(map, "refit")
        got = type(map if is_search else estimator).__name__
        reason = ", which has no best_estimator_: fit it, and not with refit=False" if is_search else ""
        raise TypeError(
            "A TopographicMap, a Pipeline that ends in one, or a fitted search over either is needed; "
            f"got an object of type {got}{reason}."
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
    for before in steps_before_the_map(estimator):
        X = before.transform(X)
    return map, X


def names_at_the_map(estimator: Any) -> Any:
    """Names of the features as they reach the map inside.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A fitted map, a fitted Pipeline that ends in one, or a fitted search over either.

    Returns
    -------
    array-like of str, or None
        What the map was told, or what the steps before it say; None if one of them names nothing.

    Raises
    ------
    TypeError
        If there is no map inside.
    """
    map, names = last_step(estimator), None
    for before in steps_before_the_map(estimator):
        try:
            names = before.get_feature_names_out(names)
        except (AttributeError, ValueError):  # a step that names nothing, or for which these are no names
            names = None
    return getattr(map, "feature_names_in_", names)


def steps_before_the_map(estimator: Any) -> list[Any]:
    """What rows go through on their way to the map inside, Pipeline by Pipeline.

    Parameters
    ----------
    estimator : TopographicMap, Pipeline or search
        A map, a Pipeline that ends in one, or a fitted search over either.

    Returns
    -------
    list of Pipeline
        Of each Pipeline all steps but the last, if there are more.
    """
    return _opened(estimator)[0]


def _opened(estimator: Any) -> tuple[list[Any], Any]:
    """What comes before the innermost estimator, and that estimator."""
    before = []
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):  # a Pipeline may end in a Pipeline
            if len(estimator.steps) > 1:
                before.append(estimator[:-1])
            estimator = estimator[-1]
        else:
            return before, estimator
