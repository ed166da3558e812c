"""The presets against the papers' tables: shapes, counts and hyperparameters, worked out by hand."""

from typing import Any

import numpy as np
import pytest
import torch

from ringfence import ALAD, EGBAD, GAN, AnoGAN, FenceGAN, methods, presets
from ringfence.detector import Detector
from ringfence.exceptions import InvalidParameter
from ringfence.game import Nets, stream
from ringfence.networks import INITIALISERS, Maker, family_for
from ringfence.networks.layers import Conv2d, ConvTranspose2d, Dropout, LeakyReLU, Linear

WIDTHS = {"kdd99": (121,), "mnist": (1, 28, 28)}
PRESETS = [(m, n, v) for m in methods() for n, variants in presets.names(m).items() for v in variants]
IDS = ["-".join(p) for p in PRESETS]


def networks(det: Detector, shape: tuple[int, ...]) -> Nets:
    make = Maker(INITIALISERS[det.init], [stream(0)], lambda count: torch.zeros(count, det.latent_dim))
    return Nets(det.build(family_for(shape)(shape, det.latent_dim, det.layers, make)))


def count(net: Any) -> int:
    return sum(p.numel() for p in net.parameters())


def weights(net: Any) -> list[tuple[int, ...]]:
    """Shapes of the weights without the member axis, in the order of the layers."""
    return [tuple(m.weight.shape[1:]) for m in net.modules() if isinstance(m, Linear | Conv2d | ConvTranspose2d)]


def dropouts(net: Any) -> list[float]:
    return [m.share for m in net.modules() if isinstance(m, Dropout)]


def slopes(net: Any) -> set[float]:
    return {m.slope for m in net.modules() if isinstance(m, LeakyReLU)}


def kinds(net: Any) -> list[str]:
    """Layers in order, without reshaping."""
    names = [type(m).__name__ for m in net.modules() if not list(m.children())]
    return [n for n in names if n not in ("Reshape", "ModuleList")]


