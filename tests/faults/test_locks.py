"""Two runs at once: refused in one folder; with one cache neither takes a half file."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.slow
TABLE = "results/table3.csv"


def overlay(folder, artefacts="data/artefacts"):
    rng = np.random.default_rng(0)
    split = np.array(["query"] * 20 + ["database"] * 100)
    np.savez(folder / "mine.npz", image=rng.normal(size=(120, 8)), text=rng.normal(size=(120, 7)),
             labels=np.tile(np.eye(3, dtype=int), (40, 1)), split=split)  # fmt: skip
    return {
        "seeds": [0],
        "artefacts": str(artefacts),
        "datasets": {"mine": {"kind": "features", "raw": str(folder), "file": "mine.npz",
                              "features": "given", "split": "given"}},
        "experiments": {"table3": {"datasets": ["mine"], "methods": ["cvh", "imh"], "bits": [4]}},
    }  # fmt: skip


@pytest.fixture
def start(root):
    """``start(folder, overlay, module)``: a run of snakemake in the background."""
    running = []

    def run(folder, overlay, module="snakemake"):
        (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
        command = [
            *(sys.executable, "-m", module, "--snakefile", root / "Snakefile"),
            *("--directory", folder, "--cores", "1", TABLE),
            *("--configfile", root / "config.yaml", folder / "overlay.yaml"),
        ]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        running.append(subprocess.Popen(command, cwd=root, env=os.environ.copy(), **options))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.long
def test_a_second_run_in_the_folder_is_refused_and_the_first_ends_well(tmp_path, start):
    first = start(tmp_path, overlay(tmp_path))
    until = time.monotonic() + 120
    while not list(tmp_path.glob(".snakemake/locks/*")) and time.monotonic() < until:
        time.sleep(0.05)
    second, resumed = (
        start(tmp_path, overlay(tmp_path), module)
        for module in ("snakemake", "pipeline.runs.resume")
    )
    said = second.communicate()[0]
    assert second.returncode != 0 and "cannot be locked" in said
    said = resumed.communicate()[0]
    if resumed.returncode:  # the first was still at work when resume's patience ended
        assert "is at work in this folder" in said
    said = first.communicate()[0]
    assert first.returncode == 0, said
    assert (tmp_path / TABLE).exists()


@pytest.mark.long
def test_runs_that_fill_one_cache_at_once_end_in_equal_tables(tmp_path, start, root):
    """One may find an input gone that the other is making anew; the same command then goes on."""
    config = overlay(tmp_path, tmp_path / "cache")
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    runs = [start(folder, config) for folder in folders]
    for run, folder in zip(runs, folders, strict=True):
        said = run.communicate()[0]
        assert "Traceback" not in said
        if run.returncode:
            again = start(folder, config)
            said = again.communicate()[0]
            assert again.returncode == 0, said
    assert (folders[0] / TABLE).read_bytes() == (folders[1] / TABLE).read_bytes()
    verify = [sys.executable, "-m", "pipeline", "verify", "--artefacts", tmp_path / "cache"]
    for folder in folders:
        done = subprocess.run([*verify, "--results", folder / "results"], cwd=root)
        assert done.returncode == 0
