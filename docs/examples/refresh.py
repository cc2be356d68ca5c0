"""Measure the tables of the documentation again, and fail if one moved.

    python docs/examples/refresh.py [--quick] [--write] [example ...]

Every example that has committed results is run in a process of its own (``--quick``: only those that take seconds), and
its tables are compared with ``docs/examples/results``, column by column, within the spread that is stated there.
``--write`` replaces the results, and the tables of the pages that show them.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tables import RESULTS, read

HERE = Path(__file__).parent
DOCS = HERE.parent
QUICK = ("argmin", "layer_classifier", "missing_values", "parametric_map")
LONG = ("cooling", "map_size", "other_norms", "softmin")
# <!-- table: example/name --> the table <!-- end -->
SHOWN = re.compile(r"(<!-- table: (\w+)/([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, folder: Path = RESULTS) -> str:
    """A page with its tables as the results are now."""
    return SHOWN.sub(lambda m: f"{m[1]}\n{read(m[2], folder)[m[3]].markdown()}\n{m[4]}", page)


def pages() -> list[Path]:
    """Pages that show a table."""
    everything = [page for page in DOCS.rglob("*.md") if "_build" not in page.parts]
    return sorted(page for page in everything if SHOWN.search(page.read_text()))


def measured(name: str, folder: Path) -> list[str]:
    """Run an example, and say what moved."""
    command = [sys.executable, HERE / f"{name}.py", "--output", folder]
    # one thread: sums in one order, and on a busy machine threads spin while they wait for each other
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if not (RESULTS / f"{name}.json").exists():
        return [f"{name}: has no committed results yet"]
    old, new = read(name), read(name, folder)
    if list(old) != list(new):
        return [f"{name}: other tables than before"]
    return [f"{name}, {table}: {message}" for table in old for message in old[table].moved(new[table])]


def timed(name: str, folder: Path) -> tuple[list[str], float]:
    """The same, and how long it took."""
    start = time.perf_counter()
    return measured(name, folder), time.perf_counter() - start


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", nargs="*", metavar="example", help=", ".join((*QUICK, *LONG)))
    parser.add_argument("--quick", action="store_true", help="only those that take seconds")
    parser.add_argument("--write", action="store_true", help="replace the results and the tables in pages")
    options = parser.parse_args(arguments)
    chosen = options.examples or (QUICK if options.quick else QUICK + LONG)
    if unknown := set(chosen) - {*QUICK, *LONG}:
        parser.error(f"no example of results: {', '.join(sorted(unknown))}")
    messages = []
    # the quick ones show no times, which others at work would change
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2 if options.quick else 1) as workers:
        for name, (moved, seconds) in zip(
            chosen, workers.map(partial(timed, folder=Path(folder)), chosen), strict=True
        ):
            messages += moved
            print(f"{name:18} {seconds:6.1f} s, {len(moved)} moved", flush=True)
            if options.write:
                new = json.loads((Path(folder) / f"{name}.json").read_text())
                (RESULTS / f"{name}.json").write_text(json.dumps(new, indent=1, ensure_ascii=False) + "\n")
    if options.write:
        for page in pages():
            page.write_text(filled(page.read_text()))
        return 0
    print(*messages, sep="\n")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
