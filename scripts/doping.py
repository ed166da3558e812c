"""Measure what DOPING does: normal rows that are rare, oversampled by an adversarial autoencoder.

usage: python scripts/doping.py --out FILE [--data-dir DIR] [--seeds N]

Lim et al., "DOPING: Generative Data Augmentation for Unsupervised Anomaly Detection with GAN", ICDM 2018, in outline:
rows are drawn where the codes of normal rows are rare, and the detector learns from both. The recipe is that of
docs/guides/generate.md; this says what it does to AUROC and to the share of normal rows that are flagged, on the easy
tables of ADBench. The test rows are looked at once, after everything is settled.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from ringfence import AAE, GAN
from ringfence.benchmark.execute import checkout, versions
from ringfence.data import built_in

SETS = ("vowels", "letter", "optdigits")
# Rows count as rare whose code's norm is among the largest tenth; so many new rows are made for each ten that train.
RARE, SHARE = 0.9, 0.1


def doped(normal: NDArray[Any], seed: int) -> NDArray[Any]:
    """Rows at the edge of what is normal, made by an AAE, (SHARE · n, d)."""
    aae = AAE(random_state=seed).fit(normal)
    codes = aae.encode(normal)
    norms = np.linalg.norm(codes, axis=1)
    edge = normal[norms >= np.quantile(norms, RARE)]
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(int(SHARE * len(normal))):
        a, b = aae.encode(edge[rng.choice(len(edge), 2, replace=False)])
        made.append(aae.interpolate(a, b, n=3)[1])  # halfway between two rare rows
    return np.array(made)


def judged(detector: Any, rows: NDArray[Any], test: NDArray[Any], anomaly: NDArray[np.bool_]) -> dict[str, float]:
    """AUROC, and the share of normal test rows beyond the cut that flags 5 % of the training rows."""
    scores = -detector.fit(rows).score_samples(test)
    cut = np.quantile(-detector.score_samples(rows), 0.95)
    return {
        "auroc": float(roc_auc_score(anomaly, scores)),
        "false_positives": float((scores[~anomaly] > cut).mean()),
        "recall": float((scores[anomaly] > cut).mean()),
    }


def main() -> None:
    """Write one line for each set, seed, detector and kind of training rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = []
    for name in SETS:
        data = built_in(name).load(args.data_dir)
        for seed in range(args.seeds):
            split = data.split("outliers", seed)
            normal, test = data.x[split.train], data.x[split.test]
            made = doped(normal, seed)
            for kind, rows in (("plain", normal), ("doped", np.concatenate([normal, made]))):
                for detector in (GAN(random_state=seed), IsolationForest(random_state=seed)):
                    found = judged(detector, rows, test, split.anomaly)
                    lines.append(
                        {"set": name, "seed": seed, "detector": type(detector).__name__, "rows": kind, **found}
                    )
                    print(lines[-1], flush=True)
    head = {"command": f"python {' '.join(sys.argv)}", "commit": checkout(), "versions": versions()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    part = args.out.with_name(f".{args.out.name}.part")
    part.write_text("\n".join(json.dumps(line) for line in [head, *lines]) + "\n", encoding="utf-8")
    part.replace(args.out)


if __name__ == "__main__":
    main()
