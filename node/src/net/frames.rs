//! Negotiates the one frame stream of a connection and hands it out.
//!
//! The connection's dialer opens the stream as soon as the connection stands; the listener takes
//! the first one and drops every further one.

use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId,
    FromSwarm, NetworkBehaviour, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{PeerId, Stream, StreamProtocol};
use std::collections::VecDeque;
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
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(Wants::ToOpen))
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

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
