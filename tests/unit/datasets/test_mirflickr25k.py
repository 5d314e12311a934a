"""MIR-Flickr25K: the counts of the real lists, and what damaged ones say."""

import zipfile

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets.mirflickr25k import ANNOTATIONS, ARCHIVE
from pipeline.errors import InputError

TAGS = {1: "sky\nsky\n", 2: "日本\nsky\n\n", 3: "", 4: "rare\n", 10: "日本\n"}
LABELS = {"sky": "1\n2\n3\n4\n", "plant_life": "10\n", "sky_r1": "1\n"}


def make(folder, tags=TAGS, labels=LABELS, extra=()):
    with zipfile.ZipFile(folder / ARCHIVE, "w") as archive:
        for number, text in tags.items():
            archive.writestr(f"mirflickr/meta/tags/tags{number}.txt", text)
        for name in extra:
            archive.writestr(name, "evil")
    with zipfile.ZipFile(folder / ANNOTATIONS, "w") as archive:
        archive.writestr("README.txt", "words")
        for name, text in labels.items():
            archive.writestr(f"{name}.txt", text)


def load(folder, **options):
    return datasets.load("mirflickr25k", folder, **{"tag_used": 2, **options})


@pytest.mark.slow
def test_real_lists_give_the_published_counts(shared):
    pairs = datasets.load("mirflickr25k", shared / "data" / "mirflickr25k")
    assert pairs.tags.shape == (20_015, 1_386) and pairs.labels.shape == (20_015, 24)
    assert pairs.tags.any(axis=1).all() and pairs.labels.any(axis=1).all()
    assert len(set(pairs.ids)) == 20_015
    assert pairs.images[0] == "mirflickr25k.zip/mirflickr/im1.jpg"
    assert not any(name.endswith("_r1") for name in pairs.label_names)


def test_pairs_without_common_tag_or_label_are_dropped(tmp_path):
    make(tmp_path)
    pairs = load(tmp_path)
    assert pairs.ids == ["im1", "im2", "im10"]
    assert pairs.tag_names == ["sky", "日本"] and pairs.label_names == ["plant_life", "sky"]
    np.testing.assert_array_equal(pairs.tags, [[1, 0], [1, 1], [0, 1]])
    np.testing.assert_array_equal(pairs.labels, [[0, 1], [0, 1], [1, 0]])


def test_a_tag_repeated_in_one_list_counts_once(tmp_path):
    make(tmp_path, tags={1: "twice\ntwice\nsky\n", 2: "sky\n"}, labels={"sky": "1\n2\n"})
    assert load(tmp_path).tag_names == ["sky"]


def test_extracted_folders_give_the_same_pairs(tmp_path):
    make(tmp_path)
    from_archive = load(tmp_path)
    for archive, folder in ((ARCHIVE, "x"), (ANNOTATIONS, "x/annotations")):
        with zipfile.ZipFile(tmp_path / archive) as file:
            file.extractall(tmp_path / folder)
    (tmp_path / "x/mirflickr/im1.jpg").touch()
    extracted = load(tmp_path / "x")
    assert extracted.ids == from_archive.ids and extracted.tag_names == from_archive.tag_names
    assert extracted.images[0] == "mirflickr/im1.jpg"


def test_members_that_lead_outside_are_written_nowhere(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    make(folder, extra=["../evil.txt", f"{tmp_path}/evil.txt", "a/../../evil.txt"])
    assert len(load(folder)) == 3
    assert {p.name for p in tmp_path.rglob("*")} == {"raw", ARCHIVE, ANNOTATIONS}


@pytest.mark.parametrize("line", ["25001", "0", "-1", "x", "1.5", "9" * 30])
def test_label_of_an_image_that_is_not_there_is_named(tmp_path, line):
    make(tmp_path, labels={"sky": f"1\n{line}\n"})
    with pytest.raises(InputError, match=r"sky.txt, line 2: '.*' was found"):
        load(tmp_path)


def test_wrong_encoding_is_named(tmp_path):
    make(tmp_path, tags={1: "a\n" + "çocuk"}, labels={"sky": "1"})
    with zipfile.ZipFile(tmp_path / ARCHIVE, "a") as archive:
        archive.writestr("mirflickr/meta/tags/tags2.txt", "ok\nçocuk".encode("latin-1"))
    with pytest.raises(InputError, match=r"tags2.txt, line 2: not UTF-8"):
        load(tmp_path)


def test_missing_damaged_and_empty_archives_give_a_sentence(tmp_path):
    with pytest.raises(InputError, match="no such file, nor the folder mirflickr"):
        load(tmp_path)
    (tmp_path / ARCHIVE).write_bytes(b"PK half")
    with pytest.raises(InputError, match="not a readable zip"):
        load(tmp_path)
    make(tmp_path, tags={})
    with pytest.raises(InputError, match="holds no tag lists"):
        load(tmp_path)
    make(tmp_path, labels={})
    with pytest.raises(InputError, match="holds no label lists"):
        load(tmp_path)
    make(tmp_path, labels={"sky": ""})
    with pytest.raises(InputError, match="no pair is left"):
        load(tmp_path)


def test_damaged_member_gives_a_sentence(tmp_path):
    make(tmp_path)
    content = (tmp_path / ARCHIVE).read_bytes()
    (tmp_path / ARCHIVE).write_bytes(content.replace("日本".encode(), b"XXXXXX", 1))
    with pytest.raises(InputError, match="cannot be unpacked"):
        load(tmp_path)
