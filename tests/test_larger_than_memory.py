"""Memory maps, and chunks from files."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet
from sklearn.base import clone

from sktopo import TopographicMap
from sktopo._sources import as_source
from sktopo._validation import check_samples

MEMORY = """
import sys, threading, time
import numpy as np
from sktopo import TopographicMap

def anonymous():
    return sum(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) / 1024

X = np.load(sys.argv[1], mmap_mode="r")
start, peak, done = anonymous(), [0.0], threading.Event()

def watch():
    while not done.wait(0.005):
        peak[0] = max(peak[0], anonymous())

watcher = threading.Thread(target=watch)
watcher.start()
som = TopographicMap(10, 10, solver=sys.argv[2], random_state=0, max_iter=2).fit(X)
done.set()
watcher.join()
print(peak[0] - start, som.labels_.shape[0])
"""


@pytest.mark.parametrize(("solver", "dtype"), [("batch", "<f4"), ("stream", "<f4"), ("batch", "u1"), ("stream", ">f4")])
def test_a_memory_map_is_never_held_in_memory(solver, dtype, tmp_path):
    """64 MB and 8 codebooks beyond the labels, 96 MB where chunks are cast. The page has 2 million rows."""
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", dtype, (400_000, 96))  # 147 MB in float32
    some = 50 + 9 * np.random.default_rng(0).normal(size=(20_000, 96))
    for start in range(0, len(X), len(some)):
        X[start : start + len(some)] = some
    X.flush()
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "X.npy"), solver]
    # freed memory goes back to the system at once, so that what is counted is what is in use
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    beyond, rows = map(float, run.stdout.split())
    assert rows == 400_000
    assert beyond < (8 * 400_000 + 8 * 8 * 100 * 96) / 2**20 + (64 if dtype == "<f4" else 96)


TYPES = ["u1", "i2", "f2", ">i4", ">f4", ">f8", "f4", "f8", "g", "?"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("solver", ["batch", "stream"])
def test_a_memory_map_of_any_numbers_gives_the_bits_of_the_array_that_it_stands_for(dtype, solver, tmp_path):
    rows = np.random.default_rng(0).integers(0, 100, (700, 5)).astype(dtype)
    np.save(tmp_path / "X.npy", rows)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    plain = rows.astype(np.float32 if dtype in ("f4", ">f4") else np.float64)
    som = TopographicMap(4, 4, solver=solver, random_state=0)
    expected, fitted = clone(som).fit(plain), clone(som).fit(X)
    assert fitted.codebook_.dtype == plain.dtype
    np.testing.assert_array_equal(fitted.codebook_, expected.codebook_)
    np.testing.assert_array_equal(fitted.labels_, expected.labels_)
    for answer in (fitted.transform(X), fitted.set_params(output="distances").transform(X)):
        assert answer.dtype == plain.dtype
    np.testing.assert_array_equal(fitted.score_samples(X), expected.score_samples(plain))


def at_odd_address(X):
    memory = np.empty(X.nbytes + 1, dtype=np.uint8)
    memory[1:].view(X.dtype).reshape(X.shape)[:] = X
    return memory[1:].view(X.dtype).reshape(X.shape)


@pytest.mark.parametrize("change", [*TYPES[:-1], "gaps", "odd"])
def test_checks_and_draws_hold_one_chunk_at_a_time(change):
    X = np.zeros((100_000, 128), dtype=change if change in TYPES else np.float32)
    X[::3] = 1
    if change == "gaps":
        X[::2, 1:] = np.nan
    elif change == "odd":
        X = at_odd_address(X)
    tracemalloc.start()
    try:
        checked, _ = check_samples(TopographicMap(), X, reset=True)
        as_source(checked, None, torch.device("cpu")).take(torch.arange(0, len(X), 1000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.shares_memory(checked, X)
    assert peak < 7e6  # a chunk has 4 MB; one byte for each value would be 12.8 MB


def test_the_place_of_what_is_infinite_is_named_in_any_type():
    for dtype in ("f2", ">f4", "g"):
        X = np.zeros((60_000, 3), dtype=dtype)
        X[::2, 0], X[50_000, 2] = np.nan, -np.inf
        kind = "float32" if dtype == ">f4" else "float64"
        message = rf"Input X contains infinity or a value too large for dtype\('{kind}'\)(.|\n)*row 50000, column 2"
        with pytest.raises(ValueError, match=message):
            TopographicMap(2, 2).fit(X)


@pytest.fixture(scope="module")
def sheet():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, size=(2, 20_000))
    return (np.c_[a, b, a * b, np.sin(2 * a)] + 0.02 * rng.normal(size=(20_000, 4))).astype(np.float32)


def error_of(chunks, X):
    som = TopographicMap(8, 8, random_state=0)
    for chunk in chunks:
        som.partial_fit(chunk)
    return -som.score(X)


def test_sorted_chunks_are_forgotten_and_slices_of_all_parts_are_not(sheet):
    whole = TopographicMap(8, 8, random_state=0, solver="stream").fit(sheet).quantization_error_
    parts = np.array_split(sheet[np.argsort(sheet[:, 0])], 20)
    assert error_of(parts, sheet) > 1.3 * whole
    assert error_of((np.concatenate([part[i::20] for part in parts]) for i in range(20)), sheet) < 1.05 * whole
    in_order = TopographicMap(8, 8, random_state=0, solver="stream").fit(np.concatenate(parts))
    assert in_order.quantization_error_ < 1.03 * whole


def test_the_recipes_for_files_and_loaders(sheet, tmp_path):
    whole = TopographicMap(8, 8, random_state=0, solver="stream").fit(sheet).quantization_error_
    table = pa.Table.from_pandas(pd.DataFrame(sheet, columns=list("abcd")))
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=1000)
    file = parquet.ParquetFile(tmp_path / "rows.parquet")
    groups = np.random.default_rng(0).permutation(file.num_row_groups)
    from_file = TopographicMap(8, 8, random_state=0)
    for i in groups:
        from_file.partial_fit(file.read_row_group(i).to_pandas())
    assert list(from_file.feature_names_in_) == list("abcd")
    assert -from_file.score(pd.DataFrame(sheet, columns=list("abcd"))) < 1.05 * whole
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(sheet))
    shuffle = torch.Generator().manual_seed(0)
    loader = torch.utils.data.DataLoader(dataset, batch_size=1000, shuffle=True, generator=shuffle)
    assert error_of((rows for (rows,) in loader), sheet) < 1.05 * whole
