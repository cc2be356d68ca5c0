"""Numbers on the pages are those of the committed results, and the refresh command notices a change."""

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = DOCS / "examples"


@pytest.fixture(scope="module")
def examples():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return SimpleNamespace(**{name: importlib.import_module(name) for name in ("refresh", "tables")})


@pytest.fixture
def table(examples):
    columns = (examples.tables.Column("error", ".2f", 0.1), examples.tables.Column("score", ".1f", 0.5))
    return examples.tables.Table("method", columns, {"ours": [[0.5, 0.01], 3.0], "theirs": [0.7, None]})


def test_every_page_shows_the_committed_numbers(examples):
    pages = examples.refresh.pages()
    assert DOCS / "explanation" / "argmin.md" in pages
    for page in pages:
        assert examples.refresh.filled(page.read_text()) == page.read_text(), page


def test_every_committed_table_is_shown_and_can_be_measured_again(examples):
    pages = examples.refresh.pages()
    shown = {match.group(2, 3) for page in pages for match in examples.refresh.SHOWN.finditer(page.read_text())}
    names = {path.stem for path in examples.tables.RESULTS.glob("*.json")}
    assert names == {*examples.refresh.QUICK, *examples.refresh.LONG}
    for name in names:
        assert (EXAMPLES / f"{name}.py").exists()
        assert {(name, key) for key in examples.tables.read(name)} <= shown


def test_a_table_is_written_as_markdown(table):
    assert table.markdown() == (
        "| method | error | score |\n| --- | --- | --- |\n| ours | 0.50 ± 0.01 | 3.0 |\n| theirs | 0.70 | - |\n"
    )


@pytest.mark.parametrize(
    ("cell", "value", "moves"),
    [
        (("ours", 0), [0.58, 0.3], False),
        (("ours", 0), [0.62, 0.01], True),
        (("ours", 0), [0.38, 0.01], True),
        (("ours", 1), 3.4, False),
        (("ours", 1), 3.6, True),
        (("theirs", 0), float("nan"), True),
        (("theirs", 1), 1.0, True),
        (("theirs", 0), None, True),
    ],
)
def test_a_number_moves_when_it_leaves_its_spread(table, cell, value, moves):
    name, column = cell
    rows = {key: list(values) for key, values in table.rows.items()}
    rows[name][column] = value
    messages = table.moved(replace(table, rows=rows))
    assert len(messages) == moves
    assert all(message.startswith(f"{name}, {table.columns[column].name}: ") for message in messages)


def test_other_rows_or_columns_have_moved(table):
    assert table.moved(table) == []
    assert table.moved(replace(table, rows={"ours": table.rows["ours"]}))
    assert table.moved(replace(table, columns=(replace(table.columns[0], name="loss"), table.columns[1])))


def test_a_page_is_filled_in_between_its_marks(examples, table, tmp_path):
    values = {"digits": {"head": table.head, "columns": [vars(column) for column in table.columns], "rows": table.rows}}
    (tmp_path / "some.json").write_text(json.dumps(values))
    page = "Before.\n\n<!-- table: some/digits -->\nold\n<!-- end -->\n\nAfter.\n"
    filled = examples.refresh.filled(page, tmp_path)
    assert filled == f"Before.\n\n<!-- table: some/digits -->\n\n{table.markdown()}\n<!-- end -->\n\nAfter.\n"
    assert examples.refresh.filled(filled, tmp_path) == filled


EXAMPLE = """
import sys
sys.path.insert(0, {examples!r})
from tables import Column, Table, publish
publish(__file__, {{"only": Table("row", (Column("value", ".2f", 0.1),), {{"a": [{value}]}})}})
"""


@pytest.mark.parametrize(("value", "code"), [(1.05, 0), (1.2, 1)])
def test_the_command_fails_if_a_table_moved(examples, tmp_path, monkeypatch, capsys, value, code):
    results = tmp_path / "results"
    results.mkdir()
    old = {
        "only": {"head": "row", "columns": [{"name": "value", "format": ".2f", "spread": 0.1}], "rows": {"a": [1.0]}}
    }
    (results / "argmin.json").write_text(json.dumps(old))
    (tmp_path / "argmin.py").write_text(EXAMPLE.format(examples=str(EXAMPLES), value=value))
    refresh = examples.refresh
    monkeypatch.setattr(refresh, "HERE", tmp_path)
    monkeypatch.setattr(refresh, "RESULTS", results)
    monkeypatch.setattr(refresh, "read", lambda name, folder=results: examples.tables.read(name, folder))
    monkeypatch.setattr(refresh, "pages", list)
    assert refresh.main(["argmin"]) == code
    assert ("argmin, only: a, value: 1.00 became 1.20" in capsys.readouterr().out) == bool(code)
    assert json.loads((results / "argmin.json").read_text()) == old
    assert refresh.main(["argmin", "--write"]) == 0
    assert json.loads((results / "argmin.json").read_text())["only"]["rows"] == {"a": [value]}


def test_an_unknown_example_is_named():
    command = [sys.executable, EXAMPLES / "refresh.py", "nothing"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "no example of results: nothing" in result.stderr
