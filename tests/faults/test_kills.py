"""A small run on two cores, killed and resumed, has the bytes of an undisturbed one on one."""

from dataclasses import replace

import pytest
from campaign import VICTIMS, campaign, kills, summary

#: one moment each of the rules in which most can be lost
CHOSEN = (
    ("encode", "after rename", "kept.json"),
    ("train", "after rename", "checkpoint"),
)


@pytest.mark.long
def test_a_run_killed_at_chosen_moments_ends_as_an_undisturbed_one(tmp_path):
    every = {(k.stage, k.moment, k.match): k for k in reversed(kills(200, seed=0))}
    planned = [
        replace(every[key], number=i, victim=VICTIMS[i % len(VICTIMS)])
        for i, key in enumerate(CHOSEN)
    ]
    records = list(campaign(tmp_path, planned, chains=1, cores=2))  # compares after every kill
    assert len(records) == len(CHOSEN)
    assert f"{len(CHOSEN)} kills, as many resumptions, 1 runs brought to their end" in summary(
        records
    )


def test_the_campaign_covers_every_rule_and_victim():
    planned = kills(120, seed=0)
    assert len({kill.number for kill in planned}) == 120
    stages = {kill.stage for kill in planned}
    assert stages == {
        *("draw", "download", "pairs", "encode", "split", "pca", "train", "evaluate"),
        *("table", "figure", "report", "snakemake"),
    }
    for stage in stages - {"snakemake"}:
        assert {kill.victim for kill in planned if kill.stage == stage} == set(VICTIMS)
