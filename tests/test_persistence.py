import contextlib
import copy
import io
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from sktopo import TopographicMap, _device, _restored, persistence

HERE = Path(__file__).parent


@pytest.fixture
def fitted(iris):
    return TopographicMap(4, 5, random_state=0).fit(iris[0])


@pytest.fixture
def saved(fitted, tmp_path):
    path = tmp_path / "map"
    fitted.save(path)
    return path


def assert_same(a, b):
    assert isinstance(a, type(b)) or isinstance(b, np.generic)
    if isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, np.random.RandomState):
        assert str(a.get_state()) == str(b.get_state())
    else:
        assert a == b


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"p_norm": np.inf, "lattice": "hexagonal", "periodic": True, "normalize": True},
        {"init": "array", "sigma_final": np.float32(0.7), "max_iter": 3},
        {"random_state": np.random.RandomState(5), "init": "random"},
        {"device": torch.device("cpu"), "output": "activations", "neighborhood": "bubble"},
        {"height": "auto", "width": "auto", "solver": "stream", "max_iter": 0.5, "batch_size": 40},
    ],
    ids=" ".join,
)
def test_every_parameter_and_attribute_comes_back(parameters, iris, tmp_path):
    X = pd.DataFrame(iris[0], columns=list("abcd"))
    if isinstance(parameters.get("init"), str) and parameters["init"] == "array":
        parameters = parameters | {"init": iris[0][:20] + 0.5}
    som = TopographicMap(**({"height": 4, "width": 5} | parameters)).fit(X)
    som.save(tmp_path / "map")
    again = TopographicMap.load(tmp_path / "map")
    assert vars(again).keys() - {"_sklearn_output_config"} == vars(som).keys() - {"_sklearn_output_config"}
    for name in som.get_params():
        assert_same(getattr(again, name), getattr(som, name))
    for name in vars(som):
        if name.endswith("_"):
            assert_same(getattr(again, name), getattr(som, name))
    np.testing.assert_array_equal(again.transform(X), som.transform(X))


def test_a_codebook_of_tensors_comes_back(iris, tmp_path):
    som = TopographicMap(2, 2, init=[torch.from_numpy(row) for row in iris[0][:4]]).fit(iris[0])
    som.save(tmp_path / "map")
    again = TopographicMap.load(tmp_path / "map")
    assert all(torch.equal(row, given) for row, given in zip(again.init, som.init, strict=True))
    np.testing.assert_array_equal(again.fit(iris[0]).codebook_, som.codebook_)


def test_a_loaded_map_learns_on_to_the_same_bit(iris, tmp_path):
    som = TopographicMap(4, 5, random_state=0).partial_fit(iris[0][:70])
    som.save(tmp_path / "map")
    again = TopographicMap.load(tmp_path / "map").partial_fit(iris[0][70:])
    np.testing.assert_array_equal(again.codebook_, som.partial_fit(iris[0][70:]).codebook_)


def test_the_output_container_comes_back(iris, tmp_path):
    TopographicMap(3, 3).set_output(transform="pandas").fit(iris[0]).save(tmp_path / "map")
    assert isinstance(TopographicMap.load(tmp_path / "map").transform(iris[0]), pd.DataFrame)


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_the_file_is_at_exactly_that_path(fitted, tmp_path, kind):
    path = tmp_path / "a map.with.dots"
    fitted.save(path if kind is not str else str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["a map.with.dots"]


def test_permissions_are_those_of_any_new_file_or_of_the_old_one(fitted, tmp_path):
    path, plain = tmp_path / "map", tmp_path / "plain"
    plain.touch()
    fitted.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    path.chmod(0o640)
    fitted.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    "wrong",
    [
        {"output": "coords"},
        {"height": 0},
        {"p_norm": 0.3},
        {"normalize": "x"},
        {"lattice": "hexagonal"},
        {"periodic": True},
    ],
)
def test_what_load_would_refuse_is_not_saved(wrong, saved, fitted):
    before = saved.read_bytes()
    with pytest.raises(ValueError, match=next(iter(wrong))):
        copy.deepcopy(fitted).set_params(**wrong).save(saved)
    assert saved.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("sigma_", 0.0), ("labels_", np.array([20])), ("loss_curve_", None)],
)
def test_attributes_that_load_would_refuse_are_not_saved(name, value, saved, fitted):
    before, changed = saved.read_bytes(), copy.deepcopy(fitted)
    setattr(changed, name, value)
    with pytest.raises(ValueError, match="no whole map"):
        changed.save(saved)
    assert saved.read_bytes() == before


