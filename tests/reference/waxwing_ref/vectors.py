"""Recomputes the test vectors from their inputs: python -m waxwing_ref.vectors DIR"""

import json
import pathlib
import sys

from . import crypto, frames, handshake, identity, invite, mailbox, messages, mlkem, ratchet
from . import schema
from .cbor import Refused, decode, encode
from .crypto import H, X, hash16, label, pad, unpad, x_public


class Checks:
    """Counts values that are the same, remembers those that differ."""

    def __init__(self):
        self.same, self.different = 0, []

    def equal(self, where, computed, given):
        if isinstance(computed, bytes):
            computed = computed.hex()
        if computed == given:
            self.same += 1
        else:
            self.different.append(where)

    def accepts(self, where, accepted, read):
        try:
            read()
            outcome = True
        except Refused:
            outcome = False
        self.equal(where, outcome, accepted)


def unhex(value):
    return None if value is None else bytes.fromhex(value)


def derivations(check, v):
    for one in v["labels"]:
        check.equal(one["label"], label(one["label"]), one["bytes"])
    for i, one in enumerate(v["recovery_words"]):
        prk = identity.recovery(unhex(one["entropy"]))
        check.equal(f"words {i} prk", prk, one["prk"])
        for name, which in (("root_0", 0), ("spare_root", 1)):
            seed = identity.root_seed(prk, which)
            check.equal(f"words {i} {name}", seed, one[f"{name}_seed"])
            check.equal(f"words {i} {name}", crypto.ed_public(seed), one[f"{name}_public"])
        check.equal(f"words {i} backup", identity.backup_key(prk), one["backup_key"])
    for i, one in enumerate(v["addresses"]):
        account, ak = unhex(one["account_id"]), unhex(one["ak"])
        check.equal(f"checksum {i}", identity.address_checksum(account, ak), one["checksum"])
        check.equal(f"address {i}", identity.address(account, ak), one["address"])
        read = identity.read_address(one["address"])
        check.equal(f"address {i} read", read == (account, ak), True)
    for i, one in enumerate(v["safety_numbers"]):
        prints = []
        for side in "ab":
            prints.append(
                identity.fingerprint(unhex(one[f"account_{side}"]), unhex(one[f"root_{side}"]))
            )
            check.equal(f"fingerprint {i} {side}", prints[-1], one[f"fingerprint_{side}"])
        check.equal(f"safety {i}", identity.safety_number(*prints), one["number"])
        check.equal(f"safety code {i}", identity.safety_code(*prints), one["code"])
    for i, one in enumerate(v["conversations"]):
        conversation = messages.conversation_id(unhex(one["a"]), unhex(one["b"]))
        check.equal(f"conversation {i}", conversation, one["id"])
    for i, one in enumerate(v["invites"]):
        link = invite.Link(bytes(32), bytes(32), [1, 1, 1], [], 1, 0, unhex(one["seed"]))
        for name in ("inv_id", "psk", "k_card"):
            check.equal(f"invite {i} {name}", getattr(link, name), one[name])
    for i, one in enumerate(v["repairs"]):
        psk, psk_id = handshake.repair_psk(unhex(one["k_exp"]))
        check.equal(f"repair {i} psk", psk, one["psk"])
        check.equal(f"repair {i} psk_id", psk_id, one["psk_id"])
    for i, one in enumerate(v["closed_chains"]):
        check.equal(f"mark {i}", hash16(label("wx1/local/closed") + unhex(one["dhr"])), one["mark"])


BODIES = {
    "genesis": schema.genesis,
    "root-statement": schema.statement,
    "device-list": schema.device_list,
    "bundle": schema.bundle,
}


