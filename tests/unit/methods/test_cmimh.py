"""CMIMH: its terms against plain NumPy, its gradients against Eq. 14, its training's promises."""

import json
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid

from pipeline.errors import CollapseError
from pipeline.methods import _deep, _epochs, _partners, cmimh, create
from pipeline.methods._views import explainable
from pipeline.methods.cmimh import CMIMH, Networks

SMALL = {
    "hidden": 32, "critic_hidden": 16, "batch_size": 60, "epochs": 25, "min_steps": 0,
    "device": "cpu",
}  # fmt: skip
STUCK = SMALL | {"lr": 1e-12, "epochs": 2}  # nothing is learnt


@pytest.fixture(scope="module")
def toy() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two views of five clusters, 300 pairs: image (300, 20), text (300, 12), cluster (300,)."""
    rng = np.random.default_rng(0)
    cluster = rng.integers(5, size=300)
    image = 3 * rng.normal(size=(5, 20))[cluster] + rng.normal(size=(300, 20))
    text = 3 * rng.normal(size=(5, 12))[cluster] + rng.normal(size=(300, 12))
    return image, text, cluster


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z)))


def softplus(t):
    return np.log1p(np.exp(t))


# the terms of the objective


def test_sample_follows_the_logistic_rule():
    z = numbers(50, 4)
    u = torch.rand(z.shape, generator=draws(1))
    expected = z + torch.log(u) - torch.log(1 - u) > 0
    assert torch.equal(cmimh.sample(torch.sigmoid(z), draws(1)), expected.to(z.dtype))


def test_sample_has_the_mean_p():
    p = torch.full((20_000, 3), 0.7)
    assert cmimh.sample(p, draws()).mean().item() == pytest.approx(0.7, abs=0.01)


def test_sample_passes_the_gradient_straight_to_p():
    p = torch.rand(6, 3, generator=draws()).requires_grad_()
    upstream = torch.rand(6, 3, generator=draws(1))
    (cmimh.sample(p, draws(2)) * upstream).sum().backward()
    torch.testing.assert_close(p.grad, upstream)


def test_reconstruction_error_is_the_mean_squared_error():
    x, y = numbers(7, 5), numbers(7, 5, seed=1)
    expected = ((x - y).numpy() ** 2).sum() / 35
    assert cmimh.reconstruction_error(x, y).item() == pytest.approx(expected)


class Linear(torch.nn.Module):
    """A critic that gives back what it is shown of a code, as plain numbers."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = torch.nn.Parameter(matrix)

    def forward(self, x):
        return x @ self.matrix


def test_jensen_shannon_bound_takes_diagonal_as_joint_and_the_rest_as_product():
    g = Linear(numbers(3, 4, seed=2)), Linear(numbers(3, 4, seed=3))
    p = torch.rand(6, 3, generator=draws()).double(), torch.rand(6, 3, generator=draws(1)).double()
    t = ((2 * p[0] - 1) @ g[0].matrix @ ((2 * p[1] - 1) @ g[1].matrix).T).detach().numpy()
    off = ~np.eye(6, dtype=bool)
    expected = -softplus(-np.diag(t)).mean() - softplus(t[off]).mean()
    assert cmimh.jensen_shannon_bound(g, p).item() == pytest.approx(expected)


def test_jensen_shannon_bound_weighs_the_combinations_that_stand_for_the_joint_distribution():
    g = Linear(numbers(3, 4, seed=2)), Linear(numbers(3, 4, seed=3))
    p = torch.rand(6, 3, generator=draws()).double(), torch.rand(6, 3, generator=draws(1)).double()
    t = ((2 * p[0] - 1) @ g[0].matrix @ ((2 * p[1] - 1) @ g[1].matrix).T).detach().numpy()
    weights = numbers(6, 6, seed=4).softmax(dim=1)
    off = ~np.eye(6, dtype=bool)
    expected = (weights.numpy() * -softplus(-t)).sum() / 6 - softplus(t[off]).mean()
    assert cmimh.jensen_shannon_bound(g, p, weights).item() == pytest.approx(expected)
    true = cmimh.jensen_shannon_bound(g, p, torch.eye(6).double())
    torch.testing.assert_close(true, cmimh.jensen_shannon_bound(g, p))


def test_jensen_shannon_bound_of_a_blind_critic_is_minus_two_log_two():
    blind = [Linear(torch.zeros(3, 4))] * 2
    bound = cmimh.jensen_shannon_bound(blind, [torch.rand(8, 3)] * 2).item()
    assert bound == pytest.approx(-2 * math.log(2)) == pytest.approx(_partners.JSD_AT_CHANCE)


