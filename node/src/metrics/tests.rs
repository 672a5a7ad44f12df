//! What is served, and that it names nobody.

use super::figures::{Snapshot, render};
use super::*;
use crate::api::model::Disk;
use crate::net::Reachability;
use crate::roles::Roles;
use crate::runtime::Ask;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use waxwing_protocol::id::Fixed;
use waxwing_protocol::query::{HostView, StatusView};
use waxwing_protocol::store::MemoryStore;

const PATIENCE: Duration = Duration::from_secs(20);

fn snapshot() -> Snapshot {
    Snapshot {
        uptime_s: 90,
        now_ms: 1_795_428_060_000,
        connections: 3,
        listening: 2,
        disk: Some(Disk {
            used_bytes: 10,
            free_bytes: 20,
            read_only: false,
        }),
        node: StatusView {
            outbox: 4,
            ..StatusView::default()
        },
        bridge: Some(HostView {
            bridge: Fixed([7; 32]),
            descriptor: "waxwing-bridge:secretless".to_owned(),
            mailboxes: 5,
            tags: 6,
            blocks: 7,
            bytes: 8,
            quota_bytes: 9,
            oldest: Some(1_795_428_000_000),
            deposits: 11,
            collects: 12,
            forwards: 13,
            queued: 14,
            refused: vec![
                ("full".to_owned(), 15),
                (
                    "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq".to_owned(),
                    16,
                ),
                ("of bob".to_owned(), 17),
            ],
        }),
        resident_bytes: Some(21),
        cpu_s: 1.5,
    }
}

/// Names of samples with their values: `name{labels} value`.
fn samples(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.to_owned())
    };
    let told = text.lines().filter(|line| !line.starts_with('#'));
    told.map(line).collect()
}

fn value(text: &str, name: &str) -> String {
    let found: Vec<_> = samples(text)
        .into_iter()
        .filter(|(known, _)| known == name)
        .collect();
    assert_eq!(found.len(), 1, "{name} in {text}");
    found[0].1.clone()
}

#[test]
fn every_figure_is_what_the_node_says() {
    let text = render(&snapshot()).unwrap();
    for (name, expected) in [
        ("waxwing_uptime_seconds", "90"),
        ("waxwing_connections", "3"),
        ("waxwing_listen_addresses", "2"),
        ("waxwing_outbox_letters", "4"),
        ("waxwing_disk_free_bytes", "20"),
        ("waxwing_home_used_bytes", "10"),
        ("waxwing_disk_read_only", "0"),
        ("waxwing_bridge_mailboxes", "5"),
        ("waxwing_bridge_tags", "6"),
        ("waxwing_bridge_blocks", "7"),
        ("waxwing_bridge_held_bytes", "8"),
        ("waxwing_bridge_quota_bytes", "9"),
        ("waxwing_bridge_oldest_block_seconds", "60"),
        ("waxwing_bridge_deposits_total", "11"),
        ("waxwing_bridge_collects_total", "12"),
        ("waxwing_bridge_forwards_total", "13"),
        ("waxwing_bridge_forward_queue", "14"),
        ("waxwing_bridge_refused_total{reason=\"full\"}", "15"),
        ("process_resident_memory_bytes", "21"),
        ("process_cpu_seconds_total", "1.5"),
    ] {
        assert_eq!(value(&text, name), expected, "{name}");
    }
    assert!(text.ends_with("# EOF\n"));
    // A person's node has no bridge to tell of.
    let person = Snapshot {
        bridge: None,
        ..snapshot()
    };
    assert!(!render(&person).unwrap().contains("bridge"));
}

#[test]
fn no_label_names_anybody() {
    let text = render(&snapshot()).unwrap();
    let labelled: Vec<String> = samples(&text)
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.contains('{'))
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        labelled,
        [
            format!("waxwing_build_info{{version=\"{version}\"}}"),
            "waxwing_bridge_refused_total{reason=\"full\"}".to_owned(),
        ]
    );
}

fn names(text: &str) -> BTreeSet<String> {
    let bare = |(name, _): (String, String)| name.split('{').next().unwrap_or_default().to_owned();
    samples(text).into_iter().map(bare).collect()
}

