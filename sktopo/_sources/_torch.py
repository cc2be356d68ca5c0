"""Torch tensors, where they are."""

from torch import Tensor

from sktopo._sources._array import ArraySource


class TensorSource(ArraySource):
    """Rows of a tensor on any device; chunks are views of it, or copies on the device that computes.

    Parameters
    ----------
    X : Tensor of shape (n, n_features)
        Samples; chunks of float32 stay so, others arrive in float64.
    sample_weight : ndarray of shape (n,), optional
        Weights; None counts every row once.
    device : torch.device
        Where chunks arrive.
    prepare : callable, optional
        Applied to every chunk of samples (normalization).
    rows : int, optional
        Rows a chunk, if fewer than by default; None chooses by the size of the data.
    """

    def take(self, positions: Tensor) -> Tensor:
        """The rows at ascending positions."""
        return self._tensor(self._X[positions.to(self._X.device)])

    def _tensor(self, rows: Tensor) -> Tensor:
        x = rows.contiguous().to(self.device, self.dtype)
        return x if self._prepare is None else self._prepare(x)
