"""Images become features: decoding whatever is there, backbones, weights, kills."""

import gc
import hashlib
import io
import json
import logging
import multiprocessing
import os
import signal
import struct
import threading
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torchvision.models import AlexNet_Weights, get_model
from torchvision.transforms import v2

from pipeline import devices
from pipeline.errors import InputError
from pipeline.features import decode, images
from pipeline.features.encode import write_features
from pipeline.features.kinds import backbone
from pipeline.storage.store import Pairs, Provenance, open_features

MADE = Provenance("test")
SQUEEZENET = {"backbone": "squeezenet1_1", "weights": "untrained", "device": "cpu"}


def write_images(pairs, path, provenance, **options):
    write_features(pairs, "image", path, provenance, kind="backbone", **options)


def picture(size=(60, 40), mode="RGB", seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width, height):
    """A PNG that claims a size without having the pixels."""

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def pairs_of(root, references):
    count = len(references)
    labels = np.ones((count, 1), np.uint8)
    return Pairs([str(i) for i in range(count)], labels, ["thing"], references, str(root))


@pytest.fixture
def folder(tmp_path):
    """A folder with twelve small JPEGs, 0.jpg to 11.jpg."""
    root = tmp_path / "images"
    root.mkdir()
    for number in range(12):
        (root / f"{number}.jpg").write_bytes(encoded(picture(seed=number), "JPEG"))
    return root


def features_of(path):
    with open_features(path) as features:
        return features.rows(slice(None)), features.valid


# --- decoding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(640, 427), (427, 640), (256, 256), (300, 301), (100, 33)])
def test_decoding_equals_torchvisions_preset_up_to_one_gray_level(size):
    image = picture(size)
    expected = AlexNet_Weights.IMAGENET1K_V1.transforms()(image)
    pixels = torch.from_numpy(decode.decode(encoded(image)))
    encoder = backbone.create(backbone="squeezenet1_1", weights="untrained")
    levels = (encoder.scale(pixels[None])[0] - expected) * torch.tensor(backbone.STD)[:, None, None]
    assert (levels * 255).abs().max() < 1.01


def constant(mode, colour, size=(50, 30)):
    return Image.new(mode, size, colour)


