//! The play. Whatever it says, it has checked.

use super::bridges;
use super::cast::Stage;
use crate::client::{Client, Key, segment};
use crate::cmd::why::story;
use crate::error::CliError;
use crate::events::Subscription;
use crate::out::Out;
use crate::when;
use jiff::Zoned;
use serde::Serialize;
use std::time::{Duration, Instant};
use waxwing_node::api::model::{
    AddRequest, Added, Contact, ContactState, Invite, InviteRequest, Message, MessageList, Reach,
    ReactRequest, SendRequest, Sent, State, What, Why,
};

const HELLO: &str = "Hi alice, it's bob. Is this thing on?";
const ANSWER: &str = "Loud and clear. No server anywhere.";
const EMOJI: &str = "🎉";
const MISSED: [&str; 3] = [
    "Bob? You went quiet.",
    "I'll keep talking: this waits in my home until you are back.",
    "Tell me when you see this.",
];
const BACK: &str = "Back again. Everything arrived.";

/// A node notices within 3 s that a peer was killed while something waits for its receipt.
const NOTICE_TIME_MAX: Duration = Duration::from_secs(4);

/// A message is looked after 5 s after it was written: whoever is away by then is dialed.
const DIAL_TIME_MAX: Duration = Duration::from_secs(6);
const DIAL_POLL: Duration = Duration::from_millis(100);

/// What was checked in the end.
#[derive(Serialize)]
pub(super) struct Tally {
    /// Messages that both sides have.
    messages: usize,
    /// Messages that one side lacks, or has twice.
    lost: usize,
}

#[derive(Serialize)]
struct Curtain<'a> {
    event: &'a str,
    messages: usize,
    lost: usize,
    took_ms: u64,
}

pub(super) async fn play(stage: &mut Stage, out: Out) -> Result<Tally, CliError> {
    let say = |line: &str| out.narrate(line);
    say(&out.bold("Two nodes start on this machine: alice's and bob's."))?;
    for name in ["alice", "bob"] {
        let ready = stage.enter(name).await?;
        say(&format!(
            "  {name} is {}",
            crate::show::brief(&ready.account)
        ))?;
    }
    let (alice, bob) = (stage.client("alice"), stage.client("bob"));

    say(&format!(
        "\n{}",
        out.bold("Alice makes an invite; bob takes it up.")
    ))?;
    meet(&alice, &bob).await?;
    say("  Both sides know each other now. From here on all is end-to-end encrypted.")?;

    say(&format!("\n{}", out.bold("They talk.")))?;
    let hello = send(&bob, "alice", HELLO, None).await?;
    reaches(&bob, &hello, State::Delivered).await?;
    say(&format!("  bob:   {HELLO}"))?;
    let answer = send(&alice, "bob", ANSWER, Some(&hello.id)).await?;
    reaches(&alice, &answer, State::Delivered).await?;
    say(&format!("  alice: {ANSWER}"))?;
    let path = format!("/v1/messages/{}/reactions", segment(&answer.id));
    let emoji = EMOJI.to_owned();
    let _: Sent = bob.post(&path, &ReactRequest { emoji }, Key::Fresh).await?;
    until(&alice, async || {
        let message: Message = alice.get(&format!("/v1/messages/{}", answer.id)).await?;
        Ok(message
            .reactions
            .iter()
            .any(|r| r.emoji == EMOJI && !r.mine))
    })
    .await?;
    say(&format!("  bob reacts: {EMOJI}"))?;

    say(&format!(
        "\n{}",
        out.bold("Bob's node is killed: SIGKILL, no goodbye. Alice talks on.")
    ))?;
    stage.kill("bob").await?;
    let killed = Instant::now();
    let mut missed = Vec::new();
    for (at, text) in MISSED.into_iter().enumerate() {
        missed.push(send(&alice, "bob", text, None).await?);
        say(&format!("  alice: {text}"))?;
        // What she said first is what her node wonders about.
        if at == 0 && is_away(&alice, "bob").await? {
            let span = when::span(killed.elapsed());
            say(&format!(
                "  ({span} after the kill, her node knows that bob is away)"
            ))?;
        }
    }
    say(&format!(
        "\n{}",
        out.bold("Where is the last of them? Alice asks `waxwing why`:")
    ))?;
    let last = &missed[missed.len() - 1];
    dialed(&alice, last).await?;
    tell(&alice, last, out).await?;

    say(&format!(
        "\n{}",
        out.bold("Bob's node starts again, from what its disk holds.")
    ))?;
    stage.enter("bob").await?;
    for sent in &missed {
        reaches(&alice, sent, State::Delivered).await?;
    }
    say("  All of it is delivered. Asked again, `waxwing why` says:")?;
    tell(&alice, last, out).await?;
    let back = send(&bob, "alice", BACK, None).await?;
    reaches(&bob, &back, State::Delivered).await?;
    say(&format!("\n  bob:   {BACK}"))?;

    bridges::play(stage, out).await?;
    check(&alice, &bob).await
}

