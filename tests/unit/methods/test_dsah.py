"""DSAH: its loss against plain NumPy, and that it learns."""

import numpy as np
import torch
from toy import precision, two_views

from pipeline.methods import create
from pipeline.methods.dsah import alignment_loss


def cosine(a, b):
    return (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def test_codes_are_aligned_with_the_target_with_their_pairs_and_both_ways():
    rng = np.random.default_rng(0)
    a, b, target = rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), rng.normal(size=(6, 6))
    across = cosine(a, b)
    expected = (
        np.mean((across - target) ** 2)
        + 0.3 * np.mean((cosine(a, a) - target) ** 2)
        + 0.3 * np.mean((cosine(b, b) - target) ** 2)
        + np.mean((np.diag(across) - 1.5) ** 2)
        + np.mean((across - across.T) ** 2)
    )
    got = alignment_loss(*map(torch.from_numpy, (a, b, target)), 1.5, 0.3)
    np.testing.assert_allclose(got, expected)


def test_codes_find_the_other_view():
    image, text, labels = two_views()
    hasher = create("dsah", bits=16, seed=0, hidden=64, epochs=20).fit(image, text)
    a, b = hasher.encode_image(image), hasher.encode_text(text)
    assert precision(a, b, labels) > 0.8 and precision(b, a, labels) > 0.8


def test_restoring_the_other_view_changes_what_is_learned():
    image, text, _ = two_views()
    codes = [
        create("dsah", bits=16, seed=0, hidden=64, epochs=3, eta=eta).fit(image, text)
        for eta in (0.0, 5.0)
    ]
    first, second = (hasher.encode_image(image) for hasher in codes)
    assert (first != second).mean() > 0.01