SENSIBLE = {
    "gray": (encoded(constant("L", 100)), (100, 100, 100)),
    "gray JPEG": (encoded(constant("L", 100), "JPEG"), (100, 100, 100)),
    "black and white": (encoded(constant("1", 1)), (255, 255, 255)),
    "palette": (encoded(constant("RGB", (200, 10, 60)).quantize(4)), (200, 10, 60)),
    "palette with transparency": (
        encoded(constant("P", 0), "GIF", transparency=0),
        (255, 255, 255),
    ),
    "CMYK JPEG": (encoded(constant("CMYK", (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
    "alpha": (encoded(constant("RGBA", (10, 20, 30, 0))), (255, 255, 255)),
    "opaque alpha": (encoded(constant("RGBA", (10, 20, 30, 255))), (10, 20, 30)),
    "gray with alpha": (encoded(constant("LA", (80, 255))), (80, 80, 80)),
    "16-bit PNG": (
        encoded(Image.fromarray(np.full((30, 50), 100 * 257, np.uint16))),
        (100, 100, 100),
    ),
    "floating TIFF": (encoded(constant("F", 0.0), "TIFF"), (0, 0, 0)),
    "1x1": (encoded(constant("RGB", (1, 2, 3), (1, 1))), (1, 2, 3)),
    "30000x20": (encoded(constant("RGB", (9, 8, 7), (30000, 20))), (9, 8, 7)),
    "1x5000": (encoded(constant("RGB", (9, 8, 7), (1, 5000))), (9, 8, 7)),
    "broken EXIF": (
        encoded(constant("L", 100), "JPEG", exif=b"Exif\0\0II*\0garbage garbage"),
        (100, 100, 100),
    ),
}


@pytest.mark.parametrize("case", SENSIBLE)
def test_unusual_images_decode_to_the_colours_they_show(case):
    data, colour = SENSIBLE[case]
    pixels = decode.decode(data)
    assert pixels.shape == (3, 224, 224)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.array(colour)[:, None, None]).max() <= 3


UNDECODABLE = {
    "empty": b"",
    "text": b"<html>404</html>",
    "truncated JPEG": encoded(picture((200, 200)), "JPEG")[:2000],
    "truncated PNG": encoded(picture((200, 200)))[:2000],
    "header only": encoded(picture(), "JPEG")[:20],
    "bomb": png_header(60_000, 60_000),
    "half a bomb": png_header(10_000, 10_000),
    "no pixels": png_header(0, 10),
    "pixels missing": png_header(100, 100),
}


@pytest.mark.parametrize("case", UNDECODABLE)
def test_undecodable_images_are_counted_named_and_left_out(case, folder, tmp_path, caplog):
    (folder / "3.jpg").write_bytes(UNDECODABLE[case])
    pairs = pairs_of(folder, [f"{i}.jpg" for i in range(12)])
    with caplog.at_level(logging.WARNING):
        write_images(pairs, tmp_path / "f.h5", MADE, **SQUEEZENET, workers=0, max_undecodable=0.1)
    features, valid = features_of(tmp_path / "f.h5")
    assert valid.tolist() == [row != 3 for row in range(12)]
    assert not features[3].any()
    assert features[valid].any(axis=1).all()
    assert "1 of 12 images cannot be read" in caplog.text
    assert "'3.jpg' (" in caplog.text


def test_more_undecodable_images_than_allowed_are_an_error_that_names_them(folder, tmp_path):
    for number in (2, 5):
        (folder / f"{number}.jpg").write_bytes(b"not an image")
    pairs = pairs_of(folder, [f"{i}.jpg" for i in range(12)])
    with pytest.raises(InputError, match=r"2 of 12 .*'2\.jpg' \(.*'5\.jpg' \(") as caught:
        write_images(pairs, tmp_path / "f.h5", MADE, **SQUEEZENET, workers=0, max_undecodable=0.1)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.glob("*f.h5*")) == []


@pytest.mark.parametrize("share", [0.01, 1.0])
def test_all_images_missing_is_an_error_that_says_where_they_were_expected(folder, tmp_path, share):
    pairs = pairs_of(folder, [f"none/{i}.jpg" for i in range(3)])
    with pytest.raises(InputError, match=f"expected in {folder}"):
        write_images(pairs, tmp_path / "f.h5", MADE, **SQUEEZENET, workers=0, max_undecodable=share)
    pairs.image_root = str(tmp_path / "nowhere")
    with pytest.raises(InputError, match="nowhere, which is not there"):
        write_images(pairs, tmp_path / "f.h5", MADE, **SQUEEZENET)
    with pytest.raises(InputError, match="has no images"):
        write_images(pairs_of(folder, []), tmp_path / "f.h5", MADE, **SQUEEZENET)


def test_images_in_an_archive_and_with_odd_names_are_read_in_place(folder, tmp_path):
    names = ["a b.jpg", 'it\'s "so".jpg', "-n.jpg", "line\nbreak.jpg", "größe.jpg", "x.zip.jpg"]
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for number, name in enumerate(names):
            data = encoded(picture(seed=100 + number))
            archive.writestr(f"deep/{name}", data)
            (folder / name).write_bytes(data)
    before = sorted(folder.iterdir())
    references = [f"all.zip/deep/{name}" for name in names] + names
    write_images(
        pairs_of(folder, references), tmp_path / "f.h5", MADE, **SQUEEZENET, workers=2, batch_size=3
    )
    features, valid = features_of(tmp_path / "f.h5")
    assert valid.all()
    np.testing.assert_allclose(features[:6], features[6:], rtol=1e-4, atol=1e-5)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("/etc/hostname", "leads out"),
        ("../secret.jpg", "leads out"),
        ("all.zip/../../secret.jpg", "leads out"),
        ("all.zip/absent.jpg", "no item named"),
        ("absent.zip/0.jpg", "no such file"),
        ("broken.zip/0.jpg", "not a zip file"),
        ("all.zip/bomb.png", "are more than"),
        ("deep", "no such file"),
    ],
)
def test_a_reference_that_cannot_be_read_says_why(folder, monkeypatch, reference, reason):
    monkeypatch.setattr(decode, "LARGEST_FILE", 1000)
    (folder / "deep").mkdir()
    (folder / "broken.zip").write_bytes(b"PK nothing")
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(5000))
    with pytest.raises(Exception, match=reason):
        decode.ImageFiles(folder).read(reference)


