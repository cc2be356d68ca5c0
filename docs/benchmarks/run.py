"""Measure sktopo beside its rivals: ``python docs/benchmarks/run.py`` (README.md says what, how, and how long).

The full run makes an environment of its own, installs everything there and starts itself again in it. ``--quick`` stays
where it is, takes whoever can be imported, and shows in seconds that the command works.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import report
from check import moved
from environment import describe_machine, install, make_folder, stamp
from measure import AGAINST_ROWS, AGAINST_UNITS, FULL, QUICK, Plan, measure


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*(workload.name for workload in FULL.workloads), AGAINST_ROWS, AGAINST_UNITS]
    parser.add_argument("--workload", nargs="+", choices=names, help="only these; the others' results are kept")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, in this environment")
    parser.add_argument("--here", action="store_true", help="full sizes, but in this environment")
    parser.add_argument("--check", action="store_true", help="compare the errors with those in the results; no times")
    parser.add_argument("--repeats", type=int, help="of tasks under two seconds")
    parser.add_argument("--budget", type=int, help="seconds after which a fit is given up")
    parser.add_argument("--output", type=Path, help="folder of the results (default: results, beside this file)")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace) -> Plan:
    """Choose what to measure."""
    plan = QUICK if options.quick else FULL
    if options.check:
        plan = replace(plan, repeats=1, row_counts=(), sides=())
    given = {name: getattr(options, name) for name in ("repeats", "budget") if getattr(options, name) is not None}
    plan = replace(plan, **given)
    if options.workload is None:
        return plan
    return replace(
        plan,
        workloads=tuple(workload for workload in plan.workloads if workload.name in options.workload),
        row_counts=plan.row_counts if AGAINST_ROWS in options.workload else (),
        sides=plan.sides if AGAINST_UNITS in options.workload else (),
    )


def load(directory: Path) -> dict[str, Any]:
    """Read the results so far."""
    path = directory / report.JSON
    return json.loads(path.read_text()) if path.exists() else {"parts": {}}


def run(plan: Plan, directory: Path) -> None:
    """Measure, saving every part as soon as it is there, and report."""
    directory.mkdir(parents=True, exist_ok=True)
    results = load(directory) | {"machine": describe_machine()}
    for name, part in measure(plan):
        results["parts"][name] = stamp() | {"repeats": plan.repeats, "budget": plan.budget} | part
        (directory / report.JSON).write_text(json.dumps(results, indent=1) + "\n")
        print(f"{name}: done", flush=True)
    report.write(results, directory)


def check(plan: Plan, directory: Path) -> list[str]:
    """Measure again, and say which errors moved."""
    messages = moved(load(directory)["parts"], dict(measure(plan)))
    print("\n".join(messages) or "no error moved beyond its spread")
    return messages


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = parse(arguments)
    if not (options.quick or options.here):
        python = install(make_folder() / "venv")
        os.execv(python, [str(python), __file__, "--here", *(sys.argv[1:] if arguments is None else arguments)])
    directory = options.output or (make_folder() / "quick" if options.quick else report.RESULTS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # the rows on disk
        if options.check:
            return 1 if check(plan_of(options), directory) else 0
        run(plan_of(options), directory)
    print(f"see {directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
