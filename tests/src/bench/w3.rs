//! w3: a receiver that was away: from the start of its node until everything that was sent meanwhile
//! is shown and durable there. A bridge holds what it holds; the sender is up.

use super::figures::Figures;
use super::pair::Pair;
use crate::process::{Person, Transports, until};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(5);
/// Nothing comes any more after so long: what did not come is lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// Looks in a row at which nothing waits: then everybody has told everybody.
const QUIET_LOOKS: u32 = 40;

/// A bridge on this machine.
fn bridge(pair: &Pair, transports: Transports) -> io::Result<Person> {
    let mut bridge = pair.person("bridge", transports);
    fs::create_dir(bridge.home())?;
    fs::set_permissions(bridge.home(), fs::Permissions::from_mode(0o700))?;
    let text = "[bridge]\ncountry = \"MY\"\noperator = \"bench\"\n";
    fs::write(bridge.home().join("config.toml"), text)?;
    bridge.up();
    Ok(bridge)
}

fn settle(pair: &Pair) {
    let mut quiet = 0;
    until("mailboxes are open and contacts know", || {
        let calm = [&pair.alice, &pair.bob].iter().all(|person| {
            person.get("/v1/status")["outbox"] == 0
                && person.get("/v1/bridges")["bridges"][0]["state"] == "connected"
        });
        quiet = if calm { quiet + 1 } else { 0 };
        quiet == QUIET_LOOKS
    });
}

/// Sends so many messages to bob, who is away, and measures his return.
///
/// # Errors
/// If a node fails.
pub async fn run(pair: &mut Pair, messages: usize, over: Transports) -> io::Result<Figures> {
    let bridge = tokio::task::block_in_place(|| -> io::Result<Person> {
        let bridge = bridge(pair, over)?;
        let descriptor = bridge.ready()["bridge"].as_str().unwrap_or_default();
        for person in [&pair.alice, &pair.bob] {
            person.run(&["bridges", "add", descriptor]).ok();
        }
        settle(pair);
        pair.bob.stop();
        Ok(bridge)
    })?;
    pair.send_all(messages).await?;
    let figures = tokio::task::block_in_place(|| {
        // As many as may be sealed before a receipt.
        let mut held = 0;
        let mut same = 0;
        until("the bridge has what it is given", || {
            let now = bridge.get("/v1/bridge")["blocks"].as_u64().unwrap_or(0);
            same = if now == held && now > 0 { same + 1 } else { 0 };
            held = now;
            same == QUIET_LOOKS
        });
        let unread = |pair: &Pair| pair.bob.get("/v1/contacts/alice")["unread"].as_u64();
        let began = Instant::now();
        pair.bob.up();
        let ready = began.elapsed();
        let mut shown = 0;
        while shown < messages as u64 && began.elapsed() < PATIENCE {
            std::thread::sleep(LOOK);
            shown = unread(pair).unwrap_or(0);
        }
        let took = began.elapsed();
        std::thread::sleep(Duration::from_secs(2));
        let after = unread(pair).unwrap_or(0);
        let mut figures = Figures::default();
        figures.word("workload", "w3");
        figures.count("messages", messages);
        figures.add("seconds", took.as_secs_f64());
        figures.add("ready_s", ready.as_secs_f64());
        figures.count("held_at_bridge", usize::try_from(held).unwrap_or(0));
        figures.count("lost", messages - usize::try_from(shown).unwrap_or(0));
        let more = after.saturating_sub(messages as u64);
        figures.count("duplicated", usize::try_from(more).unwrap_or(0));
        figures
    });
    Ok(figures)
}
