"""What the package promises as a whole: its names, its docstrings, and a quiet import."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from numpydoc.validate import validate

import sktopo
import sktopo.metrics
import sktopo.nn
import sktopo.plotting

# What users are told of gets an example; the names of methods say what they return.
EXAMPLES = {
    "sktopo.TopographicMap",
    "sktopo.UnitStatistics",
    "sktopo.chunk_statistics",
    "sktopo.update_codebook",
    "sktopo.nn.TopographicLayer",
    *(f"sktopo.metrics.{name}" for name in sktopo.metrics.__all__),
    *(f"sktopo.plotting.{name}" for name in sktopo.plotting.__all__),
    "sktopo.annealing.critical_temperature",
}
# ES01, SA01, EX01: extended summaries, see-also and examples where they help. GL08 is ruff's. SS05, SS06 and RT05: a
# function that returns a thing is documented by its name. PR06, PR10: scikit-learn's types are prose. YD01: yields.
IGNORED = {"ES01", "SA01", "EX01", "SS05", "SS06", "RT05", "PR06", "PR10", "YD01", "GL01", "RT03", "PR08", "RT04"}


def public_modules():
    for module in pkgutil.walk_packages(sktopo.__path__, "sktopo."):
        if not any(part.startswith("_") for part in module.name.split(".")):
            yield module.name


def public_objects():
    yield from EXAMPLES
    for display in filter(inspect.isclass, vars(sktopo.plotting).values()):
        yield from (f"sktopo.plotting.{display.__name__}.{method}" for method in ("from_estimator", "plot"))
    for name in public_modules():
        module = importlib.import_module(name)
        for member, value in vars(module).items():
            if member.startswith("_") or getattr(value, "__module__", None) != name:
                continue
            if inspect.isclass(value) or inspect.isfunction(value):
                yield f"{name}.{member}"
            if inspect.isclass(value):
                for method, function in vars(value).items():
                    if inspect.isfunction(function) and not method.startswith("_"):
                        yield f"{name}.{member}.{method}"


@pytest.mark.parametrize("name", sorted(set(public_objects())))
def test_docstrings_are_numpydoc(name):
    errors = [f"{code}: {text}" for code, text in validate(name)["errors"] if code not in IGNORED]
    assert not errors


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_what_users_are_told_of_has_an_example(name):
    assert "EX01" not in {code for code, _ in validate(name)["errors"]}


def test_public_names_exist():
    for module in (sktopo, sktopo.nn, sktopo.metrics, sktopo.plotting):
        for name in module.__all__:
            assert hasattr(module, name)


IMPORT = """
import random, sys, warnings
import numpy, sklearn.pipeline, torch  # what they import themselves is not ours
def state():
    return (numpy.random.get_state()[1].tobytes(), torch.get_rng_state().tolist(), random.getstate(),
            torch.get_num_threads(), torch.get_default_dtype(), list(warnings.filters), numpy.geterr(),
            sklearn.get_config())
before, loaded = state(), set(sys.modules)
import sktopo
assert state() == before
extras = {"matplotlib", "bokeh", "rich", "dask", "distributed", "onnx", "onnxscript", "minisom", "polars"}
print(sorted(extras & (set(sys.modules) - loaded)))
"""


def test_assertions_do_no_work():
    """``python -O`` leaves them out; what they may say is that something is not None."""
    for path in Path(sktopo.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                assert re.fullmatch(r"assert [\w.]+ is not None", ast.unparse(node)), path


def test_importing_changes_nothing_and_imports_no_extra():
    result = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
