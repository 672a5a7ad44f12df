//! Floors: what the same work costs without us. A figure is read beside its floor, because both
//! move with the machine.

use super::figures::Times;
use quinn::{ClientConfig, Endpoint, ServerConfig};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use waxwing_node::store::{self, Place};
use waxwing_protocol::private::{Bytes, Secret};
use waxwing_protocol::store::{Batch, Key, Store, Table};

/// What a text of [`super::TEXT_BYTES`] is on the wire: letter, frame and length.
const FRAME_BYTES: usize = 424;
const ECHOES: usize = 1_000;
const FLUSHES: usize = 300;
/// Rows and bytes of a flush, as one message writes them.
const FLUSH_ROWS: u8 = 8;
const FLUSH_ROW_BYTES: usize = 250;

type Failed = Box<dyn Error + Send + Sync>;

/// One way over a bare QUIC stream on loopback, in ms: half of the median echo. The other end runs
/// on a thread and a runtime of its own.
///
/// # Errors
/// If loopback or TLS fail.
pub async fn network_ms() -> Result<f64, Failed> {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let cert = CertificateDer::from(certified.cert);
    let key = PrivatePkcs8KeyDer::from(certified.key_pair.serialize_der());
    let server = ServerConfig::with_single_cert(vec![cert.clone()], PrivateKeyDer::Pkcs8(key))?;
    let (tell, told) = tokio::sync::oneshot::channel();
    let far = thread::spawn(move || -> Result<(), Failed> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(echo(server, tell))
    });
    let addr = told.await?;
    let mut roots = RootCertStore::empty();
    roots.add(cert)?;
    let client = ClientConfig::with_root_certificates(Arc::new(roots))?;
    let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    endpoint.set_default_client_config(client);
    let connection = endpoint.connect(addr, "localhost")?.await?;
    let (mut send, mut receive) = connection.open_bi().await?;
    let mut frame = [7; FRAME_BYTES];
    let mut times = Times::default();
    for round in 0..ECHOES + ECHOES / 10 {
        let began = Instant::now();
        send.write_all(&frame).await?;
        receive.read_exact(&mut frame).await?;
        // The first ones warm up.
        if round >= ECHOES / 10 {
            times.add(began.elapsed());
        }
    }
    connection.close(0u8.into(), b"");
    endpoint.wait_idle().await;
    far.join().map_err(|_| "the far end broke down")??;
    Ok(times.percentile_ms(50) / 2.0)
}

async fn echo(
    server: ServerConfig,
    tell: tokio::sync::oneshot::Sender<SocketAddr>,
) -> Result<(), Failed> {
    let endpoint = Endpoint::server(server, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let addr = endpoint.local_addr()?;
    tell.send(addr).map_err(|_| "nobody wants to know")?;
    let incoming = endpoint.accept().await.ok_or("nobody came")?;
    let connection = incoming.await?;
    let (mut send, mut receive) = connection.accept_bi().await?;
    let mut frame = [0; FRAME_BYTES];
    while receive.read_exact(&mut frame).await.is_ok() {
        send.write_all(&frame).await?;
    }
    endpoint.wait_idle().await;
    Ok(())
}

/// One durable commit of the node's store on this disk, in ms: the median of many, each of as many
/// bytes as one message writes.
///
/// # Errors
/// If the disk fails.
pub fn flush_ms() -> Result<f64, Failed> {
    let dir = tempfile::tempdir()?;
    let place = Place {
        db: dir.path().join("db"),
        state_key: dir.path().join("state-key"),
        data_key: Secret::new([7; 32]),
    };
    let mut store = store::create(&place, 0)?;
    let mut times = Times::default();
    for round in 0..u64::try_from(FLUSHES)? {
        let mut batch = Batch::new();
        for row in 0..FLUSH_ROWS {
            let suffix = [&round.to_be_bytes()[..], &[row]].concat();
            let value = Bytes::new(vec![row; FLUSH_ROW_BYTES]);
            batch.insert(Key::new(Table::Meta, *b"bench", suffix), Some(value));
        }
        let began = Instant::now();
        store.apply(batch)?;
        times.add(began.elapsed());
    }
    Ok(times.percentile_ms(50))
}
