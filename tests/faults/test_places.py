"""No room, no right to write, no file handles: one sentence, and nothing that was there is lost."""

import email.utils
import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline import errors
from pipeline.cli import stages
from pipeline.errors import InputError
from pipeline.features import decode, images
from pipeline.features.encode import write_features
from pipeline.methods import create
from pipeline.storage import sealed, store, transfer
from pipeline.storage.files import write_text
from pipeline.storage.store import Pairs, Provenance

N = 400
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 200 kB; ``remount`` changes how it is mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def remount(place, how):
    subprocess.run(["mount", "-o", f"remount,{how}", place], check=True)


@pytest.fixture
def mine(tmp_path):
    """A file of features of 200 kB a view, and its pairs."""
    rng = np.random.default_rng(0)
    views = {view: rng.normal(size=(N, 128)) for view in ("image", "text")}
    split = np.array(["query"] * 40 + ["database"] * (N - 40))
    np.savez(
        tmp_path / "mine.npz", **views, labels=np.eye(5, dtype=int)[np.arange(N) % 5], split=split
    )
    assert pairs(tmp_path, tmp_path / "pairs.h5") == 0
    return tmp_path


def pairs(raw, out, *more):
    options = ("--options", '{"file": "mine.npz"}')
    return stages.main(
        list(map(str, ["pairs", "features", "--raw", raw, *options, "--out", out, *more]))
    )


def encode(folder, out, *more):
    arguments = ["encode", "image", "--pairs", folder / "pairs.h5", "--options", '{"kind":"given"}']
    return stages.main(list(map(str, [*arguments, "--out", out, *more])))


def sentence(capsys):
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("error: "), said
    return said[0]


# --- a full disk ----------------------------------------------------------------------------------


@needs_root
def test_hdf5_on_a_full_disk_is_one_sentence_and_keeps_what_was_there(mine, tiny_disk, capsys):
    (tiny_disk / "image.h5").write_text("of an earlier run")
    capsys.readouterr()
    assert encode(mine, tiny_disk / "image.h5") == 2
    assert sentence(capsys) == f"error: {tiny_disk}/image.h5: No space left on device"
    assert [p.name for p in tiny_disk.iterdir()] == ["image.h5"]
    assert (tiny_disk / "image.h5").read_text() == "of an earlier run"


def earlier_and_next(place, fill):
    """A file of features is there; the next one meets ``fill`` between two blocks."""
    rows = np.arange(20_000, dtype=np.float32).reshape(1000, 20)
    (place / "f.h5").write_text("of an earlier run")
    with store.feature_writer(place / "f.h5", rows.shape, Provenance("t")) as writer:
        writer.write(slice(0, 500), rows[:500])
        fill()
        writer.write(slice(500, 1000), rows[500:])


@needs_root
def test_a_disk_that_fills_up_under_hdf5_is_one_sentence(tiny_disk):
    def fill():
        with pytest.raises(OSError, match="No space"), (tiny_disk / "fill").open("wb", 0) as file:
            while file.write(bytes(4096)):
                pass

    with pytest.raises(OSError, match="No space left") as caught:
        earlier_and_next(tiny_disk, fill)
    assert errors.sentence(caught.value) == f"{tiny_disk}/f.h5: No space left on device"
    assert (tiny_disk / "f.h5").read_text() == "of an earlier run"
    assert sorted(p.name for p in tiny_disk.iterdir()) == ["f.h5", "fill"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_what_the_system_says_under_hdf5_is_one_sentence(tmp_path, monkeypatch, number):
    """A full disk or quota, a disk that is read-only for a moment, one that fails."""

    def fill():
        monkeypatch.setattr(sealed.Written, "_put", refused)

    def refused(self, data):
        raise OSError(number, os.strerror(number))

    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        earlier_and_next(tmp_path, fill)
    assert errors.sentence(caught.value) == f"{tmp_path}/f.h5: {os.strerror(number)}"
    assert [p.name for p in tmp_path.iterdir()] == ["f.h5"]
    assert (tmp_path / "f.h5").read_text() == "of an earlier run"
    monkeypatch.undo()
    earlier_and_next(tmp_path, lambda: None)
    with store.open_features(tmp_path / "f.h5") as features:
        assert features.rows(slice(None))[-1, -1] == 19_999


def test_a_file_size_limit_under_hdf5_is_one_sentence(mine):
    """The system's own limit, which ends a process by a signal unless it is ignored."""
    code = (
        "import resource, sys; from pipeline.cli import stages\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))\n"
        "sys.exit(stages.main(sys.argv[1:]))"
    )
    arguments = ["encode", "image", "--pairs", mine / "pairs.h5", "--options", '{"kind":"given"}']
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--out", mine / "image.h5"],
        capture_output=True, text=True, cwd=Path(stages.__file__).parents[2],
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, f"error: {mine}/image.h5: File too large\n")
    assert not (mine / "image.h5").exists() and not list(mine.glob(".image*"))


