"""ringfence: anomaly detection with generative adversarial networks."""

__version__ = "0.1.0"

from .exceptions import (
    InvalidData,
    InvalidModel,
    InvalidParameter,
    MissingExtra,
    RingfenceError,
    TrainingDiverged,
)
from .frame import Frame
from .methods import (
    AAE,
    ADGAN,
    ALAD,
    ALOCC,
    DAGMM,
    DSEBM,
    EGBAD,
    GAN,
    GPND,
    LAD,
    MOGAAL,
    OCGAN,
    SOGAAL,
    VAE,
    AnoGAN,
    AutoEncoder,
    BadGAN,
    DeepSVDD,
    FAnoGAN,
    FenceGAN,
    GANomaly,
    GoodBadGAN,
    MinLGAN,
    SkipGANomaly,
)
from .persist import load
from .picture_detector import PictureDetector
from .registry import methods
from .views import Pad, Patches, Resize

__all__ = [
    "AAE",
    "ADGAN",
    "ALAD",
    "ALOCC",
    "DAGMM",
    "DSEBM",
    "EGBAD",
    "GAN",
    "GPND",
    "LAD",
    "MOGAAL",
    "OCGAN",
    "SOGAAL",
    "VAE",
    "AnoGAN",
    "AutoEncoder",
    "BadGAN",
    "DeepSVDD",
    "FAnoGAN",
    "FenceGAN",
    "Frame",
    "GANomaly",
    "GoodBadGAN",
    "InvalidData",
    "InvalidModel",
    "InvalidParameter",
    "MinLGAN",
    "MissingExtra",
    "Pad",
    "Patches",
    "PictureDetector",
    "Resize",
    "RingfenceError",
    "SkipGANomaly",
    "TrainingDiverged",
    "load",
    "methods",
]
