"""Whose arrays came in, and so whose go out: scikit-learn's Array API dispatch, by its public protocol.

With ``sklearn.set_config(array_api_dispatch=True)`` fitted attributes and outputs follow X: its library, its device.
Without it, and for lists, frames and sparse matrices, they are NumPy's. Inside sktopo everything is a torch tensor.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
import torch
import torch.utils.dlpack
from numpy.typing import NDArray
from torch import Tensor

from sktopo._sources import is_dask


@dataclass(frozen=True)
class Namespace:
    """A library of arrays and one of its devices.

    Parameters
    ----------
    library : module
        NumPy, torch, or what ``X.__array_namespace__()`` says.
    device : object, optional
        A device of that library; None for NumPy.
    """

    library: Any = np
    device: Any = None

    @classmethod
    def of(cls, X: Any) -> "Namespace":
        """Where results for X belong; NumPy unless dispatch is on and X is an array of another library."""
        if not dispatches() or isinstance(X, np.ndarray | np.generic) or is_dask(X):
            return cls()
        if isinstance(X, Tensor):
            return cls(torch, X.device)
        if hasattr(X, "__array_namespace__"):
            return cls(X.__array_namespace__(), X.device)
        return cls()

    @property
    def is_numpy(self) -> bool:
        """Whether these are plain NumPy arrays."""
        return self.library is np

    def array(self, values: NDArray[Any] | Tensor) -> NDArray[Any]:
        """Values of the same type as an array of this library on this device."""
        if isinstance(values, Tensor):
            values = values.cpu().numpy()
        if self.is_numpy:
            return values
        # a method's result is typed as NumPy's, which it is for most users
        result: NDArray[Any] = self.library.asarray(np.array(values), device=self.device)
        return result

    def hold(self, learned: dict[str, Any]) -> dict[str, Any]:
        """Fitted attributes with their arrays in this library."""
        return {name: self.array(value) if isinstance(value, np.ndarray) else value for name, value in learned.items()}

    def __str__(self) -> str:
        """As an error names it."""
        name: str = self.library.__name__
        return name if self.is_numpy else f"{name} on {self.device}"


def dispatches() -> bool:
    """Whether the user has switched Array API dispatch on."""
    return bool(sklearn.get_config()["array_api_dispatch"])


def as_tensor(values: Any) -> Tensor:
    """A tensor of an array of any library, without a copy where that is possible and safe."""
    if isinstance(values, Tensor):
        return values
    if isinstance(values, np.ndarray):
        return torch.from_numpy(np.array(values))  # a copy, because it may be read-only
    tensor: Tensor = torch.utils.dlpack.from_dlpack(values)
    return tensor


def as_numpy(values: Any) -> NDArray[Any]:
    """A NumPy array of an array of any library, without a copy where that is possible."""
    return values if isinstance(values, np.ndarray) else as_tensor(values).cpu().numpy()


def check_same_namespace(estimator: Any, X: Any, method: str) -> None:
    """Raise ValueError if dispatch is on and X is not where the fitted map is."""
    fitted, given = Namespace.of(estimator.codebook_), Namespace.of(X)
    if dispatches() and fitted != given:
        raise ValueError(
            f"Inputs passed to {type(estimator).__name__}.{method}() must use the same namespace and the same device "
            f"as those passed to fit(): fit got {fitted}, X is {given}. Convert X, or fit on what it is."
        )