# A dense layer has in · out weights and out biases, a convolution in · out · k² and out; batch norm 2 · channels.
KDD_GENERATOR = 32 * 64 + 64 + 64 * 128 + 128 + 128 * 121 + 121  # 26,041
MNIST_GENERATOR = (
    (200 * 1024 + 1024)  # Dense 1024
    + 2 * 1024  # BN
    + (1024 * 6272 + 6272)  # Dense 7·7·128 = 6272
    + 2 * 128  # BN over the 128 maps
    + (128 * 64 * 16 + 64)  # Transposed convolution 4 × 4, 64
    + 2 * 64
    + (64 * 1 * 16 + 1)  # Transposed convolution 4 × 4, 1
)  # 6,770,369
GANOMALY_PYRAMID = 16 * 64 + (64 * 128 * 16 + 2 * 128) + (128 * 256 * 16 + 2 * 256)  # batch norm from the second on
COUNTS = {
    # arXiv 1802.06222, Table 5: G 64, 128, 121; D 256, 128, 128, 1.
    ("anogan", "kdd99"): {
        "generator": KDD_GENERATOR,
        "discriminator": 121 * 256 + 256 + 256 * 128 + 128 + 128 * 128 + 128 + 128 * 1 + 1,  # 80,769
    },
    # Table 6: E 64, 32; D(x) 128, D(z) 128, joined 256 → 128 → 1.
    ("egbad", "kdd99"): {
        "generator": KDD_GENERATOR,
        "encoder": 121 * 64 + 64 + 64 * 32 + 32,  # 9,888
        "discriminator": (121 * 128 + 128) + (32 * 128 + 128) + (256 * 128 + 128) + (128 + 1),  # 52,865
    },
    # ALAD's code: E 64, 32; D(x) 128 with batch norm, D(z) 128, joined 256 → 128 → 1; D(x, x') 242 → 128 → 1;
    # D(z, z') 64 → 32 → 1.
    ("alad", "kdd99"): {
        "generator": KDD_GENERATOR,
        "encoder": 121 * 64 + 64 + 64 * 32 + 32,
        "discriminator": (121 * 128 + 128) + 2 * 128 + (32 * 128 + 128) + (256 * 128 + 128) + (128 + 1),
        "discriminator_xx": (242 * 128 + 128) + (128 + 1),
        "discriminator_zz": (64 * 32 + 32) + (32 + 1),
    },
    # DAGMM: 60, 30, 10, 1 and back; the estimator takes the code and two errors, 10, 4.
    ("dagmm", "kdd99"): {
        "encoder": 121 * 60 + 60 + 60 * 30 + 30 + 30 * 10 + 10 + 10 + 1,
        "generator": 10 + 10 + 10 * 30 + 30 + 30 * 60 + 60 + 60 * 121 + 121,
        "estimator": 3 * 10 + 10 + 10 * 4 + 4,
    },
    # Fence GAN, Table IV: G 64, 128, 121; D 256, 128, 128, 1.
    ("fencegan", "kdd99"): {
        "generator": KDD_GENERATOR,
        "discriminator": 121 * 256 + 256 + 256 * 128 + 128 + 128 * 128 + 128 + 128 * 1 + 1,
    },
    # Table 3: 28 → 14 → 7, 64 maps at the end: 7 · 7 · 64 = 3136.
    ("anogan", "mnist"): {
        "generator": MNIST_GENERATOR,
        "discriminator": (16 * 64 + 64)
        + (64 * 64 * 16 + 64)
        + 2 * 64
        + (3136 * 1024 + 1024)
        + 2 * 1024
        + (1024 + 1),  # 3,283,265
    },
    # Table 4: E 28 → 28 (stride 1) → 14 → 7, 7 · 7 · 128 = 6272; D joins 3136 and 512.
    ("egbad", "mnist"): {
        "generator": MNIST_GENERATOR,
        "encoder": (9 * 32 + 32) + (32 * 64 * 9 + 64) + 2 * 64 + (64 * 128 * 9 + 128) + 2 * 128 + (6272 * 200 + 200),
        "discriminator": (16 * 64 + 64)
        + (64 * 64 * 16 + 64)
        + 2 * 64
        + (200 * 512 + 512)
        + ((3136 + 512) * 1024 + 1024)
        + (1024 + 1),
    },
    # GANomaly's code, no bias: 28 → 14 → 7 → 4 with 64, 128 and 256 maps, and back; 4 · 4 · 256 = 4096.
    ("ganomaly", "mnist"): {
        "encoder": GANOMALY_PYRAMID + 4096 * 100,
        "generator": (100 * 4096 + 2 * 256) + (256 * 128 * 16 + 2 * 128) + (128 * 64 * 16 + 2 * 64) + 64 * 16,
        "second_encoder": GANOMALY_PYRAMID + 4096 * 100,
        "discriminator": GANOMALY_PYRAMID + 4096,
    },
    # Fence GAN, Table II: as Table 3 without batch norm in D.
    ("fencegan", "mnist"): {
        "generator": MNIST_GENERATOR,
        "discriminator": (16 * 64 + 64) + (64 * 64 * 16 + 64) + (3136 * 1024 + 1024) + (1024 + 1),
    },
}


def test_every_preset_of_every_method_is_in_the_tables_here() -> None:
    assert {(m, n) for m, n, _ in PRESETS} == set(COUNTS)


@pytest.mark.parametrize(("method", "name", "variant"), PRESETS, ids=IDS)
def test_parameter_counts_are_the_papers(method: str, name: str, variant: str) -> None:
    nets = networks(methods()[method].preset(name, variant), WIDTHS[name])
    learned = {k: count(net) for k, net in nets.named_children() if count(net)}
    assert learned == COUNTS[method, name]


def test_egbad_kdd99_is_table_6() -> None:
    nets = networks(EGBAD.preset("kdd99"), (121,))
    assert weights(nets.encoder) == [(64, 121), (32, 64)]
    assert weights(nets.generator) == [(64, 32), (128, 64), (121, 128)]
    # D(x), D(z), then D(x, z) on both.
    assert weights(nets.discriminator) == [(128, 121), (128, 32), (128, 256), (1, 128)]
    assert kinds(nets.encoder) == ["Linear", "LeakyReLU", "Linear"]
    assert kinds(nets.generator) == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert kinds(nets.discriminator) == [*["Linear", "LeakyReLU", "Dropout"] * 3, "Linear"]
    assert dropouts(nets.discriminator) == [0.2, 0.2, 0.2]
    assert slopes(nets) == {0.1}


