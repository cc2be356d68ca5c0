"""The benchmark command works, and its quality columns are right. No time is asserted."""

import importlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import oracles
import pytest
from minisom import MiniSom
from threadpoolctl import threadpool_limits

BENCHMARKS = Path(__file__).parents[1] / "docs" / "benchmarks"
MODULES = ("check", "contenders", "measure", "quality", "report", "run", "workloads")
ALWAYS_BUILT = ("sktopo", "MiniSom", "KMeans", "MiniBatchKMeans")


@pytest.fixture(scope="module")
def benchmarks():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})


@pytest.fixture(scope="module")
def results(benchmarks, tmp_path_factory):
    """Folder of a quick run of one workload and both scalings."""
    folder = tmp_path_factory.mktemp("results")
    parts = ["digits", "time-against-rows", "time-against-units"]
    # one thread, here and in the processes it starts: on a busy machine, threads spin while they wait for each other
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):
        patch.setenv("OMP_NUM_THREADS", "1")
        assert benchmarks.run.main(["--quick", "--workload", *parts, "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def digits_part(results):
    return json.loads((results / "results.json").read_text())["parts"]["digits"]


@pytest.fixture(scope="module")
def workload(benchmarks):
    return benchmarks.measure.QUICK.workloads[0]


def naive_errors(X, codebook, width):
    distances = oracles.distances(X, codebook, 2)
    best = np.argsort(distances, axis=1, kind="stable")[:, :2]
    far = [max(abs(a // width - b // width), abs(a % width - b % width)) > 1 for a, b in best.tolist()]
    return distances.min(axis=1).mean(), np.mean(far)


def test_the_command_writes_tables_and_pictures(results):
    tables = (results / "tables.md").read_text()
    assert "## digits: handwritten digits, 400 x 64 on 6 x 5" in tables
    assert all(f"\n| {name} | " in tables for name in ALWAYS_BUILT)
    for name in ("fronts", "time_against_rows", "time_against_units"):
        assert (results / f"{name}.png").stat().st_size > 5_000
        assert f"({name}.png)" in tables


def test_tables_come_from_the_json_alone(benchmarks, results, tmp_path):
    benchmarks.report.write(json.loads((results / "results.json").read_text()), tmp_path)
    assert (tmp_path / "tables.md").read_text() == (results / "tables.md").read_text()


def test_the_pages_show_the_committed_results(benchmarks, tmp_path):
    report = benchmarks.report
    results = json.loads((report.RESULTS / report.JSON).read_text())
    assert f"<!-- benchmark summary -->\n\n{report.summary(results)}\n\n<!--" in report.README.read_text()
    report.write(results, tmp_path)
    assert (report.RESULTS / report.TABLES).read_text() == (tmp_path / report.TABLES).read_text()


def test_every_contender_is_measured_or_says_why_not(benchmarks, digits_part):
    for name, contender in benchmarks.contenders.CONTENDERS.items():
        runs = [run for run in digits_part["runs"] if run["contender"] == name]
        status = digits_part["entrants"][name]["status"]
        assert status == ("measured" if contender.is_built else "not built")
        assert len(runs) == (0 if status == "not built" else 2 if contender.compared else 1)
    assert all(digits_part["entrants"][name]["status"] == "measured" for name in ALWAYS_BUILT)


def test_a_missing_library_is_not_built(benchmarks):
    missing = replace(benchmarks.contenders.CONTENDERS["somoclu"], module="no_such_module")
    assert not missing.is_built
    assert benchmarks.measure.enter(missing, None, None, 1) == {"status": "not built"}


@pytest.mark.parametrize(("name", "sigma"), [("sktopo", None), ("sktopo", 0.7), ("MiniSom", None), ("KMeans", None)])
def test_quality_columns_equal_naive_loops(benchmarks, digits_part, workload, name, sigma):
    contender = benchmarks.contenders.CONTENDERS[name]
    X = workload.samples()
    codebook = contender.fit(X, workload.height, workload.width, sigma).codebook
    quantization, topographic = naive_errors(X, codebook, workload.width)
    (run,) = (run for run in digits_part["runs"] if (run["contender"], run["sigma_asked"]) == (name, sigma))
    assert run["quantization_error"] == pytest.approx(quantization, rel=1e-6)
    if contender.on_lattice:
        assert run["topographic_error"] == pytest.approx(topographic, abs=1e-12)
        assert sigma is None or run["sigma"] == pytest.approx(sigma)
    else:
        assert run["topographic_error"] is None


def test_errors_equal_those_of_minisom(benchmarks, rng):
    X = rng.standard_normal((200, 3)).astype(np.float32)
    som = MiniSom(4, 7, 3, random_seed=0)
    quality = benchmarks.quality.judge(X, som.get_weights().reshape(28, 3), 7, on_lattice=True)
    assert quality.quantization_error == pytest.approx(som.quantization_error(X), rel=1e-6)
    assert quality.topographic_error == pytest.approx(som.topographic_error(X), abs=1e-12)


def test_chunks_do_not_change_the_errors(benchmarks, rng, monkeypatch):
    X, codebook = rng.standard_normal((50, 3)).astype(np.float32), rng.standard_normal((12, 3))
    whole = benchmarks.quality.judge(X, codebook, 4, on_lattice=True)
    monkeypatch.setattr(benchmarks.quality, "BLOCK_SCORES", 7 * len(codebook))
    assert benchmarks.quality.judge(X, codebook, 4, on_lattice=True) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("last", [0.5, 1.3])
def test_schedules_end_at_the_sigma_that_was_asked_for(benchmarks, last):
    end = benchmarks.contenders.exponential_end(5.0, last, 10)
    assert 5.0 * (end / 5.0) ** 0.9 == pytest.approx(last)
    assert benchmarks.contenders.exponential_last(5.0, end, 10) == pytest.approx(last)
    initial = last / benchmarks.contenders.asymptotic_share(300)
    assert MiniSom(2, 2, 1)._asymptotic_decay(initial, 299, 300) == pytest.approx(last)


def test_workloads_are_float32_and_the_same_every_time(benchmarks):
    for workload in benchmarks.workloads.WORKLOADS.values():
        small = replace(workload, rows=150)
        X = small.samples()
        assert X.shape == (150, workload.features)
        assert X.dtype == np.float32
        assert np.isfinite(X).all()
        np.testing.assert_array_equal(X, small.samples())


@pytest.mark.parametrize(
    ("error", "change", "is_moved"),
    [
        ("quantization_error", 0.02, False),
        ("quantization_error", 0.05, True),
        ("quantization_error", -0.05, True),
        ("topographic_error", 0.015, False),
        ("topographic_error", 0.03, True),
    ],
)
def test_check_names_the_errors_that_moved(benchmarks, digits_part, error, change, is_moved):
    old = {"digits": {"runs": [{**digits_part["runs"][0], "quantization_error": 1.0, "topographic_error": 0.1}]}}
    run = old["digits"]["runs"][0]
    new = {"digits": {"runs": [{**run, error: run[error] + change}]}}
    assert [message.startswith("digits, sktopo, sigma 0.5") for message in benchmarks.check.moved(old, new)] == (
        [True] if is_moved else []
    )
    assert benchmarks.check.moved({}, new) == []
