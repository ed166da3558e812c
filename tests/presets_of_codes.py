"""Parameter counts and hyperparameters of presets that rest on released code alone, worked out by hand."""

from typing import Any


def up(maps: int, units: int) -> int:
    """A block that doubles: normalised, 3×3 without bias, normalised, 3×3; past it 1×1."""
    return 2 * maps + 9 * maps * units + 2 * units + 9 * units * units + units + maps * units + units


def down(maps: int, units: int) -> int:
    """A block that halves: its first convolution keeps the number of maps."""
    return 2 * maps + 9 * maps * maps + 2 * maps + 9 * maps * units + units + maps * units + units


# f-AnoGAN's code, DIM 64: 64, then 128, 256, 512 and 512 maps, 64 → 4 pixels.
OCT_PYRAMID = (9 * 64 + 64) + down(64, 128) + down(128, 256) + down(256, 512) + down(512, 512)


def judge_61(maps: int) -> int:
    """OCGAN's code: 5×5 without padding, 61 → 29 → 13 → 5 → 1; a bias in the first and in the last layer alone."""
    return (
        (25 * maps + maps) + (maps * 2 * maps * 25 + 2 * 2 * maps) + (2 * maps * 4 * maps * 25 + 2 * 4 * maps)
        + (4 * maps * 25 + 1)
    )  # fmt: skip


