"""Accounts, devices, prekeys: docs/spec/01-identity.md."""

import hashlib
import os
from dataclasses import dataclass, field

from . import schema
from .cbor import Refused, encode
from .crypto import (
    H,
    Dice,
    ed_public,
    expand,
    extract,
    hash16,
    kem_public,
    label,
    sign_object,
    u32,
    verify_object,
    x_public,
)
from .text import base32, base64url, unbase32

SPARE_EPOCHS = 2**31
CLOCK_SKEW_S = 600
LIST_LIFE_S = 30 * 86400
LIST_GRACE_S = 14 * 86400
BUNDLE_LIFE_S = 14 * 86400
REVOKED_KEPT_MAX = 1000


def recovery(entropy):
    """PRK of recovery words."""
    return extract(label("wx1/recovery"), entropy)


def root_seed(prk, which):
    """Seed of root 0 (which = 0, from the words) or of the spare root (1, from spare words)."""
    return expand(prk, label("wx1/root") + u32(which), 32)


def backup_key(prk):
    return expand(prk, label("wx1/backup"), 32)


def account_id(genesis_body):
    return H(label("wx1/account") + genesis_body)


def address_checksum(account, ak):
    return H(label("wx1/addr") + account + ak)[:2]


def address(account, ak):
    return "wax1" + base32(account + ak + address_checksum(account, ak))


def read_address(text):
    """(account id, AK)."""
    if not text.startswith("wax1"):
        raise Refused("not an address")
    data = unbase32(text[4:])
    if len(data) != 66 or data[64:] != address_checksum(data[:32], data[32:64]):
        raise Refused("not an address")
    return data[:32], data[32:64]


def fingerprint(account, root):
    value = label("wx1/safety") + account + root
    for _ in range(5200):
        value = hashlib.sha512(value).digest()
    return value


def safety_code(one, other):
    """The text of the QR code, from two fingerprints."""
    return "waxwing-safety:" + base64url(b"".join(sorted([one, other])))


def safety_number(one, other):
    """From two fingerprints."""

    def digits(print_):
        groups = (int.from_bytes(print_[i : i + 5], "big") % 100_000 for i in range(0, 30, 5))
        return "".join(f"{group:05}" for group in groups)

    both = "".join(sorted((digits(one), digits(other))))
    return " ".join(both[i : i + 5] for i in range(0, 60, 5))


@dataclass
class Chain:
    """Genesis, statement and list of one account, verified together."""

    genesis: list
    statement: list
    devices: list
    account: bytes
    root: bytes
    epoch: int
    version: int
    list: dict

    @property
    def hash(self):
        return hash16(self.devices[0])

    @property
    def name(self):
        return [self.epoch, self.version, self.hash]


def verify_chain(genesis, statement, devices):
    """The Chain of three signed objects; Refused unless all hang together."""
    g = schema.read(schema.genesis, genesis[0])
    verify_object("genesis", g[2], genesis)
    account = account_id(genesis[0])
    verify_statement(g, account, statement)
    s = schema.read(schema.statement, statement[0])
    d = schema.read(schema.device_list, devices[0])
    verify_object("device-list", s[3], devices)
    if d[1] != account or d[2] != s[2] or d[3] == 0:
        raise Refused("a list of another account or epoch")
    if not d[4] < d[5] <= d[4] + LIST_LIFE_S:
        raise Refused("a list that lives too long")
    ids = [one[1] for one in d[6]]
    if len(set(ids)) != len(ids):
        raise Refused("a device twice")
    return Chain(genesis, statement, devices, account, g[2], d[2], d[3], d)


def verify_statement(g, account, statement):
    s = schema.read(schema.statement, statement[0])
    if s[1] != account:
        raise Refused("a statement of another account")
    if 6 not in s:
        if s[2] >= SPARE_EPOCHS:
            raise Refused("an epoch of the spare root")
        verify_object("root-statement", g[2], statement)
        return
    if s[2] < SPARE_EPOCHS or g[3] == bytes(32) or H(s[6]) != g[3]:
        raise Refused("not the spare root")
    verify_object("root-statement", s[6], statement)


