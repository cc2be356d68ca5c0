"""The page of hostile input, made from results alone: ``python docs/benchmarks/hostile_report.py`` makes it again."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "hostile.json"
PAGE = HERE.parent / "explanation" / "hostile-input.md"
SHOWN = {
    "right": "right",
    "refused": "refused",
    "error": "*error*",
    "wrong": "**wrong**",
    "crashed": "**crashed**",
    "not offered": "-",
}
INTRODUCTION = """\
# Hostile input

Data is rarely as clean as an example. This page runs {n_cases} kinds of problematic input through sktopo and, for
comparison, through {rivals}. The list is `tests/hostile_cases.py`; tests assert each
case of sktopo with the batch and the stream solver, in `fit` and for new rows. `python docs/benchmarks/hostile.py` runs
all libraries again and writes this page.
"""
RULES = """\
| verdict | meaning |
|---|---|
{verdicts}

Rules that are the same for all:

- **What is right** follows from the numbers that the rows stand for. Masked values are missing values, a column belongs
  where its name says, missing values count in no distance. For an infinite value, a date or a complex number no answer
  is right.
- **What names the cause** is a pattern for each case, in the list; the messages are printed below, so judge for
  yourself. An `AttributeError` never counts: it is about a program, not about data.
- **Each library gets what it documents**, at its defaults: MiniSom a NumPy matrix or a list, torchsom a float32
  tensor, SuSi and fastersom what they call array-likes. Data frames reach MiniSom and torchsom by their values. Rows
  become a tensor by `torch.as_tensor(X).float()`, as a user of torchsom must write; what goes wrong there counts in its
  column.
- **A map of few passes is enough**: how good it is, is [another question](../benchmarks/index.md). 1000 updates for
  MiniSom and SuSi, 10 epochs for torchsom and fastersom.
- Where only directions count, rivals use their cosine distance (SuSi: its spectral angle).
"""
MEANINGS = {
    "right": "a finite codebook, and every row at its nearest prototype: a search in float64 over the library's own "
    "codebook agrees, up to 1e-4 of the spread",
    "refused": "an error whose message names the cause",
    "error": "an error about something else, from somewhere inside",
    "wrong": "an answer without a complaint, and it is not right: prototypes that are no numbers, rows at the wrong "
    "unit, or any answer where none can be right",
    "crashed": "no answer: out of memory ({gigabytes} GB) or of time ({cpu_seconds} s), or the process died",
    "not offered": "the library offers nothing of the kind",
}


def write(results: dict[str, Any]) -> None:
    """Write the page."""
    PAGE.write_text("\n".join(page(results)) + "\n")


def page(results: dict[str, Any]) -> Iterator[str]:
    """Lines of the page."""
    cases, versions = results["cases"], results["versions"]
    names = list(cases[0]["outcomes"])
    rivals = " and ".join([", ".join(names[1:-1]), names[-1]])
    yield INTRODUCTION.format(n_cases=len(cases), rivals=rivals)
    yield from tally(cases, names)
    yield ""
    verdicts = "\n".join(line([SHOWN[verdict], meaning]) for verdict, meaning in MEANINGS.items())
    yield RULES.format(verdicts=verdicts.format(**results["bounds"]))
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield f"Run on {results['date']} with {listed}, on Python {results['python']}."
    for group, members in groupby(cases, key=lambda case: case["group"]):
        yield f"\n## {group}\n"
        yield from table(list(members), names)
    yield "\n## Their own words\n"
    yield 'What was said, or what was wrong, wherever a verdict above is not "right".\n'
    for name in names:
        yield from messages(cases, name)


def tally(cases: list[dict[str, Any]], names: list[str]) -> Iterator[str]:
    """How often each verdict was reached."""
    counts = {name: Counter(case["outcomes"][name]["verdict"] for case in cases) for name in names}
    yield header(["", *SHOWN.values()])
    for name in names:
        yield line([name, *(str(counts[name][verdict]) for verdict in SHOWN)])


def table(cases: list[dict[str, Any]], names: list[str]) -> Iterator[str]:
    """Verdicts on some cases."""
    yield header(["", *names])
    for case in cases:
        yield line([case["name"], *(SHOWN[case["outcomes"][name]["verdict"]] for name in names)])


def messages(cases: list[dict[str, Any]], name: str) -> Iterator[str]:
    """What a library said of each case; the same words once."""
    found: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        outcome = case["outcomes"][name]
        if outcome["detail"] and outcome["verdict"] != "not offered":
            found.setdefault((outcome["verdict"], outcome["detail"]), []).append(case["name"])
    yield f"\n### {name}\n"
    yield header(["cases", "verdict", "words"])
    for (verdict, detail), where in found.items():
        yield line(["; ".join(where), SHOWN[verdict], code(detail) if verdict in ("refused", "error") else detail])


def code(text: str) -> str:
    """Text as it is, in a cell of a table."""
    return "`` " + text.replace("|", "\\|").replace("``", "''") + " ``"


def header(cells: list[str]) -> str:
    """First two lines of a table."""
    return line(cells) + "\n" + line(["---"] * len(cells))


def line(cells: list[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    write(json.loads(RESULTS.read_text()))