def test_egbad_mnist_is_table_4() -> None:
    nets = networks(EGBAD.preset("mnist"), (1, 28, 28))
    assert weights(nets.encoder) == [(32, 1, 3, 3), (64, 32, 3, 3), (128, 64, 3, 3), (200, 6272)]
    conv = [m.stride for m in nets.encoder.modules() if isinstance(m, Conv2d)]
    assert conv == [1, 2, 2]
    assert kinds(nets.encoder) == ["Conv2d", *["Conv2d", "BatchNorm", "LeakyReLU"] * 2, "Linear"]
    assert_mnist_generator(nets.generator)
    assert weights(nets.discriminator) == [(64, 1, 4, 4), (64, 64, 4, 4), (512, 200), (1024, 3648), (1, 1024)]
    assert kinds(nets.discriminator) == [
        *["Conv2d", "LeakyReLU"],
        *["Conv2d", "BatchNorm", "LeakyReLU"],
        *["Linear", "LeakyReLU"],  # D(z)
        *["Linear", "LeakyReLU", "Linear"],
    ]
    assert slopes(nets) == {0.1}


def test_alad_kdd99_is_that_of_its_code() -> None:
    nets = networks(ALAD.preset("kdd99"), (121,))
    # D(x) alone is normalised; every layer for z or for pairs is dropped from.
    branches = [*["Linear", "BatchNorm", "LeakyReLU"], *["Linear", "LeakyReLU", "Dropout"]]
    assert kinds(nets.discriminator) == [*branches, *["Linear", "LeakyReLU", "Dropout"], "Linear"]
    assert dropouts(nets.discriminator) == [0.5, 0.5]
    for judge in (nets.discriminator_xx, nets.discriminator_zz):
        assert kinds(judge) == ["Linear", "LeakyReLU", "Dropout", "Linear"]
        assert dropouts(judge) == [0.2]
    assert slopes(nets) == {0.2}


def test_anogan_kdd99_is_table_5() -> None:
    nets = networks(AnoGAN.preset("kdd99"), (121,))
    assert weights(nets.generator) == [(64, 32), (128, 64), (121, 128)]
    assert weights(nets.discriminator) == [(256, 121), (128, 256), (128, 128), (1, 128)]
    assert kinds(nets.discriminator) == [*["Linear", "LeakyReLU", "Dropout"] * 3, "Linear"]
    assert dropouts(nets.discriminator) == [0.2, 0.2, 0.2]
    assert dropouts(nets.generator) == []
    assert slopes(nets) == {0.1}


def test_anogan_mnist_is_table_3() -> None:
    nets = networks(AnoGAN.preset("mnist"), (1, 28, 28))
    assert_mnist_generator(nets.generator)
    assert weights(nets.discriminator) == [(64, 1, 4, 4), (64, 64, 4, 4), (1024, 3136), (1, 1024)]
    assert kinds(nets.discriminator) == [
        *["Conv2d", "LeakyReLU"],
        *["Conv2d", "BatchNorm", "LeakyReLU"],
        *["Linear", "BatchNorm", "LeakyReLU"],
        "Linear",
    ]
    assert slopes(nets) == {0.1}


def test_fencegan_kdd99_is_table_iv() -> None:
    nets = networks(FenceGAN.preset("kdd99"), (121,))
    # Dropout .2 on the generator's hidden layers; the discriminator has none.
    assert kinds(nets.generator) == [*["Linear", "ReLU", "Dropout"] * 2, "Linear"]
    assert dropouts(nets.generator) == [0.2, 0.2]
    assert weights(nets.discriminator) == [(256, 121), (128, 256), (128, 128), (1, 128)]
    assert kinds(nets.discriminator) == [*["Linear", "LeakyReLU"] * 3, "Linear"]
    assert slopes(nets) == {0.1}


