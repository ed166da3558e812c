"""Scoring KDD99's test rows with EGBAD's networks: what a model does for the rest of its life."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from ringfence import EGBAD
from ringfence.data import built_in
from ringfence.data.folder import data_folder
from ringfence.export import to_onnx
from ringfence.networks import ready
from ringfence.networks.onednn import NOTHING, kernels

from .. import kdd99
from ..bare import Dense
from ..frame import Contest, Target, case
from ..pyod_alad import alad
from ..shares import shares

CHUNK = 512
"""Rows of a product: of 512, 1,024 and 2,048 the fastest."""

NEIGHBOURS = 10_000
"""Training rows that the nearest one is looked for among."""


@case(
    "scoring",
    "Scoring KDD99's 247,011 test rows with EGBAD's networks",
    Target("ours", "bare products", 1.5),
    Target("ours", "PyOD's ALAD", 1 / 3),
    Target("ours", "nearest neighbour", 1 / 12),
    Target("exported", "bare products", 1.5),
    Target("exported", "PyOD's ALAD", 1 / 3),
    Target("exported", "nearest neighbour", 1 / 12),
)
def scoring() -> Contest:
    """Raw rows in, scores out; the slow ones score the first few thousand of the same rows.

    "ours" is the detector in PyTorch, "exported" what `ringfence export` makes of it, in ONNX Runtime; "networks" and
    "scaling" are two shares of "ours". "products of oneDNN" are the bare ones by the library that ours come from: on
    processors where PyTorch's own (MKL's) take slower instructions, the two tell the library's gain from ours.
    """
    import onnxruntime  # of the extra `bench`

    rows = built_in("kdd99").load(str(data_folder()))
    split = rows.split("all", 0)
    taught, test = rows.x[split.train[: kdd99.ROWS]], rows.x[split.test]
    detector = EGBAD.preset("kdd99").set_params(epochs=1, random_state=0, device="cpu").fit(taught)
    products, prepared, nets = Products(CHUNK), detector.preprocess_, ready(detector.nets_)
    few = np.ascontiguousarray(test[:20_000])
    pyod = alad(prepared.tensor(taught).numpy(), 256)
    neighbours = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(prepared.tensor(taught[:NEIGHBOURS]).numpy())
    forest = IsolationForest(random_state=0).fit(taught)
    scaled = prepared.tensor(few)
    with tempfile.TemporaryDirectory() as folder:
        made = to_onnx(detector, Path(folder) / "model.onnx", taught)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(made.path, options, ["CPUExecutionProvider"])

    def ours() -> float:
        detector.anomaly_score(test)
        return len(test)

    def exported() -> float:
        for start in range(0, len(test), CHUNK):
            session.run(None, {"rows": test[start : start + CHUNK]})
        return len(test)

    def networks() -> float:
        with torch.no_grad():
            for start in range(0, len(few) // CHUNK * CHUNK, CHUNK):
                detector.score_parts(nets, scaled[start : start + CHUNK])
        return len(few) // CHUNK * CHUNK

    def scaling() -> float:
        for start in range(0, len(few), CHUNK):
            prepared.tensor(few[start : start + CHUNK])
        return len(few)

    def bare() -> float:
        for _ in range(len(test) // CHUNK):
            products()
        return len(test) // CHUNK * CHUNK

    def bare_of_onednn() -> float:
        for _ in range(len(few) // CHUNK):
            products.of_onednn()
        return len(few) // CHUNK * CHUNK

    def nearest(count: int) -> float:
        neighbours.kneighbors(prepared.tensor(few[:count]).numpy())
        return count

    def of_pyod() -> float:
        pyod.decision_function(prepared.tensor(few).numpy().astype(np.float64))
        return len(few)

    def of_forest() -> float:
        forest.score_samples(few)
        return len(few)

    return Contest(
        {
            "ours": ours,
            "exported": exported,
            "networks": networks,
            "scaling": scaling,
            "bare products": bare,
            **({"products of oneDNN": bare_of_onednn} if kernels() else {}),
            "PyOD's ALAD": of_pyod,
            "nearest neighbour": partial(nearest, 2_000),
            "isolation forest": of_forest,
        },
        unit="row",
        facts=lambda: {"largest relative difference of exported": made.parity.difference, **shares(ours)},
    )


class Products:
    """The products of a score: E, G, and D on rows and on what is remade of them, with the latent vectors once."""

    def __init__(self, rows: int) -> None:
        self.encoder, self.generator = Dense(kdd99.ENCODER, rows), Dense(kdd99.GENERATOR, rows)
        half = kdd99.JOINT[0] // 2
        self.z = Dense((kdd99.LATENT, half), rows)
        self.judged = [Dense(widths, rows) for _ in range(2) for widths in ((kdd99.COLUMNS, half), kdd99.JOINT)]
        self._all = (self.encoder, self.generator, self.z, *self.judged)
        self._turned = [[weight.t().contiguous() for weight in dense.weights] for dense in self._all]

    def __call__(self) -> None:
        """All products of a chunk."""
        with torch.no_grad():
            for dense in self._all:
                dense.forward()

    def of_onednn(self) -> None:
        """The same by oneDNN, with weights the other way round, as it likes them."""
        found = kernels()
        assert found is not None
        with torch.no_grad():
            for dense, weights in zip(self._all, self._turned, strict=True):
                for values, weight in zip(dense.values[:-1], weights, strict=True):
                    found[0](values, weight, None, *NOTHING, "")
