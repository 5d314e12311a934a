"""Training a setting: an interrupted one goes on, and ends in the codes of an undisturbed one."""

import json
import sys

import numpy as np
import pytest

from pipeline import methods, seeds, training
from pipeline.cli import stages
from pipeline.methods.cmimh import CMIMH
from pipeline.methods.cvh import CVH
from pipeline.storage import store
from pipeline.storage.store import Provenance, Split

N, SEEDS = 60, (0, 1, 2)


@pytest.fixture
def inputs(tmp_path):
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(N, 6))
    for view, width in (("image", 12), ("text", 10)):
        block = shared @ rng.normal(size=(6, width)) + 0.1 * rng.normal(size=(N, width))
        with store.feature_writer(tmp_path / f"{view}.h5", (N, width), Provenance("t")) as writer:
            writer.write(slice(0, N), block.astype(np.float32))
    rows = np.arange(N)
    splits = {seed: Split(rows[:10], rows[10:], rows[20 + seed :][:30], rows[:0]) for seed in SEEDS}
    store.write_splits(tmp_path / "split.h5", splits, Provenance("t"))
    return tmp_path


def train(folder, method, params, name="codes.h5"):
    """The exit status of the stage, or the fault that ended it."""
    arguments = [
        *("train", method, "--bits", "8", "--params", json.dumps(params), "--device", "cpu"),
        *("--image", folder / "image.h5", "--text", folder / "text.h5"),
        *("--splits", folder / "split.h5", "--out", folder / name),
        *("--records", folder / f"{name}.jsonl"),
    ]
    return stages.main(list(map(str, arguments)))


def same(folder, a, b):
    a, b = (store.read_codes(folder / name) for name in (a, b))
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.text, b.text)
    assert a.diagnostics.keys() == b.diagnostics.keys()
    for name, value in a.diagnostics.items():
        np.testing.assert_array_equal(value, b.diagnostics[name])
    return True


def left(folder):
    return sorted(p.name for p in folder.iterdir() if p.name.startswith("."))


SMALL = {"hidden": 8, "critic_hidden": 8, "epochs": 6, "min_steps": 1, "on_collapse": "warn"}


def interrupted_after(monkeypatch, cls, name, calls):
    """Let a method of ``cls`` fail like a killed process when called once more than ``calls``."""
    original, count = getattr(cls, name), 0

    def counted(self, *args, **kwargs):
        nonlocal count
        count += 1
        if count > calls:
            raise KeyboardInterrupt
        return original(self, *args, **kwargs)

    monkeypatch.setattr(cls, name, counted)


