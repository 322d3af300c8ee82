"""Java's `.properties` files, as `java.util.Properties` reads and writes them.

A line is `key=value`, `key:value` or `key value`; `#` and `!` begin comments; a backslash at the end of a line continues it, elsewhere it
escapes: `\\t \\n \\f \\r`, `\\uXXXX` for one UTF-16 unit, and any other character for itself. The last of two equal keys wins.

Java reads the bytes of a file as Latin-1, newer tools as UTF-8; `parse_properties` takes text, so whoever opens the file decides.
`format_properties` writes ASCII, which both read alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_WHITE = " \t\f"
_ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_ESCAPE_OF = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f", "\\": "\\\\", "=": "\\=", ":": "\\:", "#": "\\#", "!": "\\!"}
_LONE_SURROGATES = "surrogatepass"


def parse_properties(text: str) -> dict[str, str]:
    """The keys and values of `text`, in the order of the file.

    Raises:
        ValueError: a `\\u` is not followed by four hexadecimal digits.
    """
    properties: dict[str, str] = {}
    for line in _logical_lines(text):
        key_end, value_start = _split(line)
        properties[_unescape(line[:key_end])] = _unescape(line[value_start:])
    return properties


def _logical_lines(text: str) -> Iterator[str]:
    """Lines that hold something, without their indentation, with continuations joined."""
    pending = ""
    is_continued = False
    for natural in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        stripped = natural.lstrip(_WHITE)
        if not is_continued and (not stripped or stripped[0] in "#!"):
            continue
        backslashes = len(stripped) - len(stripped.rstrip("\\"))
        is_continued = backslashes % 2 == 1
        pending += stripped[:-1] if is_continued else stripped
        if not is_continued:
            yield pending
            pending = ""
    if pending:
        yield pending


def _split(line: str) -> tuple[int, int]:
    """Where the key ends and where the value begins."""
    key_end = 0
    while key_end < len(line) and line[key_end] not in "=:" + _WHITE:
        key_end += 2 if line[key_end] == "\\" else 1
    key_end = min(key_end, len(line))
    value_start = key_end
    has_separator = False
    while value_start < len(line):
        if line[value_start] in _WHITE:
            value_start += 1
        elif line[value_start] in "=:" and not has_separator:
            has_separator = True
            value_start += 1
        else:
            break
    return key_end, value_start


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    characters = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character != "\\" or position == len(text):
            characters.append("" if character == "\\" else character)
            continue
        escaped = text[position]
        position += 1
        if escaped == "u":
            characters.append(_unit(text[position : position + 4]))
            position += 4
        else:
            characters.append(_ESCAPED.get(escaped, escaped))
    # Two escaped units may be one character outside the basic plane.
    return "".join(characters).encode("utf-16-le", _LONE_SURROGATES).decode("utf-16-le", _LONE_SURROGATES)


def _unit(digits: str) -> str:
    if len(digits) != 4 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise ValueError(f"\\u{digits} is not an escape: four hexadecimal digits have to follow \\u")
    return chr(int(digits, 16))


def format_properties(properties: Mapping[str, str]) -> str:
    """`properties` as the text of a file, a line each, ASCII only."""
    return "".join(f"{_escape(key, is_key=True)}={_escape(value, is_key=False)}\n" for key, value in properties.items())


def _escape(text: str, *, is_key: bool) -> str:
    escaped = []
    for position, character in enumerate(text):
        if character == " ":
            # In a value only leading spaces would be lost.
            escaped.append("\\ " if is_key or position == 0 else " ")
        elif character in _ESCAPE_OF:
            escaped.append(_ESCAPE_OF[character])
        elif " " <= character <= "~":
            escaped.append(character)
        else:
            units = character.encode("utf-16-be", _LONE_SURROGATES)
            escaped.extend(f"\\u{units[at : at + 2].hex().upper()}" for at in range(0, len(units), 2))
    return "".join(escaped)
