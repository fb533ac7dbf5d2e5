"""The eval tests that are not here, and why."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_NETWORK: Final = "asks a service over the network"
_DNS: Final = "asks the DNS; lists are asked by the stage `lists`"
_OFF: Final = "its plugin is off by default"
_OWN: Final = "SpamAssassin's own memory of senders; see reputation and campaigns"
_AUTHORS: Final = "needs policy records from the DNS that no sender publishes any more (ADSP)"
_LISTED: Final = (
    "welcome lists bound to SPF or DKIM; allow lists are bound to authentication by the policy"
)
_MARK: Final = "no test: it marks where a plugin stopped early"

UNSUPPORTED_EVALS: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(
        [
            "check_rbl",
            "check_rbl_sub",
            "check_rbl_txt",
            "check_rbl_from_host",
            "check_uridnsbl",
            "check_hashbl_bodyre",
            "check_hashbl_emails",
            "check_hashbl_uris",
            "check_dns_sender",
        ],
        _DNS,
    )
    | dict.fromkeys(
        [
            "check_dcc",
            "check_dcc_reputation_range",
            "check_razor2",
            "check_razor2_range",
            "check_pyzor",
        ],
        _NETWORK,
    )
    | dict.fromkeys(
        [
            "pdf_match_details",
            "pdf_image_size_range",
            "pdf_image_to_text_ratio",
            "pdf_match_fuzzy_md5",
            "pdf_pixel_coverage",
            "pdf_name_regex",
            "pdf_image_count",
            "pdf_count",
            "pdf_named",
            "pdf_match_md5",
            "pdf_is_encrypted",
            "pdf_is_empty_body",
            "pdf_image_size_exact",
            "check_microsoft_executable",
            "check_suspect_name",
            "check_language",
            "check_body_8bits",
            "check_access_database",
            "short_url",
            "short_url_chained",
            "check_fromname_spoof",
            "check_fromname_equals_to",
            "check_fromname_equals_replyto",
        ],
        _OFF,
    )
    | dict.fromkeys(
        [
            "check_from_in_auto_whitelist",
            "check_from_in_auto_welcomelist",
            "check_senders_reputation",
        ],
        _OWN,
    )
    | dict.fromkeys(["check_dkim_adsp", "check_dkim_signall", "check_dkim_signsome"], _AUTHORS)
    | dict.fromkeys(
        [
            "check_for_spf_whitelist_from",
            "check_for_spf_welcomelist_from",
            "check_for_def_spf_whitelist_from",
            "check_for_def_spf_welcomelist_from",
            "check_for_dkim_whitelist_from",
            "check_for_dkim_welcomelist_from",
            "check_for_def_dkim_whitelist_from",
            "check_for_def_dkim_welcomelist_from",
        ],
        _LISTED,
    )
    | {"check_shortcircuit": _MARK}
)