/// Words of a query in PromQL that are names of metrics here: everything else has no such prefix.
fn asked(query: &str) -> Vec<String> {
    query
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("waxwing_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_dashboard_asks_for_nothing_that_is_not_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana-waxwing-bridge.json");
    let text = std::fs::read_to_string(path).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let served = names(&render(&snapshot()).unwrap());
    let mut queries = 0;
    let mut used = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap_or(&Vec::new()) {
            let query = target["expr"].as_str().unwrap();
            let asked = asked(query);
            assert!(!asked.is_empty(), "{query} asks for no figure");
            for name in asked {
                assert!(served.contains(&name), "{query}: {name} is not served");
                used.insert(name);
            }
            queries += 1;
        }
    }
    assert!(queries >= 10, "{queries}");
    let unseen: Vec<&String> = served.difference(&used).collect();
    assert_eq!(unseen, ["waxwing_build_info"], "no panel shows these");
}

#[test]
fn the_guide_lists_every_figure() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/run-a-bridge.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let listed: BTreeSet<String> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("waxwing_") || name.starts_with("process_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, names(&render(&snapshot()).unwrap()));
}

/// An engine with an empty store, or none at all.
fn sources(engine: bool, listen: &[&str], read_only: bool) -> Sources {
    let (asks, mut asked) = mpsc::channel(4);
    let (_, cursor) = watch::channel(0);
    if engine {
        tokio::spawn(async move {
            let store = MemoryStore::default();
            while let Some(ask) = asked.recv().await {
                if let Ask::Query(run) = ask {
                    run(&store);
                }
            }
        });
    }
    let listen = listen.iter().map(|&addr| addr.to_owned()).collect();
    Sources {
        handle: EngineHandle::new(asks, cursor),
        info: NodeInfo {
            listen: watch::channel(listen).1,
            reachability: watch::channel(Reachability::default()).1,
            roles: Roles::default(),
            started: Instant::now(),
            bridge: None,
            connections: Arc::new(|| 3),
        },
        disk: Arc::new(move || {
            Some(Disk {
                used_bytes: 1,
                free_bytes: 2,
                read_only,
            })
        }),
    }
}

async fn ask(metrics: &Metrics, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(metrics.addr()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let mut text = String::new();
    let talk = async {
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_string(&mut text).await.unwrap();
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

async fn health(sources: Sources) -> [(u16, serde_json::Value); 2] {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let metrics = serve(here, sources).await.unwrap();
    let mut said = Vec::new();
    for path in ["/livez", "/readyz"] {
        let (status, body) = ask(&metrics, path).await;
        said.push((status, serde_json::from_str(&body).unwrap()));
    }
    metrics.shutdown().await;
    said.try_into().unwrap()
}

fn failed(health: &serde_json::Value) -> Vec<&str> {
    let checks = health["checks"].as_array().unwrap();
    let bad = checks.iter().filter(|check| check["ok"] == false);
    bad.map(|check| check["check"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_node_that_is_well_says_so_and_serves_figures() {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let metrics = serve(here, sources(true, &["/ip4/127.0.0.1/tcp/1"], false));
    let metrics = metrics.await.unwrap();
    let (status, text) = ask(&metrics, "/metrics").await;
    assert_eq!(status, 200);
    assert_eq!(value(&text, "waxwing_connections"), "3");
    let (status, ready) = ask(&metrics, "/readyz").await;
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    assert_eq!((status, &ready["ok"]), (200, &serde_json::json!(true)));
    let checks = ready["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| &check["check"]).collect();
    assert_eq!(names, ["store", "disk_space", "network"]);
    assert_eq!(ask(&metrics, "/livez").await.0, 200);
    // Nothing else is here, least of all the API.
    assert_eq!(ask(&metrics, "/v1/status").await.0, 404);
    metrics.shutdown().await;
}

#[tokio::test]
async fn what_does_not_work_is_named() {
    let [alive, ready] = health(sources(true, &[], true)).await;
    assert_eq!((alive.0, ready.0), (200, 503));
    assert_eq!(failed(&ready.1), ["disk_space", "network"]);
    let [alive, ready] = health(sources(false, &["/ip4/127.0.0.1/tcp/1"], false)).await;
    assert_eq!((alive.0, ready.0), (503, 503));
    assert_eq!(failed(&alive.1), ["store"]);
    assert_eq!(failed(&ready.1), ["store"]);
}

#[tokio::test]
async fn without_an_engine_there_are_no_figures() {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let metrics = serve(here, sources(false, &[], false)).await.unwrap();
    assert_eq!(ask(&metrics, "/metrics").await.0, 503);
    let taken = serve(metrics.addr(), sources(false, &[], false)).await;
    assert!(taken.is_err());
}