def check_age(chain, now, grace):
    """Refused if the list is from the future or too old; `grace` bears two weeks more."""
    if chain.list[4] > now + CLOCK_SKEW_S:
        raise Refused("a list from the future")
    if now > chain.list[5] + (LIST_GRACE_S if grace else 0):
        raise Refused("a list that is too old")


@dataclass
class Known:
    """What is stored of another account."""

    chain: Chain
    revoked: list = field(default_factory=list)
    forked: bool = False

    def merge(self, new):
        old = self.chain
        if new.epoch > old.epoch:
            self.revoked = []
        if new.epoch >= old.epoch:
            self._revoke(new)
        said, says = hash16(old.statement[0]), hash16(new.statement[0])
        if new.epoch == old.epoch and says != said:
            self.forked = True
            if says < said:
                self.chain = new
        elif (new.epoch, new.version) > (old.epoch, old.version):
            self.chain = new
        elif (new.epoch, new.version) == (old.epoch, old.version) and new.hash != old.hash:
            self.forked = True
            if new.hash < old.hash:
                self.chain = new

    def _revoke(self, chain):
        self.revoked += [one for one in chain.list[7] if one not in self.revoked]
        del self.revoked[REVOKED_KEPT_MAX:]

    def effective(self, device_id):
        """The device of this id, or Refused."""
        for device in self.chain.list[6]:
            if device[1] == device_id and device_id not in self.revoked:
                return device
        raise Refused("not an effective device")


def learn(known, chain):
    """Merges into what is stored, or begins to store."""
    if known is None:
        known = Known(chain)
        known._revoke(chain)
    else:
        known.merge(chain)
    return known


def verify_bundle(signed, account, device, now, late=0):
    """The bundle of this device of a verified list; Refused otherwise."""
    b = schema.read(schema.bundle, signed[0])
    verify_object("bundle", device[2], signed)
    if (b[2], b[3], b[4]) != (account, device[1], device[3]):
        raise Refused("a bundle of another device")
    if b[5][0] == 0 or b[6][0] == 0 or not b[7] < b[8] <= b[7] + BUNDLE_LIFE_S:
        raise Refused("a bundle out of bounds")
    if b[7] > now + CLOCK_SKEW_S or now > b[8] + late:
        raise Refused("a bundle that is not valid now")
    return b


@dataclass
class Own:
    """An account with its one device: private keys and signed objects."""

    device_id: bytes
    dsk: bytes
    dik: bytes
    network: bytes
    spk: bytes
    pq: bytes
    genesis: list
    statement: list
    devices: list
    bundle: list
    account: bytes
    ak: bytes

    @classmethod
    def create(cls, now, dice=Dice()):
        root = root_seed(recovery(os.urandom(32)), 0)
        ask, ak, dsk, network = (os.urandom(32) for _ in range(4))
        dik, spk, pq = dice.x25519(), dice.x25519(), dice.kem_seed()
        device_id = os.urandom(16)
        genesis = {1: 1, 2: ed_public(root), 3: bytes(32), 4: now, 5: os.urandom(16)}
        genesis = sign_object("genesis", root, encode(genesis))
        account = account_id(genesis[0])
        statement = {1: account, 2: 1, 3: ed_public(ask), 4: ed_public(ak), 5: now}
        statement = sign_object("root-statement", root, encode(statement))
        device = {1: device_id, 2: ed_public(dsk), 3: x_public(dik), 4: now, 5: 1}
        devices = {
            1: account,
            2: 1,
            3: 1,
            4: now,
            5: now + LIST_LIFE_S,
            6: [device],
            7: [],
            8: bytes(16),
        }
        devices = sign_object("device-list", ask, encode(devices))
        bundle = {
            1: 1,
            2: account,
            3: device_id,
            4: x_public(dik),
            5: [1, x_public(spk)],
            6: [1, kem_public(pq)],
            7: now,
            8: now + BUNDLE_LIFE_S,
        }
        bundle = sign_object("bundle", dsk, encode(bundle))
        return cls(
            device_id=device_id,
            dsk=dsk,
            dik=dik,
            network=network,
            spk=spk,
            pq=pq,
            genesis=genesis,
            statement=statement,
            devices=devices,
            bundle=bundle,
            account=account,
            ak=ed_public(ak),
        )

    def chain(self):
        return verify_chain(self.genesis, self.statement, self.devices)