def signed(check, v):
    given = v["account"]
    objects = {}
    for one in v["objects"]:
        kind, body, seed = one["type"], unhex(one["body"]), unhex(one["signer_seed"])
        check.equal(f"{kind} signer", crypto.ed_public(seed), one["signer_public"])
        made = crypto.sign_object(kind, seed, body)
        check.equal(f"{kind} signature", made[1], one["signature"])
        check.equal(f"{kind} signed", encode(made), one["signed"])
        check.equal(f"{kind} sha256", H(body), one["body_sha256"])
        check.equal(f"{kind} again", encode(schema.read(BODIES[kind], body)), one["body"])
        public = unhex(one["signer_public"])
        check.accepts(f"{kind} ok", True, lambda: crypto.verify_object(kind, public, made))
        bad = [body, made[1][:-1] + bytes([made[1][-1] ^ 1])]
        check.accepts(f"{kind} bad", False, lambda: crypto.verify_object(kind, public, bad))
        objects.setdefault(kind, []).append(made)
    genesis, plain, spare = objects["genesis"][0], *objects["root-statement"]
    check.equal("account", identity.account_id(genesis[0]), v["account_id"])
    chain = identity.verify_chain(genesis, plain, objects["device-list"][0])
    g = decode(genesis[0])
    check.accepts("spare", True, lambda: identity.verify_statement(g, chain.account, spare))
    keys_of(check, "account", given, chain, objects["bundle"][0])


def keys_of(check, where, given, chain, bundle):
    """Whether the private keys that a vector gives are those of a chain and a bundle."""
    genesis, statement = decode(chain.genesis[0]), decode(chain.statement[0])
    device = chain.list[6][0]
    b = identity.verify_bundle(bundle, chain.account, device, decode(bundle[0])[7])
    spare = crypto.ed_public(unhex(given["spare_seed"]))
    check.equal(f"{where} spare root", H(spare), genesis[3].hex())
    check.equal(f"{where} account", chain.account, given["account_id"])
    check.equal(f"{where} device id", device[1], given["device_id"])
    for name, public, there in (
        ("root_seed", crypto.ed_public, genesis[2]),
        ("ask_seed", crypto.ed_public, statement[3]),
        ("ak_seed", crypto.ed_public, statement[4]),
        ("dsk_seed", crypto.ed_public, device[2]),
        ("dik_private", x_public, device[3]),
        ("spk_private", x_public, b[5][1]),
        ("pq_seed", crypto.kem_public, b[6][1]),
    ):
        check.equal(f"{where} {name}", public(unhex(given[name])), there.hex())


def cbor(check, v):
    kinds = {
        "any": lambda value: value,
        "reaction": schema.bodies[4],
        "timer": schema.bodies[6],
        "receipt": schema.bodies[5],
        "dr-hdr": schema.dr_hdr,
    }
    for one in v:
        data, kind = unhex(one["hex"]), kinds[one["type"]]
        check.accepts(one["why"], one["accepted"], lambda: schema.read(kind, data))
        if one["accepted"]:
            check.equal(f"{one['why']} again", encode(decode(data)), one["hex"])


def padding(check, v):
    for i, one in enumerate(v):
        padded = unhex(one["padded"])
        if one["content"] is None:
            check.accepts(one["why"], False, lambda: unpad(padded))
            continue
        check.equal(f"pad {i}", pad(unhex(one["content"]), one["size"]), one["padded"])
        check.equal(f"unpad {i}", unpad(padded), one["content"])


def invites(check, v):
    for i, one in enumerate(v["invites"]):
        link = invite.read_link(one["link"])
        for name in ("seed", "inv_id", "psk", "k_card"):
            check.equal(f"{i} {name}", getattr(link, name), one[name])
        check.equal(f"{i} uses", link.uses, one["uses"])
        check.equal(f"{i} content", link.content(), one["content"])
        check.equal(f"{i} link", link.text(), one["link"])
        check.equal(f"{i} get", link.get_frame(), one["frame_3"])
        frame = unhex(one["frame_4"])
        _, content = frames.read_frame(frame)
        check.equal(f"{i} nonce", content[2], one["nonce"])
        check.equal(f"{i} ct", content[3], one["ct"])
        check.equal(f"{i} opened", invite.open_plain(link, content), one["plain"])
        check.equal(f"{i} size", len(encode(content)), 4096)
        made = invite.seal_objects(link, unhex(one["plain"]), unhex(one["nonce"]))
        check.equal(f"{i} sealed", made, one["frame_4"])
        now = decode(decode(unhex(one["plain"]))[4][0])[7]
        objects = invite.open_objects(link, content, now)
        keys_of(check, f"{i} inviter", v["inviter"], objects.known.chain, objects.bundle)
        opk = unhex(one["opk_private"])
        check.equal(f"{i} opk", opk and x_public(opk), objects.opk and objects.opk[1].hex())


