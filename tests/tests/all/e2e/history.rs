//! What was said, found again, taken along, and kept for later.

use super::{meet, messages, person, say, until_delivered};
use serde_json::Value;
use waxwing_tests::process::{Said, until};

fn texts(said: &Said) -> Vec<String> {
    let lines = said.ok_lines();
    let text = |line: &Value| line["text"].as_str().unwrap_or_default().to_owned();
    lines.iter().map(text).collect()
}

#[test]
fn what_was_said_is_found_before_and_after_a_restart() {
    let (mut alice, mut bob) = (person("alice"), person("bob"));
    meet(&mut alice, &mut bob);
    let mut last = String::new();
    for n in 0..160 {
        last = say(&alice, "bob", &format!("Nummer {n}: Äpfel"));
    }
    let grey = say(&bob, "alice", "今日は Grüße");
    until_delivered(&alice, &last);
    until_delivered(&bob, &grey);
    for _ in 0..2 {
        for one in [&alice, &bob] {
            let found = texts(&one.run(&["search", "nummer 15", "--limit", "3"]));
            let newest = [
                "Nummer 159: Äpfel",
                "Nummer 158: Äpfel",
                "Nummer 157: Äpfel",
            ];
            assert_eq!(found, newest);
            assert_eq!(
                one.run(&["search", "ÄPFEL", "--limit", "500"])
                    .lines()
                    .len(),
                160
            );
            assert_eq!(texts(&one.run(&["search", "grÜSSe"])), [""; 0]);
            assert_eq!(texts(&one.run(&["search", "は grü"])), ["今日は Grüße"]);
        }
        let page = alice.run(&["search", "nummer", "--limit", "2"]).ok_lines();
        let before = page[1]["id"].as_str().unwrap();
        let args = [
            "search", "nummer", "--in", "bob", "--limit", "1", "--before", before,
        ];
        assert_eq!(texts(&alice.run(&args)), ["Nummer 157: Äpfel"]);
        assert_eq!(page[0]["contact"], "bob");
        alice.kill();
        alice.up();
    }
    alice.run(&["delete", &last]).ok();
    assert_eq!(texts(&alice.run(&["search", "nummer 159"])), [""; 0]);
    until("it is gone there too", || {
        texts(&bob.run(&["search", "nummer 159"])).is_empty()
    });
    let error = alice.run(&["search", "x", "--in", "nobody"]).error(3);
    assert_eq!(error["code"], "not_found");
    alice.run(&["search", " "]).error(2);
    assert_eq!(messages(&bob, "alice").len(), 161);
}
