//! The origin: answers `GET /N` with N bytes and anything with a body with none, over TLS, in
//! HTTP/1.1 or HTTP/2 as the client asks. It lives until its standard input ends.

use crate::certificates;
use crate::http1::{self, Head};
use crate::problem::Problem;
use crate::process;
use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) async fn serve(directory: &Path) -> Result<(), Problem> {
    let config = certificates::server(directory, &[b"h2", b"http/1.1"])?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    process::ready(listener.local_addr()?);
    let accepting = async {
        loop {
            let (tcp, _) = listener.accept().await?;
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that goes away in the middle is the load's own business.
                drop(connection(acceptor, tcp).await);
            });
        }
    };
    tokio::select! {
        ended = accepting => ended,
        () = process::abandoned() => Ok(()),
    }
}

async fn connection(acceptor: TlsAcceptor, tcp: TcpStream) -> Result<(), Problem> {
    tcp.set_nodelay(true)?;
    let stream = acceptor.accept(tcp).await?;
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => http2(stream).await,
        _ => http11(stream).await,
    }
}

async fn http11(mut stream: TlsStream<TcpStream>) -> Result<(), Problem> {
    let mut buffer = BytesMut::new();
    let piece = vec![b'x'; PIECE_BYTES];
    while let Some(Head { first_line, content_length }) =
        http1::head(&mut stream, &mut buffer).await?
    {
        http1::body(&mut stream, &mut buffer, content_length).await?;
        let mut left = asked(first_line.split(' ').nth(1).unwrap_or_default());
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {left}\r\nCache-Control: no-store\r\n\r\n"
        );
        // A small body goes out with its head, as servers do it.
        let with_head = usize::try_from(left).unwrap_or(usize::MAX).min(SMALL_BODY_BYTES);
        let body = piece.get(..with_head).unwrap_or_default();
        stream.write_all(&[head.as_bytes(), body].concat()).await?;
        left -= body.len() as u64;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
            stream.write_all(piece.get(..length).unwrap_or_default()).await?;
            left -= length as u64;
        }
        stream.flush().await?;
    }
    stream.shutdown().await?;
    Ok(())
}

async fn http2(stream: TlsStream<TcpStream>) -> Result<(), Problem> {
    let mut connection = h2::server::Builder::new()
        .max_concurrent_streams(256)
        .initial_connection_window_size(16 << 20)
        .handshake(stream)
        .await?;
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        answer(&body, request.uri().path(), respond)?;
    }
    Ok(())
}

/// Small answers only, which need not wait for room in the window.
fn answer(body: &Bytes, path: &str, mut respond: SendResponse<Bytes>) -> Result<(), Problem> {
    let length = usize::try_from(asked(path))?.min(body.len());
    let response = http::Response::builder()
        .header("server", "bench")
        .header("content-type", "application/octet-stream")
        .header("content-length", length)
        .header("cache-control", "no-store")
        .body(())?;
    respond.send_response(response, false)?.send_data(body.slice(..length), true)?;
    Ok(())
}

/// The number that is the path.
fn asked(path: &str) -> u64 {
    path.trim_start_matches('/').parse().unwrap_or(0)
}

const PIECE_BYTES: usize = 64 << 10;
const SMALL_BODY_BYTES: usize = 16 << 10;
