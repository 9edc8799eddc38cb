//! A publisher's web server: files by path, and the ways in which such servers disappoint.

use crate::device::read_head;
use crate::origin::Origin;
use rustls::ServerConfig;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// The server; it ends when dropped.
pub struct Mirror {
    origin: Origin,
    shelf: Arc<Shelf>,
}

/// What a path is answered with.
#[derive(Clone)]
pub enum Answer {
    File(Vec<u8>),
    /// The first bytes of a file, and then silence.
    Stall(Vec<u8>),
    /// The first bytes of a longer file, and then the end.
    Cut(Vec<u8>),
    Status(u16),
    Redirect(String),
}

#[derive(Default)]
struct Shelf {
    answers: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
}

impl Mirror {
    pub async fn plain() -> Self {
        let shelf = Arc::new(Shelf::default());
        let served = Arc::clone(&shelf);
        let serve = move |stream| serve(stream, Arc::clone(&served));
        Self { origin: Origin::plain(serve).await, shelf }
    }

    pub async fn tls(config: Arc<ServerConfig>) -> Self {
        let shelf = Arc::new(Shelf::default());
        let served = Arc::clone(&shelf);
        let serve = move |stream| serve(stream, Arc::clone(&served));
        Self { origin: Origin::tls(config, serve).await, shelf }
    }

    pub fn socket(&self) -> SocketAddr {
        self.origin.socket()
    }

    /// A path as a URL of this machine.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.socket())
    }

    pub fn put(&self, path: &str, answer: Answer) {
        self.shelf.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Host and path of every request so far.
    pub fn asked(&self) -> Vec<String> {
        self.shelf.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shelf: Arc<Shelf>) {
    let head = read_head(&mut stream).await;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let field = |line: &str| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned);
    let host = head.lines().find_map(field).unwrap_or_default();
    shelf.asked.lock().unwrap().push(format!("{host}{path}"));
    let answer = shelf.answers.lock().unwrap().get(&path).cloned();
    let (status, more, body, length) = match answer {
        Some(Answer::File(body)) => (200, String::new(), body.clone(), body.len()),
        Some(Answer::Stall(body) | Answer::Cut(body)) => {
            let length = body.len() + 1_000_000;
            (200, String::new(), body, length)
        }
        Some(Answer::Status(status)) => (status, String::new(), Vec::new(), 0),
        Some(Answer::Redirect(to)) => (302, format!("Location: {to}\r\n"), Vec::new(), 0),
        None => (404, String::new(), Vec::new(), 0),
    };
    let head = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok();
    stream.write_all(&body).await.ok();
    stream.flush().await.ok();
    if matches!(shelf.answers.lock().unwrap().get(&path), Some(Answer::Stall(_))) {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await.ok();
}
