"""The fresh process in which one contender fits once: prints its seconds and its peak memory as JSON.

The peak is the growth of the resident set while fitting, beyond the rows and less the result itself, on Linux. SIGALRM
ends the process when the fit takes longer than its budget.
"""

import json
import signal
import sys
import time
from pathlib import Path

import numpy as np
from contenders import CONTENDERS

RESET = Path("/proc/self/clear_refs")


def resident_bytes(line: str) -> int:
    """Read a line of the process's status: VmRSS is the resident set, VmHWM its peak."""
    status = dict(entry.split(":", 1) for entry in Path("/proc/self/status").read_text().splitlines())
    return int(status[line].split()[0]) * 1024


def main(path: str, name: str, height: str, width: str, budget: str) -> None:
    """Fit once."""
    X, contender = np.load(path), CONTENDERS[name]
    contender.warm_up()
    if RESET.exists():
        RESET.write_text("5")  # forgets the peak of imports
        before = resident_bytes("VmRSS")
    signal.alarm(int(budget))
    start = time.perf_counter()
    fit = contender.fit(X, int(height), int(width), None)
    seconds = time.perf_counter() - start
    signal.alarm(0)
    peak = max(0, resident_bytes("VmHWM") - before - fit.n_bytes) if RESET.exists() else None
    print(json.dumps({"seconds": seconds, "peak_bytes": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
