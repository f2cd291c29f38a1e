"""Reads a JPEG that lacks its end marker, if all its pixels are there; one that is cut is refused.

Stopped copies and phones that ran out of power leave such files; browsers show them. libjpeg fills
pixels that it does not find with grey and only warns, which Pillow does not pass on. So this tries
whether the decoder looks for anything behind the last byte: the file is decoded with the end marker
behind it, and with other bytes before the marker. If no pixel is missing, they change nothing.
"""

import re
from collections.abc import Callable, Iterator

from visualsearch.data.upright import Decoded

START, END = b"\xff\xd8", b"\xff\xd9"
# Frames of Huffman codes: baseline, extended and progressive.
FRAMES = (0xC0, 0xC1, 0xC2)
SCAN = 0xDA
# Within a scan's data, 0xFF is followed by 0, or by one of the restart markers 0xD0 to 0xD7.
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
RESTART = re.compile(rb"\xff([\xd0-\xd7])")
COEFFICIENTS = 64
# A stopped copy may leave zeros where the rest should stand. A few may be data.
PADDING = bytes(8)
# Each bit differs between the two, so one of them differs from whatever is missing. Neither holds
# 0xFF, which begins a marker.
OTHER_BYTES = (b"\x5a\x93\x2c\x71\xe4\x0d" * 40, b"\xa5\x6c\xd3\x8e\x1b\xf2" * 40)


def ends_in_zeros(data: bytes) -> bool:
    """Whether zeros stand where a JPEG's end marker should; the decoder would take them as data."""
    if not (data.startswith(START) and data.endswith(PADDING)):
        return False
    return all(kind != END[1] for kind, _, _ in _segments(data))


def decode_without_end(data: bytes, decode: Callable[[bytes], Decoded]) -> Decoded | None:
    """Return the JPEG in `data` without its end marker, or None if it lacks more, or is no JPEG.

    decode: decodes a whole file, and raises an exception if it cannot. A progressive JPEG without
    its last scans lacks more: a browser shows it, but coarser than it was.
    """
    if not data.startswith(START):
        return None
    data = _without_padding(data)
    try:
        scan = _data_of_last_scan(data)
        if scan is None:
            return None
        restarts = RESTART.findall(data, scan)
        # Their numbers count from 0 to 7 again and again.
        number = (restarts[-1][0] - 0xD0 + 1) % 8 if restarts else 0
        next_restart = bytes([0xFF, 0xD0 + number])
        found = decode(data + END)
        pixels = found.image.tobytes()
        for other in OTHER_BYTES:
            # If a restart is due, the decoder skips the bytes before its marker.
            ended = decode(data + other + next_restart + other + END)
            if ended.image.tobytes() != pixels:
                return None
    except Exception:
        return None
    return found


def _without_padding(data: bytes) -> bytes:
    """Cut off zeros that are no data, and the first half of a marker."""
    if data.endswith(PADDING):
        data = data.rstrip(b"\0")
        # Within a scan, 0xFF and 0 are one byte of data.
        return data + b"\0" if data.endswith(b"\xff") else data
    return data.rstrip(b"\xff")


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield the segments of a JPEG: marker, content, and where the data behind it begins."""
    at = len(START)
    while found := MARKER.search(data, at):
        at = found.end()
        length = int.from_bytes(data[at : at + 2])
        yield found[1][0], data[at + 2 : at + length], at + length
        at += length


def _data_of_last_scan(data: bytes) -> int | None:
    """Return where the data of the last scan begins; None if a scan is missing, or nothing is.

    A progressive JPEG sends its coefficients in several scans, and their low bits later. All 64 of
    each component must have come down to bit 0.
    """
    begins = None
    lacking: dict[int, list[bool]] = {}
    for kind, segment, behind in _segments(data):
        if kind == END[1]:
            return None
        if kind in FRAMES:
            lacking = {segment[6 + 3 * n]: [True] * COEFFICIENTS for n in range(segment[5])}
        elif kind == SCAN:
            first, last, bits = segment[-3:]
            for n in range(segment[0]):
                for coefficient in range(first, last + 1):
                    lacking[segment[1 + 2 * n]][coefficient] = bits % 16 > 0
            begins = behind
    complete = lacking and not any(any(missing) for missing in lacking.values())
    return begins if complete else None
