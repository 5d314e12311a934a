"""Hostile data, beyond what the tests of the single parsers hold: a sentence, or a right answer."""

import logging
import pickle
import sys
import zipfile

import h5py
import numpy as np
import pytest
import torch

from pipeline import datasets
from pipeline.cli import stages
from pipeline.datasets import _members
from pipeline.errors import CollapseError, InputError
from pipeline.evaluation import evaluate
from pipeline.features.kinds import backbone
from pipeline.methods import available, create
from pipeline.storage import store
from pipeline.storage.store import Codes, Provenance, Split

MADE = Provenance("test")
TINY = {
    "hidden": 16, "critic_hidden": 16, "epochs": 2, "min_steps": 10, "iterations": 10,
    "batch_size": 32, "rounds": 1, "on_collapse": "warn",
}  # fmt: skip


def tiny(name, bits=16):
    known = create(name, bits=bits, seed=0)
    return create(name, bits=bits, seed=0, **{k: v for k, v in TINY.items() if hasattr(known, k)})


def two_views(n=64, d_v=20, d_t=18):
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(n, 8))
    return shared @ rng.normal(size=(8, d_v)), shared @ rng.normal(size=(8, d_t))


def answers(name, image, text, bits=16):
    """What a method makes of some views: '' for codes without fault, else its sentence."""
    try:
        hasher = tiny(name, bits).fit(image, text)
        codes = hasher.encode_image(image), hasher.encode_text(text)
    except (InputError, CollapseError) as error:
        assert "\n" not in str(error)
        return str(error)
    for code in codes:
        assert len(code) == len(image) and np.isfinite(code).all()
    return ""


# --- features -------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("name", available())
def test_a_view_that_never_varies_gives_codes_or_a_sentence(name):
    image, text = two_views()
    for views in ((np.full_like(image, 3.0), text), (image, np.zeros_like(text))):
        answers(name, *views)


@pytest.mark.long
@pytest.mark.parametrize("name", available())
def test_one_pair_repeated_gives_codes_or_a_sentence(name):
    image, text = two_views()
    answers(name, np.tile(image[:1], (64, 1)), np.tile(text[:1], (64, 1)))


@pytest.mark.long
@pytest.mark.parametrize("name", available())
def test_features_of_huge_and_of_tiny_size_give_codes_or_a_sentence(name):
    image, text = two_views()
    for factor in (1e18, 1e-18):
        answers(name, (image * factor).astype(np.float32), text.astype(np.float32))


@pytest.mark.parametrize("name", available())
def test_more_bits_than_training_pairs_are_refused(name):
    image, text = two_views()
    said = answers(name, image, text, bits=65)
    assert "64 training pairs were given; 65 bits need at least as many" in said


@pytest.mark.long
@pytest.mark.parametrize("name", available())
def test_more_bits_than_dimensions_give_codes_or_a_sentence(name):
    image, text = two_views(d_v=12, d_t=10)
    answers(name, image, text, bits=48)


# --- splits and metrics ---------------------------------------------------------------------------


def setting(tmp_path, split, n=30, labels=None, codes=None):
    rng = np.random.default_rng(0)
    labels = np.eye(n, 3, dtype=np.uint8) if labels is None else labels
    pairs = store.Pairs([str(i) for i in range(n)], labels, list("abc"))
    store.write_pairs(tmp_path / "pairs.h5", pairs, MADE)
    store.write_splits(tmp_path / "split.h5", {0: split}, MADE)
    codes = rng.random((1, n, 16)) > 0.5 if codes is None else codes
    store.write_codes(tmp_path / "codes.h5", Codes([0], codes, codes), MADE)
    names = ("codes", "split", "pairs")
    given = zip(("--codes", "--splits", "--pairs"), (tmp_path / f"{n}.h5" for n in names),
                strict=True)  # fmt: skip
    flat = [str(word) for pair in given for word in pair]
    return stages.main(["evaluate", *flat, "--map-at", "50", "--out", str(tmp_path / "m.h5")])


ROWS = np.arange(30)


