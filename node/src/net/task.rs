//! The swarm's task: connections come and go, dials begin and end. It never waits for the engine;
//! link tasks and the reporter do.

use super::addr::{self, Transport, Usable, from_peer_id, to_peer_id};
use super::behaviour::{Behaviour, Event};
use super::dial::{After, Dial, Request};
use super::frames::Opened;
use super::link::{self, End};
use super::punch::Punches;
use super::reachability::Checks;
use super::relays::Relays;
use super::{Control, Phase, Shared, stopped};
use crate::runtime::EngineHandle;
use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Multiaddr;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{PeerId, Swarm};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{DialError, Input, Reach};

/// A connection without a frame stream is closed after this time.
pub(super) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Dials under way at one time; the rest waits in the queue.
const DIALS_AT_ONCE: usize = 32;
/// While a dial is under way, a stream awaited or an address new, deadlines are looked at this
/// often. Otherwise the task sleeps.
const TICK: Duration = Duration::from_millis(100);
/// Interfaces come up one address after the other: tell the engine once they have settled.
const ADDRESSES_SETTLE: Duration = Duration::from_secs(1);
/// At start the addresses of all interfaces arrive at once: no news for this long is the end.
const START_QUIET: Duration = Duration::from_millis(30);
/// A listener that told no address after this time has none (IPv6 without any address).
const START_PATIENCE: Duration = Duration::from_millis(500);
/// Links may write what waits for this long at shutdown.
const LINKS_CLOSE: Duration = Duration::from_millis(1_500);
/// Connections may say goodbye for this long at shutdown.
const CONNECTIONS_CLOSE: Duration = Duration::from_secs(1);

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// What the task is made of.
pub(super) struct Task {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) shared: Arc<Shared>,
    pub(super) engine: EngineHandle,
    pub(super) transports: Vec<Transport>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) control: mpsc::Receiver<Control>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) state: State,
    /// Others are reached through this node.
    pub(super) hosts: bool,
}

/// What it keeps.
#[derive(Default)]
pub(super) struct State {
    /// In the order of the key, so that retries do not depend on chance.
    pub(super) dials: BTreeMap<Peer, Dial>,
    /// Connections whose frame stream is awaited, until when.
    unopened: HashMap<ConnectionId, (PeerId, Instant)>,
    /// How each connection leads to its peer.
    pub(super) hows: HashMap<ConnectionId, Reach>,
    pub(super) relays: Relays,
    pub(super) punches: Punches,
    pub(super) checks: Checks,
    /// Addresses of ours that are known to work from outside.
    pub(super) external: BTreeSet<Multiaddr>,
    links: JoinSet<(ConnectionId, End)>,
    pub(super) addresses_changed: Option<Instant>,
    /// Frame streams that opened before the engine was ready; no more than connections.
    early: Vec<Opened>,
    open: bool,
}

