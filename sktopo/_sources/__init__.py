"""One way in: whatever holds the samples becomes a source of chunks."""

from sktopo._sources._array import ArraySource, floating
from sktopo._sources._base import Parts, Source, Subset, added, positively_weighted
from sktopo._sources._columns import all_single, column_types
from sktopo._sources._dask import DaskRows, DaskSource, ask_lazily, counted_in, in_a_partition, is_dask
from sktopo._sources._open import as_source
from sktopo._sources._sparse import SparseSource
from sktopo._sources._torch import TensorSource

__all__ = [
    "ArraySource",
    "DaskRows",
    "DaskSource",
    "Parts",
    "Source",
    "SparseSource",
    "Subset",
    "TensorSource",
    "added",
    "all_single",
    "as_source",
    "ask_lazily",
    "column_types",
    "counted_in",
    "floating",
    "in_a_partition",
    "is_dask",
    "positively_weighted",
]