@needs_root
def test_text_on_a_full_disk_keeps_what_was_there(tiny_disk):
    write_text(tiny_disk / "t.csv", "earlier")
    with pytest.raises(OSError, match="No space left") as caught:
        write_text(tiny_disk / "t.csv", "x" * 300_000)
    assert errors.sentence(caught.value) == f"{tiny_disk}/t.csv: No space left on device"
    assert [p.name for p in tiny_disk.iterdir()] == ["t.csv"]
    assert (tiny_disk / "t.csv").read_text() == "earlier"


@needs_root
def test_a_log_that_cannot_be_written_is_one_sentence(mine, tiny_disk, capsys):
    with pytest.raises(OSError, match="No space"), (tiny_disk / "fill").open("wb", 0) as file:
        while file.write(bytes(4096)):
            pass
    capsys.readouterr()
    assert encode(mine, mine / "image.h5", "--log", tiny_disk / "log") == 2
    assert sentence(capsys) == f"error: {tiny_disk}/log: No space left on device"


@needs_root
def test_a_checkpoint_that_has_no_room_does_not_stop_the_training(tiny_disk, monkeypatch, caplog):
    monkeypatch.setattr("pipeline.methods._epochs.CHECKPOINT_SECONDS", 0)
    rng = np.random.default_rng(0)
    views = rng.normal(size=(40, 10)), rng.normal(size=(40, 12))
    small = {"hidden": 128, "critic_hidden": 8, "epochs": 2, "min_steps": 1, "on_collapse": "warn"}
    model = create("cmimh", bits=8, seed=0, **small)
    model.checkpoint = tiny_disk / "state"
    codes = model.fit(*views).encode_image(views[0])
    assert "no checkpoint could be written (No space left on device)" in caplog.text
    assert list(tiny_disk.iterdir()) == []
    undisturbed = create("cmimh", bits=8, seed=0, **small).fit(*views)
    np.testing.assert_array_equal(codes, undisturbed.encode_image(views[0]))


@pytest.mark.long
@needs_root
@pytest.mark.slow
def test_a_run_on_a_full_disk_goes_on_when_there_is_room(snakemake, mine, tiny_disk):
    overlay = {
        "seeds": [0],
        "datasets": {"mine": {"kind": "features", "raw": str(mine), "file": "mine.npz",
                              "features": "given", "split": "given"}},
        "experiments": {"table3": {"datasets": ["mine"], "methods": ["cvh"], "bits": [16]}},
    }  # fmt: skip
    remount(tiny_disk, "size=600k")
    full = snakemake("results/table3.csv", overlay=overlay, folder=tiny_disk)
    assert full.status != 0
    assert re.search(r"^error: .*: No space left on device$", full.said, re.MULTILINE), full.said
    remount(tiny_disk, "size=50m")
    again = snakemake("results/table3.csv", overlay=overlay, folder=tiny_disk)
    assert again.status == 0, again.said
    assert "results/table3.csv" in {str(p.relative_to(tiny_disk)) for p in tiny_disk.rglob("*.csv")}


# --- no right to write ----------------------------------------------------------------------------


@needs_root
def test_a_read_only_folder_is_one_sentence(mine, tiny_disk, capsys):
    remount(tiny_disk, "ro")
    capsys.readouterr()
    assert encode(mine, tiny_disk / "image.h5") == 2
    said = sentence(capsys)
    assert str(tiny_disk) in said and said.endswith("Read-only file system")
    assert encode(mine, mine / "image.h5", "--log", tiny_disk / "logs" / "l") == 2
    assert sentence(capsys) == f"error: {tiny_disk}/logs: Read-only file system"


