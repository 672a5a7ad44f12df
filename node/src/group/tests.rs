//! The engine's thread against a door whose every step is known.

use crate::disk::Watermark;
use crate::runtime::{Ended, Engine, EngineError, EngineHandle, Network, Setup};
use crate::store::{Disk, Rest};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{Command, Input, Moment, Reach, SendError, Settings};
use waxwing_protocol::output::{Answer, Output};
use waxwing_protocol::private::Bytes;
use waxwing_protocol::store::{
    Batch, Key, MemoryStore, Read, ReadExt, Rows, Span, Store, StoreError, Table, Tx,
};
use waxwing_protocol::time::Secs;

const PATIENCE: Duration = Duration::from_secs(30);

fn alice() -> Peer {
    Peer::from_slice(&[1; 32]).unwrap()
}

fn log() -> Span {
    Span::all(Table::Change, *b"log", 1_000)
}

/// Writes every input down. A `Rename` also answers, speaks, tells and asks to be woken; one to
/// "read" changes nothing; one to "bug" panics.
fn door(tx: &mut Tx<'_>, at: &mut Moment<'_>, input: Input) -> Result<Vec<Output>, StoreError> {
    let (word, outputs) = match input {
        Input::Command {
            reply_to,
            command: Command::Rename { name },
            ..
        } => {
            assert_ne!(name, "bug");
            let mut outputs = vec![Output::Reply {
                reply_to,
                result: Ok(Answer::Done),
            }];
            if name == "read" {
                return Ok(outputs);
            }
            outputs.extend([
                Output::Send {
                    to: alice(),
                    id: 7,
                    bytes: name.clone().into_bytes(),
                },
                Output::Notify { cursor: at.now },
                Output::WakeAt(at.now),
            ]);
            (name, outputs)
        }
        Input::Frame { bytes, .. } if bytes == b"bug" => {
            tx.put(
                Key::new(Table::Change, *b"log", [0xff; 8]),
                &"half".to_owned(),
            );
            panic!("a frame that meets a bug")
        }
        other => (super::kind(&other).to_owned(), Vec::new()),
    };
    let number = tx.count_up("log")?;
    tx.put(
        Key::new(Table::Change, *b"log", number.to_be_bytes()),
        &word,
    );
    Ok(outputs)
}

/// What happened to the store and the network, in order.
type Story = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
struct Told {
    store: Arc<Mutex<MemoryStore>>,
    story: Story,
    /// The next batch fails with this.
    fail: Arc<Mutex<Option<StoreError>>>,
    bloated: bool,
    /// It comes to rest once it was closed and opened anew; `None`: at once.
    swollen: Option<bool>,
}

impl Read for Told {
    fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        self.store.lock().unwrap().get(key)
    }

    fn scan(&self, span: &Span) -> Result<Rows, StoreError> {
        self.store.lock().unwrap().scan(span)
    }
}

impl Store for Told {
    fn apply(&mut self, batch: Batch) -> Result<(), StoreError> {
        if let Some(error) = self.fail.lock().unwrap().take() {
            return Err(error);
        }
        self.story.lock().unwrap().push("apply".into());
        self.store.lock().unwrap().apply(batch)
    }
}

impl Disk for Told {
    fn maintain(&mut self, _: Secs) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn used_bytes(&self) -> Result<u64, StoreError> {
        Ok(42)
    }

    fn rest(&mut self) -> Result<Rest, StoreError> {
        let (word, rest) = match self.swollen {
            None => return Ok(Rest::Done),
            Some(true) => ("swollen", Rest::Anew),
            Some(false) => ("rest", Rest::Done),
        };
        self.story.lock().unwrap().push(word.into());
        Ok(rest)
    }

    fn is_bloated(&self) -> bool {
        self.bloated
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        self.story.lock().unwrap().push("compact".into());
        Ok(())
    }
}

/// Sends nothing to a name that begins with `no`.
struct Wire(Story);

impl Network for Wire {
    fn send(&self, _: Peer, _: u64, bytes: Vec<u8>) -> Result<(), SendError> {
        if bytes.starts_with(b"no") {
            return Err(SendError::Busy);
        }
        let text = String::from_utf8(bytes).unwrap();
        self.0.lock().unwrap().push(format!("send {text}"));
        Ok(())
    }

    fn dial(&self, _: Peer, _: Vec<String>) {}

    fn penalty(&self, _: Peer, points: u32) {
        self.0.lock().unwrap().push(format!("penalty {points}"));
    }
}

struct Stage {
    engine: Engine,
    story: Story,
    fail: Arc<Mutex<Option<StoreError>>>,
    /// What happened at the start.
    begun: Vec<String>,
    _home: TempDir,
}

