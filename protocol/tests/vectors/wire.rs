use crate::cbor::{array, bytes, map, text, uint};
use crate::json::{J, hex, object};
use crate::settle;
use data_encoding::HEXLOWER;
use waxwing_protocol::feed::body::{Body, Reaction, Receipt, TypedBody, kind};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::session::ratchet::Header;
use waxwing_protocol::wire::codec::{Blob, decode, decode_closed, strip};
use waxwing_protocol::wire::pad::{pad, unpad};

/// Whether bytes are accepted as `any` canonical item, or as one of four types.
fn accepted(name: &str, input: &[u8]) -> bool {
    match name {
        "any" => strip(input).is_ok(),
        "reaction" => decode::<Reaction>(input).is_ok(),
        "receipt" => decode::<Receipt>(input).is_ok(),
        "timer" => Body::open(&TypedBody {
            kind: kind::TIMER,
            bytes: Blob(input.to_vec()),
        })
        .is_ok(),
        "dr-hdr" => decode_closed::<Header>(input).is_ok(),
        other => panic!("{other}"),
    }
}

fn case(kind: &str, input: Vec<u8>, accept: bool, why: &str) -> J {
    assert_eq!(
        accepted(kind, &input),
        accept,
        "{kind} {why} {}",
        HEXLOWER.encode(&input)
    );
    object([
        ("type", kind.into()),
        ("hex", hex(input)),
        ("accepted", accept.into()),
        ("why", why.into()),
    ])
}

fn raw(kind: &str, input: &str, accept: bool, why: &str) -> J {
    let input = HEXLOWER.decode(input.replace(' ', "").as_bytes()).unwrap();
    case(kind, input, accept, why)
}

/// Arrays nested so deep around a number.
fn nested(depth: usize) -> Vec<u8> {
    let mut out = vec![0x81; depth];
    out.push(0);
    out
}