# --- backbones ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fc7"), [("alexnet", 4), pytest.param("vgg19", 3, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("layer", ["fc7", "fc7_before_relu"])
def test_fc7_equals_a_plain_forward_with_a_hook(name, fc7, layer):
    encoder = backbone.create(backbone=name, weights="untrained", layer=layer, seed=3)
    plain = backbone._untrained(name, 3).eval()
    seen = []
    plain.classifier[fc7].register_forward_hook(lambda *args: seen.append(args[2].clone()))
    batch = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    with torch.inference_mode():
        plain(encoder.scale(batch))
        features = encoder(batch)
    expected = seen[0].relu() if layer == "fc7" else seen[0]
    assert features.shape == (2, 4096)
    assert (seen[0] < 0).any()
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


def test_the_pixels_that_the_paper_s_networks_take_are_those_that_were_frozen():
    found = hashlib.sha256()
    for number, size in enumerate([(640, 427), (333, 500), (1500, 900), (90, 40)]):
        found.update(decode.decode(encoded(picture(size, seed=number), "JPEG", quality=90)))
    assert found.hexdigest() == "45340a659e86efe33a6ffc3f0d12fbaf97421b41197e7ee4981e9034897012ce"


def test_the_paper_s_default_features_are_byte_for_byte_the_plain_network_s(
    folder, tmp_path, monkeypatch
):
    """AlexNet's FC7 by torchvision alone, on the pixels above."""
    plain = backbone._untrained("alexnet", 0).eval()
    head = plain.classifier[:6]
    monkeypatch.setattr(backbone, "_untrained", lambda *_: plain)
    entry = {"backbone": "alexnet", "weights": "untrained", "layer": "fc7", "device": "cpu"}
    pairs = pairs_of(folder, [f"{i}.jpg" for i in range(12)])
    write_images(pairs, tmp_path / "f.h5", MADE, **entry, workers=0)
    pixels = np.stack([decode.decode((folder / name).read_bytes()) for name in pairs.images])
    mean, std = (torch.tensor(v)[:, None, None] for v in (backbone.MEAN, backbone.STD))
    with torch.inference_mode(), devices.threads(devices.THREADS):
        batch = v2.functional.to_dtype(torch.from_numpy(pixels), torch.float32, scale=True)
        batch = batch.sub(mean).div(std).contiguous(memory_format=torch.channels_last)
        expected = head(plain.avgpool(plain.features(batch)).flatten(1))
    np.testing.assert_array_equal(features_of(tmp_path / "f.h5")[0], expected)


def test_untrained_weights_are_determined_by_the_seed_alone():
    first, again, other = (
        backbone.create(backbone="squeezenet1_1", weights="untrained", seed=seed).state_dict()
        for seed in (1, 1, 2)
    )
    key = "network.features.0.weight"
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first[key], other[key])


def test_a_weights_file_of_the_trunk_alone_is_enough_and_gives_its_features(tmp_path):
    plain = get_model("squeezenet1_1").eval()
    file = tmp_path / "trunk.pth"
    torch.save({k: v for k, v in plain.state_dict().items() if "classifier" not in k}, file)
    encoder = backbone.create(backbone="squeezenet1_1", weights=str(file))
    batch = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    with torch.inference_mode():
        expected = plain.features(encoder.scale(batch)).mean((2, 3))
        torch.testing.assert_close(encoder(batch), expected, rtol=1e-4, atol=1e-5)