impl Stage {
    async fn new() -> Self {
        Self::with(false, None).await
    }

    async fn with(bloated: bool, swollen: Option<bool>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let told = Told {
            store: Arc::default(),
            story: Story::default(),
            fail: Arc::default(),
            bloated,
            swollen,
        };
        let (story, fail) = (told.story.clone(), told.fail.clone());
        let again = Told {
            swollen: swollen.map(|_| false),
            ..told.clone()
        };
        let setup = Setup {
            store: Box::new(told),
            reopen: Box::new(move || Ok(Box::new(again.clone()))),
            disk: Watermark::new(home.path(), home.path().join("reserve"), 1),
            settings: Settings::default(),
            door,
            keep: Box::new(()),
        };
        let engine = Engine::spawn(setup).unwrap();
        let network = Box::new(Wire(story.clone()));
        engine.handle.attach(network).await.unwrap();
        let start = Input::Start { listen: vec![] };
        engine.handle.input(start).await.unwrap();
        // Nothing of the beginning is in the story.
        assert_eq!(words(&engine.handle).await, ["start"]);
        let begun = std::mem::take(&mut *story.lock().unwrap());
        Self {
            engine,
            story,
            fail,
            begun,
            _home: home,
        }
    }

    fn handle(&self) -> EngineHandle {
        self.engine.handle.clone()
    }

    /// Keeps the thread busy until the sender is dropped.
    async fn hold(&self) -> mpsc::Sender<()> {
        let (go, wait) = mpsc::channel::<()>();
        let (began, busy) = tokio::sync::oneshot::channel();
        let handle = self.handle();
        tokio::spawn(async move {
            let held = handle.query(move |_| {
                let _ = began.send(());
                let _ = wait.recv();
                Ok(())
            });
            held.await
        });
        busy.await.unwrap();
        go
    }
}

async fn words(handle: &EngineHandle) -> Vec<String> {
    handle
        .query(|store| store.rows::<String>(&log()))
        .await
        .unwrap()
        .into_iter()
        .map(|(_, word)| word)
        .collect()
}

async fn rename(handle: &EngineHandle, name: &str) -> Result<(), EngineError> {
    let command = Command::Rename { name: name.into() };
    handle.command(None, command).await.map(|answer| {
        assert_eq!(answer, Ok(Answer::Done));
    })
}

