"""The types of docs/spec/waxwing.cddl, as checks of decoded values.

A type is a function that returns its argument or raises Refused. Maps keep their numbers as keys,
so that code reads like the tables of the pages.
"""

from .cbor import Refused, decode


def uint(width=8):
    def check(value):
        if type(value) is not int or not 0 <= value < 1 << (8 * width):
            raise Refused("not an integer of this width")
        return value

    return check


def one_of(*allowed):
    def check(value):
        if type(value) is not int or value not in allowed:
            raise Refused("not one of the allowed numbers")
        return value

    return check


def between(low, high):
    def check(value):
        if type(value) is not int or not low <= value <= high:
            raise Refused("out of bounds")
        return value

    return check


def blob(size=None):
    def check(value):
        if type(value) is not bytes or (size is not None and len(value) != size):
            raise Refused("not bytes of this width")
        return value

    return check


def text(low=0, high=None):
    def check(value):
        if type(value) is not str:
            raise Refused("not text")
        size = len(value.encode())
        if size < low or (high is not None and size > high):
            raise Refused("text out of bounds")
        return value

    return check


def many(item, low=0, high=None):
    def check(value):
        if type(value) is not list or len(value) < low or (high is not None and len(value) > high):
            raise Refused("not an array of this length")
        for one in value:
            item(one)
        return value

    return check


def row(*items):
    def check(value):
        if type(value) is not list or len(value) != len(items):
            raise Refused("not an array of this shape")
        for item, one in zip(items, value):
            item(one)
        return value

    return check


def either(*types):
    def check(value):
        for kind in types:
            try:
                return kind(value)
            except Refused:
                pass
        raise Refused("none of the possible types")

    return check


def table(required, optional=None, closed=False):
    optional = optional or {}

    def check(value):
        if type(value) is not dict:
            raise Refused("not a map")
        for key, one in value.items():
            kind = required.get(key) or optional.get(key)
            if kind:
                kind(one)
            elif closed or key < 64:
                raise Refused("an unknown key")
        if any(key not in value for key in required):
            raise Refused("a required key is missing")
        return value

    return check


def read(kind, data):
    """The item in `data`, checked to be canonical and of this type."""
    return kind(decode(data))


u32, u16, suite = uint(4), uint(2), uint(1)
b8, b16, b24, b32, b64 = (blob(n) for n in (8, 16, 24, 32, 64))
addr = text(1, 240)
bridge = row(b32, many(addr, 0, 4))
signed = row(blob(), b64)

genesis = table({1: one_of(1), 2: b32, 3: b32, 4: uint(), 5: b16})
statement = table({1: b32, 2: u32, 3: b32, 4: b32, 5: uint()}, {6: b32})
device = table({1: b16, 2: b32, 3: b32, 4: uint(), 5: suite})
device_list = table(
    {
        1: b32,
        2: u32,
        3: u32,
        4: uint(),
        5: uint(),
        6: many(device, 1, 10),
        7: many(b16, 0, 32),
        8: b16,
    }
)
bundle = table(
    {
        1: one_of(1),
        2: b32,
        3: b16,
        4: b32,
        5: row(u32, b32),
        6: row(u32, blob(1184)),
        7: uint(),
        8: uint(),
    }
)

invite = row(
    one_of(1),
    b32,
    b32,
    row(u32, u32, suite),
    many(bridge, 0, 3),
    many(addr, 0, 8),
    between(1, 100),
    uint(),
    b32,
)
invite_get = row(one_of(1), b16)
invite_objects = row(one_of(1), b16, b24, blob(4048))
invite_plain = table({1: signed, 2: signed, 3: signed, 4: signed}, {5: row(u32, b32)})

hs_public = table(
    {1: one_of(1), 2: b16, 3: b32, 4: u32, 5: u32, 6: blob(1088), 7: b32}, {8: u32, 9: b16}
)
ident = table(
    {
        1: b32,
        2: b16,
        3: b32,
        4: signed,
        5: signed,
        6: signed,
        7: either(signed, b32),
        8: many(row(b32, row(text())), 0, 2),
        9: uint(),
    }
)
letter = row(blob(), blob())
init = row(blob(), blob(), letter)
dr_hdr = table(
    {1: b8, 2: b32, 3: u32, 4: u32, 7: b16}, {5: blob(1088), 6: blob(1184)}, closed=True
)

plain = table(
    {1: row(u32, u32, b16), 2: row(u32, b16), 3: b16, 6: row(u16, blob())},
    {4: b32, 5: uint(), 7: many(row(b32, b32, uint(), uint())), 8: uint(), 9: uint()},
)
bodies = {
    1: table({1: text(0, 32768)}, {2: b16}),
    4: table({1: b16, 2: text(0, 32)}),
    5: table({1: many(b16, 1, 64), 2: one_of(1, 2)}),
    6: table({1: either(one_of(0), between(5, 31_536_000))}),
    8: table({1: text(0, 128)}, {2: text(0, 512)}),
    32: table({1: signed, 2: signed}),
    34: table({1: b32, 2: many(addr, 0, 8), 3: uint()}),
    37: table({1: b8, 2: u32, 3: b16}),
    39: table({}),
    40: table({1: signed}),
}

frames = {1: letter, 2: init, 3: invite_get, 4: invite_objects}
