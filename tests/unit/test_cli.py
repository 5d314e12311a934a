"""The command line: one sentence and status 2 for bad input, and a log beside the terminal."""

import subprocess
import sys

import numpy as np
import pytest

from pipeline import cli, store


def fails(capsys, *argv):
    status = cli.main(list(map(str, argv)))
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


def test_what_is_said_is_kept_in_the_log(tmp_path):
    log = tmp_path / "logs" / "deep.log"
    cli.main(
        ["pairs", "mars", "--raw", str(tmp_path), "--out", str(tmp_path / "p"), "--log", str(log)]
    )
    assert "unknown kind of data set 'mars'" in log.read_text()


@pytest.mark.parametrize("stage", ["pairs", "encode", "split", "pca", "train", "evaluate"])
def test_every_stage_explains_itself(stage, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([stage, "--help"])
    assert ended.value.code == 0
    assert "--out" in capsys.readouterr().out


def test_stages_that_only_copy_numbers_do_not_import_torch(tmp_path):
    pairs = store.Pairs(["a", "b"], np.eye(2, dtype=np.uint8), ["x", "y"], tags=np.eye(2))
    store.write_pairs(tmp_path / "p.h5", pairs, store.Provenance("test"))
    code = (
        "import sys; from pipeline.cli import main;"
        "main(['encode', 'text', '--options', '{\"kind\": \"tags\"}',"
        "      '--pairs', sys.argv[1], '--out', sys.argv[2]]); sys.exit('torch' in sys.modules)"
    )
    files = [str(tmp_path / name) for name in ("p.h5", "t.h5")]
    assert subprocess.run([sys.executable, "-c", code, *files]).returncode == 0
    assert (tmp_path / "t.h5").exists()
