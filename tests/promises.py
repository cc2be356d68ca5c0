"""Run in full what the tests run in short: ``nox -s promises``, a quarter of an hour or more on two idle cores.

Kills twenty times over, the stress test for a minute, the fuzzer for ten, ten million rows and a thousand fits. What
came out is written to ``docs/explanation/results/promises.md``, which the page "What sktopo promises" shows.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "explanation" / "results" / "promises.md"
KILLS = {
    "a fit killed by SIGKILL goes on in a new process": (
        "tests/test_checkpoint.py::test_a_killed_process_is_continued_by_a_new_one"
    ),
    "a kill in mid-save leaves a whole file": "tests/test_persistence.py::test_a_kill_in_mid_save_leaves_a_whole_file",
    "a killed loky worker harms nobody else": (
        "tests/test_concurrency.py::test_a_killed_worker_process_harms_nobody_else"
    ),
}
STRESS = "tests/test_concurrency.py::test_many_threads_get_the_answers_of_one"
Row = tuple[str, str]  # what was run, and what came out


def reported(*tests: str, **environment: str) -> list[ET.Element]:
    """What pytest reports of tests, one element each; a failure ends everything."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            "-o",
            "junit_family=xunit1",
            *tests,
        ]
        result = subprocess.run(
            command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise SystemExit(result.stdout + result.stderr)
        return list(ET.parse(report).iter("testcase"))


def printed(script: str, *arguments: str) -> dict:
    """The JSON that a script prints last."""
    command = [sys.executable, ROOT / "tests" / script, *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(result.stdout + result.stderr)
    return json.loads(result.stdout.splitlines()[-1])


def kills(title: str, repeats: int) -> list[Row]:
    """One kill, again and again, in a new process of pytest each time."""
    passed = 0
    for i in range(repeats):
        passed += len(reported(KILLS[title])) > 0
        print(f"{title}: {i + 1} of {repeats}", flush=True)
    return [(title, f"{passed} of {repeats} runs in a row passed")]


def stress(seconds: int) -> list[Row]:
    """Eight callers at once."""
    (case,) = reported(STRESS, SKTOPO_STRESS_SECONDS=str(seconds))
    (asked,) = (each.get("value") for each in case.iter("property") if each.get("name") == "answers")
    return [(f"8 threads fit, predict and transform for {seconds} s", f"{asked} answers, 0 wrong, no setting moved")]


def soak(rows: int, fits: int) -> list[Row]:
    """The memory curves."""
    curves = printed("soak.py", f"--rows={rows}", f"--fits={fits}")
    titles = {"streamed": f"{rows:,} rows through `partial_fit` and `predict`", "fitted": f"{fits:,} small fits"}
    return [
        (f"{titles[part]}: most memory in each twentieth, MB", ", ".join(f"{value:.0f}" for value in curve))
        for part, curve in curves.items()
    ]


def fuzz(minutes: float) -> list[Row]:
    """Mixed-up files."""
    found = printed("fuzz_load.py", f"--minutes={minutes}")
    text = "{inputs:,} files tried: {refused:,} refused by ValueError, {loaded:,} loaded, {harms} crashes or other harm"
    return [(f"`load` of mixed-up files for {minutes:g} minutes", text.format(**found))]


def table(rows: list[Row]) -> str:
    """The rows as the page shows them, with where they come from."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    place = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = ["| what was run | what came out |", "|---|---|", *(f"| {title} | {result} |" for title, result in rows)]
    return "\n".join(lines) + f"\n\nOn {datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip()}, {place}.\n"


def main() -> None:
    """Run the parts, two at a time, and write the table once all are well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--stress-seconds", type=int, default=60)
    parser.add_argument("--fuzz-minutes", type=float, default=10)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    parts = [
        partial(fuzz, options.fuzz_minutes),
        partial(soak, options.rows, options.fits),
        partial(stress, options.stress_seconds),
        *(partial(kills, title, options.repeats) for title in KILLS),
    ]
    rows = []
    with ThreadPoolExecutor(options.jobs) as jobs:
        for found in jobs.map(lambda part: part(), parts):
            rows += found
            print(*found, sep="\n", flush=True)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(table(rows))


if __name__ == "__main__":
    main()
