"""The documentation lists every public name, and its gallery stays as wide as promised."""

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def reference():
    path = DOCS / "_extensions" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_lists_every_public_class_and_function(reference):
    listed = set(reference.page().split())
    for module in map(importlib.import_module, reference.MODULES):
        for name in module.__all__:
            value = getattr(module, name)
            assert (name in listed) == (callable(value)), name


def test_learned_names_in_shapes_are_escaped(reference):
    lines = ["x : ndarray of shape (n_units_, 2)", "y : int_", "z : array of shape (height_, width_)"]
    reference.escape_learned_names("app", "class", "name", object, None, lines)
    assert lines == [r"x : ndarray of shape (n_units\_, 2)", "y : int_", r"z : array of shape (height\_, width\_)"]


def test_every_page_of_the_guide_is_in_a_table_of_contents():
    guide = DOCS / "user_guide"
    contents = (guide / "index.md").read_text().split()
    assert {page.stem for page in guide.glob("*.md")} - {"index"} <= set(contents)


def test_each_example_of_the_gallery_says_what_it_tells():
    examples = sorted((DOCS / "gallery").glob("plot_*.py"))
    assert len(examples) >= 8
    for example in examples:
        title, underline, blank, story = example.read_text().split("\n")[1:5]
        assert len(underline) == len(title), example
        assert not blank, example
        assert story, example


def test_the_guide_to_pictures_draws_what_it_shows():
    page, drawn = (DOCS / "user_guide" / "pictures.md").read_text(), (DOCS / "gallery" / "plot_12_displays.py")
    before_the_picture = page.split("![")[0].splitlines()
    steps = [
        line[4:].removeprefix("display = ") for line in before_the_picture if re.match(r">>> .*(=|Display\.)", line)
    ]
    assert any("plt.subplots" in step for step in steps)
    for step in steps:
        assert step in drawn.read_text(), step


def test_every_promise_is_kept_by_a_test_that_exists():
    tables = [line for line in (DOCS / "explanation" / "promises.md").read_text().splitlines() if line.startswith("|")]
    promises = [line for line in tables if not line.startswith(("|---", "| promise |", "| | what |"))]
    assert len(promises) >= 35
    for line in promises:
        named = re.findall(r"`(tests/test_\w+\.py)::(test_\w+)`", line)
        assert named, line
        for file, test in named:
            statements = ast.parse((DOCS.parent / file).read_text()).body
            assert test in {each.name for each in statements if isinstance(each, ast.FunctionDef)}, test
