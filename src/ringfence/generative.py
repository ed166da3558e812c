"""The trained GAN as a generator: rows drawn, encoded, remade, and the way from one latent vector to another."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .exceptions import InvalidData
from .game import NOISE, PRIORS, Nets, drawn_seed, stream
from .intake import returned
from .limits import Limit, Seed, check_limits
from .networks import Generators
from .preprocess import Preprocess

if TYPE_CHECKING:
    from .detector import Detector

# Below it the sine in the denominator is rounding: the vectors point the same way, or opposite ways.
PARALLEL = 1e-6


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation from `a` to `b` (Shoemake 1985).

    With Ω the angle between them, (sin((1 − t)Ω) a + sin(tΩ) b) / sin Ω; a straight line where one is zero or both are
    parallel.

    Parameters
    ----------
    a, b
        (d,).
    t
        (n,), 0 at `a` and 1 at `b`.

    Returns
    -------
    (n, d)
    """
    norms = torch.linalg.vector_norm(a) * torch.linalg.vector_norm(b)
    angle = torch.arccos((a @ b / norms).clamp(-1.0, 1.0)) if norms else torch.zeros(())
    sine = float(torch.sin(angle))
    straight = sine < PARALLEL
    from_a, from_b = (1 - t, t) if straight else (torch.sin((1 - t) * angle) / sine, torch.sin(t * angle) / sine)
    return from_a[:, None] * a + from_b[:, None] * b


def straight(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Straight line from `a` to `b`; shapes as in `slerp`."""
    return (1 - t)[:, None] * a + t[:, None] * b


WAYS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "normal": slerp,
    "hypersphere": slerp,
    "uniform": straight,
    "uniform_01": straight,
    "truncated_normal": straight,
}
"""Ways from one latent vector to another that stay where the prior has its mass: near a sphere, or within a box."""


def _draws(self: "Generative") -> bool:
    return "prior" not in self.unused


def _encodes(self: "Generative") -> bool:
    return hasattr(self, "code")


def _remakes(self: "Generative") -> bool:
    return hasattr(self, "remade") or _encodes(self)


def _decodes(self: "Generative") -> bool:
    return _draws(self) or _encodes(self)


class Generative(ABC):
    """What a detector with a network `generator` of latent vectors can do beside scoring.

    Which of it there is depends on the method: `sample` where latent vectors follow a prior, `encode` where a row has a
    latent vector (the hook `code`), `interpolate` with either, `reconstruct` where it has one or is remade without (the
    hook `remade`).
    """

    latent_dim: int
    prior: str
    nets_: Nets
    preprocess_: Preprocess
    unused: ClassVar[tuple[str, ...]] = ()
    """Hyperparameters of this class that mean nothing to the method; one without a `prior` has no `sample`."""

    @abstractmethod
    def _received(self, X: Any) -> Any:
        """Rows as `_by_chunks` takes them."""

    @abstractmethod
    def _chunked(self, rows: Any, fn: Callable[[Tensor], dict[str, Tensor]]) -> Mapping[str, Tensor]:
        """Apply a function to tensors in chunks."""

    @abstractmethod
    def _by_chunks(self, x: Any, fn: Callable[[Tensor], dict[str, Tensor]]) -> Mapping[str, NDArray[np.float64]]:
        """Apply a function to scaled rows in chunks."""

    def _remade(self: Any, nets: Any, x: Tensor) -> Tensor:
        """Reconstructions of scaled rows: the method's hook `remade`, or the generator on its hook `code`."""
        rows: Tensor = self.remade(nets, x) if hasattr(self, "remade") else nets.generator(self.code(nets, x))
        return rows

    @available_if(_draws)  # type: ignore[untyped-decorator]
    def sample(self: Any, n: int, random_state: int | np.random.RandomState | None = None) -> Any:
        """Generate `n` rows in the training rows' units and words: (n, …) float64, or a data frame like theirs."""
        check_is_fitted(self)
        given = {"n": n, "random_state": random_state}
        check_limits(given, {"n": Limit(1, whole=True), "random_state": Seed()})
        rng = stream(drawn_seed(random_state), NOISE, 2)  # apart from the noise of training and of searches
        return _decoded(self, PRIORS[self.prior](torch.empty(n, self.latent_dim), rng), self.nets_.generator)

    @available_if(_encodes)  # type: ignore[untyped-decorator]
    def encode(self: Any, X: Any) -> NDArray[np.float64]:
        """Return the latent vector of each row, (n, latent_dim) float64."""
        check_is_fitted(self)
        z: NDArray[np.float64] = self._by_chunks(self._received(X), lambda x: {"z": self.code(self.nets_, x)})["z"]
        return z

    @available_if(_remakes)  # type: ignore[untyped-decorator]
    def reconstruct(self: Any, X: Any) -> Any:
        """Return what the networks make of each row, in the units, words and shape of X.

        G of the row's latent vector, or what a method without one remakes the row as.
        """
        check_is_fitted(self)
        made = self._by_chunks(self._received(X), lambda x: {"rows": self._remade(self.nets_, x)})["rows"]
        return returned(self, self.preprocess_.rows(torch.from_numpy(made)), X)

    @available_if(_decodes)  # type: ignore[untyped-decorator]
    def interpolate(self: Any, a: ArrayLike, b: ArrayLike, n: int = 8) -> Any:
        """Generate the rows on the way from one latent vector to another.

        Along the sphere (`slerp`) where the prior has its mass near one, as N(0, I) has, and straight within a box
        (priors "uniform", "uniform_01", "truncated_normal"): elsewhere the generator never learned what to make. From
        one row to another: ``det.interpolate(*det.encode(rows[:2]))``. Of several generators the first makes all rows.

        Parameters
        ----------
        a, b
            (latent_dim,) latent vectors, finite.
        n
            Rows, at least 2: the first is made of `a`, the last of `b`.

        Returns
        -------
        (n, …) float64 in the training rows' units, or a data frame like theirs.

        Raises
        ------
        InvalidData
            If a vector has another length or is not finite.
        InvalidParameter
            If `n` is below 2.
        """
        check_is_fitted(self)
        check_limits({"n": n}, {"n": Limit(2, whole=True)})
        start, end = _latent("a", a, self.latent_dim), _latent("b", b, self.latent_dim)
        path = WAYS[self.prior](start, end, torch.linspace(0.0, 1.0, n, dtype=torch.float64))
        generator = self.nets_.generator
        return _decoded(self, path.float(), generator.alone if isinstance(generator, Generators) else generator)


def _decoded(detector: "Detector", z: Tensor, generator: Callable[[Tensor], Tensor]) -> Any:
    """Rows of latent vectors, in the user's units."""
    made = detector._chunked(z, lambda part: {"rows": generator(part)})["rows"]
    return returned(detector, detector.preprocess_.rows(made))


def _latent(name: str, vector: ArrayLike, length: int) -> Tensor:
    array = np.asarray(vector, dtype=np.float64)
    if array.shape != (length,) or not np.isfinite(array).all():
        found = f"shape {array.shape}" if array.shape != (length,) else "a value that is not finite"
        raise InvalidData(f"{name} has {found}: a latent vector of shape ({length},) is needed, as `encode` gives one")
    return torch.from_numpy(array)
