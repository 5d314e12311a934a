"""No bytes bring a parser to anything but an answer or one sentence; minutes of random ones."""

import io
import json
import os
import resource
import warnings
import zipfile

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import datasets
from pipeline.datasets import _probe
from pipeline.datasets.coco2017 import ANNOTATIONS as COCO
from pipeline.datasets.mirflickr25k import ANNOTATIONS, ARCHIVE
from pipeline.errors import InputError
from pipeline.features import decode
from pipeline.features.kinds.sift_bow import sift_bow
from pipeline.names import parse_name
from pipeline.storage import store, transfer
from pipeline.storage.store import Codes, Pairs, Provenance, Split

pytestmark = pytest.mark.long
fuzz = settings(
    max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
MADE = Provenance("test")
SECONDS = 15  # of processor time for one small file, which takes milliseconds
LINES = st.lists(st.one_of(st.sampled_from(["1", "0", "2", "-1", "", "sky", "1\t0", "\ufeff"]),
                           st.text(max_size=8)), max_size=6)  # fmt: skip
BYTES = st.one_of(st.binary(max_size=60), LINES.map(lambda lines: "\n".join(lines).encode()))


SHARE = st.floats(0, 1, exclude_max=True)
DAMAGE = st.tuples(
    st.lists(st.tuples(SHARE, st.integers(0, 255)), min_size=1, max_size=6),
    st.one_of(st.just(1.0), SHARE),
    SHARE,
    st.binary(max_size=8),
)


def damaged(whole, damage):
    """``whole`` with a few bytes changed, perhaps cut short, and with something put in between."""
    changes, cut, at, insertion = damage
    data = bytearray(whole)
    for where, value in changes:
        data[int(where * len(data))] = value
    del data[int(cut * len(data)) :]
    middle = int(at * len(data))
    return bytes(data[:middle]) + insertion + bytes(data[middle:])


def gives(function, *arguments, **options):
    """The answer of a call, or the sentence it ends in; any other exception is a failure."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return function(*arguments, **options)
    except InputError as error:
        assert "\n" not in str(error)
        return str(error)


def gives_apart(function, *arguments, **options):
    """``gives`` in a process of its own, so that a crash or a reader without end fails one case."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
            gives(function, *arguments, **options)
        except BaseException as error:
            os.write(writer, repr(error).encode()[:2000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        fault = said.read().decode()
    _, status = os.waitpid(child, 0)
    assert not fault
    assert os.waitstatus_to_exitcode(status) == 0


def archive(path, members):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@fuzz
@given(tags=BYTES, more=BYTES, labels=BYTES)
def test_any_lists_of_mirflickr(place, tags, more, labels):
    archive(place / ARCHIVE, {f"mirflickr/meta/tags/tags{i}.txt": t
                              for i, t in enumerate((tags, more), 1)})  # fmt: skip
    archive(place / ANNOTATIONS, {"sky.txt": labels})
    gives(datasets.load, "mirflickr25k", place, tag_used=1)


@fuzz
@given(labels=BYTES, tags=BYTES, names=BYTES, images=BYTES)
def test_any_lists_of_nuswide(place, labels, tags, names, images):
    archive(place / "Groundtruth.zip", {"AllLabels/Labels_a.txt": labels})
    archive(place / "NUS_WID_Tags.zip", {"AllTags1k.txt": tags, "TagList1k.txt": names})
    archive(place / "ImageList.zip", {"Imagelist.txt": images})
    gives(datasets.load, "nuswide", place, concepts=1)


@fuzz
@given(data=BYTES)
def test_any_table_of_sift_words(place, data):
    (place / "BoW_int.dat").write_bytes(data)
    gives(lambda: list(sift_bow(place, np.array([0, 2]))))


def test_any_archive_that_is_damaged(place):
    archive(place / "whole.zip", {"mirflickr/meta/tags/tags1.txt": b"sky\n" * 20})
    archive(place / ANNOTATIONS, {"sky.txt": b"1\n"})
    content = (place / "whole.zip").read_bytes()

    @fuzz
    @given(damage=DAMAGE)
    def run(damage):
        data = damaged(content, damage)
        (place / ARCHIVE).write_bytes(data)
        gives(datasets.load, "mirflickr25k", place, tag_used=1)

    run()


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["id", "name", "image_id", "caption", "file_name"]), inner),
    ),
    max_leaves=6,
)


