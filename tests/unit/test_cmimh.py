"""CMIMH: its loss terms against plain NumPy, its training against its promises."""

import json
import math

import numpy as np
import pytest
import torch

from pipeline.errors import CollapseError, InputError
from pipeline.methods import _cmimh_losses as losses
from pipeline.methods import cmimh, create
from pipeline.methods._cmimh_diagnosis import fresh_classifier
from pipeline.methods._cmimh_networks import Networks, scale_gradient, signed
from pipeline.methods._cmimh_training import Training, joint_weights, nearest
from pipeline.methods._stacked import StackedMlp
from pipeline.methods.cmimh import CMIMH

SMALL = {"hidden": 32, "judge": 16, "batch_size": 60, "epochs": 25, "min_steps": 0, "device": "cpu"}


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


def sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z)))


def softplus(t):
    return np.log1p(np.exp(t))


# the terms of the objective


def test_sample_follows_the_logistic_rule():
    z, u = numbers(2, 50, 4), torch.from_numpy(np.random.default_rng(1).random((2, 50, 4)))
    expected = z + torch.log(u) - torch.log(1 - u) > 0
    assert torch.equal(losses.sample(z, u), expected.to(z.dtype))


def test_sample_has_the_mean_p():
    z = torch.full((1, 20_000, 3), 0.7)
    u = torch.rand(z.shape, generator=torch.Generator().manual_seed(0))
    assert losses.sample(z, u).mean().item() == pytest.approx(sigmoid(0.7), abs=0.01)


def test_sample_passes_the_gradient_straight_to_p():
    z = numbers(1, 6, 3).requires_grad_()
    upstream = numbers(1, 6, 3, seed=1)
    (losses.sample(z, torch.full(z.shape, 0.4, dtype=z.dtype)) * upstream).sum().backward()
    p = sigmoid(z.detach())
    np.testing.assert_allclose(z.grad, upstream.numpy() * p * (1 - p))


def test_reconstruction_error_is_the_mean_squared_error():
    x, y = numbers(2, 7, 5), numbers(2, 7, 5, seed=1)
    expected = [((x[s] - y[s]).numpy() ** 2).sum() / 35 for s in range(2)]
    np.testing.assert_allclose(losses.reconstruction_error(x, y), expected)


def test_jensen_shannon_bound_takes_diagonal_as_joint_and_the_rest_as_product():
    g, h = numbers(2, 6, 4), numbers(2, 6, 4, seed=1)
    bound = losses.jensen_shannon_bound(g, h)
    for s in range(2):
        joint, product = [], []
        for i in range(6):
            for j in range(6):
                t = float(g[s, i] @ h[s, j])
                (joint if i == j else product).append(-softplus(-t) if i == j else softplus(t))
        assert len(product) == 30
        assert bound[s].item() == pytest.approx(np.mean(joint) - np.mean(product))


def test_jensen_shannon_bound_weighs_the_combinations_that_stand_for_the_joint_distribution():
    g, h = numbers(2, 6, 4), numbers(2, 6, 4, seed=1)
    weights = numbers(2, 6, 6, seed=2).softmax(dim=2)
    bound = losses.jensen_shannon_bound(g, h, weights)
    true_pairs = losses.jensen_shannon_bound(g, h)
    torch.testing.assert_close(losses.jensen_shannon_bound(g, h, torch.eye(6).double()), true_pairs)
    for s in range(2):
        t = (g[s] @ h[s].T).numpy()
        joint = (weights[s].numpy() * -softplus(-t)).sum() / 6
        product = softplus(t)[~np.eye(6, dtype=bool)].mean()
        assert bound[s].item() == pytest.approx(joint - product)


def test_jensen_shannon_bound_of_a_blind_critic_is_minus_two_log_two():
    zeros = torch.zeros(1, 8, 4)
    bound = losses.jensen_shannon_bound(zeros, zeros).item()
    assert bound == pytest.approx(-2 * math.log(2)) == pytest.approx(cmimh.NO_BOUND)


