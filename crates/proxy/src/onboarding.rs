//! Landfall's own pages at the proxy port: the certificate and how to trust it. Answered here,
//! never dialled, and recorded like any other conversation of the device.

use crate::journal::Journal;
use crate::received::{self, Received};
use crate::setup::Setup;
use bytes::{Bytes, BytesMut};
use certs::{Authority, Form};
use feed::RecorderGone;
use flow::address::{Host, Target};
use flow::stream::{Direction, Leg};
use flow::treatment::Outcome;
use observe::Observer;
use observe::http1::framing::{BodyLength, request_framing};
use observe::http1::head::RequestHeadParts;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// The name under which a device that uses the proxy finds these pages.
pub const OWN_HOST: &str = "landfall.internal";

/// Whether the target is Landfall's own name.
pub(crate) fn is_own(target: &Target) -> bool {
    matches!(&target.host, Host::Name(name) if name.as_str() == OWN_HOST)
}

/// What stands in the record for a request for the pages, by whichever of our names it came; none
/// would mean that our own name is no host name.
pub(crate) fn own_target() -> Option<Target> {
    Some(Target { host: OWN_HOST.parse().ok()?, port: 80 })
}

/// Reads one request and answers it.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    setup: &Setup,
    journal: &Journal,
) -> Result<Outcome, RecorderGone> {
    match received::read(&mut stream, &setup.limits).await {
        Ok((received, _rest)) => answer(stream, setup, journal, &received).await,
        Err(not_received) => {
            journal.passed(Leg::Client, Direction::Up, not_received.raw).await?;
            Ok(Outcome::Completed)
        }
    }
}

/// Answers a request that was read.
pub(crate) async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    setup: &Setup,
    journal: &Journal,
    received: &Received,
) -> Result<Outcome, RecorderGone> {
    journal.observe(Observer::http1(journal.connection(), &setup.limits)).await;
    journal.passed(Leg::Relay, Direction::Up, received.raw.clone()).await?;
    let response = respond(&setup.authority, &received.head);
    journal.passed(Leg::Relay, Direction::Down, response.clone()).await?;
    journal.ended(Direction::Down).await?;
    // A body is not waited for: it is cut.
    if request_framing(&received.head) == Ok(BodyLength::None) {
        journal.ended(Direction::Up).await?;
    }
    let sending = async {
        stream.write_all(&response).await?;
        stream.shutdown().await?;
        // What the client still sends is read, so that closing does not reset the answer away.
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // A client that leaves early has its answer or did not want it.
    drop(timeout(setup.limits.answer_time, sending).await);
    Ok(Outcome::Completed)
}

fn respond(authority: &Authority, head: &RequestHeadParts) -> Bytes {
    let target = String::from_utf8_lossy(&head.target);
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => &target,
    };
    let path = path.split_once('?').map_or(path, |(path, _query)| path);
    let is_head = head.method.as_ref() == b"HEAD";
    if !is_head && head.method.as_ref() != b"GET" {
        return response("405 Method Not Allowed", TEXT, None, b"Only GET and HEAD.\n", is_head);
    }
    match path {
        "/" => response("200 OK", HTML, None, page(authority).as_bytes(), is_head),
        path => match form_at(path) {
            Some((form, opens)) => certificate(authority, form, opens, is_head),
            None => {
                response("404 Not Found", TEXT, None, b"There is no such page here.\n", is_head)
            }
        },
    }
}

/// The form of the certificate at a path, and whether devices open it in place.
fn form_at(path: &str) -> Option<(Form<'static>, Opens)> {
    Some(match path {
        PEM_PATH => (Form::Pem, Opens::InPlace),
        DER_PATH => (Form::Der, Opens::InPlace),
        PROFILE_PATH => (Form::Mobileconfig, Opens::InPlace),
        P12_PATH => (Form::P12 { password: P12_PASSWORD }, Opens::AsFile),
        ANDROID_PATH => (Form::Android, Opens::AsFile),
        MAGISK_PATH => (Form::Magisk, Opens::AsFile),
        _ => return None,
    })
}

enum Opens {
    InPlace,
    AsFile,
}

fn certificate(authority: &Authority, form: Form<'_>, opens: Opens, is_head: bool) -> Bytes {
    match authority.export(form) {
        Ok(file) => {
            let name = match opens {
                Opens::InPlace => None,
                Opens::AsFile => Some(file.file_name.as_str()),
            };
            response("200 OK", file.media_type, name, &file.bytes, is_head)
        }
        Err(error) => {
            let text = format!("{error}\n");
            response("500 Internal Server Error", TEXT, None, text.as_bytes(), is_head)
        }
    }
}

fn response(
    status: &str,
    media_type: &str,
    file_name: Option<&str>,
    body: &[u8],
    is_head: bool,
) -> Bytes {
    let disposition = file_name
        .map(|name| format!("Content-Disposition: attachment; filename=\"{name}\"\r\n"))
        .unwrap_or_default();
    let mut out = BytesMut::from(
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\
             {disposition}Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
             X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n\
             Connection: close\r\n\r\n",
            body.len()
        )
        .as_bytes(),
    );
    if !is_head {
        out.extend_from_slice(body);
    }
    out.freeze()
}

fn page(authority: &Authority) -> String {
    let fingerprint = authority.fingerprint_sha256().map(|byte| format!("{byte:02X}")).join(" ");
    PAGE.replace("{name}", authority.name())
        .replace("{fingerprint}", &fingerprint)
        .replace("{pem}", PEM_PATH)
        .replace("{der}", DER_PATH)
        .replace("{profile}", PROFILE_PATH)
        .replace("{p12}", P12_PATH)
        .replace("{p12-password}", P12_PASSWORD)
        .replace("{android}", ANDROID_PATH)
        .replace("{magisk}", MAGISK_PATH)
}

const PEM_PATH: &str = "/landfall-ca.pem";
const DER_PATH: &str = "/landfall-ca.cer";
const PROFILE_PATH: &str = "/landfall-ca.mobileconfig";
const P12_PATH: &str = "/landfall-ca.p12";
const ANDROID_PATH: &str = "/landfall-ca-android";
const MAGISK_PATH: &str = "/landfall-ca-magisk.zip";
/// Protects nothing: the file holds no key.
const P12_PASSWORD: &str = "landfall";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const PAGE: &str = include_str!("onboarding.html");
