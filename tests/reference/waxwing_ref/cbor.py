"""The strict deterministic CBOR of docs/spec/README.md."""

DEPTH_MAX = 8


class Refused(Exception):
    """Bytes that the pages tell a reader to refuse."""


def encode(value):
    out = bytearray()
    _write(out, value)
    return bytes(out)


def _head(out, major, number):
    if number < 24:
        out.append(major << 5 | number)
        return
    code, width = next((24 + i, 1 << i) for i in range(4) if number < 1 << (8 << i))
    out.append(major << 5 | code)
    out += number.to_bytes(width, "big")


def _write(out, value):
    if value is None:
        out.append(0xF6)
    elif value is False or value is True:
        out.append(0xF5 if value else 0xF4)
    elif type(value) is int:
        _head(out, 0 if value >= 0 else 1, value if value >= 0 else -1 - value)
    elif type(value) is bytes:
        _head(out, 2, len(value))
        out += value
    elif type(value) is str:
        text = value.encode()
        _head(out, 3, len(text))
        out += text
    elif type(value) in (list, tuple):
        _head(out, 4, len(value))
        for item in value:
            _write(out, item)
    elif type(value) is dict:
        _head(out, 5, len(value))
        for key in sorted(value):
            if type(key) is not int or key < 0:
                raise TypeError("map keys are unsigned")
            _head(out, 0, key)
            _write(out, value[key])
    else:
        raise TypeError(f"no CBOR for {type(value)}")


def decode(data):
    """The one item that `data` holds; Refused if it is not canonical."""
    reader = _Reader(bytes(data))
    value = reader.item(0)
    if reader.at != len(reader.data):
        raise Refused("bytes after the item")
    return value


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Refused("cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def head(self):
        first = self.take(1)[0]
        major, low = first >> 5, first & 31
        if major == 7 or low < 24:
            return major, low
        if low > 27:
            raise Refused("no definite length")
        width = 1 << (low - 24)
        number = int.from_bytes(self.take(width), "big")
        if number < (24 if width == 1 else 1 << (4 * width)):
            raise Refused("head longer than needed")
        return major, number

    def item(self, depth):
        major, number = self.head()
        if major == 0:
            return number
        if major == 1:
            return -1 - number
        if major == 2:
            return self.take(number)
        if major == 3:
            try:
                return self.take(number).decode("utf-8", "strict")
            except UnicodeDecodeError:
                raise Refused("text that is not UTF-8") from None
        if major in (4, 5):
            if depth == DEPTH_MAX:
                raise Refused("nested too deep")
            # Every item takes a byte at least: a count beyond the rest is refused unread.
            if number > len(self.data) - self.at:
                raise Refused("cut short")
            if major == 4:
                return [self.item(depth + 1) for _ in range(number)]
            return self.map(number, depth + 1)
        if major == 7 and number in (20, 21, 22):
            return {20: False, 21: True, 22: None}[number]
        raise Refused("a kind of item that does not occur")

    def map(self, count, depth):
        out, last = {}, -1
        for _ in range(count):
            major, key = self.head()
            if major != 0 or key <= last:
                raise Refused("map keys must be unsigned and ascend")
            last = key
            out[key] = self.item(depth)
        return out
