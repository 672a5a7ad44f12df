//! The JSON objects, letter by letter: programs rely on them.

use crate::api::convert;
use crate::api::events::render;
use crate::api::model;
use axum::response::IntoResponse;
use axum::response::sse::Sse;
use futures::stream;
use http_body_util::BodyExt;
use std::convert::Infallible;
use waxwing_protocol::id::{Fixed, Mid};
use waxwing_protocol::input::Reach;
use waxwing_protocol::output::{ContactState, State};
use waxwing_protocol::query::{
    Change, ChangeView, ContactView, Me, MessageView, NextStep, ReactionView, RequestView, Step,
    What, WhyView,
};

const AT: u64 = 1_795_428_000_123;

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn message() -> MessageView {
    MessageView {
        id: Mid::ZERO,
        contact: "bob".to_owned(),
        account: Fixed::ZERO,
        from: "bob".to_owned(),
        mine: false,
        text: Some("hi \"there\"\n".to_owned()),
        clock: AT,
        sent_at: AT,
        received_at: Some(AT + 5),
        state: State::Delivered,
        late: false,
        reply_to: None,
        reactions: vec![ReactionView {
            from: "alice".to_owned(),
            mine: true,
            emoji: "👍".to_owned(),
        }],
        edited: false,
        disappear_s: None,
        expires_at: None,
        sets_disappear_s: None,
        muted: false,
        imported: false,
    }
}

const MESSAGE: &str = concat!(
    r#""id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","contact":"bob","from":"bob","mine":false,"#,
    r#""text":"hi \"there\"\n","clock":1795428000123,"sent_at":"2026-11-23T10:00:00.123Z","#,
    r#""received_at":"2026-11-23T10:00:00.128Z","state":"delivered","late":false,"reply_to":null,"#,
    r#""reactions":[{"from":"alice","mine":true,"emoji":"👍"}],"edited":false,"#,
    r#""disappear_s":null,"expires_at":null,"sets_disappear_s":null,"muted":false,"imported":false"#
);