@needs_root
def test_a_folder_that_is_read_only_for_a_moment_costs_one_attempt(mine, tiny_disk, capsys):
    remount(tiny_disk, "size=2m")
    assert encode(mine, mine / "image.h5") == 0
    remount(tiny_disk, "ro")
    assert encode(mine, tiny_disk / "image.h5") == 2
    remount(tiny_disk, "rw")
    assert encode(mine, tiny_disk / "image.h5") == 0
    assert (tiny_disk / "image.h5").read_bytes() == (mine / "image.h5").read_bytes()
    assert [p.name for p in tiny_disk.iterdir() if not p.name.endswith(".lock")] == ["image.h5"]


@needs_root
def test_a_training_goes_on_where_no_checkpoint_can_be_written_for_a_moment(
    tiny_disk, monkeypatch, caplog
):
    remount(tiny_disk, "size=20m")
    monkeypatch.setattr("pipeline.methods._epochs.CHECKPOINT_SECONDS", 0)
    seen = []

    def report(epoch, **_):
        seen.append((epoch, (tiny_disk / "state").exists()))
        remount(tiny_disk, "ro" if epoch == 1 else "rw")  # before its checkpoint is written

    codes = trained(tiny_disk / "state", report)
    assert caplog.text.count("no checkpoint could be written (Read-only file system)") == 1
    assert seen == [(1, False), (2, False), (3, True)]
    np.testing.assert_array_equal(codes, trained())


def trained(checkpoint=None, report=None):
    """The codes of a small CMIMH of three epochs."""
    rng = np.random.default_rng(0)
    views = rng.normal(size=(40, 10)), rng.normal(size=(40, 12))
    small = {"hidden": 16, "critic_hidden": 8, "epochs": 3, "min_steps": 1, "on_collapse": "warn"}
    model = create("cmimh", bits=8, seed=0, **small)
    model.checkpoint = checkpoint
    if report is not None:
        model.report = report
    return model.fit(*views).encode_image(views[0])


# --- clocks and signals ---------------------------------------------------------------------------


def test_a_clock_that_jumps_back_changes_neither_codes_nor_checkpoints(tmp_path, monkeypatch):
    """An hour at every look at it, as after corrections of the time."""
    monkeypatch.setattr("pipeline.methods._epochs.CHECKPOINT_SECONDS", 1e-6)
    now = iter(range(2_000_000_000, 0, -3600))
    undisturbed = trained()
    monkeypatch.setattr("time.time", lambda: float(next(now)))
    written = []
    codes = trained(
        tmp_path / "state", lambda epoch, **_: written.append((tmp_path / "state").exists())
    )
    assert written == [False, True, True]
    np.testing.assert_array_equal(codes, undisturbed)


@pytest.mark.parametrize("hours", [-48, 48])
def test_a_clock_that_is_wrong_does_not_make_a_download_wait_for_days(monkeypatch, hours):
    """Retry-After may be a moment of the server's clock: beyond what is waited for, or past."""
    said = email.utils.formatdate(time.time() + 10, usegmt=True)
    wrong = time.time() + hours * 3600
    monkeypatch.setattr("time.time", lambda: wrong)
    waits = transfer._retry_after(said)
    assert waits == 0 if hours > 0 else waits > transfer.RetryPolicy().longest


def test_signals_that_interrupt_every_call_change_no_byte(mine):
    """EINTR: a handler runs a thousand times a second while files are read and written."""
    struck = []
    before = signal.signal(signal.SIGALRM, lambda *_: struck.append(1))
    try:
        for name in ("undisturbed", "interrupted"):
            folder = mine / name
            if name == "interrupted":
                signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            assert pairs(mine, folder / "pairs.h5") == 0
            assert encode(mine, folder / "image.h5") == 0
            write_text(folder / "t.csv", "x" * 10**7)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(struck) > 10
    for name in ("pairs.h5", "image.h5", "t.csv"):
        assert (mine / "interrupted" / name).read_bytes() == (
            mine / "undisturbed" / name
        ).read_bytes(), name


