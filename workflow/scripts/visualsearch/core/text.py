"""Makes text from outside, such as file names, safe for terminals, log lines and spreadsheets."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def one_line(text: str) -> str:
    """Return `text` with each unprintable character as its escape, such as \\x1b or \\n.

    Unprintable are control characters, line ends, characters that change the direction of writing,
    and lone surrogates, in which Python keeps bytes that are not UTF-8.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may read a cell with this text as a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return text.startswith(FORMULAS)
