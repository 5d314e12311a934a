"""Files damaged at random are read in bounded time, to values or to one sentence."""

from collections import Counter

import pytest
from damage import FAILURES, campaign, outcome


def test_a_few_random_damages_of_every_file_end_well(tmp_path):
    counts = {victim.name: found for victim, found in campaign(tmp_path, 2, seed=1)}
    assert len(counts) >= 18
    assert all(sum(found.values()) == 2 for found in counts.values())
    assert not [name for name, found in counts.items() if any(found[f] for f in FAILURES)]


@pytest.mark.long
def test_many_random_damages_of_every_file_end_well(tmp_path):
    total = sum((counts for _, counts in campaign(tmp_path, 200, seed=2)), Counter())
    assert not {failure: total[failure] for failure in FAILURES if total[failure]}


def test_the_campaign_notices_what_it_looks_for(monkeypatch):
    """A traceback, a crash, and a reader without end."""
    import os

    monkeypatch.setattr("damage.SECONDS", 1)

    def endless():
        while True:
            pass

    assert outcome(lambda: 1 / 0, b"").startswith("traceback: ZeroDivisionError")
    assert outcome(os.abort, b"") == "crash"
    assert outcome(endless, b"") == "too long"
