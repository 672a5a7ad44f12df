//! `bench`: workloads of two real nodes, with their floors.
//!
//! Called under the name `waxwing` it is the command line itself: so it starts its nodes.

use clap::{Parser, ValueEnum};
use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use waxwing_tests::bench::figures::Figures;
use waxwing_tests::bench::pair::Pair;
use waxwing_tests::bench::{floor, w1, w2, w3, w5};
use waxwing_tests::process::Transports;

/// Measure two nodes on this machine, in processes of their own, through their local APIs
#[derive(Parser)]
#[command(name = "bench")]
struct Args {
    /// What to measure
    workload: Workload,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Messages of the workload [default: w1 500, w2 5000, w3 1000, w5 100000]
    #[arg(long, value_name = "N")]
    messages: Option<usize>,
    /// Messages that both homes hold before w1 and w2 begin
    #[arg(long, value_name = "N", default_value_t = 0)]
    stored: usize,
    /// API calls in flight, for w2
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=200))]
    in_flight: u16,
    /// How often to measure w1 and w2 with the same two nodes
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: usize,
    /// What the nodes listen with
    #[arg(long, value_enum, default_value_t = Over::Both)]
    over: Over,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Latency: one message after the other, API call to the receiver's event
    W1,
    /// Rate: as fast as accepted, until the last is shown and durable
    W2,
    /// Return: messages sent while the receiver was away, from its start until all are shown
    W3,
    /// Memory at rest and time to start, empty and with a history
    W5,
    /// The floors alone
    Floor,
    /// w1 and w2 at 0, 10,000, 100,000 and --stored messages of history
    Growth,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Over {
    /// QUIC and TCP, as by default
    Both,
    /// QUIC alone
    Quic,
    /// TCP alone
    Tcp,
}

impl From<Over> for Transports {
    fn from(over: Over) -> Self {
        match over {
            Over::Both => Self::Both,
            Over::Quic => Self::Quic,
            Over::Tcp => Self::Tcp,
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let name = args.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == "waxwing") {
        return waxwing::run(args);
    }
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let measured = match runtime {
        Ok(runtime) => runtime.block_on(measure(&args)),
        Err(error) => Err(error.into()),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

type Failed = Box<dyn Error + Send + Sync>;

async fn floors(figures: &mut Figures) -> Result<(), Failed> {
    figures.add("network_floor_ms", floor::network_ms().await?);
    figures.add(
        "flush_floor_ms",
        tokio::task::block_in_place(floor::flush_ms)?,
    );
    Ok(())
}

async fn latency(args: &Args, pair: &Pair, stored: usize) -> Result<(), Failed> {
    let mut figures = w1::run(pair, args.messages.unwrap_or(500)).await?;
    figures.count("stored", stored);
    floors(&mut figures).await?;
    figures.print(args.json);
    Ok(())
}

async fn rate(args: &Args, pair: &Pair, stored: usize) -> Result<(), Failed> {
    let messages = args.messages.unwrap_or(5_000);
    let mut figures = w2::run(pair, messages, args.in_flight.into()).await?;
    figures.count("stored", stored);
    floors(&mut figures).await?;
    figures.print(args.json);
    Ok(())
}

async fn measure(args: &Args) -> Result<(), Failed> {
    if args.workload == Workload::Floor {
        let mut figures = Figures::default();
        floors(&mut figures).await?;
        figures.print(args.json);
        return Ok(());
    }
    let mut pair = tokio::task::block_in_place(|| Pair::meet(args.over.into()));
    match args.workload {
        Workload::Floor => {}
        Workload::W1 | Workload::W2 => {
            pair.fill(args.stored).await?;
            for _ in 0..args.rounds {
                match args.workload {
                    Workload::W1 => latency(args, &pair, args.stored).await?,
                    _ => rate(args, &pair, args.stored).await?,
                }
            }
        }
        Workload::W3 => {
            let messages = args.messages.unwrap_or(1_000);
            let mut figures = w3::run(&mut pair, messages, args.over.into()).await?;
            floors(&mut figures).await?;
            figures.print(args.json);
        }
        Workload::W5 => {
            let figures = w5::run(&mut pair, args.messages.unwrap_or(100_000)).await?;
            figures.print(args.json);
        }
        Workload::Growth => {
            let mut stored = 0;
            for want in [0, 10_000, 100_000, args.stored] {
                if want < stored {
                    break;
                }
                pair.fill(want - stored).await?;
                latency(args, &pair, want).await?;
                rate(args, &pair, want).await?;
                stored = want;
            }
        }
    }
    Ok(())
}
