"""UCMFH: its contrast against plain NumPy, what it sees at test, and that it learns."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from toy import precision, two_views

from pipeline.errors import InputError
from pipeline.methods import create
from pipeline.methods.ucmfh import nt_xent

SMALL = {"hidden": 64, "width": 32, "epochs": 30, "batch_size": 40}


def fitted(name="ucmfh", bits=16, **params):
    image, text, labels = two_views()
    return create(name, bits=bits, seed=0, **SMALL | params).fit(image, text), image, text, labels


def test_the_contrast_finds_each_rows_partner_among_all_others():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 4))
    rows = np.vstack([a, b])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    logits = rows @ rows.T / 0.5
    expected = [
        logsumexp(np.delete(logits[i], i)) - logits[i, partner]
        for i, partner in enumerate([3, 4, 5, 0, 1, 2])
    ]
    got = nt_xent(torch.from_numpy(a), torch.from_numpy(b), 0.5)
    assert got.item() == pytest.approx(np.mean(expected))


def test_as_published_a_code_depends_on_the_other_view_and_on_the_batch():
    hasher, image, text, _ = fitted(epochs=5)
    assert hasher.sees_both_views
    a, b = hasher.encode_pairs(image, text)
    other_text, _ = hasher.encode_pairs(image, text[::-1])
    assert (a != other_text).mean() > 0.01
    alone = [hasher.encode_pairs(image[i : i + 1], text[i : i + 1])[0] for i in range(50)]
    assert (np.concatenate(alone) != a[:50]).mean() > 0.001
    assert a.shape == b.shape == (240, 16)


def test_with_the_other_view_withheld_it_depends_on_neither():
    hasher, image, text, _ = fitted("ucmfh_withheld", epochs=5)
    assert not hasher.sees_both_views
    a, b = hasher.encode_pairs(image, text)
    other_text, _ = hasher.encode_pairs(image, text[::-1])
    np.testing.assert_array_equal(a, other_text)
    np.testing.assert_array_equal(a[:7], hasher.encode_image(image[:7]))
    np.testing.assert_array_equal(b[:7], hasher.encode_text(text[:7]))


def test_the_mean_of_the_training_rows_stands_for_the_view_that_is_missing():
    hasher, image, text, _ = fitted(epochs=2)
    hasher.batch_size = 1
    mean = np.tile(text.mean(axis=0), (len(image), 1))
    a, _ = hasher.encode_pairs(image, mean)
    assert (a == hasher.encode_image(image)).mean() > 0.999  # but for rounding


def test_views_of_unlike_length_are_refused():
    hasher, image, text, _ = fitted(epochs=1)
    with pytest.raises(InputError, match="240 rows and text 239"):
        hasher.encode_pairs(image, text[1:])


def test_seeing_both_views_is_what_its_figures_come_from():
    hasher, image, text, labels = fitted()
    both = precision(*hasher.encode_pairs(image, text), labels)
    one = precision(hasher.encode_image(image), hasher.encode_text(text), labels)
    assert both > 0.6 and both > one