def test_attributes_may_be_numbers_of_numpy(fitted, tmp_path):
    changed = copy.deepcopy(fitted)
    changed.sigma_ = np.float64(2)
    changed.save(tmp_path / "a.map")
    assert TopographicMap.load(tmp_path / "a.map").sigma_ == 2


def test_nothing_fitted_nothing_saved(tmp_path):
    with pytest.raises(NotFittedError):
        TopographicMap().save(tmp_path / "map")
    with pytest.raises(FileNotFoundError):
        TopographicMap.load(tmp_path / "map")
    assert not list(tmp_path.iterdir())


class FullDisk(io.RawIOBase):
    """A file on a disk with room for some bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 10, 500, 2000])
def test_a_full_disk_leaves_the_old_file_whole(saved, iris, room, monkeypatch):
    before = saved.read_bytes()
    pack = persistence._pack
    monkeypatch.setattr(persistence, "_pack", lambda file, content: pack(FullDisk(file, room), content))
    with pytest.raises(OSError, match="No space left"):
        TopographicMap(4, 5).fit(iris[0] * 2).save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["map"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError])
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_any_exception_in_mid_save_leaves_the_old_file_whole(error, moment, saved, iris, monkeypatch):
    def fail(*_):
        raise error

    before = saved.read_bytes()
    monkeypatch.setattr(persistence.os, moment, fail)
    with pytest.raises(error):
        TopographicMap(4, 5).fit(iris[0] * 2).save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["map"]


KILLED = """
import sys, numpy as np
from sktopo import TopographicMap
X = np.random.default_rng(0).normal(size=(500, 200))
maps = [TopographicMap(20, 20, max_iter=1, sigma_final=s).fit(X) for s in (0.5, 1.0)]
print("ready", flush=True)
while True:
    for som in maps:
        som.save(sys.argv[1])
"""


def test_a_kill_in_mid_save_leaves_a_whole_file(tmp_path):
    path = tmp_path / "map"
    child = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    while not path.exists():
        time.sleep(0.01)
    time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert TopographicMap.load(path).sigma_ in (0.5, 1.0)


def test_a_file_cut_off_anywhere_is_refused(saved):
    data = saved.read_bytes()
    for length in [*range(0, len(data), 97), len(data) - 1]:
        saved.write_bytes(data[:length])
        with pytest.raises(ValueError, match="not a whole sktopo file"):
            TopographicMap.load(saved)


def test_a_changed_bit_is_refused_or_harmless(fitted, saved):
    data = saved.read_bytes()
    loaded = 0
    for position in range(0, len(data), 13):
        saved.write_bytes(data[:position] + bytes([data[position] ^ 16]) + data[position + 1 :])
        try:
            again = TopographicMap.load(saved)
        except ValueError:
            continue
        loaded += 1
        np.testing.assert_array_equal(again.codebook_, fitted.codebook_)
    assert loaded < 0.3 * len(data) / 13  # dates and attributes of members, which mean nothing


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("/tmp/evil",))


def archive(members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return stream.getvalue()


def array_bytes(array, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def huge_array():
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    return stream.getvalue()


def header(content, **changes):
    return json.dumps({"format": 1, "versions": {}, "content": content} | changes)


FOREIGN = {
    "empty": b"",
    "text": b"codebook: 1 2 3",
    "pickle": pickle.dumps(Evil()),
    "npz": array_bytes(np.ones(3)),
    "no header": archive({"0.npy": array_bytes(np.ones(3))}),
    "bad json": archive({"sktopo.json": "{"}),
    "a list": archive({"sktopo.json": "[]"}),
    "no map": archive({"sktopo.json": header({"dict": []})}),
    "another estimator": archive({"sktopo.json": header({"dict": [["estimator", "KMeans"]]})}),
    "unknown tag": archive({"sktopo.json": header({"evil": 1})}),
    "deep": archive({"sktopo.json": "[" * 100_000}),
    "compressed": archive({"sktopo.json": header({"dict": []}) + " " * 10**6}, zipfile.ZIP_DEFLATED),
    "objects": archive(
        {
            "sktopo.json": header({"dict": [["a", {"array": 0}]]}),
            "0.npy": array_bytes(np.array([Evil()], dtype=object), allow_pickle=True),
        }
    ),
    "10^12 numbers": archive({"sktopo.json": header({"dict": [["a", {"array": 0}]]}), "0.npy": huge_array()}),
    "missing array": archive({"sktopo.json": header({"dict": [["a", {"array": 7}]]})}),
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign_and_hostile_files_are_refused(data, tmp_path):
    path = tmp_path / "map"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"no whole map|not a whole sktopo file"):
        TopographicMap.load(path)
    assert not os.path.exists("/tmp/evil")


def changed(path, change):
    """A file whose header was changed by someone who knows the format."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    content = json.loads(members["sktopo.json"])
    change(content)
    members["sktopo.json"] = json.dumps(content)
    path.write_bytes(archive(members))


