"""Makes any text safe to print: a file name must never control the terminal that shows it."""

from __future__ import annotations

import re
import unicodedata

# Control (Cc), format (Cf: bidirectional overrides, zero-width marks), surrogates (Cs: undecodable bytes of file
# names), private use and unassigned code points, and the two line separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PASSWORD = re.compile(r"(//[^/@]*:)[^/@]*(?=@)|(password=)[^&]*")


def display_name(text: object, *, width: int | None = None) -> str:
    r"""Return `text` with every character that could act on a terminal shown as a visible escape.

    Undecodable bytes, as Python keeps them in file names, appear as `\xNN`. With `width`, the middle of a longer
    text is replaced by an ellipsis; the result has at most `width` characters.
    """
    raw = str(text)
    safe = raw if raw.isascii() and raw.isprintable() else "".join(_visible(char) for char in raw)
    if width is not None and len(safe) > width:
        if width < 1:
            return ""
        tail = width * 2 // 3
        safe = f"{safe[: max(width - tail - 1, 0)]}…{safe[len(safe) - tail :]}"
    return safe


def without_password(url: str) -> str:
    """Return the address of a server, or an option that ends with one, as it can be shown."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}***", url)


def _visible(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(char) not in _UNSAFE:
        return char
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
