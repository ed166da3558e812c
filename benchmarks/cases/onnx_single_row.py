"""One row through EGBAD's networks of KDD99: what a service does that is asked about a row at a time."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from ringfence import EGBAD
from ringfence.export import to_onnx

from .. import kdd99
from ..frame import Contest, Target, case
from ..ours import uniform

CALLS = 200
"""Rows a call, one at a time."""


@case(
    "onnx-single-row",
    "EGBAD's score of one row: ONNX Runtime against PyTorch",
    Target("onnx", "bare networks", 1 / 3),
    Target("onnx", "ours", 1 / 3),
    threads=(1,),
)
def single_row() -> Contest:
    """Scaling, networks, score and cut in ONNX; the same networks in PyTorch without any of the rest; and ours."""
    import onnxruntime  # of the extra `bench`

    rows = uniform(2_000, kdd99.COLUMNS).astype(np.float64)
    detector = EGBAD.preset("kdd99").set_params(epochs=1, random_state=0, device="cpu").fit(rows)
    with tempfile.TemporaryDirectory() as folder:
        made = to_onnx(detector, Path(folder) / "model.onnx", rows)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(made.path, options, ["CPUExecutionProvider"])
    nets = detector.nets_
    scaled = detector.preprocess_.tensor(rows)

    def onnx() -> float:
        for at in range(CALLS):
            session.run(None, {"rows": rows[at : at + 1]})
        return CALLS

    def bare() -> float:
        with torch.no_grad():
            for at in range(CALLS):
                x = scaled[at : at + 1]
                z = nets.encoder(x)
                remade = nets.generator(z)
                features, others = nets.discriminator(x, z)[1], nets.discriminator(remade, z)[1]
                0.9 * (x - remade).abs().sum(1) + 0.1 * (features - others).abs().sum(1)
        return CALLS

    def ours() -> float:
        few = CALLS // 10  # a row is padded to a chunk of 512
        for at in range(few):
            detector.anomaly_score(rows[at : at + 1])
        return few

    return Contest(
        {"onnx": onnx, "bare networks": bare, "ours": ours},
        unit="row",
        facts=lambda: {"largest relative difference": made.parity.difference},
    )
