"""COCO 2017: the counts of real files, independence of list order, and what damaged ones say."""

import copy
import json
import random
import shutil
import zipfile

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets.coco2017 import ANNOTATIONS
from pipeline.errors import InputError

CATEGORIES = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}]
IMAGES = [{"id": i, "file_name": f"{i:012}.jpg"} for i in (9, 3, 12)]


def content():
    """Captions and instances of one part: image 12 has no instance."""
    instances = [(9, 90), (9, 1), (9, 1), (3, 1)]
    captions = {"annotations": [
        {"image_id": i, "id": k, "caption": f" image {i}\ncaption {k} "}
        for i in (3, 9, 12) for k in range(5)
    ]}  # fmt: skip
    annotations = [{"image_id": i, "category_id": c, "segmentation": [[1.5]]} for i, c in instances]
    return captions, {
        **copy.deepcopy({"images": IMAGES, "categories": CATEGORIES}),
        "annotations": annotations,
    }


def make(folder, change=lambda captions, instances: None):
    """Write both parts into ``folder``; ``change`` edits those of val2017."""
    (folder / "annotations").mkdir(exist_ok=True)
    for part in ("train2017", "val2017"):
        captions, instances = content()
        if part == "val2017":
            change(captions, instances)
        for kind, value in (("captions", captions), ("instances", instances)):
            (folder / f"annotations/{kind}_{part}.json").write_text(json.dumps(value))
    return folder


def load(folder):
    return datasets.load("coco2017", folder)


def test_real_files_give_the_known_counts(shared):
    pairs = load(shared / "data" / "coco-mini")
    assert list(pairs.partition) == ["query"] * 263 + ["database"] * 80
    assert pairs.labels.shape == (343, 80) and pairs.labels.any(axis=1).all()
    assert pairs.label_names[0] == "person" and pairs.label_names[-1] == "toothbrush"
    assert all(len(group) == 5 for group in pairs.captions)
    assert all((shared / "data" / "coco-mini" / image).is_file() for image in pairs.images)


def test_the_official_captions_file_is_read_whole(shared, tmp_path):
    def every_image_has_a_person(captions, instances):
        source = shared / "data/coco-mini/annotations/captions_val2017.full.json"
        full = json.loads(source.read_text())
        captions["annotations"] = full["annotations"]
        instances["images"] = full["images"]
        instances["annotations"] = [
            {"image_id": image["id"], "category_id": 1} for image in full["images"]
        ]

    pairs = load(make(tmp_path, every_image_has_a_person))
    assert pairs.partition.count("query") == 5_000
    assert sum(map(len, pairs.captions[:5_000])) == 25_014


def test_pairs_of_a_small_set(tmp_path):
    pairs = load(make(tmp_path))
    assert pairs.ids == ["000000000003", "000000000009"] * 2
    assert pairs.label_names == ["person", "toothbrush"]
    np.testing.assert_array_equal(pairs.labels, [[1, 0], [1, 1]] * 2)
    assert pairs.partition == ["query"] * 2 + ["database"] * 2
    assert pairs.captions[0][0] == "image 3 caption 0" and len(pairs.captions[0]) == 5
    assert pairs.images[0] == "val2017.zip/val2017/000000000003.jpg"


def test_order_of_images_categories_and_instances_does_not_matter(tmp_path):
    def shuffle(_, instances):
        for entries in instances.values():
            random.Random(1).shuffle(entries)

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain, shuffled = load(make(tmp_path / "a")), load(make(tmp_path / "b", shuffle))
    assert plain.images == shuffled.images and plain.captions == shuffled.captions
    np.testing.assert_array_equal(plain.labels, shuffled.labels)


def test_archive_and_folder_give_the_same_pairs(tmp_path):
    make(tmp_path)
    folder = load(tmp_path)
    with zipfile.ZipFile(tmp_path / ANNOTATIONS, "w") as archive:
        for path in (tmp_path / "annotations").iterdir():
            archive.write(path, f"annotations/{path.name}")
    shutil.rmtree(tmp_path / "annotations")
    (tmp_path / "val2017").mkdir()
    packed = load(tmp_path)
    assert packed.captions == folder.captions
    assert packed.images[0] == "val2017/000000000003.jpg"


def test_images_without_caption_are_left_out_and_counted(tmp_path, caplog):
    def drop(captions, _):
        captions["annotations"] = [a for a in captions["annotations"] if a["image_id"] != 3]

    assert load(make(tmp_path, drop)).partition.count("query") == 1
    assert "val2017: 1 images with a category have no caption" in caplog.text


def without(kind, key, field):
    def change(captions, instances):
        del (captions if kind == "captions" else instances)[key][0][field]

    return change


FAULTS = {
    "no caption": (without("captions", "annotations", "caption"), r"\[0\] has no str 'caption'"),
    "no image id": (without("captions", "annotations", "image_id"), "no int 'image_id'"),
    "no category": (without("instances", "annotations", "category_id"), "no int 'category_id'"),
    "no name": (without("instances", "categories", "name"), "no str 'name'"),
    "no list": (lambda c, i: i.pop("images"), "has no list 'images'"),
    "no entry": (lambda c, i: i["images"].append(None), r"images\[3\] has no int 'id'"),
    "category": (lambda c, i: i["annotations"].append({"image_id": 9, "category_id": 2}), "not in"),
    "image": (lambda c, i: i["annotations"].append({"image_id": 8, "category_id": 1}), "not in"),
    "text id": (lambda c, i: c["annotations"][0].update(image_id="9"), "no int 'image_id'"),
    "path": (
        lambda c, i: i.update(images=[{"id": n, "file_name": "../x.jpg"} for n in (3, 9, 12)]),
        "not the plain name",
    ),
    "categories": (lambda c, i: i["categories"].append({"id": 2, "name": "x"}), "differ in their"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_annotations_give_a_sentence(tmp_path, fault):
    change, sentence = FAULTS[fault]
    with pytest.raises(InputError, match=sentence):
        load(make(tmp_path, change))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 200_000, b"9" * 9_999])
def test_unreadable_json_gives_a_sentence(tmp_path, text):
    make(tmp_path)
    (tmp_path / "annotations/captions_val2017.json").write_bytes(text)
    with pytest.raises(InputError, match=r"captions_val2017.json: "):
        load(tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=ANNOTATIONS):
        load(tmp_path)
    make(tmp_path)
    (tmp_path / "annotations/instances_train2017.json").unlink()
    with pytest.raises(InputError, match=r"instances_train2017.json: no such file"):
        load(tmp_path)
