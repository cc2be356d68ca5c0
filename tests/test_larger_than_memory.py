"""Memory maps, and chunks from files."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from sktopo import TopographicMap

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


@pytest.mark.parametrize("solver", ["batch", "stream"])
def test_a_memory_map_is_never_held_in_memory(solver, tmp_path):
    """64 MB and 8 codebooks beyond the labels. docs/how-to/larger-than-memory.md has 2 million rows."""
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (600_000, 96))  # 220 MB
    rng = np.random.default_rng(0)
    for start in range(0, len(X), 50_000):
        X[start : start + 50_000] = rng.normal(size=(50_000, 96))
    X.flush()
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "X.npy"), solver]
    # freed memory goes back to the system at once, so that what is counted is what is in use
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    beyond, rows = map(float, run.stdout.split())
    assert rows == 600_000
    assert beyond < (8 * 600_000 + 8 * 8 * 100 * 96) / 2**20 + 64


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
