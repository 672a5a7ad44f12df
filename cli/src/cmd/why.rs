//! `waxwing why`: the custody story of a message.

use super::Context;
use crate::client::segment;
use crate::error::CliError;
use crate::out::Out;
use crate::text;
use crate::when;
use jiff::Zoned;
use std::time::Duration;
use waxwing_node::api::model::{self, Message, State, Step, What};

/// Characters of a device id or bridge id that tell two apart in a story.
const ID_CHARS: usize = 8;

/// What is due within this needs no time of day.
const SOON: Duration = Duration::from_secs(1);

/// Tell where a message is, who holds it, and what happens next.
#[derive(Debug, clap::Args)]
pub struct Why {
    /// The message, by its id
    id: String,
}

/// # Errors
/// [`CliError`] if there is no such message, or the node is not there.
pub async fn run(args: Why, context: &Context) -> Result<(), CliError> {
    tell(&args.id, context).await
}

/// Prints the story of a message.
pub(super) async fn tell(id: &str, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/messages/{}", segment(id));
    let why: model::Why = context.client.get(&format!("{path}/why")).await?;
    if context.out.is_json() {
        return context.out.object(&why, String::new);
    }
    let message: Message = context.client.get(&path).await?;
    context
        .out
        .line(&story(&message, &why, &Zoned::now(), context.out))
}

/// The story in sentences: how it stands, what happened when, what comes next.
pub fn story(message: &Message, why: &model::Why, now: &Zoned, out: Out) -> String {
    let written = &message.sent_at;
    let mut events = vec![(written.as_str(), origin(message))];
    for run in runs(&why.steps) {
        events.push((&run.first.at, run.sentence(now)));
    }
    let since = |at| when::between(written, at).map_or_else(String::new, when::span);
    let width = events
        .iter()
        .map(|(at, _)| since(at).chars().count())
        .max()
        .unwrap_or(0);
    let mut lines = vec![out.bold(&headline(message, why)), String::new()];
    for (at, sentence) in &events {
        lines.push(format!(
            "  {}  +{:<width$}  {sentence}",
            when::date_seconds(at, now),
            since(at),
        ));
    }
    lines.push(String::new());
    lines.push(next(why, now));
    lines.join("\n")
}

fn origin(message: &Message) -> String {
    if message.mine {
        "Written, and safe in this home.".to_owned()
    } else {
        format!("Written, by the clock of {}.", text::line(&message.from))
    }
}

fn headline(message: &Message, why: &model::Why) -> String {
    let took = |what| {
        let end = why.steps.iter().find(|step| step.what == what)?;
        let span = when::between(&message.sent_at, &end.at)?;
        Some(format!(", {} after it was written", when::span(span)))
    };
    let contact = text::line(&message.contact);
    if why.steps.iter().any(|step| step.what == What::Disappeared) {
        let whose = if message.mine { "to" } else { "from" };
        return format!("The message {whose} {contact} has disappeared from this home.");
    }
    if !message.mine {
        let took = took(What::Delivered).unwrap_or_default();
        let read = match why.state {
            State::Read => "; it was read",
            _ => "; it is unread",
        };
        return format!("The message from {contact} arrived{took}{read}.");
    }
    let subject = format!("The message to {contact}");
    match why.state {
        State::Queued => format!("{subject} waits in this home, and is safe here."),
        State::Sent => format!("{subject} was sent; their device has not confirmed it yet."),
        State::Held => format!("{subject} waits at a bridge until their device collects it."),
        State::Delivered => {
            let took = took(What::Delivered).unwrap_or_default();
            format!("{subject} was delivered{took}.")
        }
        State::Read => format!(
            "{subject} was read{}.",
            took(What::Read).unwrap_or_default()
        ),
        State::Expired => format!("{subject} was given up after 30 days without a receipt."),
        State::Refused => format!("{subject} was refused."),
        State::Deleted => format!("{subject} was deleted."),
    }
}

/// The same thing, once or several times in a row. A dial and its failure are one thing.
struct Run<'a> {
    first: &'a Step,
    unit: &'a [Step],
    last: &'a Step,
    times: usize,
}

fn runs(steps: &[Step]) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut rest = steps;
    while let Some(first) = rest.first() {
        let failed = rest.get(1).is_some_and(|next| {
            first.what == What::Dialed && next.what == What::Failed && first.device == next.device
        });
        let (unit, later) = rest.split_at(if failed { 2 } else { 1 });
        rest = later;
        match runs.last_mut() {
            Some(run) if same(run.unit, unit) => {
                run.last = first;
                run.times += 1;
            }
            _ => runs.push(Run {
                first,
                unit,
                last: first,
                times: 1,
            }),
        }
    }
    runs
}