def test_fencegan_mnist_is_table_ii() -> None:
    nets = networks(FenceGAN.preset("mnist"), (1, 28, 28))
    assert_mnist_generator(nets.generator)
    assert weights(nets.discriminator) == [(64, 1, 4, 4), (64, 64, 4, 4), (1024, 3136), (1, 1024)]
    assert kinds(nets.discriminator) == [*["Conv2d", "LeakyReLU"] * 2, "Linear", "LeakyReLU", "Linear"]
    assert slopes(nets) == {0.1}
    # The released code normalises after the ReLU.
    released = networks(FenceGAN.preset("mnist", "released"), (1, 28, 28))
    assert kinds(released.generator)[:6] == [*["Linear", "ReLU", "BatchNorm"] * 2]


def assert_mnist_generator(generator: Any) -> None:
    """Tables 3, 4 and II have the same one: Dense 1024, Dense 7·7·128, two transposed convolutions 4 × 4 by 2."""
    # Dense weights are (out, in), those of transposed convolutions (in, out, k, k).
    assert weights(generator) == [(1024, 200), (6272, 1024), (128, 64, 4, 4), (64, 1, 4, 4)]
    assert kinds(generator) == [
        *["Linear", "BatchNorm", "ReLU"] * 2,
        *["ConvTranspose2d", "BatchNorm", "ReLU"],
        *["ConvTranspose2d", "Tanh"],
    ]
    assert [m.size_out for m in generator.modules() if isinstance(m, ConvTranspose2d)] == [(14, 14), (28, 28)]
    # TensorFlow's constants: it keeps .99 of the running values, and adds .001 to the variance.
    norms = [m for m in generator.modules() if type(m).__name__ == "BatchNorm"]
    assert {(m.momentum, m.eps) for m in norms} == {(0.01, 1e-3)}


# What the tables print under the layers, and the texts beside them.
PRINTED: dict[tuple[str, str], dict[str, Any]] = {
    # Table 6; decay .9999 of the averages: appendix A. Min-max scaling: appendix D.
    ("egbad", "kdd99"): {
        "epochs": 50,
        "batch_size": 50,
        "lr": 1e-5,
        "beta1": 0.5,
        "latent_dim": 32,
        "ema": 0.9999,
        "ema_warmup": False,
        "scale": "minmax",
        "init": "xavier",
    },
    # Table 4; decay .999: appendix A. Pixels in [-1, 1]: appendix C.
    ("egbad", "mnist"): {
        "epochs": 100,
        "batch_size": 100,
        "lr": 1e-5,
        "beta1": 0.5,
        "latent_dim": 200,
        "ema": 0.999,
        "ema_warmup": False,
        "scale": "range",
        "init": "normal_002",
    },
    # Table 5; 500 iterations of the search: appendix A. Rates of the search: the released code's.
    ("anogan", "kdd99"): {
        "epochs": 50,
        "batch_size": 50,
        "lr": 1e-5,
        "beta1": 0.5,
        "latent_dim": 32,
        "ema": 0.9999,
        "ema_warmup": False,
        "scale": "minmax",
        "init": "xavier",
        "steps": 500,
        "restarts": 1,
        "search_rates": [0.01, 0.001, 0.0005],
        "search_until": [300, 400],
    },
    # Table 3.
    ("anogan", "mnist"): {
        "epochs": 100,
        "batch_size": 100,
        "lr": 1e-5,
        "beta1": 0.5,
        "latent_dim": 200,
        "ema": 0.999,
        "ema_warmup": False,
        "scale": "range",
        "init": "normal_002",
        "steps": 500,
        "restarts": 1,
        "search_rates": [0.01, 0.001, 0.0005],
        "search_until": [200, 300],
    },
    # The code's run on KDD99; min-max scaling as in EGBAD's text.
    ("alad", "kdd99"): {
        "epochs": 100,
        "batch_size": 50,
        "lr": 1e-5,
        "beta1": 0.5,
        "latent_dim": 32,
        "ema": 0.999,
        "ema_warmup": False,
        "scale": "minmax",
        "init": "xavier",
    },
    # Table IV; batch 256: §IV.D. No β₁ is printed: Keras' .9.
    ("fencegan", "kdd99"): {
        "epochs": 50,
        "batch_size": 256,
        "lr": 1e-4,
        "beta1": 0.9,
        "discriminator_lr": 8e-6,
        "discriminator_optimiser": "sgd",
        "decay": 1e-3,
        "latent_dim": 32,
        "ema": 0.0,
        "scale": "minmax",
        "init": "xavier",
        "alpha": 0.5,
        "beta": 30.0,
        "gamma": 0.5,
        "encirclement": "log_distance",
    },
    # §4: rate (e as in 2 · 10⁻³), momentums, epochs, λ. Batch, z and initialisation: the released code's.
    ("ganomaly", "mnist"): {
        "epochs": 15,
        "batch_size": 64,
        "lr": 2e-3,
        "beta1": 0.5,
        "latent_dim": 100,
        "ema": 0.0,
        "scale": "range",
        "init": "normal_002",
        "adversarial_weight": 1.0,
        "residual_weight": 50.0,
        "code_weight": 1.0,
        "adversarial_distance": "l2",
        "residual_distance": "l1",
        "code_distance": "l1",
    },
    # Table II.
    ("fencegan", "mnist"): {
        "epochs": 100,
        "batch_size": 200,
        "lr": 2e-5,
        "beta1": 0.9,
        "discriminator_lr": 1e-5,
        "decay": 1e-4,
        "latent_dim": 200,
        "ema": 0.0,
        "scale": "range",
        "init": "normal_002",
        "alpha": 0.1,
        "beta": 30.0,
        "gamma": 0.1,
        "encirclement": "log_distance",
    },
}


