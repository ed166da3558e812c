"""ringfence: anomaly detection with generative adversarial networks."""

__version__ = "0.1.0"

from .exceptions import InvalidData, InvalidModel, InvalidParameter, RingfenceError, TrainingDiverged
from .methods import EGBAD, GAN, AnoGAN, FenceGAN
from .persist import load
from .registry import methods

__all__ = [
    "EGBAD",
    "GAN",
    "AnoGAN",
    "FenceGAN",
    "InvalidData",
    "InvalidModel",
    "InvalidParameter",
    "RingfenceError",
    "TrainingDiverged",
    "load",
    "methods",
]
