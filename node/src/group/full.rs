//! A real disk that is really full: a small tmpfs, where the tests may mount one.

use crate::dice;
use crate::disk::{RESERVE_BYTES, Watermark};
use crate::home::Home;
use crate::runtime::{Engine, EngineError, Setup};
use crate::store::Disk;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use waxwing_protocol::input::{Command, Input, Moment, Settings};
use waxwing_protocol::output::{Answer, Output};
use waxwing_protocol::store::{Key, ReadExt, StoreError, Table, Tx};

const PATIENCE: Duration = Duration::from_secs(60);
const DISK_MIB: u64 = 80;
const MIB: u64 = 1024 * 1024;

/// A mounted tmpfs; unmounted when dropped.
struct Small(TempDir);

impl Small {
    /// `None`, loudly, where mounting is not allowed.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Process::new("mount")
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

    /// Takes all but `left` bytes of the disk.
    fn fill(&self, left: u64) -> PathBuf {
        let path = self.0.path().join("ballast");
        let free = crate::disk::free_bytes(self.0.path()).unwrap();
        let file = fs::File::create(&path).unwrap();
        let none = rustix::fs::FallocateFlags::empty();
        rustix::fs::fallocate(&file, none, 0, free - left).unwrap();
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Writes the name of a `Rename` many times over, under its number.
fn door(tx: &mut Tx<'_>, _: &mut Moment<'_>, input: Input) -> Result<Vec<Output>, StoreError> {
    let Input::Command {
        reply_to,
        command: Command::Rename { name },
        ..
    } = input
    else {
        return Ok(Vec::new());
    };
    let number = tx.count_up("rows")?;
    let noise = dice::bytes::<20_000>().to_vec();
    tx.put(
        Key::new(Table::Message, *b"rows", number.to_be_bytes()),
        &(name, noise),
    );
    Ok(vec![Output::Reply {
        reply_to,
        result: Ok(Answer::Done),
    }])
}

fn start(root: &Path, free_min: u64) -> Engine {
    let home = Home::open(&root.join("home")).unwrap();
    let place = home.place(home.data_key(None).unwrap());
    let mut disk = Watermark::new(home.root(), home.path("reserve"), free_min);
    disk.look(None).unwrap();
    let store = crate::node::open_store(&home, &place, &mut disk).unwrap();
    let again = home.clone();
    Engine::spawn(Setup {
        store: Box::new(store),
        reopen: Box::new(move || match again.store(&place) {
            Ok(store) => Ok(Box::new(store) as Box<dyn Disk>),
            Err(error) => Err(error.to_string()),
        }),
        disk,
        settings: Settings::default(),
        door,
        keep: Box::new(home),
    })
    .unwrap()
}

async fn write(engine: &Engine) -> Result<(), EngineError> {
    let command = Command::Rename {
        name: "carol".into(),
    };
    engine.handle.command(None, command).await.map(|_| ())
}

/// Rows there are, each of them read.
async fn rows(engine: &Engine) -> u64 {
    let read = engine.handle.query(|store| {
        let counted: u64 = store.row(&Key::one(Table::Meta, "rows"))?.unwrap_or(0);
        for number in 0..counted {
            let key = Key::new(Table::Message, *b"rows", number.to_be_bytes());
            let (name, _): (String, Vec<u8>) = store.row(&key)?.expect("an acknowledged row");
            assert_eq!(name, "carol");
        }
        Ok(counted)
    });
    read.await.unwrap()
}

/// Writes until it is refused; every answer before was an acknowledgement.
async fn write_until_full(engine: &Engine, mut acknowledged: u64) -> u64 {
    let give_up = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < give_up, "the disk never filled");
        match write(engine).await {
            Ok(()) => acknowledged += 1,
            Err(EngineError::ReadOnly) => return acknowledged,
            Err(other) => panic!("{other}"),
        }
    }
}

async fn write_when_there_is_room(engine: &Engine) {
    let give_up = Instant::now() + PATIENCE;
    while let Err(error) = write(engine).await {
        assert!(matches!(error, EngineError::ReadOnly));
        assert!(Instant::now() < give_up, "the mode never ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_mark_it_reads_and_writes_again_once_there_is_room() {
    let Some(small) = Small::mount() else { return };
    let engine = start(small.0.path(), 4 * MIB);
    write(&engine).await.unwrap();
    let ballast = small.fill(3 * MIB);
    let known = write_until_full(&engine, 1).await;
    assert!(engine.handle.disk().read_only);
    assert_eq!(rows(&engine).await, known);
    fs::remove_file(ballast).unwrap();
    write_when_there_is_room(&engine).await;
    assert_eq!(rows(&engine).await, known + 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_somebody_else_filled_loses_nothing_acknowledged() {
    let Some(small) = Small::mount() else { return };
    // No mark: the disk fills up under the store.
    let engine = start(small.0.path(), 0);
    write(&engine).await.unwrap();
    let reserve = small.0.path().join("home/reserve");
    assert_eq!(fs::metadata(&reserve).unwrap().len(), RESERVE_BYTES);
    let ballast = small.fill(2 * MIB);
    let known = write_until_full(&engine, 1).await;
    assert!(engine.handle.disk().read_only && !reserve.exists());
    // The batch that found no room was whole, or was not at all.
    let there = rows(&engine).await;
    assert!((known..=known + 1).contains(&there), "{known} {there}");
    fs::remove_file(ballast).unwrap();
    write_when_there_is_room(&engine).await;
    assert!(reserve.exists());
    assert_eq!(rows(&engine).await, there + 1);
    engine.stop().await;

    // And a start on a full disk reads as well.
    let ballast = small.fill(64 * 1024);
    let engine = start(small.0.path(), MIB);
    assert!(matches!(write(&engine).await, Err(EngineError::ReadOnly)));
    assert_eq!(rows(&engine).await, there + 1);
    fs::remove_file(ballast).unwrap();
    write_when_there_is_room(&engine).await;
    engine.stop().await;
}
