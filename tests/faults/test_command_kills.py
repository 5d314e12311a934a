"""What people start by hand, killed or stopped at random moments, ends as if it had not been."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_kills import COMMANDS


def campaign(*arguments: object) -> str:
    """What the campaign says; from a process of its own, since it forks and torch's threads do not
    outlive that."""
    script = Path(__file__).with_name("command_kills.py")
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_commands_that_are_killed_or_stopped_lead_to_the_same_end(tmp_path):
    """Two rounds over all commands; it compares after every kill."""
    said = campaign("--kills", 2 * len(COMMANDS), "--seed", 3, "--out", tmp_path / "record.md")
    assert len(re.findall(r" killed$", said, re.MULTILINE)) == 2 * len(COMMANDS)
    for command in COMMANDS:
        assert f"| {command.name} |" in (tmp_path / "record.md").read_text()
