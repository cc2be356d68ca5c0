"""Types of columns, as each library of frames and arrays calls them."""

from typing import Any


def column_types(X: Any) -> list[Any]:
    """Types of the columns of a frame, or the one of an array; empty for what has none, such as lists."""
    if hasattr(X, "columns") and getattr(X, "ndim", 2) == 2:  # one column has a dimension
        return list(getattr(X, "dtypes", ()))
    return [X.dtype] if hasattr(X, "dtype") else []
