"""The containers that a map takes: functions of a dense array and a folder."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse
import torch


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def memmap(X, directory):
    np.save(directory / "X.npy", X)
    return np.load(directory / "X.npy", mmap_mode="r")


def shuffled_csr(X):
    """Entries of a row in no order, some of them split in two."""
    row, column = np.nonzero(X)
    twice = scipy.sparse.coo_array(
        (np.r_[X[row, column] / 4, X[row, column] * 0.75], (np.r_[row, row], np.r_[column, column])), shape=X.shape
    )
    order = np.random.default_rng(0).permutation(twice.nnz)
    twice = scipy.sparse.coo_array((twice.data[order], (twice.row[order], twice.col[order])), shape=X.shape)
    indptr = np.r_[0, np.cumsum(np.bincount(twice.row, minlength=len(X)))]
    by_row = np.argsort(twice.row, kind="stable")
    return scipy.sparse.csr_array((twice.data[by_row], twice.col[by_row], indptr), shape=X.shape)


DENSE = {
    "list": lambda X, _: X.tolist(),
    "fortran": lambda X, _: np.asfortranarray(X),
    "strided": lambda X, _: np.repeat(X, 2, axis=0)[::2],
    "read-only": lambda X, _: read_only(X),
    "memmap": memmap,
    "memmap of swapped bytes": lambda X, directory: memmap(X.astype(">f8"), directory),
    "long double": lambda X, _: X.astype(np.longdouble),
    "pandas": lambda X, _: pd.DataFrame(X),
    "polars": lambda X, _: pl.DataFrame(X),
    "tensor": lambda X, _: torch.from_numpy(X),
}
SPARSE = {
    "csr array": lambda X, _: scipy.sparse.csr_array(X),
    "csr matrix": lambda X, _: scipy.sparse.csr_matrix(X),
    "csc": lambda X, _: scipy.sparse.csc_array(X),
    "coo": lambda X, _: scipy.sparse.coo_array(X),
    "unsorted csr": lambda X, _: shuffled_csr(X),
}
# what has no labels_ and takes no partial_fit
LAZY = {
    "dask": lambda X, _: da.from_array(X, chunks=(250, 17)),
    "dask of csr": lambda X, _: da.from_array(X, chunks=(250, -1)).map_blocks(scipy.sparse.csr_array),
}
LAZY_FRAMES = {"dask frame": lambda X, _: dd.from_pandas(pd.DataFrame(X), npartitions=3)}
