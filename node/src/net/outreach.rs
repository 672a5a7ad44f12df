//! The part of the swarm's task that makes ways to this node and better ones to others: relays,
//! holes, and what is told of our addresses.

use super::addr::{self, from_peer_id, transport};
use super::relays::Act;
use super::task::Task;
use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Multiaddr;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use std::collections::HashSet;
use std::time::Instant;
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{Input, Reach};

impl Task {
    /// These are the relays at the start, when there is nobody to tell yet.
    pub(super) fn begin_with(&mut self, list: Vec<(PeerId, Vec<Multiaddr>)>) {
        self.state.relays.set(list, Instant::now());
        self.watch_relays();
    }

    /// From now on these are the relays.
    pub(super) fn set_relays(&mut self, list: Vec<(PeerId, Vec<Multiaddr>)>) {
        let acts = self.state.relays.set(list, Instant::now());
        self.act(acts);
        self.watch_relays();
        self.tell_addresses();
    }

    /// Whatever is due about relays and holes.
    pub(super) fn on_deadline(&mut self, now: Instant) {
        let acts = self.state.relays.due(now);
        self.act(acts);
        let links = &self.shared.links;
        let still = |peer: &Peer| links.how(peer) == Some(Reach::Relayed);
        for (id, through) in self.state.punches.due(now, still) {
            let opts = DialOpts::peer_id(id)
                .condition(PeerCondition::Always)
                .addresses(vec![through])
                .build();
            let connection = opts.connection_id();
            self.swarm.behaviour_mut().frames.hush(connection);
            tracing::debug!("trying again for a direct connection");
            // A failure is no news: the next attempt has its time already.
            let _ = self.swarm.dial(opts);
        }
    }

