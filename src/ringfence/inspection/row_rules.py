"""What to warn of in rows of any kind: too few, copies, what the split makes of them."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from ..sources import Source
from ..splits import CALIBRATE, SKIP, TEST, TRAIN
from .advice import Advice, counted, listed, share

FEW_ROWS: Final = 100
"""Fewer rows than this are few to train a network on."""

MANY_COPIES: Final = 0.01
"""The share of training rows that repeat others from which on it is worth a word."""


def advise(
    source: Source, found: Mapping[str, int], width: int = 0, rows: str = "rows", few: int = FEW_ROWS
) -> Iterator[Advice]:
    """Warn of rows.

    Parameters
    ----------
    found
        What `copies` counted.
    width
        Columns that the networks see; 0 where rows are no table's.
    rows
        What to call rows.
    few
        Fewer than this to train on are few.
    """
    training = int((source.parts == TRAIN).sum())
    yield from _few(source, training, width, rows, few)
    yield from _copied(source, found, training, rows)
    yield from _labelled(source, rows)
    yield from _grouped(source, found, rows)


def _few(source: Source, training: int, width: int, rows: str, few: int) -> Iterator[Advice]:
    if training < 2:
        other = next((part for part in (TEST, SKIP, CALIBRATE) if (source.parts == part).any()), None)
        why = "there are no more" if other is None else source.why.get(other, f"the others are to {other}")
        yield Advice("nothing trains", f"{counted(training, rows)} to train on, a fit needs at least 2: {why}")
        return
    if training < few:
        yield Advice(
            "few rows",
            f"only {training} {rows} to train on: networks will learn them by heart; get {few} or more, or trust a"
            " nearest neighbour instead",
        )
    if width > training:
        yield Advice(
            "more columns than rows",
            f"{width:,} columns for the networks and only {training:,} training rows: leave columns out, or get more"
            " rows",
        )


def _copied(source: Source, found: Mapping[str, int], training: int, rows: str) -> Iterator[Advice]:
    within = found["within_training"]
    if within and within >= MANY_COPIES * training:
        yield Advice(
            "copies in training",
            f"{within:,} of {training:,} training {rows} ({share(within, training)}) are exact copies of others: they"
            " count more than once, and where some are kept out for the cut they are known already; drop the copies",
        )
    for part, key, harm in (
        (TEST, "test_in_training", "a leak that flatters every figure"),
        (CALIBRATE, "calibrate_in_training", "the cut will come out too low"),
    ):
        if found[key]:
            total = int((source.parts == part).sum())
            yield Advice(
                "copies across the split",
                f"{found[key]:,} of {total:,} {rows} to {part} ({share(found[key], total)}) are exact copies of {rows}"
                f" that train: {harm}; drop them from one side",
            )
    if source.anomaly is not None and found["anomalies_in_training"]:
        yield Advice(
            "copies with another label",
            f"{found['anomalies_in_training']:,} of {int(source.anomaly.sum()):,} labelled anomalies are exact copies"
            f" of normal {rows} that train: no method can tell them apart; look at their labels",
        )


def _labelled(source: Source, rows: str) -> Iterator[Advice]:
    if source.anomaly is None:
        return
    learned = np.isin(source.parts, (TRAIN, CALIBRATE)) & source.anomaly
    if learned.any():
        yield Advice(
            "anomalies train",
            f"{int(learned.sum()):,} {rows} that train or calibrate are labelled anomalies: make them 'test' or 'skip'",
        )
    left_out = (source.parts == SKIP) & source.anomaly & ("labelled anomalies" in source.why.get(SKIP, ""))
    if left_out.any():
        yield Advice("anomalies train", f"the split is not followed to the letter: {source.why[SKIP]}")
    tested = source.anomaly[source.parts == TEST]
    judged = np.concatenate([tested, source.anomaly[source.parts == CALIBRATE]])
    if len(tested) and len(set(judged.tolist())) == 1:
        what, other = ("anomalies", "normal") if tested[0] else ("normal", "anomalous")
        yield Advice(
            "one class to test",
            f"all {len(tested):,} {rows} to test are {what}: without {other} ones beside them no AUROC can be told;"
            " keep some for it with --split FILE",
        )


def _grouped(source: Source, found: Mapping[str, int], rows: str) -> Iterator[Advice]:
    if source.groups is None:
        return
    training = sorted(set(source.groups[source.parts == TRAIN].astype(str).tolist()))
    if len(training) < 3:
        yield Advice(
            "few groups",
            f"only {len(training)} group{'s' * (len(training) != 1)} to train on ({listed(training)}): what is normal"
            " for others can't be told; get 3 or more",
        )
    if found.get("across_groups"):
        yield Advice(
            "copies across groups",
            f"{found['across_groups']:,} {rows} have an exact copy in another group: do the groups really differ?"
            " Check the column, or drop the copies",
        )