@fuzz
@given(
    part=st.sampled_from(["captions", "instances"]),
    key=st.sampled_from(["images", "annotations", "categories", "info"]),
    value=VALUES,
)
def test_any_annotations_of_coco(place, part, key, value):
    good = {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "categories": [{"id": 1, "name": "x"}],
        "annotations": [{"image_id": 1, "category_id": 1, "caption": "c"}],
    }
    members = {
        f"annotations/{p}_{half}.json": json.dumps(good | ({key: value} if p == part else {}))
        for p in ("captions", "instances")
        for half in ("val2017", "train2017")
    }
    archive(place / COCO, members)
    gives(datasets.load, "coco2017", place)


def features(suffix):
    given = {"image": np.ones((4, 2)), "text": np.ones((4, 3)), "labels": np.ones((4, 1)),
             "split": np.array(["query", "database", "database", "database"])}  # fmt: skip
    file = io.BytesIO()
    if suffix == ".npz":
        np.savez(file, **given)
    elif suffix == ".mat":
        scipy.io.savemat(file, given)
    else:
        with h5py.File(file, "w") as hdf5:
            for name, value in given.items():
                hdf5[name] = value.astype("S") if value.dtype.kind == "U" else value
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".h5"])
def test_any_file_of_features_that_is_damaged(place, suffix, monkeypatch):
    monkeypatch.setattr(_probe, "SECONDS", 5)

    @fuzz
    @given(damage=DAMAGE)
    def run(damage):
        data = damaged(features(suffix), damage)
        (place / f"a{suffix}").write_bytes(data)
        gives_apart(datasets.load, "features", place, file=f"a{suffix}")

    run()


def artefacts(place):
    """One file of each kind, and what reads it."""
    pairs = Pairs(["a", "b"], np.eye(2, dtype=np.uint8), ["x", "y"], ["1.jpg", "2.jpg"], "",
                  captions=[["one"], ["two", "three"]])  # fmt: skip
    store.write_pairs(place / "pairs", pairs, MADE)
    with store.feature_writer(place / "features", (3, 2), MADE) as writer:
        writer.write(slice(0, 3), np.ones((3, 2)))
    rows = np.arange(3)
    store.write_splits(place / "split", {0: Split(rows[:1], rows[1:], rows[1:], rows[:0])}, MADE)
    codes = np.random.default_rng(0).random((1, 3, 16)) > 0.5
    store.write_codes(place / "codes", Codes([0], codes, codes), MADE)
    store.write_metrics(place / "metrics", {"i2t": {"a": np.ones((1, 3))}}, [0], MADE)

    def read_features(path):
        with store.open_features(path) as found:
            return found.valid

    return {"pairs": store.read_pairs, "features": read_features, "split": store.read_splits,
            "codes": store.read_codes, "metrics": store.read_metrics}  # fmt: skip


@pytest.mark.parametrize("kind", ["pairs", "features", "split", "codes", "metrics"])
def test_any_artefact_that_is_damaged(place, kind):
    read = artefacts(place)[kind]
    content = (place / kind).read_bytes()

    @fuzz
    @given(damage=DAMAGE)
    def run(damage):
        data = damaged(content, damage)
        (place / "damaged.h5").write_bytes(data)
        gives_apart(read, place / "damaged.h5")
        gives_apart(store.provenance_of, place / "damaged.h5")

    run()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_any_image_that_is_damaged(form):
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(file, form)

    @fuzz
    @given(damage=DAMAGE)
    def run(damage):
        data = damaged(file.getvalue(), damage)
        try:
            decoded = decode.decode(data)
        except Exception:  # the extraction takes any for a fault of the image
            return
        assert decoded.shape == (3, 224, 224) and decoded.dtype == np.uint8

    run()


@fuzz
@given(text=st.text(max_size=30))
def test_any_name_of_a_setting(text):
    gives(parse_name, text)


@fuzz
@given(text=st.text(max_size=40))
def test_any_wish_of_a_server_to_wait(text):
    wait = transfer._retry_after(text)
    assert wait is None or wait >= 0
