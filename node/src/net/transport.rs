//! The transports: QUIC, and TCP with Noise and Yamux, each only if it is listened on; and what a
//! relay carries, with Noise and Yamux between its ends.

use super::addr::Transport as Kind;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::{TransportTimeout, TransportTimeoutError};
use libp2p::core::transport::{Boxed, OptionalTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::relay;
use libp2p::{PeerId, Transport, dns, noise, quic, tcp, yamux};
use std::io;
use std::time::Duration;

/// A connection has to be set up within this time, name lookup and handshake included. Shorter
/// than the overall time of a dial, so that a dial ends with the transport's own reason.
const SETUP_TIMEOUT: Duration = Duration::from_secs(8);
/// Streams that a peer may have open on one connection: the frame stream, identify, and room for
/// the protocols to come. On a connection with a relay each carried one is a stream.
const STREAMS_MAX: u32 = 64;
/// Bytes that a QUIC peer may have under way on one stream: 10 MB/s at 100 ms, and what a slow
/// engine makes us hold for one peer.
const QUIC_STREAM_BYTES: u32 = 1024 * 1024;
/// The same for a whole connection.
const QUIC_CONNECTION_BYTES: u32 = 2 * 1024 * 1024;
/// A QUIC connection on which nothing arrives for this long is dead, whatever it carries.
const QUIC_IDLE_MS: u32 = 30_000;
/// Keeps NAT bindings (30 s on many routers) and the connection itself alive.
const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Builds the transports of `kinds` and the one through relays.
///
/// # Errors
/// The noise keys could not be made.
pub(super) fn build(
    keypair: &Keypair,
    kinds: &[Kind],
    carried: relay::client::Transport,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let with_names = dns::tokio::Transport::system(direct(keypair, kinds)?);
    let direct = match with_names {
        Ok(transport) => finish(transport.map_err(from_dns)),
        Err(_) => {
            tracing::warn!("the system has no name resolver: addresses with names are not dialed");
            finish(direct(keypair, kinds)?)
        }
    };
    let carried = carried
        .map_err(from_relay)
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(multiplexer())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .map_err(|error| match error.left().and_then(|error| error.left()) {
            Some(error) => error,
            None => io::ErrorKind::InvalidData.into(),
        });
    let both = carried
        .or_transport(direct)
        .map(|either, _| either.into_inner())
        .map_err(|either| either.into_inner());
    Ok(finish(both))
}

fn multiplexer() -> yamux::Config {
    let mut mux = yamux::Config::default();
    mux.set_max_num_streams(STREAMS_MAX as usize);
    mux
}

/// What kept a relay from carrying a connection. That it has no reservation for the peer means that
/// the peer is not there.
fn from_relay(error: relay::client::transport::Error) -> io::Error {
    use relay::client::transport::Error;
    use relay::outbound::hop::ConnectError;
    match error {
        Error::Connect(ConnectError::Io(error)) => error,
        Error::Connect(ConnectError::NoReservation | ConnectError::ConnectionFailed)
        // The relay itself was not reached.
        | Error::ResponseFromBehaviourCanceled(_) => io::ErrorKind::HostUnreachable.into(),
        Error::Connect(ConnectError::ResourceLimitExceeded | ConnectError::PermissionDenied) => {
            io::ErrorKind::ConnectionRefused.into()
        }
        other => io::Error::other(other),
    }
}

fn finish<T>(transport: T) -> Boxed<(PeerId, StreamMuxerBox)>
where
    T: Transport<Output = (PeerId, StreamMuxerBox), Error = io::Error> + Send + Unpin + 'static,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    TransportTimeout::new(transport, SETUP_TIMEOUT)
        .map_err(|error| match error {
            TransportTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
            TransportTimeoutError::TimerError(error) | TransportTimeoutError::Other(error) => error,
        })
        .boxed()
}

/// Every layer's error becomes an [`io::Error`] whose kind says what happened, because libp2p
/// hides the types of boxed errors.
fn direct(
    keypair: &Keypair,
    kinds: &[Kind],
) -> Result<
    impl Transport<
        Output = (PeerId, StreamMuxerBox),
        Error = io::Error,
        Dial: Send,
        ListenerUpgrade: Send,
    > + Send
    + Unpin
    + use<>,
    noise::Error,
> {
    let tcp = if kinds.contains(&Kind::Tcp) {
        let transport = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(keypair)?)
            .multiplex(multiplexer())
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            // Connecting, authenticating or multiplexing failed: the first has the system's reason.
            .map_err(|error| match error.left().and_then(|error| error.left()) {
                Some(error) => error,
                None => io::ErrorKind::InvalidData.into(),
            });
        OptionalTransport::some(transport)
    } else {
        OptionalTransport::none()
    };
    let quic = if kinds.contains(&Kind::Quic) {
        let mut config = quic::Config::new(keypair);
        config.handshake_timeout = SETUP_TIMEOUT;
        config.max_concurrent_stream_limit = STREAMS_MAX;
        config.max_stream_data = QUIC_STREAM_BYTES;
        config.max_connection_data = QUIC_CONNECTION_BYTES;
        config.max_idle_timeout = QUIC_IDLE_MS;
        config.keep_alive_interval = QUIC_KEEP_ALIVE;
        let transport = quic::tokio::Transport::new(config)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .map_err(from_quic);
        OptionalTransport::some(transport)
    } else {
        OptionalTransport::none()
    };
    Ok(quic
        .or_transport(tcp)
        .map(|either, _| either.into_inner())
        .map_err(|either| either.into_inner()))
}

fn from_quic(error: quic::Error) -> io::Error {
    match error {
        quic::Error::Io(error) => error,
        quic::Error::HandshakeTimedOut => io::ErrorKind::TimedOut.into(),
        other => io::Error::other(other),
    }
}

fn from_dns(error: dns::Error<io::Error>) -> io::Error {
    match error {
        dns::Error::Transport(error) => error,
        dns::Error::ResolveError(_) => io::ErrorKind::HostUnreachable.into(),
        dns::Error::Dial(mut errors) => match errors.pop() {
            Some(error) => from_dns(error),
            None => io::ErrorKind::Other.into(),
        },
        other => io::Error::other(other.to_string()),
    }
}
