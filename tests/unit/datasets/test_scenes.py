"""The promises of the data set that the project draws itself."""

import io
import json
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets import scenes
from pipeline.datasets._scenes import words
from pipeline.datasets._scenes.habitats import BACKDROPS
from pipeline.datasets._scenes.painter import paint
from pipeline.datasets._scenes.plan import CONCEPTS, HABITATS, Scene, plan
from pipeline.datasets._scenes.stamps import STAMPS
from pipeline.errors import InputError

COUNT = 60


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    scenes.draw(folder, count=COUNT, size=64, workers=1)
    return folder


@pytest.fixture(scope="module")
def plans():
    rng = np.random.default_rng(0)
    return [plan(rng) for _ in range(3000)]


@pytest.fixture(scope="module")
def labels(plans):
    return np.array([[concept in scene for concept in CONCEPTS] for scene in plans], np.float32)


def _bytes(folder):
    return [(folder / name).read_bytes() for name in (scenes.ARCHIVE, scenes.INDEX)]


def _records(folder):
    return [json.loads(line) for line in (folder / scenes.INDEX).read_text().splitlines()]


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(drawn, tmp_path):
    scenes.draw(tmp_path, count=COUNT, size=64, workers=2)
    assert _bytes(tmp_path) == _bytes(drawn)


def test_another_seed_gives_other_scenes(drawn, tmp_path):
    scenes.draw(tmp_path, count=COUNT, size=64, seed=1, workers=1)
    others = [record["labels"] for record in _records(tmp_path)]
    assert others != [record["labels"] for record in _records(drawn)]


def test_a_shorter_draw_is_the_beginning_of_a_longer_one(drawn, tmp_path):
    scenes.draw(tmp_path, count=5, size=64, workers=1)
    assert _records(tmp_path) == _records(drawn)[:5]


def test_the_archive_holds_one_jpeg_of_the_asked_size_for_each_line(drawn):
    with zipfile.ZipFile(drawn / scenes.ARCHIVE) as archive:
        names = [f"{scenes.ARCHIVE}/{name}" for name in archive.namelist()]
        assert names == [record["image"] for record in _records(drawn)]
        for name in archive.namelist():
            image = Image.open(io.BytesIO(archive.read(name)))
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))