@pytest.mark.parametrize(("method", "name"), PRINTED)
def test_printed_hyperparameters_are_the_papers(method: str, name: str) -> None:
    found = presets.parameters(method, name, "printed")
    found.pop("layers")
    assert found == PRINTED[method, name]


def test_a_printed_fence_gan_plays_algorithm_1() -> None:
    # What the preset leaves to the defaults must be the paper's too.
    for name, rate, kind in (("kdd99", 8e-6, "sgd"), ("mnist", 1e-5, "adam")):
        det = FenceGAN.preset(name)
        assert (det.dispersion, det.pretrain_epochs, det.apart, det.prior) == ("l2", 0, False, "normal")
        generator, judge = det.stages()[-1].players
        assert (generator.nets, judge.nets) == (("generator",), ("discriminator",))
        assert (judge.optim.kind, judge.optim.lr, generator.optim.kind) == (kind, rate, "adam")
        assert generator.optim.lr == det.lr
        assert generator.optim.decay == judge.optim.decay == det.decay


# What the released codes do otherwise, and nothing else (each method's docstring says the same).
RELEASED: dict[tuple[str, str], dict[str, Any]] = {
    ("alad", "kdd99"): {"scale": "none", "own_rows": True},
    ("egbad", "kdd99"): {"scale": "none", "own_rows": True},
    ("egbad", "mnist"): {"own_rows": True, "layers": {"encoder", "discriminator"}},
    ("anogan", "kdd99"): {"scale": "none"},
    ("ganomaly", "mnist"): {
        "lr": 2e-4,
        "adversarial_distance": "mean_squared",
        "residual_distance": "mean_absolute",
        "code_distance": "mean_squared",
        "score_kind": "code_squared",
    },
    ("fencegan", "kdd99"): {"encirclement": "cross_entropy", "pretrain_epochs": 15, "apart": True},
    ("fencegan", "mnist"): {
        "encirclement": "cross_entropy",
        "pretrain_epochs": 15,
        "apart": True,
        "beta1": 0.5,
        "decay": 0.0,
        "layers": {"generator"},
    },
}


@pytest.mark.parametrize(("method", "name"), RELEASED)
def test_released_differs_from_printed_as_the_docstring_says_and_nowhere_else(method: str, name: str) -> None:
    cls = methods()[method]
    printed, released = cls.preset(name).get_params(deep=False), cls.preset(name, "released").get_params(deep=False)
    tables = {n: (printed["layers"][n], released["layers"][n]) for n in printed["layers"]}
    assert printed["layers"].keys() == released["layers"].keys()
    changed = {k: v for k, v in released.items() if v != printed[k] and k != "layers"}
    other = {n for n, (one, two) in tables.items() if one != two}
    assert changed | ({"layers": other} if other else {}) == RELEASED[method, name]


def test_released_variants_are_all_checked() -> None:
    assert {(m, n) for m, n, v in PRESETS if v != "printed"} == set(RELEASED)


