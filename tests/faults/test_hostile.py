"""Hostile and mistaken files for every reader: each ends in one sentence, in bounded time."""

import io
import json
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from pipeline import datasets, load
from pipeline.datasets import _probe
from pipeline.datasets._split_files import read_split
from pipeline.errors import InputError, brief
from pipeline.methods import create
from pipeline.models.folder import Made, write_model
from pipeline.search.clickhouse import search, write_parquet
from pipeline.search.index import Index, Item
from pipeline.search.index import create as create_index
from pipeline.storage import sealed, store
from pipeline.storage.arrays import read_arrays, write_arrays
from pipeline.storage.store import Pairs, Provenance

N = 12


def sentence(call, *arguments, **options):
    """What a call is refused with, on one line of bounded length."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    said = str(caught.value)
    assert "\n" not in said and len(said) < 1100
    return said


# --- files that are something else ----------------------------------------------------------------


def tarred():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("image.mat"), None)
    return file.getvalue()


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("image.mat", "x")
    return file.getvalue()


MISTAKEN = {
    "a web page": (b"\r\n<!DOCTYPE html><html>Sign in</html>", "a web page"),
    "a web page in capitals": (b"\xef\xbb\xbf<HTML><body>", "a web page"),
    "XML": (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "an XML document"),
    "a pickle": (pickle.dumps([1]), "a Python pickle, which can run code"),
    "a zip": (zipped(), "a zip archive"),
    "a gzip": (b"\x1f\x8b\x08" + bytes(20), "a gzip archive"),
    "a bzip2": (b"BZh91AY&SY", "a bzip2 archive"),
    "an xz": (b"\xfd7zXZ\x00\x00", "an xz archive"),
    "a zstd": (b"\x28\xb5\x2f\xfd\x00", "a zstd archive"),
    "a tar": (tarred(), "a tar archive"),
    "a RAR": (b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
    "a 7z": (b"7z\xbc\xaf\x27\x1c\x00", "a 7z archive"),
    "a PDF": (b"%PDF-1.7\n", "a PDF document"),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "a Git LFS pointer instead of the file it stands for (`git lfs pull`",
    ),
    "an SQLite database": (b"SQLite format 3\x00" + bytes(90), "an SQLite database"),
    "a Parquet file": (b"PAR1" + bytes(20) + b"PAR1", "a Parquet file"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(20), "a PNG image"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + bytes(20), "a JPEG image"),
    "an Office document": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    "a program": (b"\x7fELF" + bytes(20), "a program"),
    "nothing": (b"", "empty"),
}


@pytest.mark.parametrize("case", MISTAKEN)
def test_a_file_that_is_something_else_is_named(tmp_path, case):
    content, said = MISTAKEN[case]
    for name in ("a.mat", "a.npy", "a.h5"):
        (tmp_path / name).write_bytes(content)
        assert f"it is {said}" in sentence(datasets.load, "features", tmp_path, file=name)


@pytest.mark.parametrize("case", ["a web page", "a gzip", "a pickle", "a Git LFS pointer"])
def test_every_other_reader_names_it_too(tmp_path, case):
    content, said = MISTAKEN[case]
    path = tmp_path / "a"
    path.write_bytes(content)
    table = tmp_path / "a.csv"
    table.write_bytes(content)
    pairs = Pairs(["1"], np.ones((1, 1), np.uint8), ["x"])
    for call in (
        lambda: read_arrays(path),
        lambda: store.read_pairs(path),
        lambda: datasets.load("folder", tmp_path, table="a.csv"),
        lambda: read_split(str(table), pairs, 0),
        lambda: read_split({"query": str(path)}, pairs, 0),
    ):
        assert said in sentence(call)


# --- arrays ---------------------------------------------------------------------------------------


def given(**changes):
    arrays = {
        "image": np.arange(N * 4.0).reshape(N, 4),
        "text": np.arange(N * 3.0).reshape(N, 3),
        "labels": np.eye(3, dtype=np.uint8)[np.arange(N) % 3],
        "split": np.array([b"query"] * 3 + [b"database"] * (N - 3)),
    }
    return {k: v for k, v in (arrays | changes).items() if v is not None}


def member(path, name, content):
    """An .npz whose array ``name`` is some other content."""
    np.savez(path, **given(**{name.removesuffix(".npy"): None}))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(name, content)


def npy(shape, dtype="<f8"):
    """The header of an array of this shape, and hardly any of it."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, header)
    return file.getvalue() + bytes(64)


