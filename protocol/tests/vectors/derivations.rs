use crate::formulas::{expand, extract, h, label, sha512};
use crate::json::{J, hex, object};
use crate::settle;
use waxwing_protocol::crypto::derive;
use waxwing_protocol::discovery::invite;
use waxwing_protocol::id::{B32, Fixed, to_base32};
use waxwing_protocol::identity::account::{address, conversation_id, parse_address};
use waxwing_protocol::identity::safety;
use waxwing_protocol::identity::words::Entropy;
use waxwing_protocol::private::Secret;
use waxwing_protocol::session::heal_psk;
use waxwing_protocol::session::ratchet::closed_mark;

fn labels() -> J {
    let one = |label: &derive::Label| {
        let bytes = label.bytes();
        assert_eq!(bytes.last(), Some(&0));
        let text = core::str::from_utf8(&bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(bytes, crate::formulas::label(text));
        object([("label", text.into()), ("bytes", hex(bytes))])
    };
    derive::ALL.iter().map(one).collect::<Vec<_>>().into()
}

fn words(entropy: [u8; 32]) -> J {
    let known = Entropy::new(Secret::new(entropy));
    let prk = extract(&label("wx1/recovery"), &entropy);
    let root = |n: u32| {
        let info = [&label("wx1/root")[..], &n.to_be_bytes()].concat();
        expand(&prk, &info, 32)
    };
    let backup = expand(&prk, &label("wx1/backup"), 32);
    assert_eq!(&root(0)[..], known.root().seed().expose());
    assert_eq!(&root(1)[..], known.spare_root().seed().expose());
    assert_eq!(&backup[..], known.backup().expose());
    let seed: [u8; 32] = root(0).try_into().unwrap();
    assert_eq!(crate::formulas::ed_public(&seed), known.root().public().0);
    object([
        ("words", known.words().into()),
        ("entropy", hex(entropy)),
        ("prk", hex(prk)),
        ("root_0_seed", hex(root(0))),
        ("root_0_public", hex(known.root().public())),
        ("spare_root_seed", hex(root(1))),
        ("spare_root_public", hex(known.spare_root().public())),
        ("backup_key", hex(backup)),
    ])
}

fn addresses(account: B32, ak: B32) -> J {
    let sum = h(&[&label("wx1/addr"), &account.0, &ak.0]);
    let all = [&account.0[..], &ak.0, &sum[..2]].concat();
    let text = format!("wax1{}", to_base32(&all));
    assert_eq!(text, address(&account, &ak));
    assert_eq!(parse_address(&text), Some((account, ak)));
    object([
        ("account_id", hex(account)),
        ("ak", hex(ak)),
        ("checksum", hex(&sum[..2])),
        ("address", text.into()),
    ])
}

fn half(account: &B32, root: &B32) -> (String, [u8; 64]) {
    let mut print = sha512(&[&label("wx1/safety")[..], &account.0, &root.0].concat());
    for _ in 1..5_200 {
        print = sha512(&print);
    }
    assert_eq!(print, safety::fingerprint(account, root));
    let digits = print[..30].chunks(5).map(|group| {
        let number = group.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
        format!("{:05}", number % 100_000)
    });
    (digits.collect(), print)
}

fn safety_number(a: (B32, B32), b: (B32, B32)) -> J {
    let (mine, print_a) = half(&a.0, &a.1);
    let (theirs, print_b) = half(&b.0, &b.1);
    let (low, high) = if mine < theirs {
        (&mine, &theirs)
    } else {
        (&theirs, &mine)
    };
    let digits = format!("{low}{high}");
    let groups: Vec<&str> = (0..12).map(|i| &digits[i * 5..][..5]).collect();
    let number = groups.join(" ");
    assert_eq!(number, safety::number((&a.0, &a.1), (&b.0, &b.1)));
    let prints = if print_a < print_b {
        [print_a, print_b]
    } else {
        [print_b, print_a]
    };
    let text = waxwing_protocol::id::to_base64url(&prints.concat());
    let code = format!("waxwing-safety:{text}");
    assert_eq!(code, safety::code((&a.0, &a.1), (&b.0, &b.1)));
    object([
        ("account_a", hex(a.0)),
        ("root_a", hex(a.1)),
        ("fingerprint_a", hex(print_a)),
        ("account_b", hex(b.0)),
        ("root_b", hex(b.1)),
        ("fingerprint_b", hex(print_b)),
        ("number", number.into()),
        ("code", code.into()),
    ])
}

fn conversation(a: B32, b: B32) -> J {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    let id = h(&[&label("wx1/conv"), &low.0, &high.0]);
    assert_eq!(id, conversation_id(&a, &b).0);
    object([("a", hex(a)), ("b", hex(b)), ("id", hex(id))])
}

fn invite_keys(seed: [u8; 32]) -> J {
    let secret = Secret::new(seed);
    let id = expand(&seed, &label("wx1/inv/id"), 16);
    let psk = expand(&seed, &label("wx1/inv/psk"), 32);
    let card = expand(&seed, &label("wx1/inv/card"), 32);
    assert_eq!(id, invite::id(&secret).0);
    assert_eq!(&psk[..], invite::psk(&secret).expose());
    object([
        ("seed", hex(seed)),
        ("inv_id", hex(id)),
        ("psk", hex(psk)),
        ("k_card", hex(card)),
    ])
}

fn repair(k_exp: [u8; 32]) -> J {
    let psk = expand(&k_exp, &label("wx1/heal"), 32);
    let id = expand(&k_exp, &label("wx1/heal/id"), 16);
    let (known_id, known_psk) = heal_psk(&Secret::new(k_exp));
    assert_eq!(
        (&id[..], &psk[..]),
        (&known_id.0[..], &known_psk.expose()[..])
    );
    object([
        ("k_exp", hex(k_exp)),
        ("psk", hex(psk)),
        ("psk_id", hex(id)),
    ])
}

fn closed(dh: B32) -> J {
    let mark = h(&[&label("wx1/local/closed"), &dh.0]);
    assert_eq!(mark[..16], closed_mark(&dh).0);
    object([("dhr", hex(dh)), ("mark", hex(&mark[..16]))])
}

#[test]
fn derivations() {
    let ids = [Fixed([0x11; 32]), Fixed([0x22; 32]), Fixed([0xee; 32])];
    let vectors = object([
        ("labels", labels()),
        (
            "recovery_words",
            vec![
                words([0; 32]),
                words([0x7f; 32]),
                words(core::array::from_fn(|i| i as u8)),
            ]
            .into(),
        ),
        (
            "addresses",
            vec![addresses(ids[0], ids[1]), addresses(ids[2], ids[0])].into(),
        ),
        (
            "safety_numbers",
            vec![
                safety_number((ids[0], ids[1]), (ids[1], ids[2])),
                safety_number((ids[2], ids[0]), (ids[0], ids[0])),
            ]
            .into(),
        ),
        (
            "conversations",
            vec![conversation(ids[0], ids[2]), conversation(ids[2], ids[1])].into(),
        ),
        (
            "invites",
            vec![
                invite_keys([0x33; 32]),
                invite_keys(core::array::from_fn(|i| i as u8)),
            ]
            .into(),
        ),
        ("repairs", vec![repair([0x44; 32])].into()),
        ("closed_chains", vec![closed(ids[1])].into()),
    ]);
    settle(
        "derivations.json",
        "Labels and everything derived from one secret or id. Hex throughout.",
        vectors,
    );
}
