"""What a directory of rule files may cost. What goes beyond a limit is reported, not silently cut."""

from typing import Final

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 64 * 1024 * 1024
MAX_FILES: Final = 5_000
MAX_INCLUDE_DEPTH: Final = 8
MAX_LINE_CHARS: Final = 65_536
MAX_NESTED_CONDITIONS: Final = 64
MAX_RULES: Final = 20_000
"""Debian's rules have about 2,600; a set of twenty thousand compiles within a minute."""
MAX_NAME_CHARS: Final = 100
"""As SpamAssassin: a longer name is refused."""
MAX_PATTERN_CHARS: Final = 262_144
"""Of one regular expression, replace tags filled in."""
MAX_REPLACE_PASSES: Final = 6
MAX_PROBLEMS: Final = 10_000

MAX_META_TOKENS: Final = 20_000
MAX_META_DEPTH: Final = 40
"""Parentheses and unary operators within each other."""
MAX_META_DIVISIONS: Final = 64
"""Operators in a row where one of them is a division or `^`: these cannot be regrouped."""

MAX_SCAN_BYTES: Final = 1_048_576
"""Of one text (a header, a paragraph, the whole message) that a rule looks at; the rest is not seen."""
MAX_HEADER_SCAN_BYTES: Final = 65_536
MAX_HITS: Final = 10_000
"""Of one rule with `multiple` and no `maxhits`."""
MAX_EVIDENCE_CHARS: Final = 60

STEP_LIMITS: Final = ((8_192, 50_000), (131_072, 10_000), (MAX_SCAN_BYTES, 1_000))
"""Bytes of a text, and backtracking steps from each place in it: past them the rule counts as not hit.

A step takes about two nanoseconds, so that a hostile rule on a text made for it ends within seconds.
"""
SLOW_SECONDS: Final = 0.02
"""A rule that takes longer within one message is named as slow."""
MESSAGE_SECONDS: Final = 1.0
"""For all exact matching within one message; what is left then is skipped and named."""