def test_symmetrised_kl_is_the_mean_of_both_directions_summed_over_bits():
    z, y = numbers(9, 4), numbers(9, 4, seed=1)
    p, q = sigmoid(z), sigmoid(y)

    def kl(p, q):
        return (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum(axis=1)

    expected = (kl(p, q) + kl(q, p)).mean() / 2
    assert cmimh.symmetrised_kl(z, y).item() == pytest.approx(expected)


def test_symmetrised_kl_stays_finite_at_certain_bits():
    z = torch.tensor([[200.0, -200.0]])
    assert cmimh.symmetrised_kl(z, -z).item() == pytest.approx(400)


def test_total_correlation_is_the_mean_log_odds_of_the_classifier():
    d = Linear(numbers(3, 1))
    p = torch.rand(10, 3, generator=draws()).double()
    odds = sigmoid(((2 * p - 1) @ d.matrix).detach().numpy())
    expected = (np.log(odds) - np.log(1 - odds)).mean()
    assert cmimh.total_correlation(d, p).item() == pytest.approx(expected)


def test_the_classifier_does_not_feel_the_total_correlation_and_p_does():
    d, p = Linear(numbers(3, 1)), torch.rand(10, 3, generator=draws()).double().requires_grad_()
    cmimh.total_correlation(d, p).backward()
    assert d.matrix.grad is None and p.grad.abs().sum() > 0


def test_imbalance_sums_over_bits_the_distance_of_the_mean_from_one_half():
    p = torch.tensor([[0.2, 0.9, 0.5], [0.4, 0.7, 0.5]])
    assert cmimh.imbalance(p).item() == pytest.approx(0.2 + 0.3 + 0)


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_what_bits_can_explain_is_two_over_pi_of_the_leading_components_share(bits):
    x = (numbers(200, 6) * torch.tensor([3.0, 2, 1, 0.5, 0.2, 0.1])).numpy()
    x = x - x.mean(axis=0)
    spectrum = np.linalg.svd(x, compute_uv=False) ** 2
    expected = 2 / np.pi * spectrum[:bits].sum() / spectrum.sum()
    assert explainable(x, bits) == pytest.approx(expected)
    assert explainable(x[:4] - x[:4].mean(axis=0), 3) == pytest.approx(2 / np.pi)


# the objective as a whole


def small_networks(model: CMIMH) -> Networks:
    return Networks(model, (7, 5), draws()).double()


def forward(net, x, slope):
    """A perceptron written out: weights and biases of its linear layers, a (leaky) rectifier."""
    layers = [m for m in net if isinstance(m, torch.nn.Linear)]
    for layer in layers[:-1]:
        x = x @ layer.weight.T + layer.bias
        x = torch.where(x > 0, x, slope * x)
    return x @ layers[-1].weight.T + layers[-1].bias


def equation_14(model, nets, x, generator, unit):
    """The objective of the paper, written down once more from its equations alone."""
    size, bits = len(x[0]), model.bits
    z = [forward(nets.encoder[v], x[v], 0) for v in (0, 1)]
    p = [1 / (1 + torch.exp(-z[v])) for v in (0, 1)]
    intra = 0
    for v in (0, 1):  # Eq. 2-4
        u = torch.rand(p[v].shape, generator=generator)
        b = (torch.log(p[v] / (1 - p[v])) + torch.log(u) - torch.log(1 - u) > 0).double()
        b = b + p[v] - p[v].detach()
        restored = forward(nets.decoder[v], 2 * b - 1, 0)
        intra = intra + ((x[v] - restored) ** 2).sum() / size / x[v].shape[1]
    g = [forward(nets.critic[v], 2 * p[v] - 1, 0.01) for v in (0, 1)]  # Eq. 5
    t = g[0] @ g[1].T
    joint = sum(logsigmoid(t[i, i]) for i in range(size)) / size
    product = sum(
        -torch.log1p(torch.exp(t[i, j])) for i in range(size) for j in range(size) if i != j
    ) / (size * (size - 1))
    inter = joint + product
    kl = [  # Eq. 6, 7
        (a * torch.log(a / b) + (1 - a) * torch.log((1 - a) / (1 - b))).sum() / size
        for a, b in (p, p[::-1])
    ]
    tc, own = 0, 0
    for v in (0, 1):  # Eq. 11, 12
        weights = [w.detach() for w in nets.classifier[v].parameters()]
        h = 2 * p[v] - 1
        for w, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            h = h @ w.T + bias
            h = torch.where(h > 0, h, 0.01 * h)
        odds = 1 / (1 + torch.exp(-(h @ weights[-2].T + weights[-1])))
        tc = tc + (torch.log(odds) - torch.log(1 - odds)).mean()
        keys = torch.rand(p[v].shape, generator=generator)
        mixed = torch.stack([p[v].detach()[keys[:, b].argsort(), b] for b in range(bits)], dim=1)
        true, false = (forward(nets.classifier[v], 2 * q - 1, 0.01) for q in (p[v].detach(), mixed))
        own = own - logsigmoid(true).mean() - logsigmoid(-false).mean()
    balance = sum((q.mean(dim=0) - 0.5).abs().sum() for q in p)  # Eq. 13
    return (
        model.w_intra / unit * intra
        - model.w_inter * inter
        + model.w_gap / bits * (kl[0] + kl[1]) / 2
        + model.w_tc * tc
        + model.w_balance / bits * balance
        + own
    )


WEIGHTS = ("w_intra", "w_inter", "w_gap", "w_tc", "w_balance")


@pytest.mark.parametrize("alone", [None, *WEIGHTS])
def test_the_objective_and_the_gradients_of_all_networks_are_those_of_eq_14(alone):
    weights = dict(zip(WEIGHTS, (1.0, 2.0, 3.0, 0.5, 0.7), strict=True))
    if alone:
        weights = dict.fromkeys(WEIGHTS, 1e-6) | {alone: weights[alone]}
    model = CMIMH(4, 0, **SMALL | weights)
    x = [numbers(20, 7), numbers(20, 5, seed=1)]
    ours, theirs = small_networks(model), small_networks(model)
    total = model.objective(model.terms(ours, x, x, draws(3)), unit=0.4)
    expected = equation_14(model, theirs, x, draws(3), unit=0.4)
    torch.testing.assert_close(total, expected)
    total.backward()
    expected.backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert a.grad.any(), name
        torch.testing.assert_close(a.grad, b.grad, msg=name)


@pytest.mark.parametrize(
    ("weight", "term", "networks"),
    [("w_intra", "intra", "decoder"), ("w_inter", "bound", "critic"), ("w_tc", "tc", "classifier")],
)
def test_a_weight_of_zero_leaves_its_term_and_its_networks_out(weight, term, networks):
    model = CMIMH(4, 0, **SMALL | {weight: 0.0})
    nets = small_networks(model)
    x = [numbers(20, 7), numbers(20, 5, seed=1)]
    terms = model.terms(nets, x, x, draws())
    model.objective(terms, unit=1.0).backward()
    assert terms[term] == 0
    assert all(p.grad is None for p in getattr(nets, networks).parameters())
    assert all(p.grad is not None for p in nets.encoder.parameters())


@pytest.mark.parametrize("samples", [1, 5])
def test_a_critic_on_samples_sees_codes_and_trains_the_encoders_through_them(samples):
    model = CMIMH(4, 0, **SMALL | {"critic": samples, "w_intra": 0.0, "w_gap": 0.0, "w_tc": 0.0})
    nets = small_networks(model)
    seen = []
    nets.critic[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    x = [numbers(20, 7), numbers(20, 5, seed=1)]
    (-model.terms(nets, x, x, draws())["bound"]).backward()
    assert len(seen) == samples and all(set(s.unique().tolist()) == {-1, 1} for s in seen)
    assert all(p.grad.any() for p in nets.encoder.parameters())


@pytest.mark.parametrize("weights", [{}, {"w_inter": 40.0, "w_intra": 10.0}])
def test_a_network_of_one_term_learns_at_its_rate_whatever_the_weight(weights):
    model = CMIMH(4, 0, **SMALL | {"weight_decay": 0.0} | weights)
    nets, unit = small_networks(model), 0.4
    before = [p.clone() for p in nets.parameters()]
    x = [numbers(20, 7), numbers(20, 5, seed=1)]
    model.objective(model.terms(nets, x, x, draws(3)), unit).backward()
    model._optimizer(nets, unit).step()
    plain = small_networks(model)
    terms = model.terms(plain, x, x, draws(3))
    (7 * terms["intra"]).backward(inputs=list(plain.decoder[0].parameters()), retain_graph=True)
    (-terms["bound"]).backward(inputs=list(plain.critic.parameters()))
    names = [name for name, _ in nets.named_parameters()]
    for name, old, new, own in zip(
        names, before, nets.parameters(), plain.parameters(), strict=True
    ):
        rate = {"decoder.0": model.lr_decoder, "critic.0": model.lr_critic}.get(
            name[:9].rstrip(".")
        )
        if rate:
            torch.testing.assert_close(old - new.detach(), rate * own.grad, msg=name)


def test_weights_of_the_encoders_alone_decay():
    nets = small_networks(model := CMIMH(4, 0, **SMALL | {"weight_decay": 0.5}))
    before = {name: p.detach().clone() for name, p in nets.named_parameters()}
    for p in nets.parameters():
        p.grad = torch.zeros_like(p)
    model._optimizer(nets, 0.4).step()
    moved = {n for n, p in nets.named_parameters() if not torch.equal(p.detach(), before[n])}
    assert moved == {n for n, p in before.items() if n.startswith("encoder") and p.any()}


def test_logits_start_balanced_and_decided_whatever_the_features():
    nets = Networks(CMIMH(4, 0, **SMALL), (7, 5), draws()).double()
    x = [100 * numbers(200, 7) + 5, 0.001 * numbers(200, 5, seed=1)]
    for encoder, view in zip(nets.encoder, x, strict=True):
        _deep.spread_outputs(encoder, view, cmimh.INIT_LOGIT_STD)
        z = encoder(view)
        torch.testing.assert_close(z.mean(dim=0), torch.zeros(4).double(), atol=1e-4, rtol=0)
        torch.testing.assert_close(z.std(dim=0), torch.full((4,), cmimh.INIT_LOGIT_STD).double())


# training


def precision_at_20(query, database, cluster):
    distance = (query[:, None] != database[None]).sum(axis=2)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :20]
    return (cluster[nearest] == cluster[:, None]).mean()


@pytest.mark.parametrize("variant", [{}, {"critic": 2}])
@pytest.mark.parametrize("name", ["cmimh", "cmimh_n"])
def test_codes_retrieve_the_other_view_far_better_than_chance(toy, name, variant):
    image, text, cluster = toy
    model = create(name, bits=16, seed=0, **SMALL | variant).fit(image, text)
    a, b = model.encode_image(image), model.encode_text(text)
    assert a.dtype == bool and a.shape == (300, 16)
    for query, database in ((a, b), (b, a), (a, a), (b, b)):
        assert precision_at_20(query, database, cluster) > 0.7  # chance is 0.2


def test_same_seed_same_bits_and_another_seed_others(toy):
    image, text, _ = toy
    first, again, other = (
        CMIMH(8, seed, **SMALL | {"epochs": 3}).fit(image, text).encode_image(image)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


class Interrupted(Exception):
    pass


def interrupted_at(epoch):
    def interrupt(record):
        if record["epoch"] == epoch:
            raise Interrupted

    return interrupt


@pytest.mark.parametrize("name", ["cmimh", "cmimh_n"])
def test_a_resumed_fit_gives_the_codes_of_an_undisturbed_one(toy, tmp_path, monkeypatch, name):
    image, text, _ = toy
    monkeypatch.setattr(_epochs, "CHECKPOINT_SECONDS", 0.0)
    undisturbed, broken, resumed = (
        create(name, bits=8, seed=3, **SMALL | {"epochs": 8}) for _ in range(3)
    )
    undisturbed.fit(image, text)
    broken.checkpoint, broken.on_epoch = tmp_path / "state.pt", interrupted_at(5)
    with pytest.raises(Interrupted):
        broken.fit(image, text)
    seen = []
    resumed.checkpoint, resumed.on_epoch = tmp_path / "state.pt", seen.append
    resumed.fit(image, text)
    assert [record["epoch"] for record in seen] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert np.array_equal(resumed.encode_image(image), undisturbed.encode_image(image))
    assert np.array_equal(resumed.encode_text(text), undisturbed.encode_text(text))


@pytest.mark.parametrize("other", ["seed", "data", "parameters", "method"])
def test_a_checkpoint_of_another_training_is_not_taken(toy, tmp_path, monkeypatch, caplog, other):
    image, text, _ = toy
    monkeypatch.setattr(_epochs, "CHECKPOINT_SECONDS", 0.0)
    broken = CMIMH(8, 3, **SMALL | {"epochs": 3})
    broken.checkpoint, broken.on_epoch = tmp_path / "state.pt", interrupted_at(3)
    with pytest.raises(Interrupted):
        broken.fit(image, text)
    epochs = 4 if other == "parameters" else 3
    name = "cmimh_n" if other == "method" else "cmimh"
    foreign = create(name, bits=8, seed=4 if other == "seed" else 3, **SMALL | {"epochs": epochs})
    foreign.checkpoint = tmp_path / "state.pt"
    foreign.fit(image + 1.0 * (other == "data"), text)
    assert "is not of this training" in caplog.text


def test_every_epoch_gives_a_json_record_of_all_terms(toy):
    image, text, _ = toy
    records = []
    model = CMIMH(8, 0, **SMALL | {"epochs": 2})
    model.on_epoch = records.append
    model.fit(image, text)
    assert [json.loads(json.dumps(r))["epoch"] for r in records] == [1, 2]
    terms = {"intra", "bound", "gap", "tc", "classifier", "balance", "loss", "mean_abs", "partners"}
    assert terms <= set(records[0])


def test_codes_that_find_no_partners_are_reported_as_collapse(toy):
    image, text = toy[0], toy[1][::-1].copy()
    with pytest.raises(CollapseError, match="8 bits collapsed"):
        CMIMH(8, 0, **STUCK).fit(image, text)


def test_a_collapse_that_is_allowed_is_a_warning_and_marked_in_the_diagnosis(toy, caplog):
    image, text = toy[0], toy[1][::-1].copy()
    model = CMIMH(8, 0, **STUCK | {"on_collapse": "warn"}).fit(image, text)
    assert "collapsed" in caplog.text
    assert model.encode_image(image).shape == (len(image), 8)
    assert model.diagnose(image, text)["collapsed"] == 1


def test_constant_bits_are_reported_as_collapse():
    varied = torch.rand(100, 8, generator=draws())
    constant = torch.full((100, 8), 0.9)
    found = [{"partners": 0.9, "partners_error": 0.01}]
    assert _partners.fault([varied, constant], found) == "8 bits of a view are constant"
    assert _partners.fault([varied, varied], found) == ""


@pytest.mark.parametrize("name", ["cmimh", "cmimh_n"])
def test_twenty_pairs_give_codes_and_not_nan(name):
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(20, 4))
    image = latent @ rng.normal(size=(4, 40)) + 0.3 * rng.normal(size=(20, 40))
    text = latent @ rng.normal(size=(4, 30)) + 0.3 * rng.normal(size=(20, 30))
    model = create(name, bits=16, seed=0, device="cpu", hidden=128, critic_hidden=64)
    assert model.fit(image, text).encode_image(image).shape == (20, 16)


def test_a_rate_that_explodes_is_reported(toy):
    image, text, _ = toy
    with pytest.raises(CollapseError, match=r"learning rate|collapsed"):
        CMIMH(8, 0, **SMALL | {"lr": 1e6, "lr_decoder": 1e4}).fit(image, text)


@pytest.mark.parametrize("w_tc", [0.0033, 0.0])
def test_diagnosis_measures_the_codes(toy, w_tc):
    image, text, _ = toy
    model = CMIMH(8, 0, **SMALL | {"w_tc": w_tc}).fit(image, text)
    found = model.diagnose(image, text)
    assert set(found) == {
        "tc_image", "tc_text", "p_histogram_image", "p_histogram_text", "mi_bound", "mean_abs",
        "partners", "collapsed",
    }  # fmt: skip
    assert found["p_histogram_image"].shape == (50,)
    assert found["p_histogram_image"].sum() == pytest.approx(1)
    assert _partners.JSD_AT_CHANCE < found["mi_bound"] < 0 < found["mean_abs"] < 0.5


def test_the_scale_of_the_features_does_not_matter(toy):
    image, text, _ = toy
    params = SMALL | {"epochs": 5}
    plain = CMIMH(8, 0, **params).fit(image, text).encode_image(image)
    scaled = CMIMH(8, 0, **params).fit(1024 * image, text / 64).encode_image(1024 * image)
    assert (plain == scaled).mean() > 0.99


def test_small_sets_train_longer_to_make_the_least_number_of_steps(toy):
    image, text, _ = toy
    model = CMIMH(8, 0, **SMALL | {"epochs": 2, "min_steps": 36}).fit(image, text)
    assert len(model.history_) == 8  # of 5 steps each: 7 would make 35


def test_fewer_rows_than_a_mini_batch_are_one_mini_batch(toy):
    image, text, _ = toy
    model = create("cmimh", bits=8, seed=0, **SMALL | {"epochs": 1, "batch_size": 500})
    assert model.fit(image, text).encode_text(text).shape == (300, 8)
