"""The small digits that scikit-learn brings along (UCI optdigits, test part)."""

import numpy as np
from sklearn.datasets import load_digits as _bundled


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Load the 1,797 images; no file is needed.

    Returns
    -------
    images : ndarray of float64, shape (1797, 8, 8)
        Ink per cell, 0 to 16.
    labels : ndarray of int64, shape (1797,)
        The digits 0 to 9.
    """
    bunch = _bundled()
    return np.asarray(bunch.images, dtype=np.float64), np.asarray(bunch.target, dtype=np.int64)