    /// When [`Task::on_deadline`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let punches = self.state.punches.deadline();
        self.state
            .relays
            .deadline()
            .into_iter()
            .chain(punches)
            .min()
    }

    fn act(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Leave(listener) => {
                    self.swarm.remove_listener(listener);
                }
                Act::Dial(id, addresses) => {
                    let opts = DialOpts::peer_id(id)
                        .condition(PeerCondition::Always)
                        .addresses(addresses)
                        .build();
                    let connection = opts.connection_id();
                    let now = Instant::now();
                    self.state.relays.dialing(id, connection, now);
                    self.swarm.behaviour_mut().frames.hush(connection);
                    if self.swarm.dial(opts).is_err() {
                        self.state.relays.failed(connection, now);
                    }
                }
            }
        }
    }

    /// Connections to relays carry no frames: our own ones, and those on the way of a dial.
    pub(super) fn watch_relays(&mut self) {
        let on_the_way = self.state.dials.values().flat_map(|dial| dial.relays());
        let relays: HashSet<PeerId> = self.state.relays.ids().chain(on_the_way).collect();
        self.swarm.behaviour_mut().frames.set_relays(relays);
    }

    /// How a new connection leads to its peer; and a relay that we waited for is asked.
    pub(super) fn on_established(
        &mut self,
        id: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        let peer = from_peer_id(&id);
        let how = how(endpoint, || {
            peer.and_then(|peer| self.shared.links.how(&peer)) == Some(Reach::Relayed)
        });
        self.state.hows.insert(connection, how);
        if let (Some(peer), ConnectedPoint::Dialer { address, .. }, Reach::Relayed) =
            (peer, endpoint, how)
            && !self.swarm.behaviour().frames.is_quiet(connection)
        {
            let now = Instant::now();
            self.state.punches.relayed(peer, id, address.clone(), now);
        }
        let at = endpoint.get_remote_address();
        if let Some((relay, through)) = self.state.relays.connected(connection, at) {
            let now = Instant::now();
            match self.swarm.listen_on(through) {
                Ok(listener) => self.state.relays.asking(relay, listener, now),
                Err(_) => {
                    self.state.relays.failed(connection, now);
                }
            }
        }
    }

    /// A relay agreed to carry connections to us.
    pub(super) fn on_reserved(&mut self, relay: PeerId) {
        if self.state.relays.agreed(relay) {
            tracing::info!("a relay leads here");
            self.tell_addresses();
            self.look_through_other_ways(relay);
        }
    }

    /// Has a relay see us over its other transport too: two nodes that know their addresses for
    /// one transport each, and not for the same one, could punch no hole. Nothing else goes over
    /// these connections, and libp2p closes them after seconds.
    fn look_through_other_ways(&mut self, relay: PeerId) {
        for way in self.state.relays.other_ways(relay) {
            if transport(&way).is_some_and(|kind| self.transports.contains(&kind)) {
                let opts = DialOpts::peer_id(relay)
                    .condition(PeerCondition::Always)
                    .addresses(vec![way])
                    .build();
                self.swarm.behaviour_mut().frames.hush(opts.connection_id());
                let _ = self.swarm.dial(opts);
            }
        }
    }

    /// A listener closed. True if it was one at a relay.
    pub(super) fn on_relay_closed(&mut self, listener: ListenerId) -> bool {
        let was_ours = self.state.relays.closed(listener, Instant::now());
        if was_ours {
            tracing::info!("a relay leads here no more");
            self.state.addresses_changed = Some(Instant::now());
        }
        was_ours
    }

    /// Somebody outside tried one of our addresses.
    pub(super) fn on_checked(&mut self, addr: Multiaddr, reached: bool) {
        self.state.checks.checked(addr, reached);
        self.publish_reachability();
    }

    /// One of our addresses is known to work from outside, or does not any more.
    pub(super) fn on_external(&mut self, addr: Multiaddr, works: bool) {
        if addr::is_circuit(&addr) || transport(&addr).is_none() {
            return;
        }
        if works {
            self.state.external.insert(addr);
        } else {
            self.state.external.remove(&addr);
        }
        self.state.addresses_changed = Some(Instant::now());
    }

    /// Says at once what changed in our addresses.
    pub(super) fn tell_addresses(&mut self) {
        self.state.addresses_changed = None;
        if self.publish_addresses() {
            let listen = self.shared.advertise();
            self.shared.report(Input::Listening { listen });
        }
    }

    /// True if others have to be told of other addresses than before.
    pub(super) fn publish_addresses(&mut self) -> bool {
        let listeners = self.swarm.listeners();
        let direct = listeners.filter(|addr| transport(addr).is_some()).cloned();
        let listen = addr::best_first(direct);
        let before = self.shared.addresses();
        if before.iter().any(|addr| !listen.contains(addr)) {
            self.left_network();
        }
        if self.hosts {
            self.tell_as_relay(&listen);
        }
        let external = self.state.external.iter().cloned();
        let direct = addr::best_first(listen.iter().cloned().chain(external));
        let told = addr::advertised(&direct, &self.state.relays.circuits());
        let changed = self.shared.set_addresses(listen, told);
        self.publish_reachability();
        changed
    }

    /// This machine is somewhere else: what was found out from outside holds no more.
    fn left_network(&mut self) {
        self.state.checks.forget();
        for addr in std::mem::take(&mut self.state.external) {
            self.swarm.remove_external_address(&addr);
        }
    }

    /// A relay names its own addresses in each reservation: without any there is none.
    fn tell_as_relay(&mut self, listen: &[Multiaddr]) {
        let known: Vec<Multiaddr> = self.swarm.external_addresses().cloned().collect();
        for addr in listen.iter().filter(|addr| !known.contains(addr)) {
            self.swarm.add_external_address(addr.clone());
        }
        for gone in known.iter().filter(|addr| {
            !listen.contains(addr) && !self.state.external.contains(addr) && !addr::is_circuit(addr)
        }) {
            self.swarm.remove_external_address(gone);
        }
    }

    pub(super) fn publish_reachability(&self) {
        let listen = self.shared.addresses();
        let nat = self.swarm.behaviour().observe.nat(&listen);
        let relays = self.state.relays.states();
        let new = self.state.checks.verdict(&listen, nat, relays);
        self.shared.reachability.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
    }
}

/// How a connection leads to its peer. `relayed`: the peer was reached through a relay until now.
fn how(endpoint: &ConnectedPoint, relayed: impl FnOnce() -> bool) -> Reach {
    match endpoint {
        endpoint if endpoint.is_relayed() => Reach::Relayed,
        // The listener's part of a dial is played only to punch a hole.
        ConnectedPoint::Dialer { role_override, .. } if role_override.is_listener() => {
            Reach::Punched
        }
        ConnectedPoint::Dialer { .. } => Reach::Direct,
        ConnectedPoint::Listener { .. } if relayed() => Reach::Punched,
        ConnectedPoint::Listener { .. } => Reach::Direct,
    }
}
