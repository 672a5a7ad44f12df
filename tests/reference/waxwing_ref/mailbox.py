"""Bridges: docs/spec/08-mailbox.md."""

import os
from dataclasses import dataclass

from . import mlkem, schema
from .cbor import Refused, decode, encode
from .crypto import (
    F,
    H,
    HKDF,
    HMAC,
    X,
    ZEROS32,
    ed_sign,
    ed_verify,
    expand,
    hash16,
    kem_decaps,
    kem_encaps,
    kem_public,
    label,
    open_,
    pad,
    seal,
    sign_object,
    u8,
    u32,
    unpad,
    verify_object,
    x_public,
    xopen,
    xseal,
)
from .text import base64url, key_of_peer_id, unbase64url

ASK, TELL, OVER = 7, 8, 9
HELLO, AUTH, REGISTER, FETCH, ACK, COOKIE, FORWARD, KEYS_OF, KNOW = 1, 2, 3, 5, 6, 7, 8, 12, 13
CHALLENGE, RESULT, BLOCKS, QUEUED, NEW, KEYS, NOT_QUEUED = 1, 2, 3, 4, 5, 6, 8
OVER_FORWARD, OVER_REPLY, UNOPENED, KEYS_PLEASE, OVER_KEYS = 1, 2, 3, 4, 5
ENVELOPE, REPLY, GAVE_UP = 1, 3, 4
HELD, NOT_HERE, FULL = 0, 1, 2

DAY_S = 86_400
SIZES = (1024, 4096, 16_384, 65_536)
TAGS_IN_BATCH = 512
DAYS_BACK, DAYS_AHEAD, DAYS_READ = 2, 35, 32
BOX_EXTRA, ANSWER_PAD = 512, 512
FORWARD_LIFE_S = 23 * 3600
DESCRIPTOR_LIFE_S = 30 * DAY_S
DESCRIPTOR_PREFIX = "waxwing-bridge:"


def u64(n):
    return n.to_bytes(8, "big")


def day_of(now_s):
    return now_s // DAY_S


# ---- lanes and envelopes ----


@dataclass(frozen=True)
class Lane:
    """One direction of one session at one bridge; c is 0 from the session's initiator."""

    k_mbx: bytes
    bridge: bytes
    c: int

    def tag(self, day):
        info = label("wx1/tag") + self.bridge + u32(day) + u8(self.c) + bytes(2)
        return HMAC(self.k_mbx, info)[:16]

    def key(self, day):
        return expand(self.k_mbx, label("wx1/env") + self.bridge + u32(day) + u8(self.c), 32)

    def seal(self, day, frame, nonce=None):
        size = next(size for size in SIZES if len(frame) + 4 <= size - 64)
        nonce = nonce or os.urandom(24)
        ct = xseal(self.key(day), nonce, pad(frame, size - 64), self.tag(day))
        block = encode([ENVELOPE, self.tag(day), nonce, ct])
        assert len(block) == size
        return block

    def open(self, day, block):
        """The frame in an envelope of a day."""
        kind, tag, nonce, ct = schema.read(schema.envelope, block)
        if tag != self.tag(day):
            raise Refused("another tag")
        return unpad(xopen(self.key(day), nonce, ct, tag))


def batch(lanes, today, dice=os.urandom):
    """Tags of lanes for a registration, and until when."""
    days = range(today - DAYS_BACK, today + DAYS_AHEAD + 1)
    tags = [lane.tag(day) for lane in lanes for day in days]
    tags += [dice(16) for _ in range(TAGS_IN_BATCH - len(tags))]
    return sorted(tags), (today + DAYS_AHEAD + 3) * DAY_S


# ---- what a bridge says ----


def operator(name):
    return H(label("wx1/operator") + name.encode())


def read_descriptor(signed):
    """The descriptor in a signed one, verified with the key that it names."""
    if len(encode(signed)) > 3072:
        raise Refused("a descriptor that is too long")
    body = schema.read(schema.descriptor, signed[0])
    verify_object("descriptor", body[1], signed)
    if not (len(body[3]) == 2 and body[3].isascii() and body[3].isalpha() and body[3].isupper()):
        raise Refused("not a country")
    for addr in body[5]:
        if key_of_peer_id(addr.rpartition("/p2p/")[2]) != body[4]:
            raise Refused("an address of another peer")
    if body[8] > body[7] + DESCRIPTOR_LIFE_S or body[2] != operator(body[9]):
        raise Refused("a life too long, or another operator")
    return body