fn header(extra: &[(u64, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut fields = vec![
        (1, Some(bytes([1; 8]))),
        (2, Some(bytes([2; 32]))),
        (3, Some(uint(0u8))),
        (4, Some(uint(0u8))),
        (7, Some(bytes([7; 16]))),
    ];
    fields.extend_from_slice(extra);
    fields.sort_by_key(|(key, _)| *key);
    map(&fields)
}

#[test]
fn cbor() {
    let mid = || Some(bytes([1; 16]));
    let reaction = |extra: &[(u64, Option<Vec<u8>>)]| {
        let mut fields = vec![(1, mid()), (2, Some(text("\u{1f44d}")))];
        fields.extend_from_slice(extra);
        map(&fields)
    };
    let cases = vec![
        raw("any", "00", true, "zero"),
        raw("any", "17", true, "23 in one byte"),
        raw("any", "1818", true, "24 in two bytes"),
        raw("any", "1b ffffffffffffffff", true, "the greatest integer"),
        raw("any", "20", true, "-1"),
        raw("any", "3b ffffffffffffffff", true, "-2^64"),
        raw("any", "40", true, "no bytes"),
        raw("any", "62 c3a4", true, "text, UTF-8"),
        raw("any", "80", true, "an empty array"),
        raw("any", "a0", true, "an empty map"),
        raw("any", "83 f4 f5 f6", true, "false, true, null"),
        raw("any", "a2 01 00 02 00", true, "ascending keys"),
        case("any", nested(8), true, "eight arrays deep"),
        case("any", nested(9), false, "nine arrays deep"),
        raw("any", "", false, "nothing"),
        raw("any", "1817", false, "23 in two bytes"),
        raw("any", "190017", false, "23 in three bytes"),
        raw("any", "1900ff", false, "255 in three bytes"),
        raw("any", "1a0000ffff", false, "65,535 in five bytes"),
        raw("any", "1b00000000ffffffff", false, "2^32-1 in nine bytes"),
        raw("any", "3800", false, "-1 in two bytes"),
        raw("any", "5801ff", false, "length 1 in two bytes"),
        raw("any", "780161", false, "text length 1 in two bytes"),
        raw("any", "980100", false, "one item, counted in two bytes"),
        raw("any", "b8010100", false, "one pair, counted in two bytes"),
        raw("any", "5f41ffff", false, "indefinite bytes"),
        raw("any", "7f6161ff", false, "indefinite text"),
        raw("any", "9f00ff", false, "indefinite array"),
        raw("any", "bf0100ff", false, "indefinite map"),
        raw("any", "f93c00", false, "a half float"),
        raw("any", "fa3f800000", false, "a float"),
        raw("any", "fb3ff0000000000000", false, "a double"),
        raw("any", "c100", false, "a tag"),
        raw("any", "f7", false, "undefined"),
        raw("any", "e0", false, "another simple value"),
        raw("any", "f8ff", false, "another simple value, two bytes"),
        raw("any", "61ff", false, "text that is not UTF-8"),
        raw("any", "0000", false, "a second item"),
        raw("any", "42 01", false, "cut short"),
        raw("any", "82 00", false, "an item short"),
        raw("any", "a2 02 00 01 00", false, "keys out of order"),
        raw("any", "a2 01 00 01 00", false, "a key twice"),
        raw("any", "a1 20 00", false, "a negative key"),
        raw("any", "a1 6161 00", false, "a text key"),
        raw("any", "a1 1801 00", false, "a key with a long head"),
        raw(
            "any",
            "9b ffffffffffffffff",
            false,
            "2^64-1 items in nine bytes",
        ),
        case("reaction", reaction(&[]), true, "a reaction"),
        case(
            "reaction",
            reaction(&[(64, Some(uint(1u8)))]),
            true,
            "an extension key is ignored",
        ),
        case(
            "reaction",
            reaction(&[(64, Some(vec![0x18, 0x01]))]),
            false,
            "what an extension key holds must be canonical too",
        ),
        case(
            "reaction",
            reaction(&[(63, Some(uint(1u8)))]),
            false,
            "an unknown key below 64",
        ),
        case(
            "reaction",
            map(&[(1, mid())]),
            false,
            "a required key is missing",
        ),
        case(
            "reaction",
            map(&[(1, mid()), (2, Some(bytes("x")))]),
            false,
            "bytes where text belongs",
        ),
        case(
            "reaction",
            map(&[(1, Some(bytes([1; 15]))), (2, Some(text("")))]),
            false,
            "an id of 15 bytes",
        ),
        case(
            "receipt",
            map(&[(1, Some(array(&[bytes([1; 16])]))), (2, Some(uint(1u8)))]),
            true,
            "a receipt",
        ),
        case(
            "receipt",
            map(&[(1, Some(array(&[bytes([1; 16])]))), (2, Some(uint(256u16)))]),
            false,
            "a number beyond its width",
        ),
        case(
            "timer",
            map(&[(1, Some(uint(86_400u32)))]),
            true,
            "a timer of a day",
        ),
        case("timer", map(&[(1, Some(uint(0u8)))]), true, "no timer"),
        case(
            "timer",
            map(&[(1, Some(uint(4u8)))]),
            false,
            "a timer that is too short",
        ),
        case(
            "timer",
            map(&[(1, Some(uint(31_536_001u32)))]),
            false,
            "a timer that is too long",
        ),
        case("dr-hdr", header(&[]), true, "a letter header"),
        case(
            "dr-hdr",
            header(&[(64, Some(uint(1u8)))]),
            false,
            "headers are closed",
        ),
        case(
            "dr-hdr",
            header(&[(5, Some(vec![0xf6]))]),
            false,
            "null for an absent field",
        ),
        case(
            "dr-hdr",
            header(&[(5, Some(bytes([0; 1_087])))]),
            false,
            "a short ciphertext",
        ),
    ];
    settle(
        "cbor.json",
        "Bytes that strict readers accept or refuse. Type any: is it one canonical item? Other \
         types: is it that type of waxwing.cddl?",
        cases.into(),
    );
}

#[test]
fn padding() {
    let good = [(&b""[..], 4usize), (b"abc", 7), (b"abc", 16), (&[0; 5], 12)];
    let mut cases: Vec<J> = good
        .iter()
        .map(|(content, size)| {
            let padded = crate::formulas::pad(content, *size);
            assert_eq!(pad(content, *size).as_deref(), Some(&padded[..]));
            assert_eq!(unpad(&padded), Some(*content));
            object([
                ("content", hex(content)),
                ("size", (*size as u64).into()),
                ("padded", hex(padded)),
            ])
        })
        .collect();
    for (bad, why) in [
        ("000000", "no length"),
        ("00000001", "content cut short"),
        ("0000000161ff", "a padding byte that is not zero"),
        ("ffffffff00", "a length that does not fit"),
    ] {
        let bytes = HEXLOWER.decode(bad.as_bytes()).unwrap();
        assert_eq!(unpad(&bytes), None);
        cases.push(object([
            ("content", J::Null),
            ("padded", bad.into()),
            ("why", why.into()),
        ]));
    }
    settle(
        "padding.json",
        "u32 length, content, zeros. Content null: the padded bytes are refused.",
        cases.into(),
    );
}

#[test]
fn frames() {
    let letter = || array(&[bytes(header(&[])), bytes([9; 24])]);
    let get = array(&[uint(3u8), array(&[uint(1u8), bytes([5; 16])])]);
    let objects = array(&[
        uint(4u8),
        array(&[uint(1u8), bytes([5; 16]), bytes([6; 24]), bytes([7; 4_048])]),
    ]);
    let good = [
        ("letter", array(&[uint(1u8), letter()])),
        (
            "init",
            array(&[
                uint(2u8),
                array(&[bytes([1, 2, 3]), bytes([4, 5]), letter()]),
            ]),
        ),
        ("invite-get", get.clone()),
        ("invite-objects", objects),
    ];
    let mut cases: Vec<J> = Vec::new();
    for (name, frame) in &good {
        let read = Frame::open(frame).unwrap();
        assert_eq!(&read.to_bytes(), frame);
        let on_stream = [&(frame.len() as u32).to_be_bytes()[..], frame].concat();
        cases.push(object([
            ("name", (*name).into()),
            ("frame", hex(frame)),
            ("accepted", true.into()),
            ("on_stream", hex(on_stream)),
        ]));
    }
    let long = array(&[uint(1u8), array(&[bytes([0; 1]), bytes(vec![0; 73_728])])]);
    assert!(Frame::open(&long).is_err());
    let bad: [(&str, Vec<u8>); 7] = [
        ("nothing", vec![]),
        ("type 0", array(&[uint(0u8), letter()])),
        ("type 5 is reserved", array(&[uint(5u8), letter()])),
        ("no content", array(&[uint(1u8)])),
        ("two contents", array(&[uint(1u8), letter(), letter()])),
        (
            "a letter of three items",
            array(&[uint(1u8), array(&[bytes([1]), bytes([2]), bytes([3])])]),
        ),
        ("bytes after it", [&get[..], &[0]].concat()),
    ];
    for (why, frame) in bad {
        assert!(Frame::open(&frame).is_err(), "{why}");
        cases.push(object([
            ("name", why.into()),
            ("frame", hex(frame)),
            ("accepted", false.into()),
        ]));
    }
    settle(
        "frames.json",
        "Frames as such: what is inside a letter or an init is not looked at here. on_stream is \
         the frame behind its length.",
        cases.into(),
    );
}
