"""What a method can't take is said before anything is trained, for every method alike."""

import numpy as np
import pytest

from ringfence import detector as module
from ringfence import methods
from ringfence.configure import detector_for
from ringfence.exceptions import InvalidData, InvalidParameter

X = np.random.default_rng(0).normal(size=(20, 6))


@pytest.fixture(autouse=True)
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    def played(*_: object) -> None:
        raise AssertionError("training had begun")

    monkeypatch.setattr(module, "play", played)


@pytest.mark.parametrize("name", methods())
def test_images_that_are_too_small_are_refused(name: str) -> None:
    with pytest.raises(InvalidData, match="images need a height and width of at least 8 pixels, got 4×4"):
        methods()[name]().fit(np.zeros((20, 4, 4)))


@pytest.mark.parametrize("name", methods())
def test_no_latent_space_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter, match="latent_dim=0: allowed"):
        methods()[name](latent_dim=0).fit(X)


@pytest.mark.parametrize("name", methods())
def test_an_unknown_score_kind_is_refused_with_the_known_ones(name: str) -> None:
    known = next(iter(methods()[name].scores))
    with pytest.raises(InvalidParameter, match=f"score_kind.*{known}"):
        methods()[name](score_kind=f"{known}_").fit(X)


@pytest.mark.parametrize("name", [name for name, cls in methods().items() if cls.unused])
def test_a_hyperparameter_without_a_meaning_is_refused_where_it_is_set_by_name(name: str) -> None:
    idle = methods()[name].unused[0]
    with pytest.raises(InvalidParameter, match=f"{idle}=3: {name} has no use for `{idle}`"):
        detector_for(name, changes={idle: 3})


@pytest.mark.parametrize("name", methods())
def test_the_guard_of_these_tests_works(name: str) -> None:
    with pytest.raises(AssertionError, match="training had begun"):
        methods()[name]().fit(X)
