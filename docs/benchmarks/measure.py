"""What is measured: every contender on a workload, and three of them against the numbers of rows and of units.

Results are plain dictionaries and lists, ready for results.json; `report` turns them into tables and pictures.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from contenders import CONTENDERS, Contender, Fit
from numpy.typing import NDArray
from quality import judge
from timing import floor_of, in_turns, probe, product_of, rounds
from workloads import WORKLOADS, Workload, manifold_blocks, mixture

SCALING_CONTENDERS = ("sktopo", "fastersom", "MiniBatchKMeans")
SCALING_SIDE = 20
AGAINST_ROWS, AGAINST_UNITS = "time-against-rows", "time-against-units"


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Parameters
    ----------
    workloads : tuple of Workload
        Data and maps.
    sigmas : tuple of float
        Last sigmas of a front, beside each library's default.
    repeats, budget : int, int
        Times that a short task runs, and the seconds after which a single fit is given up.
    row_counts, memmap_rows : tuple of int, int
        Numbers of rows to scale over; from so many on they stay on disk.
    sides, side_rows : tuple of int, int
        Sides of the square maps to scale over, and the number of rows there.
    """

    workloads: tuple[Workload, ...]
    sigmas: tuple[float, ...]
    repeats: int
    budget: int
    row_counts: tuple[int, ...]
    memmap_rows: int
    sides: tuple[int, ...]
    side_rows: int


QUICK = Plan(
    workloads=(
        replace(WORKLOADS["digits"], rows=400, height=6, width=5, more_sigmas=()),
        replace(WORKLOADS["mixture"], rows=2000, features=8, height=6, width=5),
    ),
    sigmas=(0.7,),
    repeats=2,
    budget=60,
    row_counts=(500, 1000),
    memmap_rows=1000,
    sides=(3, 5),
    side_rows=500,
)

