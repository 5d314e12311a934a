"""Karpathy's split files, of Flickr30k's form and of COCO's."""

import json

import numpy as np
import pytest

from pipeline import datasets
from pipeline.errors import InputError
from pipeline.splits import draw
from pipeline.storage import store

SPLITS = ["train", "restval", "val", "test", "test"]


def content(coco=False):
    """Five images with two captions each, but for the last, which has three."""
    images = []
    for i, split in enumerate(SPLITS):
        texts = [{"raw": f"image {i},\n caption {k}", "tokens": []} for k in range(2 + (i == 4))]
        entry = {"filename": f"{1000 + i}.jpg", "imgid": i, "split": split, "sentences": texts}
        if coco:
            entry |= {"filename": f"COCO_val2014_{i:012}.jpg", "filepath": "val2014", "cocoid": i}
        images.append(entry)
    return {"images": images, "dataset": "coco" if coco else "flickr30k"}


def make(folder, given):
    (folder / "dataset.json").write_text(json.dumps(given))
    for entry in given["images"] if isinstance(given, dict) else ():
        if isinstance(entry, dict) and "filename" in entry:
            place = folder / "images" / entry.get("filepath", "") / entry["filename"]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    return folder


def load(folder, **options):
    return datasets.load("karpathy", folder, file="dataset.json", **options)


@pytest.mark.parametrize("coco", [False, True])
def test_every_caption_is_a_pair_of_its_image(tmp_path, coco):
    pairs = load(make(tmp_path, content(coco)))
    assert len(pairs) == 11 and pairs.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4]
    assert pairs.captions[1] == ["image 0, caption 1"]
    assert pairs.images[0] == pairs.images[1]
    assert pairs.images[0].endswith("val2014_000000000000.jpg" if coco else "images/1000.jpg")
    assert pairs.partition == ["train"] * 4 + ["validation"] * 2 + ["query"] * 5
    assert pairs.labels.shape == (11, 0) and len(set(pairs.ids)) == 11
    store.write_pairs(tmp_path / "p.h5", pairs, store.Provenance("t"))
    np.testing.assert_array_equal(store.read_pairs(tmp_path / "p.h5").groups, pairs.groups)


def test_captions_may_stay_together(tmp_path):
    pairs = load(make(tmp_path, content()), captions="one")
    assert pairs.ids[0] == "1000" and len(pairs) == 5 and pairs.groups is None
    assert len(pairs.captions[4]) == 3


def test_the_given_split_is_karpathy_s(tmp_path):
    pairs = load(make(tmp_path, content()))
    given = {"query": "given", "train": "given", "validation": "given"}
    split = draw(np.ones(11, bool), pairs.partition, pairs.groups, seed=0, dataset="d", **given)
    assert split.query.tolist() == [6, 7, 8, 9, 10] and split.train.tolist() == [0, 1, 2, 3]
    assert split.validation.tolist() == [4, 5] and split.database.tolist() == [0, 1, 2, 3]


def test_drawn_parts_keep_the_captions_of_an_image_together():
    groups = np.repeat(np.arange(40), 3)
    for seed in range(5):
        s = draw(np.ones(120, bool), None, groups, seed=seed, dataset="d", query=0.25, train=12,
                 validation=4)  # fmt: skip
        assert [len(p) for p in (s.query, s.train, s.validation)] == [30, 36, 12]
        parts = (s.query, np.setdiff1d(s.database, s.train), s.train, s.validation)
        own = [set(groups[part]) for part in parts]
        assert not own[0] & own[1] and not own[0] & own[2] and not own[2] & own[3]
    with pytest.raises(InputError, match="50 query rows are asked for, but only 40 images"):
        draw(np.ones(120, bool), None, groups, seed=0, dataset="d", query=50, train=1)


FAULTS = {
    "list": ([], "has no list 'images'"),
    "empty": ({"images": []}, "has no list 'images'"),
    "name": ({"images": [{"split": "test"}]}, r"images\[0\] has no 'filename'"),
    "split": ({"images": [{"filename": "a.jpg", "split": "x"}]}, "split is 'x'; train, restval"),
    "text": ({"images": [{"filename": "a.jpg", "split": "val"}]}, "has no sentences"),
    "twice": ({"images": content()["images"][:1] * 2}, "'1000#0' is listed twice"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_split_files_give_a_sentence(tmp_path, fault):
    given, sentence = FAULTS[fault]
    with pytest.raises(InputError, match=sentence):
        load(make(tmp_path, given))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"dataset.json: no such file; put Karpathy"):
        load(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        load(tmp_path)
    make(tmp_path, content())
    with pytest.raises(InputError, match="captions is 'all'; each or one"):
        load(tmp_path, captions="all")
    with pytest.raises(InputError, match="no such folder or archive of pictures"):
        load(tmp_path, images="other")
