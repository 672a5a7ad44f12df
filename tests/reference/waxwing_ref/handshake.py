"""What makes a session: docs/spec/03-sessions.md, "The handshake"."""

from dataclasses import dataclass

from . import schema
from .cbor import Refused, encode
from .crypto import HKDF, F, H, X, ZEROS32, Dice, expand, kem_decaps, label, open_, seal, x_public

NONCE0 = bytes(12)


@dataclass
class Keys:
    """What both sides have at the end."""

    rk: bytes
    k_mbx: bytes
    sid: bytes
    k_exp: bytes
    ad: bytes
    th2: bytes


def first_transcript(pb):
    return H(label("wx1/HS/th1") + pb)


def second_transcript(th1, eid):
    return H(label("wx1/HS/th2") + th1 + eid)


def identity_key(s0, dh2, dh3, dh4, ss, th1):
    return HKDF(s0, F + dh2 + dh3 + dh4 + ss, label("wx1/HS/id") + th1, 32)


def session_keys(s0, dh1, dh2, dh3, dh4, ss, th2, initiator, responder):
    """Keys; `initiator` and `responder` are (account, device) pairs."""
    okm = HKDF(s0, F + dh1 + dh2 + dh3 + dh4 + ss, label("wx1/HS/sk") + th2, 104)
    ad = H(label("wx1/AD") + b"".join(initiator) + b"".join(responder) + th2)
    return Keys(okm[:32], okm[32:64], okm[64:72], okm[72:], ad, th2)


def repair_psk(k_exp):
    """(psk, psk_id) of a repair of the session with this K_exp."""
    return expand(k_exp, label("wx1/heal"), 32), expand(k_exp, label("wx1/heal/id"), 16)


def public_part(device, ek_public, bundle, bundle_hash, ct, opk_id=None, psk_id=None):
    pb = {1: 1, 2: device, 3: ek_public, 4: bundle[5][0], 5: bundle[6][0], 6: ct, 7: bundle_hash}
    if opk_id is not None:
        pb[8] = opk_id
    if psk_id is not None:
        pb[9] = psk_id
    return encode(pb)


def identity_part(own, born, whole_bundle=True):
    return encode(
        {
            1: own.account,
            2: own.device_id,
            3: x_public(own.dik),
            4: own.genesis,
            5: own.statement,
            6: own.devices,
            7: own.bundle if whole_bundle else H(own.bundle[0]),
            8: [],
            9: born,
        }
    )


@dataclass
class Secrets:
    """What A brings to a handshake: its keys, B's bundle, and the shared secrets so far."""

    dik: bytes
    ek: bytes
    bundle: dict
    opk_public: bytes
    ss: bytes
    s0: bytes


def finish(own, peer_account, secrets, pb, ident):
    """(eid, Keys) of a handshake, once pb and ident are written."""
    bundle, ek, ss, s0 = secrets.bundle, secrets.ek, secrets.ss, secrets.s0
    spk, dik = bundle[5][1], bundle[4]
    dh1, dh2, dh3 = X(secrets.dik, spk), X(ek, dik), X(ek, spk)
    dh4 = X(ek, secrets.opk_public) if secrets.opk_public else b""
    th1 = first_transcript(pb)
    eid = seal(identity_key(s0, dh2, dh3, dh4, ss, th1), NONCE0, ident, pb)
    th2 = second_transcript(th1, eid)
    pair = (own.account, own.device_id), (peer_account, bundle[3])
    return eid, session_keys(s0, dh1, dh2, dh3, dh4, ss, th2, *pair)


@dataclass
class Initiated:
    pb: bytes
    eid: bytes
    keys: Keys
    spk: bytes


def initiate(own, peer_account, signed_bundle, born, opk=None, psk=None, dice=Dice()):
    """A's side. `opk` is [id, public], `psk` is (psk, psk_id)."""
    bundle = schema.read(schema.bundle, signed_bundle[0])
    ek = dice.x25519()
    ct, ss = dice.encaps(bundle[6][1])
    s0, psk_id = psk or (ZEROS32, None)
    opk_id, opk_public = opk or (None, None)
    bundle_hash = H(signed_bundle[0])
    pb = public_part(bundle[3], x_public(ek), bundle, bundle_hash, ct, opk_id, psk_id)
    secrets = Secrets(own.dik, ek, bundle, opk_public, ss, s0)
    eid, keys = finish(own, peer_account, secrets, pb, identity_part(own, born))
    return Initiated(pb, eid, keys, bundle[5][1])


@dataclass
class Received:
    """B's side, up to the point where ident is read but not yet believed."""

    pb: dict
    ident: dict
    _own: object
    _secrets: tuple

    def keys(self):
        """Step 9: DH1 and the session's keys."""
        s0, dh2, dh3, dh4, ss, th2 = self._secrets
        dh1 = X(self._own.spk, self.ident[3])
        pair = (self.ident[1], self.ident[2]), (self._own.account, self._own.device_id)
        return session_keys(s0, dh1, dh2, dh3, dh4, ss, th2, *pair)


def receive(own, pb_bytes, eid, psk=None, opk_private=None):
    """Steps 1, 3 and 5. The caller has looked up the psk and the one-time prekey (step 4)."""
    pb = schema.read(schema.hs_public, pb_bytes)
    if pb[2] != own.device_id:
        raise Refused("a first message to another device")
    bundle = schema.read(schema.bundle, own.bundle[0])
    if pb[7] != H(own.bundle[0]) or (pb[4], pb[5]) != (bundle[5][0], bundle[6][0]):
        raise Refused("prekeys that are not ours")
    dh2, dh3 = X(own.dik, pb[3]), X(own.spk, pb[3])
    dh4 = X(opk_private, pb[3]) if opk_private else b""
    ss = kem_decaps(own.pq, pb[6])
    s0, th1 = psk or ZEROS32, first_transcript(pb_bytes)
    k_id = identity_key(s0, dh2, dh3, dh4, ss, th1)
    ident = schema.read(schema.ident, open_(k_id, NONCE0, eid, pb_bytes))
    secrets = s0, dh2, dh3, dh4, ss, second_transcript(th1, eid)
    return Received(pb, ident, own, secrets)
