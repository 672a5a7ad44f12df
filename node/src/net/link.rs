//! One link: reads frames for the engine, writes what the engine sends.
//!
//! On the stream every item begins with a big-endian u32: a length from 1 to
//! [`FRAME_BYTES_MAX`] and that many bytes, or [`PROBE`], or [`ALIVE`]. Anything else closes the
//! link.

use super::links::{Links, Outgoing, Place, Queue};
use super::pulse::{Act, Pulse, Sign};
use crate::runtime::EngineHandle;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, timeout};
use waxwing_protocol::limits::FRAME_BYTES_MAX;

/// Asks for a sign of life.
const PROBE: u32 = 0;
/// The answer to a probe, also given unasked.
const ALIVE: u32 = u32::MAX;

const _: () = assert!(FRAME_BYTES_MAX < ALIVE as usize);

/// Bytes that are read at once; larger frames are read straight into their place.
const READ_BYTES: usize = 16 * 1024;
/// Frames are gathered into one write until it holds this much.
const WRITE_BYTES: usize = 64 * 1024;
/// An idle link keeps a write buffer of this size.
const WRITE_KEEP_BYTES: usize = 16 * 1024;
/// Once one direction has ended, the other may go on this long: what the peer wrote before it
/// closed is read, what waits here is written.
const DRAIN: Duration = Duration::from_secs(1);
/// One write that takes longer than this ends the link: a peer that gives signs of life but does
/// not read must not hold on to the memory that all queues share.
const STALL: Duration = Duration::from_secs(30);

/// Why a link ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The stream ended or broke.
    Closed,
    /// The peer wrote something that is no frame.
    Nonsense,
    /// The peer gave no sign of life.
    Silent,
    /// Another link is used instead.
    Surplus,
    /// The engine has ended.
    NoEngine,
}

/// Serves a link until it ends. Afterwards the link is out of the table and the engine knows.
/// `may_give_up`: this side is the one that closes surplus links. `began`: now, but for tests.
pub(super) async fn serve<S>(
    began: Instant,
    stream: S,
    (place, mut queue): (Place, Queue),
    links: &Links,
    engine: &EngineHandle,
    may_give_up: bool,
) -> End
where
    S: AsyncRead + AsyncWrite + Send,
{
    let mut unwritten = Vec::new();
    let end = {
        let (input, output) = stream.split();
        let link = Link {
            began,
            pulse: Mutex::default(),
            place: &place,
            links,
            engine,
            may_give_up,
        };
        link.run(input, output, &mut queue, &mut unwritten).await
    };
    links.leave(place, queue, unwritten, engine).await;
    end
}

struct Link<'a> {
    began: Instant,
    /// Never contended: reader, writer and watch are one task. The lock only makes it `Sync`.
    pulse: Mutex<Pulse>,
    place: &'a Place,
    links: &'a Links,
    engine: &'a EngineHandle,
    may_give_up: bool,
}