@pytest.mark.parametrize("empty", ["query", "database"])
def test_an_empty_part_of_a_split_is_one_sentence(tmp_path, capsys, empty):
    parts = {"query": ROWS[:5], "database": ROWS[5:]} | {empty: ROWS[:0]}
    assert setting(tmp_path, Split(**parts, train=ROWS[5:], validation=ROWS[:0])) == 2
    assert "at least one of each is needed" in capsys.readouterr().err
    assert not (tmp_path / "m.h5").exists()


def test_queries_without_a_relevant_item_count_as_zero_and_are_counted(tmp_path):
    labels = np.zeros((30, 3), np.uint8)
    labels[4:, 0] = 1  # one query of five has a label
    split = Split(ROWS[:5], ROWS[5:], ROWS[5:], ROWS[:0])
    assert setting(tmp_path, split, labels=labels) == 0
    found = store.read_metrics(tmp_path / "m.h5").groups
    of_task = found["i2t"]
    assert (of_task["ap_expected_hits@50"][0, :4] == 0).all()
    assert of_task["without_relevant"] == [0.8]
    np.testing.assert_array_equal(found["queries"]["rows"], ROWS[None, :5])


def test_queries_none_of_which_has_a_relevant_item_are_one_sentence(tmp_path, capsys):
    labels = np.zeros((30, 3), np.uint8)
    labels[5:, 0] = 1
    split = Split(ROWS[:5], ROWS[5:], ROWS[5:], ROWS[:0])
    assert setting(tmp_path, split, labels=labels) == 2
    assert "none of the 5 queries shares a label" in capsys.readouterr().err


def test_a_database_of_one_row_is_one_sentence(tmp_path, capsys):
    """It can be ranked, but its codes have no correlation."""
    split = Split(ROWS[:5], ROWS[5:6], ROWS[5:6], ROWS[:0])
    assert setting(tmp_path, split, labels=np.ones((30, 3), np.uint8)) == 2
    assert "n of at least 2 is needed" in capsys.readouterr().err


def test_a_split_of_another_data_set_is_one_sentence(tmp_path, capsys):
    split = Split(ROWS[:5], np.array([7, 99]), ROWS[5:], ROWS[:0])
    assert setting(tmp_path, split) == 2
    said = capsys.readouterr().err
    assert "30 codes, 30 rows of labels and a split that names row 99" in said


def test_more_than_64_label_columns_are_all_looked_at():
    labels = np.zeros((2, 130), np.uint8)
    labels[:, 129] = 1
    codes = np.zeros((2, 8), bool)
    assert evaluate(codes, codes, labels, labels, k=1).map == 1
    labels[0, 129], labels[0, 65] = 0, 1
    assert evaluate(codes[:1], codes[1:], labels[:1], labels[1:], k=1).map == 0


# --- archives -------------------------------------------------------------------------------------


def test_a_text_member_that_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_members, "LARGEST", 10_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", bytes(20_000))
    with (
        _members.open_members(tmp_path, "a.zip", "a") as members,
        pytest.raises(InputError, match=r"bomb.txt: larger than 10,000 bytes unpacked"),
        members.open("bomb.txt"),
    ):
        pass


def test_a_member_that_lies_about_its_size_is_cut_there_and_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(50_000))
    content = (tmp_path / "a.zip").read_bytes()
    lying = content.replace((50_000).to_bytes(4, "little"), (50).to_bytes(4, "little"))
    (tmp_path / "a.zip").write_bytes(lying)
    with (
        _members.open_members(tmp_path, "a.zip", "a") as members,
        pytest.raises(InputError, match="cannot be unpacked"),
    ):
        list(members.lines("a.txt"))


def test_a_member_that_lies_before_its_archive_is_named(tmp_path):
    path = tmp_path / "shifted.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("member", b"1")
    content = bytearray(path.read_bytes())
    content[-6] += 1  # the list of members is said to begin a byte later than it does
    path.write_bytes(content)
    with (
        _members.open_members(tmp_path, "shifted.zip", "shifted") as members,
        pytest.raises(InputError, match="member: lies outside of the archive"),
    ):
        list(members.lines("member"))


def test_an_encrypted_member_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", b"x")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[6] |= 1  # the flag in both headers
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with (
        _members.open_members(tmp_path, "a.zip", "a") as members,
        pytest.raises(InputError, match=r"cannot be unpacked .*password"),
    ):
        list(members.lines("a.txt"))