FULL = Plan(
    workloads=tuple(WORKLOADS.values()),
    sigmas=(0.5, 0.6, 0.65, 0.7, 0.8, 1.0, 1.15, 1.3),
    repeats=5,
    budget=60,
    row_counts=(1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    memmap_rows=10_000_000,
    sides=(10, 20, 32, 50, 71, 100),
    side_rows=50_000,
)


def measure(plan: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure part by part: the workloads, then time against rows and units."""
    with tempfile.TemporaryDirectory() as scratch:
        for workload in plan.workloads:
            yield workload.name, measure_workload(workload, plan, Path(scratch) / "rows.npy")
        if plan.row_counts:
            yield AGAINST_ROWS, {"points": time_against_rows(plan, Path(scratch) / "many_rows.npy")}
        if plan.sides:
            yield AGAINST_UNITS, {"points": time_against_units(plan)}


def measure_workload(workload: Workload, plan: Plan, path: Path) -> dict[str, Any]:
    """Measure all contenders on one workload, whose rows are put at a path for fresh processes to load."""
    X = workload.samples()
    np.save(path, X)
    entrants = {name: enter(contender, workload, path, plan.budget) for name, contender in CONTENDERS.items()}
    runs = [
        (name, sigma)
        for name, entrant in entrants.items()
        if entrant["status"] == "measured"
        for sigma in (None, *front(CONTENDERS[name], workload, entrant["seconds"], plan))
    ]
    chunk_rows, floor = floor_of(X, workload.n_units)
    fits: dict[tuple[str, float | None], Fit] = {}

    def fit(name: str, sigma: float | None) -> None:
        fits[name, sigma] = CONTENDERS[name].fit(X, workload.height, workload.width, sigma)

    passes = {"floor": floor, "product": product_of(X, workload.n_units)}
    seconds = in_turns(passes | {run: partial(fit, *run) for run in runs}, plan.repeats)
    defaults = {name: fits[name, None] for name, sigma in runs if sigma is None}
    return {
        **{field: getattr(workload, field) for field in ("title", "rows", "features", "height", "width")},
        "floor_chunk_rows": chunk_rows,
        "floor_seconds": seconds["floor"],
        "product_seconds": seconds["product"],
        "entrants": entrants,
        "runs": [
            {"contender": name, "sigma_asked": sigma, "seconds": seconds[name, sigma]}
            | described(fits[name, sigma], CONTENDERS[name], X, workload.width)
            for name, sigma in runs
        ],
        "query_seconds": query_seconds(defaults, floor, X, plan),
    }


def enter(contender: Contender, workload: Workload, path: Path, budget: int) -> dict[str, Any]:
    """Probe one contender and get it ready."""
    if not contender.is_built:
        return {"status": "not built"}
    entrant = probe(path, contender.name, workload.height, workload.width, budget)
    if entrant["status"] == "measured":
        contender.warm_up()
    return entrant


def front(contender: Contender, workload: Workload, seconds: float, plan: Plan) -> tuple[float, ...]:
    """Last sigmas to run: for those that are compared, unless all of them would take longer than one fit may."""
    sigmas = (*plan.sigmas, *workload.more_sigmas)
    affordable = len(sigmas) * rounds(seconds, plan.repeats) * seconds <= plan.budget
    return sigmas if contender.compared and affordable else ()


def described(fit: Fit, contender: Contender, X: NDArray[np.float32], width: int) -> dict[str, Any]:
    """How good a fit is, and what made it."""
    quality = judge(X, fit.codebook, width, on_lattice=contender.on_lattice)
    return {"sigma": fit.sigma, "passes": fit.passes, **quality._asdict()}


def query_seconds(
    fits: dict[str, Fit], floor: Callable[[], None], X: NDArray[np.float32], plan: Plan
) -> dict[str, list[float]]:
    """Seconds of predicting all rows, and of transforming them ("<name> transform"), beside the floor."""
    predict = {name: partial(fit.predict, X) for name, fit in fits.items()}
    transform = {f"{name} transform": partial(fit.transform, X) for name, fit in fits.items() if fit.transform}
    return in_turns({"floor": floor} | predict | transform, plan.repeats)


def time_against_rows(plan: Plan, path: Path) -> list[dict[str, Any]]:
    """Seconds of a fit against the number of rows, all of them the first rows of one file."""
    n_features, most = 16, max(plan.row_counts)
    data = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(most, n_features))
    start = 0
    for block in manifold_blocks(most, n_features):
        data[start : start + len(block)] = block
        start += len(block)
    data.flush()
    on_disk = np.load(path, mmap_mode="r")
    samples = (on_disk[:n] if n >= plan.memmap_rows else np.array(on_disk[:n]) for n in plan.row_counts)
    return scaling(((X, SCALING_SIDE) for X in samples), plan)


def time_against_units(plan: Plan) -> list[dict[str, Any]]:
    """Seconds of a fit against the number of units."""
    X = mixture(plan.side_rows, 32)
    return scaling(((X, side) for side in plan.sides), plan)


def scaling(cases: Iterable[tuple[NDArray[np.float32], int]], plan: Plan) -> list[dict[str, Any]]:
    """Time fits of growing cases; one that would pass the budget, if time grew like the product, is not begun."""
    names = [name for name in SCALING_CONTENDERS if CONTENDERS[name].is_built]
    for name in names:
        CONTENDERS[name].warm_up()
    points: list[dict[str, Any]] = []
    spent = dict.fromkeys(names, 0.0)  # seconds for each score of the product
    for X, side in cases:
        names = [name for name in names if spent[name] * len(X) * side**2 <= plan.budget]
        tasks = {name: partial(CONTENDERS[name].fit, X, side, side, None) for name in names}
        seconds = in_turns({"floor": floor_of(X, side**2)[1]} | tasks, plan.repeats)
        points += [{"contender": name, "rows": len(X), "units": side**2, "seconds": seconds[name]} for name in seconds]
        spent = {name: median(seconds[name]) / len(X) / side**2 for name in names}
    return points
