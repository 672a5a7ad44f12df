use crate::cbor::{array, bytes, map, text, uint};
use crate::dice::Dice;
use crate::formulas::{expand, label, pad, seal_x};
use crate::json::{hex, object};
use crate::people::{NOW, keys, person};
use crate::settle;
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::discovery::invite::{
    Floor, Invite, InvitePlain, id, open_objects, seal_objects,
};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::to_base64url;
use waxwing_protocol::identity::bundle::NumberedKey;
use waxwing_protocol::private::Secret;
use waxwing_protocol::wire::codec::encode;

const ADDR: &str =
    "/ip4/192.0.2.7/udp/4711/quic-v1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";

#[test]
fn invites() {
    let bob = person("bob");
    let mut dice = Dice::new("invites");
    let mut vectors = Vec::new();
    for uses in [1u8, 5] {
        let seed: [u8; 32] = dice.bytes();
        let opk = (uses == 1).then(|| AgreeKey::from_bytes(Secret::new(dice.bytes())));
        let link = Invite {
            version: 1,
            account: bob.account(),
            ak: bob.own.ak_public,
            floor: Floor {
                epoch: 1,
                version: 1,
                suite: 1,
            },
            bridges: vec![],
            addrs: vec![ADDR.into()],
            uses,
            expires: NOW + 7 * 86_400,
            seed: Secret::new(seed),
        };
        let content = array(&[
            uint(1u8),
            bytes(bob.account()),
            bytes(bob.own.ak_public),
            array(&[uint(1u8), uint(1u8), uint(1u8)]),
            array(&[]),
            array(&[text(ADDR)]),
            uint(uses),
            uint(NOW + 7 * 86_400),
            bytes(seed),
        ]);
        let expected = format!("waxwing:{}", to_base64url(&content));
        assert_eq!(link.to_link(), expected);
        assert!(Invite::from_link(&expected).is_ok());

        let number = opk.as_ref().map(|key| NumberedKey {
            id: 7,
            key: key.public(),
        });
        let objects = &bob.objects;
        let plain = InvitePlain {
            genesis: objects.genesis.clone(),
            statement: objects.statement.clone(),
            list: objects.list.clone(),
            bundle: bob.prekeys.bundle.clone(),
            opk: number.clone(),
        };
        let signed = |signed: &waxwing_protocol::identity::account::Signed| {
            Some(array(&[bytes(&signed.body.0), bytes(signed.sig)]))
        };
        let plain_cbor = map(&[
            (1, signed(&objects.genesis)),
            (2, signed(&objects.statement)),
            (3, signed(&objects.list)),
            (4, signed(&bob.prekeys.bundle)),
            (
                5,
                number.as_ref().map(|n| array(&[uint(n.id), bytes(n.key)])),
            ),
        ]);
        assert_eq!(plain_cbor, encode(&plain));
        dice.drawn.clear();
        let sealed = seal_objects(&link.seed, &plain, &mut dice).unwrap();
        let nonce = dice.drawn[0].clone();
        let inv_id = expand(&seed, &label("wx1/inv/id"), 16);
        assert_eq!(inv_id, id(&link.seed).0);
        let k_card = expand(&seed, &label("wx1/inv/card"), 32);
        let ct = seal_x(&k_card, &nonce, &pad(&plain_cbor, 4_032), &inv_id);
        let object_cbor = array(&[uint(1u8), bytes(&inv_id), bytes(&nonce), bytes(&ct)]);
        assert_eq!(object_cbor, encode(&sealed));
        assert_eq!(object_cbor.len(), 4_096);
        assert_eq!(open_objects(&link.seed, &sealed), Some(plain));
        let frame = array(&[uint(4u8), object_cbor.clone()]);
        assert_eq!(frame, Frame::InviteObjects(sealed).to_bytes());
        vectors.push(object([
            ("uses", u64::from(uses).into()),
            ("seed", hex(seed)),
            ("content", hex(&content)),
            ("link", expected.into()),
            ("inv_id", hex(&inv_id)),
            ("psk", hex(expand(&seed, &label("wx1/inv/psk"), 32))),
            ("k_card", hex(k_card)),
            (
                "opk_private",
                crate::json::maybe(opk.map(|key| *key.secret().expose())),
            ),
            ("plain", hex(plain_cbor)),
            ("nonce", hex(nonce)),
            ("ct", hex(ct)),
            ("frame_4", hex(frame)),
            (
                "frame_3",
                hex(array(&[uint(3u8), array(&[uint(1u8), bytes(&inv_id)])])),
            ),
        ]));
    }
    settle(
        "invites.json",
        "Invite links and their sealed objects. plain is padded to 4,032 bytes before sealing \
         with XChaCha20-Poly1305 under k_card, aad inv_id.",
        object([("inviter", keys(&bob)), ("invites", vectors.into())]),
    );
}
