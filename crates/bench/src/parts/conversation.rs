//! Conversations to feed observers with: what passed in each direction, in order.

use crate::problem::Problem;
use bytes::Bytes;
use flow::stream::Direction;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::task::JoinSet;

/// Reads, as a relay would have them.
pub(crate) type Passed = Vec<(Direction, Bytes)>;

/// Exchanges of HTTP/1.1, each a read up and a read down.
pub(crate) fn http1(exchanges: usize) -> Passed {
    let request = Bytes::from_static(
        b"GET /1024 HTTP/1.1\r\nHost: origin.bench.example\r\nUser-Agent: bench/1\r\n\
          Accept: */*\r\nAccept-Encoding: gzip\r\n\r\n",
    );
    let head = b"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/octet-stream\r\n\
                 Content-Length: 1024\r\nCache-Control: no-store\r\n\r\n";
    let response = Bytes::from([&head[..], &[b'x'; 1024]].concat());
    let one = [(Direction::Up, request), (Direction::Down, response)];
    one.iter().cycle().take(2 * exchanges).cloned().collect()
}

/// The same in HTTP/2, 32 streams at once, as two real ends of it speak.
pub(crate) async fn http2(exchanges: usize) -> Result<Passed, Problem> {
    let (near, far) = tokio::io::duplex(64 << 10);
    let passed = Arc::new(Mutex::new(Passed::new()));
    let recorded = Recorded { stream: near, passed: Arc::clone(&passed) };
    let serving = tokio::spawn(serve(far));
    let (sender, connection) = h2::client::handshake(recorded).await?;
    let driving = tokio::spawn(connection);
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let sender = sender.clone();
        let count = exchanges.div_ceil(STREAMS);
        streams.spawn(async move {
            for _ in 0..count {
                get(sender.clone()).await?;
            }
            Ok::<_, h2::Error>(())
        });
    }
    while let Some(ended) = streams.join_next().await {
        ended??;
    }
    drop(sender);
    drop(driving.await);
    drop(serving.await);
    let mut passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *passed))
}

async fn get(sender: h2::client::SendRequest<Bytes>) -> Result<(), h2::Error> {
    let mut request = http::Request::new(());
    *request.uri_mut() = http::Uri::from_static("https://origin.bench.example/1024");
    request.headers_mut().insert("user-agent", http::HeaderValue::from_static("bench/1"));
    let (response, _) = sender.ready().await?.send_request(request, true)?;
    let mut body = response.await?.into_body();
    while let Some(piece) = body.data().await {
        let length = piece?.len();
        body.flow_control().release_capacity(length)?;
    }
    Ok(())
}

async fn serve(stream: DuplexStream) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    let body = Bytes::from_static(&[b'x'; 1024]);
    while let Some(accepted) = connection.accept().await {
        let (_, mut respond) = accepted?;
        let mut response = http::Response::new(());
        response.headers_mut().insert("server", http::HeaderValue::from_static("bench"));
        respond.send_response(response, false)?.send_data(body.clone(), true)?;
    }
    Ok(())
}

/// The client's end, which keeps what passes.
struct Recorded {
    stream: DuplexStream,
    passed: Arc<Mutex<Passed>>,
}

impl Recorded {
    fn keep(&self, direction: Direction, bytes: &[u8]) {
        if !bytes.is_empty() {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            passed.push((direction, Bytes::copy_from_slice(bytes)));
        }
    }
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.keep(Direction::Down, buffer.filled().get(before..).unwrap_or_default());
        read
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(length)) = written {
            self.keep(Direction::Up, bytes.get(..length).unwrap_or_default());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

const STREAMS: usize = 32;
