"""Text that a terminal shows as it is, whatever stands in it: no escape sequence, no turned direction."""

from __future__ import annotations

import re

UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but line feed and tab, line separators, overrides of the direction, and lone surrogates."""


def plain(text: str) -> str:
    r"""`text` with its control characters written out, as JSON writes them; a JSON text keeps its meaning.

    >>> plain("a\x1b[31mb\u202ec\td\udc80")
    'a\\u001b[31mb\\u202ec\td\\udc80'
    """
    return UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
