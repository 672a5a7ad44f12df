"""Plaintexts and bodies: docs/spec/04-messages.md."""

from . import schema
from .cbor import Refused
from .crypto import H, label

TEXT, REACTION, RECEIPT, PROFILE = 1, 4, 5, 8
LISTS, BRIDGES, PEER_IDS, REPAIR, BUNDLE_REQUEST, BUNDLE = 32, 33, 34, 37, 39, 40
DELIVERED, READ = 1, 2
CLOCK_AHEAD_MS = 24 * 3600 * 1000


def conversation_id(one, other):
    return H(label("wx1/conv") + min(one, other) + max(one, other))


def is_user_message(kind):
    return 1 <= kind <= 31 and kind not in (RECEIPT, PROFILE)


def make_plain(own_list, peer_list, mid, kind, body, conversation=None, clock=None):
    """`plain`, to be encoded: `own_list` is [epoch, version, hash16], `peer_list` is
    [version, hash16], `body` is encoded already.
    """
    plain = {1: own_list, 2: peer_list, 3: mid, 6: [kind, body]}
    if is_user_message(kind):
        plain[4], plain[5] = conversation, clock
    return plain


def read_plain(data, conversation, now_ms):
    """The checked map; Refused for what says nothing and is not receipted."""
    plain = schema.read(schema.plain, data)
    if is_user_message(plain[6][0]):
        if plain.get(4) != conversation:
            raise Refused("no conversation, or another one")
        if 5 not in plain or plain[5] > now_ms + CLOCK_AHEAD_MS:
            raise Refused("no clock, or one too far ahead")
    return plain


def read_body(plain):
    """The body's map, or None for a type that this version does not know or a malformed body."""
    kind, data = plain[6]
    if kind not in schema.bodies:
        return None
    try:
        return schema.read(schema.bodies[kind], data)
    except Refused:
        return None


def canonical_order(clock, author, mid):
    return clock, author, mid
