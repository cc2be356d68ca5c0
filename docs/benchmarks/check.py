"""Whether quality moved: compares the errors of a new run with those of an older one. Times are not compared."""

import math
from typing import Any

QUANTIZATION_SPREAD = 0.03  # relative: threads add float32 sums in changing order, and near ties fall either way
TOPOGRAPHIC_SPREAD = 0.02  # absolute


def moved(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Say which errors of the new parts lie beyond the spread of the old ones; runs in one of them only are ignored."""
    messages = []
    for name in old.keys() & new.keys():
        before = {run_key(run): run for run in old[name].get("runs", ())}
        for run in new[name].get("runs", ()):
            known = before.get(run_key(run))
            if known is not None and not is_alike(known, run):
                errors = [f"{side['quantization_error']:.4g} / {side['topographic_error']}" for side in (known, run)]
                messages.append(f"{name}, {run['contender']}, sigma {run['sigma']}: " + " became ".join(errors))
    return sorted(messages)


def run_key(run: dict[str, Any]) -> tuple[str, float | None]:
    """Tell a run from the others of its workload."""
    return run["contender"], run["sigma_asked"]


def is_alike(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether both errors are within their spreads."""
    quantization = (run["quantization_error"] for run in (old, new))
    topographic = (run["topographic_error"] or 0.0 for run in (old, new))
    return math.isclose(*quantization, rel_tol=QUANTIZATION_SPREAD) and math.isclose(
        *topographic, rel_tol=0, abs_tol=TOPOGRAPHIC_SPREAD
    )
