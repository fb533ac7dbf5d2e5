"""A model in force: several tables that each judge one aspect, and what their sum is worth."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mailweir_mail import Message

from . import artefact
from .artefact import Artefact, InvalidArtefactError
from .calibration import RATES, Calibration
from .features import VERSION, Features, View, extract
from .linear import JoinedTables, LinearTable, joined

CONTENT: Final = (View.WORDS, View.PAIRS, View.SUBJECT, View.PROSE)
"""The aspects that need the language to be one that was taught."""
FORM: Final = (View.HEADER, View.LINKS, View.HTML)
"""The aspects that are of no language."""
FEWEST_WORDS: Final = 5
LEAST_KNOWN: Final = 0.35
"""Share of the words that must be known for the content to be judged."""
TOP: Final = 6
"""Words that are shown for either side."""
LIMIT: Final = 4.0
"""No aspect counts more than this many times its usual spread: one alone must not decide."""
_SHIPPED: Final = "prior.mwm"


@dataclass(frozen=True, slots=True)
class Term:
    """A word that spoke for one side, and by how much (log-odds, over zero for spam)."""

    word: str
    weight: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the model says of one message.

    `probability` of spam; `rarity`: 2.0 where one of a hundred wanted mails looks like this, 3.0 where one
    of a thousand does; `score` on the model's own scale. `abstained` says why the content was not judged,
    then only the form was; None otherwise. `known_share` is the share of the words that were taught.
    """

    probability: float
    rarity: float
    score: float
    spam_evidence: tuple[Term, ...] = ()
    ham_evidence: tuple[Term, ...] = ()
    abstained: str | None = None
    known_share: float = 0.0


@dataclass(frozen=True)
class Model:
    """Immutable after loading; to have another in force is to use another object."""

    tables: Mapping[View, LinearTable]
    spreads: Mapping[View, float]
    shares: Mapping[View, float]
    whole: Calibration
    form: Calibration
    version: str
    meta: Mapping[str, Any]

    @classmethod
    def load(cls, data: bytes) -> "Model":
        """Return the model in an artefact; raises InvalidArtefactError."""
        found = artefact.read(data)
        try:
            return _model(found)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InvalidArtefactError(f"not a model: {error}") from error

    def opinion(self, message: Message) -> Opinion:
        """Return what the model says of a message; never raises for what is in one."""
        return self.judge(extract(message))

    def judge(self, features: Features) -> Opinion:
        """Return what the model says of features."""
        logits, places, shares = self._joined.read(features.keys, features.starts)
        words = slice(*np.searchsorted(places, features.starts[View.WORDS : View.WORDS + 2]))
        known = len(places[words]) / max(1, _count(features, View.WORDS))
        abstained = _unknown(features, known)
        calibration = self.form if abstained else self.whole
        score = self.combined(logits, FORM if abstained else (*CONTENT, *FORM))
        spam, ham = ((), ()) if abstained else _evidence(features, places[words], shares[words])
        return Opinion(
            calibration.probability(score),
            calibration.rarity(score),
            score,
            spam,
            ham,
            abstained,
            known,
        )

    def combined(self, logits: npt.NDArray[np.float64], views: tuple[View, ...]) -> float:
        """Return the mean over aspects, each by its usual spread: others must agree to what one finds."""
        total = math.fsum(self.shares[view] for view in views)
        return (
            math.fsum(
                self.shares[view]
                * max(-LIMIT, min(LIMIT, float(logits[view]) / self.spreads[view]))
                for view in views
            )
            / total
        )

    @cached_property
    def _joined(self) -> JoinedTables:
        return joined(self.tables)

    @cached_property
    def size(self) -> int:
        """Return how many weights there are."""
        return sum(len(table.hashes) for table in self.tables.values())


def shipped() -> Model:
    """Return the prior that comes with the product; raises InvalidArtefactError where it was altered."""
    return Model.load(files(__package__).joinpath("data", _SHIPPED).read_bytes())


def dump(model: Model, meta: Mapping[str, Any]) -> bytes:
    """Return the artefact of a model; `meta` says what it was taught."""
    arrays: dict[str, Any] = {}
    views = {}
    for view, table in sorted(model.tables.items()):
        arrays[f"{view.name}.hashes"] = table.hashes
        arrays[f"{view.name}.weights"] = table.weights
        views[view.name] = [table.scale, table.bias, model.spreads[view], model.shares[view]]
    calibrations = {
        name: {"slope": c.slope, "offset": c.offset, "knots": list(c.knots)}
        for name, c in (("whole", model.whole), ("form", model.form))
    }
    header = {**meta, "features": VERSION, "views": views, "calibration": calibrations}
    return artefact.write(header, arrays)


def _model(found: Artefact) -> Model:
    meta = found.meta
    if meta["features"] != VERSION:
        raise ValueError(f"it was taught features of version {meta['features']}, here is {VERSION}")
    tables, spreads, shares = {}, {}, {}
    for view in (*CONTENT, *FORM):
        scale, bias, spread, share = (_number(n) for n in meta["views"][view.name])
        hashes, weights = found.arrays[f"{view.name}.hashes"], found.arrays[f"{view.name}.weights"]
        if hashes.dtype != np.uint32 or weights.dtype != np.int8 or len(hashes) != len(weights):
            raise ValueError(f"the arrays of {view.name} do not fit each other")
        if len(hashes) > 1 and not bool((hashes[1:] > hashes[:-1]).all()):
            raise ValueError(f"the hashes of {view.name} are not in rising order")
        if spread <= 0 or share <= 0:
            raise ValueError(f"spread and share of {view.name} must be over zero")
        tables[view] = LinearTable(hashes, weights, scale, bias)
        spreads[view], shares[view] = spread, share
    whole, form = (_calibration(meta["calibration"][name]) for name in ("whole", "form"))
    return Model(tables, spreads, shares, whole, form, found.version, meta)


def _calibration(entry: Mapping[str, Any]) -> Calibration:
    knots = tuple(_number(n) for n in entry["knots"])
    if len(knots) != len(RATES) or list(knots) != sorted(knots):
        raise ValueError("the knots of a calibration must be as many as rates, and rise")
    return Calibration(_number(entry["slope"]), _number(entry["offset"]), knots)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a number is missing or not finite")
    return float(value)


def _unknown(features: Features, known: float) -> str | None:
    language = features.language
    if not language.is_english:
        return f"language not taught ({language.script or 'none'})"
    if language.words < FEWEST_WORDS:
        return "too few words"
    if known < LEAST_KNOWN:
        return "most words not known"
    return None


def _count(features: Features, view: View) -> int:
    return int(features.starts[view + 1] - features.starts[view])


def _evidence(
    features: Features, places: npt.NDArray[np.intp], shares: npt.NDArray[np.float64]
) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """Return the words that spoke for spam and for ham; `places` are those of known words in the keys."""
    order = np.argsort(shares, kind="stable")
    picked = [int(i) for i in (*order[:TOP], *order[::-1][:TOP])]
    if not picked:
        return (), ()
    # hashes cannot be turned back: the word is the one of this very message that has it
    found = features.keys[places[picked]].astype(np.uint32)
    at = (features.hashed == found[:, None]).argmax(axis=1)
    terms = {
        Term(features.words[where], round(float(shares[i]), 3))
        for i, where in zip(picked, at.tolist(), strict=True)
    }
    spam = sorted((t for t in terms if t.weight > 0), key=lambda t: (-t.weight, t.word))
    ham = sorted((t for t in terms if t.weight < 0), key=lambda t: (t.weight, t.word))
    return tuple(spam[:TOP]), tuple(ham[:TOP])
