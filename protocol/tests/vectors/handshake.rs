use crate::cbor::{array, bytes, map, uint};
use crate::dice::Dice;
use crate::formulas::{decaps, expand, h, hkdf, label, seal, x, x_public};
use crate::json::{J, hex, maybe, object};
use crate::people::{NOW, keys, person};
use crate::settle;
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::id::Fixed;
use waxwing_protocol::identity::account::Signed;
use waxwing_protocol::identity::bundle::Bundle;
use waxwing_protocol::private::Secret;
use waxwing_protocol::session::handshake::{HsPublic, Target, init_hash, initiate, respond};
use waxwing_protocol::wire::codec::decode;

fn signed(signed: &Signed) -> Vec<u8> {
    array(&[bytes(&signed.body.0), bytes(signed.sig)])
}

fn case(with_opk: bool, with_psk: bool, with_bundle: bool) -> J {
    let (alice, bob) = (person("alice"), person("bob"));
    let mut dice = Dice::new(match (with_opk, with_psk) {
        (false, false) => "handshake",
        (true, false) => "handshake opk",
        (false, true) => "handshake psk",
        (true, true) => "handshake opk psk",
    });
    let opk = with_opk.then(|| AgreeKey::from_bytes(Secret::new(dice.bytes())));
    let psk = with_psk.then(|| (Fixed(dice.bytes::<16>()), Secret::new(dice.bytes::<32>())));
    let bundle: Bundle = bob.prekeys.bundle.peek().unwrap();
    let target = Target {
        bundle: &bundle,
        bundle_hash: bob.prekeys.bundle.hash(),
        opk: opk.as_ref().map(|key| (7, key.public())),
        psk: psk.clone(),
    };
    dice.drawn.clear();
    let first_letter = if with_bundle { 330 } else { 2_000 };
    let made = initiate(
        &alice.own,
        &alice.objects,
        &alice.prekeys.bundle,
        &target,
        NOW + 5,
        first_letter,
        &mut dice,
    )
    .unwrap();

    // From here on only the formulas.
    let ek: [u8; 32] = dice.drawn[0].clone().try_into().unwrap();
    let m = dice.drawn[1].clone();
    let read: HsPublic = decode(&made.pb).unwrap();
    let pq = bob.prekeys.pq.seed().expose();
    let ss = decaps(pq, &read.ct.0);
    let pb = map(&[
        (1, Some(uint(1u8))),
        (2, Some(bytes(bob.own.device))),
        (3, Some(bytes(x_public(&ek)))),
        (4, Some(uint(1u8))),
        (5, Some(uint(1u8))),
        (6, Some(bytes(read.ct))),
        (7, Some(bytes(h(&[&bob.prekeys.bundle.body.0])))),
        (8, opk.as_ref().map(|_| uint(7u8))),
        (9, psk.as_ref().map(|(id, _)| bytes(id))),
    ]);
    assert_eq!(pb, made.pb);
    let dik_a = alice.own.dik.secret().expose();
    let dik_b = bob.own.dik.secret().expose();
    let spk_b = bob.prekeys.spk.secret().expose();
    let dh1 = x(dik_a, &x_public(spk_b));
    let dh2 = x(&ek, &x_public(dik_b));
    let dh3 = x(&ek, &x_public(spk_b));
    let dh4 = opk
        .as_ref()
        .map(|key| x(&ek, &x_public(key.secret().expose())));
    // Both sides of each agreement.
    assert_eq!(dh1, x(spk_b, &x_public(dik_a)));
    assert_eq!(dh2, x(dik_b, &x_public(&ek)));
    let s0 = psk.as_ref().map_or([0; 32], |(_, psk)| *psk.expose());
    let th1 = h(&[&label("wx1/HS/th1"), &pb]);
    let dh4_bytes = dh4.as_ref().map_or(&[][..], |dh| &dh[..]);
    let f = [0xff; 32];
    let ikm_id = [&f[..], &dh2, &dh3, dh4_bytes, &ss].concat();
    let k_id = hkdf(&s0, &ikm_id, &[&label("wx1/HS/id")[..], &th1].concat(), 32);
    let objects = &alice.objects;
    let ident = map(&[
        (1, Some(bytes(alice.account()))),
        (2, Some(bytes(alice.own.device))),
        (3, Some(bytes(x_public(dik_a)))),
        (4, Some(signed(&objects.genesis))),
        (5, Some(signed(&objects.statement))),
        (6, Some(signed(&objects.list))),
        (
            7,
            Some(if with_bundle {
                signed(&alice.prekeys.bundle)
            } else {
                bytes(h(&[&alice.prekeys.bundle.body.0]))
            }),
        ),
        (8, Some(array(&[]))),
        (9, Some(uint(NOW + 5))),
    ]);
    let eid = seal(&k_id, &[0; 12], &ident, &pb);
    assert_eq!(eid, made.eid);
    let th2 = h(&[&label("wx1/HS/th2"), &th1, &eid]);
    let ikm = [&f[..], &dh1, &dh2, &dh3, dh4_bytes, &ss].concat();
    let info = [&label("wx1/HS/sk")[..], &th2].concat();
    let out = hkdf(&s0, &ikm, &info, 104);
    let ad = h(&[
        &label("wx1/AD"),
        &alice.account().0,
        &alice.own.device.0,
        &bob.account().0,
        &bob.own.device.0,
        &th2,
    ]);
    let ours = &made.keys;
    assert_eq!(
        out,
        [
            &ours.rk.expose()[..],
            ours.k_mbx.expose(),
            &ours.sid.0,
            ours.k_exp.expose()
        ]
        .concat()
    );
    assert_eq!((ad, th2), (ours.ad.0, ours.th2.0));

    // Bob's side, by the crate.
    let psk_secret = psk.as_ref().map(|(_, psk)| psk);
    let prekeys = &bob.prekeys;
    let opened = respond(
        &bob.own,
        prekeys,
        opk.as_ref(),
        psk_secret,
        &pb,
        &read,
        &eid,
    )
    .unwrap();
    let theirs = opened.keys(&bob.own, prekeys).unwrap();
    assert_eq!(theirs.rk.expose(), ours.rk.expose());
    assert_eq!((theirs.sid, theirs.ad), (ours.sid, ours.ad));
    let remembered = h(&[&pb, &eid]);
    assert_eq!(remembered, init_hash(&pb, &eid).0);
    let heal = expand(&out[72..], &label("wx1/heal"), 32);

    object([
        ("opk", with_opk.into()),
        ("psk", with_psk.into()),
        ("ident_holds_bundle", with_bundle.into()),
        ("ek_private", hex(ek)),
        ("encaps_m", hex(m)),
        ("opk_id", if with_opk { 7u32.into() } else { J::Null }),
        (
            "opk_private",
            maybe(opk.as_ref().map(|key| *key.secret().expose())),
        ),
        ("psk_id", maybe(psk.as_ref().map(|(id, _)| *id))),
        ("s0", hex(s0)),
        ("ct", hex(read.ct)),
        ("ss", hex(ss)),
        ("pb", hex(&pb)),
        ("dh1", hex(dh1)),
        ("dh2", hex(dh2)),
        ("dh3", hex(dh3)),
        ("dh4", maybe(dh4)),
        ("th1", hex(th1)),
        ("k_id", hex(k_id)),
        ("ident", hex(ident)),
        ("eid", hex(eid)),
        ("th2", hex(th2)),
        ("rk", hex(&out[..32])),
        ("k_mbx", hex(&out[32..64])),
        ("sid", hex(&out[64..72])),
        ("k_exp", hex(&out[72..])),
        ("ad", hex(ad)),
        ("init_hash", hex(remembered)),
        ("heal_psk", hex(heal)),
        (
            "heal_psk_id",
            hex(expand(&out[72..], &label("wx1/heal/id"), 16)),
        ),
    ])
}

#[test]
fn handshake() {
    let cases = vec![
        case(false, false, true),
        case(true, false, true),
        case(false, true, false),
        case(true, true, true),
    ];
    settle(
        "handshake.json",
        "Alice initiates towards bob's bundle; every intermediate value. encaps_m is the \
         randomness of ML-KEM.Encaps.",
        object([
            ("alice", keys(&person("alice"))),
            ("alice_bundle", hex(signed(&person("alice").prekeys.bundle))),
            ("bob", keys(&person("bob"))),
            ("bob_bundle", hex(signed(&person("bob").prekeys.bundle))),
            ("born", (NOW + 5).into()),
            ("handshakes", cases.into()),
        ]),
    );
}
