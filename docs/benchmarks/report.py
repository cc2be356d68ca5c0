"""Tables and pictures, made from results.json alone: ``python docs/benchmarks/report.py [folder]`` makes them again."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

JSON, TABLES = "results.json", "tables.md"
RESULTS, README = Path(__file__).with_name("results"), Path(__file__).parents[2] / "README.md"
SUMMARY = re.compile(r"(<!-- benchmark summary -->\n).*(<!-- end of summary -->)", re.DOTALL)
# Okabe and Ito's colors, told apart by the color-blind, and a marker each
STYLES = {
    "sktopo": ("#0072B2", "o"),
    "sktopo short": ("#0072B2", "*"),
    "sktopo long": ("#0072B2", "h"),
    "fastersom": ("#D55E00", "s"),
    "MiniSom": ("#009E73", "^"),
    "XPySom": ("#CC79A7", "D"),
    "somoclu": ("#E69F00", "v"),
    "torchsom": ("#56B4E9", "P"),
    "KMeans": ("#000000", "X"),
    "MiniBatchKMeans": ("#000000", "X"),
    "floor": ("#7F7F7F", "."),
}
Part = dict[str, Any]


def write(results: dict[str, Any], directory: Path) -> None:
    """Write the tables and, of what was measured, the pictures."""
    (directory / TABLES).write_text("\n".join(page(results)) + "\n")
    parts = results["parts"]
    workloads = {name: part for name, part in parts.items() if "runs" in part}
    pictures = {"fronts": draw_fronts(workloads)} if workloads else {}
    for name, variable in (("time-against-rows", "rows"), ("time-against-units", "units")):
        if name in parts:
            pictures[name.replace("-", "_")] = draw_scaling(parts[name]["points"], variable)
    for name, figure in pictures.items():
        figure.savefig(directory / f"{name}.png", dpi=120)
    if directory == RESULTS:
        fill(README, results)


def page(results: dict[str, Any]) -> Iterator[str]:
    """Lines of the page of tables."""
    workloads = {name: part for name, part in results["parts"].items() if "runs" in part}
    yield "# Benchmark results"
    yield ""
    yield machine_line(results["machine"])
    yield ""
    yield "README.md, one folder up, says what the columns mean."
    yield from section("Claims", claims(workloads))
    if workloads:
        yield ""
        yield "![Topographic error against quantization error, a panel for each workload](fronts.png)"
    for name, part in workloads.items():
        size = f"{part['rows']} x {part['features']} on {part['height']} x {part['width']}"
        yield from section(f"{name}: {part['title']}, {size}", defaults(part))
        yield ""
        yield provenance(part)
        yield from section(f"{name}: fronts over the last sigma", fronts(part))
    for name, part in results["parts"].items():
        if "points" in part:
            yield from section(name.replace("-", " ").capitalize(), scaling(part["points"]))
            yield ""
            yield f"![{name.replace('-', ' ').capitalize()}]({name.replace('-', '_')}.png)"
            yield ""
            yield f"Measured {part['date']} at {part['commit']}."


def summary(results: dict[str, Any]) -> str:
    """Make the README's table: a fit at the defaults of three libraries, in seconds, with its errors."""
    names = ("sktopo", "fastersom", "MiniSom")
    lines = [f"| rows x features on units | {' | '.join(names)} |", "| --- " * (len(names) + 1) + "|"]
    for part in results["parts"].values():
        if "runs" in part:
            size = f"{part['title']}, {part['rows']:,} x {part['features']} on {part['height']} x {part['width']}"
            lines.append(f"| {size} | {' | '.join(at_default(part, name) for name in names)} |")
    return "\n".join(lines)


def at_default(part: Part, name: str) -> str:
    """Seconds and errors of a contender at its defaults, or why there are none."""
    run = default_runs(part).get(name)
    if run is None:
        return part["entrants"][name]["status"]
    return f"{number(median(run['seconds']), '.2g')} s: {' / '.join(errors(run)[:2])}"


