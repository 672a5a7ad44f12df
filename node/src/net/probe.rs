//! Looking at the ports of a node from outside, whether it runs or not.

use super::addr::{self, Transport};
use super::listen::{free, multiaddr};
use super::{NetError, Ports, Profile};
use libp2p::multiaddr::Multiaddr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A port of this machine answers at once or not at all.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);

/// What became of an address that a node listens on, or would.
#[derive(Debug)]
pub struct Probed {
    /// The address.
    pub address: String,
    /// Whether nobody holds it: an error of kind `AddrInUse` if somebody does.
    pub free: io::Result<()>,
    /// Whether somebody takes connections there; `None` where that cannot be asked so (UDP).
    pub answers: Option<bool>,
}

/// Looks at addresses. They are held for a moment and given back.
///
/// # Errors
/// [`NetError::Address`] for one that cannot be listened on.
pub fn probe(listen: &[String]) -> Result<Vec<Probed>, NetError> {
    let parsed = listen.iter().map(|text| {
        let wrong = || NetError::Address {
            address: text.clone(),
        };
        let parsed: Multiaddr = text.parse().map_err(|_| wrong())?;
        let kind = addr::transport(&parsed).ok_or_else(wrong)?;
        parsed.ip_addr().ok_or_else(wrong)?;
        Ok(look(&parsed, kind))
    });
    parsed.collect()
}

/// Looks at the ports that are remembered for all interfaces.
pub fn probe_remembered(ports: Ports) -> Vec<Probed> {
    let v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    [
        (v4, Transport::Quic, ports.udp4),
        (v4, Transport::Tcp, ports.tcp4),
        (v6, Transport::Quic, ports.udp6),
        (v6, Transport::Tcp, ports.tcp6),
    ]
    .into_iter()
    .filter_map(|(ip, kind, port)| Some(look(&multiaddr(ip, kind, port?), kind)))
    .collect()
}

/// Connections that a person's node bears.
pub fn connections_max() -> u32 {
    Profile::Person.limits().total
}

fn look(wanted: &Multiaddr, kind: Transport) -> Probed {
    Probed {
        address: wanted.to_string(),
        free: free(wanted, kind),
        answers: match (kind, wanted.ip_addr(), addr::port(wanted)) {
            (Transport::Tcp, Some(ip), Some(port)) => {
                let at = SocketAddr::new(here(ip), port);
                Some(TcpStream::connect_timeout(&at, CONNECT_TIME_MAX).is_ok())
            }
            _ => None,
        },
    }
}

/// Where this machine reaches its own listener.
fn here(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn a_port_is_free_or_held_and_answers_or_not() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (tcp_port, udp_port) = (
            tcp.local_addr().unwrap().port(),
            udp.local_addr().unwrap().port(),
        );
        let list = [
            format!("/ip4/127.0.0.1/tcp/{tcp_port}"),
            format!("/ip4/127.0.0.1/udp/{udp_port}/quic-v1"),
        ];
        let held = probe(&list).unwrap();
        let kind = |probed: &Probed| probed.free.as_ref().err().map(io::Error::kind);
        assert!(
            held.iter()
                .all(|p| kind(p) == Some(io::ErrorKind::AddrInUse))
        );
        assert_eq!(held[0].answers, Some(true));
        assert_eq!(held[1].answers, None);
        drop((tcp, udp));
        let let_go = probe(&list).unwrap();
        // Another program may take one of them in between.
        if let_go.iter().all(|probed| probed.free.is_ok()) {
            assert_eq!(let_go[0].answers, Some(false));
        }
        let ports = Ports {
            tcp4: Some(tcp_port),
            ..Ports::default()
        };
        assert_eq!(probe_remembered(ports).len(), 1);
        assert!(probe(&["/dns4/x.org/tcp/1".to_owned()]).is_err());
    }
}
