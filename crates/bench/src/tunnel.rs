//! The plain tunnel: `CONNECT`, whatever the target, to one upstream, then bytes both ways. The
//! least that any proxy can cost.

use crate::http1;
use crate::problem::Problem;
use crate::process;
use bytes::BytesMut;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

pub(crate) async fn serve(upstream: SocketAddr) -> Result<(), Problem> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    process::ready(listener.local_addr()?);
    let accepting = async {
        loop {
            let (tcp, _) = listener.accept().await?;
            tokio::spawn(async move { drop(connection(tcp, upstream).await) });
        }
    };
    tokio::select! {
        ended = accepting => ended,
        () = process::abandoned() => Ok(()),
    }
}

async fn connection(client: TcpStream, upstream: SocketAddr) -> Result<(), Problem> {
    let Some((mut client, mut upstream)) = connected(client, upstream).await? else {
        return Ok(());
    };
    tokio::io::copy_bidirectional(&mut client, &mut upstream).await?;
    Ok(())
}

/// Reads the `CONNECT`, dials and answers.
pub(crate) async fn connected(
    mut client: TcpStream,
    upstream: SocketAddr,
) -> Result<Option<(TcpStream, TcpStream)>, Problem> {
    client.set_nodelay(true)?;
    if http1::head(&mut client, &mut BytesMut::new()).await?.is_none() {
        return Ok(None);
    }
    let upstream = TcpStream::connect(upstream).await?;
    upstream.set_nodelay(true)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    Ok(Some((client, upstream)))
}
