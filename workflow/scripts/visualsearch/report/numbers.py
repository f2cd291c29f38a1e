"""Formats numbers as text."""

from collections.abc import Sequence

Facts = list[tuple[str, str]]

DASH = "–"


def count(n: int, one: str, many: str | None = None) -> str:
    """1,234 pictures; 1 picture."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def decimals(value: float | None, digits: int = 2) -> str:
    """A number with a true minus sign; a dash for None."""
    if value is None:
        return DASH
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """A difference: +0.043, −0.049."""
    text = decimals(value, digits)
    return f"+{text}" if value is not None and float(f"{value:.{digits}f}") > 0 else text


def percent(share: float, digits: int = 0) -> str:
    """0.123 as 12 %; −0.02 as −2 %."""
    return f"{decimals(100 * share, digits)} %"


def interval(ends: Sequence[float] | None, digits: int = 3) -> str:
    """The ends of an interval; a dash for None."""
    if ends is None:
        return DASH
    return f"{decimals(ends[0], digits)} to {decimals(ends[1], digits)}"


def percent_interval(ends: Sequence[float]) -> str:
    """An interval of shares: 2 % to 7 %."""
    return f"{percent(ends[0])} to {percent(ends[1])}"


def listed(parts: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join([", ".join(parts[:-1])] * (len(parts) > 1) + list(parts[-1:]))


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{'th' if n % 100 in (11, 12, 13) else ending}"


def size(n_bytes: float) -> str:
    """Bytes as 77 kB, 2.1 MB, 21 MB or 2.1 GB."""
    if n_bytes >= 1e9:
        return f"{n_bytes / 1e9:,.1f} GB"
    if n_bytes < 1e6:
        return f"{n_bytes / 1e3:.0f} kB"
    return f"{n_bytes / 1e6:,.{1 if n_bytes < 1e7 else 0}f} MB"


def milliseconds(time: float) -> str:
    """0.041 ms, 0.61 ms, 6.1 ms, 61 ms, 6,149 ms."""
    digits = next((d for d, least in enumerate((10, 1, 0.1)) if time >= least), 3)
    return f"{time:,.{digits}f} ms"


def duration(seconds: float) -> str:
    """0.30 s, 6.8 s, 42 s, 2 min 5 s, 3 h 20 min."""
    if seconds < 59.5:
        digits = next((d for d, least in enumerate((9.95, 0.995)) if seconds >= least), 2)
        return f"{seconds:.{digits}f} s"
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {rest} min"