# ⌈√n⌉ of 351, 5393, 768, 4207, 3443 and 367 rows; columns; epochs of SO-GAAL and MO-GAAL, thrice `stop_epochs`.
GAAL = {
    "ionosphere": (19, 32, 300, 900),
    "pageblocks": (74, 10, 84, 120),
    "pima": (28, 8, 600, 750),
    "spambase": (65, 57, 120, 120),
    "waveform": (59, 21, 30, 90),
    "wdbc": (20, 30, 600, 600),
}
COUNTS: dict[tuple[str, str], dict[str, int]] = {
    ("fanogan", "oct"): {
        "generator": (128 * 8192 + 8192) + up(512, 512) + up(512, 256) + up(256, 128) + up(128, 64) + 2 * 64
        + (9 * 64 + 1),
        "discriminator": OCT_PYRAMID + 8192 + 1,
        "encoder": OCT_PYRAMID + 8192 * 128 + 128,
    },
    # ssl_bad_gan for MNIST: G 500, 500, 784; D 1000, 500, 250, 250, 250 and a logit; the last scales are learned.
    ("badgan", "mnist"): {
        "generator": (100 * 500 + 2 * 500) + (500 * 500 + 2 * 500) + (500 * 784 + 784 + 784),
        "discriminator": (784 * 1000 + 1000) + (1000 * 500 + 500) + (500 * 250 + 250) + 2 * (250 * 250 + 250)
        + (250 + 1 + 1),
    },
    # ALOCC's code, 16 first maps, 5×5: 28 → 14 → 7 → 4 with 32, 64 and 128 maps, and back with 32 and 16.
    ("alocc", "mnist"): {
        "encoder": (25 * 32 + 32 + 2 * 32) + (32 * 64 * 25 + 64 + 2 * 64) + (64 * 128 * 25 + 128 + 2 * 128),
        "generator": (128 * 32 * 25 + 32 + 2 * 32) + (32 * 16 * 25 + 16 + 2 * 16) + (16 * 25 + 1),
        "discriminator": (25 * 16 + 16) + (16 * 32 * 25 + 32 + 2 * 32) + (32 * 64 * 25 + 64 + 2 * 64)
        + (64 * 128 * 25 + 128 + 2 * 128) + (2 * 2 * 128 + 1),
    },
    # OCGAN's code, ngf 64 and ndf 12: to 16 values and back; D_l 128, 64, 32, 1.
    ("ocgan", "mnist61"): {
        "encoder": (25 * 64 + 64) + (64 * 128 * 25 + 2 * 128) + (128 * 256 * 25 + 2 * 256) + 256 * 16 * 25,
        "generator": (16 * 256 * 25 + 2 * 256) + (256 * 128 * 25 + 2 * 128) + (128 * 64 * 25 + 2 * 64) + (64 * 25 + 1),
        "discriminator": judge_61(12),
        "latent_discriminator": (16 * 128 + 128) + (128 * 64 + 64) + (64 * 32 + 32) + (32 + 1),
        "classifier": judge_61(64),
    },
    # ALAD's copy: 3×3 with 64 maps, 32 → 16, pooled to 8, and 128 units.
    ("dsebm", "cifar10"): {"energy": 27 * 64 + (64 * 64 * 128 + 128), "offset": 3072},
    # d → d → d, and D with one hidden layer; MO-GAAL has ten generators.
    **{
        (method, name): {
            "discriminator": d * units + units + units + 1,
            "generator": count * 2 * (d * d + d),
        }
        for method, count in (("sogaal", 1), ("mogaal", 10))
        for name, (units, d, _, _) in GAAL.items()
    },
}  # fmt: skip
_GAAL: dict[str, Any] = {
    "batch_size": 500,
    "lr": 0.005,  # .01 on a mean over both halves of a batch
    "beta1": 0.9,
    "prior": "uniform_01",
    "ema": 0.0,
    "scale": "minmax",
    "init": "lecun",
    "generator_lr": 1e-4,
    "optimiser": "momentum",
    "decay": 1e-6,
}
# G's last epoch is the one after `stop_epochs`: (stop_epochs + 1) / (3 stop_epochs), cut after five digits.
STOPS = {
    "ionosphere": 0.33666,  # 101 / 300
    "pageblocks": 0.34523,  # 29 / 84
    "pima": 0.335,  # 201 / 600
    "spambase": 0.34166,  # 41 / 120
    "waveform": 0.36666,  # 11 / 30
    "wdbc": 0.335,  # 201 / 600
}
RELEASED_ALONE: dict[tuple[str, str], dict[str, Any]] = {
    ("fanogan", "oct"): {
        "epochs": 7,
        "batch_size": 64,
        "lr": 1e-4,
        "beta1": 0.0,
        "beta2": 0.9,
        "latent_dim": 128,
        "ema": 0.0,
        "scale": "range",
        "init": "xavier",
        "penalty": 10.0,
        "critic_steps": 5,
        "encoder_loss": "izi_f",
        "kappa": 1.0,
        "encoder_lr": 5e-5,
        "encoder_optimiser": "rmsprop",
    },
    ("badgan", "mnist"): {
        "epochs": 2000,
        "batch_size": 100,
        "lr": 3e-3,
        "beta1": 0.5,
        "beta2": 0.9999,
        "latent_dim": 100,
        "prior": "uniform_01",
        "ema": 0.0,
        "scale": "range",
        "init": "normal_002",
        "entropy_weight": 0.0,
        "density_weight": 1e-5,
        "density_quantile": 0.1,
        "feature_weight": 1.0,
        "feature_distance": "mean_squared",
        "generator_lr": 1e-3,
        "generator_beta1": 0.0,
    },
    ("alocc", "mnist"): {
        "epochs": 40,
        "batch_size": 128,
        "lr": 2e-3,
        "latent_dim": 2048,
        "ema": 0.0,
        "scale": "range",
        "init": "normal_002",
        "residual_weight": 0.2,
        "residual_distance": "mean_squared",
        "noise": 0.31,
        "target": "noisy",
        "refine_steps": 2,
        "optimiser": "rmsprop",
    },
    ("ocgan", "mnist61"): {
        "epochs": 200,
        "batch_size": 512,
        "lr": 2e-4,
        "beta1": 0.5,
        "latent_dim": 16,
        "ema": 0.0,
        "scale": "range",
        "init": "normal_002",
        "residual_weight": 5.0,
        "latent_weight": 10.0,
        "residual_distance": "mean_squared",
        "noise": 0.2,
        "mine_from": 0.75,
        "mine_steps": 1,
        "mine_rate": 2.0,
    },
    ("dsebm", "cifar10"): {
        "batch_size": 32,
        "lr": 3e-3,
        "beta1": 0.9,
        "ema": 0.0,
        "scale": "range",
        "init": "xavier",
        "units": 128,
        "noise": 1.0,
    },
    **{
        ("sogaal", name): {**_GAAL, "epochs": epochs, "latent_dim": d, "stop": STOPS[name]}
        for name, (_, d, epochs, _) in GAAL.items()
    },
    **{
        ("mogaal", name): {**_GAAL, "epochs": epochs, "latent_dim": d, "stop": 0.3335, "generators": 10}
        for name, (_, d, _, epochs) in GAAL.items()
    },
}