def test_symmetrised_kl_is_the_mean_of_both_directions_summed_over_bits():
    z, y = numbers(2, 9, 4), numbers(2, 9, 4, seed=1)
    p, q = sigmoid(z), sigmoid(y)

    def kl(p, q):
        return (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum(axis=2)

    expected = (kl(p, q) + kl(q, p)).mean(axis=1) / 2
    np.testing.assert_allclose(losses.symmetrised_kl(z, y), expected)


def test_symmetrised_kl_is_zero_for_equal_distributions_only():
    z = numbers(1, 9, 4)
    other = z.clone()
    other[0, 0, 0] += 0.1
    assert losses.symmetrised_kl(z, z).item() == 0
    assert losses.symmetrised_kl(z, other).item() > 0


def test_symmetrised_kl_stays_finite_at_certain_bits():
    z = torch.tensor([[[200.0, -200.0]]])
    assert losses.symmetrised_kl(z, -z).item() == pytest.approx(400)


def test_permute_bits_keeps_every_marginal_and_breaks_the_rows():
    p = torch.from_numpy(np.random.default_rng(0).random((2, 40, 6)))
    keys = torch.from_numpy(np.random.default_rng(1).random((2, 40, 6)))
    permuted = losses.permute_bits(p, keys)
    assert torch.equal(permuted.sort(dim=1).values, p.sort(dim=1).values)
    rows = {tuple(row) for row in p[0].tolist()}
    assert not any(tuple(row) in rows for row in permuted[0].tolist())


def test_permute_bits_permutes_every_bit_on_its_own():
    column = torch.arange(40.0)[None, :, None].expand(1, 40, 3)
    keys = torch.from_numpy(np.random.default_rng(1).random((1, 40, 3)))
    permuted = losses.permute_bits(column, keys)[0]
    assert not torch.equal(permuted[:, 0], permuted[:, 1])
    assert not torch.equal(permuted[:, 1], permuted[:, 2])


def test_total_correlation_is_the_mean_log_odds_of_the_classifier():
    logit = numbers(2, 10, 1)
    d = sigmoid(logit)
    expected = (np.log(d) - np.log(1 - d)).mean(axis=(1, 2))
    np.testing.assert_allclose(losses.total_correlation(logit), expected)


def test_classifier_loss_is_the_logistic_loss():
    joint, product = numbers(2, 10, 1), numbers(2, 10, 1, seed=1)
    expected = -(np.log(sigmoid(joint)) + np.log(1 - sigmoid(product))).mean(axis=(1, 2)) / 2
    np.testing.assert_allclose(losses.classifier_loss(joint, product), expected)


def test_imbalance_sums_over_bits_the_distance_of_the_mean_from_one_half():
    p = torch.tensor([[[0.2, 0.9, 0.5], [0.4, 0.7, 0.5]]])
    assert losses.imbalance(p).item() == pytest.approx(0.2 + 0.3 + 0)


# the objective as a whole


def objective(weights: dict[str, float], samples: int = 0):
    """Networks of one model with their objective on one batch: (networks, total, terms)."""
    torch_generator = torch.Generator().manual_seed(0)
    networks = Networks(1, (7, 5), 4, coder=[8, 8], hidden=8, judge=8)
    networks.initialise([torch_generator])
    x = [numbers(1, 20, 7).float(), numbers(1, 20, 5, seed=1).float()]
    named = dict.fromkeys(("intra", "inter", "gap", "tc", "balance"), 0.0) | weights
    total, terms = networks.objective(
        x,
        x,
        {name: torch.tensor([value]) for name, value in named.items()},
        lambda shape: torch.rand((1, *shape), generator=torch_generator),
        samples,
    )
    total.sum().backward()
    return networks, total, terms


def moved(networks: Networks, kind: str) -> bool:
    gradients = [p.grad for p in getattr(networks, kind).parameters()]
    return any(g is not None and bool(g.any()) for g in gradients)


def test_a_weight_of_zero_leaves_its_term_out():
    networks, _, terms = objective({"inter": 1.0})
    assert set(terms) == {"bound", "balance", "loss", "mean_abs"}
    assert moved(networks, "critic") and moved(networks, "encoder")
    assert not moved(networks, "decoder") and not moved(networks, "classifier")


def test_the_total_is_the_sum_of_the_terms_as_their_networks_learn_them():
    w = {"inter": 2.0, "gap": 0.3, "balance": 0.7, "tc": 0.5}
    _, total, terms = objective(w)
    expected = (
        -terms["bound"]
        + 0.3 * terms["gap"]
        + 0.7 * terms["balance"]
        + 0.5 * terms["tc"]
        + terms["classifier"]
    )
    torch.testing.assert_close(total, expected)


def test_the_encoders_feel_tc_but_the_classifier_does_not():
    _, _, terms = objective({"tc": 1.0})
    networks, _, _ = objective({"tc": 1.0})
    small, _, _ = objective({"tc": 1e-3})
    for ours, theirs in zip(
        networks.classifier.parameters(), small.classifier.parameters(), strict=True
    ):
        torch.testing.assert_close(ours.grad, theirs.grad)
    assert moved(networks, "encoder") and "classifier" in terms


@pytest.mark.parametrize(("term", "learner"), [("intra", "decoder"), ("inter", "critic")])
def test_the_encoders_feel_a_term_by_its_weight_and_its_own_network_does_not(term, learner):
    ten, _, _ = objective({term: 10.0})
    one, _, _ = objective({term: 1.0})
    for a, b in zip(ten.encoder.parameters(), one.encoder.parameters(), strict=True):
        torch.testing.assert_close(a.grad, 10 * b.grad)
    own = [getattr(networks, learner).parameters() for networks in (ten, one)]
    for a, b in zip(*own, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("samples", [1, 5])
def test_a_critic_on_samples_trains_the_encoders_through_the_straight_pass(samples):
    networks, _, terms = objective({"inter": 1.0}, samples)
    assert moved(networks, "encoder") and torch.isfinite(terms["bound"]).all()


def test_scale_gradient_changes_the_gradient_only():
    x = numbers(3).requires_grad_()
    y = scale_gradient(x, torch.tensor(5.0))
    y.sum().backward()
    torch.testing.assert_close(y.detach(), x.detach())
    torch.testing.assert_close(x.grad, torch.full_like(x, 5))


def test_logits_start_with_mean_zero_and_the_asked_spread_whatever_the_features():
    networks = Networks(1, (7, 5), 4, coder=[8, 8], hidden=8, judge=8)
    networks.initialise([torch.Generator().manual_seed(0)])
    x = [100 * numbers(1, 200, 7).float() + 5, 0.001 * numbers(1, 200, 5).float()]
    networks.spread_logits(x, 1.5)
    for encoder, view in zip(networks.encoder, x, strict=True):
        z = encoder(view)
        torch.testing.assert_close(z.mean(dim=1), torch.zeros(1, 4), atol=1e-4, rtol=0)
        torch.testing.assert_close(z.std(dim=1), torch.full((1, 4), 1.5))


def test_a_stack_computes_what_its_members_compute_alone():
    stack = StackedMlp(3, (6, 9, 2), torch.relu)
    stack.initialise([torch.Generator().manual_seed(s) for s in range(3)], 1.0)
    x = numbers(3, 11, 6).float()
    together = stack(x)
    for s in range(3):
        torch.testing.assert_close(stack.select(s)(x[s : s + 1])[0], together[s])


# training


def precision_at_20(query, database, cluster):
    distance = (query[:, None] != database[None]).sum(axis=2)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :20]
    return (cluster[nearest] == cluster[:, None]).mean()


def test_codes_retrieve_the_other_view_far_better_than_chance(toy):
    image, text, cluster = toy
    model = CMIMH(16, 0, **SMALL).fit(image, text)
    a, b = model.encode_image(image), model.encode_text(text)
    assert a.dtype == bool and a.shape == (300, 16)
    for query, database in ((a, b), (b, a), (a, a), (b, b)):
        assert precision_at_20(query, database, cluster) > 0.8  # chance is 0.2


@pytest.mark.parametrize("variant", [{"critic": 2}, {"encoder": "linear"}, {"optimiser": "adam"}])
def test_variants_learn_too(toy, variant):
    image, text, cluster = toy
    params = SMALL | variant | ({"lr": 1e-3} if "optimiser" in variant else {})
    model = CMIMH(16, 0, **params).fit(image, text)
    codes = model.encode_image(image), model.encode_text(text)
    assert precision_at_20(*codes, cluster) > 0.5


def test_same_seed_same_bits_and_another_seed_others(toy):
    image, text, _ = toy
    first, again, other = (
        CMIMH(8, seed, **SMALL | {"epochs": 3, "w_gap": 4.0}).fit(image, text).encode_image(image)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_many_together_learn_what_each_learns_alone(toy):
    image, text, _ = toy
    variants = [{"seed": 0}, {"seed": 1}, {"seed": 1, "w_gap": 0.5, "w_tc": 0.0}]
    images = [image, image[::-1].copy(), image]
    texts = [text, text[::-1].copy(), text]
    params = SMALL | {"epochs": 6}  # rounding grows with every step
    together = [CMIMH(8, **v, **params) for v in variants]
    CMIMH.fit_many(together, images, texts)
    for model, v, x, y in zip(together, variants, images, texts, strict=True):
        alone = CMIMH(8, **v, **params).fit(x, y)
        assert (model.encode_image(image) == alone.encode_image(image)).mean() > 0.999
        assert (model.encode_text(text) == alone.encode_text(text)).mean() > 0.999


def test_models_that_differ_in_more_than_seeds_and_weights_are_refused(toy):
    image, text, _ = toy
    models = [CMIMH(8, 0, **SMALL), CMIMH(8, 0, **SMALL | {"hidden": 16})]
    with pytest.raises(InputError, match="differ in hidden"):
        CMIMH.fit_many(models, [image] * 2, [text] * 2)
    models = [CMIMH(8, seed, **SMALL) for seed in range(2)]
    with pytest.raises(InputError, match="equal shapes"):
        CMIMH.fit_many(models, [image, image[:200]], [text, text[:200]])


class Interrupted(Exception):
    pass


def test_a_resumed_fit_gives_the_codes_of_an_undisturbed_one(toy, tmp_path, monkeypatch):
    image, text, _ = toy
    monkeypatch.setattr(cmimh, "CHECKPOINT_SECONDS", 0.0)
    params = SMALL | {"epochs": 8}
    undisturbed = CMIMH(8, 3, **params).fit(image, text)

    def interrupt(record):
        if record["epoch"] == 5:
            raise Interrupted

    broken = CMIMH(8, 3, **params)
    broken.checkpoint, broken.on_epoch = tmp_path / "state.pt", interrupt
    with pytest.raises(Interrupted):
        broken.fit(image, text)
    resumed = CMIMH(8, 3, **params)
    seen = []
    resumed.checkpoint, resumed.on_epoch = tmp_path / "state.pt", seen.append
    resumed.fit(image, text)
    assert [record["epoch"] for record in seen] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert np.array_equal(resumed.encode_image(image), undisturbed.encode_image(image))
    assert np.array_equal(resumed.encode_text(text), undisturbed.encode_text(text))


def test_a_checkpoint_of_another_training_is_not_taken(toy, tmp_path):
    image, text, _ = toy
    model = CMIMH(8, 3, **SMALL)
    training = Training([model], [image], [text], torch.device("cpu"))
    training.save(tmp_path / "state.pt")
    assert training.resume(tmp_path / "state.pt")
    for other, view in ((CMIMH(8, 4, **SMALL), image), (model, image + 1)):
        foreign = Training([other], [view], [text], torch.device("cpu"))
        assert not foreign.resume(tmp_path / "state.pt")


def test_every_epoch_gives_a_json_record_of_all_terms(toy):
    image, text, _ = toy
    records = []
    model = CMIMH(8, 0, **SMALL | {"epochs": 2, "w_gap": 4.0})
    model.on_epoch = records.append
    model.fit(image, text)
    assert [json.loads(json.dumps(r))["epoch"] for r in records] == [1, 2]
    terms = {"intra", "bound", "gap", "tc", "classifier", "balance", "loss", "mean_abs"}
    assert terms <= set(records[0])


def test_a_gap_weight_that_rules_all_is_reported_as_collapse(toy):
    image, text, _ = toy
    collapsing = SMALL | {"w_intra": 0.01, "w_inter": 0.01, "w_gap": 10.0, "warm_up": 0.0}
    with pytest.raises(CollapseError, match="collapsed"):
        CMIMH(8, 0, **collapsing | {"epochs": 40}).fit(image, text)


def test_a_collapse_that_is_allowed_is_a_warning(toy, caplog):
    image, text, _ = toy
    collapsing = SMALL | {"w_intra": 0.01, "w_inter": 0.01, "w_gap": 10.0, "warm_up": 0.0}
    model = CMIMH(8, 0, **collapsing | {"epochs": 40, "may_collapse": True}).fit(image, text)
    assert "the codes collapsed" in caplog.text
    assert model.encode_image(image).shape == (len(image), 8)


def test_constant_codes_are_reported_as_collapse(toy):
    image, text, _ = toy
    model = CMIMH(8, 0, **SMALL).fit(image, text)
    model.networks_.encoder[1].biases[-1].fill_(50.0)
    assert "8 text bits constant" in model._collapse(image, text)


def test_a_rate_that_explodes_is_reported(toy):
    image, text, _ = toy
    with pytest.raises(CollapseError, match=r"learning rate|collapsed"):
        CMIMH(8, 0, **SMALL | {"lr": 1e4, "lr_decoder": 1e4}).fit(image, text)


@pytest.mark.parametrize("w_tc", [0.05, 0.0])
def test_diagnosis_measures_the_codes(toy, w_tc):
    image, text, _ = toy
    model = CMIMH(8, 0, **SMALL | {"w_tc": w_tc}).fit(image, text)
    found = model.diagnose(image, text)
    assert set(found) == {
        *("tc_image", "tc_text", "p_histogram_image", "p_histogram_text", "mi_bound", "mean_abs")
    }
    assert found["p_histogram_image"].shape == (50,)
    assert found["p_histogram_image"].sum() == pytest.approx(1)
    assert cmimh.NO_BOUND < found["mi_bound"] < 0 < found["mean_abs"] < 0.5


@pytest.mark.parametrize("flipped", [0.5, 0.1])
def test_total_correlation_in_nats_is_near_the_exact_one_of_eight_bits(flipped):
    draw = torch.Generator().manual_seed(0)
    half = torch.rand(1500, 4, generator=draw) < 0.5
    bits = torch.cat([half, half ^ (torch.rand(1500, 4, generator=draw) < flipped)], dim=1).float()
    classifier = fresh_classifier(0.02 + 0.96 * bits, 128, 128, draw)
    estimated = float(classifier(signed(0.02 + 0.96 * bits)[None]).mean())
    states = (bits.long() * 2 ** torch.arange(8)).sum(dim=1)
    exact = sum(entropy(column.long()) for column in bits.T) - entropy(states)
    assert estimated == pytest.approx(exact, abs=0.25)


def entropy(values: torch.Tensor) -> float:
    """In nats, of the frequencies of whole numbers."""
    share = torch.bincount(values).double() / len(values)
    return -float(torch.special.xlogy(share, share).sum())


def test_the_scale_of_the_features_does_not_matter(toy):
    image, text, _ = toy
    params = SMALL | {"epochs": 5}
    plain = CMIMH(8, 0, **params).fit(image, text).encode_image(image)
    scaled = CMIMH(8, 0, **params).fit(1024 * image, text / 64).encode_image(1024 * image)
    assert (plain == scaled).mean() > 0.99


def test_small_sets_train_longer_to_make_the_least_number_of_steps(toy):
    image, text, _ = toy
    seen = []
    model = CMIMH(8, 0, **SMALL | {"epochs": 2, "min_steps": 36})
    model.on_epoch = seen.append
    model.fit(image, text)
    assert len(seen) == 8  # of 5 steps each: 7 would make 35


def test_weights_of_terms_summed_over_bits_shrink_with_the_bits(toy):
    image, text, _ = toy
    weights = [
        Training([CMIMH(bits, 0, **SMALL)], [image], [text], torch.device("cpu")).weights
        for bits in (16, 64)
    ]
    for name, share in {"gap": 4, "balance": 4, "intra": 1, "inter": 1, "tc": 1}.items():
        torch.testing.assert_close(weights[0][name], share * weights[1][name])


def training(toy, **changed) -> Training:
    """One small model in training on the toy set."""
    images, texts = ([view] for view in toy[:2])
    return Training([CMIMH(8, 0, **SMALL | changed)], images, texts, torch.device("cpu"))


def test_a_share_of_the_features_is_hidden_and_the_mean_kept(toy):
    part = training(toy, hide=0.25)._part_of(torch.ones(1, 400, 500))
    assert float((part == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(part.mean()) == pytest.approx(1.0, abs=0.01)


def test_decoders_have_to_restore_what_is_hidden():
    networks = Networks(1, (7, 5), 4, coder=[8, 8], hidden=8, judge=8)
    networks.initialise([torch.Generator().manual_seed(0)])
    x = [numbers(1, 20, 7).float(), numbers(1, 20, 5, seed=1).float()]
    weights = dict.fromkeys(("inter", "gap", "tc", "balance"), torch.zeros(1))

    def restored(target):
        nothing = [torch.zeros_like(view) for view in x]
        noise = torch.Generator().manual_seed(0)
        return networks.objective(
            target,
            nothing,
            weights | {"intra": torch.ones(1)},
            lambda shape: torch.rand((1, *shape), generator=noise),
            0,
        )[1]["intra"].detach()

    assert float(restored(x)) > 10 * float(restored([0.1 * view for view in x]))


def test_nothing_hidden_is_the_view_itself(toy):
    view = torch.ones(1, 4, 5)
    assert training(toy, hide=0.0)._part_of(view) is view


def test_neighbours_are_the_pairs_most_alike_in_both_views_and_not_oneself():
    image, text = numbers(60, 7).float(), numbers(60, 5, seed=1).float()
    likeness = torch.zeros(60, 60)
    for view in (image, text):
        cosines = torch.nn.functional.cosine_similarity(view[:, None], view[None], dim=2)
        likeness += cosines / cosines.std()
    likeness.fill_diagonal_(-torch.inf)
    expected = likeness.argsort(dim=1, descending=True)[:, :4]
    assert torch.equal(nearest([image, text], 4, block=16), expected)


def test_neighbours_among_very_many_pairs_are_sought_among_evenly_spaced_ones(monkeypatch):
    monkeypatch.setattr("pipeline.methods._cmimh_training.CANDIDATES", 20)
    found = nearest([numbers(60, 7).float(), numbers(60, 5, seed=1).float()], 4)
    assert found.shape == (60, 4)
    assert not (found % 3).any()
    assert not (found == torch.arange(60)[:, None]).any()


@pytest.mark.parametrize(("pairs", "neighbors"), [(3, 2), (1, 1)])
def test_fewer_pairs_than_neighbours_are_all_neighbours(pairs, neighbors):
    views = [numbers(pairs, 7).float(), numbers(pairs, 5, seed=1).float()]
    assert nearest(views, 10).shape == (pairs, neighbors)


def test_decoders_restore_a_mixture_of_the_pair_and_its_neighbours_of_mean_square_one(toy):
    some = training(toy, smoothing=0.8, neighbors=3)
    rows = [torch.arange(300)]
    x, smoothed = some._batch(rows), some._smoothed(some._batch(rows), rows)
    for own, target in zip(x, smoothed, strict=True):
        mixed = 0.2 * own[0] + 0.8 * own[0][some.near[0]].mean(dim=1)
        torch.testing.assert_close(target[0], mixed / mixed.square().mean().sqrt())


def test_without_smoothing_decoders_restore_the_pair_itself(toy):
    some = training(toy, smoothing=0.0)
    x = some._batch([torch.arange(10)])
    assert all(a is b for a, b in zip(x, some._smoothed(x, [torch.arange(10)]), strict=True))


def test_a_pair_shares_the_joint_distribution_with_the_nearest_of_its_mini_batch():
    views = [numbers(2, 20, d, seed=d).float() for d in (7, 5)]
    weights = joint_weights(views, 0.6, 3)
    for s in range(2):
        near = nearest([view[s] for view in views], 3)
        expected = 0.4 * torch.eye(20) + torch.zeros(20, 20).scatter(1, near, 0.2)
        torch.testing.assert_close(weights[s], expected)


@pytest.mark.parametrize(("pairs", "share", "k"), [(20, 0.0, 3), (20, 0.8, 0), (1, 0.8, 3)])
def test_without_neighbours_true_pairs_alone_are_joint(pairs, share, k):
    assert joint_weights([numbers(1, pairs, 4)] * 2, share, k) is None


@pytest.mark.parametrize(
    ("wrong", "needed"),
    [
        ({"hide": 1.0}, "hide is 1.0"),
        ({"smoothing": 1.2}, "0 to 1"),
        ({"neighbors": 0}, "least 1"),
        ({"batch_neighbors": -1}, "least 0"),
    ],
)
def test_a_share_outside_its_range_is_one_sentence(wrong, needed):
    with pytest.raises(InputError, match=needed):
        CMIMH(8, 0, **wrong)


def test_fewer_rows_than_a_mini_batch_are_one_mini_batch(toy):
    image, text, _ = toy
    model = create("cmimh", bits=8, seed=0, **SMALL | {"epochs": 1, "batch_size": 500})
    assert model.fit(image, text).encode_text(text).shape == (300, 8)


def test_unfitted_and_bad_input_give_one_sentence(toy):
    image, text, _ = toy
    with pytest.raises(InputError, match="not fitted"):
        CMIMH(8, 0).encode_image(image)
    with pytest.raises(InputError, match="paired rows"):
        CMIMH.fit_many([CMIMH(8, 0, **SMALL)], [image], [text[:5]])
