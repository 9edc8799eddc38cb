//! Servers on loopback whose every byte is in the test's hands.

use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A server; it ends when dropped.
pub struct Origin {
    socket: SocketAddr,
    task: JoinHandle<()>,
}

impl Origin {
    /// Serves each TLS connection with `serve`. Handshakes that fail are left alone.
    pub async fn tls<F, Served>(config: Arc<ServerConfig>, serve: F) -> Self
    where
        F: Fn(TlsStream<TcpStream>) -> Served + Clone + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let acceptor = TlsAcceptor::from(config);
        Self::plain(move |stream| {
            let (acceptor, serve) = (acceptor.clone(), serve.clone());
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            }
        })
        .await
    }

    /// Serves each TCP connection with `serve`.
    pub async fn plain<F, Served>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> Served + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream));
            }
        });
        Self { socket, task }
    }

    pub fn socket(&self) -> SocketAddr {
        self.socket
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port of loopback on which nothing listens.
pub async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