def entry(content, section, name):
    (chosen,) = (value for key, value in content["content"]["dict"] if key == section)
    return next(pair for pair in chosen["dict"] if pair[0] == name)


def test_a_newer_format_says_upgrade(saved):
    changed(saved, lambda content: content.update(format=99))
    with pytest.raises(ValueError, match=r"format 99; this sktopo reads up to 1\. Upgrade"):
        TopographicMap.load(saved)


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("parameters", "height", -3),
        ("parameters", "lattice", "cubic"),
        ("fitted", "height_", 9),
        ("fitted", "n_features_in_", 7),
    ],
)
def test_what_does_not_fit_together_is_refused(saved, section, name, value):
    def change(content):
        entry(content, section, name)[1] = value

    changed(saved, change)
    with pytest.raises(ValueError, match="no whole map"):
        TopographicMap.load(saved)


NEEDED = ["codebook_", "unit_coordinates_", "sigma_", "unit_counts_", "unit_sums_", "weight_seen_", "loss_curve_"]


@pytest.mark.parametrize("name", [*NEEDED, "n_iter_", "height_", "n_features_in_"])
def test_a_map_without_what_some_method_needs_is_refused(saved, name):
    def change(content):
        entry(content, "fitted", name)[0] = "another_"

    changed(saved, change)
    with pytest.raises(ValueError, match=f"no whole map: nothing is said of '{name}'"):
        TopographicMap.load(saved)


def infinite(values):
    values = values.copy()
    values[3] = -np.inf
    return values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("sigma_", value) for value in ("wide", None, -1.0, 0, np.nan, np.inf, True)],
        *[("codebook_", change) for change in (infinite, np.int64, lambda W: W > 1, lambda W: W[:3])],
        ("unit_coordinates_", lambda places: places[:, 0]),
        ("unit_coordinates_", lambda places: places + 1),
        ("unit_counts_", lambda counts: counts[:3]),
        ("unit_sums_", lambda sums: sums[:, :2]),
        ("loss_curve_", 3),
        ("weight_seen_", np.nan),
        ("n_iter_", "many"),
        ("labels_", lambda labels: labels + 100),
        ("labels_", np.float64),
    ],
)
def test_attributes_with_which_a_method_would_fail_are_refused(saved, fitted, name, value):
    setattr(fitted, name, value(getattr(fitted, name)) if callable(value) else value)
    content = {
        "estimator": "TopographicMap",
        "parameters": fitted.get_params(),
        "fitted": {key: item for key, item in vars(fitted).items() if key.endswith("_")},
        "output": None,
    }
    persistence.write(saved, content)
    with pytest.raises(ValueError, match="no whole map: "):
        TopographicMap.load(saved)


@pytest.mark.parametrize("value", [-1, 0.5, True, "1"])
def test_an_unknown_format_is_refused(saved, value):
    changed(saved, lambda content: content.update(format=value))
    with pytest.raises(ValueError, match="not a whole sktopo file"):
        TopographicMap.load(saved)


@pytest.mark.parametrize("value", ["evil", 5, []])
def test_an_unknown_output_container_is_refused(saved, value):
    def change(content):
        next(pair for pair in content["content"]["dict"] if pair[0] == "output")[1] = value

    changed(saved, change)
    with pytest.raises(ValueError, match="no whole map: output goes into"):
        TopographicMap.load(saved)


def test_bytes_before_the_archive_are_refused(saved):
    saved.write_bytes(b"#!/bin/sh\n" + saved.read_bytes())
    with pytest.raises(ValueError, match="not a whole sktopo file"):
        TopographicMap.load(saved)


def test_numbers_in_the_byte_order_of_another_machine_are_the_same(saved, fitted, iris):
    with zipfile.ZipFile(saved) as file:
        members = {name: file.read(name) for name in file.namelist()}
    for name in members.keys() - {"sktopo.json"}:
        values = np.load(io.BytesIO(members[name]))
        members[name] = array_bytes(values.astype(values.dtype.newbyteorder(">")))
    saved.write_bytes(archive(members))
    np.testing.assert_array_equal(TopographicMap.load(saved).predict(iris[0]), fitted.labels_)


def test_methods_cannot_be_overwritten_by_a_file(saved):
    def change(content):
        entry(content, "fitted", "height_")[0] = "predict"

    changed(saved, change)
    with pytest.raises(ValueError, match="no whole map"):
        TopographicMap.load(saved)


