"""One file a method; its import line here registers it."""

from .aae import AAE
from .adgan import ADGAN
from .alad import ALAD
from .alocc import ALOCC
from .anogan import AnoGAN
from .autoencoder import AutoEncoder
from .badgan import BadGAN
from .dagmm import DAGMM
from .deep_svdd import DeepSVDD
from .dsebm import DSEBM
from .egbad import EGBAD
from .fanogan import FAnoGAN
from .fence_gan import FenceGAN
from .gan import GAN
from .ganomaly import GANomaly
from .good_bad_gan import GoodBadGAN
from .gpnd import GPND
from .lad import LAD
from .minlgan import MinLGAN
from .mogaal import MOGAAL
from .ocgan import OCGAN
from .skip_ganomaly import SkipGANomaly
from .sogaal import SOGAAL
from .vae import VAE

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
    "GANomaly",
    "GoodBadGAN",
    "MinLGAN",
    "SkipGANomaly",
]
