"""PyOD's ALAD (extra `bench`) with the widths of the KDD99 networks and ALAD's own discriminators."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kdd99 import ENCODER, GENERATOR, LATENT


def alad(rows: NDArray[Any], batch: int) -> Any:
    """One that has seen the rows, after a single step: its networks exist, and `train_step` goes on."""
    from pyod.models.alad import ALAD

    made = ALAD(
        latent_dim=LATENT, enc_layers=list(ENCODER[1:-1]), dec_layers=list(GENERATOR[1:-1]), batch_size=batch, epochs=1,
        disc_xz_layers=[128, 128], disc_xx_layers=[128], disc_zz_layers=[128], activation_hidden_gen="relu",
        activation_hidden_disc="relu", learning_rate_gen=1e-5, learning_rate_disc=1e-5,
    )  # fmt: skip
    return made.fit(rows.astype(np.float64))
