"""A reason shows what it holds: nothing in it moves the cursor, hides text or turns its direction."""

import pytest

from v4_assets.production.events import escaped


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (
            "lift fell, 1.2 < 1.5 (siehe Ticket Nº 7) – naïve 日本",
            "lift fell, 1.2 < 1.5 (siehe Ticket Nº 7) – naïve 日本",
        ),
        ("red \x1b[31m", "red \\x1b[31m"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("tab\there", "tab\\there"),
        ("turned \u202e", "turned \\u202e"),
        ("unseen \u200b\ufeff", "unseen \\u200b\\ufeff"),
        ("line\u2028end", "line\\u2028end"),
    ],
)
def test_what_is_not_shown_is_written_out_and_what_is_shown_stays(reason, shown):
    assert escaped(reason) == shown
    assert escaped(shown) == shown
