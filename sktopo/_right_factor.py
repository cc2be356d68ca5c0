"""The right factor of the products that score samples, and the quickest way to multiply by it.

Where a processor of another maker than Intel has AVX-512, oneDNN, which is part of torch, multiplies in half to two
thirds of the time of torch's own BLAS: that is Intel's MKL, which keeps AVX-512 from processors of others
(docs/decisions/0008-onednn.md).
"""

import platform
from functools import cache, cached_property

import torch
from torch import Tensor

from sktopo._device import BLOCK_BYTES
from sktopo._products import scores, slices
from sktopo._threads import scratch

# With fewer features oneDNN gains nothing, and with fewer values too little to pay for the code that it generates.
FEWEST_FEATURES, FEWEST_VALUES = 8, 2**12
# Its calls cost more, so that larger blocks pay: docs/decisions/0008-onednn.md.
LARGE_BLOCK_BYTES = 2 * BLOCK_BYTES


class RightFactor:
    """A right factor that meets many blocks of samples.

    Parameters
    ----------
    values : Tensor of shape (n_features + 1, n_columns)
        Prototypes as columns, ready for `scores`, in as many columns as `padded_units` says if each row of a product
        shall be independent of the others.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def block_bytes(self, *, lasting: bool = True) -> int:
        """How large a block of scores should be."""
        return LARGE_BLOCK_BYTES if lasting and _suits_onednn(self.values) else BLOCK_BYTES

    def scores(self, samples: Tensor, *, lasting: bool = True) -> Tensor:
        """``|w|^2 - 2 x.w`` of a block (n, n_columns), in memory that is valid until this thread asks again.

        Parameters
        ----------
        samples : Tensor of shape (n, n_features + 1)
            Centered samples with a last feature that is 1. oneDNN generates code for each number of rows that it meets,
            and keeps it, so there should be few different ones.
        lasting : bool, default=True
            Whether the codebook meets enough samples for that.

        Returns
        -------
        Tensor of shape (n, n_columns)
            Scores; the least in a row is the best matching unit.
        """
        if lasting and self._parts is not None:
            return _summed(samples, self._parts)
        return scores(samples, self.values, out=scratch("scores", len(samples), self.values.shape[1], samples))

    @cached_property
    def _parts(self) -> list[tuple[slice, Tensor]] | None:
        """Slices of features, and prototypes as rows, as oneDNN takes them; None where it does not multiply."""
        if not _suits_onednn(self.values):
            return None
        return [(features, self.values[features].T.contiguous()) for features in slices(len(self.values))]


def _summed(samples: Tensor, parts: list[tuple[slice, Tensor]]) -> Tensor:
    """The sum of the products over slices of the features."""
    if len(parts) == 1:
        return _times(samples, parts[0][1])
    (first, rows), *others = parts
    total = _times(samples[:, first], rows)
    for features, rows in others:
        total += _times(samples[:, features], rows)
    return total


def _times(samples: Tensor, rows: Tensor) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(samples, rows, None, "none", [], "")
    return product


def _suits_onednn(values: Tensor) -> bool:
    wide = values.shape[0] > FEWEST_FEATURES and values.numel() >= FEWEST_VALUES
    return wide and values.dtype == torch.float32 and values.device.type == "cpu" and _prefers_onednn()


@cache
def _prefers_onednn() -> bool:
    """Whether oneDNN multiplies quicker than torch's BLAS."""
    return _offers_onednn() and "GenuineIntel" not in _processor()


def _offers_onednn() -> bool:
    """Whether oneDNN is here, and with AVX-512; its operator is one of those that torch's compiler calls."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _processor() -> str:
    """What the system says of its processor, its maker included."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as information:
            return information.read(512)  # the first processor's maker is in the second line
    except OSError:  # another system than Linux
        return platform.processor()
