//! Mailboxes: tags, envelopes, boxes, what bridges sign, and the frames of their talk.

use crate::cbor::{array, bytes, map, text, uint};
use crate::dice::Dice;
use crate::formulas::{
    decaps, ed_public, expand, h, hkdf, hmac, kem_public, label, pad, seal, seal_x, sign, sign_raw,
    x, x_public,
};
use crate::json::{J, hex, object};
use crate::people::NOW;
use crate::settle;
use data_encoding::BASE64URL_NOPAD;
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::crypto::derive;
use waxwing_protocol::crypto::kem::KemKey;
use waxwing_protocol::crypto::sign::SignKey;
use waxwing_protocol::frame::Frame;
use waxwing_protocol::id::{B32, Fixed};
use waxwing_protocol::identity::account::Signed;
use waxwing_protocol::mailbox::block::{Block, Lane, day};
use waxwing_protocol::mailbox::descriptor::{
    self, Custody, Descriptor, FORWARD, ForwardKeys, MAILBOX, Queued,
};
use waxwing_protocol::mailbox::forward::{Answer, Request, open_reply, seal_to};
use waxwing_protocol::mailbox::talk::{Ask, Over, Tell, Why, auth, proves};
use waxwing_protocol::private::Secret;
use waxwing_protocol::wire::codec::{Blob, encode};

/// Unix day of the vectors.
const DAY: u32 = (NOW / 86_400) as u32;
/// Plaintext sizes of boxes.
const BOXES: [usize; 4] = [1_536, 4_608, 16_896, 66_048];

fn flag(truth: bool) -> Vec<u8> {
    vec![if truth { 0xf5 } else { 0xf4 }]
}

fn signed(body: &[u8], sig: &[u8]) -> Vec<u8> {
    array(&[bytes(body), bytes(sig)])
}

fn tag(k_mbx: &[u8], bridge: &[u8], day: u32, c: u8) -> Vec<u8> {
    let message = [
        &label("wx1/tag")[..],
        bridge,
        &day.to_be_bytes(),
        &[c, 0, 0],
    ];
    hmac(k_mbx, &message.concat())[..16].to_vec()
}

fn k_env(k_mbx: &[u8], bridge: &[u8], day: u32, c: u8) -> Vec<u8> {
    let info = [&label("wx1/env")[..], bridge, &day.to_be_bytes(), &[c]];
    expand(k_mbx, &info.concat(), 32)
}

fn lanes(k_mbx: &[u8; 32], bridge: &B32) -> J {
    let key = Secret::new(*k_mbx);
    let mut out = Vec::new();
    for direction in [0u8, 1] {
        let lane = Lane {
            key: &key,
            bridge,
            from_initiator: direction == 0,
        };
        for day in [DAY - 2, DAY, DAY + 35] {
            let made = tag(k_mbx, &bridge.0, day, direction);
            assert_eq!(made, lane.tag(day).0);
            out.push(object([
                ("day", day.into()),
                ("direction", u64::from(direction).into()),
                ("tag", hex(made)),
                ("k_env", hex(k_env(k_mbx, &bridge.0, day, direction))),
            ]));
        }
    }
    out.into()
}

/// An envelope with every value on the way.
fn envelope(dice: &mut Dice, k_mbx: &[u8; 32], bridge: &B32, c: u8, frame: usize) -> (J, Vec<u8>) {
    let key = Secret::new(*k_mbx);
    let lane = Lane {
        key: &key,
        bridge,
        from_initiator: c == 0,
    };
    let frame: Vec<u8> = (0..frame).map(|i| (i % 251) as u8).collect();
    dice.drawn.clear();
    let made = lane.seal(DAY, &frame, dice).unwrap();
    let nonce = dice.drawn[0].clone();
    let size = [1_024, 4_096, 16_384, 65_536]
        .into_iter()
        .find(|size| frame.len() + 4 <= size - 64)
        .unwrap();
    let tag = tag(k_mbx, &bridge.0, DAY, c);
    let k_env = k_env(k_mbx, &bridge.0, DAY, c);
    let ct = seal_x(&k_env, &nonce, &pad(&frame, size - 64), &tag);
    let block = array(&[uint(1u8), bytes(&tag), bytes(&nonce), bytes(&ct)]);
    assert_eq!(block, made);
    assert_eq!(block.len(), size);
    let Ok(Block::Envelope(read_tag, read_nonce, read_ct)) = Block::read(&block) else {
        panic!("not an envelope");
    };
    let opened = lane.open(DAY, &read_tag, &read_nonce, &read_ct).unwrap();
    assert_eq!(opened.as_slice(), frame);
    let about = object([
        ("day", DAY.into()),
        ("direction", u64::from(c).into()),
        ("content", hex(&frame)),
        ("nonce", hex(nonce)),
        ("padded_to", (size as u64 - 64).into()),
        ("envelope", hex(&block)),
    ]);
    (about, block)
}

