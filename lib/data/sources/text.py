"""Numbers and element symbols in bytes, read by compiled loops."""

import numba
import numpy as np
from ase.data import chemical_symbols


SPACE, TAB, NEWLINE, RETURN = 32, 9, 10, 13
EXACT = 10.0 ** np.arange(23)  # powers of ten that float64 holds exactly
CLOSEST = 0.3  # Å; no two nuclei of a molecule come this close, but bonds in nm (0.1) do

# Why a molecule does not parse: code -> what the card and the report say.
REASONS = (
    "",
    "truncated",
    "no atom count",
    "not V2000",
    "unknown element",
    "coordinate is not a finite number",
    f"atoms closer than {CLOSEST} Å (or not in Å)",
    "no atoms",
    "text after the last atom",
)
OK, TRUNCATED, NO_COUNT, NOT_V2000, ELEMENT, COORDINATE, CLOSE, EMPTY, EXTRA = range(len(REASONS))


def _symbols() -> np.ndarray:
    """(27, 27) uint8: atomic number by first and second letter (0: none); D and T are hydrogen."""
    table = np.zeros((27, 27), np.uint8)
    for number, symbol in [*enumerate(chemical_symbols[1:], 1), (1, "D"), (1, "T")]:
        table[ord(symbol[0]) - 64, ord(symbol[1]) - 96 if len(symbol) > 1 else 0] = number
    return table


SYMBOLS = _symbols()


@numba.njit(cache=True, nogil=True)
def line_end(text, start, stop):
    """Position of the newline that ends the line at `start`, or `stop`."""
    while start < stop and text[start] != NEWLINE:
        start += 1
    return start


@numba.njit(cache=True, nogil=True)
def skip_space(text, start, stop):
    """First position from `start` that is neither space nor tab nor carriage return."""
    while start < stop and (text[start] == SPACE or text[start] == TAB or text[start] == RETURN):
        start += 1
    return start


@numba.njit(cache=True, nogil=True)
def integer(text, start, stop):
    """(value, end) of the digits from `start` on, blanks before them skipped; end = start where there are none."""
    first = skip_space(text, start, stop)
    i, value = first, 0
    while i < stop and 48 <= text[i] <= 57 and i - first < 9:
        value = 10 * value + text[i] - 48
        i += 1
    return value, (i if i > first else start)


@numba.njit(cache=True, nogil=True)
def number(text, start, stop):
    """(value, end) of the decimal number at `start`, blanks before it skipped; end = start where there is none.

    Exponents are marked by e, E, d, D or *^ (Mathematica, as in QM9's own files). Right to the last bit or the one
    before it.
    """
    i = skip_space(text, start, stop)
    negative = i < stop and text[i] == 45
    if i < stop and (text[i] == 45 or text[i] == 43):
        i += 1
    mantissa, shift, digits, kept = 0, 0, 0, 0
    point = False
    while i < stop:
        c = text[i]
        if 48 <= c <= 57:
            digits += 1
            if kept < 18:
                mantissa = 10 * mantissa + c - 48
                kept += mantissa > 0
                shift -= point
            elif not point:
                shift += 1
        elif c == 46 and not point:
            point = True
        else:
            break
        i += 1
    if digits == 0:
        return 0.0, start
    at = i
    if i < stop and (text[i] == 101 or text[i] == 69 or text[i] == 100 or text[i] == 68):
        at = i + 1
    elif i + 1 < stop and text[i] == 42 and text[i + 1] == 94:
        at = i + 2
    if at > i:
        down = at < stop and text[at] == 45
        if at < stop and (text[at] == 45 or text[at] == 43):
            at += 1
        power, end = integer(text, at, stop)
        if end == at:
            return 0.0, start
        shift += -power if down else power
        i = end
    value = float(mantissa)
    if shift < 0:
        value = value / EXACT[-shift] if shift >= -22 else value * 10.0**shift
    elif shift > 0:
        value = value * EXACT[shift] if shift <= 22 else value * 10.0**shift
    return (-value if negative else value), i


@numba.njit(cache=True, nogil=True)
def element(text, start, stop):
    """(atomic number, end) of the symbol or the atomic number at `start`; (0, end) where it is none."""
    i = skip_space(text, start, stop)
    if i < stop and 48 <= text[i] <= 57:
        value, end = integer(text, i, stop)
        return (value if value <= 118 else 0), end
    letters = [0, 0, 0]
    count = 0
    while i < stop and (65 <= text[i] <= 90 or 97 <= text[i] <= 122):
        if count < 3:
            letters[count] = text[i] | 32
        count += 1
        i += 1
    if count == 0 or count > 2:
        return 0, i
    return int(SYMBOLS[letters[0] - 96, letters[1] - 96 if count == 2 else 0]), i


@numba.njit(cache=True, nogil=True)
def too_close(pos, first, last):
    """Do two of the atoms first to last lie closer than CLOSEST?"""
    for i in range(first, last):
        for j in range(first, i):
            x, y, z = pos[i, 0] - pos[j, 0], pos[i, 1] - pos[j, 1], pos[i, 2] - pos[j, 2]
            if x * x + y * y + z * z < CLOSEST * CLOSEST:
                return True
    return False
