//! The bare tap: two TLS legs, bytes relayed, hashed and written to a file. It reads no protocol and
//! writes neither log nor index, so it is what a tap costs before it knows anything.

use crate::certificates;
use crate::problem::Problem;
use crate::process;
use crate::tunnel;
use aws_lc_rs::digest::{Context, SHA256};
use rustls::ClientConfig;
use rustls::server::Acceptor;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

struct Tap {
    directory: PathBuf,
    client: Arc<ClientConfig>,
    upstream: SocketAddr,
    kept: Mutex<BufWriter<File>>,
}

pub(crate) async fn serve(directory: &Path, upstream: SocketAddr) -> Result<(), Problem> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let kept = File::create(directory.join("bare-tap.kept"))?;
    let tap = Arc::new(Tap {
        directory: directory.to_owned(),
        client: certificates::client(&directory.join(certificates::ROOT), &[])?,
        upstream,
        kept: Mutex::new(BufWriter::with_capacity(1 << 20, kept)),
    });
    process::ready(listener.local_addr()?);
    let accepting = async {
        loop {
            let (tcp, _) = listener.accept().await?;
            let tap = Arc::clone(&tap);
            tokio::spawn(async move { drop(connection(tcp, &tap).await) });
        }
    };
    tokio::select! {
        ended = accepting => ended,
        () = process::abandoned() => Ok(()),
    }
}

async fn connection(tcp: TcpStream, tap: &Tap) -> Result<(), Problem> {
    let Some((client, upstream)) = tunnel::connected(tcp, tap.upstream).await? else {
        return Ok(());
    };
    let asked = LazyConfigAcceptor::new(Acceptor::default(), client).await?;
    let hello = asked.client_hello();
    let name = hello.server_name().unwrap_or(certificates::HOST).to_owned();
    let mut offered = ClientConfig::clone(&tap.client);
    offered.alpn_protocols =
        hello.alpn().map(|names| names.map(<[u8]>::to_vec).collect()).unwrap_or_default();
    let upstream =
        TlsConnector::from(Arc::new(offered)).connect(name.try_into()?, upstream).await?;
    let chosen: Vec<&[u8]> = upstream.get_ref().1.alpn_protocol().into_iter().collect();
    let config = certificates::server(&tap.directory, &chosen)?;
    let client = asked.into_stream(Arc::new(config)).await?;
    let (client_reader, client_writer) = tokio::io::split(client);
    let (upstream_reader, upstream_writer) = tokio::io::split(upstream);
    tokio::try_join!(
        pump(client_reader, upstream_writer, tap),
        pump(upstream_reader, client_writer, tap)
    )?;
    Ok(())
}

async fn pump(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    tap: &Tap,
) -> Result<(), Problem> {
    let mut hash = Context::new(&SHA256);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = reader.read(&mut buffer).await?;
        if length == 0 {
            break;
        }
        let bytes = buffer.get(..length).unwrap_or_default();
        hash.update(bytes);
        tap.kept.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)?;
        writer.write_all(bytes).await?;
        writer.flush().await?;
    }
    writer.shutdown().await?;
    Ok(())
}

const BUFFER_BYTES: usize = 16 << 10;
