"""Letters and phrases: what is folded, what is found, and what stays what it is."""

import pytest

from mailweir_scoring.policy.checks.phrases import base58, bech32, wallet_in
from mailweir_scoring.policy.checks.senders import close, is_random
from mailweir_scoring.policy.letters import fold, invisible, mixed_words, scripts_of, skeleton
from mailweir_scoring.policy.linear import Pattern
from mailweir_scoring.policy.words import normal, read_words, schemes_in


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hello", "hello"),
        ("pаypаl", "paypal"),  # with Cyrillic а
        ("Привет", "привет"),  # a word of one script stays what it is
        ("Grüße", "grüsse"),
        ("pay\u200bpal\u00ad", "paypal"),
        ("𝐏𝐚𝐲𝐏𝐚𝐥", "paypal"),
        ("ＰａｙＰａｌ", "paypal"),
    ],
)
def test_text_is_folded_to_what_a_reader_takes_it_for(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_a_skeleton_has_neither_accents_nor_other_scripts_look_alikes() -> None:
    assert skeleton("Crédit Agricole") == "credit agricole"
    assert skeleton("РАYРАL") == "paypal"
    assert skeleton("楽天") == "楽天"


def test_mixed_words_need_both_scripts() -> None:
    assert mixed_words("Yоur оffice и почта") == ["Yоur", "оffice"]
    assert mixed_words("почта Google") == []
    assert invisible("a\u200b\u200bb c\u00add") == 2


def test_scripts_are_counted() -> None:
    assert scripts_of("Hello") == {"latin": 5}
    assert scripts_of("東京 Tokyo とうきょう") == {"latin": 5, "kana": 5, "han": 2}
    assert scripts_of("123 !") == {}


def test_words_are_found_whole_and_by_their_begin() -> None:
    assert normal("It's 24 hours – or so!") == b" it s 24 hours or so "
    found = read_words("", "Deactivation within 24 hours. Quotations are not quota.").found
    assert set(found["account"]) == {"deactivat*", "quota"}
    assert "within 24 hours" in found["urgent"]
    assert read_words("", "unquotable").count("account") == 0


def test_scripts_without_spaces_need_none() -> None:
    assert read_words("", "お客様のアカウントが停止されました").count("account") == 1


def test_wallets_are_proven_by_their_checksum() -> None:
    assert base58("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa")
    assert not base58("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb")
    assert not base58("z" * 60)
    assert bech32("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq")
    assert not bech32("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdx")
    assert wallet_in("to 0x52908400098527886E0F7030069857D2E4169EE7 please").startswith("0x5290")
    assert wallet_in("nothing here") == ""


@pytest.mark.parametrize("name", ["x8f3k2q9z1", "q7x2k9f4", "bkzrtwqm"])
def test_names_drawn_by_lot(name: str) -> None:
    assert is_random(name)


@pytest.mark.parametrize(
    "name", ["annother1999", "newsletter", "schulz-hansen", "a1b2", "mueller2"]
)
def test_names_of_people(name: str) -> None:
    assert not is_random(name)


def test_close_domains_differ_in_one_place() -> None:
    one = "bestexample.com"
    for other in ("bestexamples.com", "bestexampel.com", "bestexanple.com", "bstexample.com"):
        assert close(one, other)
        assert close(other, one)
    for other in ("worstexample.com", "bestexample.net", "b.com"):
        assert not close(one, other)


@pytest.mark.parametrize(("times", "found"), [(1, True), (3, True), (4, False)])
def test_a_pattern_is_counted_as_far_as_asked(times: int, found: bool) -> None:
    assert Pattern("[0-9]+").found_times(b"1, 22 and 333", times) is found


def test_phrases_of_schemes_are_sought_apart() -> None:
    text = "Are you available? It is an inheritance."
    assert read_words("", text).count("task") == 0
    assert schemes_in(normal(text)).found == {"task": ("are you available",)}
