//! The network: libp2p over QUIC and TCP, one frame stream per connection.
//!
//! This module never looks into a frame and decides nothing about messages. It keeps at most one
//! *link* per peer in the engine's eyes, carries whole frames over it in order, and says when it
//! came up, when it went, and which frames it did not write. Nothing personal goes into the log.
//!
//! A task runs the swarm (`task`), one task per link reads and writes (`link`), and one forwards
//! reports to the engine. The engine's thread calls [`Net::send`], [`Net::dial`] and
//! [`Net::penalty`], which never wait.

mod addr;
mod behaviour;
mod careful;
mod dial;
mod frames;
mod gate;
mod host;
mod link;
mod links;
mod listen;
mod observe;
mod outreach;
mod penalty;
mod probe;
mod profile;
mod pulse;
mod punch;
mod reachability;
mod relays;
mod task;
mod transport;

#[cfg(test)]
mod tests;

pub use observe::Nat;
pub use probe::{Probed, connections_max, probe, probe_remembered};
pub use profile::Profile;
pub use reachability::{Reachability, Reachable, RelayState};

use crate::roles::Roles;
use crate::runtime::EngineHandle;
use behaviour::{Behaviour, Wishes};
use dial::Request;
use libp2p::Swarm;
use libp2p::core::transport::TransportError;
use libp2p::identity::Keypair;
use libp2p::multiaddr::{Multiaddr, Protocol};
use links::Links;
use listen::Plan;
use penalty::Budgets;
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use task::{State, Task};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{DialError, Input, SendError};
use waxwing_protocol::limits::{ADDRS_MAX, CONTACTS_MAX};
use waxwing_protocol::private::Secret;

/// Dials that wait for their turn: at start the engine dials every contact.
const REQUESTS_MAX: usize = CONTACTS_MAX;
/// Orders from the engine's thread to the swarm's task.
const CONTROL_MAX: usize = 256;
/// Reports that wait for the engine. As many as there can be dials to report on.
const REPORTS_MAX: usize = REQUESTS_MAX;
/// Streams that a peer may be negotiating on one connection.
const NEGOTIATING_MAX: usize = 8;

/// What the network needs to start.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// Seed of the node's Ed25519 key, from which its PeerId follows.
    pub seed: Secret<32>,
    /// Multiaddrs to listen on (`/ip4/…/tcp/N`, `/ip6/…/udp/N/quic-v1`; port 0 draws one); empty
    /// for QUIC and TCP on all interfaces, IPv4 and IPv6.
    pub listen: Vec<String>,
    /// Ports drawn last time, used if `listen` is empty.
    pub remembered: Ports,
    /// How many connections to bear.
    pub profile: Profile,
    /// What to do for others.
    pub roles: Roles,
    /// Relays to be reached through, as in [`check_relays`].
    pub relays: Vec<String>,
    /// Ask the router for a port.
    pub upnp: bool,
}

/// Ports of the default listeners. Stored in the home, so that friends find the node again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ports {
    /// TCP over IPv4.
    pub tcp4: Option<u16>,
    /// QUIC over IPv4.
    pub udp4: Option<u16>,
    /// TCP over IPv6.
    pub tcp6: Option<u16>,
    /// QUIC over IPv6.
    pub udp6: Option<u16>,
}

/// Why the network did not start.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NetError {
    /// The text is no multiaddr that a node can listen on.
    #[error("`{address}` is not an address to listen on")]
    Address {
        /// As given.
        address: String,
    },
    /// More addresses than a node listens on.
    #[error("too many addresses to listen on: at most {most}")]
    TooMany {
        /// The bound.
        most: usize,
    },
    /// The text is no address of a relay.
    #[error("`{address}` is not the address of a relay")]
    Relay {
        /// As given.
        address: String,
    },
    /// A given address cannot be listened on.
    #[error("cannot listen on `{address}`: {reason}")]
    Listen {
        /// As given.
        address: String,
        /// The system's reason.
        reason: io::ErrorKind,
        /// What to try.
        hint: &'static str,
    },
    /// None of the default listeners could be opened.
    #[error("cannot listen on any interface: {reason}")]
    NoListener {
        /// The system's last reason.
        reason: io::ErrorKind,
    },
    /// The node's key or the keys of the handshake could not be made.
    #[error("the node's network key cannot be used")]
    Key,
}

