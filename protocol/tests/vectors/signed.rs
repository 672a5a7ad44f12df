use crate::cbor::{array, bytes, map, uint};
use crate::formulas::{ed_public, h, kem_public, label, sign, x_public};
use crate::json::{J, hex, object};
use crate::people::{NOW, keys, person};
use crate::settle;
use waxwing_protocol::identity::account::{Signed, account_id};
use waxwing_protocol::identity::bundle;
use waxwing_protocol::identity::list::Chain;
use waxwing_protocol::wire::codec::encode;

/// One object: what the formulas give has to be what the crate made.
fn check(name: &str, seed: &[u8; 32], body: &[u8], made: &Signed) -> J {
    let sig = sign(seed, name, body);
    assert_eq!(body, &made.body[..], "{name}");
    assert_eq!(sig, made.sig.0, "{name}");
    let whole = array(&[bytes(body), bytes(sig)]);
    assert_eq!(whole, encode(made), "{name}");
    object([
        ("type", name.into()),
        ("signer_seed", hex(seed)),
        ("signer_public", hex(ed_public(seed))),
        ("body", hex(body)),
        ("signature", hex(sig)),
        ("signed", hex(whole)),
        ("body_sha256", hex(h(&[body]))),
    ])
}

#[test]
fn signed_objects() {
    let mut alice = person("alice");
    alice.issue(|list| {
        list.version = 300;
        list.revoked = vec![waxwing_protocol::id::Fixed([0x0f; 16])];
        list.previous = waxwing_protocol::id::Fixed([0xab; 16]);
    });
    let own = &alice.own;
    let (root, ask, dsk) = (
        alice.root.seed().expose(),
        own.ask.seed().expose(),
        own.dsk.seed().expose(),
    );
    let public = |seed: &[u8; 32]| Some(bytes(ed_public(seed)));
    let salt = {
        let genesis: waxwing_protocol::identity::account::Genesis =
            alice.objects.genesis.peek().unwrap();
        genesis.salt
    };
    let spare_hash = h(&[&ed_public(alice.spare.seed().expose())]);
    let genesis = map(&[
        (1, Some(uint(1u8))),
        (2, public(root)),
        (3, Some(bytes(spare_hash))),
        (4, Some(uint(NOW))),
        (5, Some(bytes(salt))),
    ]);
    let account = h(&[&label("wx1/account"), &genesis]);
    assert_eq!(account, account_id(&alice.objects.genesis).0);
    let account_field = || Some(bytes(account));
    let statement = map(&[
        (1, account_field()),
        (2, Some(uint(1u8))),
        (3, public(ask)),
        (4, public(own.ak.seed().expose())),
        (5, Some(uint(NOW))),
    ]);
    let spare = alice.spare.clone();
    let mut later = alice.clone();
    later.state(&spare, 1 << 31, Some(spare.public()));
    let spare_seed = spare.seed().expose();
    let spare_statement = map(&[
        (1, account_field()),
        (2, Some(uint(1u32 << 31))),
        (3, public(ask)),
        (4, public(own.ak.seed().expose())),
        (5, Some(uint(NOW))),
        (6, public(spare_seed)),
    ]);
    let dik = x_public(own.dik.secret().expose());
    let device = map(&[
        (1, Some(bytes(own.device))),
        (2, public(dsk)),
        (3, Some(bytes(dik))),
        (4, Some(uint(NOW))),
        (5, Some(uint(1u8))),
    ]);
    let list = map(&[
        (1, account_field()),
        (2, Some(uint(1u8))),
        (3, Some(uint(300u16))),
        (4, Some(uint(NOW))),
        (5, Some(uint(NOW + 30 * 86_400))),
        (6, Some(array(&[device]))),
        (7, Some(array(&[bytes([0x0f; 16])]))),
        (8, Some(bytes([0xab; 16]))),
    ]);
    let prekeys = &alice.prekeys;
    let bundle_body = map(&[
        (1, Some(uint(1u8))),
        (2, account_field()),
        (3, Some(bytes(own.device))),
        (4, Some(bytes(dik))),
        (
            5,
            Some(array(&[
                uint(1u8),
                bytes(x_public(prekeys.spk.secret().expose())),
            ])),
        ),
        (
            6,
            Some(array(&[
                uint(1u8),
                bytes(kem_public(prekeys.pq.seed().expose())),
            ])),
        ),
        (7, Some(uint(NOW))),
        (8, Some(uint(NOW + 14 * 86_400))),
    ]);
    let objects = &alice.objects;
    let chain = Chain::open(&objects.genesis, &objects.statement, &objects.list).unwrap();
    let listed = &chain.list.devices[0];
    assert!(bundle::open(&prekeys.bundle, &chain.account, listed, NOW, 0).is_ok());
    let made = vec![
        check("genesis", root, &genesis, &objects.genesis),
        check("root-statement", root, &statement, &objects.statement),
        check(
            "root-statement",
            spare_seed,
            &spare_statement,
            &later.objects.statement,
        ),
        check("device-list", ask, &list, &objects.list),
        check("bundle", dsk, &bundle_body, &prekeys.bundle),
    ];
    settle(
        "signed.json",
        "Signed objects of one account, byte for byte. signed = CBOR of [body, signature]; the \
         signature is over the label wx1/sig/TYPE, a zero byte, and the body.",
        object([
            ("account", keys(&alice)),
            ("account_id", hex(account)),
            ("objects", made.into()),
        ]),
    );
}
