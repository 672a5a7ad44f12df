//! Opens the listeners: the user's addresses, or both transports on all interfaces with the
//! ports drawn last time.

use super::addr::{self, Transport};
use super::{NetError, Ports};
use libp2p::multiaddr::{Multiaddr, Protocol};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// Addresses that a user may give.
const LISTEN_MAX: usize = 16;
/// A port that was free a moment ago may be taken by now: draw again this often.
const DRAWS_MAX: usize = 8;

/// What to listen on.
pub(super) enum Plan {
    /// The user's own addresses, every one of which has to work.
    Given(Vec<(String, Multiaddr, Transport)>),
    /// Everything that this machine has.
    Default(Ports),
}

impl Plan {
    /// # Errors
    /// [`NetError::Address`] if an address cannot be listened on.
    pub(super) fn new(listen: &[String], remembered: Ports) -> Result<Self, NetError> {
        if listen.is_empty() {
            return Ok(Self::Default(remembered));
        }
        if listen.len() > LISTEN_MAX {
            return Err(NetError::TooMany { most: LISTEN_MAX });
        }
        let parse = |text: &String| {
            let wrong = || NetError::Address {
                address: text.clone(),
            };
            let parsed: Multiaddr = text.parse().map_err(|_| wrong())?;
            let kind = addr::transport(&parsed).ok_or_else(wrong)?;
            parsed.ip_addr().ok_or_else(wrong)?;
            Ok((text.clone(), parsed, kind))
        };
        Ok(Self::Given(
            listen.iter().map(parse).collect::<Result<_, NetError>>()?,
        ))
    }

    /// Whether others than this machine could connect.
    pub(super) fn is_for_others(&self) -> bool {
        match self {
            Self::Default(_) => true,
            Self::Given(list) => list
                .iter()
                .any(|(_, addr, _)| addr::scope(addr) != addr::Scope::Loopback),
        }
    }

    /// Transports that are listened on, and so the ones that may be dialed.
    pub(super) fn transports(&self) -> Vec<Transport> {
        match self {
            Self::Default(_) => vec![Transport::Quic, Transport::Tcp],
            Self::Given(list) => {
                let mut kinds: Vec<_> = list.iter().map(|(_, _, kind)| *kind).collect();
                kinds.sort();
                kinds.dedup();
                kinds
            }
        }
    }

    /// Opens the listeners with `listen_on`. Gives the ports to remember.
    ///
    /// # Errors
    /// [`NetError::Listen`] if a given address does not work, [`NetError::NoListener`] if none of
    /// the defaults does.
    pub(super) fn open<L>(
        self,
        mut listen_on: impl FnMut(Multiaddr) -> io::Result<L>,
    ) -> Result<(Vec<L>, Ports), NetError> {
        match self {
            Self::Given(list) => {
                let mut open = Vec::new();
                for (text, parsed, kind) in list {
                    let opened = free(&parsed, kind).and_then(|()| listen_on(parsed));
                    open.push(opened.map_err(|reason| NetError::Listen {
                        address: text,
                        hint: hint(reason.kind()),
                        reason: reason.kind(),
                    })?);
                }
                Ok((open, Ports::default()))
            }
            Self::Default(remembered) => open_defaults(remembered, &mut listen_on),
        }
    }
}

fn open_defaults<L>(
    remembered: Ports,
    listen_on: &mut dyn FnMut(Multiaddr) -> io::Result<L>,
) -> Result<(Vec<L>, Ports), NetError> {
    let mut ports = remembered;
    let mut open = Vec::new();
    let mut last = io::ErrorKind::Unsupported;
    let v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    for (ip, kind, port) in [
        (v4, Transport::Quic, &mut ports.udp4),
        (v4, Transport::Tcp, &mut ports.tcp4),
        (v6, Transport::Quic, &mut ports.udp6),
        (v6, Transport::Tcp, &mut ports.tcp6),
    ] {
        match open_default(ip, kind, *port, listen_on) {
            Ok((listener, drawn)) => {
                if port.is_some_and(|port| port != drawn) {
                    tracing::warn!(
                        transport = ?kind,
                        "the port used last time is taken; another one was drawn, so contacts \
                         may need a moment to find this node again"
                    );
                }
                *port = Some(drawn);
                open.push(listener);
            }
            Err(error) => {
                last = error.kind();
                if ip.is_ipv4() {
                    tracing::warn!(transport = ?kind, reason = %last, "cannot listen on IPv4");
                } else {
                    tracing::debug!(transport = ?kind, reason = %last, "no IPv6 here");
                }
            }
        }
    }
    if open.is_empty() {
        return Err(NetError::NoListener { reason: last });
    }
    Ok((open, ports))
}

