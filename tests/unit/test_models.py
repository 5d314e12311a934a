"""A trained model lives on: as a folder that another process, elsewhere, encodes with."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pipeline import load
from pipeline.errors import InputError, ModelError
from pipeline.methods import available, create, parameters
from pipeline.models.folder import Made, write_model
from pipeline.storage.arrays import read_arrays, write_arrays

TINY = {"epochs": 2, "batch_size": 32, "hidden": 16, "critic_hidden": 16, "min_steps": 1,
        "rounds": 1, "iterations": 5, "on_collapse": "warn"}  # fmt: skip
WIDTHS = {"image": 24, "text": 20}


def two_views(n=96):
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((n, 8))
    return {v: (latent @ rng.normal(size=(8, d))).astype(np.float32) for v, d in WIDTHS.items()}


def kept(folder, name, bits=16, **made):
    """A small fitted hasher, written as a model."""
    views = two_views()
    params = {key: TINY[key] for key in TINY.keys() & parameters(name)}
    hasher = create(name, bits=bits, seed=3, **params).fit(views["image"], views["text"])
    write_model(folder, hasher, Made(name, 0, made.get("encoders", {}), made.get("axes", {}), {}))
    return hasher


ELSEWHERE = """
import sys
from pathlib import Path
import numpy as np
from pipeline import load
folder = Path(sys.argv[1])
views = np.load(folder / "views.npz")
found = {}
for path in sorted(p for p in folder.iterdir() if p.is_dir()):
    model = load(path, device="cpu")
    found[f"{path.name}-image"] = model.encode_image(views["image"])
    found[f"{path.name}-text"] = model.encode_text(views["text"])
np.savez(folder / "codes.npz", **found)
"""


@pytest.mark.slow
def test_every_method_gives_the_same_codes_from_its_folder_in_another_process(tmp_path, root):
    views, moved = two_views(), tmp_path / "moved"
    hashers = {name: kept(tmp_path / "made" / name, name) for name in available()}
    (tmp_path / "made").rename(moved)
    np.savez(moved / "views.npz", **views)
    subprocess.run([sys.executable, "-c", ELSEWHERE, moved], check=True, cwd=root)
    with np.load(moved / "codes.npz") as codes:
        for name, hasher in hashers.items():
            np.testing.assert_array_equal(
                codes[f"{name}-image"], hasher.encode_image(views["image"])
            )
            np.testing.assert_array_equal(codes[f"{name}-text"], hasher.encode_text(views["text"]))


def test_features_are_taken_before_and_after_the_pca(tmp_path):
    mean, axes = np.full(40, 2.0), np.linalg.qr(np.random.default_rng(1).normal(size=(40, 24)))[0]
    write_arrays(tmp_path / "0.safetensors", {"mean": mean, "axes": axes})
    hasher = kept(tmp_path / "m", "cvh", axes={"image": tmp_path / "0.safetensors"})
    model, seen = load(tmp_path / "m"), two_views()["image"]
    raw = (seen @ axes.T + mean).astype(np.float32)
    np.testing.assert_array_equal(model.encode_image(seen), hasher.encode_image(seen))
    assert (model.encode_image(raw) == hasher.encode_image(seen)).mean() > 0.99
    with pytest.raises(InputError, match="image has 7 columns"):
        model.encode_image(np.ones((2, 7)))
    assert model.encode_image(np.empty((0, 24))).shape == (0, 16)


def test_the_tags_of_a_text_are_found_by_their_words(tmp_path):
    tags = [f"tag {i}" for i in range(19)] + ["Night"]
    about = {"kind": "tags", "view": "text", "options": {}, "facts": {"tags": tags}}
    (tmp_path / "e.json").write_text(json.dumps(about))
    hasher = kept(tmp_path / "m", "cvh", encoders={"text": tmp_path / "e.json"})
    expected = np.zeros((2, 20), np.float32)
    expected[0, [3, 19]] = 1
    codes = load(tmp_path / "m").encode_texts(["a tag 3, at NIGHT", "nothing known"])
    np.testing.assert_array_equal(codes, hasher.encode_text(expected))


def test_a_model_without_encoders_takes_features_alone(tmp_path):
    about = {"kind": "given", "view": "image", "options": {}, "facts": {}}
    (tmp_path / "e.json").write_text(json.dumps(about))
    kept(tmp_path / "m", "cvh", encoders={"image": tmp_path / "e.json"})
    model = load(tmp_path / "m")
    with pytest.raises(ModelError, match="kept without its text encoder"):
        model.encode_texts(["a"])
    with pytest.raises(InputError, match="are given, not computed"):
        model.encode_images([b""])
    with pytest.raises(InputError, match="a list of texts is needed"):
        model.encode_texts("a")


def broken(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "format 99 cannot be read by this version"),
        ({"files": {"../../secret.safetensors": "0"}}, "is no file of a model"),
        ({"files": {"gone.safetensors": "0"}}, "this file of the model is missing"),
        ({"method": "nothing"}, "unknown method 'nothing'"),
        ({"params": None}, "damaged"),
        ({"learned": {}}, "damaged"),
        ({"bits": 8, "params": {"x": 1}}, "has no parameter x"),
    ],
)
def test_a_description_that_is_wrong_ends_in_a_sentence(tmp_path, changes, message):
    kept(tmp_path / "m", "djsrh")
    broken(tmp_path / "m", **changes)
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path / "m")
    assert "\n" not in str(caught.value)


def test_layers_that_do_not_fit_their_arrays_end_in_a_sentence(tmp_path):
    kept(tmp_path / "m", "djsrh")
    learned = json.loads((tmp_path / "m" / "model.json").read_text())["learned"]
    learned["layers"]["image_net_"][1] = ["Linear", 2**40, 2**40, True]
    broken(tmp_path / "m", learned=learned)
    with pytest.raises(InputError, match="do not fit"):
        load(tmp_path / "m")


def test_damaged_arrays_are_named(tmp_path):
    kept(tmp_path / "m", "cvh")
    path = tmp_path / "m" / "hasher.safetensors"
    data = path.read_bytes()
    path.write_bytes((2**60).to_bytes(8, "little") + data[8:])
    with pytest.raises(ModelError, match=r"hasher.safetensors: damaged"):
        load(tmp_path / "m")
    with pytest.raises(InputError, match="not a readable file of arrays"):
        read_arrays(path)
    with pytest.raises(ModelError, match="no model is here"):
        load(tmp_path)
