import pytest
import torch

from sktopo._device import block_rows, chunk_rows, resolve_device, wide_dtype
from sktopo._products import rounded_rows


def test_none_is_the_cpu():
    assert resolve_device(None, torch.float32) == torch.device("cpu")


def test_auto_is_the_accelerator_that_can_compute_the_type(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto", torch.float32).type == "mps"
    assert resolve_device("auto", torch.float64).type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("auto", torch.float64).type == "cuda"


def test_the_widest_type_of_a_device():
    assert wide_dtype(torch.device("mps")) == torch.float32
    assert wide_dtype(torch.device("cuda")) == torch.float64


@pytest.mark.parametrize(("rows", "expected"), [(0, 64), (1, 64), (64, 64), (65, 128), (8192, 8192)])
def test_rows_are_rounded_up_to_multiples_of_64(rows, expected):
    assert rounded_rows(rows) == expected


def test_portions_are_bounded_in_rows_and_bytes():
    assert chunk_rows(1) == 25_600
    assert chunk_rows(10**6) == 64
    assert block_rows(1, 4) == 25_600
    assert block_rows(400, 4) * 400 * 4 <= 2**20 + 64 * 400 * 4


@pytest.mark.parametrize(("n_rows", "n_features", "n"), [(1797, 64, 1), (5000, 100, 2), (8192, 64, 4), (10_000, 4, 1)])
def test_fewer_rows_are_cut_where_a_chunk_is_worth_handing_out(n_rows, n_features, n):
    rows = chunk_rows(n_features, n_rows)
    assert rows % 64 == 0
    assert -(-n_rows // rows) == n


@pytest.mark.parametrize("n_rows", [30_000, 100_000, 10**6])
def test_many_rows_are_cut_into_equal_shares(n_rows):
    rows = chunk_rows(32, n_rows)
    assert rows <= 25_600
    assert -(-n_rows // rows) % 8 == 0
