//! A device that uses the proxy: a raw client, so that each byte that it sends is known.

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A device and the roots that it trusts.
#[derive(Clone)]
pub struct Device {
    proxy: SocketAddr,
    roots: Arc<RootCertStore>,
}

impl Device {
    /// One that trusts the certificates of a PEM file.
    pub fn trusting(proxy: SocketAddr, authority: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        Self { proxy, roots: Arc::new(roots) }
    }

    /// One that trusts nobody.
    pub fn distrusting(proxy: SocketAddr) -> Self {
        Self { proxy, roots: Arc::new(RootCertStore::empty()) }
    }

    /// A TCP connection to the proxy.
    pub async fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(self.proxy).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// `CONNECT target`; the head of the answer, and the stream behind it.
    pub async fn connect(&self, target: &str) -> (String, TcpStream) {
        let mut stream = self.dial().await;
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        (head, stream)
    }

    /// A TLS connection through the proxy to port 443 of a host.
    pub async fn tls(&self, host: &str, alpn: &[&str]) -> TlsStream<TcpStream> {
        self.try_tls(host, alpn).await.unwrap()
    }

    /// The same, when the handshake may fail.
    pub async fn try_tls(
        &self,
        host: &str,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.tls_to(&format!("{host}:443"), host, alpn).await
    }

    /// A TLS connection through the proxy to any port, with a server of this name or address.
    pub async fn tls_to(
        &self,
        target: &str,
        host: &str,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let (head, stream) = self.connect(target).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let mut config = ClientConfig::builder()
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// Reads up to the empty line after a head, not a byte further; less when the stream ends before.
pub async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1) => head.extend(byte),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
