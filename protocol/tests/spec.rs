//! The spec names what the code has: every label, frame, body type and number.

mod common;

#[path = "spec/cddl.rs"]
mod cddl;
#[path = "spec/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::PathBuf;
use waxwing_protocol::crypto::derive;
use waxwing_protocol::feed::body::{Body, TypedBody, kind};
use waxwing_protocol::frame::Frame;
use waxwing_protocol::limits;
use waxwing_protocol::wire::codec::Blob;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    read_to_string(root().join("docs/spec").join(name)).unwrap()
}

fn pages() -> Vec<(String, String)> {
    let mut names: Vec<String> = std::fs::read_dir(root().join("docs/spec"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| (name.clone(), page(&name)))
        .collect()
}

/// The first cells of the table rows of a page.
fn first_cells(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|line| line.split(" |").next())
        .map(|cell| cell.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn every_label_is_in_the_table_and_on_its_page() {
    let readme = page("README.md");
    let listed: BTreeSet<String> = first_cells(&readme)
        .into_iter()
        .filter(|cell| cell.starts_with("wx1/"))
        .collect();
    let known: BTreeSet<String> = derive::ALL
        .iter()
        .map(|label| String::from_utf8(label.bytes().to_vec()).unwrap())
        .map(|label| label.trim_end_matches('\0').to_owned())
        .collect();
    assert_eq!(listed, known);
    let others: String = pages()
        .into_iter()
        .filter(|(name, _)| name != "README.md")
        .map(|(_, text)| text)
        .collect();
    for label in known {
        let named = others.contains(&format!("\"{label}\""))
            || others.contains(&format!("`{label}`"))
            || label.starts_with("wx1/sig/");
        assert!(named, "{label} is explained nowhere");
    }
}

#[test]
fn every_frame_is_named() {
    let rows = first_cells(&page("05-transport.md"));
    let cddl = page("waxwing.cddl");
    for number in 0..=63u8 {
        let named = cddl
            .lines()
            .any(|line| line.contains("-frame") && line.contains(&format!("= [{number}, ")));
        assert_eq!(named, [1, 2, 3, 4, 7, 8, 9].contains(&number), "{number}");
        if named {
            assert!(rows.contains(&number.to_string()), "frame {number}");
        }
    }
    // The variants that there are, by exhaustive match: a new one does not compile until it is
    // named here, and then fails above.
    let number = |frame: &Frame| match frame {
        Frame::Letter(_) => 1,
        Frame::Init(_) => 2,
        Frame::InviteGet(_) => 3,
        Frame::InviteObjects(_) => 4,
        Frame::Ask(_) => 7,
        Frame::Tell(_) => 8,
        Frame::Over(_) => 9,
    };
    let get = Frame::InviteGet(waxwing_protocol::discovery::invite::InviteGet {
        version: 1,
        id: waxwing_protocol::id::Fixed([0; 16]),
    });
    assert_eq!(number(&get), get.to_bytes()[1]);
}

#[test]
fn every_body_type_is_named() {
    let rows = first_cells(&page("04-messages.md"));
    let cddl = page("waxwing.cddl");
    let known = [
        kind::TEXT,
        kind::EDIT,
        kind::DELETE,
        kind::REACTION,
        kind::RECEIPT,
        kind::TIMER,
        kind::PROFILE,
        kind::LISTS,
        kind::BRIDGES,
        kind::PEER_IDS,
        kind::REPAIR,
        kind::BUNDLE_REQUEST,
        kind::BUNDLE,
    ];
    for number in 0..=u16::MAX {
        // Bytes that no type allows: a known type calls them malformed, an unknown one does not.
        let odd = TypedBody {
            kind: number,
            bytes: Blob(vec![0xff]),
        };
        let is_known = Body::open(&odd).is_err();
        assert_eq!(is_known, known.contains(&number), "{number}");
        if is_known {
            assert!(rows.contains(&number.to_string()), "body type {number}");
            let rule = format!("= [{number}, bytes .cbor ");
            assert!(cddl.contains(&rule), "{rule}");
        }
    }
}

/// The constants of `limits.rs`: name, documentation, section.
fn source_limits() -> Vec<(String, String, String)> {
    let source = read_to_string(root().join("protocol/src/limits.rs")).unwrap();
    let (mut out, mut doc, mut section) = (Vec::new(), String::new(), String::new());
    for line in source.lines() {
        if let Some(title) = line.strip_prefix("// ---- ") {
            section = title.trim_end_matches(" ----").to_owned();
        } else if let Some(text) = line.strip_prefix("/// ") {
            if !doc.is_empty() {
                doc.push(' ');
            }
            doc.push_str(text);
        } else if let Some(rest) = line.strip_prefix("pub const ") {
            let name = rest.split(':').next().unwrap().to_owned();
            let doc = std::mem::take(&mut doc)
                .replace("[`", "`")
                .replace("`]", "`");
            out.push((name, doc, section.clone()));
        }
    }
    out
}

macro_rules! values {
    ($($name:ident)*) => {
        [$((stringify!($name), u64::try_from(limits::$name).unwrap())),*]
    };
}

fn value_of(name: &str) -> String {
    let values = values! {
        FRAME_BYTES_MAX CBOR_DEPTH_MAX INIT_FRAME_BYTES_MAX INIT_ENVELOPE_BYTES_MAX
        INVITE_OBJECT_BYTES PLAIN_BYTES_MAX DEVICES_MAX REVOKED_LISTED_MAX REVOKED_KEPT_MAX
        LIST_LIFE_S LIST_REFRESH_S LIST_GRACE_S BUNDLE_LIFE_S PREKEY_ROTATE_S PREKEY_KEEP_S
        CLOCK_SKEW_S NAME_BYTES_MAX TEXT_BYTES_MAX FIRST_TEXT_BYTES_MAX NOTE_BYTES_MAX
        REACTION_BYTES_MAX WAITING_REACTION_MS WAITING_REACTIONS_MAX TOMBSTONE_KEEP_MS KEY_BYTES_MAX KEY_KEEP_MS
        INVITE_USES_MAX INVITE_LIFE_S INVITE_LIFE_S_MAX INVITE_KEEP_S INVITES_MAX ADDRS_MAX INVITE_ADDRS FIRST_ADDRS_BYTES
        ADDR_BYTES_MAX INVITE_BRIDGES_MAX LINK_CHARS_MAX CONTACTS_MAX REQUESTS_MAX
        STRANGER_LETTERS_MAX PENDING_MESSAGES_MAX CONTACTS_STEP MUTE_S_MIN MUTE_S_MAX NOTICES_MAX SESSIONS_MAX SESSION_KEEP_MS
        FIRST_FLIGHT_LETTERS_MAX SKIP_MAX SKIPPED_PER_ACCOUNT_MAX SKIPPED_TOTAL_MAX ADVANCE_MAX
        ADVANCE_AFTER_MS SEEN_KEEP_MS PQ_LETTERS PQ_EVERY_MS INIT_SEEN_MAX REPAIRS_PER_DAY_MAX
        REPAIRS_PER_MONTH_MAX REPAIR_HOLD_MS REPAIR_BUNDLE_GRACE_S WINDOW_LETTERS
        RESEND_LETTERS_MAX LETTER_LIFE_MS RECEIPT_REPEAT_MS RECEIPT_GATHER_MS RECEIPT_MIDS_MAX
        OUTBOX_PER_CONTACT_MAX DIALS_KEPT_MAX CLOCK_AHEAD_MS READ_DEFAULT READ_MAX SEARCH_DEFAULT
        SEARCH_CHARS_MAX IMPORT_MAX CHANGES_MAX
        CHANGES_KEEP_MS SWEEP_ROWS AGENDA_STEP TIMER_S_MIN TIMER_S_MAX TIMER_UNREAD_MS
        MAIL_RECEIPT_REPEAT_MS BOX_EXTRA_BYTES ANSWER_BYTES BLOCK_LIFE_S MAILBOX_KEEP_S MAILBOX_BYTES_MAX
        MAILBOX_BLOCKS_MAX TAG_BLOCKS_MAX TAG_BYTES_MAX TAG_BATCH TAGS_PER_MAILBOX_MAX TAG_DAYS_BACK
        TAG_DAYS_AHEAD TAG_DAYS_RENEW TAG_DAYS_READ TAG_UNTIL_S_MAX COOKIE_BYTES_MAX ACK_IDS_MAX
        FETCH_BLOCKS_MAX CHALLENGE_S FORWARD_LIFE_S FORWARD_AHEAD_S FORWARD_GRACE_S FORWARD_KEY_KEEP_S
        OPENED_DAYS QUEUED_PER_MAILBOX_MAX QUEUED_PER_BRIDGE_MAX FORWARDS_FLYING_MAX FORWARD_KEEP_MS
        DESCRIPTOR_LIFE_S DESCRIPTOR_REFRESH_S DESCRIPTOR_CHARS_MAX ROLES_MAX BRIDGES_MAX
        CONTACT_BRIDGES_MAX BRIDGES_KNOWN_MAX DEPOSITS_FLYING_MAX DEPOSIT_AFTER_MS HELD_AGAIN_MS
        FULL_AGAIN_MS FULL_AGAIN_MS_MAX LEAVING_MS REPLY_BYTES FORWARD_KEYS_BYTES_MAX FORWARD_DAY_SLACK_MS BRIDGE_POLL_MS MAILBOX_STALE_MS
    };
    if name == "RETRY_MS" {
        let spans: Vec<String> = limits::RETRY_MS.iter().map(|ms| grouped(*ms)).collect();
        return spans.join("; ");
    }
    if name == "BLOCK_BYTES" {
        let sizes: Vec<String> = limits::BLOCK_BYTES
            .iter()
            .map(|size| grouped(u64::try_from(*size).unwrap()))
            .collect();
        return sizes.join("; ");
    }
    let found = values.iter().find(|(known, _)| *known == name);
    let (_, value) = found.unwrap_or_else(|| panic!("add {name} to the list in this test"));
    grouped(*value)
}

/// Digits in groups of three.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn unit(name: &str) -> &'static str {
    let has = |part: &str| name.split('_').any(|word| word == part);
    if has("MS") {
        "ms"
    } else if has("S") {
        "s"
    } else if has("BYTES") {
        "bytes"
    } else {
        ""
    }
}

#[test]
fn every_number_of_the_source_is_in_the_table() {
    let mut table = String::new();
    let mut section = String::new();
    for (name, doc, of) in source_limits() {
        if of != section {
            section = of;
            table.push_str(&format!(
                "\n## {section}\n\n| name | value | unit | meaning |\n|---|---|---|---|\n"
            ));
        }
        let (value, unit) = (value_of(&name), unit(&name));
        table.push_str(&format!("| `{name}` | {value} | {unit} | {doc} |\n"));
    }
    let path = root().join("docs/spec/limits.md");
    let text = read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- limits.rs begins -->\n", "\n<!-- limits.rs ends -->");
    let (head, rest) = text.split_once(begin).unwrap();
    let (body, tail) = rest.split_once(end).unwrap();
    if std::env::var_os("WRITE_VECTORS").is_some() {
        std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).unwrap();
    } else {
        assert!(
            body == table,
            "limits.md is not what limits.rs says; write it anew with WRITE_VECTORS=1"
        );
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let anchor = |title: &str| -> String {
        title
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    let anchors = |text: &str| -> BTreeSet<String> {
        text.lines()
            .filter(|line| line.starts_with('#'))
            .map(|line| anchor(line.trim_start_matches('#').trim()))
            .collect()
    };
    let dir = root().join("docs/spec");
    let mut all = pages();
    let extra = ["../GLOSSARY.md", "vectors/README.md"];
    all.extend(extra.map(|name| (name.to_owned(), page(name))));
    for (name, text) in &all {
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.starts_with("http") {
                continue;
            }
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let base = dir.join(name);
            let target = if file.is_empty() {
                base.clone()
            } else {
                base.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{name}: {link}");
            if !part.is_empty() {
                let there = anchors(&read_to_string(&target).unwrap());
                assert!(there.contains(part), "{name}: {link}");
            }
        }
    }
}