def test_cmimh_goes_on_by_epoch_and_ends_in_the_same_codes(inputs, monkeypatch):
    train(inputs, "cmimh", SMALL, "undisturbed.h5")
    monkeypatch.setattr("pipeline.methods._epochs.CHECKPOINT_SECONDS", 0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupted_after(patch, CMIMH, "report", 6 + 4)  # in the second seed's fourth epoch
        train(inputs, "cmimh", SMALL)
    ended = [f".codes.h5.checkpoint-{SEEDS[0]}{end}" for end in ("", ".json")]
    assert left(inputs) == [*ended, f".codes.h5.checkpoint-{SEEDS[1]}.epochs"]
    seen = []
    with monkeypatch.context() as patch:
        original = CMIMH.report
        patch.setattr(CMIMH, "report", lambda self, **r: (seen.append(r), original(self, **r)))
        assert train(inputs, "cmimh", SMALL) == 0
    assert same(inputs, "codes.h5", "undisturbed.h5") and left(inputs) == []
    assert (inputs / "codes.h5").read_bytes() == (inputs / "undisturbed.h5").read_bytes()
    assert len(seen) == 6 * (len(SEEDS) - 1)  # the epochs of the second seed are told again
    records = [json.loads(line) for line in (inputs / "codes.h5.jsonl").read_text().splitlines()]
    undisturbed = (inputs / "undisturbed.h5.jsonl").read_text().splitlines()
    assert records == [json.loads(line) for line in undisturbed]


def test_other_methods_go_on_by_seed_and_end_in_the_same_codes(inputs, monkeypatch):
    train(inputs, "cvh", {}, "undisturbed.h5")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupted_after(patch, CVH, "_fit", 2)
        train(inputs, "cvh", {})
    assert left(inputs) == [
        f".codes.h5.checkpoint-{seed}{end}" for seed in (0, 1) for end in ("", ".json")
    ]
    with monkeypatch.context() as patch:
        interrupted_after(patch, CVH, "_fit", 1)  # one seed is left to fit
        assert train(inputs, "cvh", {}) == 0
    assert same(inputs, "codes.h5", "undisturbed.h5") and left(inputs) == []
    assert (inputs / "codes.h5").read_bytes() == (inputs / "undisturbed.h5").read_bytes()


@pytest.mark.parametrize(("method", "params"), [("cvh", {}), ("cmimh", SMALL)])
def test_what_was_kept_of_another_training_is_not_taken(inputs, monkeypatch, method, params):
    monkeypatch.setattr("pipeline.methods._epochs.CHECKPOINT_SECONDS", 0)
    cls, step, calls = (CVH, "_fit", 2) if method == "cvh" else (CMIMH, "report", 10)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupted_after(patch, cls, step, calls)
        train(inputs, method, params)
    kept = left(inputs)
    assert kept
    with store.feature_writer(inputs / "text.h5", (N, 10), Provenance("t")) as writer:
        block = np.random.default_rng(1).normal(size=(N, 10)).astype(np.float32)
        writer.write(slice(0, N), block)
    assert train(inputs, method, params) == 0
    assert train(inputs, method, params, "undisturbed.h5") == 0
    assert same(inputs, "codes.h5", "undisturbed.h5") and left(inputs) == []


@pytest.mark.parametrize(
    ("method", "name"), [("cvh", "checkpoint-1"), ("cmimh", "checkpoint-0.epochs")]
)
def test_a_checkpoint_that_is_damaged_is_not_taken(inputs, method, name):
    params = SMALL if method == "cmimh" else {}
    (inputs / f".codes.h5.{name}").write_bytes(b"\x80 no checkpoint of any kind")
    assert train(inputs, method, params) == 0
    assert train(inputs, method, params, "undisturbed.h5") == 0
    assert same(inputs, "codes.h5", "undisturbed.h5") and left(inputs) == []


def own_method(fields=""):
    """A method as the README describes one, on torch."""
    return f"""
import torch
from dataclasses import dataclass
from pipeline.methods.base import Hasher

@dataclass(eq=False, kw_only=True)
class Mine(Hasher):
    strength: float = 1.0
    {fields}

    def _fit(self, image, text):
        self.report(device=getattr(self, "device", "none"))

    def _project_image(self, x):
        return (torch.as_tensor(x[:, : self.bits]) > self.strength).numpy()

    _project_text = _project_image
"""


@pytest.mark.parametrize(("fields", "told"), [("", "none"), ("device: str = 'auto'", "cpu")])
def test_a_method_on_torch_is_given_the_device_if_it_takes_one(inputs, monkeypatch, fields, told):
    (inputs / "methods").mkdir()
    (inputs / "methods" / "mine.py").write_text(own_method(fields))
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(inputs / "methods")])
    monkeypatch.delitem(sys.modules, "pipeline.methods.mine", raising=False)
    assert train(inputs, "mine", {"strength": 0.5}) == 0
    records = (inputs / "codes.h5.jsonl").read_text().splitlines()
    assert [json.loads(line)["device"] for line in records] == [told] * len(SEEDS)


def test_randomness_follows_the_seed_the_method_and_the_bits_alone(inputs, monkeypatch):
    drawn = {}

    def noted(name, *, bits, seed, **params):
        drawn.setdefault((name, bits, *params.values()), []).append(seed)
        return methods.create(name, bits=bits, seed=seed, **params)

    monkeypatch.setattr("pipeline.training.create", noted)
    for method, bits, params in (
        ("cvh", 4, {"ridge": 1e-4}),
        ("cvh", 4, {"ridge": 1e-3}),
        ("cvh", 6, {"ridge": 1e-4}),
        ("pdh", 4, {"ridge": 1e-4}),
    ):
        files = {view: inputs / f"{view}.h5" for view in ("image", "text")}
        splits = store.read_splits(inputs / "split.h5")
        training.train(method, bits=bits, params=params, splits=splits, **files)
    assert drawn["cvh", 4, 1e-4] == drawn["cvh", 4, 1e-3]  # an ablation: common random numbers
    assert len({seed for seeds in drawn.values() for seed in seeds}) == 3 * len(SEEDS)


def test_a_method_that_sees_both_views_is_given_both(inputs):
    small = {"width": 8, "hidden": 8, "epochs": 1, "batch_size": 20}
    assert train(inputs, "ucmfh", small) == 0
    codes = store.read_codes(inputs / "codes.h5")
    hasher = methods.create("ucmfh", bits=8, seed=0, **small)
    views = [store.open_features(inputs / f"{view}.h5") for view in ("image", "text")]
    with views[0] as images, views[1] as texts:
        image, text = images.rows(slice(0, N), 0), texts.rows(slice(0, N), 0)
    rows = store.read_splits(inputs / "split.h5")[0].train
    hasher.seed = seeds.derive(0, "method", "ucmfh", 8)
    hasher.fit(image[rows], text[rows])
    first, second = hasher.encode_pairs(image, text)
    np.testing.assert_array_equal(codes.image[0], first)
    np.testing.assert_array_equal(codes.text[0], second)
    assert (first != hasher.encode_image(image)).any()
    assert store.read_diagnostics(inputs / "codes.h5")["sees_both_views"].all()