def own_of(given, bundle):
    """An identity.Own of what a vector gives; its signed objects are filled in by the caller."""
    secret = {name: unhex(given[f"{name}_seed"]) for name in ("dsk", "pq")}
    return identity.Own(
        device_id=unhex(given["device_id"]),
        dik=unhex(given["dik_private"]),
        spk=unhex(given["spk_private"]),
        network=bytes(32),
        genesis=None,
        statement=None,
        devices=None,
        bundle=bundle,
        account=unhex(given["account_id"]),
        ak=crypto.ed_public(unhex(given["ak_seed"])),
        **secret,
    )


class Script(crypto.Dice):
    """Dice that show what a vector says."""

    def __init__(self, **draws):
        self.draws = draws

    def x25519(self):
        return self.draws["x25519"]

    def kem_seed(self):
        return self.draws["kem_seed"]

    def salt(self):
        return self.draws["salt"]

    def encaps(self, public):
        return self.draws["encaps"](public)


def handshakes(check, v):
    alice = own_of(v["alice"], decode(unhex(v["alice_bundle"])))
    bob = own_of(v["bob"], decode(unhex(v["bob_bundle"])))
    bundle = decode(bob.bundle[0])
    for i, one in enumerate(v["handshakes"]):
        def same(name, computed):
            check.equal(f"{i} {name}", computed, one[name])

        ident = decode(unhex(one["ident"]))
        alice.genesis, alice.statement, alice.devices = ident[4], ident[5], ident[6]
        chain = alice.chain()
        keys_of(check, f"{i} alice", v["alice"], chain, alice.bundle)
        same("ident", handshake.identity_part(alice, v["born"], one["ident_holds_bundle"]))
        ek, m = unhex(one["ek_private"]), unhex(one["encaps_m"])
        ct, ss = mlkem.encaps(bundle[6][1], m)
        same("ct", ct)
        same("ss", ss)
        check.equal(f"{i} decapsulated", crypto.kem_decaps(bob.pq, ct), one["ss"])
        s0, psk_id, opk = unhex(one["s0"]), unhex(one["psk_id"]), unhex(one["opk_private"])
        pb = handshake.public_part(
            bob.device_id, x_public(ek), bundle, H(bob.bundle[0]), ct, one["opk_id"], psk_id
        )
        same("pb", pb)
        dh1, dh2, dh3 = X(alice.dik, bundle[5][1]), X(ek, bundle[4]), X(ek, bundle[5][1])
        dh4 = X(ek, x_public(opk)) if opk else b""
        same("dh1", dh1)
        same("dh2", dh2)
        same("dh3", dh3)
        check.equal(f"{i} dh4", dh4.hex() or None, one["dh4"])
        th1 = handshake.first_transcript(pb)
        same("th1", th1)
        k_id = handshake.identity_key(s0, dh2, dh3, dh4, ss, th1)
        same("k_id", k_id)
        eid = crypto.seal(k_id, handshake.NONCE0, unhex(one["ident"]), pb)
        same("eid", eid)
        th2 = handshake.second_transcript(th1, eid)
        keys = handshake.session_keys(
            s0, dh1, dh2, dh3, dh4, ss, th2,
            (alice.account, alice.device_id), (bob.account, bob.device_id),
        )
        for name in ("rk", "k_mbx", "sid", "k_exp", "ad", "th2"):
            same(name, getattr(keys, name))
        same("init_hash", H(pb + eid))
        same("opk", one["opk_id"] is not None)
        same("psk", psk_id is not None)
        heal_psk, heal_psk_id = handshake.repair_psk(keys.k_exp)
        same("heal_psk", heal_psk)
        same("heal_psk_id", heal_psk_id)
        # The responder, from pb and eid alone.
        received = handshake.receive(bob, pb, eid, s0, opk)
        check.equal(f"{i} received", received.keys() == keys, True)
        check.equal(f"{i} believed", received.ident == ident, True)
        # The initiator as a whole.
        if one["ident_holds_bundle"]:
            script = Script(x25519=ek, encaps=lambda public: mlkem.encaps(public, m))
            made = handshake.initiate(
                alice,
                bob.account,
                bob.bundle,
                v["born"],
                [one["opk_id"], x_public(opk)] if opk else None,
                (s0, psk_id) if psk_id else None,
                script,
            )
            check.equal(f"{i} made", (made.pb, made.eid, made.keys) == (pb, eid, keys), True)


