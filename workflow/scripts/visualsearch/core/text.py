"""Text from outside, such as the names of files, fit for a terminal and for one line of a log."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def one_line(text: str) -> str:
    """`text` with each character that is not to be printed as its escape, such as \\x1b or \\n.

    Those are controls of terminals, what ends a line or turns the direction of writing, and the
    lone surrogates by which Python keeps bytes that are not UTF-8.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a cell of this text for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return text.startswith(FORMULAS)