fn same(a: &[Step], b: &[Step]) -> bool {
    let key = |step: &Step| {
        let Step {
            what,
            device,
            by,
            reason,
            ..
        } = step.clone();
        (what, device, by, reason)
    };
    a.iter().map(key).eq(b.iter().map(key))
}

impl Run<'_> {
    fn sentence(&self, now: &Zoned) -> String {
        let mut sentence = match self.unit {
            // The failure names the addresses again: once is enough.
            [dialed, failed] => {
                let what = Step {
                    reason: failed.reason.clone(),
                    ..dialed.clone()
                };
                sentence(&what, now)
            }
            _ => sentence(self.first, now),
        };
        if self.times > 1 {
            sentence.push_str(&format!(
                " {} times, the last at {}.",
                self.times,
                when::date_seconds(&self.last.at, now)
            ));
        }
        sentence
    }
}

/// A reason without PeerIds: where somebody was looked for says enough, and fits a line.
fn brief(reason: &str) -> String {
    let words = reason
        .split(' ')
        .map(|word| match word.split_once("/p2p/") {
            Some((place, peer)) if peer.ends_with(',') => format!("{place},"),
            Some((place, _)) => place.to_owned(),
            None => word.to_owned(),
        });
    text::line(&words.collect::<Vec<_>>().join(" "))
}

fn sentence(step: &Step, now: &Zoned) -> String {
    let device = match &step.device {
        Some(id) => format!("device {}", text::shorten(&text::line(id), ID_CHARS)),
        None => "their device".to_owned(),
    };
    let bridge = match &step.by {
        Some(id) => format!("bridge {}", text::shorten(&text::line(id), ID_CHARS)),
        None => "a bridge".to_owned(),
    };
    let mut sentence = match step.what {
        What::Sealed => format!("Encrypted for {device}"),
        What::Dialed => format!("Tried to connect to {device}"),
        What::Sent => format!("Written to a live connection to {device}"),
        What::Held => match &step.reason {
            Some(name) => format!("Stored by {}, {bridge}", text::line(name)),
            None => format!("Stored by {bridge}"),
        },
        What::Forwarded => format!("Passed on by {bridge}"),
        // With a reason it is the story of a message that came to us.
        What::Delivered if step.reason.is_some() => "Arrived".to_owned(),
        What::Delivered => format!("Stored on {device}, as its receipt says"),
        What::Read => "Read".to_owned(),
        What::Failed => "That did not work".to_owned(),
        What::Refused => "Refused".to_owned(),
        What::Retried => format!("Sent again to {device}"),
        What::Expired => "Given up".to_owned(),
        What::Disappeared => "Disappeared".to_owned(),
    };
    if let Some(until) = &step.until {
        sentence.push_str(&format!(", kept until {}", when::date_clock(until, now)));
    }
    // Who holds it stands at the beginning.
    if let Some(reason) = step.reason.as_ref().filter(|_| step.what != What::Held) {
        sentence.push_str(&format!(": {}", brief(reason)));
    }
    sentence.push('.');
    sentence
}