# --- untrusted files ------------------------------------------------------------------------------


class Evil:
    """What a hostile pickle would do when loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


def test_a_pickle_in_npz_is_never_run(tmp_path):
    image = np.array([Evil(tmp_path / "run")], dtype=object)
    np.savez(tmp_path / "a.npz", image=image, text=np.ones((1, 1)), labels=np.ones((1, 1)),
             split=np.array(["query"]))  # fmt: skip
    with pytest.raises(InputError, match="holds Python objects, which are never loaded"):
        datasets.load("features", tmp_path, file="a.npz")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_code_in_a_weights_file_is_never_run(tmp_path, form):
    file = tmp_path / "w.pth"
    if form == "pickle":
        file.write_bytes(pickle.dumps({"features.0.weight": Evil(tmp_path / "run")}, protocol=2))
    else:
        torch.save({"features.0.weight": Evil(tmp_path / "run")}, file)
    with pytest.raises(InputError, match="not a readable state dict"):
        backbone.create(backbone="squeezenet1_1", weights=str(file))
    assert not (tmp_path / "run").exists()


def test_code_in_a_checkpoint_is_never_run(tmp_path, caplog):
    torch.save({"of": Evil(tmp_path / "run")}, tmp_path / "state")
    model = tiny("cmimh")
    model.checkpoint = tmp_path / "state"
    with caplog.at_level(logging.WARNING):
        model.fit(*two_views())
    assert "is not of this training; starting from the first epoch" in caplog.text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("way", ["link", "storage", "virtual"])
def test_an_hdf5_file_that_leads_to_another_file_is_not_followed(tmp_path, way):
    """Else somebody's features could bring any file of the machine into a table."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["image"] = np.ones((2, 2))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if way == "link":
            file["image"] = h5py.ExternalLink("secret.h5", "/image")
        elif way == "storage":
            outside = [(str(tmp_path / "secret.h5"), 0, 32)]
            file.create_dataset("image", (2, 2), float, external=outside)
        else:
            layout = h5py.VirtualLayout((2, 2), float)
            layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "image", (2, 2))
            file.create_virtual_dataset("image", layout)
        file["text"], file["labels"] = np.ones((2, 2)), np.ones((2, 1))
        file["split"] = ["query", "database"]
    with pytest.raises(InputError, match="needed are image"):
        datasets.load("features", tmp_path, file="a.h5")


@pytest.mark.skipif(sys.platform == "win32", reason="names of files as Unix has them")
@pytest.mark.slow
def test_no_name_reaches_a_shell(snakemake, tmp_path):
    """Spaces, quotes, dollars, newlines and leading dashes in paths of raw files and results."""
    raw = tmp_path / "-r 'a' \"b\" $HOME `touch run` ;touch run #\n&"
    raw.mkdir()
    rng = np.random.default_rng(0)
    split = np.array(["query"] * 10 + ["database"] * 50)
    np.savez(raw / "-m $(touch run).npz", image=rng.normal(size=(60, 8)), split=split,
             text=rng.normal(size=(60, 7)),
             labels=np.tile(np.eye(3, dtype=int), (20, 1)))  # fmt: skip
    overlay = {
        "seeds": [0],
        "results": "res 'u' $(touch run)",
        "datasets": {"mine": {"kind": "features", "raw": str(raw), "file": "-m $(touch run).npz",
                              "features": "given", "split": "given"}},
        "experiments": {"table3": {"datasets": ["mine"], "methods": ["cvh"], "bits": [4],
                                   "title": "'; touch run; '"}},
    }  # fmt: skip
    run = snakemake("res 'u' $(touch run)/table3.csv", overlay=overlay)
    assert run.status == 0, run.said
    assert run["res 'u' $(touch run)/table3.csv"].stat().st_size > 100
    assert not list(run.folder.rglob("run")) and not list(tmp_path.rglob("run"))


def test_code_in_a_config_is_never_run(root, snakemake, tmp_path):
    config = tmp_path / "evil.yaml"
    config.write_text(f"seeds: !!python/object/apply:builtins.open ['{tmp_path}/run', 'w']\n")
    run = snakemake("-n", "results/table3.csv", "--configfile", root / "config.yaml", config)
    assert not (tmp_path / "run").exists()
    assert run is not None
