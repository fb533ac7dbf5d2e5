"""Names of directives: old spellings, and the settings that rule files may hold."""

from typing import Final

MAX_RULE_NAME: Final = 100

_OLD: Final = (("whitelist", "welcomelist"), ("blacklist", "blocklist"))
_ALIASES: Final = {"required_hits": "required_score", "auto_whitelist": "auto_welcomelist"}

NETWORK_RULES: Final = frozenset(
    [
        "askdns",
        "uridnsbl",
        "uridnssub",
        "urirhsbl",
        "urirhssub",
        "urinsrhsbl",
        "urinsrhssub",
        "urifullnsrhsbl",
        "urifullnsrhssub",
    ]
)
"""Directives that define a rule which asks the DNS."""

UNSUPPORTED_RULES: Final = frozenset({"uri_detail"})
"""Directives that define a rule which this package cannot run."""

TEMPLATES: Final = frozenset(
    ["report", "unsafe_report", "report_template", "unsafe_report_template", "add_header"]
)

_FAMILIES: Final = (
    "bayes_ dns_ dcc_ dkim_ dmarc_ fns_ freemail_ geodb_ hashbl_ pyzor_ razor_ spamcop_ spf_ txrep_ "
    "textcat_ asn_ auto_welcomelist_ url_shortener uri_country uridnsbl_ util_rb_ welcomelist_ blocklist_ "
    "def_welcomelist_ unwelcomelist_ unblocklist_ report_ replace_ shortcircuit clear_ olemacro_ phishing_ "
    "extracttext_ authres_ user_scores_ user_awl_ enlist_ delist_ rbl_ uri_block_ ok_ use_ pdftext_ "
    "imageinfo_ decodeshorturl dnseval_ relaycountry_ trusted_ internal_ msa_ antivirus_ "
)
FAMILIES: Final = tuple(_FAMILIES.split())
"""Beginnings of names that settings of SpamAssassin and its plugins have."""

SETTINGS: Final = frozenset(
    [
        "adsp_override",
        "all_spam_to",
        "allow_user_rules",
        "always_trust_envelope_sender",
        "askdns",
        "body_part_scan_size",
        "country_db_path",
        "country_db_type",
        "dccifd_options",
        "do_not_use_mail_spf",
        "do_not_use_mail_spf_query",
        "enable_compat",
        "envelope_sender_header",
        "fold_headers",
        "ignore_received_spf_header",
        "inactive_languages",
        "loadplugin",
        "lang",
        "lock_method",
        "max_short_url_redirections",
        "max_short_urls",
        "mbox_format_from_regex",
        "more_spam_to",
        "normalize_charset",
        "originating_ip_headers",
        "parse_dkim_uris",
        "rawbody_part_scan_size",
        "redirector_pattern",
        "remove_header",
        "required_score",
        "reuse",
        "rewrite_header",
        "run_reuse_tests_only",
        "score_set",
        "skip_rbl_checks",
        "skip_uribl_checks",
        "subjprefix",
        "test",
        "time_limit",
        "trigger_config",
        "trigger_ratio",
        "trigger_target",
        "tryplugin",
        "version_tag",
        "ignore_always_matching_regexps",
        "ignore_server_flood_timeout",
        "ifplugin",
        "test_log",
    ]
)


def modern(name: str) -> str:
    """Return a directive's or function's name in today's spelling: `whitelist_from` → `welcomelist_from`."""
    if name in _ALIASES:
        return _ALIASES[name]
    for old, new in _OLD:
        if old in name:
            return name.replace(old, new)
    return name


def is_setting(name: str) -> bool:
    """Say whether a name, in today's spelling, is a setting of SpamAssassin or of one of its plugins."""
    return name in SETTINGS or name.startswith(FAMILIES)
