"""Every layout that goes around gives what the plain arrays give; every wrong one, a sentence."""

import io
import json
import pickle
import zipfile

import h5py
import matlab73
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import datasets
from pipeline.errors import InputError
from pipeline.evaluation import evaluate
from pipeline.features.kinds.given import write as write_given_features
from pipeline.storage import store

N, QUERIES = 24, 6
rng = np.random.default_rng(3)
IMAGE = rng.normal(size=(N, 5))
TEXT = (rng.random((N, 7)) < 0.4).astype(float)
LABELS = (rng.random((N, 4)) < 0.5).astype(np.uint8)
LABELS[0], LABELS[1] = [1, 0, 0, 1], [0, 1, 1, 0]
PIXELS = rng.integers(0, 256, (N, 3, 8, 10), np.uint8)
NAMES = [f"mirflickr/im{i + 1}.jpg" for i in range(N)]
CAPTIONS = [f"sentence {i}" for i in range(N)]
WORDS = np.array(["query"] * QUERIES + ["database"] * (N - QUERIES))
TRAIN = np.arange(N) >= 14
PARTITION = ["query"] * QUERIES + ["database"] * 8 + ["train"] * 10


def cells(values):
    """An (n, 1) cell array for scipy.io.savemat."""
    out = np.empty((len(values), 1), object)
    for i, value in enumerate(values):
        out[i, 0] = value
    return out