/// What a bridge signs: by the formulas, and by the crate.
fn object_of(name: &str, seed: &[u8; 32], body: &[u8], made: &Signed) -> J {
    let sig = sign(seed, name, body);
    assert_eq!(body, &made.body[..], "{name}");
    assert_eq!(sig, made.sig.0, "{name}");
    object([
        ("type", name.into()),
        ("body", hex(body)),
        ("signature", hex(sig)),
        ("signed", hex(signed(body, &sig))),
    ])
}

struct Bridge {
    seed: [u8; 32],
    id: B32,
    sign: SignKey,
    x: AgreeKey,
    kem: KemKey,
    keys: ForwardKeys,
}

fn bridge(dice: &mut Dice) -> Bridge {
    let seed: [u8; 32] = dice.bytes();
    let sign = SignKey::from_seed(Secret::new(seed));
    let x = AgreeKey::from_bytes(Secret::new(dice.bytes()));
    let kem = KemKey::random(dice);
    let id = Fixed(ed_public(&seed));
    assert_eq!(id, sign.public());
    let keys = ForwardKeys {
        bridge: id,
        day: DAY,
        x: x.public(),
        kem: kem.public(),
    };
    Bridge {
        seed,
        id,
        sign,
        x,
        kem,
        keys,
    }
}

/// A box and its answer, with every value on the way; gives the frame's content too.
fn boxed(dice: &mut Dice, bridge: &Bridge, block: &[u8], answer: &Answer) -> (J, Vec<u8>, Vec<u8>) {
    let (ttl, until) = (2_500_000u32, NOW + 23 * 3_600);
    let request = Request::Deposit(Blob(block.to_vec()), ttl.into());
    dice.drawn.clear();
    let made = seal_to(&bridge.keys, &request, until, dice).unwrap();

    // From here on only the formulas.
    let ek: [u8; 32] = dice.drawn[0].clone().try_into().unwrap();
    let m = dice.drawn[1].clone();
    let ct = made.forward.ct.0;
    let (x_seed, kem_seed) = (bridge.x.secret().expose(), bridge.kem.seed().expose());
    let (x_pub, kem_pub) = (x_public(x_seed), kem_public(kem_seed));
    let ss = decaps(kem_seed, &ct);
    let dh = x(&ek, &x_pub);
    assert_eq!(dh, x(x_seed, &x_public(&ek)));
    let transcript = h(&[&x_public(&ek), &ct, &x_pub, &kem_pub]);
    let ikm = [&[0xff; 32][..], &dh, &ss].concat();
    let info = [&label("wx1/fwd")[..], &transcript].concat();
    let keys = hkdf(&[0; 32], &ikm, &info, 64);
    let (k_req, k_rep) = keys.split_at(32);
    let request_cbor = array(&[uint(1u8), bytes(block), uint(ttl)]);
    assert_eq!(request_cbor, encode(&request));
    let size = BOXES
        .into_iter()
        .find(|size| request_cbor.len() + 4 <= *size)
        .unwrap();
    let fields = |sealed: Option<Vec<u8>>| {
        map(&[
            (1, Some(bytes(bridge.id.0))),
            (2, Some(bytes(x_public(&ek)))),
            (3, Some(bytes(ct))),
            (4, sealed),
            (5, Some(uint(until))),
        ])
    };
    let around = fields(None);
    let sealed = seal(k_req, &[0; 12], &pad(&request_cbor, size), &around);
    let forward = fields(Some(bytes(&sealed)));
    assert_eq!(forward, encode(&made.forward));
    let hash = h(&[&forward]);
    assert_eq!(hash[..16], made.forward.fid().0);

    // The bridge, by the crate; and its answer.
    let (opened, reply_key) = made.forward.open(&bridge.x, &bridge.kem).unwrap();
    assert_eq!(opened, request);
    assert_eq!(reply_key.expose(), k_rep);
    dice.drawn.clear();
    let reply = made.forward.reply(&reply_key, answer, dice);
    let nonce = dice.drawn[0].clone();
    let answer_cbor = match answer {
        Answer::Held(promise) => array(&[uint(0u8), signed(&promise.body.0, &promise.sig.0)]),
        Answer::NotHere => array(&[uint(1u8)]),
        Answer::Full => array(&[uint(2u8)]),
    };
    let again = seal_x(k_rep, &nonce, &pad(&answer_cbor, 512), &hash);
    assert_eq!(reply, [&nonce[..], &again].concat());
    assert_eq!(reply.len(), 552);
    let read = open_reply(&made.reply_key, &made.forward.hash(), &reply);
    assert_eq!(read.as_ref(), Some(answer));
    let about = object([
        ("block", hex(block)),
        ("ttl", ttl.into()),
        ("until", until.into()),
        ("ek_private", hex(ek)),
        ("ek", hex(x_public(&ek))),
        ("encaps_m", hex(m)),
        ("ct", hex(ct)),
        ("ss", hex(ss)),
        ("dh", hex(dh)),
        ("transcript", hex(transcript)),
        ("k_req", hex(k_req)),
        ("k_rep", hex(k_rep)),
        ("request", hex(request_cbor)),
        ("padded_to", (size as u64).into()),
        ("around", hex(around)),
        ("box", hex(sealed)),
        ("forward", hex(&forward)),
        ("fid", hex(&hash[..16])),
        ("seal_id", hex(&h(&[&x_public(&ek), &ct])[..16])),
        ("answer", hex(answer_cbor)),
        ("reply_nonce", hex(nonce)),
        ("reply", hex(&reply)),
    ]);
    (about, forward, reply)
}

