"""Where the benchmark runs: its own virtual environment with the pinned rivals, and a description of the machine."""

import os
import platform
import subprocess
import venv
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import contenders

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".benchmarks"
# fastersom 0.6 needs Python 3.12, and 0.5.0 is its equal on a CPU
RIVALS = ("fastersom==0.5.0", "minisom==2.3.6", "susi==1.4.3", "torchsom==1.3.1")
# says numpy<2, and runs on NumPy 2
XPYSOM = ("--no-deps", "xpysom==1.0.7")
# without --no-cache-dir pip may bring back a wheel that once failed to compile
SOMOCLU = ("--no-deps", "--no-build-isolation", "--no-cache-dir", "--no-binary", "somoclu", "somoclu==1.7.6")


def make_folder() -> Path:
    """Make the folder for what git shall not see."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    return FOLDER


def install(directory: Path) -> Path:
    """Make or reuse the environment, install sktopo and its rivals, and return its Python."""
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
    pip = (str(python), "-m", "pip", "install", "-q", "-c", "constraints.txt")
    subprocess.run([*pip, ".[plot]", "pandas", "setuptools"], cwd=ROOT, check=True)
    # a folder whose version stays the same would not be installed again
    subprocess.run([*pip, "--force-reinstall", "--no-deps", "."], cwd=ROOT, check=True)
    for rival in (*((name,) for name in RIVALS), XPYSOM, SOMOCLU):
        done = subprocess.run([*pip, *rival], cwd=ROOT, check=False, env=os.environ | {"PATH": path_without_nvcc()})
        if done.returncode != 0:
            print(f"{rival[-1]} does not install here and is left out")
    return python


def path_without_nvcc() -> str:
    """PATH less the folders with CUDA's compiler, with which somoclu's build would fail, and pip would not say so."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not Path(folder, "nvcc").exists())


def describe_machine() -> dict[str, Any]:
    """Describe what the numbers were measured on."""
    import torch

    distributions = {contender.distribution for contender in contenders.CONTENDERS.values()} | {"numpy", "torch"}
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: installed for name in sorted(distributions) if (installed := version_of(name))},
    }


def processor() -> str:
    """Name of the processor, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor())


def version_of(distribution: str) -> str | None:
    """Installed version, if any."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def stamp() -> dict[str, str]:
    """When, and with which commit: "-dirty" if a Python file differs from it; results change anyway."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", "*.py")
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "commit": (commit or "unknown") + "-dirty" * bool(changed)}


def _git(*command: str) -> str:
    return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