def test_an_interrupted_draw_leaves_nothing_taken_for_whole(drawn, tmp_path, monkeypatch):
    scenes.draw(tmp_path, count=3, size=64, workers=1)

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(scenes, "paint", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scenes.draw(tmp_path, count=4, size=64, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == [scenes.ARCHIVE]
    with pytest.raises(InputError, match="drawn first"):
        scenes.pairs(tmp_path)


def test_labels_have_a_long_tail(labels):
    shares = labels.mean(axis=0)
    assert len(CONCEPTS) == 24
    assert 0.18 < shares.max() < 0.30
    assert 0.005 < shares.min() < 0.02
    assert np.sort(shares)[:8].max() < 0.05 < 0.10 < np.sort(shares)[-8:].min()


def test_two_random_scenes_share_a_label_in_15_to_30_percent(labels):
    assert 0.15 < (labels @ labels.T > 0).mean() < 0.30
    assert labels.sum(axis=1).min() == 1


def test_concepts_meet_with_structure(plans):
    boats = [scene for scene in plans if "boat" in scene]
    assert all("water" in scene for scene in boats)
    assert not any("indoor" in scene for scene in plans if "mountain" in scene)
    assert not any({"night", "sunset"} <= set(scene.concepts) for scene in plans)


def test_shares_of_habitats_sum_to_one_and_each_has_a_backdrop():
    assert sum(habitat.share for habitat in HABITATS.values()) == pytest.approx(1)
    assert BACKDROPS.keys() == HABITATS.keys()


@pytest.mark.parametrize("concept", sorted(STAMPS))
def test_every_thing_changes_the_picture_it_is_in(concept):
    habitat = next(
        name
        for name, place in HABITATS.items()
        if concept in place.chances or concept in place.always
    )
    without = tuple(name for name in HABITATS[habitat].always if name != concept)
    pictures = [
        np.asarray(
            paint(
                Scene(habitat, concepts, dict.fromkeys(concepts, "red")),
                np.random.default_rng(3),
                64,
            ),
            int,
        )
        for concepts in ((*without, concept), without)
    ]
    assert (np.abs(pictures[0] - pictures[1]).max(axis=2) > 60).mean() > 0.002


def test_no_two_pictures_of_the_same_contents_look_alike():
    scene = Scene("coast", ("water", "boat"), {"water": "blue", "boat": "red"})
    rng = np.random.default_rng(0)
    pictures = [np.asarray(paint(scene, rng, 48), float) for _ in range(6)]
    gaps = [np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(gaps) > 5


def test_captions_mention_most_things_but_not_always():
    concepts = ("water", "boat", "lighthouse")
    scene = Scene("coast", concepts, dict.fromkeys(concepts, "red"))
    rng = np.random.default_rng(0)
    written = [words.caption(scene, rng) for _ in range(300)]
    named = sum(any(w in text.lower() for w in ("boat", "ship", "vessel")) for text in written)
    assert 0.6 < named / 300 < 0.95
    assert len(set(written)) > 150
    assert all(text[0].isupper() and text.endswith(".") and "{" not in text for text in written)


def test_tags_name_most_concepts_by_synonyms_and_add_noise(plans):
    rng = np.random.default_rng(0)
    lists = [words.tags(scene, rng) for scene in plans[:1000]]
    assert all(tags and len(set(tags)) == len(tags) for tags in lists)
    assert {tag for tags in lists for tag in tags} <= set(words.vocabulary())
    assert 100 < len(words.vocabulary()) < 200
    named = [
        any(word in tags for word in words.WORDS[concept])
        for scene, tags in zip(plans, lists, strict=False)
        for concept in scene.concepts
    ]
    assert 0.5 < np.mean(named) < 0.9
    counts = Counter(tag for tags in lists for tag in tags)
    assert counts["nikon"] > 10


def test_pairs_hold_the_labels_captions_and_frequent_tags_of_each_line(drawn):
    pairs = scenes.pairs(drawn, min_tag_count=5)
    records = _records(drawn)
    counts = Counter(tag for record in records for tag in record["tags"])
    assert list(pairs.label_names) == list(CONCEPTS)
    assert pairs.tag_names == sorted(tag for tag, times in counts.items() if times >= 5)
    for row, record in enumerate(records):
        assert [CONCEPTS[i] for i in pairs.labels[row].nonzero()[0]] == record["labels"]
        found = {pairs.tag_names[i] for i in pairs.tags[row].nonzero()[0]}
        assert found == set(record["tags"]) & set(pairs.tag_names)
        assert pairs.captions[row] == record["captions"]
    assert pairs.image_root == str(drawn)
    assert len(set(pairs.ids)) == len(pairs) == COUNT


@pytest.mark.parametrize("options", [{"count": 0}, {"size": 8}, {"seed": -1}, {"count": 10**6}])
def test_an_option_out_of_range_is_refused_with_a_sentence(tmp_path, options):
    name, value = next(iter(options.items()))
    with pytest.raises(
        InputError, match=rf"scenes: {name}={value} was given, \d+ to \d+ is needed"
    ):
        scenes.draw(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_tag_threshold_that_leaves_no_tag_is_refused(drawn):
    with pytest.raises(InputError, match="min_tag_count=1000"):
        scenes.pairs(drawn, min_tag_count=1000)


def test_an_index_that_is_not_json_lines_is_refused(tmp_path):
    (tmp_path / scenes.INDEX).write_text("{broken")
    with pytest.raises(InputError, match=r"scenes\.jsonl: not a list of JSON lines"):
        scenes.pairs(tmp_path)