/// A frame as the crate writes it, against one joined by hand.
fn frame(name: &str, number: u8, content: &[Vec<u8>], frame: &Frame) -> J {
    let by_hand = array(&[uint(number), array(content)]);
    assert_eq!(by_hand, frame.to_bytes(), "{name}");
    assert_eq!(Frame::open(&by_hand).as_ref(), Ok(frame), "{name}");
    object([("name", name.into()), ("frame", hex(by_hand))])
}

#[test]
#[allow(clippy::too_many_lines)]
fn mailbox() {
    let mut dice = Dice::new("mailbox");
    assert_eq!(day(NOW * 1_000), DAY);
    let k_mbx: [u8; 32] = dice.bytes();
    let b2 = bridge(&mut dice);
    let lanes = lanes(&k_mbx, &b2.id);
    let mut envelopes = Vec::new();
    let mut block = Vec::new();
    for (direction, size) in [(0, 0), (0, 956), (1, 957), (1, 330)] {
        let (about, made) = envelope(&mut dice, &k_mbx, &b2.id, direction, size);
        envelopes.push(about);
        block = made;
    }
    let larger = envelope(&mut dice, &k_mbx, &b2.id, 0, 2_000).1;

    // What a bridge signs.
    let network: [u8; 32] = ed_public(&dice.bytes());
    let peer = [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], &network].concat();
    let addr = format!(
        "/ip4/192.0.2.7/udp/4711/quic-v1/p2p/{}",
        bs58::encode(peer).into_string()
    );
    let name = "Example Cooperative";
    let said = Descriptor {
        bridge: b2.id,
        operator: Descriptor::operator(name),
        country: "MY".into(),
        peer: Fixed(network),
        addrs: vec![addr.clone()],
        roles: vec![MAILBOX.into(), FORWARD.into()],
        seq: NOW,
        expires: NOW + 30 * 86_400,
        name: name.into(),
    };
    let said_body = map(&[
        (1, Some(bytes(b2.id.0))),
        (
            2,
            Some(bytes(h(&[&label("wx1/operator"), name.as_bytes()]))),
        ),
        (3, Some(text("MY"))),
        (4, Some(bytes(network))),
        (5, Some(array(&[text(&addr)]))),
        (6, Some(array(&[text("mailbox"), text("forward")]))),
        (7, Some(uint(NOW))),
        (8, Some(uint(NOW + 30 * 86_400))),
        (9, Some(text(name))),
    ]);
    let said_signed = descriptor::sign(&b2.sign, &said);
    let said_text = descriptor::to_text(&said_signed);
    let said_cbor = signed(&said_body, &sign(&b2.seed, "descriptor", &said_body));
    assert_eq!(
        said_text,
        format!("waxwing-bridge:{}", BASE64URL_NOPAD.encode(&said_cbor))
    );
    assert!(descriptor::from_text(&said_text).is_ok());
    let (x_pub, kem_pub) = (
        x_public(b2.x.secret().expose()),
        kem_public(b2.kem.seed().expose()),
    );
    let keys_body = map(&[
        (1, Some(bytes(b2.id.0))),
        (2, Some(uint(DAY))),
        (3, Some(bytes(x_pub))),
        (4, Some(bytes(kem_pub))),
    ]);
    let keys_signed = Signed::make(derive::SIG_FORWARD_KEYS, &b2.sign, &b2.keys);
    assert!(ForwardKeys::open(&keys_signed, &b2.id).is_ok());
    let custody = Custody {
        bridge: b2.id,
        block: Fixed(h(&[&block])),
        received: NOW - NOW % 3_600,
        until: NOW + 2_500_000,
    };
    let custody_body = map(&[
        (1, Some(bytes(b2.id.0))),
        (2, Some(bytes(h(&[&block])))),
        (3, Some(uint(NOW - NOW % 3_600))),
        (4, Some(uint(NOW + 2_500_000))),
    ]);
    let custody_signed = Signed::make(derive::SIG_CUSTODY, &b2.sign, &custody);

    let held = Answer::Held(custody_signed.clone());
    let (box_1, forward, reply) = boxed(&mut dice, &b2, &block, &held);
    let (box_2, ..) = boxed(&mut dice, &b2, &larger, &Answer::NotHere);
    let (box_3, ..) = boxed(&mut dice, &b2, &block, &Answer::Full);
    let hash = h(&[&forward]);
    let fid = &hash[..16];
    let queued = Queued {
        fid: Fixed(fid.try_into().unwrap()),
        until: NOW + 23 * 3_600,
    };
    let queued_body = map(&[(1, Some(bytes(fid))), (2, Some(uint(NOW + 23 * 3_600)))]);
    let queued_signed = Signed::make(derive::SIG_QUEUED, &b2.sign, &queued);

    // The proof of a mailbox.
    let mailbox_seed: [u8; 32] = dice.bytes();
    let nonce: [u8; 32] = dice.bytes();
    let mailbox_key = SignKey::from_seed(Secret::new(mailbox_seed));
    let asked = auth(&mailbox_key, &b2.id, &Fixed(nonce), NOW);
    let body = [&b2.id.0[..], &nonce, &NOW.to_be_bytes()].concat();
    let sig = sign_raw(&mailbox_seed, &[&label("wx1/mbx/auth")[..], &body].concat());
    let Ask::Auth(_, made) = &asked else {
        panic!("not an answer")
    };
    assert_eq!(made.0, sig);
    assert!(proves(
        &mailbox_key.public(),
        &b2.id,
        &Fixed(nonce),
        NOW,
        made
    ));
    let proof = object([
        ("mailbox_seed", hex(mailbox_seed)),
        ("mailbox", hex(ed_public(&mailbox_seed))),
        ("nonce", hex(nonce)),
        ("time", NOW.into()),
        ("signature", hex(sig)),
    ]);

    // Every frame of the talk.
    let (mailbox, zero) = (Fixed(ed_public(&mailbox_seed)), Fixed([0; 16]));
    let tags: Vec<[u8; 16]> = (0..512u32)
        .map(|i| h(&[b"tag", &i.to_be_bytes()])[..16].try_into().unwrap())
        .collect();
    let until = u64::from(DAY + 38) * 86_400;
    let box_of = || {
        let Ok(Frame::Ask(Ask::Forward(read))) =
            Frame::open(&array(&[uint(7u8), array(&[uint(8u8), forward.clone()])]))
        else {
            panic!("not a box")
        };
        read
    };
    let fid_of = || Fixed(fid.try_into().unwrap());
    let keys_cbor = signed(&keys_body, &keys_signed.sig.0);
    let queued_cbor = signed(&queued_body, &queued_signed.sig.0);
    let reply_block = array(&[uint(3u8), bytes(fid), bytes(&reply)]);
    let gave_up = array(&[uint(4u8), bytes(fid)]);
    assert_eq!(
        reply_block,
        Block::Reply(fid_of(), Blob(reply.clone())).to_bytes()
    );
    assert_eq!(gave_up, Block::GaveUp(fid_of()).to_bytes());
    let register = tags.iter().map(|tag| Fixed(*tag)).collect();
    let register_by_hand: Vec<Vec<u8>> = tags.iter().map(bytes).collect();
    let blocks = vec![
        (7u64, Blob(block.clone())),
        (9, Blob(reply_block.clone())),
        (10, Blob(gave_up.clone())),
    ];
    let blocks_by_hand = array(&[
        array(&[uint(7u8), bytes(&block)]),
        array(&[uint(9u8), bytes(&reply_block)]),
        array(&[uint(10u8), bytes(&gave_up)]),
    ]);
    let ask = |name: &str, content: &[Vec<u8>], ask: Ask| frame(name, 7, content, &Frame::Ask(ask));
    let tell =
        |name: &str, content: &[Vec<u8>], tell: Tell| frame(name, 8, content, &Frame::Tell(tell));
    let over =
        |name: &str, content: &[Vec<u8>], over: Over| frame(name, 9, content, &Frame::Over(over));
    let frames = vec![
        ask("hello", &[uint(1u8), bytes(mailbox)], Ask::Hello(mailbox)),
        ask("auth", &[uint(2u8), uint(NOW), bytes(sig)], asked.clone()),
        ask(
            "register",
            &[uint(3u8), array(&register_by_hand), uint(until)],
            Ask::Register(register, until),
        ),
        ask(
            "fetch",
            &[uint(5u8), uint(6u8), uint(64u8)],
            Ask::Fetch(6, 64),
        ),
        ask(
            "ack",
            &[uint(6u8), uint(7u8), array(&[uint(9u8), uint(10u8)])],
            Ask::Ack(7, vec![9, 10]),
        ),
        ask(
            "cookie",
            &[uint(7u8), bytes([1, 2, 3])],
            Ask::SetCookie(Blob(vec![1, 2, 3])),
        ),
        ask(
            "forward",
            &[uint(8u8), forward.clone()],
            Ask::Forward(box_of()),
        ),
        ask("keys of", &[uint(12u8), bytes(b2.id)], Ask::KeysOf(b2.id)),
        ask(
            "know",
            &[uint(13u8), said_cbor],
            Ask::Know(said_signed.clone()),
        ),
        tell(
            "challenge",
            &[uint(1u8), bytes(nonce), uint(NOW), bytes([])],
            Tell::Challenge(Fixed(nonce), NOW, Blob(Vec::new())),
        ),
        tell(
            "result",
            &[uint(2u8), uint(3u8), uint(8u8)],
            Tell::Result(3, Why::Closed),
        ),
        tell(
            "blocks",
            &[uint(3u8), blocks_by_hand, flag(true)],
            Tell::Blocks(blocks, true),
        ),
        tell(
            "no blocks",
            &[uint(3u8), array(&[]), flag(false)],
            Tell::Blocks(Vec::new(), false),
        ),
        tell(
            "queued",
            &[uint(4u8), queued_cbor],
            Tell::Queued(queued_signed.clone()),
        ),
        tell("new", &[uint(5u8), uint(10u8)], Tell::New(10)),
        tell(
            "keys",
            &[uint(6u8), keys_cbor.clone()],
            Tell::Keys(keys_signed.clone()),
        ),
        tell(
            "not queued",
            &[uint(8u8), bytes(zero), uint(5u8)],
            Tell::NotQueued(zero, Why::UnknownBridge),
        ),
        over(
            "forward",
            &[uint(1u8), forward.clone()],
            Over::Forward(box_of()),
        ),
        over(
            "reply",
            &[uint(2u8), bytes(fid), bytes(&reply)],
            Over::Reply(fid_of(), Blob(reply.clone())),
        ),
        over(
            "unopened",
            &[uint(3u8), bytes(fid)],
            Over::Unopened(fid_of()),
        ),
        over("keys please", &[uint(4u8)], Over::KeysPlease),
        over(
            "keys",
            &[uint(5u8), keys_cbor],
            Over::Keys(keys_signed.clone()),
        ),
    ];
    settle(
        "mailbox.json",
        "Mailboxes: tags and envelope keys, envelopes in both directions, what a bridge signs, \
         boxes and their replies, the proof of a mailbox, and every frame of 7, 8 and 9.",
        object([
            ("k_mbx", hex(k_mbx)),
            ("bridge_seed", hex(b2.seed)),
            ("bridge_id", hex(b2.id)),
            ("x_private", hex(b2.x.secret().expose())),
            ("kem_seed", hex(b2.kem.seed().expose())),
            ("lanes", lanes),
            ("envelopes", envelopes.into()),
            (
                "objects",
                vec![
                    object_of("descriptor", &b2.seed, &said_body, &said_signed),
                    object_of("forward-keys", &b2.seed, &keys_body, &keys_signed),
                    object_of("custody", &b2.seed, &custody_body, &custody_signed),
                    object_of("queued", &b2.seed, &queued_body, &queued_signed),
                ]
                .into(),
            ),
            ("descriptor_text", said_text.into()),
            ("boxes", vec![box_1, box_2, box_3].into()),
            ("proof", proof),
            ("frames", frames.into()),
        ]),
    );
}
