"""Frames and the frame stream: docs/spec/05-transport.md."""

from . import schema
from .cbor import Refused, decode, encode
from .crypto import u32

FRAME_BYTES_MAX = 73_728
INIT_FRAME_BYTES_MAX = 4092
LETTER, INIT, INVITE_GET, INVITE_OBJECTS = 1, 2, 3, 4

PROBE = 0
SIGN_OF_LIFE = 0xFFFF_FFFF
PROTOCOL = "/waxwing/frame/1.0.0"


def read_frame(data):
    """(type, content)."""
    if len(data) > FRAME_BYTES_MAX:
        raise Refused("a frame that is too long")
    value = decode(data)
    if type(value) is not list or len(value) != 2 or type(value[0]) is not int:
        raise Refused("not a frame")
    if value[0] not in schema.frames:
        raise Refused("an unknown type of frame")
    schema.frames[value[0]](value[1])
    return value[0], value[1]


def write_frame(kind, content):
    data = encode([kind, content])
    limit = INIT_FRAME_BYTES_MAX if kind == INIT else FRAME_BYTES_MAX
    if len(data) > limit:
        raise ValueError("a frame that is too long")
    return data


def on_stream(frame):
    return u32(len(frame)) + frame


async def read_item(read_exactly):
    """The next frame of a stream, or PROBE or SIGN_OF_LIFE."""
    length = int.from_bytes(await read_exactly(4), "big")
    if length in (PROBE, SIGN_OF_LIFE):
        return length
    if length > FRAME_BYTES_MAX:
        raise Refused("an item that is none")
    return await read_exactly(length)
