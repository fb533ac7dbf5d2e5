"""What the prior is measured against: one logistic regression over words, pairs and header facts."""

import numpy as np
import scipy.sparse as sparse
from sklearn.linear_model import LogisticRegression
from training import RARE, Lesson, Mask, combined, logits_of, spreads_of, tables_of, weights_of

from mailweir_model.features import View
from mailweir_model.model import CONTENT, FORM

VIEWS = (View.WORDS, View.PAIRS, View.HEADER)


def plain_scores(
    lesson: Lesson, taught: Mask, asked: Mask, *, by_aspect: bool = False
) -> list[float]:
    """Return log-odds for the mails asked about; `by_aspect`: of the prior's way to learn instead."""
    if by_aspect:
        logits = logits_of(lesson, tables_of(lesson, taught), asked)
        every = np.ones(int(asked.sum()), bool)
        return [float(s) for s in combined(logits, spreads_of(logits, every), (*CONTENT, *FORM))]
    whole = sparse.hstack([lesson.matrices[v].rows for v in VIEWS]).tocsr() / len(VIEWS) ** 0.5
    rows = whole[taught]
    seen = np.flatnonzero(np.bincount(rows.indices, minlength=rows.shape[1]) >= RARE)
    learner = LogisticRegression(C=100, solver="liblinear", random_state=0)
    learner.fit(rows[:, seen], lesson.spam[taught], sample_weight=weights_of(lesson, taught))
    return [float(s) for s in learner.decision_function(whole[asked][:, seen])]
