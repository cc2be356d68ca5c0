"""Picture of the training."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sktopo._namespaces import as_numpy
from sktopo._pipelines import last_step
from sktopo.plotting._drawing import figure_and_axes
from sktopo.plotting._palette import OKABE_ITO
from sktopo.solvers import SOLVERS


class TrainingCurveDisplay:
    """The training loss of each epoch, of each annealing stage of a stream, or of each call of `partial_fit`.

    It is the distortion, for ``winner="local"`` the local error, at a temperature above 0 twice the free energy.

    While sigma shrinks the loss itself changes: the curve shows whether training has come to rest, not how good the map
    is. Losses that are not finite are left out, and the title counts them. What `partial_fit` adds after a `fit` is one
    value a call. Use `from_estimator` to make one.

    Parameters
    ----------
    loss_curve : array of shape (n,)
        From `TopographicMap.loss_curve_`.
    epoch_name : str, default="epoch"
        What one value stands for; for a stream it is an annealing stage, for `partial_fit` a call.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the curve.
    figure_ : matplotlib Figure
        Containing it.
    line_ : matplotlib Line2D
        The curve.

    See Also
    --------
    sktopo.metrics.distortion : For ``winner="nearest"`` the same loss, of other samples.

    References
    ----------
    T. Kohonen, "Essentials of the self-organizing map", Neural Networks 37, 2013.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.plotting import TrainingCurveDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> display = TrainingCurveDisplay.from_estimator(TopographicMap(6, 8).fit(X))
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    def __init__(self, loss_curve: NDArray[Any], *, epoch_name: str = "epoch") -> None:
        self.loss_curve = loss_curve
        self.epoch_name = epoch_name

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the training loss of a fitted map.

        Parameters
        ----------
        estimator : TopographicMap, Pipeline or search
            A fitted map, or a fitted Pipeline or search that ends in one.
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.

        Returns
        -------
        TrainingCurveDisplay
            The display that has been drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        """
        map = last_step(estimator)
        check_is_fitted(map)
        return cls(as_numpy(map.loss_curve_), epoch_name=_epoch_name(map)).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.

        Returns
        -------
        TrainingCurveDisplay
            The display itself.
        """
        self.figure_, self.ax_ = figure_and_axes(ax)
        epochs = np.arange(1, len(self.loss_curve) + 1)
        (self.line_,) = self.ax_.plot(epochs, self.loss_curve, color=OKABE_ITO[0], marker=".")
        n_lost = int((~np.isfinite(self.loss_curve)).sum())
        title = f"Training ({n_lost} of {len(epochs)} losses are not finite)" if n_lost else "Training"
        self.ax_.set(title=title, xlabel=self.epoch_name, ylabel="training loss\n(squared units of the data)")
        self.ax_.set_ylim(bottom=min(0.0, self.ax_.get_ylim()[0]))
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.spines[["top", "right"]].set_visible(False)
        return self


def _epoch_name(map: Any) -> str:
    """What one loss of a fitted map stands for."""
    # fit leaves an infinite weight, for its annealing is over
    return SOLVERS[map.solver_].epoch_name if math.isinf(map.weight_seen_) else "call of partial_fit"
