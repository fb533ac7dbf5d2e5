"""What `plugin(...)`, `can(...)` and `has(...)` answer: what this package stands in for."""

from typing import Final

_PLUGIN: Final = "Mail::SpamAssassin::Plugin::"
_CONF: Final = "Mail::SpamAssassin::Conf::"

PLUGINS: Final = frozenset(
    _PLUGIN + name
    for name in [
        "AskDNS",
        "AutoLearnThreshold",
        "Bayes",
        "BodyEval",
        "Check",
        "DKIM",
        "DMARC",
        "DNSEval",
        "FreeMail",
        "HTMLEval",
        "HTTPSMismatch",
        "HashBL",
        "HeaderEval",
        "ImageInfo",
        "MIMEEval",
        "MIMEHeader",
        "Pyzor",
        "Razor2",
        "RelayEval",
        "ReplaceTags",
        "Rule2XSBody",
        "SPF",
        "SpamCop",
        "URIDNSBL",
        "URIDetail",
        "URIEval",
        "VBounce",
        "WLBLEval",
        "WelcomeListSubject",
    ]
)
"""Those that a fresh installation of SpamAssassin loads; what of them asks the network stays silent."""

PLUGIN_ALIASES: Final = {
    _PLUGIN + "Dmarc": _PLUGIN + "DMARC",
    _PLUGIN + "WhiteListSubject": _PLUGIN + "WelcomeListSubject",
}
"""Names of earlier releases."""

_CONF_ABILITIES: Final = """
    feature_bayes_auto_learn_on_error feature_bayes_stopwords feature_blocklist_welcomelist
    feature_bug6558_free feature_capture_rules feature_compile_regexp feature_dns_block_rule
    feature_dns_local_ports_permit_avoid feature_dns_query_restriction feature_edns feature_geodb
    feature_get_host feature_header_address_parser feature_header_first_last
    feature_header_match_many feature_local_tests_only feature_meta_rules_matching
    feature_originating_ip_headers feature_registryboundaries feature_subjprefix
    feature_uri_host_listed feature_welcomelist_blocklist feature_yesno_takes_args
    has_tflags_nolog has_tflags_nosubject perl_min_version_5010000
"""
_PLUGIN_ABILITIES: Final = {
    "AskDNS": "has_tag_header",
    "BodyEval": "has_check_body_length has_plaintext_body_sig_ratio",
    "DKIM": "has_arc",
    "DNSEval": "has_tflags_domains_only has_tflags_ips_only",
    "HashBL": """
        has_hashbl_attachments has_hashbl_bodyre has_hashbl_bodyre_num has_hashbl_email_domain
        has_hashbl_email_domain_alias has_hashbl_email_regex has_hashbl_email_welcomelist
        has_hashbl_email_whitelist has_hashbl_emails has_hashbl_ignore has_hashbl_sha256
        has_hashbl_tag has_hashbl_uris
    """,
    "MIMEEval": """
        has_check_abundant_unicode_ratio has_check_for_ascii_text_illegal has_check_qp_ratio
    """,
    "MIMEHeader": """
        has_all_header has_capture_rules has_tflags_concat has_tflags_multiple has_tflags_range
    """,
    "Pyzor": "has_fork has_perl",
    "Razor2": "has_fork",
    "SPF": "has_check_for_spf_errors has_check_spf_skipped_noenvfrom",
    "URIDNSBL": """
        has_subtest_for_ranges has_tflags_domains_only has_tflags_notrim has_uridnsbl_a_ns
        has_uridnsbl_for_a has_uridnsbl_skip_mailto
    """,
    "URIDetail": "has_host_key",
}

ABILITIES: Final = frozenset(_CONF + name for name in _CONF_ABILITIES.split()) | frozenset(
    f"{_PLUGIN}{plugin}::{name}"
    for plugin, names in _PLUGIN_ABILITIES.items()
    for name in names.split()
)
"""What rule files ask for before they use it; their names are those of SpamAssassin 4.0.1."""
