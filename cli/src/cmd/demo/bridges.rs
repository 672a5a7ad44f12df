//! The second act: two bridges, and two people who are never there at the same time.

use super::cast::Stage;
use super::script::{reaches, send, tell, until};
use crate::client::{Client, Key};
use crate::error::CliError;
use crate::out::Out;
use std::time::Duration;
use waxwing_node::api::model::{Bridge, BridgeRequest, BridgeState, MessageList, State, Status};

/// What waits at the bridges.
pub(super) const NIGHT: &str = "Good night. You will read this when I am asleep.";
/// Name of the home, country, operator.
const BRIDGES: [(&str, &str, &str); 2] = [
    ("harbour", "MY", "Harbour Library"),
    ("river", "PT", "River Cooperative"),
];

const LOOK: Duration = Duration::from_millis(50);
/// Looks in a row at which nothing is on its way: then everybody has told everybody.
const QUIET_LOOKS: u32 = 20;

pub(super) async fn play(stage: &mut Stage, out: Out) -> Result<(), CliError> {
    let say = |line: &str| out.narrate(line);
    let (alice, bob) = (stage.client("alice"), stage.client("bob"));
    say(&format!(
        "\n{}",
        out.bold("Two bridges open. Alice and bob keep a mailbox at both.")
    ))?;
    for (name, country, operator) in BRIDGES {
        let ready = stage.open_bridge(name, country, operator).await?;
        let descriptor = ready.bridge.unwrap_or_default();
        for client in [&alice, &bob] {
            let descriptor = descriptor.clone();
            let wish = BridgeRequest { descriptor };
            let _: Bridge = client.post("/v1/bridges", &wish, Key::Fresh).await?;
        }
        say(&format!("  {operator}, {country}"))?;
    }
    told(&[&alice, &bob]).await?;

    say(&format!(
        "\n{}",
        out.bold("Bob's node is off. Alice writes, and then hers is off too.")
    ))?;
    stage.kill("bob").await?;
    let night = send(&alice, "bob", NIGHT, None).await?;
    reaches(&alice, &night, State::Held).await?;
    say(&format!("  alice: {NIGHT}"))?;
    stage.kill("alice").await?;

    say(&format!(
        "\n{}",
        out.bold("Bob's node starts. Nobody else is there but the bridges.")
    ))?;
    stage.enter("bob").await?;
    until(&bob, async || {
        let path = "/v1/contacts/alice/messages?limit=1";
        let newest: MessageList = bob.get(path).await?;
        Ok(newest
            .messages
            .iter()
            .any(|m| m.text.as_deref() == Some(NIGHT)))
    })
    .await?;
    say(&format!("  bob reads: {NIGHT}"))?;

    stage.enter("alice").await?;
    reaches(&alice, &night, State::Delivered).await?;
    say("  Alice's node is back. Where was it meanwhile? `waxwing why` says:")?;
    tell(&alice, &night, out).await
}

/// Waits until everybody's mailboxes are open and their contacts know of them.
async fn told(clients: &[&Client]) -> Result<(), CliError> {
    let mut quiet = 0;
    // The play as a whole has a bound.
    while quiet < QUIET_LOOKS {
        tokio::time::sleep(LOOK).await;
        quiet += 1;
        for client in clients {
            let status: Status = client.get("/v1/status").await?;
            let open = |bridge: &Bridge| bridge.state == BridgeState::Connected;
            if status.outbox > 0 || !status.bridges.iter().all(open) {
                quiet = 0;
            }
        }
    }
    Ok(())
}
