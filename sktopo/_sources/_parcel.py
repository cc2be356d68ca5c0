"""What travels with the tasks of dask, from one worker to the next."""

import pickle
from threading import Lock
from typing import Any


class Parcel:
    """Anything, the bytes of which stay as they were when it was sent.

    A worker may send on to another what its own tasks are using at that time. If a task fills a cache of it meanwhile,
    pickling fails, an error that dask never recovers from: the other worker waits for it, and everybody for that one.

    Parameters
    ----------
    content : object, optional
        What is sent, where it is at hand.
    packed : bytes, optional
        The same as it has arrived.
    """

    def __init__(self, content: Any = None, packed: bytes | None = None) -> None:
        self._content = content
        self._packed = packed
        self._lock = Lock()

    def __reduce__(self) -> tuple[type["Parcel"], tuple[None, bytes]]:
        if self._packed is not None:
            return Parcel, (None, self._packed)
        import cloudpickle  # comes with dask; steps are closures

        return Parcel, (None, cloudpickle.dumps(self._content))

    def open(self) -> Any:
        """The content, one for all tasks of a worker."""
        with self._lock:
            if self._content is None and self._packed is not None:
                self._content = pickle.loads(self._packed)
            return self._content