def save(path, arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        dense = {k: v.toarray() if scipy.sparse.issparse(v) else v for k, v in arrays.items()}
        np.savez(path, **dense)
    elif path.suffix == ".mat":
        words = {k: cells(v) for k, v in arrays.items() if np.asarray(v).dtype.kind in "UO"
                 and not scipy.sparse.issparse(v) and not isinstance(v, dict)}  # fmt: skip
        scipy.io.savemat(path, {**arrays, **words})
    elif path.name.endswith(".v73"):
        matlab73.save(path.with_suffix(".mat"), arrays)
        return path.with_suffix(".mat").name
    else:
        with h5py.File(path, "w") as file:
            for name, value in arrays.items():
                value = value.toarray() if scipy.sparse.issparse(value) else np.asarray(value)
                file[name] = value.tolist() if value.dtype.kind in "UO" else value
    return path.name


def load(folder, file, **options):
    return datasets.load("features", folder, file=file, **options)


def features(pairs, view, folder):
    write_given_features(
        pairs, view=view, path=folder / "out.h5", provenance=store.Provenance("encode")
    )
    with store.open_features(folder / "out.h5") as found:
        return found.rows(slice(0, len(pairs)))


def same(pairs, folder, partition=PARTITION, rows=slice(None), views=("image", "text")):
    """The pairs are those of the plain arrays."""
    np.testing.assert_array_equal(pairs.labels, LABELS[rows])
    assert (None if pairs.partition is None else list(pairs.partition)) == partition
    for view in views:
        truth = {"image": IMAGE, "text": TEXT}[view][rows].astype(np.float32)
        np.testing.assert_array_equal(features(pairs, view, folder), truth)


FORMS = (".npz", ".mat", ".v73", ".h5")
PLAIN = {"image": IMAGE, "text": TEXT, "labels": LABELS, "split": WORDS, "train": TRAIN}
WHOLE = {
    "plain": PLAIN,
    "XAll": {"XAll": IMAGE, "YAll": TEXT, "LAll": LABELS, "split": WORDS, "train": TRAIN},
    "FAll": {"FAll": IMAGE, "YAll": TEXT, "LAll": LABELS, "split": WORDS, "train": TRAIN},
    "images tags labels": {"images": IMAGE, "tags": TEXT, "labels": LABELS, "split": WORDS,
                           "train": TRAIN},
    "sparse": PLAIN | {"text": scipy.sparse.csc_matrix(TEXT),
                       "labels": scipy.sparse.csc_matrix(LABELS.astype(float))},
    "minus one": PLAIN | {"labels": 2.0 * LABELS - 1},
    "lists from 0": {"XAll": IMAGE, "YAll": TEXT, "LAll": LABELS,
                     "query_idx": np.arange(QUERIES), "retrieval_idx": np.arange(QUERIES, N),
                     "train_idx": np.flatnonzero(TRAIN)},
    "lists from 1": {"XAll": IMAGE, "YAll": TEXT, "LAll": LABELS,
                     "idx_test": np.arange(QUERIES) + 1, "idx_db": np.arange(QUERIES, N) + 1,
                     "idx_train": np.flatnonzero(TRAIN) + 1},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", WHOLE)
def test_arrays_of_all_rows_by_whatever_names(tmp_path, layout, form):
    same(load(tmp_path, save(tmp_path / f"a{form}", WHOLE[layout])), tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_one_file_an_array(tmp_path, form):
    arrays = {"XAll": IMAGE, "YAll": TEXT, "LAll": LABELS, "split": WORDS, "train": TRAIN}
    files = [save(tmp_path / f"{name}{form}", {name: value}) for name, value in arrays.items()]
    same(load(tmp_path, files), tmp_path)


def test_arrays_without_a_name_have_that_of_their_file(tmp_path):
    np.save(tmp_path / "image.npy", IMAGE)
    scipy.sparse.save_npz(tmp_path / "text.npz", scipy.sparse.csr_matrix(TEXT))
    np.savez(tmp_path / "rest.npz", labels=LABELS, split=WORDS, train=TRAIN)
    same(load(tmp_path, ["image.npy", "text.npz", "rest.npz"]), tmp_path)


def score(pairs, folder):
    """mAP of the signs of the image features, the queries of the pairs against their database."""
    codes = features(pairs, "image", folder) > 0
    parts = np.array(pairs.partition)
    query, database = parts == "query", np.isin(parts, ("database", "train"))
    return evaluate(
        codes[query], codes[database], pairs.labels[query], pairs.labels[database], k=10
    ).map


def test_every_layout_leads_to_the_metrics_of_the_plain_arrays(tmp_path):
    parts = {"db": slice(QUERIES, N), "te": slice(QUERIES), "tr": np.flatnonzero(TRAIN)[::-1]}
    layouts = WHOLE | {"halves": halves(parts)}
    scores = {
        name: score(load(tmp_path, save(tmp_path / f"{i}.npz", arrays)), tmp_path)
        for i, (name, arrays) in enumerate(layouts.items())
    }
    assert 0 < scores["plain"] < 1
    assert scores == pytest.approx(dict.fromkeys(scores, scores["plain"]))


@pytest.mark.parametrize("form", [".mat", ".v73"])
@pytest.mark.parametrize("layout", ["plain", "sparse", "lists from 1"])
def test_the_arrays_in_a_struct_are_those_of_the_file(tmp_path, layout, form):
    arrays = WHOLE[layout]
    if form == ".mat" and "split" in arrays:
        arrays = arrays | {"split": cells(WORDS)}
    file = save(tmp_path / f"a{form}", {"about": np.ones(3), "data": arrays})
    same(load(tmp_path, file), tmp_path)


@pytest.mark.parametrize("form", [".mat", ".v73"])
def test_a_struct_that_holds_no_plain_arrays_gives_a_sentence(tmp_path, form):
    nested = save(tmp_path / f"nested{form}", {"data": {"train": {"XAll": IMAGE}, "YAll": TEXT}})
    with pytest.raises(InputError, match=r"data \(structs within .*: save their arrays as varia"):
        load(tmp_path, nested)
    twice = save(tmp_path / f"twice{form}", {"data": {"XAll": IMAGE, "YAll": TEXT}, "XAll": IMAGE})
    with pytest.raises(InputError, match=r"XAll is both .*data.XAll.*; which one is meant\?"):
        load(tmp_path, twice)
    if form == ".mat":
        many = np.array([(IMAGE,), (TEXT,)], [("XAll", object)])
        scipy.io.savemat(tmp_path / "many.mat", {"data": many})
        with pytest.raises(InputError, match=r"data \(structs within .*or an array of them"):
            load(tmp_path, "many.mat")


def halves(parts):
    """The arrays of rows by part."""
    views = {"I": IMAGE, "T": TEXT, "L": LABELS}
    return {f"{v}_{p}": array[rows] for p, rows in parts.items() for v, array in views.items()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("files", ["one", "three"])
def test_training_and_test_halves(tmp_path, form, files):
    arrays = halves({"tr": slice(QUERIES, N), "te": slice(QUERIES)})
    groups = [arrays] if files == "one" else [
        {k: v for k, v in arrays.items() if k[0] == letter} for letter in "ITL"
    ]  # fmt: skip
    names = [save(tmp_path / f"{i}{form}", group) for i, group in enumerate(groups)]
    order = [*range(QUERIES, N), *range(QUERIES)]
    same(load(tmp_path, names), tmp_path, ["database"] * 18 + ["query"] * 6, order)


@pytest.mark.parametrize("form", FORMS)
def test_training_rows_beside_a_database_are_found_in_it(tmp_path, form):
    parts = {"db": slice(QUERIES, N), "te": slice(QUERIES), "tr": np.flatnonzero(TRAIN)[::-1]}
    pairs = load(tmp_path, save(tmp_path / f"a{form}", halves(parts)))
    expected = ["database"] * 8 + ["train"] * 10 + ["query"] * 6 + ["unused"] * 10
    order = [*range(QUERIES, N), *range(QUERIES), *np.flatnonzero(TRAIN)[::-1]]
    same(pairs, tmp_path, expected, order)


@pytest.mark.parametrize(("said", "part"), [("database", "train"), ("apart", "apart")])
def test_training_rows_that_the_database_lacks_are_asked_about(tmp_path, said, part):
    parts = {"db": slice(QUERIES, 14), "te": slice(QUERIES), "tr": slice(14, N)}
    file = save(tmp_path / "a.mat", halves(parts))
    with pytest.raises(InputError, match=r"10 of 10 training rows .*train_rows: database.*: apart"):
        load(tmp_path, file)
    pairs = load(tmp_path, file, train_rows=said)
    assert list(pairs.partition) == ["database"] * 8 + ["query"] * 6 + [part] * 10


@pytest.mark.parametrize("form", [".mat", ".v73", ".h5", ".npz"])
@pytest.mark.parametrize("files", ["one", "three"])
@pytest.mark.parametrize("label", ["label", "category"])
def test_paths_captions_and_labels(tmp_path, form, files, label):
    (tmp_path / "mirflickr").mkdir()
    for name in NAMES:
        (tmp_path / name).touch()
    arrays = {"index": np.array(NAMES), "caption": np.array(CAPTIONS), label: LABELS}
    groups = [arrays] if files == "one" else [{k: v} for k, v in arrays.items()]
    names = [save(tmp_path / f"{i}{form}", group) for i, group in enumerate(groups)]
    pairs = load(tmp_path, names)
    same(pairs, tmp_path, None, views=())
    assert pairs.images == NAMES and pairs.captions == [[text] for text in CAPTIONS]
    assert pairs.ids[0] == "im1"


@pytest.mark.parametrize("form", [".mat", ".v73"])
def test_cells_of_several_captions(tmp_path, form):
    several = [[f"a {i}", f"b {i}"] for i in range(N)]
    given = cells([np.array(pair, object) for pair in several]) if form == ".mat" else None
    if form == ".v73":
        given = np.empty(N, object)
        given[:] = several
    arrays = {"XAll": IMAGE, "caption": given, "label": LABELS}
    if form == ".mat":
        scipy.io.savemat(tmp_path / "a.mat", arrays)
    pairs = load(tmp_path, "a.mat" if form == ".mat" else save(tmp_path / "a.v73", arrays))
    assert pairs.captions == several


def test_padded_characters_of_matlab(tmp_path):
    names = np.array(["im1.jpg  ", "im10.jpg ", "im100.jpg"])
    scipy.io.savemat(tmp_path / "a.mat", {"index": names, "YAll": TEXT[:3], "LAll": LABELS[:3]})
    for name in names:
        (tmp_path / name.strip()).touch()
    assert load(tmp_path, "a.mat").images == [name.strip() for name in names]


PIXEL_LAYOUTS = {
    ".npz": {"IAll": PIXELS, "YAll": TEXT, "LAll": LABELS},
    ".h5": {"IAll": PIXELS.transpose(0, 2, 3, 1), "YAll": TEXT, "LAll": LABELS},
    ".mat": {"images": PIXELS.transpose(2, 3, 1, 0), "tags": TEXT, "labels": LABELS},
    ".v73": {"IAll": PIXELS.transpose(2, 3, 1, 0), "YAll": TEXT, "LAll": LABELS,
             "FAll": np.array(NAMES)},
}  # fmt: skip


@pytest.mark.parametrize("form", PIXEL_LAYOUTS)
def test_pixels_become_pictures(tmp_path, form):
    file = save(tmp_path / f"a{form}", PIXEL_LAYOUTS[form])
    datasets.convert("features", tmp_path, tmp_path / "out" / "pairs.h5", file=file)
    pairs = store.read_pairs(tmp_path / "out" / "pairs.h5")
    same(pairs, tmp_path, None, views=("text",))
    with zipfile.ZipFile(tmp_path / "out" / "pixels.zip") as archive:
        for row in (0, 17):
            data = io.BytesIO(archive.read(pairs.images[row].removeprefix("pixels.zip/")))
            image = np.asarray(Image.open(data))
            np.testing.assert_array_equal(image.transpose(2, 0, 1), PIXELS[row])


def test_pixels_in_halves(tmp_path):
    arrays = halves({"tr": slice(QUERIES, N), "te": slice(QUERIES)})
    for part, rows in (("tr", slice(QUERIES, N)), ("te", slice(QUERIES))):
        arrays[f"I_{part}"] = PIXELS[rows].transpose(2, 3, 1, 0)
    datasets.convert("features", tmp_path, tmp_path / "p.h5", file=save(tmp_path / "a.mat", arrays))
    with zipfile.ZipFile(tmp_path / "pixels.zip") as archive:
        image = np.asarray(Image.open(io.BytesIO(archive.read("18.png"))))
    np.testing.assert_array_equal(image.transpose(2, 0, 1), PIXELS[0])


# --- lists ----------------------------------------------------------------------------------------


def write_lists(folder, parts, change=lambda line: line):
    (folder / "mirflickr").mkdir(exist_ok=True)
    for name in NAMES:
        (folder / name).touch()
    for part, rows in parts.items():
        lines = [f"{NAMES[r]} {' '.join(map(str, LABELS[r]))}" for r in rows]
        (folder / f"{part}.txt").write_text("\n".join(map(change, lines)) + "\n\n")
    tokens = [f"im{i + 1}.jpg#{k}\tsentence {i}, {k}" for i in range(N) for k in range(2)]
    (folder / "captions.token").write_text("\n".join(tokens))
    return [f"{part}.txt" for part in parts]


def test_lists_of_paths_and_labels(tmp_path):
    rows = {"test": range(QUERIES), "database": range(QUERIES, N), "train": np.flatnonzero(TRAIN)}
    pairs = load(tmp_path, write_lists(tmp_path, rows), texts="captions.token")
    order = [*range(QUERIES, N), *range(QUERIES)]
    expected = ["database"] * 8 + ["train"] * 10 + ["query"] * 6
    same(pairs, tmp_path, expected, order, views=())
    assert pairs.images == [NAMES[row] for row in order]
    assert pairs.captions[0] == ["sentence 6, 0", "sentence 6, 1"]


def test_without_a_database_list_the_training_rows_are_it(tmp_path):
    files = write_lists(tmp_path, {"train": range(QUERIES, N), "test": range(QUERIES)})
    pairs = load(tmp_path, files, texts="captions.token")
    assert sorted(pairs.partition) == ["query"] * 6 + ["train"] * 18


def test_captions_of_kaggle_are_read_as_csv(tmp_path):
    files = write_lists(tmp_path, {"train": range(QUERIES, N), "test": range(QUERIES)})
    lines = ["image,caption", *(f'im{i + 1}.jpg,"One, {i}"' for i in range(N))]
    (tmp_path / "captions.csv").write_text("\n".join(lines))
    pairs = load(tmp_path, files, texts="captions.csv")
    assert ["One, 0"] in pairs.captions


LIST_FAULTS = {
    "value": (lambda line: line + " 2", "line 1: a path and its labels of 0 or 1"),
    "no label": (lambda line: line.split()[0], "a path and its labels"),
    "columns": (lambda line: line + " 1" * ("im9." in line), "a path and 4 labels of 0 or 1"),
}


@pytest.mark.parametrize("fault", LIST_FAULTS)
def test_damaged_lists_give_a_sentence(tmp_path, fault):
    change, sentence = LIST_FAULTS[fault]
    files = write_lists(tmp_path, {"train": range(QUERIES, N), "test": range(QUERIES)}, change)
    with pytest.raises(InputError, match=sentence):
        load(tmp_path, files, texts="captions.token")


def test_lists_need_texts_and_a_part_in_their_name(tmp_path):
    files = write_lists(tmp_path, {"train": range(QUERIES, N), "test": range(QUERIES)})
    with pytest.raises(InputError, match="holds no texts; `texts:`"):
        load(tmp_path, files)
    (tmp_path / "captions.token").write_text("im1.jpg#0\tone")
    with pytest.raises(InputError, match=r"23 of 24 images have no text, such as 'im2.jpg'"):
        load(tmp_path, files, texts="captions.token")
    (tmp_path / "train.txt").rename(tmp_path / "some.txt")
    with pytest.raises(InputError, match="which part it lists"):
        load(tmp_path, ["some.txt", "test.txt"])


# --- labels and splits ----------------------------------------------------------------------------


def alike(labels):
    """Who shares a label with whom, which is all that an evaluation sees of labels."""
    return labels.astype(int) @ labels.T.astype(int) > 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(N,), (N, 1), (1, N)])
def test_class_numbers(tmp_path, form, shape):
    classes = np.arange(N) % 4 + 1
    plain = load(tmp_path, save(tmp_path / "plain.npz", PLAIN | {"labels": np.eye(5)[classes]}))
    file = save(tmp_path / f"a{form}", PLAIN | {"labels": classes.reshape(shape)})
    pairs = load(tmp_path, file)
    np.testing.assert_array_equal(alike(pairs.labels), alike(plain.labels))
    assert pairs.label_names == ["class 1", "class 2", "class 3", "class 4"]


@pytest.mark.parametrize("form", FORMS)
def test_class_names(tmp_path, form):
    names = np.array(["dog", "cat"] * (N // 2))
    pairs = load(tmp_path, save(tmp_path / f"a{form}", PLAIN | {"labels": names}))
    assert pairs.label_names == ["cat", "dog"] and pairs.labels[0].tolist() == [0, 1]


@pytest.mark.parametrize("values", [(0, 1), (-1, 1)])
def test_one_number_a_row_that_reads_both_ways_is_asked_about(tmp_path, values):
    column = np.array(values * (N // 2))[:, None]
    file = save(tmp_path / "a.npz", PLAIN | {"labels": column})
    with pytest.raises(InputError, match=r"one label \(`labels_are: columns`\) or .*: classes`\)"):
        load(tmp_path, file)
    assert load(tmp_path, file, labels_are="columns").labels.shape == (N, 1)
    assert load(tmp_path, file, labels_are="classes").labels.shape == (N, 2)


def test_labels_may_be_missing(tmp_path):
    pairs = load(tmp_path, save(tmp_path / "a.npz", {k: PLAIN[k] for k in ("image", "text")}))
    assert pairs.labels.shape == (N, 0) and pairs.partition is None


@pytest.mark.parametrize("form", FORMS)
def test_words_of_a_split(tmp_path, form):
    words = np.array(["test"] * 6 + ["retrieval"] * 8 + ["train"] * 9 + ["unused"])
    arrays = {k: v for k, v in PLAIN.items() if k != "train"} | {"split": words}
    pairs = load(tmp_path, save(tmp_path / f"a{form}", arrays))
    assert list(pairs.partition) == [*PARTITION[:-1], "unused"]


def test_foreign_words_and_numbers_of_a_split_are_said_by_the_config(tmp_path):
    numbers = np.array([3] * 6 + [2] * 8 + [1] * 10)
    arrays = {k: v for k, v in PLAIN.items() if k != "train"}
    file = save(tmp_path / "a.npz", arrays | {"split": numbers})
    with pytest.raises(
        InputError,
        match=r"numbers 1, 2, 3, which could be \{1: train, 2: query, 3: database\} or \{1: qu",
    ):
        load(tmp_path, file)
    parts = {1: "train", 2: "database", 3: "query"}
    assert list(load(tmp_path, file, parts=parts).partition) == PARTITION
    file = save(tmp_path / "a.npz", arrays | {"split": np.array(["probe"] * 6 + ["rest"] * 18)})
    parts = {"probe": "query", "rest": "database"}
    assert load(tmp_path, file, parts=parts).partition.count("query") == 6


def test_masks(tmp_path):
    arrays = {"XAll": IMAGE, "YAll": TEXT, "query": WORDS == "query", "train": TRAIN,
              "database": WORDS == "database", "LAll": LABELS}  # fmt: skip
    same(load(tmp_path, save(tmp_path / "a.npz", arrays)), tmp_path)


def lists(query, train, **others):
    return {"XAll": IMAGE, "YAll": TEXT, "LAll": LABELS, "query": np.array(query),
            "train": np.array(train), **others}  # fmt: skip


def test_lists_that_could_count_from_0_or_1_are_asked_about(tmp_path):
    file = save(tmp_path / "a.npz", lists([1, 2], [5, 6], database=np.arange(4, 20)))
    with pytest.raises(InputError, match=r"from 0 \(`first: 0`\) or from 1 \(`first: 1`\)"):
        load(tmp_path, file)
    assert load(tmp_path, file, first=0).partition[1:3] == ["query", "query"]
    assert load(tmp_path, file, first=1).partition[:2] == ["query", "query"]


def test_rows_in_no_list_are_asked_about(tmp_path):
    file = save(tmp_path / "a.npz", lists([0, 1], [5, 6]))
    with pytest.raises(InputError, match=r"20 of 24 rows .*`rest: database`.*`rest: unused`"):
        load(tmp_path, file)
    assert load(tmp_path, file, rest="database").partition.count("database") == 20
    assert load(tmp_path, file, rest="unused").partition.count("unused") == 20


FAULTS = {
    "twice": (PLAIN | {"XAll": IMAGE}, {}, "image and XAll both are image"),
    "three axes": (PLAIN | {"image": np.zeros((N, 2, 2))}, {}, "image has shape"),
    "fractions": (PLAIN | {"labels": np.full(N, 0.5)}, {}, "other values than 0 and 1"),
    "row twice": (lists([0, 0], [3]), {}, "the query list names row 0 twice"),
    "beyond": (lists([0, 30], [3]), {"first": 0}, "names row 30; .* the last is 23"),
    "both": (lists([0, 3], [3]), {}, "row 3 is to be trained on and is a query"),
    "in database": (lists([0, 3], [4], database=np.array([3, 4])), {"first": 0}, "row 3 is in the"),
    "halves": (lists([0.5], [3]), {}, "other values than whole numbers"),
    "first": (PLAIN, {"first": 2}, "first is 2; the number of the first row"),
    "rest": (lists([0], [2]), {"rest": "x"}, "rest is 'x'; database or unused"),
    "labels_are": (PLAIN, {"labels_are": "x"}, "labels_are is 'x'; columns or classes"),
    "parts": (PLAIN, {"parts": {"query": "asks"}}, "parts: 'asks' is none of query, database"),
    "L missing": (
        {k: v for k, v in halves({"tr": slice(9), "te": slice(9, 12)}).items() if k != "L_te"},
        {}, "L_te is missing beside I_tr",
    ),
    "turned": (
        {"image": IMAGE.T, "text": TEXT.T, "labels": LABELS.T}, {}, "agree in their columns",
    ),
    "pixels": ({"IAll": np.zeros((5, 4, 3, 2)), "YAll": TEXT}, {}, "pixels have shape"),
    "pixels both ways": ({"IAll": np.zeros((3, 3, 3, 3)), "YAll": TEXT[:3]}, {}, "axis or on"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_variants_give_a_sentence(tmp_path, fault):
    arrays, options, sentence = FAULTS[fault]
    with pytest.raises(InputError, match=sentence) as caught:
        load(tmp_path, save(tmp_path / "a.npz", arrays), **options)
    assert "\n" not in str(caught.value)


def test_normalised_pixels_are_refused(tmp_path):
    arrays = {"IAll": PIXELS / 255.0, "YAll": TEXT, "LAll": LABELS}
    with pytest.raises(InputError, match="from 0 to 255 are needed, not normalised ones"):
        datasets.convert("features", tmp_path, tmp_path / "p.h5",
                         file=save(tmp_path / "a.npz", arrays))  # fmt: skip
    assert not (tmp_path / "p.h5").exists() and not (tmp_path / "pixels.zip").exists()


def test_an_array_in_two_files_is_refused(tmp_path):
    files = [save(tmp_path / f"{i}.npz", PLAIN) for i in range(2)]
    with pytest.raises(InputError, match=r"1.npz: image is also in .*0.npz; which one"):
        load(tmp_path, files)


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".pt", ".joblib"])
def test_pickles_are_refused_with_a_word_on_how_to_convert(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(pickle.dumps(PLAIN))
    with pytest.raises(InputError, match=r"never loaded; .*np.savez\('mine.npz'"):
        load(tmp_path, f"a{suffix}")


def test_pictures_are_matched_by_number_and_missing_ones_named(tmp_path, caplog):
    (tmp_path / "flat").mkdir()
    for i in range(1, 23):
        (tmp_path / f"flat/photo_{i:05}.png").touch()
    arrays = {"index": np.array(NAMES), "YAll": TEXT, "LAll": LABELS}
    pairs = load(tmp_path, save(tmp_path / "a.npz", arrays), images="flat")
    assert pairs.images[0] == "flat/photo_00001.png"
    assert "2 of 24 pictures" in caplog.text and "mirflickr/im23.jpg" in caplog.text
    with pytest.raises(InputError, match="no such folder or archive of pictures"):
        load(tmp_path, "a.npz", images="other")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="none of the 24 pictures"):
        load(tmp_path, "a.npz", images="empty")


def test_a_cell_that_leads_out_of_the_file_is_not_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.array([[115]], np.uint16)
    with h5py.File(tmp_path / "a.mat", "w") as file:
        inner = file.create_dataset("#refs#/a", (1, 1), "u2", external=[("secret.h5", 0, 2)])
        inner.attrs["MATLAB_class"] = np.bytes_("char")
        cells = file.create_dataset("caption", (1, 1), h5py.ref_dtype)
        cells[0, 0], cells.attrs["MATLAB_class"] = inner.ref, np.bytes_("cell")
        file["XAll"] = np.ones((2, 1))
    with pytest.raises(InputError, match="a cell leads out of the file"):
        load(tmp_path, "a.mat")


def test_a_config_entry_is_json(tmp_path):
    """Options come over the command line, where keys of mappings are text."""
    parts = json.loads(json.dumps({1: "train", 2: "database", 3: "query"}))
    numbers = np.array([3] * 6 + [2] * 8 + [1] * 10)
    arrays = {k: v for k, v in PLAIN.items() if k != "train"} | {"split": numbers}
    pairs = load(tmp_path, save(tmp_path / "a.npz", arrays), parts=parts)
    assert list(pairs.partition) == PARTITION


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=99), st.text(alphabet='im1². 01\t\n\0#,"', max_size=99)))
def test_no_list_or_text_file_brings_anything_but_pairs_or_a_sentence(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    content = content if isinstance(content, bytes) else content.encode()
    (folder / "train.txt").write_text("im1.jpg 0 1\n")
    (folder / "im1.jpg").touch()
    for name in ("test.txt", "texts.token", "texts.csv"):
        (folder / "test.txt").write_text("im1.jpg 0 1\n")
        (folder / "texts.token").write_text("im1.jpg\ta text\n")
        (folder / name).write_bytes(content)
        texts = name if name.startswith("texts") else "texts.token"
        try:
            load(folder, ["train.txt", "test.txt"], texts=texts)
        except InputError as error:
            assert "fuzz" in str(error)