def test_released_egbad_mnist_adds_dropout_and_one_activation() -> None:
    nets = networks(EGBAD.preset("mnist", "released"), (1, 28, 28))
    assert kinds(nets.encoder)[:2] == ["Conv2d", "LeakyReLU"]
    assert dropouts(nets.discriminator) == [0.5] * 4
    assert kinds(nets.discriminator) == [
        *["Conv2d", "LeakyReLU", "Dropout"],
        *["Conv2d", "BatchNorm", "LeakyReLU", "Dropout"],
        *["Linear", "LeakyReLU", "Dropout"],
        *["Linear", "LeakyReLU", "Dropout", "Linear"],
    ]


@pytest.mark.parametrize(("method", "name", "variant"), PRESETS, ids=IDS)
def test_a_preset_fits_and_scores(method: str, name: str, variant: str) -> None:
    given = (121,) if name == "kdd99" else (28, 28)
    # 130 rows of the weight of a picture would take seconds: 6 do, in chunks of 128.
    X = np.random.default_rng(0).uniform(0, 255, (6, *given))
    det = methods()[method].preset(name, variant).set_params(epochs=1, random_state=0)
    if method == "anogan":
        det.set_params(steps=2, search_rates=(0.1,), search_until=())
    if method == "fencegan":
        det.set_params(pretrain_epochs=min(det.pretrain_epochs, 1))
    scores = det.fit(X).anomaly_score(X)
    assert scores.shape == (6,)
    assert np.isfinite(scores).all()
    assert not hasattr(det, "sample") or det.sample(2, random_state=0).shape == (2, *given)


@pytest.mark.parametrize(("method", "name", "variant"), PRESETS, ids=IDS)
def test_a_preset_refuses_rows_of_another_width(method: str, name: str, variant: str) -> None:
    given = (120,) if name == "kdd99" else (24, 24)
    with pytest.raises(InvalidParameter, match="is this preset for another data set") as caught:
        methods()[method].preset(name, variant).fit(np.random.default_rng(0).uniform(size=(4, *given)))
    assert "\n" not in str(caught.value)
    assert str(given[0]) in str(caught.value)


@pytest.mark.parametrize(("method", "name", "variant"), PRESETS, ids=IDS)
def test_a_preset_for_another_kind_of_rows_is_refused_in_one_line(method: str, name: str, variant: str) -> None:
    given = (8, 8) if name == "kdd99" else (784,)
    with pytest.raises(InvalidParameter) as caught:
        methods()[method].preset(name, variant).fit(np.random.default_rng(0).uniform(size=(4, *given)))
    assert "\n" not in str(caught.value)


def test_a_method_without_presets_says_so() -> None:
    with pytest.raises(InvalidParameter, match=r"preset='mnist': gan has no presets"):
        GAN.preset("mnist")


def test_unknown_presets_and_variants_are_named_with_the_nearest() -> None:
    with pytest.raises(InvalidParameter, match="unknown preset of egbad 'kdd98': did you mean 'kdd99'"):
        EGBAD.preset("kdd98")
    with pytest.raises(InvalidParameter, match="'releasd': did you mean 'released'"):
        EGBAD.preset("kdd99", "releasd")


@pytest.mark.parametrize(
    ("method", "figures"),
    # EGBAD paper, Table 1; Fence GAN paper, Table I.
    [
        ("alad", (0.9427, 0.9577, 0.9501)),
        ("egbad", (0.9200, 0.9582, 0.9372)),
        ("anogan", (0.7790, 0.7914, 0.7852)),
        ("fencegan", (0.9546, 0.9697, 0.9553)),
    ],
)
def test_published_figures_are_the_papers(method: str, figures: tuple[float, ...]) -> None:
    published = presets.entry(method, "kdd99", "printed")["published"]
    assert (published["precision"], published["recall"], published["f1"]) == figures
    assert published["score"] in methods()[method].scores


def test_a_preset_is_handed_out_anew_each_time() -> None:
    one = EGBAD.preset("kdd99")
    one.layers["encoder"][0]["units"] = 7
    assert EGBAD.preset("kdd99").layers["encoder"][0]["units"] == 64