def hdf5(path, **changes):
    """A file of given arrays; what is callable makes an array itself."""
    with h5py.File(path, "w") as file:
        for name, value in given(**changes).items():
            if callable(value):
                value(file, name)
            else:
                file[name] = value


def claimed(shape, dtype=np.uint8):
    """A data set of that shape of which nothing is stored."""
    chunks = tuple(min(n, 2**12) for n in shape)
    return lambda file, name: file.create_dataset(name, shape, dtype, chunks=chunks)


def claims():
    names = ("image", "text", "labels")
    return dict.fromkeys(names, claimed((10**12, 2))) | {"split": None}


def circle(file, name):
    """References that lead to themselves."""
    cells = file.create_dataset(name, (N,), h5py.ref_dtype)
    cells[:] = [cells.ref] * N


def sparse(path):
    """A sparse matrix of MATLAB's that claims 10^13 rows."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["text"] = np.ones((3, N))
        group = file.create_group("image")
        group.attrs["MATLAB_sparse"] = 10**13
        group["jc"], group["ir"], group["data"] = np.zeros(5, int), np.zeros(0, int), np.zeros(0)


def sparse_npz(path):
    arrays = {"format": b"csr", "shape": np.array([N, 4]), "data": np.ones(2)}
    np.savez(path, **arrays, indices=np.array([0, 10**9]), indptr=np.array([0, 2]))


ARRAYS = {
    "an .npz member that is no array": (
        ("a.npz", lambda p: member(p, "image", b"hello")), "image: no array"),
    "an .npz member with the ending of an array only": (
        ("a.npz", lambda p: member(p, "image.npy", b"hello")), "image: no array"),
    "an .npz array twice": (
        ("a.npz", lambda p: member(p, "text.npy", npy((N, 3))) or twice(p)), "is also in"),
    "an .npz header of 10^12 rows": (
        ("a.npz", lambda p: member(p, "image.npy", npy((10**12, 4)))), "of memory; this machine"),
    "an .npz header of negative shape": (
        ("a.npz", lambda p: member(p, "image.npy", npy((-1, 4)))), "image: "),
    "an .npz header of objects": (
        ("a.npz", lambda p: member(p, "image.npy", npy((N, 4), "|O"))), "Python objects"),
    "an .npy header of 10^12 rows": (
        ("image.npy", lambda p: p.write_bytes(npy((10**12, 4)))), "unreadable"),
    "HDF5 that claims 10^12 rows": (
        ("a.h5", lambda p: hdf5(p, **claims())), "of memory; this machine"),
    "an image array 2^27 wide": (
        ("a.h5", lambda p: hdf5(p, image=claimed((N, 2**27)))), "134,217,728 columns"),
    "labels 2^40 wide": (
        ("a.h5", lambda p: hdf5(p, labels=claimed((N, 2**40)))), "of memory; this machine"),
    "a scalar": (("a.h5", lambda p: hdf5(p, image=np.float64(3))), "shape"),
    "five axes": (("a.h5", lambda p: hdf5(p, image=np.ones((N, 1, 1, 1, 1)))), "shape"),
    "complex numbers": (("a.h5", lambda p: hdf5(p, image=np.ones((N, 4), complex))), "numbers"),
    "a table of records": (
        ("a.h5", lambda p: hdf5(p, image=np.ones((N, 4), [("x", "f4")]))), "numbers are needed"),
    "times": (("a.npz", lambda p: np.savez(p, **given(image=np.ones((N, 4), "M8[s]")))), "numbers"),
    "references that lead in a circle": (("a.h5", lambda p: hdf5(p, image=circle)), "image"),
    "a soft link to nothing": (
        ("a.h5", lambda p: hdf5(p, image=lambda f, n: f.__setitem__(n, h5py.SoftLink("/no")))),
        "needed are image"),
    "a name that is a group": (
        ("a.h5", lambda p: hdf5(p, image=lambda f, n: f.create_group(n))), "needed are image"),
    "three thousand arrays": (
        ("a.npz", lambda p: np.savez(p, **{f"array{i}": np.ones(1) for i in range(3000)})),
        "needed are image"),
    "a sparse matrix of 10^13 rows": (("a.mat", sparse), "of memory; this machine"),
    "a sparse matrix whose indices lie outside": (("image.npz", sparse_npz), "unreadable"),
    "a .mat of text": (
        ("a.mat", lambda p: scipy.io.savemat(p, {"image": "words", "text": "words"})), ""),
    "a .mat cut in its middle": (("a.mat", lambda p: cut(p)), ""),
    "a pickle named .mat": (
        ("a.mat", lambda p: p.write_bytes(pickle.dumps(given()))), "never loaded"),
}  # fmt: skip


def twice(path):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as file:
        file.writestr("text.npy", npy((N, 3)))


def cut(path):
    scipy.io.savemat(path, given())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_lie_end_in_a_sentence(tmp_path, case):
    (name, write), said = ARRAYS[case]
    write(tmp_path / name)
    assert said in sentence(datasets.load, "features", tmp_path, file=name)


def looping(path):
    """A file of texts whose heap HDF5 searches without end: an object in it that has no length."""
    with h5py.File(path, "w") as file:
        file.create_dataset("caption", data=["words"] * 40, dtype=h5py.string_dtype())
        file["index"] = np.ones((40, 4))
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    for place in range(heap + 16, len(content) - 8):
        if content[place : place + 8] == (5).to_bytes(8, "little"):
            content[place : place + 8] = bytes(8)
            content[place - 8 : place - 4] = bytes(4)  # free space, of no bytes
            break
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("ends", "said"),
    [("while True: pass", "does not come to an end"), ("os.abort()", "crashes when it reads it")],
    ids=["in circles", "in a crash"],
)
def test_a_reader_that_does_not_come_back_ends_in_a_sentence(tmp_path, monkeypatch, ends, said):
    """Of a file of somebody else; the watchdog's child does what HDF5 may do."""
    hdf5(tmp_path / "a.h5")
    monkeypatch.setattr(_probe, "SECONDS", 1)
    monkeypatch.setattr(_probe, "_walk", lambda path: exec(ends, {"os": _probe.os}))
    assert said in sentence(datasets.load, "features", tmp_path, file="a.h5")


