"""Invite links and the objects that they open: docs/spec/02-invites.md."""

import os
from dataclasses import dataclass

from . import schema
from .cbor import Refused, decode, encode
from .crypto import expand, label, pad, unpad, xopen, xseal
from .identity import check_age, learn, verify_bundle, verify_chain
from .text import base64url, unbase64url

PREFIX = "waxwing:"
LINK_CHARS_MAX = 4096
OBJECTS_PAD = 4032
FRAME_GET = 3
FRAME_OBJECTS = 4


class Newer(Refused):
    """A link that only a newer program can take up."""


@dataclass
class Link:
    account: bytes
    ak: bytes
    floor: list
    addresses: list
    uses: int
    expires: int
    seed: bytes

    @property
    def inv_id(self):
        return expand(self.seed, label("wx1/inv/id"), 16)

    @property
    def psk(self):
        return expand(self.seed, label("wx1/inv/psk"), 32)

    @property
    def k_card(self):
        return expand(self.seed, label("wx1/inv/card"), 32)

    def content(self):
        fields = [1, self.account, self.ak, self.floor, [], self.addresses]
        return encode(fields + [self.uses, self.expires, self.seed])

    def text(self):
        return PREFIX + base64url(self.content())

    def get_frame(self):
        return encode([FRAME_GET, [1, self.inv_id]])


def read_link(text):
    text = text.strip()
    if not text.startswith(PREFIX) or len(text) > len(PREFIX) + LINK_CHARS_MAX:
        raise Refused("not a link")
    value = decode(unbase64url(text[len(PREFIX) :]))
    if type(value) is list and value and type(value[0]) is int and value[0] != 1:
        raise Newer("a link of another version")
    schema.invite(value)
    if value[3][2] > 1:
        raise Newer("a link of a newer suite")
    if any(not address.isascii() for address in value[5]):
        raise Refused("an address that is not ASCII")
    return Link(value[1], value[2], value[3], value[5], value[6], value[7], value[8])


def seal_objects(link, plain, nonce=None):
    """Frame 4 for the holder of `link`; `plain` as encoded CBOR."""
    nonce = nonce or os.urandom(24)
    ct = xseal(link.k_card, nonce, pad(plain, OBJECTS_PAD), link.inv_id)
    return encode([FRAME_OBJECTS, [1, link.inv_id, nonce, ct]])


@dataclass
class Objects:
    """The inviter's objects, verified: who it is, and what to make the handshake to."""

    known: object
    device: dict
    bundle: list
    opk: list


def open_plain(link, content):
    """The plaintext of `invite-objects`, as bytes."""
    _, inv_id, nonce, ct = schema.invite_objects(content)
    if inv_id != link.inv_id:
        raise Refused("objects of another invite")
    return unpad(xopen(link.k_card, nonce, ct, inv_id))


def open_objects(link, content, now, known=None):
    plain = schema.read(schema.invite_plain, open_plain(link, content))
    if (5 in plain) != (link.uses == 1):
        raise Refused("a one-time prekey belongs to an invite of one use")
    chain = verify_chain(plain[1], plain[2], plain[3])
    if chain.account != link.account or (chain.epoch, chain.version) < tuple(link.floor[:2]):
        raise Refused("not the account or the list of the link")
    check_age(chain, now, grace=True)
    known = learn(known, chain)
    bundle = schema.read(schema.bundle, plain[4][0])
    device = known.effective(bundle[3])
    verify_bundle(plain[4], chain.account, device, now)
    return Objects(known, device, plain[4], plain.get(5))
