"""The model as a whole, and the prior that is shipped."""

import json
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mailweir_mail import Message, parse
from mailweir_model import Model, View, artefact, extract, shipped
from mailweir_model.artefact import InvalidArtefactError
from mailweir_model.features import VERSION
from mailweir_model.linear import joined
from mailweir_model.model import dump

SHIPPED = files("mailweir_model").joinpath("data", "prior.mwm").read_bytes()
MODEL = shipped()
MOST_BYTES = 4 * 1024 * 1024


def mail(body: str, subject: str = "Hello", **fields: str) -> Message:
    head = {"From": "Ann <ann@example.com>", "To": "bob@example.org", "Subject": subject, **fields}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in head.items()]
    text = "\r\n".join(
        [*lines, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "", body]
    )
    return parse(text.encode())


SPAM = mail(
    "Dear friend,\n\nyou have been selected to claim 5,000,000 dollars. Click here to claim your money now. "
    "Order now and save 80% on cheap pills! This is a limited time offer. To be removed click below.",
    "Claim your money now!!!",
)
HAM = mail(
    "Hi Bob,\n\nthanks for the patch. I tried it on the test machine and it still fails with the same "
    "error, but I think that is another bug in the parser. Could you look at the log?\n\nAnn",
    "Re: parser test fails",
    In_Reply_To="<1@example.org>",
    References="<1@example.org>",
)


def test_spam_and_ham_are_told_apart() -> None:
    spam, ham = MODEL.opinion(SPAM), MODEL.opinion(HAM)
    assert spam.probability > 0.9 > 0.3 > ham.probability
    assert spam.rarity > 2 > ham.rarity
    assert spam.abstained is ham.abstained is None


def test_what_counted_is_shown_in_words_of_the_message() -> None:
    opinion = MODEL.opinion(SPAM)
    shown = [t.word for t in opinion.spam_evidence]
    assert set(shown) <= set(extract(SPAM).words)
    assert "claim" in shown or "click" in shown
    assert [t.weight for t in opinion.spam_evidence] == sorted(
        (t.weight for t in opinion.spam_evidence), reverse=True
    )
    assert all(t.weight < 0 for t in opinion.ham_evidence)


def test_what_the_prior_does_not_know_it_does_not_judge_by_content() -> None:
    german = mail(
        "Hallo Bob, vielen Dank für die Unterlagen. Wir sehen uns dann morgen um zehn im Büro, Gruß Ann",
        "Unterlagen",
    )
    assert "language" in (MODEL.opinion(german).abstained or "")
    assert MODEL.opinion(mail("Hi")).abstained == "too few words"
    unknown = mail("the xqz qqzv vvkj to wwqp zzxk jjqv of pqzz kkvw qxqx zqzq jkjk is vqvq wqwq ")
    assert MODEL.opinion(unknown).abstained == "most words not known"
    assert MODEL.opinion(german).spam_evidence == ()


@given(st.binary(max_size=300))
def test_no_message_raises(raw: bytes) -> None:
    opinion = MODEL.opinion(parse(raw))
    assert 0 <= opinion.probability <= 1
    assert opinion.rarity >= 0


def test_the_same_message_has_the_same_opinion() -> None:
    assert MODEL.opinion(SPAM) == shipped().opinion(SPAM)


def test_the_prior_is_small_and_fits_the_extractor() -> None:
    assert len(SHIPPED) <= MOST_BYTES
    assert MODEL.meta["features"] == VERSION
    assert len(MODEL.version) == 12
    assert artefact.read(SHIPPED).version == MODEL.version


def test_the_prior_was_taught_nothing_that_must_not_ship() -> None:
    assert MODEL.meta["sets"]
    assert "phishing-pot" not in MODEL.meta["sets"]


def test_the_prior_holds_numbers_alone() -> None:
    header = json.dumps(MODEL.meta)
    assert not {w for w in ("viagra", "@", "http") if w in header}
    for array in artefact.read(SHIPPED).arrays.values():
        assert array.dtype in (np.uint32, np.int8)


def test_judging_has_the_features_of_teaching() -> None:
    """The table is read with what `extract` gives: each view's known share is that of the same hashes."""
    features = extract(SPAM)
    known = np.isin(features.views[View.WORDS], MODEL.tables[View.WORDS].hashes).mean()
    assert MODEL.judge(features).known_share == pytest.approx(known)
    assert MODEL.judge(features) == MODEL.opinion(SPAM)


@pytest.mark.parametrize("message", [SPAM, HAM, mail(""), parse(b"")], ids=range(4))
def test_the_joined_tables_say_what_each_says_by_itself(message: Message) -> None:
    features = extract(message)
    tables = joined(MODEL.tables)
    logits, places, shares = tables.read(features.keys, features.starts)
    for view, table in MODEL.tables.items():
        alone = table.read(features.views[view])
        here = (places >= features.starts[view]) & (places < features.starts[view + 1])
        assert logits[view] == pytest.approx(alone.logit)
        assert (places[here] - features.starts[view]).tolist() == alone.places.tolist()
        assert shares[here] == pytest.approx(alone.shares)


def test_dumped_and_loaded_it_is_the_same() -> None:
    again = Model.load(dump(MODEL, {"sets": MODEL.meta["sets"], "languages": ["en"]}))
    assert again.version == MODEL.version
    assert again.opinion(SPAM) == MODEL.opinion(SPAM)
    assert again.size == MODEL.size > 10_000


def altered(change: Any) -> bytes:
    found = artefact.read(SHIPPED)
    meta, arrays = json.loads(json.dumps(dict(found.meta))), dict(found.arrays)
    change(meta, arrays)
    return artefact.write(meta, arrays)


BROKEN = {
    "features of another version": lambda m, a: m.update(features=VERSION + 1),
    "no views": lambda m, a: m.pop("views"),
    "views of another kind": lambda m, a: m.update(views=[]),
    "a view is missing": lambda m, a: m["views"].pop("WORDS"),
    "too few numbers": lambda m, a: m["views"].update(WORDS=[1.0]),
    "no spread": lambda m, a: m["views"].update(WORDS=[1.0, 0.0, 0.0, 1.0]),
    "a word for a number": lambda m, a: m["views"].update(WORDS=["1", 0.0, 1.0, 1.0]),
    "infinite": lambda m, a: m["views"].update(WORDS=[float("inf"), 0.0, 1.0, 1.0]),
    "huge": lambda m, a: m["views"].update(WORDS=[10**400, 0.0, 1.0, 1.0]),
    "an array is missing": lambda m, a: a.pop("WORDS.hashes"),
    "arrays differ": lambda m, a: a.update({"WORDS.weights": np.zeros(1, np.int8)}),
    "types differ": lambda m, a: a.update({"WORDS.weights": a["WORDS.hashes"]}),
    "not in order": lambda m, a: a.update({"WORDS.hashes": a["WORDS.hashes"][::-1].copy()}),
    "no calibration": lambda m, a: m.pop("calibration"),
    "knots fall": lambda m, a: m["calibration"]["whole"]["knots"].reverse(),
    "few knots": lambda m, a: m["calibration"]["whole"].update(knots=[1.0]),
    "slope is true": lambda m, a: m["calibration"]["form"].update(slope=True),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_model_is_refused(name: str) -> None:
    with pytest.raises(InvalidArtefactError):
        Model.load(altered(BROKEN[name]))
