"""Makes text from outside, such as file names, safe for terminals, log lines and spreadsheets."""

import re

SIGNS = "=+\\-@＝＋－＠"
# Where a spreadsheet may start a formula: at the start of a cell, and within it after `;` or a line
# end, as a German spreadsheet splits a table with commas at semicolons, whatever is quoted.
FORMULA = re.compile(rf"""^(?=[{SIGNS}\t\r\n])|(?<=[;\r\n])(?=["\s]*[{SIGNS}])""")


def one_line(text: str) -> str:
    """Return `text` with each unprintable character as its escape, such as \\x1b or \\n.

    Unprintable are control characters, line ends, characters that change the direction of writing,
    and lone surrogates, in which Python keeps bytes that are not UTF-8.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def without_formulas(text: str, mark: str) -> str:
    """Return `text` with `mark` wherever a spreadsheet might start a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return FORMULA.sub(lambda _: mark, text)
