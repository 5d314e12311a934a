"""Encoders of every family, small and with random weights, saved by their own library."""

import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as tf
import yaml
from PIL import Image

from pipeline.errors import InputError
from pipeline.features import _hub, kinds
from pipeline.features.encode import reopen, write_features
from pipeline.features.kinds import available, transformer
from pipeline.methods import create
from pipeline.runs import plan
from pipeline.storage.store import Pairs, Provenance, open_features

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
    here = {"workers": 0} if view == "image" else {}  # starting a process takes longer
    facts = write_features(pairs, view, path, Provenance("t"), device="cpu", **here, **options)
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


def save_bert_tokenizer(folder, kind=tf.BertTokenizer, special=()):
    pieces = transformer.word_pieces(["a photo of the night by sea, dog and tree"])
    vocabulary = {piece: i for i, piece in enumerate([*special, *pieces])}
    kind(vocab=vocabulary).save_pretrained(folder)
    return len(vocabulary)


def test_texts_go_through_mpnet(pairs, tmp_path):
    special = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    size = save_bert_tokenizer(tmp_path / "m", tf.MPNetTokenizer, special)
    torch.manual_seed(0)
    tf.MPNetModel(tf.MPNetConfig(**SMALL, vocab_size=size)).save_pretrained(tmp_path / "m")
    sentences = [group[0] for group in pairs.captions]
    options = {"kind": "transformer", "model": str(tmp_path / "m"), "normalize": True}
    pairs.captions = [[text] for text in sentences]
    assert both_ways(pairs, "text", tmp_path, sentences, **options).shape == (6, 32)


def test_both_towers_of_siglip_project_into_one_space(pairs, tmp_path):
    folder = tmp_path / "m"
    size = save_bert_tokenizer(folder)
    text = {**SMALL, "vocab_size": size, "max_position_embeddings": 16, "projection_size": 32}
    torch.manual_seed(0)
    config = tf.SiglipConfig(text_config=text, vision_config=PATCHES)
    tf.SiglipModel(config).save_pretrained(folder)
    save_processor(folder, tf.SiglipImageProcessor)
    shared = {"model": str(folder), "pooling": "projected", "normalize": True}
    images = [picture(i) for i in range(6)]
    found = both_ways(pairs, "image", tmp_path, images, kind="image_tower", **shared)
    pairs.captions = [group[:1] for group in pairs.captions]
    sentences = [text for (text,) in pairs.captions]
    texts = both_ways(pairs, "text", tmp_path, sentences, kind="transformer", max_length=16,
                      **shared)  # fmt: skip
    assert found.shape == texts.shape == (6, 32)


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


