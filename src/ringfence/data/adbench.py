"""The "classical" tables of ADBench (Han et al., NeurIPS 2022): numbers, each row an inlier or an outlier.

Their files are those of github.com/Minqi824/ADBench, folder `adbench/datasets/Classical`.
"""

import io
from pathlib import Path
from typing import Final

import numpy as np

from ..exceptions import InvalidData
from .folder import locate, read_official

TABLES: Final = {
    "breastw": ("4_breastw.npz", "4f37ce07dbc25ddad8178fdc6d664ab46d2d0000ee28c2787c3c7ff3c03ef9f6"),
    "cardio": ("6_cardio.npz", "bc5009bde6930b4d298b594f31b34485a9a17210cff0e8fb00a8c3068b885a2d"),
    "cardiotocography": (
        "7_Cardiotocography.npz",
        "5ae84910430f05923e11b6f537243263977c9136949dabd891e3570aeec51e29",
    ),
    "fault": ("12_fault.npz", "ec27301f9a4cf7c5d8b22c360cf37ddb043b7fb062465723dfd8b34e2771e5dd"),
    "glass": ("14_glass.npz", "aa7a8db1d475ba01a10488af454bc15220a3d5951b010b03b7020567d8152cdc"),
    "http": ("16_http.npz", "9d98710091551587f4740cfc851a6b064fff6319a337c2dc77ee6da4bcc2e02c"),
    "ionosphere": ("18_Ionosphere.npz", "bca46cb0cfd1bf9ddef6cde5ad2215d54fb0189508d0d4c4eb98e788cad69001"),
    "landsat": ("19_landsat.npz", "ba17e2158c07469597b89db49d3982c874c6b713ff6670721ddc88969da77987"),
    "letter": ("20_letter.npz", "f986d3da80cf1fa2aea83a5ebe73b7d4800e0d4c01fdd1ae074b58d20f10d039"),
    "mammography": ("23_mammography.npz", "a0308ac9712d78321073b1c2dc98dc37665c0f35c1cc33019416fe8f8d7de7ea"),
    "optdigits": ("26_optdigits.npz", "60de17a375a278ba220a7849727d998aa02b5e2f9fd17732a004bba28de4656e"),
    "pageblocks": ("27_PageBlocks.npz", "10a9b4d5bb5d3b9083caab4c4062f665610eada703c3d927bf7c34b1f2d0d223"),
    "pendigits": ("28_pendigits.npz", "c4936b89dcdad59d303020e492f763a0f54170080d787c77497609acbb9c2d79"),
    "pima": ("29_Pima.npz", "215454bb263a2f040945c9ea7bd7f06f1e89a61a3143bdb6f196e3887e801a7d"),
    "satimage-2": ("31_satimage-2.npz", "1b056e357f801b8b20c3f380a30224a3c4088d7ed764ec5a24828dc9b1918d6f"),
    "shuttle": ("32_shuttle.npz", "26900b0f6be45d9ddb7a402c9b2f956ceda42d23a8ca4cf4406b8bc1352823d1"),
    "spambase": ("35_SpamBase.npz", "d0c46c7928e43f6496bcd06e09de0b70f6bc8143792dfa0a43f450263d254e9b"),
    "thyroid": ("38_thyroid.npz", "8de161b3f235b7647bb0b39a836d983ff61d67bf234edac461da2d71e889cb87"),
    "vowels": ("40_vowels.npz", "4bfc4244d1c882773bbbc50d4a5db5e52276e53506e46b2d45e02d074cfcb1b6"),
    "waveform": ("41_Waveform.npz", "6c9d867337ad1a2f8372c1d27f4c032f0401237e2041b7c45f00de8d319ff30f"),
    "wdbc": ("43_WDBC.npz", "78d4606a1ab516f5b60b00c196497f3bbd6bd5e4548fd04cf5f2475209b34b85"),
}
"""Name → the file and its sha256."""


def load_adbench(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Load one table.

    Parameters
    ----------
    folder : Path
        Holds the file of :data:`TABLES`, itself or in a folder ``adbench``.
    name : str
        One of :data:`TABLES`.

    Returns
    -------
    x : ndarray of float64, shape (n, d)
        Unscaled.
    outlier : ndarray of bool, shape (n,)
        True for the rows that the set calls anomalies.

    Raises
    ------
    InvalidData
        If the file is missing or not the official one.
    """
    file, digest = TABLES[name]
    path = locate(folder, "adbench", [file])
    content = read_official(path, "sha256", (digest,))
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return arrays["X"].astype(np.float64), arrays["y"] == 1
    except (ValueError, KeyError, OSError) as error:
        raise InvalidData(f"'{path}' is no ADBench table: {error}") from error