impl NetError {
    /// What to try.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Address { .. } => {
                "write /ip4/ADDRESS/udp/PORT/quic-v1 or /ip4/ADDRESS/tcp/PORT (ip6 likewise)"
            }
            Self::Relay { .. } => {
                "write /ip4/ADDRESS/udp/PORT/quic-v1/p2p/PEER or /ip4/ADDRESS/tcp/PORT/p2p/PEER, as \
                 the relay's `waxwing status` shows it"
            }
            Self::TooMany { .. } => "a wildcard such as /ip4/0.0.0.0/… covers all interfaces",
            Self::Listen { hint, .. } => hint,
            Self::NoListener { .. } => "check whether this program may open network sockets",
            Self::Key => "the home may be damaged",
        }
    }
}

/// Whether these are addresses that a node can be told to listen on. Nothing is opened.
///
/// # Errors
/// [`NetError::Address`], [`NetError::TooMany`].
pub fn check(listen: &[String]) -> Result<(), NetError> {
    Plan::new(listen, Ports::default()).map(|_| ())
}

/// Whether these are addresses of relays: such as can be dialed, with `/p2p/PEER` behind.
///
/// # Errors
/// [`NetError::Relay`].
pub fn check_relays(list: &[String]) -> Result<(), NetError> {
    relays_of(list).map(|_| ())
}

/// Relays with their addresses, best first.
type RelayList = Vec<(libp2p::PeerId, Vec<Multiaddr>)>;

fn relays_of(list: &[String]) -> Result<RelayList, NetError> {
    let parse = |text: &String| {
        let parsed = text.parse().ok();
        let fits = parsed.filter(|addr| addr::relay(addr).is_some());
        fits.ok_or_else(|| NetError::Relay {
            address: text.clone(),
        })
    };
    let addrs = list.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok(relays::grouped(&addrs))
}

/// Orders to the swarm's task.
enum Control {
    /// Be reached through these from now on.
    Relays(RelayList),
    /// Close the peer's connections and refuse it for a while.
    CutOff(Peer),
}

/// What the tasks should be doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Listening, but the engine hears of nobody yet.
    Quiet,
    Open,
    Stop,
}

/// Waits for the end, which is also when [`Net`] was dropped.
async fn stopped(phase: &mut watch::Receiver<Phase>) {
    let _ = phase.wait_for(|phase| *phase == Phase::Stop).await;
}

/// What the engine's thread and the tasks share.
struct Shared {
    me: Peer,
    id: libp2p::PeerId,
    links: Links,
    budgets: Mutex<Budgets>,
    /// Peers with a dial waiting or under way: a second one would tell nothing new.
    dialing: Mutex<HashSet<Peer>>,
    /// What is listened on.
    addresses: Mutex<Vec<Multiaddr>>,
    /// What others are told, without `/p2p/`.
    told: Mutex<Vec<Multiaddr>>,
    reachability: watch::Sender<Reachability>,
    listening: watch::Sender<Vec<String>>,
    reports: mpsc::Sender<Input>,
}

impl Shared {
    fn report(&self, input: Input) {
        // The queue has room for a report on every dial there can be; if the engine is so far
        // behind that it is full, the engine's own retry makes up for the lost one.
        if self.reports.try_send(input).is_err() {
            tracing::warn!("the engine is far behind: a report from the network was lost");
        }
    }

    fn dialed(&self, peer: &Peer) {
        lock(&self.dialing).remove(peer);
    }

    /// True if others have to be told of other ones than before.
    fn set_addresses(&self, new: Vec<Multiaddr>, told: Vec<Multiaddr>) -> bool {
        let mut addresses = lock(&self.addresses);
        let changed = *addresses != new;
        *addresses = new;
        drop(addresses);
        if changed {
            self.listening.send_replace(self.listen());
        }
        let mut before = lock(&self.told);
        let changed = *before != told;
        *before = told;
        changed
    }