def test_the_mean_of_normalised_captions_is_normalised(clip, pairs, tmp_path):
    options = {"kind": "transformer", "model": clip, "captions": "all", "normalize": True}
    write_features(pairs, "text", tmp_path / "t.h5", Provenance("t"), device="cpu", **options)
    with open_features(tmp_path / "t.h5") as found:
        lengths = np.linalg.norm(found.rows(slice(None)), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


def test_clip_vit_b32_of_the_config_takes_any_data_set_into_one_space(
    clip, pairs, root, tmp_path, monkeypatch
):
    """The entry as it stands, on a small model in place of the one on the hub."""
    config = yaml.safe_load((root / "config.yaml").read_text())
    config["datasets"]["mirflickr25k"]["features"] = "clip-vit-b32"
    plan.validate(config, root / "workflow/schemas/config.schema.yaml")
    plan.check(config)
    asked = []
    monkeypatch.setattr(_hub, "snapshot_download", lambda *a, **k: asked.append((a, k)) or clip)
    found = {}
    sets = {"captions": pairs, "tags": replace(pairs, captions=None)}
    for view, encoder in config["features"]["clip-vit-b32"].items():
        for name, given in sets.items():
            path = tmp_path / f"{view}-{name}.h5"
            here = {"workers": 0} if view == "image" else {}
            write_features(given, view, path, Provenance("t"), device="cpu", **here,
                           **config["encoders"][encoder])  # fmt: skip
            with open_features(path) as features:
                found[view, name] = features.rows(slice(None))
    for vectors in found.values():
        assert vectors.shape == (6, 16)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert np.abs(found["text", "captions"] - found["text", "tags"]).max() > 0.01
    assert {(a[0], k["revision"]) for a, k in asked} == {
        ("openai/clip-vit-base-patch32", "c237dc49a33fc61debc9276459120b7eac67e7ef")
    }
    hasher = create("sign", bits=4, seed=0, shared=True)
    hasher.fit(found["image", "tags"], found["text", "tags"])
    assert hasher.encode_text(found["text", "tags"]).shape == (6, 4)


def test_weights_of_the_hub_that_are_no_safetensors_are_refused(tmp_path, monkeypatch):
    (tmp_path / "pytorch_model.bin").touch()
    monkeypatch.setattr(_hub, "snapshot_download", lambda *a, **k: str(tmp_path))
    with pytest.raises(InputError, match=r"m/n, revision abc, has no .*safetensors.*as `model`$"):
        _hub.model_folder("m/n", "abc")


@pytest.mark.parametrize(("view", "kind"), [("image", "image_tower"), ("text", "transformer")])
def test_code_in_a_model_s_folder_is_never_run(clip, pairs, tmp_path, monkeypatch, view, kind):
    folder = Path(clip)
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": own}))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setattr("builtins.input", lambda *a: pytest.fail("it asks"))
    with pytest.raises(InputError, match="holds no usable"):
        write_features(pairs, view, tmp_path / "f.h5", Provenance("t"), kind=kind, model=clip)
    assert not (tmp_path / "ran").exists()


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


def test_features_of_the_paper_s_networks_and_given_ones_can_be_normalised(pairs, tmp_path):
    options = {"kind": "backbone", "backbone": "squeezenet1_1", "weights": "untrained"}

    def features(**more):
        write_features(pairs, "image", tmp_path / "f.h5", Provenance("t"), device="cpu", workers=0,
                       **options, **more)  # fmt: skip
        with open_features(tmp_path / "f.h5") as found:
            return found.rows(slice(None))

    plain, unit = features(), features(normalize=True)
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), 1e-5)
    rows = np.vstack([plain[:5], np.zeros_like(plain[:1])])
    np.savez(tmp_path / "a.npz", image=rows, text=rows)
    given = replace(pairs, sources=[str(tmp_path / "a.npz")])
    write_features(given, "image", tmp_path / "g.h5", Provenance("t"), kind="given", normalize=True)
    with open_features(tmp_path / "g.h5") as found:
        expected = np.vstack([unit[:5], rows[5:]])
        np.testing.assert_allclose(found.rows(slice(None)), expected, rtol=1e-5)


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
        ("text", {**bert, "model": clip, "mixed_precision": "half"}, "float16, bfloat16 or false"),
        ("text", {**bert, "model": clip, "prefer": "both"}, "'tags' or 'captions', not 'both'"),
        ("image", {**tower, "model": clip, "poling": "cls"}, "has no option poling"),
        ("image", {"kind": "vit"}, "unknown kind of encoder 'vit'"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message.replace("{", r"\{")) as caught:
            write(view, **options)
        assert "\n" not in str(caught.value)
    assert {"backbone", "tags", "given", "sift_bow"} < set(available())


def test_a_batch_that_memory_does_not_hold_is_encoded_by_halves():
    from pipeline.features.images import ImageEncoder, encode_batch

    class Narrow(ImageEncoder):
        def prepare(self, image):
            raise NotImplementedError

        def forward(self, images):
            if len(images) > self.room:
                raise torch.OutOfMemoryError
            return images.float().mean(dim=(2, 3))

    encoder, pixels = Narrow(3), torch.rand(21, 3, 4, 4)
    encoder.room = 4
    torch.testing.assert_close(encode_batch(encoder, pixels, False), pixels.mean(dim=(2, 3)))
    encoder.room = 0
    with pytest.raises(InputError, match="does not hold one image"):
        encode_batch(encoder, pixels, False)


def test_texts_that_memory_does_not_hold_are_encoded_by_halves(monkeypatch):
    pieces = transformer.word_pieces([" ".join(WORDS)])
    encode = transformer.TextEncoder(*transformer.untrained(pieces, layers=1, width=64, seed=0))
    expected = encode(WORDS)
    plain, room = transformer.TextEncoder._vectors, 1

    def narrow(self, tokens):
        if len(tokens) > room:
            raise torch.OutOfMemoryError
        return plain(self, tokens)

    monkeypatch.setattr(transformer.TextEncoder, "_vectors", narrow)
    np.testing.assert_allclose(encode(WORDS), expected, atol=1e-5)
    room = 0
    with pytest.raises(InputError, match="does not hold one text"):
        encode(WORDS)


@pytest.mark.long
def test_clip_goes_from_pictures_captions_and_tags_to_a_table_an_index_and_a_search(
    clip, photographs, snakemake, tmp_path, capsys
):
    from small_index import CAPTIONS

    from pipeline.cli.console import main

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
        "from pipeline.storage.store import feature_writer\n\n"
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
