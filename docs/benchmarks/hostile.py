"""Give every library the same hostile input: ``python docs/benchmarks/hostile.py`` (docs/explanation/hostile-input.md).

Every case runs in a process of its own, with bounds on its time and memory. The run makes the environment of the
benchmarks, with the pinned rivals, and starts itself again in it; ``--here`` stays where it is.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import resource
import signal
import sys
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from environment import ROOT, install, make_folder, stamp, version_of
from hostile_libraries import LIBRARIES, Task
from hostile_report import RESULTS, write
from hostile_verdict import Verdict, judge

sys.path.append(str(ROOT / "tests"))
from hostile_cases import CASES, Case

CPU_SECONDS, SECONDS, GIGABYTES = 120, 900, 8
Outcome = dict[str, str]


def outcome(library: str, case: Case) -> Outcome:
    """What a library makes of a case, and its own words or what is wrong."""
    asked = LIBRARIES[library]
    if case.sample_weight is not None and not asked.takes_weights:
        return {"verdict": Verdict.NOT_OFFERED, "detail": "no sample weights"}
    if case.by_name and not asked.takes_frames:
        return {"verdict": Verdict.NOT_OFFERED, "detail": "takes arrays, whose columns have no names"}
    rows, truth = case.make(), None if case.truth is None else case.truth()
    learned = rows if case.trained_on is None else case.trained_on()
    weight = None if case.sample_weight is None else case.sample_weight(len(rows))
    try:
        answer = asked.answer(Task(learned, rows, case.height, case.width, case.normalize, weight))
        verdict, detail = judge(truth, *answer, normalize=case.normalize)
    except MemoryError as error:
        return {"verdict": Verdict.CRASHED, "detail": f"more than {GIGABYTES} GB: {words(error)}"}
    except Exception as error:  # whatever it is: that is the question
        return {"verdict": of_error(error, case.cause), "detail": words(error)}
    return {"verdict": verdict, "detail": detail}


def of_error(error: Exception, cause: str) -> Verdict:
    """Whether an error names the cause. An AttributeError never does: it is about the program, not about the rows."""
    if "can't allocate memory" in str(error):  # torch's RuntimeError
        return Verdict.CRASHED
    names_it = re.search(cause, str(error), re.IGNORECASE) and not isinstance(error, AttributeError)
    return Verdict.REFUSED if names_it else Verdict.ERROR


def words(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def work(library: str, number: int, answers: Connection) -> None:
    """Run one case, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES << 30, GIGABYTES << 30))
    warnings.simplefilter("ignore")
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        answers.send(outcome(library, CASES[number]))


def run_case(context: Any, library: str, number: int) -> Outcome:
    """Start a process for a case and wait for its answer."""
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(library, number, theirs))
    process.start()
    theirs.close()
    try:
        if mine.poll(SECONDS):
            return mine.recv()
        process.kill()
    except EOFError:
        pass
    finally:
        process.join()
    ended = signal.Signals(-process.exitcode).name if process.exitcode < 0 else f"exit code {process.exitcode}"
    slow = ended in ("SIGXCPU", "SIGKILL")
    return {"verdict": Verdict.CRASHED, "detail": f"no answer in {CPU_SECONDS} s" if slow else ended}


def run() -> dict[str, Any]:
    """All cases with all libraries."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # processes are forked: no threads before
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hostile", *(library.module for library in LIBRARIES.values())])
    cases = []
    for number, case in enumerate(CASES):
        outcomes = {name: run_case(context, name, number) for name in LIBRARIES}
        cases.append({"group": case.group, "name": case.name, "outcomes": outcomes})
        print(case.name, *(f"{name}: {found['verdict']}" for name, found in outcomes.items()), sep=" | ", flush=True)
    names = [library.distribution for library in LIBRARIES.values()]
    versions = {name: version_of(name) for name in (*names, "numpy", "scikit-learn", "torch")}
    bounds = {"cpu_seconds": CPU_SECONDS, "gigabytes": GIGABYTES}
    return stamp() | {"python": sys.version.split()[0], "versions": versions, "bounds": bounds, "cases": cases}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--here", action="store_true", help="in this environment")
    options = parser.parse_args(arguments)
    if not options.here:
        python = install(make_folder() / "venv")
        os.execv(python, [str(python), __file__, "--here"])
    results = run()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