impl Link<'_> {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reader, writer and watch take turns in one task: a frame needs no hop between tasks.
    async fn run(
        &self,
        input: impl AsyncRead + Unpin,
        output: impl AsyncWrite + Unpin,
        queue: &mut Queue,
        unwritten: &mut Vec<u64>,
    ) -> End {
        let mut reader = pin!(self.read(input));
        let mut writer = pin!(self.write(output, queue, unwritten));
        let mut watch = pin!(Watch::new(self));
        let mut writing = true;
        let mut drain = pin!(tokio::time::sleep(DRAIN));
        poll_fn(|cx| {
            if let Poll::Ready(end) = reader.as_mut().poll(cx) {
                return Poll::Ready(end);
            }
            loop {
                if writing && writer.as_mut().poll(cx).is_ready() {
                    writing = false;
                    drain.as_mut().reset(Instant::now() + DRAIN);
                }
                if !writing {
                    return drain.as_mut().poll(cx).map(|()| End::Closed);
                }
                match watch.as_mut().poll(cx) {
                    // A sign is due: the writer has another turn.
                    Poll::Ready(None) => {}
                    Poll::Ready(Some(end)) => return Poll::Ready(end),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Reads until the stream ends, breaks, or says nonsense.
    async fn read(&self, input: impl AsyncRead + Unpin) -> End {
        let mut input = Input::new(input);
        loop {
            let length = match input.head(self).await {
                Ok(PROBE) => {
                    self.pulse().read_probe();
                    continue;
                }
                Ok(ALIVE) => continue,
                Ok(length) => length as usize,
                Err(end) => return end,
            };
            if length > FRAME_BYTES_MAX {
                return End::Nonsense;
            }
            let frame = match input.body(length, self).await {
                Ok(frame) => frame,
                Err(end) => return end,
            };
            self.pulse().began_to_wait(self.now());
            let taken = self.links.deliver(self.place, frame, self.engine).await;
            self.pulse().ceased_to_wait();
            if taken.is_err() {
                return End::NoEngine;
            }
        }
    }

    /// Writes until the stream breaks or the queue is closed and empty.
    async fn write(
        &self,
        mut output: impl AsyncWrite + Unpin,
        queue: &mut Queue,
        unwritten: &mut Vec<u64>,
    ) {
        let mut buffer = Vec::new();
        loop {
            let next = poll_fn(|cx| {
                if let Some(sign) = self.pulse().take_sign() {
                    return Poll::Ready(Next::Sign(sign));
                }
                queue.poll_recv(cx).map(|frame| match frame {
                    Some(frame) => Next::Frame(frame),
                    None => Next::End,
                })
            })
            .await;
            match next {
                Next::Sign(sign) => {
                    let word = match sign {
                        Sign::Probe => PROBE,
                        Sign::Alive => ALIVE,
                    };
                    buffer.extend_from_slice(&word.to_be_bytes());
                }
                Next::Frame(frame) => {
                    self.gather(frame, &mut buffer, unwritten);
                    while buffer.len() < WRITE_BYTES
                        && let Ok(frame) = queue.try_recv()
                    {
                        self.gather(frame, &mut buffer, unwritten);
                    }
                    self.pulse().wrote_frames(self.now());
                }
                Next::End => {
                    let _ = output.close().await;
                    return;
                }
            }
            let written = async {
                output.write_all(&buffer).await?;
                output.flush().await
            };
            if !matches!(timeout(STALL, written).await, Ok(Ok(()))) {
                return;
            }
            unwritten.clear();
            buffer.clear();
            if buffer.capacity() > WRITE_KEEP_BYTES && queue.is_empty() {
                buffer.shrink_to(WRITE_KEEP_BYTES);
            }
        }
    }

    fn gather(&self, frame: Outgoing, buffer: &mut Vec<u8>, unwritten: &mut Vec<u64>) {
        let length = frame.bytes.len();
        self.links.took(&self.place.state, length);
        unwritten.push(frame.id);
        // The queue holds frames of 1 to `FRAME_BYTES_MAX` bytes only.
        buffer.extend_from_slice(&(length as u32).to_be_bytes());
        buffer.extend_from_slice(&frame.bytes);
    }
}

enum Next {
    Sign(Sign),
    Frame(Outgoing),
    End,
}

/// Reads items through one small buffer.
struct Input<R> {
    stream: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: AsyncRead + Unpin> Input<R> {
    fn new(stream: R) -> Self {
        Self {
            stream,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    /// The next item's first four bytes.
    async fn head(&mut self, link: &Link<'_>) -> Result<u32, End> {
        loop {
            if let Some(head) = self.buffer[self.start..self.end].first_chunk() {
                self.start += 4;
                return Ok(u32::from_be_bytes(*head));
            }
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            let free = &mut self.buffer[self.end..];
            self.end += read_some(&mut self.stream, free, link).await?;
        }
    }

    /// A frame of `length` bytes, which the caller has checked.
    async fn body(&mut self, length: usize, link: &Link<'_>) -> Result<Vec<u8>, End> {
        let here = usize::min(length, self.end - self.start);
        let mut frame = Vec::with_capacity(length);
        frame.extend_from_slice(&self.buffer[self.start..self.start + here]);
        self.start += here;
        link.pulse().read_frame(link.now());
        frame.resize(length, 0);
        let mut filled = here;
        while filled < length {
            filled += read_some(&mut self.stream, &mut frame[filled..], link).await?;
            link.pulse().read_frame(link.now());
        }
        Ok(frame)
    }
}

async fn read_some<R: AsyncRead + Unpin>(
    stream: &mut R,
    into: &mut [u8],
    link: &Link<'_>,
) -> Result<usize, End> {
    match stream.read(into).await {
        Ok(0) | Err(_) => Err(End::Closed),
        Ok(count) => {
            link.pulse().read(link.now());
            Ok(count)
        }
    }
}

/// Looks after the pulse. Ready with `None` whenever a sign has been put up for writing, with the
/// reason when the link should end.
///
/// The timer is only ever moved forward in time to an earlier deadline; when it fires too early
/// it is set anew. So a busy link touches it about once a second, not once a frame.
struct Watch<'a> {
    link: &'a Link<'a>,
    timer: Pin<Box<Sleep>>,
}

impl<'a> Watch<'a> {
    fn new(link: &'a Link<'a>) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(link.began));
        Self { link, timer }
    }
}

impl Future for Watch<'_> {
    type Output = Option<End>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let link = self.link;
        loop {
            let due = link.began + Duration::from_millis(link.pulse().deadline());
            if due < self.timer.deadline() {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = link.now();
            let act = link.pulse().act(now);
            let next =
                link.began + Duration::from_millis(u64::max(link.pulse().deadline(), now + 1));
            self.timer.as_mut().reset(next);
            if link.may_give_up
                && !link.place.state.is_written_to.load(Relaxed)
                && link.pulse().is_quiet(now)
            {
                return Poll::Ready(Some(End::Surplus));
            }
            match act {
                Act::Wait => {}
                Act::Say => return Poll::Ready(None),
                Act::Dead => return Poll::Ready(Some(End::Silent)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pulse::SURPLUS_AFTER_MS;
    use super::*;
    use crate::runtime::Ask;
    use std::io;
    use tokio::sync::{mpsc, watch};
    use waxwing_protocol::id::Peer;
    use waxwing_protocol::input::{Input as Event, Reach};

    /// Swallows what is written; gives so many signs of life, then ends, or stays silent.
    struct Far {
        signs: usize,
        ends: bool,
    }

    impl AsyncRead for Far {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            into: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            if self.signs == 0 && self.ends {
                return Poll::Ready(Ok(0));
            }
            if self.signs == 0 {
                return Poll::Pending;
            }
            // The watch gets its turn between two signs.
            self.signs -= 1;
            if self.signs.is_multiple_of(2) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            into[..4].copy_from_slice(&ALIVE.to_be_bytes());
            Poll::Ready(Ok(4))
        }
    }

    impl AsyncWrite for Far {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn engine() -> (EngineHandle, mpsc::Receiver<Ask>) {
        let (sender, asks) = mpsc::channel(64);
        let (_, cursor) = watch::channel(0);
        (EngineHandle::new(sender, cursor), asks)
    }

    fn heard(asks: &mut mpsc::Receiver<Ask>) -> Vec<Event> {
        std::iter::from_fn(|| match asks.try_recv() {
            Ok(Ask::Input(input)) => Some(input),
            _ => None,
        })
        .collect()
    }

    const PEER: Peer = Peer::ZERO;

    #[tokio::test]
    async fn an_old_idle_link_is_given_up_by_one_side_only() {
        let links = Links::default();
        let (engine, mut asks) = engine();
        let began = Instant::now() - Duration::from_millis(SURPLUS_AFTER_MS);
        let far = || Far {
            signs: 9,
            ends: true,
        };
        for (may_give_up, want) in [(true, End::Surplus), (false, End::Closed)] {
            let old = links.join(PEER, Reach::Direct, &engine).await.unwrap();
            let new = links.join(PEER, Reach::Direct, &engine).await.unwrap();
            let (up, down) = (
                Event::Up {
                    peer: PEER,
                    how: Reach::Direct,
                },
                Event::Down { peer: PEER },
            );
            assert_eq!(heard(&mut asks), [up.clone(), down.clone(), up]);
            let end = serve(began, far(), old, &links, &engine, may_give_up).await;
            assert_eq!(end, want);
            assert_eq!(heard(&mut asks), [], "the link that is written to stays");
            let end = serve(began, far(), new, &links, &engine, may_give_up).await;
            assert_eq!(end, End::Closed, "never the one that is written to");
            assert_eq!(heard(&mut asks), [down]);
        }
    }

    #[tokio::test]
    async fn a_silent_peer_is_given_up() {
        let links = Links::default();
        let (engine, mut asks) = engine();
        let place = links.join(PEER, Reach::Direct, &engine).await.unwrap();
        links.send(PEER, 1, vec![1]).unwrap();
        let far = Far {
            signs: 0,
            ends: false,
        };
        let end = serve(Instant::now(), far, place, &links, &engine, true).await;
        assert_eq!(end, End::Silent);
        assert_eq!(heard(&mut asks).last(), Some(&Event::Down { peer: PEER }));
        assert_eq!(links.count(), 0);
    }
}