def test_weights_that_do_not_fit_are_an_error_in_one_sentence(tmp_path):
    file = tmp_path / "weights.pth"
    state = get_model("squeezenet1_1").state_dict()

    def sentence(weights, name="squeezenet1_1"):
        if weights is not None:
            torch.save(weights, file)
        with pytest.raises(InputError) as caught:
            backbone.create(backbone=name, weights=str(file))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "no such file" in sentence(None)
    assert "lack, first features.0.bias" in sentence(
        {k: v for k, v in state.items() if k != "features.0.bias"}
    )
    assert "size mismatch" in sentence(state | {"features.0.bias": torch.zeros(3)})
    assert "not the weights of alexnet: it holds" in sentence(state, "alexnet")
    assert "not a readable state dict" in sentence(get_model("squeezenet1_1"))
    assert "a state dict is needed" in sentence([1, 2])
    file.write_bytes(b"nothing of the kind")
    assert "not a readable state dict" in sentence(None)


def test_unknown_backbones_and_layers_are_errors_that_list_the_known_ones():
    with pytest.raises(InputError, match="'resnet'; there are alexnet, vgg19, squeezenet1_1"):
        backbone.create(backbone="resnet")
    with pytest.raises(InputError, match="'fc9'; there are fc7, fc7_before_relu"):
        backbone.create(backbone="alexnet", weights="untrained", layer="fc9")


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A torch hub cache of its own, and a server that has SqueezeNet weights under their digest."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    served = tmp_path / "served"
    served.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=served))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield partial(serve, monkeypatch, served, server.server_port)
    server.shutdown()
    server.server_close()
    thread.join()
    with warnings.catch_warnings():  # torch hub leaves its connection to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def serve(monkeypatch, served, port, digest=None):
    torch.save(get_model("squeezenet1_1").state_dict(), served / "w.pth")
    digest = digest or backbone.sha256(served / "w.pth")[:8]
    file = (served / "w.pth").rename(served / f"squeezenet-{digest}.pth")
    trained = type("Trained", (), {"url": f"http://127.0.0.1:{port}/{file.name}"})
    fake = backbone.Backbone(trained, 512, backbone.BACKBONES["squeezenet1_1"].layers)
    monkeypatch.setitem(backbone.BACKBONES, "squeezenet1_1", fake)
    return file


def test_pretrained_weights_are_downloaded_once_and_checked(hub, tmp_path):
    served = hub()
    expected = torch.load(served, weights_only=True)["features.0.weight"]
    for _ in range(2):
        encoder = backbone.create(backbone="squeezenet1_1")
        assert torch.equal(encoder.state_dict()["network.features.0.weight"], expected)
        served.unlink(missing_ok=True)
    (copy,) = (tmp_path / "hub" / "checkpoints").iterdir()
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged, its SHA-256 does not start with"):
        backbone.create(backbone="squeezenet1_1")


def test_weights_with_a_wrong_digest_or_out_of_reach_end_in_one_sentence(hub, tmp_path):
    served = hub(digest="00000000")
    with pytest.raises(InputError, match=r"could not be fetched from .*invalid hash value"):
        backbone.create(backbone="squeezenet1_1")
    served.unlink()
    with pytest.raises(
        InputError, match=r"could not be fetched from .*404.*by hand into"
    ) as caught:
        backbone.create(backbone="squeezenet1_1")
    assert str(tmp_path / "hub" / "checkpoints") in str(caught.value)
    assert list((tmp_path / "hub" / "checkpoints").iterdir()) == []


# --- the stage ----------------------------------------------------------------------------------


def test_features_do_not_depend_on_batches_or_workers(folder, tmp_path):
    pairs = pairs_of(folder, [f"{i}.jpg" for i in range(12)])
    runs = [(64, 0), (5, 1), (1, 2)]
    for number, (batch_size, workers) in enumerate(runs):
        write_images(
            pairs,
            tmp_path / f"{number}.h5",
            MADE,
            **SQUEEZENET,
            batch_size=batch_size,
            workers=workers,
        )
    first, *others = (features_of(tmp_path / f"{number}.h5")[0] for number in range(3))
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-4, atol=1e-5)


def extract_and_die(pairs, path, batches):
    """In a process of its own: extract, and be killed after so many batches."""
    encoded, seen = images.encode_batch, []

    def encode(*args):
        seen.append(0)
        if len(seen) > batches:
            os.kill(os.getpid(), signal.SIGKILL)
        return encoded(*args)

    images._SHARD, images.encode_batch = 4, encode
    torch.set_num_threads(1)
    write_images(pairs, path, MADE, **SQUEEZENET, **SHARDED)


