"""The command line: one sentence and status 2 for bad input, and a log beside the terminal."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.cli import stages


def fails(capsys, *argv):
    status = stages.main(list(map(str, argv)))
    return status, capsys.readouterr().err


def test_bad_input_ends_in_one_sentence_and_status_2(tmp_path, capsys):
    status, said = fails(
        capsys, "pairs", "mirflickr25k", "--raw", tmp_path, "--out", tmp_path / "p.h5"
    )
    assert status == 2
    assert said.startswith("error: ") and said.count("\n") == 1
    assert f"{tmp_path}/mirflickr25k.zip: no such file" in said
    assert not (tmp_path / "p.h5").exists()


def test_an_unknown_data_set_is_refused_by_name(tmp_path, capsys):
    status, said = fails(capsys, "pairs", "mars", "--raw", tmp_path, "--out", tmp_path / "p.h5")
    assert status == 2 and "'mars'; known are coco2017" in said


def test_an_unwritable_place_is_named(tmp_path, capsys):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "codes.h5"
    np.savez(tmp_path / "mine.npz", image=np.eye(4), text=np.eye(4), labels=np.eye(4, dtype=int),
             split=np.array(["query", "database", "database", "database"]))  # fmt: skip
    status, said = fails(
        capsys,
        *("pairs", "features", "--raw", tmp_path, "--out", out),
        *("--options", '{"file": "mine.npz"}'),
    )
    assert status == 2 and f"error: {tmp_path}/file: File exists" in said


@pytest.mark.parametrize(
    ("stage", "key"),
    [
        (("encode", "image", "--pairs", "pairs.h5"), "device"),
        (("pairs", "features", "--raw", "."), "kind"),
    ],
)
def test_an_option_that_the_run_decides_is_refused_by_name(tmp_path, capsys, stage, key):
    options = json.dumps({"kind": "tags", key: "cpu"} if stage[0] == "encode" else {key: "cpu"})
    status, said = fails(capsys, *stage, "--out", tmp_path / "o.h5", "--options", options)
    assert status == 2 and f"the entry holds {key}, which is no option of its own" in said


def test_a_spec_that_is_no_json_is_named(tmp_path, capsys):
    spec, out = tmp_path / "spec.json", tmp_path / "t.csv"
    status, said = fails(capsys, "table", "--spec", spec, "--out", out)
    assert status == 2 and said == f"error: {spec}: No such file or directory\n"
    spec.write_text("{")
    status, said = fails(capsys, "table", "--spec", spec, "--out", out)
    assert status == 2 and said.startswith(f"error: {spec} is not a JSON file: ")


def test_what_is_said_is_kept_in_the_log(tmp_path):
    log = tmp_path / "logs" / "deep.log"
    stages.main(
        ["pairs", "mars", "--raw", str(tmp_path), "--out", str(tmp_path / "p"), "--log", str(log)]
    )
    assert "unknown kind of data set 'mars'" in log.read_text()


@pytest.mark.parametrize("stage", ["pairs", "encode", "split", "pca", "train", "evaluate"])
def test_every_stage_explains_itself(stage, capsys):
    with pytest.raises(SystemExit) as ended:
        stages.main([stage, "--help"])
    assert ended.value.code == 0
    assert "--out" in capsys.readouterr().out


STAGES = """
pairs features --raw . --out p.h5 --options '{"file": "given.npz"}'
encode image --pairs p.h5 --out i.h5 --options '{"kind": "given"}'
encode text --pairs p.h5 --out t.h5 --options '{"kind": "given"}'
split --dataset d --pairs p.h5 --image i.h5 --text t.h5 --out s.h5 --table s.csv --seeds 0 \
    --options '{"query": "given", "train": "database"}'
train cvh --bits 4 --image i.h5 --text t.h5 --splits s.h5 --out c.h5
evaluate --codes c.h5 --splits s.h5 --pairs p.h5 --out m.h5 --map-at 10 all
"""


def test_stages_that_need_no_torch_do_not_import_it(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "given.npz",
        image=rng.normal(size=(60, 8)),
        text=rng.normal(size=(60, 6)),
        labels=np.ones((60, 1)),
        split=np.repeat(["query", "database"], [10, 50]),
    )
    stages = [shlex.split(line) for line in STAGES.strip().splitlines()]
    code = (
        "import json, sys; from pipeline.cli.stages import main;"
        "assert not any(map(main, json.loads(sys.argv[1]))); sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, json.dumps(stages)]
    assert subprocess.run(command, cwd=tmp_path, env=package_path()).returncode == 0
    assert (tmp_path / "m.h5").exists()


def package_path():
    """The environment in which our package is found from any folder."""
    return {**os.environ, "PYTHONPATH": str(Path(stages.__file__).parents[2])}