def test_texts_of_others_whose_heap_is_damaged_end_in_bounded_time(tmp_path, monkeypatch):
    monkeypatch.setattr(_probe, "SECONDS", 1)
    looping(tmp_path / "a.h5")
    sentence(datasets.load, "features", tmp_path, file="a.h5")


def test_messages_are_short_whatever_they_quote():
    said = str(InputError("a" * 10**6 + "\n\x1b[31m" + "b" * 10**6))
    assert len(said) < 1100 and said.startswith("aaa") and said.endswith("bbb")
    assert brief("one\ntwo\x1b[2J") == "one two [2J"


@pytest.mark.parametrize("bits", [-3, 0, 2.5, True])
def test_a_code_length_that_is_none_is_refused(bits):
    assert "at least 1, is needed" in sentence(create, "cvh", bits=bits, seed=0)


# --- our own files --------------------------------------------------------------------------------


def resealed(path, **changes):
    head = path.read_bytes()[: sealed.BLOCK].rstrip(b"\0")
    said = json.loads(head.removeprefix(b"cmimh artefact ")) | changes
    block = b"cmimh artefact " + json.dumps(said).encode()
    path.write_bytes(block.ljust(sealed.BLOCK, b"\0") + path.read_bytes()[sealed.BLOCK :])


SEALS = {
    "a piece beyond the file": ({"apart": [[600, 2**62]]}, "SHA-256"),
    "a piece of negative length": ({"apart": [[600, -5]]}, "SHA-256"),
    "pieces without end": ({"apart": "x"}, "first 512 bytes"),
    "another length": ({"bytes": 7}, "bytes instead of 7"),
    "another layout": ({"layout": 3}, "written in layout 3"),
    "another digest": ({"sha256": "0"}, "SHA-256"),
}