SHARDED = {"workers": 0, "batch_size": 2, "max_undecodable": 0.5}


@pytest.fixture
def sharded(folder, monkeypatch):
    """Twelve pairs, one of them unreadable, in three shards of two batches, on one thread."""
    (folder / "1.jpg").write_bytes(b"")
    monkeypatch.setattr(images, "_SHARD", 4)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield pairs_of(folder, [f"{i}.jpg" for i in range(12)])
    torch.set_num_threads(threads)


def killed_after(batches, pairs, path):
    # not forked: a fork of a process whose torch has started threads waits for them for ever
    process = multiprocessing.get_context("spawn").Process(
        target=extract_and_die, args=(pairs, path, batches)
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(("batches", "kept"), [(1, 0), (5, 8)])
def test_a_kill_costs_one_shard_and_changes_no_byte(
    batches, kept, sharded, tmp_path, monkeypatch, caplog
):
    write_images(sharded, tmp_path / "whole.h5", MADE, **SQUEEZENET, **SHARDED)
    killed_after(batches, sharded, tmp_path / "f.h5")
    assert not (tmp_path / "f.h5").exists()
    rows, encode = [], images.encode_batch
    monkeypatch.setattr(images, "encode_batch", lambda *a: rows.append(len(a[1])) or encode(*a))
    caplog.clear()
    with caplog.at_level(logging.INFO):
        write_images(sharded, tmp_path / "f.h5", MADE, **SQUEEZENET, **SHARDED)
    assert sum(rows) == 12 - kept
    assert ("going on after 8 images" in caplog.text) == (kept == 8)
    assert "1 of 12 images cannot be read" in caplog.text
    assert "'1.jpg' (" in caplog.text
    assert (tmp_path / "f.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert sorted(p.name for p in tmp_path.glob(".*")) == []


@pytest.mark.parametrize("change", ["provenance", "program", "marker"])
def test_what_was_kept_of_something_else_is_not_gone_on_from(
    change, sharded, tmp_path, monkeypatch, caplog
):
    killed_after(5, sharded, tmp_path / "f.h5")
    if change == "program":
        monkeypatch.setattr(images, "digest", lambda module: "another")
    if change == "marker":
        (tmp_path / ".f.h5.kept.json").write_text("{")
    made = Provenance("test", {"layer": "other"}) if change == "provenance" else MADE
    with caplog.at_level(logging.INFO):
        write_images(sharded, tmp_path / "f.h5", made, **SQUEEZENET, **SHARDED)
    assert "going on after" not in caplog.text
    assert features_of(tmp_path / "f.h5")[1].sum() == 11


def test_two_extractions_of_one_file_at_once_do_the_work_once(sharded, tmp_path, monkeypatch):
    """As when a workflow is killed and started again while the job it had started lives on."""
    rows, encode = [], images.encode_batch
    monkeypatch.setattr(images, "encode_batch", lambda *a: rows.append(len(a[1])) or encode(*a))
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(
                write_images,
                *(sharded, tmp_path / "f.h5", MADE),
                **(SQUEEZENET | SHARDED),
            )
            for _ in range(2)
        ]
        for run in runs:
            run.result()
    assert sum(rows) == 12
    assert features_of(tmp_path / "f.h5")[1].sum() == 11


def test_nothing_is_kept_of_an_extraction_that_had_too_many_unreadable_images(
    sharded, folder, tmp_path
):
    data = (folder / "0.jpg").read_bytes()
    (folder / "9.jpg").write_bytes(b"")
    options = SQUEEZENET | SHARDED | {"max_undecodable": 0.1}
    with pytest.raises(InputError, match="2 of 12"):
        write_images(sharded, tmp_path / "f.h5", MADE, **options)
    (folder / "1.jpg").write_bytes(data)
    write_images(sharded, tmp_path / "f.h5", MADE, **options)
    assert features_of(tmp_path / "f.h5")[1].sum() == 11


class Sizes(images.ImageEncoder):
    """Width and height of what was decoded."""

    def prepare(self, image):
        return np.array(image.size, np.float32)

    def forward(self, sizes):
        return sizes


def test_large_jpegs_are_decoded_smaller_where_asked_for_and_never_below_what_is_resized_to(
    folder, tmp_path
):
    """A JPEG can be decoded at 1/2, 1/4 and 1/8; other files, and small ones, stay whole."""
    sizes = {"a.jpg": (1100, 800), "b.jpg": (511, 900), "c.png": (1100, 800), "d.jpg": (2048, 2049)}
    for name, size in sizes.items():
        data = encoded(constant("RGB", (9, 8, 7), size), "PNG" if "png" in name else "JPEG")
        (folder / name).write_bytes(data)
    smaller = [[550, 400], [511, 900], [1100, 800], [256, 257]]
    pairs, made = pairs_of(folder, list(sizes)), {"provenance": MADE, "workers": 0, "device": "cpu"}
    for name, expected, options in (
        ("whole", list(map(list, sizes.values())), {}),
        ("reduced", smaller, {"reduced_decode": True}),
    ):
        path = tmp_path / f"{name}.h5"
        facts = images.write_image_features(pairs, lambda: Sizes(2), path=path, **made, **options)
        assert features_of(path)[0].tolist() == expected
        encode = images.reopen(lambda: Sizes(2), facts, device="cpu", **options)
        assert encode([folder / name for name in sizes]).tolist() == expected
    assert decode.open_rgb((folder / "a.jpg").read_bytes(), 401).size == (1100, 800)


class Corners(images.ImageEncoder):
    """The first pixels of an image; it notes the sizes of its batches, and may fail at one."""

    def __init__(self, fails_at=None):
        super().__init__(6)
        self.batches, self.fails_at = [], fails_at

    def prepare(self, image):
        return np.asarray(image)[0, :2].astype(np.float32)

    def forward(self, pixels):
        if len(self.batches) == self.fails_at:
            raise OSError("no more")
        self.batches.append(len(pixels))
        return pixels.flatten(1)


def test_an_image_of_several_pairs_is_encoded_once_and_a_kill_changes_no_byte(
    folder, tmp_path, monkeypatch, caplog
):
    """Captions of an image in a row, as in Karpathy's files, and scattered, as in tables."""
    monkeypatch.setattr(images, "_SHARD", 4)
    (folder / "1.jpg").write_bytes(b"")
    order = [0, 0, 0, 1, 1, 2, 2, 3, 0, 4, 5, 1, 5, 5, 6, 7, 3, 8, 9, 0, 9, 0]
    pairs = pairs_of(folder, [f"{i}.jpg" for i in order])
    options = {"provenance": MADE, **SHARDED, "device": "cpu", "max_undecodable": 0.1}
    encoder = Corners()
    images.write_image_features(pairs, lambda: encoder, path=tmp_path / "a.h5", **options)
    assert encoder.batches == [2] * 5
    assert "1 of 10 images cannot be read" in caplog.text
    found, valid = features_of(tmp_path / "a.h5")
    assert valid.tolist() == [i != 1 for i in order]
    for row, i in enumerate(order):
        data = (folder / f"{i}.jpg").read_bytes()
        expected = np.asarray(decode.open_rgb(data))[0, :2].ravel() if data else np.zeros(6)
        np.testing.assert_array_equal(found[row], expected)
    with pytest.raises(OSError, match="no more"):
        images.write_image_features(
            pairs, lambda: Corners(fails_at=3), path=tmp_path / "b.h5", **options
        )
    rest = Corners()
    images.write_image_features(pairs, lambda: rest, path=tmp_path / "b.h5", **options)
    assert rest.batches == [2] * 3
    assert (tmp_path / "b.h5").read_bytes() == (tmp_path / "a.h5").read_bytes()


def test_features_do_not_depend_on_the_number_of_threads(folder, tmp_path):
    """Mini-batches of a few images are cut otherwise on one thread than on two."""
    pairs = pairs_of(folder, [f"{i}.jpg" for i in range(12)])
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        write_images(pairs, tmp_path / f"{threads}", MADE, **SQUEEZENET, workers=0)
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_half_precision_moves_a_feature_vector_by_less_than_a_hundredth(shared):
    weights = shared / "data" / "weights" / "squeezenet1_1_features.pth"
    encoder = backbone.create(backbone="squeezenet1_1", weights=str(weights))
    files = sorted((shared / "data" / "coco-mini" / "val2017").glob("*.jpg"))[:8]
    batch = torch.from_numpy(np.stack([decode.decode(file.read_bytes()) for file in files]))
    with torch.inference_mode():
        full = encoder(batch)
        with torch.autocast("cpu", torch.float16):
            half = encoder(batch)
    assert half.dtype == torch.float32
    assert not torch.equal(full, half)
    assert ((half - full).norm(dim=1) / full.norm(dim=1)).max() < 0.01


def coco_mini(shared):
    """The 345 images in both folders, with their categories."""
    root = shared / "data" / "coco-mini"
    references, groups = [], []
    for part in ("train2017", "val2017"):
        found = json.loads((root / "annotations" / f"instances_{part}.json").read_text())
        categories = {image["id"]: set() for image in found["images"]}
        for entry in found["annotations"]:
            categories[entry["image_id"]].add(entry["category_id"])
        for image in found["images"]:
            references.append(f"{part}/{image['file_name']}")
            groups.append(categories[image["id"]])
    present = sorted(set().union(*groups))
    labels = np.array([[name in group for name in present] for group in groups], np.uint8)
    names = [str(name) for name in present]
    return Pairs(references, labels, names, references, str(root))


def neighbour_precision(features, labels):
    """Share of the five nearest (by cosine, centred) that have a label in common."""
    unit = features - features.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True) + 1e-12
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1)[:, :5]
    shares = labels.astype(int) @ labels.T > 0
    return np.take_along_axis(shares, nearest, axis=1).mean()


