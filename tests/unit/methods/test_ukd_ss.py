"""UKD-SS: what the teacher says and what the student makes of it, against plain NumPy."""

import numpy as np
import pytest
import torch
from toy import precision, two_views

from pipeline.methods import create
from pipeline.methods.ukd_ss import (
    pair_loss,
    quantisation_loss,
    radius,
    similarity,
)

TEACHER = {"teacher_bits": 32, "teacher_epochs": 8, "teacher_rounds": 1}
STUDENT = {"epochs": 30, "hidden": 64, "batch_size": 64, "lr": 1e-3}


def test_similar_is_the_union_of_the_nearest_by_either_view():
    by_image = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    by_text = torch.tensor([[0.0], [9.0], [3.0], [4.0]])
    views = [by_image, by_text]
    got = similarity(views, [radius(v, 2) for v in views])
    # nearest by image: 0-1, 1-0, 2-1, 3-2;  by text: 0-2, 1-3, 2-3, 3-2; and everyone itself
    expected = [[1, 1, 1, 0], [1, 1, 0, 1], [0, 1, 1, 1], [0, 0, 1, 1]]
    np.testing.assert_allclose(got, 0.999 * np.array(expected))


def test_radius_is_the_kth_distance_in_any_block():
    x = np.random.default_rng(0).normal(size=(9, 3))
    distances = np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)
    np.testing.assert_allclose(radius(torch.from_numpy(x), 4, block=4), distances[:, 3])


def test_pair_loss_is_the_squared_negative_log_likelihood():
    rng = np.random.default_rng(0)
    f, g = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    similar = np.where(rng.random((4, 4)) < 0.5, 0.999, 0.0)
    theta = f @ g.T / 2
    expected = np.mean((np.log1p(np.exp(theta)) - similar * theta) ** 2)
    assert pair_loss(*map(torch.from_numpy, (f, g, similar))).item() == pytest.approx(expected)


def test_quantisation_of_a_batch_by_hand():
    h = torch.tensor([[0.5, -2.0], [1.5, 1.0]])
    assert quantisation_loss(h).item() == pytest.approx((0.25 + 1 + 0.25 + 0) / 4)


def test_student_learns_after_a_teacher_of_its_own_seed():
    image, text, labels = two_views()
    model = create("ukd_ss", bits=16, seed=0, neighbor_fraction=0.25, **STUDENT, **TEACHER)
    records = []
    model.on_epoch = records.append
    model.fit(image, text)
    assert {r["phase"] for r in records} == {"pretrain", "critic", "actor", "student"}
    codes = model.encode_image(image), model.encode_text(text)
    assert precision(*codes, labels) > 0.6  # chance is .25
    assert precision(*codes[::-1], labels) > 0.6
