//! The figures, as OpenMetrics text. `docs/guide/run-a-bridge.md` lists them, and a test compares.

use super::Sources;
use super::health::ANSWER_TIME_MAX;
use crate::api::model::Disk;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};
use waxwing_protocol::input::BridgeSettings;
use waxwing_protocol::query::{self, HostView, StatusView};

/// Reasons of refusals that are told apart: the engine has fewer.
const REASONS_MAX: usize = 32;
/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 32;

/// What the figures are, at one moment.
pub(super) struct Snapshot {
    pub(super) uptime_s: u64,
    pub(super) now_ms: u64,
    pub(super) connections: u64,
    pub(super) listening: u64,
    pub(super) disk: Option<Disk>,
    pub(super) node: StatusView,
    pub(super) bridge: Option<HostView>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) cpu_s: f64,
}

/// The figures of now; `None` if the engine does not give them.
pub(super) async fn text(sources: &Sources) -> Option<String> {
    let asked = sources
        .handle
        .query(|store| Ok((query::status(store)?, query::bridge(store)?)));
    let (node, bridge) = tokio::time::timeout(ANSWER_TIME_MAX, asked)
        .await
        .ok()?
        .ok()?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let snapshot = Snapshot {
        uptime_s: sources.info.started.elapsed().as_secs(),
        now_ms: u64::try_from(since.as_millis()).ok()?,
        connections: (sources.info.connections)(),
        listening: sources.info.listen.borrow().len() as u64,
        disk: (sources.disk)(),
        node,
        // A home that once was a bridge and now runs as a person's serves nobody.
        bridge: bridge.zip(sources.info.bridge.as_ref()).map(told),
        resident_bytes: resident_bytes(),
        cpu_s: cpu_s(),
    };
    render(&snapshot)
}

/// How much may be held is set, not counted.
fn told((mut host, settings): (HostView, &BridgeSettings)) -> HostView {
    host.quota_bytes = settings.quota_bytes;
    host
}

pub(super) fn render(now: &Snapshot) -> Option<String> {
    let mut all = Registry::default();
    let mut own = Figures(all.sub_registry_with_prefix("waxwing"));
    own.build();
    own.gauge(
        "uptime",
        "Since the node started",
        Some(Unit::Seconds),
        now.uptime_s,
    );
    own.gauge("connections", "Nodes connected", None, now.connections);
    own.gauge(
        "listen_addresses",
        "Addresses listened on",
        None,
        now.listening,
    );
    own.gauge(
        "outbox_letters",
        "Letters of the node's own that wait",
        None,
        now.node.outbox,
    );
    if let Some(disk) = &now.disk {
        own.gauge(
            "disk_free",
            "Free on the home's disk",
            Some(Unit::Bytes),
            disk.free_bytes,
        );
        own.gauge(
            "home_used",
            "Taken by the home",
            Some(Unit::Bytes),
            disk.used_bytes,
        );
        own.gauge(
            "disk_read_only",
            "1 while too little is free to write",
            None,
            u64::from(disk.read_only),
        );
    }
    if let Some(bridge) = &now.bridge {
        own.bridge(bridge, now.now_ms);
    }
    let mut process = Figures(all.sub_registry_with_prefix("process"));
    process.seconds("cpu", "Processor time taken", now.cpu_s);
    if let Some(bytes) = now.resident_bytes {
        process.gauge(
            "resident_memory",
            "Memory that is resident",
            Some(Unit::Bytes),
            bytes,
        );
    }
    let mut text = String::new();
    // Writing to a string fails only if a value has no form.
    encode(&mut text, &all).ok()?;
    Some(text)
}

struct Figures<'a>(&'a mut Registry);

impl Figures<'_> {
    fn build(&mut self) {
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        self.0
            .register("build", "What runs", Info::new(Vec::from(labels)));
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<Unit>, value: u64) {
        let gauge = Gauge::<u64, AtomicU64>::default();
        gauge.set(value);
        match unit {
            Some(unit) => self.0.register_with_unit(name, help, unit, gauge),
            None => self.0.register(name, help, gauge),
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        self.0.register(name, help, counter);
    }

    fn seconds(&mut self, name: &str, help: &str, value: f64) {
        let counter = Counter::<f64, AtomicU64>::default();
        counter.inc_by(value);
        self.0
            .register_with_unit(name, help, Unit::Seconds, counter);
    }

    fn bridge(&mut self, bridge: &HostView, now_ms: u64) {
        let bytes = || Some(Unit::Bytes);
        self.gauge("bridge_mailboxes", "Mailboxes", None, bridge.mailboxes);
        self.gauge(
            "bridge_tags",
            "Tags to leave letters under",
            None,
            bridge.tags,
        );
        self.gauge("bridge_blocks", "Blocks held", None, bridge.blocks);
        self.gauge("bridge_held", "Taken by blocks", bytes(), bridge.bytes);
        self.gauge(
            "bridge_quota",
            "What blocks may take",
            bytes(),
            bridge.quota_bytes,
        );
        let age_ms = bridge.oldest.map_or(0, |at| now_ms.saturating_sub(at));
        self.gauge(
            "bridge_oldest_block",
            "Age of the oldest block held, 0 without one",
            Some(Unit::Seconds),
            age_ms / 1_000,
        );
        self.gauge(
            "bridge_forward_queue",
            "Boxes that wait to be handed on",
            None,
            bridge.queued,
        );
        self.counter("bridge_deposits", "Blocks taken", bridge.deposits);
        self.counter("bridge_collects", "Blocks handed over", bridge.collects);
        self.counter("bridge_forwards", "Boxes handed on", bridge.forwards);
        let refused = Family::<Vec<(String, String)>, Counter<u64>>::default();
        let known = bridge.refused.iter().filter(|(why, _)| is_a_word(why));
        for (why, count) in known.take(REASONS_MAX) {
            let label = vec![("reason".to_owned(), why.clone())];
            refused.get_or_create(&label).inc_by(*count);
        }
        self.0.register(
            "bridge_refused",
            "Asks that were refused, by reason",
            refused,
        );
    }
}

/// A reason is a word of the program's own: never something that an asker chose.
fn is_a_word(why: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-';
    (1..=REASON_BYTES_MAX).contains(&why.len()) && why.bytes().all(plain)
}

/// Memory that is resident, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1_024)
}

/// Processor time of this process.
fn cpu_s() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let nanos = u32::try_from(spent.tv_nsec).unwrap_or(0);
    let whole = u64::try_from(spent.tv_sec).unwrap_or(0);
    std::time::Duration::new(whole, nanos).as_secs_f64()
}