@pytest.mark.slow
def test_trained_features_of_real_images_find_their_category_better_than_untrained(
    shared, tmp_path
):
    pairs = coco_mini(shared)
    assert len(pairs) == 345
    weights = {"trained": shared / "data" / "weights" / "squeezenet1_1_features.pth"}
    precision = {}
    for name in ("trained", "untrained"):
        write_images(
            pairs,
            tmp_path / f"{name}.h5",
            MADE,
            backbone="squeezenet1_1",
            weights=str(weights.get(name, name)),
        )
        features, valid = features_of(tmp_path / f"{name}.h5")
        assert valid.all()
        precision[name] = neighbour_precision(features, pairs.labels)
    chance = (pairs.labels.astype(int) @ pairs.labels.T > 0).mean()
    assert precision["trained"] > precision["untrained"] + 0.1
    assert precision["trained"] > 1.4 * chance


class Thumbnail(torch.nn.Module):
    """An encoder that costs nothing and notes the memory of this process and its workers."""

    dimensions = 3 * 16

    def __init__(self):
        super().__init__()
        self.memory = []

    def forward(self, batch):
        processes = [psutil.Process(), *psutil.Process().children()]
        self.memory.append(sum(process.memory_info().rss for process in processes))
        return torch.nn.functional.adaptive_avg_pool2d(batch.float(), 4).flatten(1)


@pytest.mark.long
def test_memory_stays_flat_over_twenty_thousand_images(folder, tmp_path, monkeypatch):
    encoder = Thumbnail()
    monkeypatch.setattr(backbone, "create", lambda *, backbone: encoder)
    names = [f"many/{i}.jpg" for i in range(20_000)]
    (folder / "many").mkdir()
    for i, name in enumerate(names):
        (folder / name).hardlink_to(folder / f"{i % 12}.jpg")
    pairs = pairs_of(folder, names)
    write_images(pairs, tmp_path / "f.h5", MADE, backbone="alexnet", workers=1, device="cpu")
    early, late = max(encoder.memory[:60]), max(encoder.memory[-60:])
    assert len(encoder.memory) > 300
    assert late - early < 30 * 2**20
    assert features_of(tmp_path / "f.h5")[1].all()