def fill(page: Path, results: dict[str, Any]) -> None:
    """Put the table where a page has a place for it."""
    parts = SUMMARY.split(page.read_text())
    page.write_text(f"{parts[0]}{parts[1]}\n{summary(results)}\n\n{parts[2]}{parts[3]}")


def machine_line(machine: dict[str, Any]) -> str:
    """Describe the machine in a sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"{machine['memory_bytes'] / 2**30:.0f} GB, {machine['system']}, Python {machine['python']}; {versions}."
    )


def provenance(part: Part) -> str:
    """Say when a workload was measured, and what its floor is."""
    return (
        f"Measured {part['date']} at {part['commit']}; the floor is {median(part['floor_seconds']):.3g} s, in chunks "
        f"of {part['floor_chunk_rows']} rows; one product of all rows at once takes "
        f"{median(part['product_seconds']):.3g} s; up to {part['repeats']} repeats, {part['budget']} s a fit at most."
    )


def section(title: str, table: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a heading and a Markdown table, whose first row is its head."""
    head, *body = table
    yield from ("", f"## {title}", "")
    for row in (head, ["---"] * len(head), *body):
        yield f"| {' | '.join(row)} |"


def number(value: float | None, form: str = ".3g") -> str:
    """Format a number, large ones in full, or nothing."""
    return "" if value is None else f"{value:.0f}" if value >= 1000 else f"{value:{form}}"


def ratio(seconds: Sequence[float], floor: Sequence[float]) -> float:
    """Ratio of medians."""
    return median(seconds) / median(floor)


def errors(run: dict[str, Any]) -> tuple[str, str, str]:
    """Quality columns of a run."""
    return (
        number(run["quantization_error"], ".4g"),
        number(run["topographic_error"], ".3f"),
        number(run["trustworthiness"], ".3f"),
    )


def default_runs(part: Part) -> dict[str, dict[str, Any]]:
    """Each contender's run at its default sigma."""
    return {run["contender"]: run for run in part["runs"] if run["sigma_asked"] is None}


def defaults(part: Part) -> Iterator[Sequence[str]]:
    """Compare all contenders at their defaults."""
    yield "contender", "passes", "last sigma", "fit s", "fit / floor", "predict / floor", "QE", "TE", "trust", "peak MB"
    runs, queries = default_runs(part), part["query_seconds"]
    for name, entrant in part["entrants"].items():
        if name not in runs:
            yield name, entrant["status"], *[""] * 8
            continue
        run, peak = runs[name], entrant["peak_bytes"]
        yield (
            name,
            number(run["passes"]),
            number(run["sigma"]),
            number(median(run["seconds"])),
            number(ratio(run["seconds"], part["floor_seconds"])),
            number(ratio(queries[name], queries["floor"])),
            *errors(run),
            "" if peak is None else number(peak / 1e6, ".0f"),
        )


def fronts(part: Part) -> Iterator[Sequence[str]]:
    """List the runs of all contenders that have a lattice, by last sigma."""
    yield "contender", "last sigma", "fit / floor", "QE", "TE", "trust"
    for name in part["entrants"]:
        for run in front(part, name):
            default = " (default)" if run["sigma_asked"] is None else ""
            speed = number(ratio(run["seconds"], part["floor_seconds"]))
            yield name, number(run["sigma"]) + default, speed, *errors(run)


def front(part: Part, contender: str) -> list[dict[str, Any]]:
    """Sort a contender's runs by last sigma; those without a lattice have none."""
    runs = [run for run in part["runs"] if run["contender"] == contender and run["sigma"] is not None]
    return sorted(runs, key=lambda run: run["sigma"])


