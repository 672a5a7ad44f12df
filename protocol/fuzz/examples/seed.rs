//! Writes starting inputs for the fuzz targets: what two engines say to each other, what lies on
//! their disks, and links. `cargo run --release --example seed -- FOLDER`

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use waxwing_fuzz::common::node::Pair;
use waxwing_protocol::id::from_base64url;

/// Rows and frames larger than this teach a fuzzer little and cost it much.
const SEED_BYTES_MAX: usize = 2_048;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "corpus".into());
    let folder = Path::new(&folder);
    let mut pair = Pair::new();
    pair.meet(3);
    pair.meet(1);
    for i in 0..6 {
        pair.say(i % 2 == 0, &format!("number {i}"));
        pair.pass(26 * 3_600_000);
    }
    let frames: BTreeSet<Vec<u8>> = pair.log.iter().map(|(_, bytes)| bytes.clone()).collect();
    let rows: BTreeSet<Vec<u8>> = (pair.a.rows().into_iter().chain(pair.b.rows()))
        .map(|(_, value)| value)
        .collect();
    write(folder, "frame", frames.iter().take(24))?;
    write(folder, "cbor_strict", frames.iter().take(12).chain(&rows))?;
    let links: Vec<Vec<u8>> = (1..4)
        .flat_map(|uses| {
            let link = pair.b.link(uses, None);
            let held = from_base64url(link.trim_start_matches("waxwing:"));
            [Some(link.into_bytes()), held]
        })
        .flatten()
        .collect();
    write(folder, "invite_link", &links)?;
    let streams: Vec<Vec<u8>> = (0..8u8)
        .map(|n| {
            let step = |i: u8| i.wrapping_mul(2 * n + 1).wrapping_add(n * 31);
            (0..160).map(step).collect()
        })
        .collect();
    for target in ["handshake_receive", "letter_receive", "conversation"] {
        write(folder, target, &streams)?;
    }
    Ok(())
}

fn write<'a>(
    folder: &Path,
    target: &str,
    seeds: impl IntoIterator<Item = &'a Vec<u8>>,
) -> std::io::Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    let fit = seeds.into_iter().filter(|s| s.len() <= SEED_BYTES_MAX);
    for (i, seed) in fit.enumerate() {
        fs::write(folder.join(format!("seed-{i:03}")), seed)?;
    }
    Ok(())
}
