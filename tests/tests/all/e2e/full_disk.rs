//! A home on a disk that fills up, and is freed again. Needs root, for a small tmpfs of its own.

use super::{introduce, messages, person, say, until_delivered};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;
use waxwing_tests::process::{Person, run, until};

/// Twice what a node wants to keep free.
const DISK_MIB: u64 = 168;
const MIB: usize = 1024 * 1024;

/// A mounted tmpfs; unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    /// `None`, loudly, where mounting is not allowed.
    fn mount() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={DISK_MIB}m"))
            .arg("tmpfs")
            .arg(dir.path())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(dir));
        }
        eprintln!("SKIPPED: no small disk can be mounted here (needs root)");
        None
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Takes so many MiB of the disk, or all that is left if that is less.
    fn fill(&self, mib: usize) {
        let mut file = fs::File::create(self.ballast()).unwrap();
        let piece = vec![0xaa; MIB];
        for _ in 0..mib {
            if std::io::Write::write_all(&mut file, &piece).is_err() {
                break;
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn is_read_only(person: &Person) -> bool {
    person.get("/v1/status")["disk"]["read_only"] == true
}

fn assert_reads_only(alice: &Person, kept: usize) {
    let refused = alice.run(&["send", "bob", "no room for this"]);
    let error = refused.error(1);
    assert_eq!(error["code"], "disk_full");
    assert!(error["hint"].is_string());
    let read = alice.run(&["read", "bob", "--peek"]);
    assert_eq!(read.ok_lines().len(), kept);
    assert_eq!(alice.run(&["contacts"]).ok()["name"], "bob");
    let plain = run(alice.command(["status"]));
    assert!(plain.out.contains("too little"), "{plain:?}");
}

#[test]
fn a_full_disk_is_reported_loses_nothing_and_heals() {
    // Before the people: it goes after them.
    let Some(disk) = Disk::mount() else {
        return;
    };
    let mut alice = person("alice");
    alice.move_to(disk.0.path().join("home"));
    let mut bob = person("bob");
    alice.up();
    bob.up();
    introduce(&alice, &bob);
    let id = say(&alice, "bob", "while there is room");
    until_delivered(&alice, &id);
    assert!(!is_read_only(&alice));

    // Down to the mark: the node stops writing while there still is some room.
    disk.fill(92);
    until("the node notices", || is_read_only(&alice));
    assert_reads_only(&alice, 1);
    let waiting = say(&bob, "alice", "waits until you have room");
    disk.free();
    until("the node goes on", || !is_read_only(&alice));
    until_delivered(&bob, &waiting);
    let id = say(&alice, "bob", "there is room again");
    until_delivered(&alice, &id);

    // All of it at once, and everything killed: what was acknowledged is there.
    disk.fill(usize::MAX);
    until("the node notices", || is_read_only(&alice));
    assert_reads_only(&alice, 3);
    alice.kill();
    alice.up();
    assert!(is_read_only(&alice));
    assert_reads_only(&alice, 3);
    disk.free();
    until("the node goes on", || !is_read_only(&alice));
    until("they are connected", || alice.reaches("bob"));
    let id = say(&alice, "bob", "nothing was lost");
    until_delivered(&alice, &id);
    for list in [messages(&alice, "bob"), messages(&bob, "alice")] {
        let texts: Vec<&str> = list.iter().map(|m| m["text"].as_str().unwrap()).collect();
        let said = [
            "while there is room",
            "waits until you have room",
            "there is room again",
            "nothing was lost",
        ];
        assert_eq!(texts, said);
    }
}
