"""Encoders of every family, small and with random weights, saved by their own library."""

import io
import re
import shutil

import numpy as np
import pytest
import torch
import transformers as tf
from PIL import Image

from pipeline.errors import InputError
from pipeline.features import kinds
from pipeline.features.encode import reopen, write_features
from pipeline.features.kinds import available
from pipeline.store import Pairs, Provenance, open_features

WORDS = ["night", "sea", "dog", "tree"]
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (50, 70, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def pairs(tmp_path):
    names = [f"{i}.png" for i in range(6)]
    for i, name in enumerate(names):
        picture(i).save(tmp_path / name)
    tags = np.random.default_rng(0).integers(0, 2, (6, 4)).astype(np.uint8)
    captions = [[f"a {WORDS[i % 4]}", f"the {WORDS[(i + 1) % 4]} by night"] for i in range(6)]
    return Pairs([str(i) for i in range(6)], np.ones((6, 1), np.uint8), ["x"], names,
                 str(tmp_path), tags, WORDS, captions)  # fmt: skip


def both_ways(pairs, view, tmp_path, items, **options):
    """Features by the stage, and by the encoder opened again on the raw inputs; equal."""
    path = tmp_path / f"{view}.h5"
    facts = write_features(pairs, view, path, Provenance("t"), device="cpu", **options)
    with open_features(path) as features:
        assert features.valid.all()
        stored = features.rows(slice(None))
    own = {k: v for k, v in options.items() if k != "kind"}
    again = reopen({"kind": options["kind"], "view": view, "options": own, "facts": facts}, "cpu")
    np.testing.assert_allclose(again(items), stored, rtol=1e-4, atol=1e-5)
    assert np.isfinite(stored).all() and len(np.unique(stored, axis=0)) > 1
    return stored


def save_processor(folder, kind=tf.CLIPImageProcessor, size=32):
    kind(size={"height": size, "width": size}, do_center_crop=False).save_pretrained(folder)


PATCHES = {**SMALL, "image_size": 32, "patch_size": 8}
TOWERS = {
    "vit": (tf.ViTModel, tf.ViTConfig(**PATCHES)),
    "dinov2": (tf.Dinov2Model, tf.Dinov2Config(**PATCHES)),
    "convnext": (tf.ConvNextModel, tf.ConvNextConfig(hidden_sizes=[8, 8, 16, 32], depths=[1] * 4)),
}


@pytest.mark.parametrize("name", TOWERS)
@pytest.mark.parametrize("pooling", ["pooler", "mean"])
def test_image_towers_of_transformers(name, pooling, pairs, tmp_path):
    model, config = TOWERS[name]
    torch.manual_seed(0)
    model(config).save_pretrained(tmp_path / "m")
    save_processor(tmp_path / "m", tf.ViTImageProcessor)
    images = [tmp_path / name for name in pairs.images]
    options = {"kind": "image_tower", "model": str(tmp_path / "m"), "pooling": pooling}
    assert both_ways(pairs, "image", tmp_path, images, **options).shape == (6, 32)


@pytest.fixture
def clip(tmp_path):
    return saved_clip(tmp_path / "clip")


def saved_clip(folder):
    """A small CLIP as its library saves it: both towers, tokenizer, image processor."""
    torch.manual_seed(0)
    pieces = ["!", '"', *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {piece: i for i, piece in enumerate([*pieces, *(f"{p}</w>" for p in pieces),
                  "<|startoftext|>", "<|endoftext|>"])}  # fmt: skip
    text = {**SMALL, "vocab_size": len(vocabulary), "max_position_embeddings": 77,
            "bos_token_id": len(vocabulary) - 2, "eos_token_id": len(vocabulary) - 1}  # fmt: skip
    config = tf.CLIPConfig(text_config=text, vision_config=PATCHES, projection_dim=16)
    tf.CLIPModel(config).save_pretrained(folder)
    tf.CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    save_processor(folder)
    return str(folder)


def test_both_towers_of_clip_project_into_one_space(clip, pairs, tmp_path):
    images = [path.read_bytes() for path in (tmp_path / name for name in pairs.images)]
    shared = {"model": clip, "pooling": "projected", "normalize": True}
    found = both_ways(pairs, "image", tmp_path, images, kind="image_tower", **shared)
    sentences = [f"a photo of {', '.join(np.array(WORDS)[row > 0])}" for row in pairs.tags]
    text = both_ways(pairs, "text", tmp_path, sentences, kind="transformer",
                     template="a photo of {tags}", **shared)  # fmt: skip
    assert found.shape == text.shape == (6, 16)
    for vectors in (found, text):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_all_captions_give_their_mean(clip, pairs, tmp_path):
    options = {"kind": "transformer", "model": clip, "pooling": "pooler"}
    path = tmp_path / "all.h5"
    facts = write_features(pairs, "text", path, Provenance("t"), captions="all", **options)
    own = {"model": clip, "pooling": "pooler"}
    encode = reopen({"kind": "transformer", "view": "text", "options": own, "facts": facts}, "cpu")
    with open_features(path) as features:
        for row, group in zip(features.rows(slice(None)), pairs.captions, strict=True):
            np.testing.assert_allclose(row, encode(group).mean(axis=0), rtol=1e-3, atol=1e-5)


def test_a_prefix_is_read_with_the_text(pairs, tmp_path):
    options = {"kind": "transformer", "weights": "untrained", "layers": 1, "width": 64}
    for prefix in ("", "query: "):
        write_features(pairs, "text", tmp_path / f"p{len(prefix)}.h5", Provenance("t"),
                       prefix=prefix, **options)  # fmt: skip
    with open_features(tmp_path / "p0.h5") as a, open_features(tmp_path / "p7.h5") as b:
        assert np.abs(a.rows(slice(None)) - b.rows(slice(None))).max() > 1e-3


def test_any_classification_model_of_torchvision_at_any_layer(pairs, tmp_path):
    images = [picture(i) for i in range(6)]
    options = {"kind": "torchvision_model", "model": "resnet18", "weights": "untrained"}
    assert both_ways(pairs, "image", tmp_path, images, **options).shape == (6, 512)
    options |= {"layer": "layer1", "normalize": True}
    assert both_ways(pairs, "image", tmp_path, images, **options).shape == (6, 64)
    with pytest.raises(InputError, match="resnet18 has no layer 'layer9'"):
        both_ways(pairs, "image", tmp_path, images, **options | {"layer": "layer9"})
    with pytest.raises(InputError, match="no classification model named 'resnet'"):
        both_ways(pairs, "image", tmp_path, images, **options | {"model": "resnet"})


def test_a_trained_network_that_comes_with_its_package(pairs, tmp_path):
    images = [picture(i) for i in range(6)]
    assert both_ways(pairs, "image", tmp_path, images, kind="efficientnet_lite").shape == (6, 1280)


def test_other_weights_than_the_models_are_refused(pairs, tmp_path):
    about = {"kind": "torchvision_model", "view": "image", "facts": {"weights": "0" * 64},
             "options": {"model": "resnet18", "weights": "untrained"}}  # fmt: skip
    with pytest.raises(InputError, match="weights are not those that the model was trained with"):
        reopen(about, "cpu")


def test_what_is_no_image_is_named(tmp_path):
    about = {"kind": "efficientnet_lite", "view": "image", "options": {}}
    from pipeline.features.images import digest_of
    from pipeline.features.kinds.efficientnet_lite import create

    encode = reopen(about | {"facts": {"weights": digest_of(create())}}, "cpu")
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(InputError, match=r"a\.jpg cannot be read as an image"):
        encode([tmp_path / "a.jpg"])
    with pytest.raises(InputError, match="an image cannot be read"):
        encode([b"none"])
    buffer = io.BytesIO()
    picture(0).save(buffer, "PNG")
    np.testing.assert_array_equal(encode([buffer.getvalue()]), encode([picture(0)]))


def test_wrong_options_and_models_end_in_a_sentence(pairs, clip, tmp_path):
    def write(view, **options):
        write_features(pairs, view, tmp_path / "x.h5", Provenance("t"), **options)

    tower, bert = {"kind": "image_tower"}, {"kind": "transformer"}
    for view, options, message in (
        ("text", {"kind": "efficientnet_lite"}, "encodes images; it was given for texts"),
        ("image", {**tower, "model": clip, "pooling": "best"}, "no pooling is named 'best'"),
        ("image", {**tower, "model": str(tmp_path)}, "no usable image encoder"),
        ("text", {**bert, "weights": "untrained", "pooling": "projected"}, "into no space"),
        ("text", {**bert, "model": clip, "max_length": 99}, "from 3 to 77 tokens"),
        ("text", {**bert, "model": clip, "template": "a photo"}, "has no {tags}"),
        ("text", {**bert, "model": clip, "captions": "two"}, "'one' or 'all'"),
        ("image", {**tower, "model": clip, "poling": "cls"}, "has no option poling"),
        ("image", {"kind": "vit"}, "unknown kind of encoder 'vit'"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message.replace("{", r"\{")) as caught:
            write(view, **options)
        assert "\n" not in str(caught.value)
    assert {"backbone", "tags", "given", "sift_bow"} < set(available())


def test_a_batch_that_memory_does_not_hold_is_encoded_by_halves():
    from pipeline.features.images import ImageEncoder, _encode

    class Narrow(ImageEncoder):
        def prepare(self, image):
            raise NotImplementedError

        def forward(self, images):
            if len(images) > self.room:
                raise torch.OutOfMemoryError
            return images.float().mean(dim=(2, 3))

    encoder, pixels = Narrow(3), torch.rand(21, 3, 4, 4)
    encoder.room = 4
    torch.testing.assert_close(_encode(encoder, pixels, False), pixels.mean(dim=(2, 3)))
    encoder.room = 0
    with pytest.raises(InputError, match="does not hold one image"):
        _encode(encoder, pixels, False)


@pytest.mark.long
def test_clip_goes_from_pictures_captions_and_tags_to_a_table_an_index_and_a_search(
    clip, photographs, snakemake, tmp_path, capsys
):
    from small_index import CAPTIONS

    from pipeline.console import main

    folder = tmp_path / "data"
    shutil.copytree(photographs, folder)
    words = [caption.split()[1] for caption in CAPTIONS]
    lines = [f"{n},{n}.png,{CAPTIONS[n]},{words[n]},{words[n]}" for n in range(40)]
    (folder / "pairs.csv").write_text("\n".join(["id,image,text,labels,tags", *lines]) + "\n")
    shared = {"model": clip, "pooling": "projected", "normalize": True}
    overlay = {
        "seeds": [0],
        "device": "cpu",
        "datasets": {"mine": {"kind": "folder", "raw": str(folder), "split": "mine",
                              "features": "clip"}},
        "encoders": {
            "clip-image": {"kind": "image_tower", **shared},
            "clip-text": {"kind": "transformer", **shared},
            "clip-tags": {"kind": "transformer", "template": "a photo of {tags}", **shared},
        },
        "features": {"clip": {"image": "clip-image", "text": "clip-text", "text_pca": 12},
                     "clip-of-tags": {"image": "clip-image", "text": "clip-tags"}},
        "splits": {"mine": {"query": 10, "train": "database"}},
        "experiments": {
            name: {"title": name, "datasets": ["mine"], "features": features, "bits": [8],
                   "methods": ["cvh", {"method": "sign", "params": {"shared": True}}][:count],
                   "metrics": ["mAP@50"], "rows": ["task"], "columns": ["method"]}
            for name, features, count in (("captions", "clip", 1), ("tags", "clip-of-tags", 2))
        },
    }  # fmt: skip
    run = snakemake("results/captions.csv", "results/tags.csv", overlay=overlay)
    assert run.status == 0, run.said
    model = run["data/artefacts/mine/clip/mine/cvh/8/models/0"]
    assert (model / "text.safetensors").exists()
    assert main(["index", "create", str(tmp_path / "i"), str(model)]) == 0
    assert main(["index", "add", str(tmp_path / "i"), str(folder / "pairs.csv")]) == 0
    capsys.readouterr()
    assert main(["search", str(tmp_path / "i"), "--text", "a red picture", "-k", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_adding_a_kind_of_encoder_is_adding_a_file(pairs, tmp_path, monkeypatch):
    (tmp_path / "lengths.py").write_text(
        "import numpy as np\n"
        "from pipeline.store import feature_writer\n\n"
        "def write(pairs, *, path, provenance, scale=1.0):\n"
        "    x = scale * np.array([[len(c[0])] for c in pairs.captions], np.float32)\n"
        "    with feature_writer(path, x.shape, provenance) as writer:\n"
        "        writer.write(slice(len(x)), x)\n"
        "    return {}\n\n"
        "def reopen(facts, *, device, scale=1.0):\n"
        "    return lambda texts: scale * np.array([[len(t)] for t in texts], np.float32)\n"
    )
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    texts = [captions[0] for captions in pairs.captions]
    stored = both_ways(pairs, "text", tmp_path, texts, kind="lengths", scale=2.0)
    assert stored[:, 0].tolist() == [2.0 * len(text) for text in texts]


def test_no_rule_knows_a_kind_of_encoder_by_name(root):
    files = [*root.glob("workflow/**/*.smk"), *root.glob("workflow/schemas/*")]
    words = {w for f in files for w in re.findall(r"\w+", f.read_text())}
    usual = {"tags", "given"}  # which are other things too
    assert words & set(available()) <= usual
