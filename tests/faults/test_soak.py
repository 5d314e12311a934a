"""A server under a steady load, changed and killed meanwhile."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_a_server_bears_a_steady_load_a_change_and_a_crash(tmp_path):
    """Five minutes: an answer to every request but those of the restart, and no growth."""
    script = Path(__file__).with_name("soak.py")
    done = subprocess.run(
        [sys.executable, script, "--minutes", "5", "--rate", "4", "--out", tmp_path / "soak.md"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = (tmp_path / "soak.md").read_text()
    assert "killed; answers again" in record and ", 0 at other times." in record
