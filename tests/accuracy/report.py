"""From scores to the tables of docs/accuracy.md."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import corpus
import numpy as np
from sklearn.metrics import roc_auc_score

RATES: Final = (0.001, 0.005, 0.01)
REJECT: Final = 15.0

Table = dict[str, dict[str, Any]]


class Scores(Protocol):
    """What was asked, and the scores by filter."""

    asked: Sequence[corpus.Mail]
    scores: dict[str, list[float]]
    tags: dict[str, float]


def table_of(run: Scores) -> Table:
    """Return each filter's figures: found at equal rates, AUC, by set, and at its own threshold."""
    spam = np.array([m.spam for m in run.asked])
    sets = np.array([m.set for m in run.asked])
    table: Table = {}
    for name, listed in run.scores.items():
        scores = np.array(listed)
        levels = [float(np.quantile(scores[~spam], 1 - rate)) for rate in RATES]
        tag = run.tags[name]
        table[name] = {
            "auc": float(roc_auc_score(spam, scores)),
            "found": [float((scores[spam] > level).mean()) for level in levels],
            "default": [float((scores[~spam] >= tag).mean()), float((scores[spam] >= tag).mean())],
            "ham_rejected": int((scores[~spam] >= REJECT).sum()),
            "sets": {
                f"{kind} {label}": [
                    int(here.sum()),
                    float((scores[here] >= tag).mean()),
                    *(float((scores[here] > level).mean()) for level in levels),
                ]
                for kind in dict.fromkeys(sets.tolist())
                for label, of in (("ham", ~spam), ("spam", spam))
                if (here := of & (sets == kind)).any()
            },
        }
    return table


def render(figures: Mapping[str, Any], *, asked: int, all_: int) -> str:
    """Return the page."""
    parts = [_HEAD.format(asked=asked, all=all_)]
    parts += ["## All mails\n", _overview(figures["all"])]
    parts += ["## The sample, beside other filters\n", _overview(figures["sample"])]
    parts += ["## Mailweir by set\n", _by_set(figures["all"]["Mailweir"])]
    parts += [
        "## Found by set at 0.5 % false positives, the sample\n",
        _compared(figures["sample"]),
    ]
    halves = ", ".join(f"{v:.1%} at {k}" for k, v in figures["half"].items())
    parts += [
        "## Taught one half\n",
        "Taught one half of all near-duplicate clusters, the model alone finds of the other half's spam: "
        f"{halves} false positives.\n",
    ]
    return "\n".join(parts)


def _overview(table: Table) -> str:
    lines = [
        "| filter | found at 0.1 % | 0.5 % | 1 % | AUC | own threshold: ham tagged | spam found |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in table.items():
        found = " | ".join(f"{v:.1%}" for v in row["found"])
        own = "– | –" if name == "plain learner" else " | ".join(f"{v:.2%}" for v in row["default"])
        lines.append(f"| {name} | {found} | {row['auc']:.4f} | {own} |")
    return "\n".join(lines) + "\n"


def _by_set(row: Mapping[str, Any]) -> str:
    lines = [
        "| set | mails | tagged at the default | at 0.1 % | 0.5 % | 1 % |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, (count, *shares) in row["sets"].items():
        lines.append(f"| {name} | {count} | " + " | ".join(f"{v:.1%}" for v in shares) + " |")
    lines.append(f"\nHam at or over *reject*: {row['ham_rejected']}.")
    return "\n".join(lines) + "\n"


def _compared(table: Table) -> str:
    names = list(table)
    lines = ["| set | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for kind in table[names[0]]["sets"]:
        shares = " | ".join(f"{table[n]['sets'][kind][3]:.1%}" for n in names)
        lines.append(f"| {kind} | {shares} |")
    return "\n".join(lines) + "\n"


_HEAD: Final = """# Accuracy

Written by `make accuracy`. Each set is left out in turn (ham and spam of one origin together) with every near
copy of its mails; the rest, never phishing-pot, teaches a prior, and the whole verdict with it judges the
set, offline. One threshold holds for all sets together: that is stricter than one for each.
`plain learner` is one logistic regression over words, pairs and header facts, taught the same mails.
{all} mails are judged; {asked}, drawn by a fixed seed, are put to other filters, which are taught a sample of
the same mails. These sets differ in era, language and how they were collected far more than mail of one site.
The weights between the aspects and the slope of the points were chosen on left-out sets, so these figures are
a little kind to them.
Mailweir's own rules were written with these mails at hand, so what the rules find here is in-sample; what the
prior finds is not.
"""