#[test]
fn times_are_rfc3339_with_milliseconds() {
    assert_eq!(convert::rfc3339(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(convert::rfc3339(AT), "2026-11-23T10:00:00.123Z");
    assert_eq!(
        convert::rfc3339(951_782_400_000),
        "2000-02-29T00:00:00.000Z"
    );
    assert_eq!(convert::rfc3339_secs(1), "1970-01-01T00:00:01.000Z");
    for beyond in [u64::MAX, 300_000_000_000_000] {
        assert!(convert::rfc3339(beyond).starts_with("9999-12-30T"));
    }
}

#[test]
fn a_message() {
    assert_eq!(json(&convert::message(message())), format!("{{{MESSAGE}}}"));
}

#[test]
fn me_and_a_contact() {
    // The public key of RFC 8032 §7.1, test 1.
    let key = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07,
        0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07,
        0x51, 0x1a,
    ];
    let me = Me {
        account: Fixed::ZERO,
        address: "wax1a".to_owned(),
        name: "alice".to_owned(),
        device: Fixed::ZERO,
        peer: Fixed(key),
        created: 0,
        words_kept: true,
        starts: 1,
    };
    let id = convert::id(&me);
    let peer = id.peer.clone().unwrap();
    assert!(peer.starts_with("12D3KooW"), "{peer}");
    assert_eq!(
        json(&id),
        format!(
            r#"{{"account":"wax1a","name":"alice","device":"aaaaaaaaaaaaaaaaaaaaaaaaaa","peer":"{peer}"}}"#
        )
    );
    let view = ContactView {
        name: "bob".to_owned(),
        account: Fixed::ZERO,
        address: "wax1b".to_owned(),
        state: ContactState::Connected,
        verified: false,
        doubted: false,
        muted: true,
        muted_until: Some(AT),
        clearing: false,
        reach: Some(Reach::Direct),
        last_seen: Some(AT),
        unread: 2,
        peer: None,
        disappear_s: None,
        draft: Some("so far".to_owned()),
    };
    assert_eq!(
        json(&convert::contact(view.clone())),
        r#"{"name":"bob","account":"wax1b","state":"connected","verified":false,"verify_again":false,"muted":true,"muted_until":"2026-11-23T10:00:00.123Z","clearing":false,"reach":"direct","last_seen":"2026-11-23T10:00:00.123Z","unread":2,"peer":null,"disappear_s":null,"draft":"so far"}"#
    );
    let away = convert::contact(ContactView {
        reach: None,
        last_seen: None,
        state: ContactState::Pending,
        ..view
    });
    assert_eq!((away.reach, away.last_seen), (model::Reach::Away, None));
}

#[test]
fn every_event_carries_cursor_kind_and_object() {
    let event = |change| {
        json(&convert::event(ChangeView {
            cursor: 7,
            at: AT,
            change,
        }))
    };
    let at = r#""at":"2026-11-23T10:00:00.123Z""#;
    assert_eq!(
        event(Change::Message(message())),
        format!(r#"{{"cursor":7,"event":"message",{MESSAGE},{at}}}"#)
    );
    assert_eq!(
        event(Change::State {
            id: Mid::ZERO,
            contact: "bob".to_owned(),
            state: State::Read,
        }),
        format!(
            r#"{{"cursor":7,"event":"state","id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","contact":"bob","state":"read",{at}}}"#
        )
    );
    assert_eq!(
        event(Change::Reach {
            contact: "bob".to_owned(),
            reach: None,
        }),
        format!(r#"{{"cursor":7,"event":"reach","contact":"bob","reach":"away",{at}}}"#)
    );
    assert_eq!(
        event(Change::Notice {
            contact: None,
            code: "link_used_twice".to_owned(),
            text: "A link was used twice.".to_owned(),
        }),
        format!(
            r#"{{"cursor":7,"event":"notice","contact":null,"code":"link_used_twice","text":"A link was used twice.",{at}}}"#
        )
    );
    assert_eq!(
        event(Change::Request(RequestView {
            name: "carol".to_owned(),
            account: Fixed::ZERO,
            address: "wax1c".to_owned(),
            note: "from work".to_owned(),
            received_at: AT,
            safety_number: "00000".to_owned(),
        })),
        format!(
            r#"{{"cursor":7,"event":"request","name":"carol","account":"wax1c","note":"from work","received_at":"2026-11-23T10:00:00.123Z","safety_number":"00000",{at}}}"#
        )
    );
}

#[test]
fn events_read_back_and_unknown_kinds_are_no_error() {
    let event = convert::event(ChangeView {
        cursor: 7,
        at: AT,
        change: Change::Message(message()),
    });
    let back: model::Event = serde_json::from_str(&json(&event)).unwrap();
    assert_eq!(back, event);
    let later = r#"{"cursor":8,"event":"parade","floats":3,"at":"2026-11-23T10:00:00.123Z"}"#;
    let event: model::Event = serde_json::from_str(later).unwrap();
    assert_eq!((event.cursor, event.change), (8, model::Change::Other));
}

#[test]
fn a_custody_story() {
    let why = convert::why(WhyView {
        id: Mid::ZERO,
        state: State::Queued,
        to: "bob".to_owned(),
        steps: vec![Step {
            at: AT,
            what: What::Sealed,
            device: Some(Fixed::ZERO),
            reason: None,
        }],
        next: Some(NextStep {
            at: None,
            what: "Bob's node is dialed again.".to_owned(),
        }),
    });
    assert_eq!(
        json(&why),
        r#"{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","state":"queued","to":"bob","steps":[{"at":"2026-11-23T10:00:00.123Z","what":"sealed","device":"aaaaaaaaaaaaaaaaaaaaaaaaaa","by":null,"until":null,"reason":null}],"next":{"at":null,"what":"Bob's node is dialed again."}}"#
    );
}

#[test]
fn a_wait_is_met_by_the_state_or_a_later_one() {
    use model::State;
    assert!(State::Held.meets(State::Sent));
    assert!(State::Read.meets(State::Delivered));
    assert!(!State::Sent.meets(State::Delivered));
    assert!(!State::Expired.meets(State::Queued));
    assert!(!State::Deleted.meets(State::Read));
}

#[tokio::test]
async fn an_event_is_framed_with_id_kind_and_one_line_of_data() {
    let view = ChangeView {
        cursor: 7,
        at: AT,
        change: Change::Message(message()),
    };
    let event = render(view).unwrap();
    let response = Sse::new(stream::iter([Ok::<_, Infallible>(event)])).into_response();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let data = format!(
        r#"data: {{"cursor":7,"event":"message",{MESSAGE},"at":"2026-11-23T10:00:00.123Z"}}"#
    );
    assert_eq!(lines, ["id: 7", "event: message", data.as_str(), ""]);
}
