"""Teaching the prior: several linear models, each of one aspect, judged on sets that they were not taught.

A single model over everything looks perfect on a random split and learns what tells the *sets* apart. Apart,
each aspect has to find what spam has in common by itself, and the mean of their answers asks them to agree.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from corpus import NEVER_TAUGHT, ORIGINS, PAIRS, Mail
from sklearn.linear_model import LogisticRegression

from mailweir_mail import parse
from mailweir_model.calibration import RATES, Calibration
from mailweir_model.features import Features, Hashes, View, extract
from mailweir_model.linear import LinearTable, quantised
from mailweir_model.model import CONTENT, FORM, LIMIT, Model

STRENGTH: Final = 100.0
"""Inverse of the regularisation: rows are of unit length and weights sum to the number of messages."""
RARE: Final = 3
"""A feature that fewer messages have is not learnt."""
LEAST: Final = 0.01
"""Weights under this share of a table's largest are left out."""
SHARES: Final = {
    View.WORDS: 1.0,
    View.PAIRS: 1.5,
    View.SUBJECT: 1.0,
    View.PROSE: 0.5,
    View.HEADER: 2.0,
    View.LINKS: 0.5,
    View.HTML: 1.0,
}
"""How much each aspect counts: chosen by what was found on left-out sets and on a left-out half alike."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Lesson:
    """Messages with their features: what training and judging share."""

    mails: Sequence[Mail]
    features: Sequence[Features]
    spam: Mask
    sets: npt.NDArray[np.str_]
    clusters: npt.NDArray[np.str_]
    matrices: Mapping[View, "Matrix"]


@dataclass(frozen=True)
class Matrix:
    """One aspect of all messages: rows of unit length, and which feature each column is."""

    rows: sparse.csr_matrix
    hashes: Hashes


def lesson_of(
    mails: Sequence[Mail], progress: Callable[[Sequence[Mail]], Sequence[Mail]]
) -> Lesson:
    """Return the lesson; one pass over the bytes."""
    features = [extract(parse(mail.raw)) for mail in progress(mails)]
    return Lesson(
        mails,
        features,
        np.array([m.spam for m in mails]),
        np.array([m.set for m in mails]),
        np.array([m.cluster for m in mails]),
        {view: _matrix([f.views[view] for f in features]) for view in (*CONTENT, *FORM)},
    )


def _matrix(found: Sequence[Hashes]) -> Matrix:
    ends = np.concatenate([[0], np.cumsum([len(f) for f in found])])
    hashes, columns = np.unique(np.concatenate(found), return_inverse=True)
    lengths = np.repeat([max(1, len(f)) ** -0.5 for f in found], [len(f) for f in found])
    rows = sparse.csr_matrix((lengths, columns, ends), shape=(len(found), len(hashes)))
    return Matrix(rows, hashes)


def weights_of(lesson: Lesson, taught: Mask) -> Floats:
    """Return a weight for each message taught: classes alike, large sets not much over small, copies as one.

    A set counts by the square root of its size: else a hundred messages would weigh as much as thousands.
    """
    origins = np.array([ORIGINS[s] for s in lesson.sets])
    _, index, counts = np.unique(lesson.clusters, return_inverse=True, return_counts=True)
    weights = np.where(taught, counts[index] ** -0.5, 0.0)
    for origin in np.unique(origins):
        for spam in (False, True):
            group = taught & (origins == origin) & (lesson.spam == spam)
            if group.any():
                weights[group] *= group.sum() ** 0.5 / weights[group].sum()
    for spam in (False, True):
        group = taught & (lesson.spam == spam)
        weights[group] *= taught.sum() / 2 / weights[group].sum()
    return np.asarray(weights[taught])


def tables_of(lesson: Lesson, taught: Mask) -> dict[View, LinearTable]:
    """Return a table for each aspect, learnt from the messages taught."""
    weights, spam = weights_of(lesson, taught), lesson.spam[taught]
    return {view: _table(m, taught, spam, weights) for view, m in lesson.matrices.items()}


def _table(matrix: Matrix, taught: Mask, spam: Mask, weights: Floats) -> LinearTable:
    rows = matrix.rows[taught]
    seen = np.flatnonzero(np.bincount(rows.indices, minlength=rows.shape[1]) >= RARE)
    learner = LogisticRegression(C=STRENGTH, solver="liblinear", random_state=0, max_iter=200)
    learner.fit(rows[:, seen], spam, sample_weight=weights)
    return quantised(
        matrix.hashes[seen], learner.coef_[0], float(learner.intercept_[0]), least=LEAST
    )


def logits_of(
    lesson: Lesson, tables: Mapping[View, LinearTable], asked: Mask
) -> dict[View, Floats]:
    """Return each aspect's log-odds for the messages asked about."""
    wanted = [lesson.features[i] for i in np.flatnonzero(asked)]
    return {
        view: np.array([table.read(f.views[view]).logit for f in wanted])
        for view, table in tables.items()
    }


def left_out(
    lesson: Lesson, progress: Callable[[Sequence[tuple[str, ...]]], Sequence[tuple[str, ...]]]
) -> dict[View, Floats]:
    """Return each aspect's log-odds for every message, by tables not taught its set or copies of it."""
    found = {view: np.zeros(len(lesson.mails)) for view in lesson.matrices}
    for names in progress(PAIRS):
        asked = np.isin(lesson.sets, names)
        for view, logits in logits_of(
            lesson, tables_of(lesson, others(lesson, asked)), asked
        ).items():
            found[view][asked] = logits
    return found


def others(lesson: Lesson, asked: Mask) -> Mask:
    """Return what may be taught where `asked` is judged: other sets, no copies, never what must not ship."""
    copies = np.isin(lesson.clusters, lesson.clusters[asked])
    return ~asked & ~copies & (lesson.sets != NEVER_TAUGHT)


def combined(
    logits: Mapping[View, Floats], spreads: Mapping[View, float], views: Sequence[View]
) -> Floats:
    """Return the score over aspects as `Model.combined` makes it."""
    total = sum(SHARES[view] for view in views)
    parts = [SHARES[v] * np.clip(logits[v] / spreads[v], -LIMIT, LIMIT) for v in views]
    return np.asarray(sum(parts) / total)


def spreads_of(logits: Mapping[View, Floats], measured: Mask) -> dict[View, float]:
    """Return how far each aspect's answers are apart on what it was not taught."""
    return {view: round(float(values[measured].std()), 6) for view, values in logits.items()}


def calibrated(scores: Floats, spam: Mask) -> Calibration:
    """Return the calibration by scores on sets left out; classes weigh alike."""
    weights = np.where(spam, 0.5 / spam.sum(), 0.5 / (~spam).sum()) * len(spam)
    curve = LogisticRegression(C=1e3).fit(scores[:, None], spam, sample_weight=weights)
    knots = np.maximum.accumulate(np.quantile(scores[~spam], [1 - rate for rate in RATES]))
    return Calibration(
        round(float(curve.coef_[0][0]), 6),
        round(float(curve.intercept_[0]), 6),
        tuple(round(float(k), 6) for k in knots),
    )


def model_of(
    lesson: Lesson,
    taught: Mask,
    logits: Mapping[View, Floats],
    measured: Mask,
    spreads: Mapping[View, float],
) -> Model:
    """Return a model learnt from `taught`, calibrated by the left-out answers on the messages `measured`."""
    spam = lesson.spam[measured]
    whole, form = (
        calibrated(combined(logits, spreads, views)[measured], spam)
        for views in ((*CONTENT, *FORM), FORM)
    )
    return Model(tables_of(lesson, taught), spreads, SHARES, whole, form, "", {})
