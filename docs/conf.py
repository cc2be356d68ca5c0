"""How the documentation is built: ``sphinx-build -W --keep-going -b html docs docs/_build/html``, without a network."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_extensions")]

import sktopo  # noqa: E402

project = "sktopo"
author = "The sktopo developers"
copyright = "the sktopo developers"
version = release = sktopo.__version__

extensions = [
    "mathml",
    "reference",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = [
    "_build",
    "gallery",
    "auto_examples/**/*.ipynb",
    "auto_examples/*.py.md5",
    "examples/results",
    "explanation/results",
]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]
# the benchmarks' page links to results that are there once they have been run
if not (HERE / "benchmarks" / "results" / "tables.md").exists():
    suppress_warnings.append("myst.xref_missing")

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
copybutton_prompt_text = ">>> |\\.\\.\\. "
copybutton_prompt_is_regexp = True

autosummary_generate = True
autodoc_typehints = "none"
autodoc_inherit_docstrings = False
numpydoc_show_class_members = False
numpydoc_use_plots = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("sktopo",),
    "reference_url": {"sktopo": None},
    "capture_repr": ("_repr_html_",),
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,  # its page loads scripts from elsewhere
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = "sktopo"
html_static_path = ["_static"]
html_css_files = ["sktopo.css"]
html_sidebars = {page: [] for page in ("changelog", "coming_from", "getting_started", "glossary")}
toc_object_entries_show_parents = "hide"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": {"**": ["page-toc"], "coming_from": [], "benchmarks/results/tables": []},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
