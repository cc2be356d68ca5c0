"""scikit-learn's callbacks, in the versions that have them and in those that have not."""

from collections.abc import Callable
from typing import Any

import sklearn

from sktopo.solvers import State

__all__ = ["CallbackSupportMixin", "CallbackWatcher", "callbacks_of"]

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn 1.6 to 1.8

    class _SilentContext:
        """Stands in for a callback context: a run that nobody listens to."""

        def subcontext(self, **_: Any) -> "_SilentContext":
            return self

        def call_on_fit_task_begin(self, **_: Any) -> "_SilentContext":
            return self

        def call_on_fit_task_end(self, **_: Any) -> bool:
            return False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """The callback interface of scikit-learn 1.9 for versions that have none."""

        def set_callbacks(self, *callbacks: Any) -> None:
            """Callbacks need a newer scikit-learn."""
            raise NotImplementedError(
                f"set_callbacks needs scikit-learn 1.9 or newer; this is {sklearn.__version__}. Upgrade scikit-learn."
            )

        def _init_callback_context(self, **_: Any) -> _SilentContext:
            return _SilentContext()


def callbacks_of(estimator: Any) -> list[Any]:
    """The callbacks that were set on an estimator."""
    return list(getattr(estimator, "_skl_callbacks", []))


class CallbackWatcher:
    """Tells scikit-learn's callbacks how a run gets on: one task for the fit, one for each epoch.

    Before them, `keep` is told of every state that was reached.
    """

    def __init__(
        self,
        estimator: Any,
        samples: tuple[Any, Any, Any],
        learned: Callable[[State], dict[str, Any]],
        keep: Callable[[State], None],
    ) -> None:
        X, y, sample_weight = samples
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._learned = learned
        self._keep = keep
        self.silent = not callbacks_of(estimator)
        self._fit: Any = None
        self._epoch: Any = None

    def begin(self, n_epochs: int) -> None:
        """The fit starts."""
        self._fit = self._arguments["estimator"]._init_callback_context(max_subtasks=n_epochs)
        self._fit.call_on_fit_task_begin(**self._arguments)

    def begin_epoch(self) -> None:
        """An epoch starts."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._arguments)

    def end_epoch(self, state: State) -> bool:
        """An epoch has ended; True if a callback asks to stop."""
        self._keep(state)
        return bool(
            self._epoch.call_on_fit_task_end(**self._arguments, reconstruction_attributes=lambda: self._learned(state))
        )

    def end(self, state: State) -> None:
        """The fit has ended."""
        self._fit.call_on_fit_task_end(**self._arguments, reconstruction_attributes=lambda: self._learned(state))
