"""NUS-WIDE: the counts of the real ground truth, and every quirk of the official files."""

import shutil
import zipfile

import numpy as np
import pytest
from nuswide_files import IMAGE_LIST, TAG_LIST, TAGS, make, tag_lines

from pipeline import datasets
from pipeline.datasets._split_files import read_split
from pipeline.errors import InputError
from pipeline.features.kinds.sift_bow import sift_bow
from pipeline.features.kinds.sift_bow import write as write_sift_features
from pipeline.storage import store

TOP_10 = [
    "sky",
    "clouds",
    "person",
    "water",
    "animal",
    "grass",
    "buildings",
    "window",
    "plants",
    "lake",
]


def load(folder, **options):
    return datasets.load("nuswide", folder, **{"concepts": 2, **options})


def test_real_ground_truth_gives_the_published_counts(shared, caplog):
    pairs = datasets.load("nuswide", shared / "data" / "nuswide")
    assert len(pairs) == 186_577 and pairs.label_names == TOP_10
    assert pairs.labels.shape == (186_577, 10) and pairs.labels[:, 0].sum() == 74_190
    assert pairs.tags is None and len(pairs.images) == 0
    assert "have no tags" in caplog.text and "have no image references" in caplog.text


def test_all_81_concepts_keep_every_labelled_image(shared):
    pairs = datasets.load("nuswide", shared / "data" / "nuswide", concepts=81)
    assert pairs.labels.shape == (209_347, 81)


@pytest.mark.parametrize("separator", [" ", "  ", "\t "])
def test_other_white_space_between_tags_changes_nothing(tmp_path, separator):
    pairs = load(make(tmp_path, tags=[separator.join(map(str, row)) for row in TAGS]))
    np.testing.assert_array_equal(pairs.tags, TAGS[:4])


