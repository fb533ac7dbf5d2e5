"""What a directory of rule files may cost. A file beyond a limit is reported, never half believed in silence."""

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

SHORT_TEXT_BYTES: Final = 8_192
SHORT_STEPS: Final = 50_000
"""Backtracking steps from one position in a text up to SHORT_TEXT_BYTES; then the rule counts as not hit."""
LONG_STEPS: Final = 2_000
"""The same in a longer text."""
SLOW_SECONDS: Final = 0.02
"""A rule that takes longer within one message is named as slow."""
MESSAGE_SECONDS: Final = 1.0
"""For all exact matching within one message; what is left then is skipped and named."""