/// Says how it ended, and what to try next.
pub(super) fn finish(tally: &Tally, took: Duration, out: Out) -> Result<(), CliError> {
    if tally.lost > 0 {
        return Err(CliError::failed(
            "lost",
            format!("{} messages were lost or doubled on the way", tally.lost),
        ));
    }
    if out.is_json() {
        return out.object(
            &Curtain {
                event: "done",
                messages: tally.messages,
                lost: tally.lost,
                took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            },
            String::new,
        );
    }
    out.line(&format!(
        "\n{} messages, none lost, none doubled, in {}. Everything is cleaned up.\n\n\
         Now you:\n  \
         waxwing up --name YOU       start your own node\n  \
         waxwing invite              a link for a friend\n  \
         waxwing add LINK            take up theirs\n  \
         waxwing chat NAME           talk",
        tally.messages,
        when::span(took),
    ))
}

async fn meet(alice: &Client, bob: &Client) -> Result<(), CliError> {
    let invite: Invite = alice
        .post("/v1/invites", &InviteRequest::default(), Key::Fresh)
        .await?;
    let wish = AddRequest {
        link: invite.link,
        name: Some("alice".to_owned()),
        note: None,
    };
    let _: Added = bob.post("/v1/contacts", &wish, Key::Fresh).await?;
    for (client, other) in [(bob, "alice"), (alice, "bob")] {
        let path = format!("/v1/contacts/{other}");
        until(client, async || match client.get::<Contact>(&path).await {
            Ok(contact) => Ok(contact.state == ContactState::Connected),
            // Alice hears of bob only when his first words arrive.
            Err(error) if error.code == "not_found" => Ok(false),
            Err(error) => Err(error),
        })
        .await?;
    }
    Ok(())
}

/// Waits until a node has noticed that a contact went away; says whether it has.
async fn is_away(client: &Client, name: &str) -> Result<bool, CliError> {
    let path = format!("/v1/contacts/{name}");
    let noticed = until(client, async || {
        let contact: Contact = client.get(&path).await?;
        Ok(contact.reach == Reach::Away)
    });
    match tokio::time::timeout(NOTICE_TIME_MAX, noticed).await {
        Ok(result) => result.map(|()| true),
        // Nothing is wrong: the play goes on without it.
        Err(_) => Ok(false),
    }
}

/// Waits a while until a node has tried to reach the other side: then there is more to tell.
async fn dialed(client: &Client, sent: &Sent) -> Result<(), CliError> {
    let path = format!("/v1/messages/{}/why", sent.id);
    let since = Instant::now();
    while since.elapsed() < DIAL_TIME_MAX {
        let why: Why = client.get(&path).await?;
        if why.steps.iter().any(|step| step.what == What::Dialed) {
            break;
        }
        // Tries are no changes that anybody is told of.
        tokio::time::sleep(DIAL_POLL).await;
    }
    Ok(())
}

pub(super) async fn send(
    client: &Client,
    to: &str,
    text: &str,
    reply_to: Option<&str>,
) -> Result<Sent, CliError> {
    let wish = SendRequest {
        text: text.to_owned(),
        reply_to: reply_to.map(str::to_owned),
    };
    let path = format!("/v1/contacts/{to}/messages");
    client.post(&path, &wish, Key::Fresh).await
}

pub(super) async fn reaches(client: &Client, sent: &Sent, wanted: State) -> Result<(), CliError> {
    let path = format!("/v1/messages/{}", sent.id);
    until(client, async || {
        let message: Message = client.get(&path).await?;
        if message.state.is_end() {
            let word = message.state.word();
            return Err(CliError::failed("lost", format!("a message was {word}")));
        }
        Ok(message.state.meets(wanted))
    })
    .await
}

/// Waits until something is so, looking again after every change. The play as a whole has a bound.
pub(super) async fn until(
    client: &Client,
    mut so: impl AsyncFnMut() -> Result<bool, CliError>,
) -> Result<(), CliError> {
    let mut heard = Subscription::now(client).await?;
    while !so().await? {
        heard.next().await?;
    }
    Ok(())
}

pub(super) async fn tell(client: &Client, sent: &Sent, out: Out) -> Result<(), CliError> {
    let message: Message = client.get(&format!("/v1/messages/{}", sent.id)).await?;
    let why: Why = client.get(&format!("/v1/messages/{}/why", sent.id)).await?;
    for line in story(&message, &why, &Zoned::now(), out).lines() {
        out.narrate(&format!("  | {line}"))?;
    }
    Ok(())
}

/// Compares what both sides hold, message by message, with what was said.
async fn check(alice: &Client, bob: &Client) -> Result<Tally, CliError> {
    let hers: MessageList = alice.get("/v1/contacts/bob/messages?limit=100").await?;
    let his: MessageList = bob.get("/v1/contacts/alice/messages?limit=100").await?;
    let mut said = vec![HELLO, ANSWER];
    said.extend(MISSED);
    said.extend([BACK, bridges::NIGHT]);
    Ok(Tally {
        messages: said.len(),
        lost: wrong(&said, &hers.messages) + wrong(&said, &his.messages),
    })
}

/// How far a conversation is from what was said, in this order.
fn wrong(said: &[&str], held: &[Message]) -> usize {
    let held: Vec<&str> = held
        .iter()
        .filter_map(|message| message.text.as_deref())
        .collect();
    let differing = said.iter().zip(&held).filter(|(a, b)| a != b).count();
    differing + said.len().abs_diff(held.len())
}
