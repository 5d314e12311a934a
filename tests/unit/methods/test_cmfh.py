"""CMFH's alternating updates minimise the objective they claim to."""

import numpy as np
import pytest

from pipeline.methods import create
from pipeline.methods._views import center
from pipeline.methods.cmfh import Factorisation

LAMBDA, MU, GAMMA = 0.3, 5.0, 0.2
SPLIT = 8


def stacked_views(n=60, seed=0):
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 3))
    views = latent @ rng.standard_normal((3, SPLIT + 5)) + 0.3 * rng.standard_normal((n, SPLIT + 5))
    return center(views)[0].T


def started(x, bits=4):
    rng = np.random.default_rng(1)
    problem = Factorisation(x @ x.T, SPLIT, LAMBDA, MU, GAMMA)
    problem.start(x, rng.random((bits, x.shape[1])), rng.random((bits, len(x))))
    return problem


def objective_from_definition(x, u, v, p):
    total = GAMMA * np.sum(v**2)
    for a, m in ((LAMBDA, slice(0, SPLIT)), (1 - LAMBDA, slice(SPLIT, None))):
        total += a * (np.sum((x[m] - u[:, m].T @ v) ** 2) + GAMMA * np.sum(u[:, m] ** 2))
        total += MU * (np.sum((v - p[:, m] @ x[m]) ** 2) + GAMMA * np.sum(p[:, m] ** 2))
    return total


def test_objective_from_scatters_is_the_objective_from_its_definition():
    x = stacked_views()
    problem = started(x)
    problem.step()
    expected = objective_from_definition(x, problem.u, problem.v_of_x @ x, problem.p)
    assert problem.objective() == pytest.approx(expected, rel=1e-9)


def test_every_step_lowers_the_objective():
    problem = started(stacked_views())
    values = []
    for _ in range(60):
        problem.step()
        values.append(problem.objective())
    assert np.all(np.diff(values) <= 1e-9 * values[0])
    assert values[-1] < 0.9 * values[0]


def test_each_update_is_stationary_given_the_blocks_that_it_used():
    x = stacked_views()
    problem = started(x)
    for _ in range(3):
        problem.step()
    before = {"v": problem.v_of_x @ x, "p": problem.p}
    problem.step()
    u, v, p = problem.u, problem.v_of_x @ x, problem.p

    def slope(at, f, direction, h=1e-5):
        return (f(at + h * direction) - f(at - h * direction)) / (2 * h)

    rng = np.random.default_rng(2)
    for at, f in (
        (u, lambda u: objective_from_definition(x, u, before["v"], before["p"])),
        (v, lambda v: objective_from_definition(x, u, v, before["p"])),
        (p, lambda p: objective_from_definition(x, u, v, p)),
    ):
        direction = rng.standard_normal(at.shape)
        assert abs(slope(at, f, direction)) < 1e-5
        assert f(at + 0.1 * direction) > f(at)


def test_fit_ends_by_the_authors_rule_and_encodes_with_the_maps():
    x = stacked_views().T
    image, text = x[:, :SPLIT], x[:, SPLIT:]
    seen = []
    fitted = create("cmfh", bits=4, seed=0, mu=1.0)
    fitted.on_epoch = lambda record: seen.append(record["stopping"])
    fitted.fit(image + 5, text - 1)
    falls = -np.diff(seen)
    assert falls[-1] < fitted.tolerance and np.all(falls[:-1] >= fitted.tolerance)
    assert fitted.iterations_ == len(seen)
    np.testing.assert_array_equal(fitted.encode_text(text - 1), text @ fitted.text_map_ > 0)
