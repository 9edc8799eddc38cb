//! Fetching a file from a publisher, for `landfall geo update` alone. With the proxy's own crates,
//! the one place of the program that opens sockets; nothing calls it but that command.
//!
//! HTTP/1.1 over TLS with the platform's roots and those of `upstream-ca`; plain HTTP to this machine
//! only. Redirects, time and bytes have bounds. What comes is written down and not believed.

mod connection;
mod limits;
pub(crate) mod url;

pub(crate) use limits::Limits;

use crate::error::Error;
use bytes::Bytes;
use connection::{Connector, late};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use proxy::DialTable;
use resolver::NameResolver;
use rustls::RootCertStore;
use std::io::Write;
use tokio::time::timeout;
use url::Location;

/// Fetches files.
pub(crate) struct Fetcher {
    connector: Connector,
    limits: Limits,
}

/// How far a fetch is, for whoever waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) bytes: u64,
    pub(crate) of: Option<u64>,
}

/// How a fetch ended that did not fail.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The bytes were written; where they came from in the end.
    Written(Location),
    /// The server has no such file (404 or 410).
    NotThere,
}

impl Fetcher {
    pub(crate) fn new(
        names: NameResolver,
        dial: DialTable,
        mark: Option<u32>,
        roots: RootCertStore,
        limits: Limits,
    ) -> Result<Self, Error> {
        Ok(Self { connector: Connector::new(names, dial, mark, roots)?, limits })
    }

    /// Writes the file at a place into `out`. `contacts` is told each host before it is contacted.
    ///
    /// # Errors
    /// Runtime: the host cannot be reached or is not who it says it is, does not answer in time or
    /// with a file, sends more than the limit, or the disk is full.
    pub(crate) async fn fetch(
        &self,
        from: &Location,
        out: &mut impl Write,
        mut contacts: impl FnMut(&Location),
        told: impl FnMut(Progress),
    ) -> Result<Fetched, Error> {
        let whole = async {
            let mut at = from.clone();
            for _ in 0..=self.limits.redirects {
                contacts(&at);
                let response = self.ask(&at).await?;
                match response.status() {
                    StatusCode::OK => {
                        self.copy(&at, response, out, told).await?;
                        return Ok(Fetched::Written(at));
                    }
                    StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Fetched::NotThere),
                    status if status.is_redirection() => at = next(&at, &response)?,
                    status => {
                        return Err(Error::runtime(format!("the server answered {status}"))
                            .at(&at)
                            .hint("try again later, or give another URL below [geo.update]"));
                    }
                }
            }
            Err(Error::runtime(format!(
                "the server redirected more than {} times",
                self.limits.redirects
            ))
            .at(from)
            .hint("give the URL where the file lies below [geo.update]"))
        };
        match timeout(self.limits.whole_time, whole).await {
            Ok(result) => result,
            Err(_) => Err(late(from, "the file did not come in time")),
        }
    }

    /// Sends the request; the head of the answer.
    async fn ask(&self, at: &Location) -> Result<Response<Incoming>, Error> {
        let stream = self.connector.connect(at, &self.limits).await?;
        let failed = |error: hyper::Error| {
            Error::runtime("the server did not answer as a web server does")
                .at(at)
                .because(&error)
                .hint("try again later, or give another URL below [geo.update]")
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // It ends with the body, or when the sender and the body are dropped.
        tokio::spawn(async move { drop(connection.await) });
        let request = Request::get(at.path())
            .header(HOST, at.authority())
            .header(USER_AGENT, concat!("landfall/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "identity")
            .body(Empty::<Bytes>::new())
            .map_err(|error| Error::runtime("no request could be made").at(at).because(&error))?;
        match timeout(self.limits.silence_time, sender.send_request(request)).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(late(at, "the server does not answer")),
        }
    }

    async fn copy(
        &self,
        at: &Location,
        response: Response<Incoming>,
        out: &mut impl Write,
        mut told: impl FnMut(Progress),
    ) -> Result<(), Error> {
        let of = response.headers().get(CONTENT_LENGTH);
        let of = of.and_then(|length| length.to_str().ok()?.parse().ok());
        let most = self.limits.bytes;
        let too_large = || {
            Error::runtime(format!("the file is larger than {most} bytes"))
                .at(at)
                .hint("check the URL below [geo.update]: no database of that source is so large")
        };
        if of > Some(most) {
            return Err(too_large());
        }
        let mut body = response.into_body();
        let mut bytes = 0_u64;
        loop {
            told(Progress { bytes, of });
            let frame = match timeout(self.limits.silence_time, body.frame()).await {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(()),
                Err(_) => return Err(late(at, "the server stopped sending")),
            };
            let frame = frame.map_err(|error| {
                Error::runtime("the connection broke off before the file was there")
                    .at(at)
                    .because(&error)
                    .hint("try again")
            })?;
            let Ok(piece) = frame.into_data() else { continue };
            bytes = bytes.saturating_add(piece.len() as u64);
            if bytes > most {
                return Err(too_large());
            }
            out.write_all(&piece).map_err(|error| {
                Error::runtime("what was fetched could not be written").because(&error)
            })?;
        }
    }
}

/// Where a redirect leads.
fn next(at: &Location, response: &Response<Incoming>) -> Result<Location, Error> {
    let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
    at.join(target.unwrap_or_default()).map_err(|error| {
        Error::runtime("the server redirects to where Landfall does not go")
            .at(at)
            .because(&error)
            .hint("give the URL where the file lies below [geo.update]")
    })
}
