"""Text from outside, such as the names of files, fit for a terminal and for one line of a log."""

import re

# Controls of terminals, what ends a line, what turns the direction of writing, and the lone
# surrogates by which Python keeps bytes that are not UTF-8.
UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def one_line(text: str) -> str:
    """`text` with each character that is not to be printed as its escape, such as \\x1b or \\n."""
    return UNFIT.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a cell of this text for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return text.startswith(FORMULAS)
