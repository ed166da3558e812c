"""DAGMM: a Gaussian mixture over an autoencoder's codes and errors, learned together with it.

::

    z = [E(x); ‖x − x'‖ / ‖x‖; cos(x, x')],  x' = G(E(x))             γ = softmax(M(z))
    φ_k = mean γ_k      μ_k = Σ γ_k z / Σ γ_k      Σ_k = Σ γ_k (z − μ_k)(z − μ_k)ᵀ / Σ γ_k
    energy(z) = −log Σ_k φ_k exp(−½ (z − μ_k)ᵀ Σ_k⁻¹ (z − μ_k)) / |2π Σ_k|^½
    L = mean ‖x − x'‖² + λ₁ mean energy(z) + λ₂ Σ_k Σ_j 1 / Σ_k,jj,   λ₁ = .1, λ₂ = .005
    A(x) = energy(z) under the φ, μ, Σ of all training rows

`joint=False` is the paper's DAGMM-NVI: the autoencoder first, then the estimator M alone.

Reference: B. Zong et al., "Deep Autoencoding Gaussian Mixture Model for Unsupervised Anomaly Detection", ICLR 2018;
code read: danieltan07/dagmm 0f79614 and ALAD's copy 1f1c310, neither by the authors.

Differs from the paper in:

* The text was not at hand; networks and figures of the preset "printed" are those that both codes and two papers agree
  on, and "released" is ALAD's copy: unscaled, with β₁ = .5. Its reconstruction error is not squared; ours is.
* The mixture is computed in float64 by Cholesky factors and logsumexp, with 10⁻⁶ on the diagonal of Σ. Both codes score
  with the mixture of the *last batch*, one adds 10⁻¹² inside the logarithm, so that energies end at 27.6, and takes
  |2πΣ|^¼ for |2πΣ|^½; the other takes √(2π|Σ|).
* The error of rows with categories, in L and in z, is the cross-entropy of those plus the distance of the numbers.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..chunks import over
from ..detector import Detector
from ..game import Batch, Player, Stage, Statistic, Terms
from ..limits import Flag, Limit
from ..networks import Family, Row
from ..registry import Info, register
from .shared import encoder_code

JITTER = 1e-6
"""Added to the diagonal of every covariance."""

Mixture = tuple[Tensor, Tensor, Tensor]
"""φ (…, K), μ (…, K, d) and Σ (…, K, d, d), float64."""


@register("dagmm")
@dataclass(eq=False, repr=False, kw_only=True)
class DAGMM(Detector):
    """Deep autoencoding Gaussian mixture (see the module's docstring).

    Parameters
    ----------
    components
        K, Gaussians of the mixture.
    energy_weight, covariance_weight
        λ₁ and λ₂.
    joint
        Learn everything at once; False: first the autoencoder, then the estimator.
    """

    latent_dim: int = 8
    components: int = 2
    energy_weight: float = 0.1
    covariance_weight: float = 0.005
    joint: bool = True

    info = Info("autoencoder and Gaussian mixture", "Zong et al., ICLR 2018", 2018, ("encoder",), source="unverified")
    scores = {"energy": {"energy": 1.0}, "residual": {"residual": 1.0}}
    limits = {
        **Detector.limits,
        "components": Limit(1, whole=True),
        "energy_weight": Limit(0),
        "covariance_weight": Limit(0),
        "joint": Flag(),
    }
    unused = ("prior",)

    def build(self, make: Family) -> dict[str, nn.Module]:
        """E, G, M and the mixture."""
        k, d = self.components, self.latent_dim + 2
        # Until a fit has ended: one Gaussian of spread 1, k times.
        mixture = Statistic(
            weight=torch.full((k,), 1.0 / k, dtype=torch.float64),
            mean=torch.zeros(k, d, dtype=torch.float64),
            covariance=torch.eye(d, dtype=torch.float64).repeat(k, 1, 1),
        )
        hidden = Row("dense", 10, act="tanh", dropout=0.5)
        return {
            "encoder": make.encoder(),
            "generator": make.generator(),
            "estimator": make.vectors("estimator", [hidden, Row("dense", k)], d, k),
            "mixture": mixture,
        }

    def stages(self) -> list[Stage]:
        """One player, or two that follow each other."""
        both = ("encoder", "generator")
        if self.joint:
            return [Stage((Player((*both, "estimator"), self.loss, self.adam),))]
        return [
            Stage((Player(both, self.reconstruction, self.adam),), "autoencoder"),
            Stage((Player(("estimator",), self.mixing, self.adam, others="eval"),), "estimator"),
        ]

    def loss(self, nets: Any, batch: Batch) -> Terms:
        """L."""
        return self.reconstruction(nets, batch) | self.mixing(nets, batch)

    def reconstruction(self, nets: Any, batch: Batch) -> Terms:
        """‖x − x'‖²."""
        return {"residual": self.residual(batch.x, nets.generator(nets.encoder(batch.x)), "l2_squared")}

    def mixing(self, nets: Any, batch: Batch) -> Terms:
        """The weighted energy under the batch's own mixture, and the penalty of narrow Gaussians."""
        z = self.described(nets, batch.x)
        shares = torch.softmax(nets.estimator(z), 1).double()
        z = z.double().view(batch.members, -1, z.shape[1])
        mixture = mixture_of(z, shares.view(batch.members, -1, self.components))
        narrow = (1.0 / mixture[2].diagonal(dim1=-2, dim2=-1)).flatten(1).sum(1)
        return {
            "energy": self.energy_weight * energy(z, mixture).flatten(),
            "covariance": self.covariance_weight * narrow.repeat_interleave(z.shape[1]),
        }

    def described(self, nets: Any, x: Tensor) -> Tensor:
        """z, (n, latent_dim + 2)."""
        code = nets.encoder(x)
        remade = nets.generator(code)
        relative = self.residual(x, remade, "l2") / x.flatten(1).norm(dim=1).clamp_min(1e-6)
        return torch.cat([code, relative[:, None], F.cosine_similarity(x.flatten(1), remade.flatten(1))[:, None]], 1)

    def finish(self, nets: Any, rows: Any) -> None:
        """φ, μ and Σ of all training rows."""

        def described(x: Tensor) -> dict[str, Tensor]:
            z = self.described(nets, x)
            return {"z": z.double(), "shares": torch.softmax(nets.estimator(z), 1).double()}

        found = over(rows, described)
        weight, mean, covariance = mixture_of(found["z"], found["shares"])
        nets.mixture.weight.copy_(weight)
        nets.mixture.mean.copy_(mean)
        nets.mixture.covariance.copy_(covariance)

    code = encoder_code

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """The energy, and ‖x − x'‖₁."""
        held = nets.mixture
        return {
            "energy": energy(self.described(nets, x).double(), (held.weight, held.mean, held.covariance)),
            "residual": self.residual(x, nets.generator(nets.encoder(x))),
        }


def mixture_of(z: Tensor, shares: Tensor) -> Mixture:
    """φ, μ and Σ of rows z, (…, n, d), of which `shares`, (…, n, K), belong to each Gaussian."""
    total = shares.sum(-2).clamp_min(1e-12)
    mean = shares.mT @ z / total[..., None]
    apart = z.unsqueeze(-3) - mean.unsqueeze(-2)
    covariance = (shares.mT[..., None] * apart).mT @ apart / total[..., None, None]
    return shares.mean(-2), mean, covariance + JITTER * torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)


def energy(z: Tensor, mixture: Mixture) -> Tensor:
    """−log of the mixture's density at each row, (…, n, d) → (…, n)."""
    weight, mean, covariance = mixture
    # Not `cholesky`, which stops for one matrix that is none: here one member's is NaN then, and the others go on.
    factor, failed = torch.linalg.cholesky_ex(covariance)
    factor = torch.where(failed[..., None, None] > 0, torch.nan, factor)
    d = z.shape[-1]
    inverse = torch.linalg.solve_triangular(factor, torch.eye(d, dtype=z.dtype, device=z.device), upper=False)
    apart = z.unsqueeze(-3) - mean.unsqueeze(-2)
    # Products and sums of each row alone: a matrix product may round a row by its place among the others.
    white = (apart.unsqueeze(-2) * inverse.unsqueeze(-3)).sum(-1)
    spread = 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) + d * math.log(2.0 * math.pi)
    each = weight.clamp_min(1e-300).log() - 0.5 * spread
    return -torch.logsumexp(each.unsqueeze(-1) - 0.5 * white.square().sum(-1), -2)
