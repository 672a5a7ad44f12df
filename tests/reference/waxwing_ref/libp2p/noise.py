"""Noise_XX_25519_ChaChaPoly_SHA256 with libp2p's payload: who is at the other end."""

import os

from ..cbor import Refused
from ..crypto import HMAC, H, X, ed_public, ed_sign, ed_verify, open_, seal, x_public
from ..text import key_of_protobuf, key_protobuf
from .varint import field, fields

NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"
SIGNED = b"noise-libp2p-static-key:"
PLAIN_MAX = 65535 - 16


class _Cipher:
    def __init__(self, key):
        self.key, self.n = key, 0

    def _nonce(self):
        self.n += 1
        return bytes(4) + (self.n - 1).to_bytes(8, "little")

    def seal(self, plain, aad=b""):
        return seal(self.key, self._nonce(), plain, aad)

    def open(self, ct, aad=b""):
        return open_(self.key, self._nonce(), ct, aad)


class _Symmetric:
    def __init__(self):
        self.h = self.ck = NAME
        self.cipher = None
        self.mix_hash(b"")

    def mix_hash(self, data):
        self.h = H(self.h + data)

    def _hkdf(self, ikm):
        prk = HMAC(self.ck, ikm)
        first = HMAC(prk, b"\x01")
        return first, HMAC(prk, first + b"\x02")

    def mix_key(self, ikm):
        self.ck, key = self._hkdf(ikm)
        self.cipher = _Cipher(key)

    def seal(self, plain):
        ct = self.cipher.seal(plain, self.h) if self.cipher else plain
        self.mix_hash(ct)
        return ct

    def open(self, ct):
        plain = self.cipher.open(ct, self.h) if self.cipher else ct
        self.mix_hash(ct)
        return plain

    def split(self):
        return tuple(_Cipher(key) for key in self._hkdf(b""))


class NoiseChannel:
    """An encrypted channel over another one."""

    def __init__(self, channel, sending, receiving, peer):
        self.channel, self.sending, self.receiving, self.peer = channel, sending, receiving, peer
        self.buffer = bytearray()

    async def read_exactly(self, count):
        while len(self.buffer) < count:
            self.buffer += self.receiving.open(await _read_message(self.channel))
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    async def write(self, data):
        for at in range(0, len(data), PLAIN_MAX):
            ct = self.sending.seal(data[at : at + PLAIN_MAX])
            await _write_message(self.channel, ct)

    def close(self):
        self.channel.close()


async def _read_message(channel):
    return await channel.read_exactly(int.from_bytes(await channel.read_exactly(2), "big"))


async def _write_message(channel, data):
    await channel.write(len(data).to_bytes(2, "big") + data)


def _payload(network_seed, static_public):
    return field(1, key_protobuf(ed_public(network_seed))) + field(
        2, ed_sign(network_seed, SIGNED + static_public)
    )


def _peer_of(payload, static_public):
    values = dict(fields(payload))
    if not isinstance(values.get(1), bytes) or not isinstance(values.get(2), bytes):
        raise Refused("a handshake without identity")
    key = key_of_protobuf(values[1])
    ed_verify(key, values[2], SIGNED + static_public)
    return key


async def secure(channel, network_seed, dialer):
    """A NoiseChannel whose `peer` is the other side's network key."""
    s, e = os.urandom(32), os.urandom(32)
    s_public, e_public = x_public(s), x_public(e)
    state = _Symmetric()
    if dialer:
        state.mix_hash(e_public)
        await _write_message(channel, e_public + state.seal(b""))
        message = await _read_message(channel)
        re = message[:32]
        state.mix_hash(re)
        state.mix_key(X(e, re))
        rs = state.open(message[32:80])
        state.mix_key(X(e, rs))
        peer = _peer_of(state.open(message[80:]), rs)
        message = state.seal(s_public)
        state.mix_key(X(s, re))
        await _write_message(channel, message + state.seal(_payload(network_seed, s_public)))
        sending, receiving = state.split()
    else:
        message = await _read_message(channel)
        re = message[:32]
        state.mix_hash(re)
        state.open(message[32:])
        state.mix_hash(e_public)
        state.mix_key(X(e, re))
        message = e_public + state.seal(s_public)
        state.mix_key(X(s, re))
        await _write_message(channel, message + state.seal(_payload(network_seed, s_public)))
        message = await _read_message(channel)
        rs = state.open(message[:48])
        state.mix_key(X(e, rs))
        peer = _peer_of(state.open(message[48:]), rs)
        receiving, sending = state.split()
    return NoiseChannel(channel, sending, receiving, peer)
