"""One way in: whatever holds the samples becomes a source of chunks."""

from sktopo._sources._array import ArraySource
from sktopo._sources._base import Source, Subset
from sktopo._sources._sparse import SparseSource
from sktopo._sources._torch import TensorSource

__all__ = ["ArraySource", "Source", "SparseSource", "Subset", "TensorSource"]
