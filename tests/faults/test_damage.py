"""Files damaged at random are read in bounded time, to values or to one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from damage import outcome


def damaged(times: int, seed: int) -> str:
    """What the campaign says; from a process of its own, since it forks and torch's threads do not
    outlive that."""
    script = Path(__file__).with_name("damage.py")
    done = subprocess.run(
        [sys.executable, script, "--times", str(times), "--seed", str(seed)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_few_random_damages_of_every_file_end_well():
    rows = [line for line in damaged(times=2, seed=1).splitlines() if line.startswith("| ")]
    assert len(rows) >= 18


@pytest.mark.long
def test_many_random_damages_of_every_file_end_well():
    damaged(times=200, seed=2)


def test_the_campaign_notices_what_it_looks_for(monkeypatch):
    """A traceback, a crash, and a reader without end."""
    monkeypatch.setattr("damage.SECONDS", 1)

    def endless():
        while True:
            pass

    assert outcome(lambda: 1 / 0, b"").startswith("traceback: ZeroDivisionError")
    assert outcome(os.abort, b"") == "crash"
    assert outcome(endless, b"") == "too long"
