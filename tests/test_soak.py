"""Long use costs no more memory than short use. ``nox -s promises`` runs the same in full."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def curves():
    command = [sys.executable, Path(__file__).with_name("soak.py"), "--rows", "200000", "--fits", "60"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("part", ["streamed", "fitted"])
def test_memory_stays_flat(curves, part):
    curve = curves[part]
    assert len(curve) == 20
    assert max(curve[10:]) < max(curve[:5]) + 4  # MB
