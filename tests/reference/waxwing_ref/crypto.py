"""Primitives and notation of docs/spec/README.md."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .cbor import Refused

F = b"\xff" * 32
ZEROS32 = bytes(32)


def label(text):
    """A label as formulas mean it: its ASCII bytes and one zero byte."""
    return text.encode("ascii") + b"\0"


def u8(n):
    return n.to_bytes(1, "big")


def u32(n):
    return n.to_bytes(4, "big")


def H(data):
    return hashlib.sha256(data).digest()


def hash16(data):
    return H(data)[:16]


def HMAC(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def extract(salt, ikm):
    return HMAC(salt, ikm)


def expand(prk, info, size):
    out, block, count = b"", b"", 0
    while len(out) < size:
        count += 1
        block = HMAC(prk, block + info + u8(count))
        out += block
    return out[:size]


def HKDF(salt, ikm, info, size):
    return expand(extract(salt, ikm), info, size)


# ---- X25519 ----


def x_public(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def X(private, public):
    """X25519; Refused if the result is zeros (a key of low order)."""
    try:
        own = X25519PrivateKey.from_private_bytes(private)
        return own.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Refused("a key of low order") from None


# ---- Ed25519, verified strictly ----

_P = 2**255 - 19
_D = -121665 * pow(121666, _P - 2, _P) % _P


def _decompress(data):
    """Point (x, y) of a canonical encoding, or None."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if (v * x * x - u) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (v * x * x - u) % _P or (x == 0 and sign):
        return None
    return (_P - x if x & 1 != sign else x), y


def _double(point):
    x, y, z = point
    b, c, d = (x + y) ** 2 % _P, x * x % _P, y * y % _P
    e = -c
    f = e + d
    j = f - 2 * z * z
    return (b - c - d) * j % _P, f * (e - d) % _P, f * j % _P


def good_point(data):
    """Whether this is a canonical encoding of a point that is not of small order."""
    point = _decompress(data)
    if point is None:
        return False
    point = (*point, 1)
    for _ in range(3):
        point = _double(point)
    x, y, z = point
    return not (x % _P == 0 and (y - z) % _P == 0)


def ed_public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def ed_sign(seed, message):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def ed_verify(public, signature, message):
    if not good_point(public) or not good_point(signature[:32]):
        raise Refused("a weak key or signature")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        raise Refused("a signature that does not verify") from None


def sign_object(kind, seed, body):
    """`signed`, as a value for the CBOR encoder."""
    return [body, ed_sign(seed, label(f"wx1/sig/{kind}") + body)]


def verify_object(kind, public, signed):
    ed_verify(public, signed[1], label(f"wx1/sig/{kind}") + signed[0])


# ---- ML-KEM-768 ----


def kem_public(seed):
    return MLKEM768PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


def kem_encaps(public):
    """(ct, ss) to a public key; Refused if it fails the modulus check of FIPS 203 §7.2."""
    for at in range(0, 1152, 3):
        low = public[at] | (public[at + 1] & 15) << 8
        high = public[at + 1] >> 4 | public[at + 2] << 4
        if low >= 3329 or high >= 3329:
            raise Refused("an ML-KEM key beyond the modulus")
    ss, ct = MLKEM768PublicKey.from_public_bytes(public).encapsulate()
    return ct, ss


def kem_decaps(seed, ct):
    return MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(ct)


# ---- AEADs ----


def seal(key, nonce, plain, aad):
    return ChaCha20Poly1305(key).encrypt(nonce, plain, aad)


def open_(key, nonce, ct, aad):
    """The plaintext, or Refused."""
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, ct, aad)
    except (InvalidTag, ValueError):
        raise Refused("an AEAD that does not open") from None


def _hchacha20(key, nonce16):
    state = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    state += [int.from_bytes((key + nonce16)[i : i + 4], "little") for i in range(0, 48, 4)]

    def turn(a, b, c, d):
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xFFFFFFFF
            state[z] ^= state[x]
            state[z] = (state[z] << bits | state[z] >> (32 - bits)) & 0xFFFFFFFF

    for _ in range(10):
        for i in range(4):
            turn(i, i + 4, i + 8, i + 12)
        for i in range(4):
            turn(i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12)
    return b"".join(word.to_bytes(4, "little") for word in state[:4] + state[12:])


def xseal(key, nonce, plain, aad):
    return seal(_hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], plain, aad)


def xopen(key, nonce, ct, aad):
    return open_(_hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], ct, aad)


# ---- padding ----


def pad(content, size):
    if 4 + len(content) > size:
        raise ValueError("content does not fit")
    return u32(len(content)) + content + bytes(size - 4 - len(content))


def unpad(data):
    if len(data) < 4:
        raise Refused("no length")
    end = 4 + int.from_bytes(data[:4], "big")
    if end > len(data) or any(data[end:]):
        raise Refused("bad padding")
    return data[4:end]


class Dice:
    """Where random values come from; the vectors put their own in its place."""

    def x25519(self):
        return os.urandom(32)

    def kem_seed(self):
        return os.urandom(64)

    def salt(self):
        return os.urandom(16)

    def encaps(self, public):
        return kem_encaps(public)