def ratchets(check, v):
    for name, script in v.items():
        one_script(check, name, script)


def one_script(check, name, script):
    given = script["given"]
    rk, sid, ad, spk = (unhex(given[key]) for key in ("rk", "sid", "ad", "spk_private"))
    start = given["start_ms"]
    sides = {
        "alice": ratchet.Session.initiator(rk, sid, ad, x_public(spk), start),
        "bob": ratchet.Session.responder(rk, sid, ad, spk, start),
    }
    letters, now = {}, start
    for step in script["steps"]:
        where = f"{name} {step['letter']}"
        if "opened_by" in step:
            opened(check, where, sides[step["opened_by"]], letters[step["letter"]], step, now)
            continue
        side, now = sides[step["from"]], step["at_ms"]
        given_hdr, chain = decode(unhex(step["hdr"])), step["new_chain"]
        check.equal(f"{where} begins", side.cks is None, chain is not None)
        side.dice = Script(salt=unhex(step["salt"]))
        if chain:
            peer = next(one for one in sides.values() if one is not side)

            # The ciphertext is the vector's; what it holds is opened with the peer's own key.
            def encaps(public, peer=peer, ct=given_hdr.get(5)):
                check.equal(f"{where} ek", crypto.kem_public(peer.dk) == public, True)
                return ct, crypto.kem_decaps(peer.dk, ct)

            side.dice.draws |= {
                "x25519": unhex(chain["dhs_private"]),
                "kem_seed": unhex(chain["dk_seed"]),
                "encaps": encaps,
            }
            check.equal(f"{where} rk before", side.rk, chain["rk_before"])
            check.equal(f"{where} dhr", side.dhr, chain["dhr"])
            check.equal(f"{where} dh", X(unhex(chain["dhs_private"]), side.dhr), chain["dh"])
            if chain["ss"]:
                check.equal(f"{where} ss", crypto.kem_decaps(peer.dk, given_hdr[5]), chain["ss"])
                root, _ = ratchet.kdf_rk(side.rk, unhex(chain["dh"]), unhex(chain["ss"]))
                check.equal(f"{where} root", root, chain["rk"])
        check.equal(f"{where} n", 0 if chain else side.ns, step["n"])
        ck_before = None if chain else side.cks
        letter = side.seal(unhex(step["plain"]), now)
        if chain:
            check.equal(f"{where} rk", side.rk, chain["rk"])
            check.equal(f"{where} proposal", chain["dk_seed"] is not None, 6 in given_hdr)
            ck_before = unhex(chain["ck"])
        mk, ck_after = ratchet.message_key(ck_before)
        check.equal(f"{where} ck", ck_before, step["ck"])
        check.equal(f"{where} next ck", ck_after == side.cks, True)
        check.equal(f"{where} mk", mk, step["mk"])
        key, nonce = ratchet.letter_key(mk, unhex(step["salt"]))
        check.equal(f"{where} key", key, step["key"])
        check.equal(f"{where} nonce", nonce, step["nonce"])
        check.equal(f"{where} hdr", letter[0], step["hdr"])
        check.equal(f"{where} aad", ad + letter[0], step["aad"])
        check.equal(f"{where} ct", letter[1], step["ct"])
        check.equal(f"{where} hash", ratchet.letter_hash(letter), step["letter_hash16"])
        check.equal(f"{where} pn", given_hdr[3], step["pn"])
        check.equal(f"{where} proposes", 6 in given_hdr, step["proposes"])
        check.equal(f"{where} answers", 5 in given_hdr, step["answers"])
        letters[step["letter"]] = letter