def claims(workloads: dict[str, Part]) -> Iterator[Sequence[str]]:
    """Compare fastersom's defaults with the fastest sktopo that is no worse in either error."""
    yield (
        "workload",
        "fastersom QE / TE",
        "sktopo passes",
        "sigma_final",
        "sktopo QE / TE",
        "times faster",
        "fit / floor",
        "fit / product",
        "predict / floor",
        "predict / product",
        "transform / predict",
    )
    for name, part in workloads.items():
        runs, queries = default_runs(part), part["query_seconds"]
        if not {"sktopo", "fastersom"} <= runs.keys():
            continue
        rival, best = runs["fastersom"], best_setting(part)
        shown = best or runs["sktopo"]
        yield (
            name,
            " / ".join(errors(rival)[:2]),
            number(shown["passes"]),
            number(shown["sigma"]) + ("" if best else " (default; none is as good in both)"),
            " / ".join(errors(shown)[:2]),
            number(median(rival["seconds"]) / median(shown["seconds"])),
            number(ratio(shown["seconds"], part["floor_seconds"])),
            number(ratio(shown["seconds"], part["product_seconds"])),
            number(ratio(queries["sktopo"], queries["floor"])),
            number(ratio(queries["sktopo"], part["product_seconds"])),
            number(ratio(queries["sktopo transform"], queries["sktopo"])),
        )


def best_setting(part: Part) -> dict[str, Any] | None:
    """Find the fastest run of sktopo whose errors are both no worse than those of fastersom's defaults."""
    rival = default_runs(part)["fastersom"]
    measures = ("quantization_error", "topographic_error")
    runs = [run for name in ("sktopo", "sktopo short", "sktopo long") for run in front(part, name)]
    good = [run for run in runs if all(run[measure] <= rival[measure] for measure in measures)]
    return min(good, key=lambda run: median(run["seconds"]), default=None)


def scaling(points: list[dict[str, Any]]) -> Iterator[Sequence[str]]:
    """List seconds of a fit by size, a column for each contender."""
    names = list(dict.fromkeys(point["contender"] for point in points))
    yield "rows", "units", *(f"{name} s" for name in names)
    for size in dict.fromkeys((point["rows"], point["units"]) for point in points):
        here = {point["contender"]: point for point in points if (point["rows"], point["units"]) == size}
        yield *map(str, size), *(number(median(here[name]["seconds"])) if name in here else "" for name in names)


def draw_scaling(points: list[dict[str, Any]], variable: str) -> Figure:
    """Draw seconds of a fit against rows or units, both logarithmic."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, (color, marker) in STYLES.items():
        mine = [point for point in points if point["contender"] == name]
        if mine:
            x, y = [point[variable] for point in mine], [median(point["seconds"]) for point in mine]
            label = "one pass of the matrix product" if name == "floor" else name
            axes.plot(x, y, "--" if name == "floor" else "-", color=color, marker=marker, label=label)
    axes.set(xscale="log", yscale="log", xlabel=f"number of {variable}", ylabel="seconds of a fit")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def draw_fronts(workloads: dict[str, Part]) -> Figure:
    """Draw quantization error against topographic error, a panel for each workload."""
    columns = min(3, len(workloads))
    rows = -(-len(workloads) // columns)
    figure = Figure(figsize=(4.6 * columns, 4 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(workloads) :]:
        axes.set_axis_off()
    for axes, (name, part) in zip(grid.flat, workloads.items(), strict=False):
        for contender in part["entrants"]:
            draw_front(axes, front(part, contender), *STYLES[contender])
        axes.set(title=name, xlabel="quantization error", ylabel="topographic error")
        axes.grid(alpha=0.3)
    used = [name for name in STYLES if any(front(part, name) for part in workloads.values())]
    handles = [Line2D([], [], color=STYLES[name][0], marker=STYLES[name][1], label=name) for name in used]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def draw_front(axes: Axes, runs: list[dict[str, Any]], color: str, marker: str) -> None:
    """Draw one contender's runs as a line, its default larger, each with its last sigma."""
    x, y = [run["quantization_error"] for run in runs], [run["topographic_error"] for run in runs]
    sizes = [80 if run["sigma_asked"] is None else 25 for run in runs]
    axes.plot(x, y, color=color, alpha=0.6)
    axes.scatter(x, y, s=sizes, color=color, marker=marker)
    for run, *place in zip(runs, x, y, strict=True):
        axes.annotate(number(run["sigma"]), place, xytext=(3, 3), textcoords="offset points", fontsize=6, color=color)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    write(json.loads((folder / JSON).read_text()), folder)
