//! The vectors that the RFCs print beside their algorithms.

use crate::eddsa::bare;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::crypto::derive::{expand, extract, hkdf};
use waxwing_protocol::crypto::seal::{Unopened, open, seal};
use waxwing_protocol::crypto::sign::{Sig, SignKey};
use waxwing_protocol::id::B32;
use waxwing_protocol::private::Secret;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn secret(text: &str) -> Secret<32> {
    Secret::new(hex(text).try_into().unwrap())
}

/// Section 7.1: seed, public key, message, signature. TEST 1024, with its long message, is left to
/// Wycheproof's long ones.
const RFC_8032: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ],
];

#[test]
fn rfc_8032_section_7_1() {
    for [seed, public, message, sig] in RFC_8032 {
        let key = SignKey::from_seed(secret(seed));
        assert_eq!(HEXLOWER.encode(&key.public().0), public);
        // The product signs under a label only: the same call without it.
        let message = hex(message);
        let signed = SigningKey::from_bytes(key.seed().expose()).sign(&message);
        assert_eq!(HEXLOWER.encode(&signed.to_bytes()), sig);
        let sig = Sig::from_slice(&hex(sig)).unwrap();
        assert!(bare(&key.public(), &message, &sig));
        assert!(!bare(&key.public(), &[&message[..], b"x"].concat(), &sig));
    }
}

/// Section 5.2: scalar, u-coordinate, result.
const RFC_7748: [[&str; 3]; 2] = [
    [
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ],
    [
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ],
];

fn agree(scalar: &[u8], point: &[u8]) -> Vec<u8> {
    let key = AgreeKey::from_bytes(Secret::new(scalar.try_into().unwrap()));
    let point = B32::from_slice(point).unwrap();
    key.agree(&point).unwrap().expose().to_vec()
}

#[test]
fn rfc_7748_section_5_2() {
    for [scalar, point, result] in RFC_7748 {
        assert_eq!(agree(&hex(scalar), &hex(point)), hex(result));
    }
    let mut base = vec![0; 32];
    base[0] = 9;
    let (mut scalar, mut point) = (base.clone(), base);
    for round in 1..=1_000 {
        let result = agree(&scalar, &point);
        point = std::mem::replace(&mut scalar, result);
        let expected = match round {
            1 => "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
            1_000 => "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51",
            _ => continue,
        };
        assert_eq!(HEXLOWER.encode(&scalar), expected, "after {round}");
    }
}

const SUNSCREEN: &str = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
const DRAFTS: &str = "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as reference material or to cite them other than as /\u{201c}work in progress./\u{201d}";

#[test]
fn rfc_8439_section_2_8_2() {
    let key = secret("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    let nonce: [u8; 12] = hex("070000004041424344454647").try_into().unwrap();
    let aad = hex("50515253c0c1c2c3c4c5c6c7");
    let sealed = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691";
    assert_eq!(
        HEXLOWER.encode(&seal(&key, &nonce, SUNSCREEN.as_bytes(), &aad)),
        sealed
    );
    let opened = open(&key, &nonce, &hex(sealed), &aad).unwrap();
    assert_eq!(&opened[..], SUNSCREEN.as_bytes());
}

#[test]
fn rfc_8439_appendix_a_5() {
    let key = secret("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
    let nonce: [u8; 12] = hex("000000000102030405060708").try_into().unwrap();
    let aad = hex("f33388860000000000004e91");
    let sealed = seal(&key, &nonce, DRAFTS.as_bytes(), &aad);
    let (ct, tag) = sealed.split_at(DRAFTS.len());
    assert_eq!(
        HEXLOWER.encode(&ct[..16]),
        "64a0861575861af460f062c79be643bd"
    );
    assert_eq!(HEXLOWER.encode(tag), "eead9d67890cbb22392336fea1851f38");
    for bit in 0..sealed.len() * 8 {
        let mut bent = sealed.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&key, &nonce, &bent, &aad).err(), Some(Unopened));
    }
}

#[test]
fn rfc_5869_cases_1_to_3() {
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    // ikm, salt, info, PRK, OKM.
    for (ikm, salt, info, prk, okm) in [
        (
            vec![0x0b; 22],
            range(0, 12),
            range(0xf0, 0xf9),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            range(0, 0x4f),
            range(0x60, 0xaf),
            range(0xb0, 0xff),
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            vec![],
            vec![],
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ] {
        let extracted = extract(&salt, &ikm);
        assert_eq!(HEXLOWER.encode(extracted.expose()), prk);
        let okm = hex(okm);
        let expanded = expand::<82>(extracted.expose(), &[&info]);
        assert_eq!(expanded.expose()[..okm.len()], okm);
        // In one step, and from parts.
        let (first, second) = ikm.split_at(7);
        let whole = hkdf::<82>(&salt, &[first, second], &[&info]);
        assert_eq!(whole.expose(), expanded.expose());
    }
}