def opened(check, where, side, letter, step, now):
    hdr = decode(letter[0])
    check.equal(f"{where} skipped", (hdr[2], hdr[4]) in side.skipped, step["with_skipped_key"])
    before = set(side.skipped)
    check.equal(f"{where} opened", side.open(letter, now), step["plain"])
    stored = [
        {"dh": dh.hex(), "n": n, "mk": mk.hex()}
        for (dh, n), mk in side.skipped.items()
        if (dh, n) not in before
    ]
    check.equal(f"{where} stored", stored, step["keys_stored"])
    try:
        side.open(letter, now)
        check.different.append(f"{where} opened twice")
    except ratchet.Duplicate:
        check.same += 1


def frame_vectors(check, v):
    for one in v:
        data = unhex(one["frame"])
        check.accepts(one["name"], one["accepted"], lambda: frames.read_frame(data))
        if one["accepted"]:
            again = frames.write_frame(*frames.read_frame(data))
            check.equal(f"{one['name']} again", again, one["frame"])
            check.equal(f"{one['name']} on the stream", frames.on_stream(data), one["on_stream"])


def mailboxes(check, v):
    k_mbx, bridge = unhex(v["k_mbx"]), unhex(v["bridge_id"])
    check.equal("bridge id", crypto.ed_public(unhex(v["bridge_seed"])), v["bridge_id"])
    for i, one in enumerate(v["lanes"]):
        lane = mailbox.Lane(k_mbx, bridge, one["direction"])
        check.equal(f"tag {i}", lane.tag(one["day"]), one["tag"])
        check.equal(f"k_env {i}", lane.key(one["day"]), one["k_env"])
    for i, one in enumerate(v["envelopes"]):
        lane = mailbox.Lane(k_mbx, bridge, one["direction"])
        content, block = unhex(one["content"]), unhex(one["envelope"])
        made = lane.seal(one["day"], content, unhex(one["nonce"]))
        check.equal(f"envelope {i}", made, one["envelope"])
        check.equal(f"envelope {i} opened", lane.open(one["day"], block), one["content"])
        check.equal(f"envelope {i} padded", len(block) - 64, one["padded_to"])
        other = mailbox.Lane(k_mbx, bridge, 1 - one["direction"])
        check.accepts(f"envelope {i} back", False, lambda: other.open(one["day"], block))
    signs_of_a_bridge(check, v, bridge)
    for i, one in enumerate(v["boxes"]):
        one_box(check, i, one, v)
    proof = v["proof"]
    seed, nonce = unhex(proof["mailbox_seed"]), unhex(proof["nonce"])
    check.equal("mailbox", crypto.ed_public(seed), proof["mailbox"])
    made = mailbox.auth(seed, bridge, nonce, proof["time"])
    check.equal("proof", made[2], proof["signature"])
    key = unhex(proof["mailbox"])
    check.accepts(
        "proved", True, lambda: mailbox.check_auth(key, bridge, nonce, proof["time"], made[2])
    )
    check.accepts(
        "not proved",
        False,
        lambda: mailbox.check_auth(key, bridge, nonce, proof["time"] + 1, made[2]),
    )
    for one in v["frames"]:
        again = frames.write_frame(*frames.read_frame(unhex(one["frame"])))
        check.equal(f"frame {one['name']}", again, one["frame"])


