"""The official archives, drawn: for the official reader, equal by seed, true in number."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from pipeline import datasets
from pipeline.datasets import mirflickr25k, nuswide
from pipeline.datasets._drawn import coco2017 as coco_drawn
from pipeline.datasets._drawn import mirflickr25k as drawn
from pipeline.datasets._drawn import nuswide as nuswide_drawn
from pipeline.datasets._drawn.painter import Painter, subject
from pipeline.errors import InputError
from pipeline.features.decode import ImageFiles


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    datasets.draw("mirflickr25k", folder, count=600, size=32)
    return folder


def test_the_official_reader_takes_the_drawn_archives(folder):
    pairs = datasets.load("mirflickr25k", folder, tag_used=5)
    assert len(pairs) > 300 and pairs.labels.shape[1] == drawn.LABELS
    assert pairs.labels.any(axis=1).all() and pairs.tags.any(axis=1).all()
    with zipfile.ZipFile(folder / mirflickr25k.ARCHIVE) as archive:
        name = pairs.images[0].removeprefix(f"{mirflickr25k.ARCHIVE}/")
        assert Image.open(io.BytesIO(archive.read(name))).size == (32, 32)


def test_equal_seeds_give_equal_bytes_and_other_seeds_other_pictures(folder, tmp_path):
    datasets.draw("mirflickr25k", tmp_path / "again", count=600, size=32)
    datasets.draw("mirflickr25k", tmp_path / "other", count=600, size=32, seed=1)
    read = [(f / mirflickr25k.ARCHIVE).read_bytes() for f in (folder, *tmp_path.iterdir())]
    assert len(set(read)) == 2
    assert read[0] == (tmp_path / "again" / mirflickr25k.ARCHIVE).read_bytes()


def without_pictures(archive, names, vectors, painter):
    assert len(names) == len(vectors) and np.isfinite(vectors).all()
    for name in names:
        archive.writestr(zipfile.ZipInfo(name), b"")


@pytest.mark.slow
def test_the_real_lists_give_the_pairs_of_the_paper(shared, tmp_path, monkeypatch):
    monkeypatch.setattr(drawn, "write_jpegs", without_pictures)
    datasets.draw("mirflickr25k", tmp_path, lists=str(shared / "data" / "mirflickr25k"))
    pairs = datasets.load("mirflickr25k", tmp_path)
    assert (len(pairs), pairs.tags.shape[1], pairs.labels.shape[1]) == (20_015, 1_386, 24)


@pytest.mark.long
@pytest.mark.slow
def test_drawn_lists_are_as_many_and_as_sparse_as_the_real_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn, "write_jpegs", without_pictures)
    datasets.draw("mirflickr25k", tmp_path)
    pairs = datasets.load("mirflickr25k", tmp_path)
    assert len(pairs) == pytest.approx(20_015, rel=0.15)
    assert (pairs.tags.shape[1], pairs.labels.shape[1]) == (drawn.TAGS, drawn.LABELS)
    assert pairs.tags.sum(axis=1).mean() == pytest.approx(4.6, abs=1.5)  # of the real ones 4.6


def test_pictures_of_like_subjects_are_alike():
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(20, 12)), 2, axis=0)
    pictures = Painter(0, 12, size=32).paint(vectors, 0).reshape(40, -1).astype(float)
    pictures -= pictures.mean(axis=1, keepdims=True)
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    likeness = pictures @ pictures.T
    np.fill_diagonal(likeness, -1)
    assert (likeness.argmax(axis=1) == np.arange(40) ^ 1).mean() > 0.5  # chance is 1 in 39


def test_parts_of_a_subject_count_by_their_weights():
    rng = np.random.default_rng(0)
    whole = subject((100 * rng.normal(size=(500, 3)) + 7, 1.0), (rng.normal(size=(500, 9)), 0.5))
    power = (whole**2).sum(axis=1).mean(), (whole[:, :3] ** 2).sum(axis=1).mean()
    assert power == (pytest.approx(1, rel=1e-3), pytest.approx(0.8, rel=1e-3))
    np.testing.assert_allclose(whole.mean(axis=0), 0, atol=1e-5)


def test_nuswide_is_read_with_its_tags_and_images(tmp_path):
    datasets.draw("nuswide", tmp_path, count=900, size=32)
    pairs = datasets.load("nuswide", tmp_path, images="images.zip")
    assert pairs.tags.shape == (len(pairs), 1000) and pairs.labels.shape == (len(pairs), 10)
    assert pairs.tags.sum(axis=1).mean() == pytest.approx(6.5, abs=1)
    files = ImageFiles(pairs.image_root)
    assert Image.open(io.BytesIO(files.read(pairs.images[-1]))).size == (32, 32)


@pytest.mark.slow
def test_nuswide_s_real_ground_truth_gives_the_pairs_of_the_paper(shared, tmp_path, monkeypatch):
    monkeypatch.setattr(nuswide_drawn, "write_jpegs", without_pictures)
    monkeypatch.setattr(nuswide_drawn, "TAGS", 1)  # a thousand columns take a minute
    datasets.draw("nuswide", tmp_path, lists=str(shared / "data" / "nuswide"))
    names, labels = nuswide.ground_truth(tmp_path, 10)
    assert labels.any(axis=1).sum() == 186_577 and names[0] == "sky"


def test_coco_is_read_with_its_captions_and_parts(tmp_path):
    datasets.draw("coco2017", tmp_path, count=60, size=32)
    pairs = datasets.load("coco2017", tmp_path)
    assert pairs.partition.count("query") == pairs.partition.count("database") == 60
    assert len(pairs.label_names) == 80 and all(len(c) == 5 for c in pairs.captions)
    assert pairs.labels.any(axis=1).all()


@pytest.mark.long
@pytest.mark.slow
def test_coco_s_true_counts_are_those_of_the_paper(tmp_path, monkeypatch):
    monkeypatch.setattr(coco_drawn, "write_jpegs", without_pictures)
    datasets.draw("coco2017", tmp_path)
    pairs = datasets.load("coco2017", tmp_path)
    assert (pairs.partition.count("query"), pairs.partition.count("database")) == (4_952, 117_266)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("mirflickr25k", {"count": 0}, "count=0"),
        ("mirflickr25k", {"colour": 1}, "no option colour"),
        ("wiki", {}, "wiki cannot be drawn"),
        ("mirflickr25k", {"lists": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence(tmp_path, kind, options, said):
    with pytest.raises(InputError, match=said):
        datasets.draw(kind, tmp_path, **options)
    assert not list(tmp_path.iterdir())