def is_descriptor(signed):
    try:
        read_descriptor(signed)
    except Refused:
        return False
    return True


def descriptor_text(signed):
    return DESCRIPTOR_PREFIX + base64url(encode(signed))


def read_descriptor_text(text):
    """(signed, body)."""
    text = text.strip()
    if not text.startswith(DESCRIPTOR_PREFIX) or len(text) > len(DESCRIPTOR_PREFIX) + 4096:
        raise Refused("not a descriptor")
    signed = schema.signed(decode(unbase64url(text[len(DESCRIPTOR_PREFIX) :])))
    return signed, read_descriptor(signed)


def read_keys(signed, bridge):
    if len(encode(signed)) > 1536:
        raise Refused("keys that are too long")
    verify_object("forward-keys", bridge, signed)
    body = schema.read(schema.forward_keys, signed[0])
    if body[1] != bridge:
        raise Refused("keys of another bridge")
    return body


def read_custody(signed, bridge, block):
    verify_object("custody", bridge, signed)
    body = schema.read(schema.custody, signed[0])
    if body[1] != bridge or body[2] != H(block):
        raise Refused("another promise")
    return body


def read_queued(signed, bridge):
    verify_object("queued", bridge, signed)
    return schema.read(schema.queued, signed[0])


# ---- the proof of a mailbox ----


def auth_message(bridge, nonce, time):
    return label("wx1/mbx/auth") + bridge + nonce + u64(time)


def auth(mailbox_seed, bridge, nonce, time):
    return [AUTH, time, ed_sign(mailbox_seed, auth_message(bridge, nonce, time))]


def check_auth(mailbox, bridge, nonce, time, sig):
    ed_verify(mailbox, sig, auth_message(bridge, nonce, time))


# ---- boxes ----


def transcript(ek, ct, keys):
    return H(ek + ct + keys[3] + keys[4])


def box_keys(dh, ss, transcript_hash):
    out = HKDF(ZEROS32, F + dh + ss, label("wx1/fwd") + transcript_hash, 64)
    return out[:32], out[32:]


def around(bridge, ek, ct, until):
    return encode({1: bridge, 2: ek, 3: ct, 5: until})


def box_size(request):
    return next(size + BOX_EXTRA for size in SIZES if len(request) + 4 <= size + BOX_EXTRA)


@dataclass
class Box:
    """A sealed request, and what its sender keeps of it."""

    forward: dict
    k_rep: bytes

    @property
    def hash(self):
        return H(encode(self.forward))

    @property
    def fid(self):
        return self.hash[:16]

    def open_reply(self, reply):
        answer = unpad(xopen(self.k_rep, reply[:24], reply[24:], self.hash))
        return schema.read(schema.answer, answer)


def deposit(block, ttl):
    return encode([1, block, ttl])


def seal_box(keys, request, until, ek=None, m=None):
    """Seals a request to a bridge's keys of the day."""
    ek = ek or os.urandom(32)
    ct, ss = mlkem.encaps(keys[4], m) if m else kem_encaps(keys[4])
    k_req, k_rep = box_keys(X(ek, keys[3]), ss, transcript(x_public(ek), ct, keys))
    aad = around(keys[1], x_public(ek), ct, until)
    sealed = seal(k_req, bytes(12), pad(request, box_size(request)), aad)
    return Box({1: keys[1], 2: x_public(ek), 3: ct, 4: sealed, 5: until}, k_rep)


def open_box(x_private, kem_seed, forward):
    """(request, k_rep), as the bridge."""
    keys = {3: x_public(x_private), 4: kem_public(kem_seed)}
    dh, ss = X(x_private, forward[2]), kem_decaps(kem_seed, forward[3])
    k_req, k_rep = box_keys(dh, ss, transcript(forward[2], forward[3], keys))
    aad = around(forward[1], forward[2], forward[3], forward[5])
    return unpad(open_(k_req, bytes(12), forward[4], aad)), k_rep


def seal_reply(forward, k_rep, answer, nonce):
    return nonce + xseal(k_rep, nonce, pad(answer, ANSWER_PAD), H(encode(forward)))


def seal_id(forward):
    return hash16(forward[2] + forward[3])


def sign(kind, seed, body):
    return sign_object(kind, seed, encode(body))