def signs_of_a_bridge(check, v, bridge):
    objects = {}
    for one in v["objects"]:
        kind, body = one["type"], unhex(one["body"])
        made = crypto.sign_object(kind, unhex(v["bridge_seed"]), body)
        check.equal(f"{kind} signature", made[1], one["signature"])
        check.equal(f"{kind} signed", encode(made), one["signed"])
        objects[kind] = made
    signed, said = mailbox.read_descriptor_text(v["descriptor_text"])
    check.equal("descriptor", encode(signed), encode(objects["descriptor"]).hex())
    check.equal("descriptor text", mailbox.descriptor_text(signed), v["descriptor_text"])
    check.equal("descriptor again", encode(said), objects["descriptor"][0].hex())
    keys = mailbox.read_keys(objects["forward-keys"], bridge)
    check.equal("x", x_public(unhex(v["x_private"])), keys[3].hex())
    check.equal("kem", crypto.kem_public(unhex(v["kem_seed"])), keys[4].hex())
    held = mailbox.read_custody(objects["custody"], bridge, unhex(v["boxes"][0]["block"]))
    check.equal("received", held[3] % 3600, 0)
    queued = mailbox.read_queued(objects["queued"], bridge)
    check.equal("queued", queued[1], v["boxes"][0]["fid"])


def one_box(check, i, one, v):
    def same(name, computed):
        check.equal(f"box {i} {name}", computed, one[name])

    keys_body = next(o["body"] for o in v["objects"] if o["type"] == "forward-keys")
    keys = decode(unhex(keys_body))
    ek, m = unhex(one["ek_private"]), unhex(one["encaps_m"])
    same("ek", x_public(ek))
    ct, ss = mlkem.encaps(keys[4], m)
    same("ct", ct)
    same("ss", ss)
    dh = X(ek, keys[3])
    same("dh", dh)
    transcript = mailbox.transcript(x_public(ek), ct, keys)
    same("transcript", transcript)
    k_req, k_rep = mailbox.box_keys(dh, ss, transcript)
    same("k_req", k_req)
    same("k_rep", k_rep)
    request = mailbox.deposit(unhex(one["block"]), one["ttl"])
    same("request", request)
    same("padded_to", mailbox.box_size(request))
    around = mailbox.around(keys[1], x_public(ek), ct, one["until"])
    same("around", around)
    made = mailbox.seal_box(keys, request, one["until"], ek, m)
    same("box", made.forward[4])
    same("forward", encode(made.forward))
    same("fid", made.fid)
    same("seal_id", mailbox.seal_id(made.forward))
    opened = mailbox.open_box(unhex(v["x_private"]), unhex(v["kem_seed"]), made.forward)
    check.equal(f"box {i} opened", opened == (request, k_rep), True)
    check.equal(f"box {i} asked", schema.read(schema.request, request)[2], one["ttl"])
    nonce = unhex(one["reply_nonce"])
    same("reply", mailbox.seal_reply(made.forward, k_rep, unhex(one["answer"]), nonce))
    same("answer", encode(made.open_reply(unhex(one["reply"]))))
    bent = dict(made.forward) | {5: one["until"] + 1}
    keys_of = unhex(v["x_private"]), unhex(v["kem_seed"])
    check.accepts(f"box {i} bent", False, lambda: mailbox.open_box(*keys_of, bent))


FILES = {
    "derivations.json": derivations,
    "signed.json": signed,
    "cbor.json": cbor,
    "padding.json": padding,
    "invites.json": invites,
    "handshake.json": handshakes,
    "ratchet.json": ratchets,
    "frames.json": frame_vectors,
    "mailbox.json": mailboxes,
}


def main():
    directory = pathlib.Path(sys.argv[1])
    there = {path.name for path in directory.glob("*.json")}
    bad = 0
    for name in sorted(there ^ FILES.keys()):
        print(f"{name}: {'no check for it' if name in there else 'missing'}")
        bad += 1
    for name in sorted(there & FILES.keys()):
        check = Checks()
        FILES[name](check, json.loads((directory / name).read_text())["vectors"])
        print(f"{name}: {check.same} values agree, {len(check.different)} differ")
        for where in check.different:
            print(f"  differs: {where}")
        bad += len(check.different)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