def test_a_map_of_a_missing_device_comes_to_the_cpu_with_one_warning(saved, fitted, monkeypatch):
    def change(content):
        for name in ("codebook_", "unit_coordinates_"):
            pair = entry(content, "fitted", name)
            pair[1] = {"tensor": {"dict": [["device", "cuda:0"], ["values", pair[1]]]}}

    monkeypatch.setattr(persistence, "is_available", lambda device: device.type == "cpu")
    changed(saved, change)
    with pytest.warns(UserWarning, match="cuda:0, which is not here") as warned:
        again = TopographicMap.load(saved)
    assert [each.filename for each in warned] == [__file__]
    assert torch.equal(again.codebook_, torch.from_numpy(fitted.codebook_))


@pytest.mark.parametrize("device", ["cuda", torch.device("cuda:1")], ids=str)
def test_a_map_that_computed_elsewhere_computes_on_the_cpu(device, fitted, tmp_path, iris, monkeypatch):
    for module in (_device, persistence, _restored):
        monkeypatch.setattr(module, "is_available", lambda device: device.type == "cpu")
    fitted.device = device
    content = {
        "estimator": "TopographicMap",
        "parameters": fitted.get_params(),
        "fitted": {key: item for key, item in vars(fitted).items() if key.endswith("_")},
        "output": None,
    }
    persistence.write(tmp_path / "map", content)
    with pytest.warns(UserWarning, match=f"belongs on {device}, which is not here") as warned:
        again = TopographicMap.load(tmp_path / "map")
    assert [each.filename for each in warned] == [__file__]
    assert again.device is None
    np.testing.assert_array_equal(again.predict(iris[0]), fitted.labels_)


def test_values_that_cannot_be_stored_are_named(tmp_path):
    with pytest.raises(TypeError, match=r"An array of dtype object and shape \(1, 2\) cannot be saved"):
        persistence.write(tmp_path / "file", {"a": np.array([["a", object()]])})
    with pytest.raises(TypeError, match="type object cannot be saved"):
        persistence.write(tmp_path / "file", {"a": object()})
    assert not list(tmp_path.iterdir())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 10**6), st.integers(0, 40))
def test_no_bytes_do_worse_than_a_value_error(data, at, cut):
    stream = io.BytesIO()
    persistence._pack(stream, {"estimator": "TopographicMap", "a": np.arange(3.0), "b": [1, "x", None]})
    whole = stream.getvalue()
    at %= len(whole)
    for mixed in (data, whole[:at] + data + whole[at + cut :]):
        with contextlib.suppress(persistence.DAMAGE):
            persistence._unpack(io.BytesIO(mixed), len(mixed))


@pytest.mark.parametrize("path", sorted((HERE / "fuzz_corpus").iterdir()), ids=lambda path: path.name)
def test_what_the_fuzzer_once_found_is_refused(path):
    """Files that did harm, or loaded, before `load` was mended (``fuzz_load.py``)."""
    with pytest.raises(ValueError, match=r"no whole map|not a whole sktopo file"):
        TopographicMap.load(path)


def test_a_link_stays_a_link(fitted, tmp_path):
    real, link, dangling = (tmp_path / name for name in ("real", "link", "dangling"))
    fitted.save(real)
    link.symlink_to(real)
    dangling.symlink_to(tmp_path / "new")
    before = real.read_bytes()
    fitted.set_params(tol=0.5).save(link)
    fitted.save(dangling)
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert real.read_bytes() != before
    assert real.read_bytes() == (tmp_path / "new").read_bytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_is_no_ordinary_file_is_neither_read_nor_replaced(fitted, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="no ordinary file"):
        fitted.save(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError, match="A folder has this name"):
        fitted.save(tmp_path)
    with pytest.raises(ValueError, match="a folder or a device"):
        TopographicMap.load(tmp_path / "pipe")


def test_a_header_that_could_not_be_read_is_not_written(fitted, tmp_path):
    fitted.feature_names_in_ = np.array(["x" * 2**22] * 5, dtype=object)
    with pytest.raises(ValueError, match="cannot be saved: at most 16,777,216 can"):
        fitted.save(tmp_path / "map")


def test_lists_in_a_file_take_no_more_than_fifty_times_its_size(saved):
    saved.write_bytes(archive({"sktopo.json": header({"dict": [["a", [[]] * 500_000]]})}))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="no whole map"):
            TopographicMap.load(saved)
        assert tracemalloc.get_traced_memory()[1] < 50 * saved.stat().st_size
    finally:
        tracemalloc.stop()