@needs_root
def test_an_unwritable_cache_of_weights_is_one_sentence(tiny_disk, monkeypatch):
    import torch

    from pipeline.features.kinds import backbone

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tiny_disk / "hub"))
    remount(tiny_disk, "ro")
    with pytest.raises((InputError, OSError)) as caught:
        backbone.create(backbone="squeezenet1_1", weights="pretrained")
    assert str(tiny_disk) in str(caught.value) and "\n" not in str(caught.value)


@needs_root
def test_unwritable_caches_of_libraries_do_not_matter(mine, tiny_disk):
    """matplotlib, numba and torch would like to keep something at home."""
    remount(tiny_disk, "ro")
    variables = ("HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "TORCH_HOME")
    code = (
        "import numpy as np; from pipeline.evaluation import evaluate; import matplotlib.pyplot\n"
        "codes = np.eye(8, 16) > 0; print(evaluate(codes, codes, codes, codes, k=3).map)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | dict.fromkeys(variables, str(tiny_disk)),
        cwd=Path(stages.__file__).parents[2], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# --- no file handles, a failing disk --------------------------------------------------------------


@pytest.mark.parametrize("limit", [6, 8, 10])
def test_too_many_open_files_is_one_sentence(mine, limit):
    """With so few handles a stage either manages or says so."""
    code = (
        "import resource, sys; from pipeline.cli import stages\n"
        "import pipeline.features.kinds.given, pipeline.datasets.features\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))\n"
        "spare = [open('/dev/null') for _ in range(2)]\n"
        "sys.exit(stages.main(sys.argv[1:]))"
    )
    arguments = ["encode", "image", "--pairs", mine / "pairs.h5", "--options", '{"kind":"given"}']
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--out", mine / f"image{limit}.h5"],
        capture_output=True, text=True, cwd=Path(stages.__file__).parents[2],
    )  # fmt: skip
    assert done.returncode in (0, 2), done.stderr
    if done.returncode:
        assert "Too many open files" in done.stderr and "Traceback" not in done.stderr
    assert (mine / f"image{limit}.h5").exists() == (done.returncode == 0)
    assert not list(mine.glob(".image*"))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM, errno.ESTALE])
def test_a_machine_that_fails_to_read_is_not_taken_for_a_bad_image(tmp_path, monkeypatch, number):
    """Else a hiccup of the disk would leave pairs out, and change every number after it."""
    failed = OSError(number, os.strerror(number))

    def read(self, reference):
        raise failed

    monkeypatch.setattr(decode.ImageFiles, "read", read)
    some = Pairs(["a"] * 200, np.ones((200, 1)), ["x"], [f"{i}.jpg" for i in range(200)], tmp_path)
    with pytest.raises(OSError, match=r"0\.jpg: cannot be read now: ") as caught:
        write_features(
            some, "image", tmp_path / "f.h5", Provenance("t"),
            kind="backbone", backbone="squeezenet1_1", weights="untrained", device="cpu", workers=0,
            max_undecodable=1.0,
        )  # fmt: skip
    assert os.strerror(number) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "f.h5").exists()


def test_workers_that_cannot_hand_over_a_batch_end_in_a_sentence():
    def broken():
        raise RuntimeError("DataLoader timed out after 600 seconds\nmore")
        yield

    with pytest.raises(OSError, match="that read images failed: DataLoader timed out") as caught:
        images._next(broken())
    assert "\n" not in str(caught.value)


def test_a_cut_hdf5_file_of_our_own_is_named(mine, capsys):
    whole = (mine / "pairs.h5").read_bytes()
    capsys.readouterr()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        (mine / "pairs.h5").write_bytes(whole[:length])
        assert encode(mine, mine / "image.h5") == 2
        assert re.search(f"{mine}/pairs.h5: (not a readable HDF5 file|damaged)", sentence(capsys))


def test_an_hdf5_file_of_another_version_is_named(mine, capsys):
    with h5py.File(mine / "pairs.h5", "w") as file:
        file.attrs.update({"kind": "pairs", "layout": 1})
    capsys.readouterr()
    assert encode(mine, mine / "image.h5") == 2
    assert "delete the file and run again" in sentence(capsys)


def test_options_that_are_no_json_are_refused_by_the_command_line(mine, capsys):
    with pytest.raises(SystemExit):
        stages.main(["pairs", "features", "--raw", str(mine), "--options", "{", "--out", "x"])
    assert "argument --options: invalid" in capsys.readouterr().err