/// Polls until the words are these.
async fn settle(handle: &EngineHandle, expected: &[&str]) {
    let give_up = Instant::now() + PATIENCE;
    while words(handle).await != expected {
        assert!(Instant::now() < give_up, "{:?}", words(handle).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_queued_up_is_one_batch_and_speaks_after_it() {
    let stage = Stage::new().await;
    let handle = stage.handle();
    let go = stage.hold().await;
    let asks: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let handle = stage.handle();
            async move { rename(&handle, name).await.unwrap() }
        })
        .collect();
    let all = tokio::spawn(futures::future::join_all(asks));
    // All three are in the queue once a fourth ask could be queued behind them.
    let give_up = Instant::now() + PATIENCE;
    while stage.engine.handle.queued() < 3 {
        assert!(Instant::now() < give_up);
        tokio::task::yield_now().await;
    }
    drop(go);
    all.await.unwrap();
    // What was due because of them was done in the same group.
    assert_eq!(words(&handle).await, ["start", "a", "b", "c", "wake"]);
    // A later query was answered, so everything of the group was performed.
    let story = stage.story.lock().unwrap().clone();
    assert_eq!(story, ["apply", "send a", "send b", "send c"]);
    assert!(*handle.cursor().borrow() > 0);
    assert_eq!(stage.engine.stop().await, Ended::Stopped);
    assert!(matches!(
        rename(&handle, "late").await,
        Err(EngineError::Gone)
    ));
}

#[tokio::test]
async fn a_refused_frame_comes_back_in_a_later_group() {
    let stage = Stage::new().await;
    rename(&stage.handle(), "no way").await.unwrap();
    settle(&stage.handle(), &["start", "no way", "wake", "undelivered"]).await;
}

#[tokio::test]
async fn nothing_to_write_is_no_batch_and_a_lost_asker_changes_nothing() {
    let stage = Stage::new().await;
    let handle = stage.handle();
    rename(&handle, "read").await.unwrap();
    assert!(stage.story.lock().unwrap().is_empty());
    let go = stage.hold().await;
    let asker = tokio::spawn({
        let handle = stage.handle();
        async move { rename(&handle, "lost").await }
    });
    let give_up = Instant::now() + PATIENCE;
    while handle.queued() < 1 {
        assert!(Instant::now() < give_up);
        tokio::task::yield_now().await;
    }
    asker.abort();
    drop(go);
    settle(&handle, &["start", "lost", "wake"]).await;
}

#[tokio::test]
async fn a_query_with_a_bug_ends_alone() {
    let stage = Stage::new().await;
    let handle = stage.handle();
    let buggy = handle.query(|_| -> Result<(), StoreError> { panic!("in a query") });
    assert!(buggy.await.is_err());
    assert_eq!(words(&handle).await, ["start"]);
}

#[tokio::test]
async fn a_failed_batch_ends_the_thread_and_says_nothing_outside() {
    let stage = Stage::new().await;
    *stage.fail.lock().unwrap() = Some(StoreError::Failed("broken".into()));
    let answer = rename(&stage.handle(), "a").await;
    assert!(matches!(answer, Err(EngineError::Gone)));
    let end = stage.engine.ended().await;
    assert_eq!(end, Ended::Failed("the store failed: broken".into()));
    assert!(stage.story.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_engine_with_a_bug_ends_as_failed() {
    let stage = Stage::new().await;
    assert!(rename(&stage.handle(), "bug").await.is_err());
    assert!(matches!(stage.engine.ended().await, Ended::Failed(_)));
}

#[tokio::test]
async fn a_full_disk_is_read_only_until_there_is_room_and_forgets_nobody() {
    let stage = Stage::new().await;
    let handle = stage.handle();
    *stage.fail.lock().unwrap() = Some(StoreError::Full);
    let go = stage.hold().await;
    let up = Input::Up {
        peer: alice(),
        how: Reach::Direct,
    };
    handle.input(up).await.unwrap();
    let asker = tokio::spawn({
        let handle = stage.handle();
        async move { rename(&handle, "too much").await }
    });
    let give_up = Instant::now() + PATIENCE;
    while handle.queued() < 2 {
        assert!(Instant::now() < give_up);
        tokio::task::yield_now().await;
    }
    drop(go);
    let refused = asker.await.unwrap();
    assert!(matches!(refused, Err(EngineError::ReadOnly)));
    assert!(stage.story.lock().unwrap().is_empty());
    // The disk of the test has room, so the mode ends by itself; the connection is told then.
    let give_up = Instant::now() + PATIENCE;
    while handle.disk().read_only {
        assert!(Instant::now() < give_up);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(handle.disk().used_bytes, 42);
    rename(&handle, "fits").await.unwrap();
    let told = words(&handle).await;
    assert_eq!(told.iter().filter(|word| *word == "up").count(), 1);
    assert!(told.contains(&"fits".to_owned()));
}

#[tokio::test]
async fn a_frame_that_meets_a_bug_costs_its_sender_the_connection_and_us_nothing() {
    let stage = Stage::new().await;
    let handle = stage.handle();
    for bytes in [b"good".to_vec(), b"bug".to_vec(), b"good".to_vec()] {
        let from = alice();
        handle.input(Input::Frame { from, bytes }).await.unwrap();
    }
    // What the bad frame wrote before it fell is gone with it.
    settle(&handle, &["start", "frame", "frame"]).await;
    rename(&handle, "alive").await.unwrap();
    let story = stage.story.lock().unwrap().clone();
    let charged = format!("penalty {}", super::BUG_POINTS);
    assert_eq!(story.iter().filter(|line| **line == charged).count(), 1);
}

#[tokio::test]
async fn a_database_that_is_mostly_dead_is_compacted_after_the_start() {
    for bloated in [false, true] {
        let stage = Stage::with(bloated, None).await;
        let copies = stage.begun.iter().filter(|word| *word == "compact");
        assert_eq!(copies.count(), usize::from(bloated));
        stage.engine.stop().await;
    }
}

#[tokio::test]
async fn a_node_without_work_comes_to_rest_and_goes_on_from_there() {
    let stage = Stage::with(false, Some(true)).await;
    let mut story = stage.begun.clone();
    let rests = |story: &[String]| -> Vec<String> {
        let rest = |word: &&String| *word == "swollen" || *word == "rest";
        story.iter().filter(rest).cloned().collect()
    };
    let mut expected = vec!["swollen", "rest"];
    for _ in 0..2 {
        let give_up = Instant::now() + PATIENCE;
        while rests(&story) != expected {
            assert!(Instant::now() < give_up, "{story:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
            story.append(&mut stage.story.lock().unwrap());
        }
        // Nothing is lost by it, and what is written afterwards ends in rest again.
        rename(&stage.handle(), "on").await.unwrap();
        assert!(
            words(&stage.handle())
                .await
                .starts_with(&["start".to_owned()])
        );
        expected.push("rest");
    }
    stage.engine.stop().await;
}