@pytest.mark.parametrize("case", SEALS)
def test_a_seal_that_lies_is_a_sentence(tmp_path, case):
    changes, said = SEALS[case]
    pairs = Pairs(["a", "b"], np.eye(2, dtype=np.uint8), ["x", "y"])
    store.write_pairs(tmp_path / "p.h5", pairs, Provenance("t"))
    resealed(tmp_path / "p.h5", **changes)
    assert said in sentence(store.read_pairs, tmp_path / "p.h5")


def test_one_flipped_bit_of_an_artefact_is_noticed_before_it_is_parsed(tmp_path):
    pairs = Pairs(["a", "b"], np.eye(2, dtype=np.uint8), ["x", "y"])
    store.write_pairs(tmp_path / "p.h5", pairs, Provenance("t"))
    whole = (tmp_path / "p.h5").read_bytes()
    for place in range(0, len(whole), 97):
        data = bytearray(whole)
        data[place] ^= 4
        (tmp_path / "p.h5").write_bytes(data)
        sentence(store.read_pairs, tmp_path / "p.h5")


# --- models ---------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    rng = np.random.default_rng(0)
    hasher = create("cvh", bits=4, seed=0).fit(rng.normal(size=(40, 6)), rng.normal(size=(40, 5)))
    write_model(tmp_path / "m", hasher, Made("cvh", 0, {}, {}, {}))
    return tmp_path / "m"


def described(**changes):
    def change(folder: Path):
        path = folder / "model.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def with_arrays(write):
    """The arrays replaced, and their digest put right: what somebody does who means it."""

    def change(folder: Path):
        from pipeline.storage.files import sha256

        path = folder / "hasher.safetensors"
        arrays = read_arrays(path)
        path.unlink()
        write(path, arrays)
        described(files={path.name: sha256(path)})(folder)

    return change


def raw(header, data=b""):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


MODELS = {
    "a name that leads outside": (described(files={"../m.safetensors": "0"}), "no file of a model"),
    "an absolute name": (described(files={"/etc/passwd": "0"}), "no file of a model"),
    "a name of another kind": (described(files={"hasher.pkl": "0"}), "no file of a model"),
    "a number for a list of files": (described(files=3), "damaged"),
    "no bits": (described(bits=None), "at least 1, is needed"),
    "10^15 bits": (described(bits=10**15), "codes of 4 bits, not"),
    "a list for the learned widths": (described(learned=[1]), "damaged"),
    "words for the learned widths": (described(learned={"n_image_features_": "x"}), ""),
    "a method that leads outside": (described(method="../../os"), "unknown method"),
    "a list for a method": (described(method=["cvh"]), ""),
    "a description that is a list": (
        lambda f: (f / "model.json").write_text("[1]"), "cannot be read by this version"),
    "a description 10,000 deep": (
        lambda f: (f / "model.json").write_text("[" * 10_000 + "]" * 10_000), "not a JSON file"),
    "a description that is a web page": (
        lambda f: (f / "model.json").write_text("<html>"), "it is a web page"),
    "a safetensors header of 2^60 bytes": (
        with_arrays(lambda p, a: p.write_bytes((2**60).to_bytes(8, "little") + b"{}")),
        "not a readable file of arrays"),
    "a safetensors array beyond its file": (
        with_arrays(lambda p, a: p.write_bytes(raw(
            {"w": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}}))),
        "not a readable file of arrays"),
    "a safetensors array of an unknown type": (
        with_arrays(lambda p, a: p.write_bytes(raw(
            {"w": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)))),
        "not a readable file of arrays"),
    "arrays of other names": (
        with_arrays(lambda p, a: write_arrays(p, {"other": np.ones(2)})), "lacks"),
}  # fmt: skip


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that_lies_ends_in_a_sentence(kept, case):
    change, said = MODELS[case]
    change(kept)
    assert said in sentence(lambda: load(kept).encode_image(np.ones((1, 6))))