/// Listens on the remembered port, else on one that is drawn.
fn open_default<L>(
    ip: IpAddr,
    kind: Transport,
    remembered: Option<u16>,
    listen_on: &mut dyn FnMut(Multiaddr) -> io::Result<L>,
) -> io::Result<(L, u16)> {
    let mut attempt = |port| {
        let wanted = multiaddr(ip, kind, port);
        free(&wanted, kind)?;
        listen_on(wanted).map(|listener| (listener, port))
    };
    if let Some(port) = remembered.filter(|port| *port != 0) {
        match attempt(port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            done => return done,
        }
    }
    let mut outcome = Err(io::ErrorKind::AddrInUse.into());
    for _ in 0..DRAWS_MAX {
        outcome = bind(SocketAddr::new(probe_ip(ip), 0), kind).and_then(&mut attempt);
        if !matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
            break;
        }
    }
    outcome
}

pub(super) fn multiaddr(ip: IpAddr, kind: Transport, port: u16) -> Multiaddr {
    let host = Multiaddr::from(ip);
    match kind {
        Transport::Tcp => host.with(Protocol::Tcp(port)),
        Transport::Quic => host.with(Protocol::Udp(port)).with(Protocol::QuicV1),
    }
}

/// Says whether a port is free. libp2p listens on TCP with SO_REUSEPORT, which silently shares a
/// port with another node of the same user: then connections would end up at either of them.
pub(super) fn free(wanted: &Multiaddr, kind: Transport) -> io::Result<()> {
    let (Some(ip), Some(port)) = (wanted.ip_addr(), addr::port(wanted)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if port == 0 {
        return Ok(());
    }
    bind(SocketAddr::new(probe_ip(ip), port), kind).map(|_| ())
}

/// Where to look for a free port. A plain socket on `::` would take the port for IPv4 too, so
/// IPv6 is asked at its loopback address, which conflicts with the wildcard just as well.
fn probe_ip(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    }
}

/// Binds and lets go again; gives the port.
fn bind(at: SocketAddr, kind: Transport) -> io::Result<u16> {
    let bound = match kind {
        Transport::Tcp => TcpListener::bind(at)?.local_addr()?,
        Transport::Quic => UdpSocket::bind(at)?.local_addr()?,
    };
    Ok(bound.port())
}

fn hint(reason: io::ErrorKind) -> &'static str {
    match reason {
        io::ErrorKind::AddrInUse => {
            "another program, perhaps another node, uses this port: stop it or choose another"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose a higher one",
        _ => "choose another address, or leave --listen out to use all interfaces",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listened(wanted: Multiaddr) -> io::Result<Multiaddr> {
        Ok(wanted)
    }

    #[test]
    fn given_addresses_decide_the_transports() {
        let plan = |list: &[&str]| {
            let list: Vec<_> = list.iter().map(|text| (*text).to_owned()).collect();
            Plan::new(&list, Ports::default())
        };
        let kinds = |list: &[&str]| plan(list).map(|plan| plan.transports());
        assert_eq!(kinds(&[]).unwrap(), [Transport::Quic, Transport::Tcp]);
        assert_eq!(
            kinds(&["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"]).unwrap(),
            [Transport::Tcp]
        );
        for bad in ["", "rubbish", "/ip4/127.0.0.1", "/dns4/x.org/tcp/1"] {
            assert!(matches!(plan(&[bad]), Err(NetError::Address { .. })));
        }
        assert!(matches!(
            plan(&["/ip4/127.0.0.1/tcp/0"; LISTEN_MAX + 1]),
            Err(NetError::TooMany { .. })
        ));
    }

    #[test]
    fn remembered_ports_are_used_again_and_taken_ones_drawn_anew() {
        // Some other program may take a port between two calls, but hardly every time.
        let draw = || {
            open_defaults(Ports::default(), &mut { listened })
                .unwrap()
                .1
        };
        let kept = |first| open_defaults(first, &mut { listened }).unwrap().1 == first;
        assert!((0..5).any(|_| kept(draw())));
        let (_, first) = open_defaults(Ports::default(), &mut listened).unwrap();
        let taken = TcpListener::bind(("0.0.0.0", first.tcp4.unwrap())).unwrap();
        let (_, other) = open_defaults(first, &mut listened).unwrap();
        assert_ne!(other.tcp4, first.tcp4);
        drop(taken);
    }

    #[test]
    fn a_given_port_that_is_taken_is_an_error_with_a_hint() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
        let plan = Plan::new(std::slice::from_ref(&text), Ports::default()).unwrap();
        match plan.open(listened) {
            Err(NetError::Listen {
                address, reason, ..
            }) => {
                assert_eq!(address, text);
                assert_eq!(reason, io::ErrorKind::AddrInUse);
            }
            other => panic!("{:?}", other.map(|_| ())),
        }
    }

    #[test]
    fn without_any_family_there_is_no_listener() {
        let mut never = |_| Err::<(), _>(io::ErrorKind::Unsupported.into());
        assert!(matches!(
            open_defaults(Ports::default(), &mut never),
            Err(NetError::NoListener { .. })
        ));
    }
}
