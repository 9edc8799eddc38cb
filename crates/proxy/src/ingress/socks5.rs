//! SOCKS5 up to the request (RFC 1928, RFC 1929): the method, the password, the command. The reply
//! comes when the upstream was dialled, not here.

use super::ask::{Ask, Associate, Refusal, Single, malformed, request_failed};
use crate::client::{Client, Speaks};
use crate::credentials::{Login, REDACTED};
use crate::setup::Setup;
use crate::tls_failure;
use bytes::{Buf, Bytes, BytesMut};
use flow::event::Ingress;
use flow::treatment::{BlockedWhy, Cause, Treatment};
use observe::socks5::{self, Defect, Greeting, MOST_BYTES, Parsed};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

/// Reads what the client asks for, until the deadline.
pub(super) async fn read(client: &mut Client, setup: &Setup, deadline: Instant) -> Ask {
    client.speaks = Speaks::Socks5Methods;
    let mut inbox = Inbox { client, unread: BytesMut::new(), kept: BytesMut::new(), deadline };
    match inbox.conversation(setup).await {
        Ok(ask) => ask,
        Err(treatment) => Ask::refused(treatment, inbox.kept.freeze()),
    }
}

/// The client's side of the conversation.
struct Inbox<'a> {
    client: &'a mut Client,
    unread: BytesMut,
    /// What is recorded of it.
    kept: BytesMut,
    deadline: Instant,
}

impl Inbox<'_> {
    async fn conversation(&mut self, setup: &Setup) -> Result<Ask, Treatment> {
        let (greeting, raw) = self.message(socks5::greeting).await?;
        self.kept.extend_from_slice(&raw);
        if method(greeting, setup.credentials.are_demanded())? == PASSWORD {
            self.say(&[SOCKS5, PASSWORD]).await?;
            self.client.speaks = Speaks::Socks5Password;
            let login = self.login().await?;
            self.client.app = login.app();
            setup.credentials.admit(Some(&login)).map_err(Treatment::Blocked)?;
            self.say(&[LOGIN_VERSION, 0]).await?;
        } else {
            self.say(&[SOCKS5, NO_AUTHENTICATION]).await?;
        }
        self.client.speaks = Speaks::Socks5;
        let (request, raw) = self.message(socks5::request).await?;
        self.kept.extend_from_slice(&raw);
        let raw = self.kept.split().freeze();
        self.client.wire.unread(self.unread.split().freeze());
        Ok(match (request.command, request.target.port) {
            (CONNECT, 0) => Ask::refused(malformed("SOCKS5 CONNECT to port 0"), raw),
            (CONNECT, _) => Ask::tunnel(request.target, raw),
            (UDP_ASSOCIATE, port) => {
                Ask::Associate(Associate { port: Some(port).filter(|port| *port != 0), raw })
            }
            (other, _) => {
                let why = Treatment::Blocked(BlockedWhy::SocksCommand(other));
                let refusal = Refusal::new(why, raw).of(Ingress::Socks5, request.target);
                Ask::Single(Single::Refused(refusal))
            }
        })
    }

    /// The password message; what is kept of it has another password.
    async fn login(&mut self) -> Result<Login, Treatment> {
        let parse = |bytes: &[u8]| {
            let read = socks5::login(bytes)?;
            Ok(read.map(|(login, length)| (Login::new(login.user, login.password), length)))
        };
        let (login, raw) = self.message(parse).await?;
        let user_bytes = 2 + raw.get(1).copied().map_or(0, usize::from);
        self.kept.extend_from_slice(raw.get(..user_bytes).unwrap_or_default());
        self.kept.extend_from_slice(&[REDACTED.len() as u8]);
        self.kept.extend_from_slice(REDACTED.as_bytes());
        Ok(login)
    }

    /// The next message and its bytes.
    async fn message<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<(T, Bytes), Treatment> {
        loop {
            match parse(&self.unread) {
                Ok(Some((message, length))) => {
                    let raw = Bytes::copy_from_slice(self.unread.get(..length).unwrap_or_default());
                    self.unread.advance(length);
                    return Ok((message, raw));
                }
                Err(Defect::AddressType(kind)) => {
                    return Err(Treatment::Blocked(BlockedWhy::SocksAddressType(kind)));
                }
                Err(defect) => return Err(malformed(&defect.to_string())),
                Ok(None) => {}
            }
            let reading = self.client.wire.read_more(&mut self.unread, MOST_BYTES);
            let cause = match timeout_at(self.deadline, reading).await {
                Ok(Ok(0)) => Cause::Closed,
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => tls_failure::cause(&error),
                Err(_elapsed) => Cause::TimedOut,
            };
            if self.client.speaks != Speaks::Socks5Password {
                // The beginning of a message that did not come to its end.
                self.kept.extend_from_slice(&self.unread);
            }
            return Err(request_failed(cause));
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Treatment> {
        let said = async {
            self.client.wire.write_all(bytes).await?;
            self.client.wire.flush().await
        };
        match timeout_at(self.deadline, said).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(request_failed(tls_failure::cause(&error))),
            Err(_elapsed) => Err(request_failed(Cause::TimedOut)),
        }
    }
}

/// A password is asked for wherever one is offered: its user name tells apps apart.
fn method(offered: Greeting, demanded: bool) -> Result<u8, Treatment> {
    match offered {
        Greeting { password: true, .. } => Ok(PASSWORD),
        Greeting { no_authentication: true, .. } if !demanded => Ok(NO_AUTHENTICATION),
        Greeting { no_authentication: true, .. } => {
            Err(Treatment::Blocked(BlockedWhy::NoCredentials))
        }
        Greeting { .. } => Err(Treatment::Blocked(BlockedWhy::SocksMethods)),
    }
}

const SOCKS5: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const UDP_ASSOCIATE: u8 = 3;
