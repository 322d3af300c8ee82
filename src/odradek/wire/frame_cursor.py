"""Reading a request in place: a position in a frame that never passes the frame's end. Compiled by mypyc."""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i16_be, read_i32_be
from mypy_extensions import i64

from odradek.base.errors import ProtocolViolation

VARINT_SHIFT_MAX: Final[i64] = 28
# The smallest array element: an index and a null set of records. An array longer than the frame could hold is refused unread.
ELEMENT_SIZE_MIN: Final[i64] = 2
# Names are kept in records behind a size of 16 bits.
NAME_SIZE_MAX: Final[i64] = 0x7FFF


@final
class FrameCursor:
    """A position in a frame; every step is checked against the frame's end, because the next frame follows in the same bytes."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: i64, end: i64) -> None:
        self.data = data
        self.position = position
        self.end = end

    def take(self, size: i64) -> i64:
        """The position of the next `size` bytes, which are passed over."""
        position = self.position
        if size < 0 or size > self.end - position:
            raise ProtocolViolation(f"a field of {size} bytes does not fit into the request")
        self.position = position + size
        return position

    def i16(self) -> i64:
        return i64(read_i16_be(self.data, self.take(2)))

    def i32(self) -> i64:
        return i64(read_i32_be(self.data, self.take(4)))

    def unsigned_varint(self) -> i64:
        value: i64 = 0
        shift: i64 = 0
        while True:
            byte: i64 = self.data[self.take(1)]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > VARINT_SHIFT_MAX:
                raise ProtocolViolation("a variable-length integer has more than 5 bytes")

    def array_length(self, is_flexible: bool) -> i64:
        """The length of an array that may not be null."""
        length = self.unsigned_varint() - 1 if is_flexible else self.i32()
        if length < 0 or length * ELEMENT_SIZE_MIN > self.end - self.position:
            raise ProtocolViolation(f"an array of {length} elements does not fit into the request")
        return length

    def string_size(self, is_flexible: bool) -> i64:
        """The size of a string in bytes, -1 for null."""
        return self.unsigned_varint() - 1 if is_flexible else self.i16()

    def skip_tagged_fields(self) -> None:
        count = self.unsigned_varint()
        while count > 0:
            self.unsigned_varint()
            self.take(self.unsigned_varint())
            count -= 1

    def nullable_string(self, is_flexible: bool) -> str | None:
        size = self.string_size(is_flexible)
        if size < 0:
            return None
        position = self.take(size)
        return text_of(self.data[position : position + size])

    def name(self, is_flexible: bool) -> str | None:
        """A string that a record can bear as a name; None if it is null, or too long with its size."""
        before = self.position
        name = self.nullable_string(is_flexible)
        return None if self.position - before > NAME_SIZE_MAX else name


def text_of(encoded: bytes) -> str:
    """UTF-8 as text.

    Raises:
        ProtocolViolation: it is not UTF-8.
    """
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        raise ProtocolViolation("a string is not UTF-8") from None
