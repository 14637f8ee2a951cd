"""The reasons that people give, as they are kept and shown: in a terminal, on a page, in Slack."""

import unicodedata

UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Categories of characters that move the cursor, turn the direction of reading, or are not shown."""


def escaped(reason: str) -> str:
    """The reason with control and format characters written out, as \\x1b or \\u202e: it shows what it holds."""
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in UNSEEN else character
        for character in reason
    )