impl Task {
    /// Waits, for a bounded time, until the listeners have told their addresses.
    pub(super) async fn settle(&mut self, listeners: &[ListenerId]) {
        let mut silent: HashSet<ListenerId> = listeners.iter().copied().collect();
        let give_up = Instant::now() + START_PATIENCE;
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            let patience = if silent.is_empty() { START_QUIET } else { left };
            let Ok(event) = timeout(patience, self.swarm.select_next_some()).await else {
                break;
            };
            if let SwarmEvent::NewListenAddr { listener_id, .. } = &event {
                silent.remove(listener_id);
            }
            self.on_swarm(event);
        }
        self.state.addresses_changed = None;
        self.publish_addresses();
    }

    /// Runs until told to stop or [`super::Net`] is dropped.
    pub(super) async fn run(mut self) {
        // Until then new connections wait in the system's queues.
        let _ = self.phase.wait_for(|phase| *phase != Phase::Quiet).await;
        self.state.open = true;
        for opened in std::mem::take(&mut self.state.early) {
            self.on_opened(opened);
        }
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let state = &self.state;
            let free = state.dials.len() < DIALS_AT_ONCE;
            let ticking = !state.dials.is_empty()
                || !state.unopened.is_empty()
                || state.addresses_changed.is_some();
            let deadline = self.deadline();
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some(ended) = self.state.links.join_next() => self.on_link_end(ended),
                Some(control) = self.control.recv() => self.on_control(control),
                Some(request) = self.requests.recv(), if free => self.on_request(request),
                _ = tick.tick(), if ticking => self.on_tick(Instant::now()),
                () = sleep_until(deadline) => self.on_deadline(Instant::now()),
                () = stopped(&mut self.phase) => break,
            }
        }
        self.close().await;
    }

    fn on_swarm(&mut self, event: SwarmEvent<Event>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.on_established(peer_id, connection_id, &endpoint);
                if !self.swarm.behaviour().frames.is_quiet(connection_id) {
                    let until = Instant::now() + OPEN_TIMEOUT;
                    let awaited = (peer_id, until);
                    self.state.unopened.insert(connection_id, awaited);
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                ..
            } => {
                self.state.hows.remove(&connection_id);
                let was_unopened = self.state.unopened.remove(&connection_id).is_some();
                if was_unopened && let Some(peer) = from_peer_id(&peer_id) {
                    self.on_lost_before_open(peer, connection_id);
                }
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id: Some(peer_id),
                error,
            } => {
                self.state.relays.failed(connection_id, Instant::now());
                if let Some(peer) = from_peer_id(&peer_id) {
                    self.on_attempt_failed(peer, connection_id, &error);
                }
            }
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => {
                self.state.addresses_changed = Some(Instant::now());
            }
            SwarmEvent::ListenerClosed { listener_id, .. } if self.on_relay_closed(listener_id) => {
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                let reason = reason.err().map(|error| error.kind());
                tracing::warn!(?reason, "a listener closed");
                self.state.addresses_changed = Some(Instant::now());
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::debug!(reason = %error.kind(), "a listener had trouble");
            }
            SwarmEvent::ExternalAddrConfirmed { address } => self.on_external(address, true),
            SwarmEvent::ExternalAddrExpired { address } => self.on_external(address, false),
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: Event) {
        match event {
            Event::Opened(opened) => self.on_opened(*opened),
            Event::Reserved(relay) => self.on_reserved(relay),
            Event::Punched(connection) => {
                self.state.hows.insert(connection, Reach::Punched);
            }
            Event::Checked(addr, reached) => self.on_checked(addr, reached),
            Event::Mapped(is_open) => {
                self.state.checks.mapped(is_open);
                self.publish_reachability();
            }
            Event::Other => {}
        }
    }

    fn on_opened(&mut self, opened: Opened) {
        if !self.state.open {
            self.state.early.push(opened);
            return;
        }
        let Opened {
            peer: id,
            connection,
            stream,
        } = opened;
        self.state.unopened.remove(&connection);
        let Some(peer) = from_peer_id(&id) else {
            self.swarm.close_connection(connection);
            return;
        };
        self.finish(&peer);
        let (shared, engine) = (Arc::clone(&self.shared), self.engine.clone());
        // Of two nodes that keep several links, only the one with the smaller key gives idle ones
        // up: otherwise each might close the link that the other one writes to.
        let may_give_up = self.shared.me < peer;
        let how = self.state.hows.get(&connection).copied();
        let how = how.unwrap_or(Reach::Direct);
        self.state.links.spawn(async move {
            let end = match shared.links.join(peer, how, &engine).await {
                Some(place) => {
                    let began = tokio::time::Instant::now();
                    link::serve(began, stream, place, &shared.links, &engine, may_give_up).await
                }
                None => End::Closed,
            };
            (connection, end)
        });
    }

    fn on_link_end(&mut self, ended: Result<(ConnectionId, End), tokio::task::JoinError>) {
        match ended {
            Ok((connection, end)) => {
                tracing::debug!(why = ?end, open = self.shared.links.count(), "a link ended");
                self.swarm.close_connection(connection);
            }
            Err(_) => tracing::error!("a link's task broke down"),
        }
    }

    fn on_control(&mut self, control: Control) {
        match control {
            Control::Relays(list) => self.set_relays(list),
            Control::CutOff(peer) => {
                let Some(id) = to_peer_id(&peer) else { return };
                tracing::info!("a peer used up its budget and was cut off");
                let gate = &mut self.swarm.behaviour_mut().gate;
                gate.refuse(id, Instant::now());
                // Pending dials to it are aborted too and fail in their own way.
                let _ = self.swarm.disconnect_peer_id(id);
            }
        }
    }

    fn on_request(&mut self, Request { peer, addrs }: Request) {
        let Some(id) = to_peer_id(&peer) else {
            return self.fail(&peer, DialError::Other);
        };
        if self.shared.links.contains(&peer) {
            return self.finish(&peer);
        }
        match addr::usable(id, &addrs, &self.transports) {
            Usable::Nothing => self.fail(&peer, DialError::NoAddress),
            Usable::NoTransport => self.fail(&peer, DialError::NoTransport),
            Usable::Some(addrs) => {
                let mut dial = Dial::new(id, addrs, Instant::now());
                if self.awaits_frames(&id) {
                    // Its frame stream is about to open, or a deadline ends the wait.
                    dial.next = None;
                }
                self.state.dials.insert(peer, dial);
                self.watch_relays();
                self.attempt(peer, Instant::now());
            }
        }
    }

    /// Begins the next attempt of a dial if it is due.
    fn attempt(&mut self, peer: Peer, now: Instant) {
        let Some(dial) = self.state.dials.get_mut(&peer) else {
            return;
        };
        if dial.next.is_none_or(|at| at > now) {
            return;
        }
        let opts = dial.begin();
        let connection = opts.connection_id();
        self.swarm.behaviour_mut().frames.ask(connection);
        if let Err(error) = self.swarm.dial(opts) {
            self.on_attempt_failed(peer, connection, &error);
        }
    }

    fn on_attempt_failed(
        &mut self,
        peer: Peer,
        connection: ConnectionId,
        error: &libp2p::swarm::DialError,
    ) {
        let Some(dial) = self.state.dials.get_mut(&peer) else {
            return;
        };
        if dial.attempt != Some(connection) {
            return;
        }
        let soon = self.shared.me < peer;
        let id = dial.id;
        match dial.failed(error, soon, Instant::now()) {
            After::Again(_) => {}
            // The peer reached us meanwhile: wait for that connection's stream instead.
            After::Failed(_) if self.awaits_frames(&id) => {}
            After::Failed(why) => self.fail(&peer, why),
        }
    }

    /// A connection went before its frame stream opened: the peer does not speak the protocol, or
    /// thought better of it.
    fn on_lost_before_open(&mut self, peer: Peer, connection: ConnectionId) {
        let Some(dial) = self.state.dials.get(&peer) else {
            return;
        };
        let ours = dial.attempt.is_none_or(|attempt| attempt == connection);
        if ours && dial.next.is_none() && !self.awaits_frames(&dial.id) {
            self.fail(&peer, DialError::Other);
        }
    }

    fn on_tick(&mut self, now: Instant) {
        let due: Vec<Peer> = self.state.dials.keys().copied().collect();
        for peer in due {
            self.look_at_dial(peer, now);
        }
        let late: Vec<ConnectionId> = self
            .state
            .unopened
            .iter()
            .filter(|(_, (_, until))| *until <= now)
            .map(|(connection, _)| *connection)
            .collect();
        for connection in late {
            if self.hosts {
                // It may be here to be carried on or to be tried, and libp2p closes what is idle.
                self.state.unopened.remove(&connection);
            } else {
                self.swarm.close_connection(connection);
            }
        }
        let settled = |since: &Instant| now.duration_since(*since) >= ADDRESSES_SETTLE;
        if self.state.addresses_changed.as_ref().is_some_and(settled) {
            self.tell_addresses();
        }
    }

    fn look_at_dial(&mut self, peer: Peer, now: Instant) {
        if self.shared.links.contains(&peer) {
            return self.finish(&peer);
        }
        let Some(dial) = self.state.dials.get(&peer) else {
            return;
        };
        if now < dial.give_up {
            return self.attempt(peer, now);
        }
        let id = dial.id;
        if self.awaits_frames(&id) {
            self.fail(&peer, DialError::Other);
        } else if self.swarm.is_connected(&id) {
            self.fail(&peer, DialError::Timeout);
        } else {
            self.fail(&peer, DialError::Timeout);
            // Ends the attempt that is still pending; nothing else is connected.
            let _ = self.swarm.disconnect_peer_id(id);
        }
    }

    /// Whether a connection to this peer stands whose frame stream is about to open.
    fn awaits_frames(&self, id: &PeerId) -> bool {
        self.state.unopened.values().any(|(who, _)| who == id)
    }

    /// The dial is over and nothing is to be said.
    fn finish(&mut self, peer: &Peer) {
        let dial = self.state.dials.remove(peer);
        if dial.is_some_and(|dial| dial.relays().next().is_some()) {
            self.watch_relays();
        }
        self.shared.dialed(peer);
    }

    /// The dial is over and failed.
    fn fail(&mut self, peer: &Peer, why: DialError) {
        self.finish(peer);
        self.shared.report(Input::DialFailed { peer: *peer, why });
    }

    /// Links write what waits, connections say goodbye, then everything ends.
    async fn close(mut self) {
        self.shared.links.close();
        let links = &mut self.state.links;
        let swarm = &mut self.swarm;
        let _ = timeout(LINKS_CLOSE, async {
            loop {
                tokio::select! {
                    ended = links.join_next() => match ended {
                        Some(Ok((connection, _))) => { swarm.close_connection(connection); }
                        Some(Err(_)) => {}
                        None => break,
                    },
                    event = swarm.select_next_some() => drop(event),
                }
            }
        })
        .await;
        let peers: Vec<PeerId> = swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = swarm.disconnect_peer_id(peer);
        }
        let _ = timeout(CONNECTIONS_CLOSE, async {
            while swarm.connected_peers().next().is_some() {
                drop(swarm.select_next_some().await);
            }
        })
        .await;
        links.shutdown().await;
    }
}
