//! `waxwing why`: the custody story of a message.

use super::Context;
use crate::client::segment;
use crate::error::CliError;
use crate::out::Out;
use crate::text;
use crate::when;
use jiff::Zoned;
use std::time::Duration;
use waxwing_node::api::model::{self, State, Step, What};

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
    let path = format!("/v1/messages/{}/why", segment(&args.id));
    let why: model::Why = context.client.get(&path).await?;
    context
        .out
        .object(&why, || story(&why, &Zoned::now(), context.out))
}

/// The story in sentences: how it stands, what happened when, what comes next.
pub fn story(why: &model::Why, now: &Zoned, out: Out) -> String {
    let mut lines = vec![out.bold(&headline(why))];
    let runs = runs(&why.steps);
    if let Some(first) = why.steps.first() {
        lines.push(String::new());
        let width = runs
            .iter()
            .map(|run| since(&first.at, &run.first.at).chars().count())
            .max()
            .unwrap_or(0);
        for run in &runs {
            lines.push(format!(
                "  {}  {:>width$}  {}",
                when::date_seconds(&run.first.at, now),
                since(&first.at, &run.first.at),
                run.tell(now),
            ));
        }
    }
    lines.push(String::new());
    lines.push(next(why, now));
    lines.join("\n")
}

fn headline(why: &model::Why) -> String {
    let to = text::line(&why.to);
    let took = |what| {
        let end = why.steps.iter().find(|step| step.what == what)?;
        let span = when::between(&why.steps.first()?.at, &end.at)?;
        Some(format!(" {} after it was written", when::span(span)))
    };
    match why.state {
        State::Queued => format!("The message to {to} waits in this home; nothing of it is lost."),
        State::Sent => {
            format!(
                "The message to {to} is on its way: sent, and not confirmed by their device yet."
            )
        }
        State::Held => {
            format!("The message to {to} waits at a bridge until their device collects it.")
        }
        State::Delivered => format!(
            "The message to {to} was delivered{}.",
            took(What::Delivered).unwrap_or_default()
        ),
        State::Read => format!(
            "The message to {to} was read{}.",
            took(What::Read).unwrap_or_default()
        ),
        State::Expired => {
            format!("The message to {to} was given up: nobody could take it for 30 days.")
        }
        State::Refused => format!("The message to {to} was refused."),
        State::Deleted => format!("The message to {to} was deleted."),
    }
}

/// The same thing, once or several times in a row.
struct Run<'a> {
    first: &'a Step,
    last: &'a Step,
    times: usize,
}

fn runs(steps: &[Step]) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for step in steps {
        match runs.last_mut() {
            Some(run) if same(run.first, step) => {
                run.last = step;
                run.times += 1;
            }
            _ => runs.push(Run {
                first: step,
                last: step,
                times: 1,
            }),
        }
    }
    runs
}

fn same(a: &Step, b: &Step) -> bool {
    (a.what, &a.device, &a.by, &a.reason) == (b.what, &b.device, &b.by, &b.reason)
}

impl Run<'_> {
    fn tell(&self, now: &Zoned) -> String {
        let mut sentence = tell(self.first, now);
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

fn tell(step: &Step, now: &Zoned) -> String {
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
        What::Held => format!("Stored by {bridge}"),
        What::Forwarded => format!("Passed on by {bridge}"),
        // With a reason it is the story of a message that came to us.
        What::Delivered if step.reason.is_some() => "Arrived".to_owned(),
        What::Delivered => format!("Stored on {device}, as its receipt says"),
        What::Read => "Read".to_owned(),
        What::Failed => "That did not work".to_owned(),
        What::Refused => "Refused".to_owned(),
        What::Retried => format!("Sent again to {device}"),
        What::Expired => "Given up".to_owned(),
    };
    if let Some(until) = &step.until {
        sentence.push_str(&format!(", kept until {}", when::date_clock(until, now)));
    }
    if let Some(reason) = &step.reason {
        sentence.push_str(&format!(": {}", text::line(reason)));
    }
    sentence.push('.');
    sentence
}

fn since(first: &str, at: &str) -> String {
    when::between(first, at).map_or_else(String::new, |span| format!("+{}", when::span(span)))
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

    // Only the parts that do not depend on the zone of the machine.
    fn without_times(story: &str) -> String {
        let lines = story.lines().map(|line| match line.split_once("  +") {
            Some((_, rest)) => format!("+{rest}"),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_message_that_waited_for_bob() {
        let timed_out = Some("timed out");
        let why = model::Why {
            id: "m".to_owned(),
            state: State::Delivered,
            to: "bob".to_owned(),
            steps: vec![
                step("00:00.000", What::Sealed, None),
                step("00:00.004", What::Dialed, timed_out),
                step("00:05.004", What::Dialed, timed_out),
                step("00:35.004", What::Dialed, timed_out),
                step("02:10.000", What::Sent, None),
                step("02:10.031", What::Delivered, None),
            ],
            next: None,
        };
        let now: Timestamp = "2026-11-23T10:03:00Z".parse().unwrap();
        let now = now.to_zoned(TimeZone::system());
        let story = story(&why, &now, Out::plain());
        assert!(story.contains(" 3 times, the last at "), "{story}");
        let lines = without_times(&story);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(
            lines[0],
            "The message to bob was delivered 2 min 10 s after it was written."
        );
        assert_eq!(lines[1], "");
        assert!(lines[2].ends_with("+0 ms  Encrypted for device k3fzq7aa…."));
        assert!(
            lines[3].contains("+4 ms  Tried to connect to device k3fzq7aa…: timed out. 3 times")
        );
        assert!(lines[4].ends_with("Written to a live connection to device k3fzq7aa…."));
        assert!(lines[5].ends_with("Stored on device k3fzq7aa…, as its receipt says."));
        assert_eq!(lines[7], "Nothing is left to do.");
    }

    #[test]
    fn what_comes_next_has_its_time() {
        let why = model::Why {
            id: "m".to_owned(),
            state: State::Queued,
            to: "bo\x1bb".to_owned(),
            steps: Vec::new(),
            next: Some(Next {
                at: Some("2026-11-23T10:04:00.000Z".to_owned()),
                what: "bob's node is dialed again".to_owned(),
            }),
        };
        let now: Timestamp = "2026-11-23T10:03:30Z".parse().unwrap();
        let story = story(&why, &now.to_zoned(TimeZone::system()), Out::plain());
        assert!(story.starts_with("The message to bo\\u{1b}b waits in this home"));
        assert!(
            story.ends_with(", in 30 s: bob's node is dialed again."),
            "{story}"
        );
    }
}