fn next(why: &model::Why, now: &Zoned) -> String {
    let Some(next) = &why.next else {
        return if why.state.is_end() {
            "Nothing more will happen to it.".to_owned()
        } else {
            "Nothing is left to do.".to_owned()
        };
    };
    let what = text::line(&next.what);
    let Some(at) = &next.at else {
        return format!("Next: {what}.");
    };
    let left = when::between(&now.timestamp().to_string(), at).unwrap_or_default();
    if left < SOON {
        return format!("Next, any moment: {what}.");
    }
    let (clock, left) = (when::date_seconds(at, now), when::span(left));
    format!("Next, at {clock}, in {left}: {what}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use model::Next;

    fn step(at: &str, what: What, reason: Option<&str>) -> Step {
        Step {
            at: format!("2026-11-23T10:{at}Z"),
            what,
            device: Some("k3fzq7aaaaaaaaaaaaaaaaaaaa".to_owned()),
            by: None,
            until: None,
            reason: reason.map(str::to_owned),
        }
    }

    fn message(mine: bool, state: State) -> Message {
        Message {
            id: "m".to_owned(),
            contact: "bo\x1bb".to_owned(),
            from: "bo\x1bb".to_owned(),
            mine,
            text: None,
            clock: 0,
            sent_at: "2026-11-23T10:00:00.000Z".to_owned(),
            received_at: None,
            state,
            late: false,
            reply_to: None,
            reactions: Vec::new(),
            edited: false,
            disappear_s: None,
            expires_at: None,
            sets_disappear_s: None,
            muted: false,
            imported: false,
        }
    }

    fn why(state: State, steps: Vec<Step>, next: Option<Next>) -> model::Why {
        model::Why {
            id: "m".to_owned(),
            state,
            to: "bob".to_owned(),
            steps,
            next,
        }
    }

    /// In UTC, so that it reads the same on every machine.
    fn told(message: &Message, why: &model::Why) -> String {
        let now: Timestamp = "2026-11-23T10:03:30Z".parse().unwrap();
        let zone = TimeZone::system();
        let story = story(message, why, &now.to_zoned(zone.clone()), Out::plain());
        // The only times of day in these stories lie between 10:00 and 10:05.
        let shift = |minute: &str| {
            let at: Timestamp = format!("2026-11-23T10:{minute}:00Z").parse().unwrap();
            let local = at.to_zoned(zone.clone()).strftime("%H:%M:").to_string();
            (local, format!("10:{minute}:"))
        };
        let minutes = ["00", "01", "02", "03", "04"].map(shift);
        minutes
            .iter()
            .fold(story, |story, (local, utc)| story.replace(local, utc))
    }

    #[test]
    fn a_message_that_waited_for_bob() {
        let place = Some("/ip4/192.0.2.7/tcp/1/p2p/12D3, /ip6/2001:db8::7/tcp/1/p2p/12D3");
        let refused = Some("the connection was refused at /ip4/192.0.2.7/tcp/1/p2p/12D3");
        let steps = vec![
            step("00:05.004", What::Dialed, place),
            step("00:05.005", What::Failed, refused),
            step("00:35.004", What::Dialed, place),
            step("00:35.005", What::Failed, refused),
            step("01:35.004", What::Dialed, place),
            step("01:35.005", What::Failed, refused),
            step("02:09.990", What::Dialed, place),
            step("02:10.000", What::Sealed, None),
            step("02:10.001", What::Sent, None),
            step("02:10.031", What::Delivered, None),
        ];
        let next = Next {
            at: None,
            what: "a read receipt may come".to_owned(),
        };
        assert_eq!(
            told(
                &message(true, State::Delivered),
                &why(State::Delivered, steps, Some(next))
            ),
            "\
The message to bo\\u{1b}b was delivered, 2 min 10 s after it was written.

  10:00:00  +0 ms        Written, and safe in this home.
  10:00:05  +5.0 s       Tried to connect to device k3fzq7aa…: the connection was refused at \
/ip4/192.0.2.7/tcp/1. 3 times, the last at 10:01:35.
  10:02:09  +2 min 9 s   Tried to connect to device k3fzq7aa…: /ip4/192.0.2.7/tcp/1, \
/ip6/2001:db8::7/tcp/1.
  10:02:10  +2 min 10 s  Encrypted for device k3fzq7aa….
  10:02:10  +2 min 10 s  Written to a live connection to device k3fzq7aa….
  10:02:10  +2 min 10 s  Stored on device k3fzq7aa…, as its receipt says.

Next: a read receipt may come."
        );
    }

    #[test]
    fn a_message_that_still_waits() {
        let next = |at: &str| Next {
            at: Some(format!("2026-11-23T10:{at}Z")),
            what: "their node is dialed again".to_owned(),
        };
        let queued = message(true, State::Queued);
        assert_eq!(
            told(
                &queued,
                &why(State::Queued, Vec::new(), Some(next("04:00.000")))
            ),
            "\
The message to bo\\u{1b}b waits in this home, and is safe here.

  10:00:00  +0 ms  Written, and safe in this home.

Next, at 10:04:00, in 30 s: their node is dialed again."
        );
        let now = told(
            &queued,
            &why(State::Queued, Vec::new(), Some(next("03:30.200"))),
        );
        assert!(now.ends_with("Next, any moment: their node is dialed again."));
    }

    #[test]
    fn a_message_that_disappeared() {
        let steps = vec![
            step("00:00.040", What::Delivered, None),
            step("01:00.000", What::Disappeared, Some("its time was up")),
        ];
        assert_eq!(
            told(
                &message(true, State::Deleted),
                &why(State::Deleted, steps, None)
            ),
            "\
The message to bo\\u{1b}b has disappeared from this home.

  10:00:00  +0 ms   Written, and safe in this home.
  10:00:00  +40 ms  Stored on device k3fzq7aa…, as its receipt says.
  10:01:00  +1 min  Disappeared: its time was up.

Nothing more will happen to it."
        );
    }

    #[test]
    fn a_message_that_came_to_us() {
        let steps = vec![
            step("00:00.040", What::Delivered, Some("stored on this device")),
            step("01:00.000", What::Read, Some("read on this device")),
        ];
        assert_eq!(
            told(&message(false, State::Read), &why(State::Read, steps, None)),
            "\
The message from bo\\u{1b}b arrived, 40 ms after it was written; it was read.

  10:00:00  +0 ms   Written, by the clock of bo\\u{1b}b.
  10:00:00  +40 ms  Arrived: stored on this device.
  10:01:00  +1 min  Read: read on this device.

Nothing is left to do."
        );
    }
}
