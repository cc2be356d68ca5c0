"""The one task runner: ``nox -s check`` runs everything that must pass.

Sessions use the environment they are started from: a second environment would mean a second torch.
"""

import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["check"]

OLDEST_SCIKIT_LEARN = "1.6.1"
# Two processes, for most tests keep one core busy; each gets the next tests when it is done with its own.
PYTEST = (sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal")
# Many tests start processes, which need not compile sktopo anew.
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": ""}


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, imports and the repository's shape."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("repo-review", ".")


@nox.session
def oldest(session: nox.Session) -> None:
    """The contract with the oldest scikit-learn that is supported, laid over this environment."""
    overlay = Path(session.create_tmp()).resolve() / f"scikit-learn-{OLDEST_SCIKIT_LEARN}"
    if not overlay.exists():
        install = ("install", "-q", "--no-deps", "--target", str(overlay), f"scikit-learn=={OLDEST_SCIKIT_LEARN}")
        session.run(sys.executable, "-m", "pip", *install)
    path = os.pathsep.join([str(overlay), os.environ.get("PYTHONPATH", "")])
    # its parametrize_with_checks hands pytest a generator, which pytest 9 dislikes
    quiet = ("-W", "ignore:Passing a non-Collection iterable:pytest.PytestWarning")
    session.run(*PYTEST, "-rf", *quiet, "tests/test_sklearn.py", env=ENVIRONMENT | {"PYTHONPATH": path})


@nox.session
def refresh(session: nox.Session) -> None:
    """Measure the tables of the pages again; fails if one moved beyond its spread (``-- --write`` replaces them)."""
    session.run(sys.executable, "docs/examples/refresh.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Quick examples, then the site with the committed results of all, from nothing and without a network."""
    session.run(sys.executable, "docs/examples/refresh.py", "--quick")
    for folder in ("_build", "api", "auto_examples"):
        shutil.rmtree(Path("docs") / folder, ignore_errors=True)
    session.run(
        sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "2", "-b", "html", "docs", "docs/_build/html"
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Doctests, in the pages of the site too, and tests; warnings are errors."""
    pages = sorted(str(page) for page in Path("docs").rglob("*.md") if "_build" not in page.parts)
    session.run(
        *PYTEST,
        "--doctest-modules",
        "--doctest-glob=*.md",
        "sktopo",
        "tests",
        "README.md",
        *pages,
        *session.posargs,
        env=ENVIRONMENT,
    )


@nox.session
def promises(session: nox.Session) -> None:
    """Kills, stress, fuzzing and soaking in full; rewrites the figures that the documentation shows."""
    session.run(sys.executable, "tests/promises.py", *session.posargs)


@nox.session
def check(session: nox.Session) -> None:
    """Everything; pytest's closing line comes last."""
    lint(session)
    oldest(session)
    docs(session)
    tests(session)
