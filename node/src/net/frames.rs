//! Negotiates the one frame stream of a connection and hands it out.
//!
//! The connection's dialer opens the stream as soon as the connection stands; the listener takes
//! the first one and drops every further one. Of two nodes that punch a hole both dial; then the
//! one that libp2p gave the listener's part waits.
//!
//! Some connections carry none: those to a relay, those over which a hole is to be punched, and
//! those that only show that a node can be reached.

use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::behaviour::{ConnectionClosed, DialFailure};
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId,
    FromSwarm, NetworkBehaviour, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{PeerId, Stream, StreamProtocol};
use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Name of the frame stream's protocol.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/waxwing/frame/1.0.0");

/// The stream has to be negotiated within this time.
const OPEN_TIMEOUT: Duration = Duration::from_secs(8);

/// The frame stream of a connection is ready.
#[derive(Debug)]
pub(super) struct Opened {
    /// Who the transport proved the peer to be.
    pub(super) peer: PeerId,
    /// Of which connection.
    pub(super) connection: ConnectionId,
    /// The stream.
    pub(super) stream: Stream,
}

/// Hands out one frame stream per connection.
#[derive(Default)]
pub(super) struct Behaviour {
    outcomes: VecDeque<ToSwarm<Opened, Infallible>>,
    waker: Option<Waker>,
    /// Dialed for what they do, not for who they are.
    relays: HashSet<PeerId>,
    /// Dials to one of them that are for frames all the same.
    asked: HashSet<ConnectionId>,
    /// Connections that we dialed, or dial, and that carry no frames.
    quiet: HashSet<ConnectionId>,
}

impl Behaviour {
    /// From now on, connections to these are dialed without frames.
    pub(super) fn set_relays(&mut self, relays: HashSet<PeerId>) {
        self.relays = relays;
    }

    /// This dial is for frames, whoever it leads to.
    pub(super) fn ask(&mut self, dial: ConnectionId) {
        self.asked.insert(dial);
    }

    /// This dial is not for frames.
    pub(super) fn hush(&mut self, dial: ConnectionId) {
        self.quiet.insert(dial);
    }

    /// Whether we dialed this connection without frames.
    pub(super) fn is_quiet(&self, connection: ConnectionId) -> bool {
        self.quiet.contains(&connection)
    }

    fn forget(&mut self, connection: ConnectionId) {
        self.asked.remove(&connection);
        self.quiet.remove(&connection);
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Opened;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(Wants::ToAccept))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // A new port is taken only to show a node that it can be reached.
        let is_for_something_else = port == PortUse::New
            || (self.relays.contains(&peer) && !self.asked.contains(&connection));
        if is_for_something_else && role == Endpoint::Dialer {
            self.quiet.insert(connection);
        }
        Ok(Handler::new(if self.quiet.contains(&connection) {
            Wants::Nothing
        } else if role == Endpoint::Listener {
            Wants::ToAccept
        } else {
            Wants::ToOpen
        }))
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
            | FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.forget(connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        outcome: THandlerOutEvent<Self>,
    ) {
        self.outcomes.push_back(match outcome {
            Outcome::Ready(stream) => ToSwarm::GenerateEvent(Opened {
                peer,
                connection,
                stream,
            }),
            Outcome::Failed => ToSwarm::CloseConnection {
                peer_id: peer,
                connection: CloseConnection::One(connection),
            },
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Opened, THandlerInEvent<Self>>> {
        if let Some(outcome) = self.outcomes.pop_front() {
            return Poll::Ready(outcome);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// We dialed: the stream is ours to open.
    ToOpen,
    /// The request is under way.
    Opening,
    /// They dialed: the stream is theirs to open.
    ToAccept,
    /// The stream was handed out, or failed.
    Nothing,
}

/// What came of the negotiation.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The stream is open.
    Ready(Stream),
    /// The peer does not speak the protocol: the connection is of no use.
    Failed,
}

/// One connection's part.
pub(super) struct Handler {
    wants: Wants,
    outcome: Option<Outcome>,
}

impl Handler {
    fn new(wants: Wants) -> Self {
        Self {
            wants,
            outcome: None,
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Outcome;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ()).with_timeout(OPEN_TIMEOUT)
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Outcome>> {
        if let Some(outcome) = self.outcome.take() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(outcome));
        }
        if self.wants == Wants::ToOpen {
            self.wants = Wants::Opening;
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
                    .with_timeout(OPEN_TIMEOUT),
            });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    // The swarm polls the handler again after every such event, so nothing has to be woken.
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                ..
            }) if self.wants == Wants::Opening => {
                self.wants = Wants::Nothing;
                self.outcome = Some(Outcome::Ready(stream));
            }
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) if self.wants == Wants::ToAccept => {
                self.wants = Wants::Nothing;
                self.outcome = Some(Outcome::Ready(stream));
            }
            ConnectionEvent::DialUpgradeError(_) => {
                self.wants = Wants::Nothing;
                self.outcome = Some(Outcome::Failed);
            }
            _ => {}
        }
    }
}
