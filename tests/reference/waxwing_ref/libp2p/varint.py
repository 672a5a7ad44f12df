"""Unsigned varints and the little protobuf that libp2p's handshakes use."""

from ..cbor import Refused


def uvarint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


async def read_uvarint(read_exactly, most=9):
    number = 0
    for at in range(most):
        byte = (await read_exactly(1))[0]
        number |= (byte & 127) << (7 * at)
        if byte < 128:
            return number
    raise Refused("a varint without end")


def field(number, data):
    """A protobuf field of bytes."""
    return uvarint(number << 3 | 2) + uvarint(len(data)) + data


def fields(data):
    """[(number, value)] of a protobuf message; values are bytes, or ints for varints."""
    at, out = 0, []

    def varint():
        nonlocal at
        number = shift = 0
        while True:
            if at >= len(data) or shift > 63:
                raise Refused("a damaged protobuf")
            byte = data[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            out.append((key >> 3, varint()))
            continue
        if key & 7 != 2:
            raise Refused("a kind of protobuf field that does not occur")
        size = varint()
        if size > len(data) - at:
            raise Refused("a damaged protobuf")
        out.append((key >> 3, data[at : at + size]))
        at += size
    return out
