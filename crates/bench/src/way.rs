//! The way to the origin through a subject, as a client takes it.

use crate::certificates;
use crate::http1;
use crate::problem::Problem;
use bytes::BytesMut;
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where to connect and whom to trust.
#[derive(Clone)]
pub(crate) struct Way {
    address: SocketAddr,
    /// It is asked with `CONNECT`; otherwise TLS begins at once.
    connects: bool,
    http11: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Way {
    pub(crate) fn new(address: SocketAddr, connects: bool, roots: &Path) -> Result<Self, Problem> {
        let http11 = certificates::client(roots, &[b"http/1.1"])?;
        let http2 = certificates::client(roots, &[b"h2"])?;
        Ok(Self { address, connects, http11, http2 })
    }

    pub(crate) async fn http11(&self, host: &str) -> Result<TlsStream<TcpStream>, Problem> {
        self.open(host, Arc::clone(&self.http11)).await
    }

    pub(crate) async fn http2(&self, host: &str) -> Result<TlsStream<TcpStream>, Problem> {
        self.open(host, Arc::clone(&self.http2)).await
    }

    async fn open(
        &self,
        host: &str,
        config: Arc<ClientConfig>,
    ) -> Result<TlsStream<TcpStream>, Problem> {
        let mut tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        if self.connects {
            let request = format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n");
            tcp.write_all(request.as_bytes()).await?;
            let mut buffer = BytesMut::new();
            let head = http1::head(&mut tcp, &mut buffer).await?;
            let line = head.map(|head| head.first_line).unwrap_or_default();
            if !line.starts_with("HTTP/1.1 200") {
                return Err(format!("CONNECT was answered {line:?}").into());
            }
        }
        let name = host.to_owned().try_into()?;
        Ok(TlsConnector::from(config).connect(name, tcp).await?)
    }
}
