"""Why a decision fell: the closed list. The same string is in log, header, event, metric label and docs."""

from enum import StrEnum


class Reason(StrEnum):
    """The one reason that a decision names. Grouped by what the sender or the admin can do about it."""

    # the message was taken
    CLEAN = "clean"
    SUSPICIOUS = "suspicious"  # at or over the tag threshold
    EXEMPT = "exempt"  # trusted network or authenticated user with the exemption from scanning
    # the content
    SPAM = "spam"  # at or over the quarantine or reject threshold
    GTUBE = "gtube"
    MALWARE = "malware"
    DISCARDED = "discarded"
    UNSCANNED = "unscanned"  # held for a later scan after repeated temporary failures
    # what the client said
    BAD_SYNTAX = "bad-syntax"
    BAD_SEQUENCE = "bad-sequence"
    BAD_HELO = "bad-helo"
    BAD_ADDRESS = "bad-address"
    EARLY_TALKER = "early-talker"
    HTTP_VERB = "http-verb"
    TOO_MANY_ERRORS = "too-many-errors"
    TOO_MANY_COMMANDS = "too-many-commands"
    TOO_MANY_RECIPIENTS = "too-many-recipients"
    TOO_BIG = "too-big"
    LINE_TOO_LONG = "line-too-long"
    BARE_NEWLINE = "bare-newline"
    LOOP = "mail-loop"  # more Received headers than the policy lets pass
    BAD_HEADERS = "bad-headers"  # more header lines or parts than the policy lets pass
    EIGHT_BIT = "eight-bit-not-declared"
    BAD_PROXY = "bad-proxy-header"
    # who may send through us
    RELAY_DENIED = "relay-denied"
    UNKNOWN_RECIPIENT = "unknown-recipient"
    RECIPIENT_UNVERIFIED = "recipient-unverified"  # the callout gave no answer in time
    SENDER_NOT_OWNED = "sender-not-owned"
    LOCAL_SENDER_UNAUTHENTICATED = "local-sender-unauthenticated"
    AUTH_REQUIRED = "auth-required"
    AUTH_FAILED = "auth-failed"
    AUTH_UNAVAILABLE = "auth-unavailable"
    TLS_REQUIRED = "tls-required"
    TLS_FAILED = "tls-failed"
    # who the client is (the edge services)
    BANNED = "banned"
    LISTED = "dns-listed"
    GREYLISTED = "greylisted"
    RATE_LIMITED = "rate-limited"
    BLOCKED = "blocklisted"
    NO_REVERSE_DNS = "no-reverse-dns"
    HELO_LIES = "helo-lies"
    SENDER_DOMAIN_MISSING = "sender-domain-missing"
    SENDER_TAKES_NO_MAIL = "sender-takes-no-mail"  # null MX, RFC 7505
    SPF_FAILED = "spf-failed"
    # what our own users send
    OVER_LIMIT = "over-outbound-limit"
    OUTBOUND_SPAM = "outbound-spam"
    ACCOUNT_BLOCKED = "account-blocked"
    # our own state
    TOO_MANY_SESSIONS = "too-many-sessions"
    MEMORY_FULL = "memory-full"
    OVERLOADED = "overloaded"  # there is too much to do, and nobody vouches for the client
    TIMEOUT = "timeout"
    TOO_SLOW = "too-slow"
    SESSION_TOO_LONG = "session-too-long"
    DISCONNECTED = "disconnected"
    SHUTTING_DOWN = "shutting-down"
    SCORING_UNAVAILABLE = "scoring-unavailable"
    STORE_UNAVAILABLE = "store-unavailable"
    CHECK_UNAVAILABLE = (
        "check-unavailable"  # a check of the session failed, and the policy waits for it
    )
    CONFIG_UNAVAILABLE = "config-unavailable"
    INTERNAL = "internal-error"
