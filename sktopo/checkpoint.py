"""Long fits that can be resumed: the callback that asks for it (`_journal` keeps the state)."""

import os
from typing import Any

from sktopo._options import check_size

__all__ = ["Checkpoint"]

# What scikit-learn's copy of an estimator has, and a map that goes on by itself has not: its `partial_fit` would end
# the callbacks of the run once more.
OF_AN_EARLIER_FIT = ("labels_", "quantization_error_")
OF_THE_RUN = ("_callback_fit_ctx", "_parent_callback_ctx", "_skl_callbacks_to_teardown")


class Checkpoint:
    """Callback that makes a long `fit` resumable.

    With ``som.set_callbacks(Checkpoint(path))``, ``som.fit(X)`` on the same data and parameters continues from the file
    if there is one, and starts otherwise. On the same machine the map that comes out is that of an undisturbed fit, to
    the bit. The file is replaced atomically and removed on success. It belongs to one fit: set none in a search, whose
    fits would share it.

    Parameters
    ----------
    path : path-like
        The file.
    every : int, default=1
        Epochs (solver="stream": annealing stages) from one write to the next.

    Attributes
    ----------
    latest : TopographicMap or None
        The map as it was when an epoch (stage) last ended. After Ctrl-C it holds what had been learned, and is ready
        for `predict`, `transform`, `save` and `partial_fit` (which goes on at its `sigma_`); `labels_` and
        `quantization_error_` are not set.

    Raises
    ------
    ValueError
        If `every` is not an int of at least 1; in `fit`, if the file belongs to other data or parameters, or is not
        whole.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import Checkpoint, TopographicMap
    >>> X, _ = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(pathlib.Path(folder) / "fit.checkpoint", every=5)
    ...     som = TopographicMap(5, 5).set_callbacks(checkpoint).fit(X)
    ...     list(pathlib.Path(folder).iterdir())
    []
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        self.path = path
        self.every = check_size("every", every)
        self.latest: Any = None

    def setup(self, estimator: Any, context: Any) -> None:  # noqa: ARG002
        """Hook of scikit-learn's protocol.

        Parameters
        ----------
        estimator : TopographicMap
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            The task.

        Raises
        ------
        ValueError
            If it is no map, such as a Pipeline: its steps would not know of the checkpoint.
        """
        if not hasattr(estimator, "to_layer"):
            raise ValueError(
                f"A Checkpoint keeps the state of a map, not of a {type(estimator).__name__}: "
                "give it to the map inside, TopographicMap(...).set_callbacks(checkpoint)."
            )

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Hook of scikit-learn's protocol that does nothing: the run itself keeps its state.

        Parameters
        ----------
        estimator : TopographicMap
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            The task.
        """

    teardown = on_fit_task_begin

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:  # noqa: ARG002
        """Hook of scikit-learn's protocol.

        Parameters
        ----------
        estimator : TopographicMap
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            The task.
        fitted_estimator : TopographicMap
            A copy that is fitted as far as the run has come.

        Returns
        -------
        bool
            False: a checkpoint never stops a run.
        """
        for name in (*OF_AN_EARLIER_FIT, *OF_THE_RUN):
            vars(fitted_estimator).pop(name, None)
        self.latest = fitted_estimator
        return False