def test_what_a_file_claims_is_not_allocated(saved):
    """Hostile files of some kilobytes cost some megabytes, whatever sizes or repetitions they speak of."""
    hostile = [*FOREIGN.values(), *(path.read_bytes() for path in (HERE / "fuzz_corpus").iterdir())]
    hostile.append(archive({"sktopo.json": header({"device": "x" * 10**6})}))
    tracemalloc.start()
    try:
        for data in hostile:
            saved.write_bytes(data)
            with pytest.raises(ValueError, match=r"no whole map|not a whole sktopo file") as refusal:
                TopographicMap.load(saved)
            assert len(str(refusal.value)) < 1000
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


def test_generators_that_cannot_be_stored_are_named(fitted, tmp_path):
    fitted.set_params(random_state=np.random.RandomState(np.random.PCG64(0)))
    with pytest.raises(TypeError, match="another generator than MT19937 cannot be saved"):
        fitted.save(tmp_path / "map")


def by_pickle(som, path):
    return pickle.loads(pickle.dumps(som))


def by_joblib(som, path):
    joblib.dump(som, path)
    return joblib.load(path)


def by_joblib_in_place(som, path):
    joblib.dump(som, path)
    again = joblib.load(path, mmap_mode="r")
    assert isinstance(again.codebook_, np.memmap)
    return again


def by_skops(som, path):
    skops.io.dump(som, path)
    unknown = skops.io.get_untrusted_types(file=path)
    assert unknown == ["sktopo.estimator.TopographicMap"]  # nothing else is to be trusted
    return skops.io.load(path, trusted=unknown)


@pytest.mark.parametrize("solver", ["batch", "stream", "gradient"])
@pytest.mark.parametrize("way", [by_pickle, by_joblib, by_joblib_in_place, by_skops])
def test_other_ways_to_store_a_map_round_trip(way, solver, iris, tmp_path):
    X = pd.DataFrame(iris[0], columns=list("abcd"))
    som = TopographicMap(4, 5, solver=solver, random_state=0, init=iris[0][:20].copy()).fit(X)
    again = way(som, tmp_path / "map")
    assert vars(again).keys() == vars(som).keys()
    for name, value in vars(som).items():
        assert_same(np.asarray(again.init) if name == "init" else getattr(again, name), value)
    np.testing.assert_array_equal(again.predict(X), som.labels_)
    np.testing.assert_array_equal(again.partial_fit(X[:50]).codebook_, som.partial_fit(X[:50]).codebook_)


@pytest.mark.parametrize("path", sorted((HERE / "golden").glob("*.sktopo")), ids=lambda path: path.name)
def test_files_of_older_versions_load(path, iris):
    som = TopographicMap.load(path)
    np.testing.assert_array_equal(som.predict(iris[0]), som.labels_)
    assert som.score(iris[0]) == pytest.approx(-som.quantization_error_)


def test_a_fit_that_fails_leaves_a_map_that_can_be_saved(iris, tmp_path):
    som, path = TopographicMap(3, 3).fit(pd.DataFrame(iris[0])), tmp_path / ("a" * 250)
    before = som.predict(iris[0])
    with pytest.raises(ValueError, match="Every value in row 0"):
        som.fit(np.full((3, 2), np.nan))
    som.save(path)
    loaded = TopographicMap.load(path)
    assert loaded.n_features_in_ == 4
    np.testing.assert_array_equal(loaded.predict(iris[0]), before)
    np.testing.assert_array_equal(som.predict(iris[0]), before)


def test_a_map_of_another_array_library_can_be_saved(iris, tmp_path):
    strict = pytest.importorskip("array_api_strict")
    with sklearn.config_context(array_api_dispatch=True):
        som = TopographicMap(3, 3).fit(strict.asarray(iris[0]))
    som.save(tmp_path / "map")
    np.testing.assert_array_equal(TopographicMap.load(tmp_path / "map").codebook_, np.asarray(som.codebook_))


@pytest.mark.parametrize("more", [b"x", b"garbage" * 10_000, b"PK\x05\x06"])
def test_bytes_after_the_end_are_refused(more, iris, tmp_path):
    path = tmp_path / "map"
    TopographicMap(3, 3).fit(iris[0]).save(path)
    path.write_bytes(path.read_bytes() + more)
    with pytest.raises(ValueError, match="is not a whole sktopo file"):
        TopographicMap.load(path)


def test_a_folder_is_no_map(tmp_path):
    with pytest.raises(ValueError, match="is a folder or a device, not a sktopo file"):
        TopographicMap.load(tmp_path)
