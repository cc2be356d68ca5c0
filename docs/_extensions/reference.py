"""Writes the API reference from the ``__all__`` of the public modules, so that it lists every public name."""

import importlib
import inspect
import re
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx

# What users import, and what the page says of it.
MODULES = {
    "sktopo": "The estimator, and what works beside it.",
    "sktopo.metrics": "How good is a map? All take a fitted map, or a Pipeline that ends in one.",
    "sktopo.plotting": "Pictures of a map, as scikit-learn makes Displays.",
    "sktopo.nn": "The same map as a torch layer with gradients.",
    "sktopo.annealing": "Below which temperature a map spreads.",
    "sktopo.schedules": "How sigma, or a temperature, falls.",
}


def public_names(module: ModuleType) -> list[str]:
    """Classes and functions of a module's ``__all__``, and objects that wrap a function, as scorers do."""
    members = {name: inspect.unwrap(getattr(module, name)) for name in module.__all__}
    return [name for name, value in members.items() if inspect.isclass(value) or inspect.isroutine(value)]


def page() -> str:
    """The page's text."""
    lines = ["API reference", "=============", ""]
    for name, says in MODULES.items():
        if find_spec(name) is None:
            continue
        lines += [f"``{name}``", "-" * (len(name) + 4), "", says, "", f".. currentmodule:: {name}", ""]
        lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
        lines += [f"   {member}" for member in public_names(importlib.import_module(name))] + [""]
    return "\n".join(lines)


def escape_learned_names(*event: Any) -> None:
    """Keep ``shape (n_units_, 2)`` from being read as a link: a word with an underscore at its end is one in reST."""
    lines: list[str] = event[-1]
    for number, line in enumerate(lines):
        if "shape (" in line:
            head, shape = line.split("shape (", 1)
            lines[number] = head + "shape (" + re.sub(r"(\w)_(?=[,)\s])", r"\1\\_", shape)


def setup(app: Sphinx) -> dict[str, bool]:
    path = Path(app.srcdir) / "api" / "index.rst"
    path.parent.mkdir(exist_ok=True)
    text = page()
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", escape_learned_names, priority=400)  # before numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}