def test_a_last_tag_of_two_digits_is_not_cut_to_one(tmp_path):
    with pytest.raises(InputError, match="line 1: 1,000 columns of 0 or 1"):
        load(make(tmp_path, tags=["\t".join(["0"] * 999 + ["10"])] * 5))


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_pairs_of_a_small_set(tmp_path, ends):
    pairs = load(make(tmp_path, ends=ends))
    assert pairs.ids == ["0", "1", "2", "3"] and pairs.label_names == ["sky", "sea"]
    np.testing.assert_array_equal(pairs.labels, [[1, 0], [1, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(pairs.tags, TAGS[:4])
    assert list(pairs.tag_names) == TAG_LIST


def test_windows_paths_become_references(tmp_path):
    make(tmp_path, images=["C:\\ImageData\\Flickr\\actor\\0001_1.jpg", *IMAGE_LIST[1:]])
    assert load(tmp_path).images[:2] == ["images/actor/0001_1.jpg", "images/dir1/0001_771.jpg"]
    assert load(tmp_path, images="nus.zip/Flickr").images[0] == "nus.zip/Flickr/actor/0001_1.jpg"


LAYOUTS = {
    "official": "images/dir{i}/000{i}_77{i}.jpg",
    "official in a folder": "images/Flickr/dir{i}/000{i}_77{i}.jpg",
    "flat": "images/000{i}_77{i}.jpg",
    "flat by photo": "images/77{i}.jpg",
    "DeepHash": "images/{i}_000{i}_77{i}.JPG",
    "Kaggle": "images/images/77{i}.png",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_are_found_as_people_have_them(tmp_path, layout, packed, caplog):
    make(tmp_path)
    places = [LAYOUTS[layout].format(i=i) for i in range(5)]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    (tmp_path / "images/other_999.jpg").touch()
    if packed:
        shutil.make_archive(tmp_path / "a", "zip", tmp_path, "images")
        shutil.rmtree(tmp_path / "images")
    pairs = load(tmp_path, images="a.zip/images" if packed else "images")
    assert pairs.images == [f"a.zip/{place}" if packed else place for place in places[:4]]
    assert "not there" not in caplog.text


def test_missing_pictures_are_counted_and_named(tmp_path, caplog):
    make(tmp_path)
    (tmp_path / "images").mkdir()
    for i in (0, 1, 3):
        (tmp_path / f"images/77{i}.jpg").touch()
    pairs = load(tmp_path)
    assert pairs.images == ["images/770.jpg", "images/771.jpg", "images/dir2/0002_772.jpg",
                            "images/773.jpg"]  # fmt: skip
    assert "1 of 4 pictures that the official list names are not there: dir2/" in caplog.text


def test_the_lists_of_others_give_their_split_by_the_number_in_the_name(tmp_path):
    pairs = load(make(tmp_path))
    (tmp_path / "test.txt").write_text("/data/nus/images/9_0001_771.jpg 0 1\n")
    (tmp_path / "database.txt").write_text("x/770.jpg 1 0\nx/772.jpg 1 0\nx/773.jpg 0 1\n")
    file = {part: str(tmp_path / f"{part}.txt") for part in ("test", "database")}
    assert read_split(file, pairs, 0) == ["database", "query", "database", "database"]


def test_stray_trailing_columns_are_ignored(tmp_path):
    pairs = load(make(tmp_path, tags=tag_lines(tail="\t7\t1\t")))
    np.testing.assert_array_equal(pairs.tags, TAGS[:4])


def test_extracted_folders_give_the_same_pairs(tmp_path):
    packed = load(make(tmp_path))
    for path in list(tmp_path.iterdir()):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path)
        path.unlink()
    folder = load(tmp_path)
    assert folder.ids == packed.ids and folder.images == packed.images
    np.testing.assert_array_equal(folder.tags, packed.tags)


BAD_ROWS = [*tag_lines(TAGS[:3]), "\t".join(["2"] * 1000), tag_lines()[4]]
FAULTS = {
    "too few rows": ({"tags": tag_lines(TAGS[:4])}, "AllTags1k.txt: has 4 rows"),
    "too many rows": ({"tags": [*tag_lines(), *tag_lines()]}, "more rows than the 5"),
    "other values": ({"tags": BAD_ROWS}, "AllTags1k.txt, line 4: 1,000 columns of 0 or 1"),
    "few columns": ({"tags": ["0\t1"] * 5}, "line 1: 1,000 columns"),
    "tag names": ({"tag_list": TAG_LIST[:-1]}, "names 999 tags"),
    "image rows": ({"images": IMAGE_LIST[:3]}, "Imagelist.txt: has 3 rows"),
    "image path": ({"images": ["..\\x.jpg"] * 5}, "not the path of an image"),
    "no image": ({"images": [""] * 5}, "not the path of an image"),
    "labels": ({"concepts": {"a": ["1", "-1130179"], "b": "01"}}, "line 2: 0 or 1 is needed"),
    "lengths": ({"concepts": {"a": "10", "b": "011"}}, "differ in length"),
    "no labels": ({"concepts": {}}, "concepts=2 was given"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_lists_give_a_sentence(tmp_path, fault):
    changes, sentence = FAULTS[fault]
    with pytest.raises(InputError, match=sentence):
        load(make(tmp_path, **changes))


@pytest.mark.parametrize("concepts", [0, 4, -1, "2", 1.5, True, None])
def test_impossible_number_of_concepts_is_refused(tmp_path, concepts):
    with pytest.raises(InputError, match="a number from 1 to the 3"):
        load(make(tmp_path), concepts=concepts)


def test_missing_ground_truth_is_named(tmp_path):
    with pytest.raises(InputError, match=r"Groundtruth.zip: no such file"):
        load(tmp_path)


# --- SIFT words -----------------------------------------------------------------------------------

BOW = np.random.default_rng(1).integers(0, 9, (5, 500))


def write_bow(folder, rows=BOW, tail=" "):
    (folder / "Low_Level_Features").mkdir(exist_ok=True)
    lines = (" ".join(map(str, row)) + tail + "\n" for row in rows)
    (folder / "Low_Level_Features/BoW_int.dat").write_text("".join(lines))


@pytest.mark.parametrize("tail", [" ", "", " 3 4"])
def test_sift_words_of_the_kept_rows_become_features(tmp_path, tail):
    write_bow(make(tmp_path), tail=tail)
    write_sift_features(
        load(tmp_path), path=tmp_path / "out.h5", provenance=store.Provenance("encode")
    )
    with store.open_features(tmp_path / "out.h5") as features:
        assert features.valid.all()
        np.testing.assert_array_equal(features.rows(slice(0, 4)), BOW[:4])


def test_sift_words_of_any_rows_keep_their_order(tmp_path):
    write_bow(tmp_path)
    (block,) = sift_bow(tmp_path, np.array([1, 4]))
    np.testing.assert_array_equal(block, BOW[[1, 4]])


@pytest.mark.parametrize("rows", [BOW[:3], [[1, 2]] * 5, [["x"] * 500] * 5, [["nan"] * 500] * 5])
def test_damaged_sift_words_give_a_sentence(tmp_path, rows):
    write_bow(tmp_path, rows)
    with pytest.raises(InputError, match=r"BoW_int.dat"):
        list(sift_bow(tmp_path, np.arange(5)))


def test_missing_sift_words_and_extractor_give_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"NUS_WID_Low_Level_Features.rar: no such file"):
        list(sift_bow(tmp_path, np.arange(5)))
    (tmp_path / "NUS_WID_Low_Level_Features.rar").write_bytes(b"Rar!")
    with pytest.raises(InputError, match="needs one of bsdtar, 7zz, 7z, unrar"):
        list(sift_bow(tmp_path, np.arange(5)))


def test_sift_words_are_streamed_out_of_an_archive(tmp_path, monkeypatch):
    """A stand-in extractor, since the real ones are not everywhere."""
    write_bow(tmp_path)
    data = tmp_path / "Low_Level_Features/BoW_int.dat"
    data.rename(tmp_path / "stream")
    (tmp_path / "NUS_WID_Low_Level_Features.rar").write_bytes(b"Rar!")
    tool = tmp_path / "bsdtar"
    tool.write_text(f'#!/bin/sh\nexec /bin/cat "{tmp_path}/stream"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (block,) = sift_bow(tmp_path, np.array([0, 2]))
    np.testing.assert_array_equal(block, BOW[[0, 2]])


def test_sift_words_are_refused_for_other_data_sets(tmp_path):
    pairs = store.Pairs(ids=["im1"], labels=np.ones((1, 1)), label_names=["a"])
    with pytest.raises(InputError, match="NUS-WIDE only"):
        write_sift_features(pairs, path=tmp_path / "out.h5", provenance=store.Provenance("encode"))
