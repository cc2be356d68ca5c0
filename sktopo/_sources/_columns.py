"""Types of columns, as each library of frames, tables and arrays calls them."""

from typing import Any

import numpy as np
import torch

from sktopo._device import torch_dtype


def column_types(X: Any) -> list[Any]:
    """Types of the columns of a frame or a table, or the one of an array; empty for what has none, such as lists."""
    if not hasattr(X, "columns") or getattr(X, "ndim", 2) != 2:  # a column of a frame has a dimension
        return [X.dtype] if hasattr(X, "dtype") else []
    return list(X.dtypes if hasattr(X, "dtypes") else X.schema.types)


def all_single(X: Any) -> bool:
    """Whether all of X is float32, in any library's words."""
    types = column_types(X)
    return bool(types) and all(map(_is_single, types))


def _is_single(dtype: Any) -> bool:
    dtype = getattr(dtype, "numpy_dtype", dtype)  # what pandas' own types and Arrow's stand for
    if isinstance(dtype, np.dtype):
        return torch_dtype(dtype) == torch.float32
    return str(dtype) in ("Float32", "float")  # of polars and pyarrow
