//! Two people who are contacts, each with a node in a process of its own.

use super::client::Caller;
use super::text;
use crate::process::{Person, Transports, until};
use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use tempfile::TempDir;

/// Callers that fill a history: enough to keep the node's groups large.
const FILLERS: usize = 64;

/// Alice, who sends, and bob, who receives.
pub struct Pair {
    /// Sends.
    pub alice: Person,
    /// Receives.
    pub bob: Person,
    program: PathBuf,
    _dir: TempDir,
}

/// This executable under the name `waxwing`: called so, it is the command line.
fn program(dir: &TempDir) -> PathBuf {
    let program = dir.path().join("waxwing");
    let me = std::env::current_exe().expect("a running executable");
    symlink(me, &program).expect("a link in a temporary directory");
    program
}

impl Pair {
    /// Starts both and makes them contacts.
    ///
    /// # Panics
    /// If a node does not do as it should.
    pub fn meet(transports: Transports) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let program = program(&dir);
        let mut alice = Person::new(&program, "alice", transports);
        let mut bob = Person::new(&program, "bob", transports);
        alice.up();
        bob.up();
        let invite = bob.run(&["invite"]).ok();
        let link = invite["link"].as_str().expect("a link");
        let added = alice.run(&["add", link, "--wait", "30s"]).ok();
        assert_eq!(added["state"], "connected");
        Self {
            alice,
            bob,
            program,
            _dir: dir,
        }
    }

    /// Somebody else, whose node does not run yet.
    pub fn person(&self, name: &str, transports: Transports) -> Person {
        Person::new(&self.program, name, transports)
    }

    /// Sends so many messages, so that both homes hold a history.
    ///
    /// # Errors
    /// If a node does not take them.
    pub async fn fill(&mut self, messages: usize) -> io::Result<()> {
        self.send_all(messages).await?;
        tokio::task::block_in_place(|| self.rest());
        Ok(())
    }

    /// Sends so many messages to bob.
    ///
    /// # Errors
    /// If alice's node does not take them.
    pub async fn send_all(&self, messages: usize) -> io::Result<()> {
        let socket = self.alice.socket();
        let mut callers = Vec::new();
        for first in 0..FILLERS {
            let socket = socket.clone();
            callers.push(tokio::spawn(async move {
                let mut caller = Caller::connect(&socket).await?;
                for number in (first..messages).step_by(FILLERS) {
                    caller.send("bob", &text(number)).await?;
                }
                io::Result::Ok(())
            }));
        }
        for caller in callers {
            caller.await.map_err(io::Error::other)??;
        }
        Ok(())
    }

    /// Waits until nothing is on its way any more.
    pub fn rest(&self) {
        until("everything is delivered", || {
            self.alice.get("/v1/status")["outbox"] == 0 && self.bob.get("/v1/status")["outbox"] == 0
        });
    }
}