def test_arrays_of_other_shapes_end_in_a_sentence_when_they_are_used(kept):
    change = with_arrays(lambda p, a: write_arrays(p, {k: np.ones((2, 2)) for k in a}))
    change(kept)
    sentence(lambda: load(kept).encode_image(np.ones((1, 6))))


# --- indexes --------------------------------------------------------------------------------------


@pytest.fixture
def index(kept, tmp_path):
    made = create_index(tmp_path / "i", kept)
    codes = np.arange(40).reshape(10, 4) % 3 > 0
    items = [Item(f"item{n}", caption=f"words {n}") for n in range(10)]
    made.add_codes(items, codes, codes, made.identity)
    return tmp_path / "i"


def sql(*statements):
    def change(folder: Path):
        database = sqlite3.connect(folder / "items.sqlite")
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()

    return change


def pages(folder):
    """Every page but the first is overwritten."""
    path = folder / "items.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(b ^ 0xA5 for b in data[4096:])
    path.write_bytes(data)


INDEXES = {
    "a web page": (lambda f: (f / "items.sqlite").write_text("<html>"), "it is a web page"),
    "no bytes": (lambda f: (f / "items.sqlite").write_bytes(b""), "no such table"),
    "damaged pages": (pages, "cannot be used as an index"),
    "cut in its middle": (
        lambda f: (f / "items.sqlite").write_bytes((f / "items.sqlite").read_bytes()[:5000]),
        "cannot be used as an index"),
    "another format": (sql("UPDATE about SET value = '9' WHERE name = 'format'"), "format 9"),
    "no number of bits": (sql("DELETE FROM about WHERE name = 'bits'"), "damaged"),
    "bits that are no number": (
        sql("UPDATE about SET value = 'x' WHERE name = 'bits'"), "damaged"),
    "other bits than its model": (
        sql("UPDATE about SET value = '64' WHERE name = 'bits'"), "damaged"),
    "codes of another length": (sql("UPDATE items SET image = x'0102'"), "damaged"),
    "a number for a code": (sql("UPDATE items SET image = 5"), "damaged"),
    "a model that is not its own": (
        sql("UPDATE about SET value = 'other' WHERE name = 'model'"), "another model"),
    "no table of items": (sql("DROP TABLE items"), "cannot be used as an index"),
    "a table of other columns": (
        sql("DROP TABLE items", "CREATE TABLE items (x)"), "cannot be used as an index"),
    "a trigger": (
        sql("CREATE TRIGGER t AFTER DELETE ON items BEGIN DELETE FROM about; END"),
        "holds triggers or views"),
    "a view for a table": (
        sql("ALTER TABLE items RENAME TO kept", "CREATE VIEW items AS SELECT * FROM kept"),
        "holds triggers or views"),
}  # fmt: skip


@pytest.mark.parametrize("case", INDEXES)
def test_an_index_that_lies_ends_in_a_sentence(index, case):
    change, said = INDEXES[case]
    change(index)

    def use():
        opened = Index(index, "cpu")
        opened.searchable("image").search(np.ones((1, opened.bits), bool))
        assert opened.model.bits == opened.bits
        opened.remove(["item0"])

    assert said in sentence(use)


PARQUETS = {
    "a web page": lambda data: b"<html>",
    "cut": lambda data: data[: len(data) // 2],
    "a footer of 2^31 bytes": lambda data: data[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
    "a damaged footer": lambda data: data[:-200] + turned(data[-200:-8]) + data[-8:],
    "damaged pages": lambda data: data[:4] + turned(data[4:600]) + data[600:],
}  # fmt: skip


def turned(data):
    return bytes(byte ^ 0x5A for byte in data)


@pytest.mark.parametrize("case", PARQUETS)
def test_a_parquet_file_that_lies_ends_in_a_sentence(index, tmp_path, case):
    pytest.importorskip("chdb")
    path = tmp_path / "items.parquet"
    write_parquet(Index(index), path)
    path.write_bytes(PARQUETS[case](path.read_bytes()))
    sentence(search, path, np.ones(4, bool), "image", 3)
