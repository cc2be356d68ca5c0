"""Public calls in a forked child.

A process that is forked from one in which torch has used its threads does not have them, and its first large operation
waits for them for ever (a pool of `multiprocessing` on Linux, a server that forks its workers). There a call goes to a
thread that the child starts itself, and that computes alone.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import sklearn

from sktopo._threads import is_forked, run_alone

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_any_process(call: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A function that runs where it is called, but in a forked child on a thread that the child has started itself."""

    @wraps(call)
    def called(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if not is_forked():
            return call(*args, **kwargs)
        configuration = sklearn.get_config()  # every thread has one of its own

        def configured() -> Result:
            with sklearn.config_context(**configuration):
                return call(*args, **kwargs)

        return run_alone(configured)

    return called
