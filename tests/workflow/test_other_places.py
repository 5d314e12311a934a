"""The workflow run from another folder, by its other Snakefile, and as a module of a workflow."""

import os
import re
import subprocess
import sys

import pytest

MODULE = """
module hashing:
    snakefile: {snakefile!r}
    config: {config}

use rule * from hashing as hashing_*
"""


def dry(folder, snakefile, *arguments):
    """What a dry run in a folder says; without the test's own package on the path."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--snakefile", snakefile, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def planned(said):
    return {name: int(n) for name, n in re.findall(r"^([a-z_0-9]+) +(\d+)$", said, re.MULTILINE)}


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_from_another_folder_the_config_is_found_and_results_come_there(root, tmp_path, snakefile):
    said = dry(tmp_path, root / snakefile, "results/table3.csv")
    assert planned(said)["train"] == 7 * 3 * 3
    assert f"{root}/results" not in said and f"{root}/data" not in said
    assert "results/table3.csv" in said


@pytest.mark.parametrize(
    ("snakefile", "target"), [("Snakefile", "default"), ("workflow/Snakefile", "all")]
)
def test_without_a_target_everything_is_made(root, tmp_path, snakefile, target):
    (tmp_path / "config.yaml").write_text("experiments: {table3: {bits: [8]}}\n")
    jobs = planned(dry(tmp_path, root / snakefile))
    assert jobs[target] == jobs["report"] == jobs["table"] == 1
    assert jobs["train"] == 7 * 3 and "figure" not in jobs


def test_another_workflow_uses_it_as_a_module(root, tmp_path):
    """Its config is an overlay, and neither files nor environments come from the caller."""
    config = {"seeds": [0], "results": "out/tables", "experiments": {"table3": {"bits": [8]}}}
    text = MODULE.format(snakefile=str(root / "workflow" / "Snakefile"), config=config)
    own = "\nrule copy:\n    input: 'out/tables/table3.csv'\n    output: 'mine.csv'\n"
    (tmp_path / "Snakefile").write_text(text + own + "    shell: 'cp {input} {output}'\n")
    jobs = planned(dry(tmp_path, "Snakefile", "mine.csv"))
    assert jobs["copy"] == jobs["hashing_table"] == 1 and jobs["hashing_train"] == 7 * 3
    jobs = planned(dry(tmp_path, "Snakefile", "hashing_all"))
    assert jobs["hashing_table"] == 1 and "hashing_figure" not in jobs


def test_a_module_without_a_config_is_the_whole_paper(root, tmp_path):
    snakefile = str(root / "workflow" / "Snakefile")
    text = MODULE.format(snakefile=snakefile, config="config")
    (tmp_path / "Snakefile").write_text(text)
    assert planned(dry(tmp_path, "Snakefile", "hashing_all"))["hashing_table"] == 9
