"""The README tells the truth."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "docs" / "examples" / "quickstart.py"


def test_the_quickstart_prints_what_the_readme_says(tmp_path):
    readme = (ROOT / "README.md").read_text()
    promised = readme.split("<!-- quickstart output -->")[1].split("```")[1].splitlines()[1:]
    result = subprocess.run([sys.executable, QUICKSTART], cwd=tmp_path, capture_output=True, text=True, check=True)
    printed = result.stdout.splitlines()
    assert len(printed) == len(promised)
    for ours, theirs in zip(printed, promised, strict=True):
        # words to the letter, numbers to what another processor may change
        number = r"\d+\.\d+"
        assert re.sub(number, "#", ours) == re.sub(number, "#", theirs)
        values, expected = ([float(x) for x in re.findall(number, line)] for line in (ours, theirs))
        assert values == pytest.approx(expected, abs=0.01, rel=0.01)
    assert (tmp_path / "digits_map.png").stat().st_size > 10_000
