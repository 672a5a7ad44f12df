"""Text forms of docs/spec/README.md, and the PeerIds of 05-transport.md."""

import base64

from .cbor import Refused

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Protobuf of an Ed25519 public key: type 1, 32 bytes.
_KEY_HEAD = bytes.fromhex("08011220")


def base32(data):
    return base64.b32encode(data).decode().lower().rstrip("=")


def unbase32(text):
    return _decode(text, 5, "abcdefghijklmnopqrstuvwxyz234567")


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unbase64url(text):
    upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return _decode(text, 6, upper + upper.lower() + "0123456789-_")


def _decode(text, width, alphabet):
    number = 0
    for char in text:
        value = alphabet.find(char)
        if value < 0:
            raise Refused("a character outside the alphabet")
        number = number << width | value
    bits = len(text) * width
    spare = bits % 8
    if spare >= width or number & ((1 << spare) - 1):
        raise Refused("an impossible length, or trailing bits")
    return (number >> spare).to_bytes(bits // 8, "big")


def base58(data):
    number = int.from_bytes(data, "big")
    out = ""
    while number:
        number, rest = divmod(number, 58)
        out = _BASE58[rest] + out
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + out


def unbase58(text):
    number = 0
    for char in text:
        value = _BASE58.find(char)
        if value < 0:
            raise Refused("not base58")
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def key_protobuf(key):
    return _KEY_HEAD + key


def key_of_protobuf(data):
    if len(data) != 36 or data[:4] != _KEY_HEAD:
        raise Refused("not an Ed25519 key")
    return data[4:]


def peer_id(key):
    return base58(b"\x00\x24" + key_protobuf(key))


def key_of_peer_id(text):
    data = unbase58(text)
    if data[:2] != b"\x00\x24":
        raise Refused("not the PeerId of an Ed25519 key")
    return key_of_protobuf(data[2:])