    fn addresses(&self) -> Vec<Multiaddr> {
        lock(&self.addresses).clone()
    }

    fn listen(&self) -> Vec<String> {
        lock(&self.addresses)
            .iter()
            .map(Multiaddr::to_string)
            .collect()
    }

    fn advertise(&self) -> Vec<String> {
        let told = lock(&self.told);
        let named = told.iter().take(ADDRS_MAX).cloned();
        named
            .map(|addr| addr.with(Protocol::P2p(self.id)).to_string())
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The running network. Dropping it stops it in the background; [`Net::shutdown`] waits for it.
pub struct Net {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    control: mpsc::Sender<Control>,
    ports: Ports,
    phase: watch::Sender<Phase>,
    tasks: Mutex<Option<[JoinHandle<()>; 2]>>,
}

/// Starts the network on the current tokio runtime; returns once every listener is open. Nobody is
/// dialed and nothing is reported before [`Net::open`].
///
/// # Errors
/// [`NetError`] if an address in `config.listen` cannot be listened on, or none of the defaults.
pub async fn start(config: NetConfig, engine: EngineHandle) -> Result<Net, NetError> {
    let mut seed = *config.seed.expose();
    // Wipes the copy.
    let keypair = Keypair::ed25519_from_bytes(&mut seed).map_err(|_| NetError::Key)?;
    let id = keypair.public().to_peer_id();
    let me = addr::from_peer_id(&id).ok_or(NetError::Key)?;
    let plan = Plan::new(&config.listen, config.remembered)?;
    let transports = plan.transports();
    let relays = relays_of(&config.relays)?;
    let (carried, relay) = libp2p::relay::client::new(id);
    let built = transport::build(&keypair, &transports, carried);
    let transport = built.map_err(|_| NetError::Key)?;
    let limits = config.profile.limits();
    let settings = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(task::OPEN_TIMEOUT)
        .with_max_negotiating_inbound_streams(NEGOTIATING_MAX)
        .with_smart_dial();
    let wishes = Wishes {
        limits,
        roles: config.roles,
        outside: plan.is_for_others(),
        upnp: config.upnp,
    };
    let behaviour = Behaviour::new(&keypair, relay, &wishes);
    let mut swarm = Swarm::new(transport, behaviour, id, settings);

    let opened = plan.open(|wanted| {
        swarm.listen_on(wanted).map_err(|error| match error {
            TransportError::MultiaddrNotSupported(_) => io::ErrorKind::Unsupported.into(),
            TransportError::Other(error) => dial::kind(&error).into(),
        })
    });
    let (listeners, drawn) = opened?;
    let ports = if config.listen.is_empty() {
        drawn
    } else {
        config.remembered
    };

    let (reports, reported) = mpsc::channel(REPORTS_MAX);
    let (requests, asked) = mpsc::channel(REQUESTS_MAX);
    let (control, orders) = mpsc::channel(CONTROL_MAX);
    let (phase, watched) = watch::channel(Phase::Quiet);
    let shared = Arc::new(Shared {
        me,
        id,
        links: Links::default(),
        budgets: Mutex::default(),
        dialing: Mutex::default(),
        addresses: Mutex::default(),
        told: Mutex::default(),
        reachability: watch::Sender::default(),
        listening: watch::Sender::default(),
        reports,
    });
    let mut task = Task {
        swarm,
        shared: Arc::clone(&shared),
        engine: engine.clone(),
        transports,
        requests: asked,
        control: orders,
        phase: watched.clone(),
        state: State::default(),
        hosts: config.roles.relay,
    };
    task.begin_with(relays);
    task.settle(&listeners).await;
    let tasks = [
        tokio::spawn(task.run()),
        tokio::spawn(report(reported, engine, watched)),
    ];
    Ok(Net {
        shared,
        requests,
        control,
        ports,
        phase,
        tasks: Mutex::new(Some(tasks)),
    })
}

/// Forwards reports to the engine, waiting where the swarm's task must not.
async fn report(
    mut reports: mpsc::Receiver<Input>,
    engine: EngineHandle,
    mut phase: watch::Receiver<Phase>,
) {
    loop {
        let input = tokio::select! {
            Some(input) = reports.recv() => input,
            () = stopped(&mut phase) => return,
        };
        tokio::select! {
            taken = engine.input(input) => if taken.is_err() { return },
            () = stopped(&mut phase) => return,
        }
    }
}

impl Net {
    /// Lets connections come up and dials begin. Call it once [`Input::Start`] is in the engine's
    /// queue: an [`Input::Up`] before that would be forgotten, and the peer's link with it.
    pub fn open(&self) {
        self.phase.send_if_modified(|phase| {
            let quiet = *phase == Phase::Quiet;
            if quiet {
                *phase = Phase::Open;
            }
            quiet
        });
    }

    /// Queues a frame for the peer's newest link. Never waits. A frame that was queued but not
    /// written comes back as [`Input::Undelivered`].
    ///
    /// # Errors
    /// [`SendError::NotConnected`] without a link, [`SendError::Busy`] if its queue is full.
    pub fn send(&self, to: Peer, id: u64, bytes: Vec<u8>) -> Result<(), SendError> {
        self.shared.links.send(to, id, bytes)
    }

    /// Connects to a peer unless it is connected or being dialed. Never waits. Success shows as
    /// [`Input::Up`], failure as one [`Input::DialFailed`].
    pub fn dial(&self, peer: Peer, addrs: Vec<String>) {
        if self.shared.links.contains(&peer) || !lock(&self.shared.dialing).insert(peer) {
            return;
        }
        if self.requests.try_send(Request { peer, addrs }).is_err() {
            self.shared.dialed(&peer);
            let why = DialError::Other;
            self.shared.report(Input::DialFailed { peer, why });
        }
    }

    /// Charges a peer's budget; one that used it up is cut off for a while. Never waits.
    pub fn penalty(&self, peer: Peer, points: u32) {
        let exhausted = lock(&self.shared.budgets).charge(peer, points, Instant::now());
        // A full queue means that 256 peers are being cut off: this one's next offence will do.
        if exhausted && self.control.try_send(Control::CutOff(peer)).is_err() {
            tracing::warn!("too many peers to cut off at once");
        }
    }

    /// Be reached through these relays from now on, as in [`check_relays`]. Never waits.
    ///
    /// # Errors
    /// [`NetError::Relay`] for one that is none; nothing changes then.
    pub fn set_relays(&self, list: &[String]) -> Result<(), NetError> {
        let order = Control::Relays(relays_of(list)?);
        if self.control.try_send(order).is_err() {
            tracing::warn!("the network is far behind: it was not told of other relays");
        }
        Ok(())
    }

    /// How others reach this node, and word of every change.
    pub fn reachability(&self) -> watch::Receiver<Reachability> {
        self.shared.reachability.subscribe()
    }

    /// Addresses that are listened on, wildcards expanded, best first, without `/p2p/`.
    pub fn listen(&self) -> Vec<String> {
        self.shared.listen()
    }

    /// The same, and word of every change.
    pub fn listening(&self) -> watch::Receiver<Vec<String>> {
        self.shared.listening.subscribe()
    }

    /// The best of them, at most [`ADDRS_MAX`], with `/p2p/`, for others to dial.
    pub fn advertise(&self) -> Vec<String> {
        self.shared.advertise()
    }

    /// Ports to remember for the next start.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// The node's PeerId (`12D3…`).
    pub fn peer_id(&self) -> String {
        self.shared.id.to_string()
    }

    /// The key inside the PeerId: how other engines name this node.
    pub fn peer(&self) -> Peer {
        self.shared.me
    }

    /// Writes what waits, says goodbye to all peers, ends all tasks. Takes at most a few seconds;
    /// needs an engine that still takes inputs. A second call does nothing.
    pub async fn shutdown(&self) {
        self.phase.send_replace(Phase::Stop);
        let tasks = lock(&self.tasks).take();
        for task in tasks.into_iter().flatten() {
            if task.await.is_err() {
                tracing::error!("a task of the network broke down");
            }
        }
    }
}
