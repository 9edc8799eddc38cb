//! TLS that is relayed unopened, read by its record headers (RFC 5246 section 6.2.1, RFC 8446 section
//! 5.1): whether the device completed its handshake with the real server, and whether it sent application
//! data. Decrypts nothing, and says nothing where an alert, a handshake message and data look alike; the
//! rule is in `docs/decisions/0014-contact-of-relayed-tls.md`.

mod server_hello;
#[cfg(test)]
mod tests;

use flow::event::Event;
use flow::id::ConnectionId;
use flow::stream::Direction;
use flow::time::Stamp;
use flow::tls::{ClientHello, RelayedTls, Shown};
use server_hello::{Chosen, ServerHello};

/// Follows the records of both directions, from the ClientHello on. Holds some hundred bytes.
#[derive(Debug)]
pub struct TlsRecords {
    connection: ConnectionId,
    offers: Offers,
    up: Records,
    down: Records,
    server_hello: ServerHello,
    handshake: Handshake,
    told: Option<Shown>,
}

/// What of a ClientHello takes certainty away from later records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offers {
    /// Records before the device's Finished may be data already.
    pub early_data: bool,
    /// Records after it may be handshake messages of any length, in answer to the server.
    pub post_handshake_authentication: bool,
}

impl From<&ClientHello> for Offers {
    fn from(hello: &ClientHello) -> Self {
        let has = |extension| hello.extensions.contains(&extension);
        Self {
            early_data: has(EARLY_DATA),
            post_handshake_authentication: has(POST_HANDSHAKE_AUTHENTICATION),
        }
    }
}

/// One direction's place in its records.
#[derive(Debug, Default)]
struct Records {
    header: [u8; HEADER_BYTES],
    held: usize,
    /// Bytes of the present record that are still to come.
    left: usize,
}

/// A record that has passed whole.
#[derive(Clone, Copy, Debug)]
struct Passed {
    kind: u8,
    bytes: usize,
}

/// What has been seen of the handshake.
#[derive(Clone, Copy, Debug)]
enum Handshake {
    /// Up to the ServerHello.
    Open,
    /// Up to TLS 1.2: what is encrypted still says what kind of record it is.
    Told { chosen: Chosen, up: Cipher, down: Cipher, resumed: bool, completed: bool, sent: bool },
    /// TLS 1.3: all that is encrypted says that it is data.
    Hidden { chosen: Chosen, device: Device, server: Server, sent: bool },
    /// Nothing more can be said.
    Lost,
}

/// How far a side is in turning encryption on, up to TLS 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    Off,
    /// It sent ChangeCipherSpec.
    Changed,
    /// And an encrypted handshake message: its Finished.
    Finished,
}

/// How far the device is in TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    /// It has sent nothing encrypted yet.
    Silent,
    /// Its first encrypted record was as long as a Finished, and as nothing else that can come first.
    Finished,
}

/// What the server sent after the device's Finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Server {
    Nothing,
    /// What may be an alert.
    Something,
    /// More than an alert: it goes on.
    WentOn,
}

impl TlsRecords {
    pub fn new(connection: ConnectionId, offers: Offers) -> Self {
        Self {
            connection,
            offers,
            up: Records::default(),
            down: Records::default(),
            server_hello: ServerHello::default(),
            handshake: Handshake::Open,
            told: None,
        }
    }

    /// Takes the next bytes of a direction.
    pub fn feed(&mut self, direction: Direction, at: Stamp, bytes: &[u8], events: &mut Vec<Event>) {
        let mut rest = bytes;
        while !rest.is_empty() && self.is_following() {
            let records = match direction {
                Direction::Up => &mut self.up,
                Direction::Down => &mut self.down,
            };
            let Some((part, next, passed)) = records.next(rest) else {
                self.handshake = Handshake::Lost;
                return;
            };
            rest = next;
            let kind = records.header[0];
            if direction == Direction::Down && kind == HANDSHAKE {
                self.server_hello(part);
            }
            if let Some(passed) = passed {
                self.passed(direction, passed);
                self.tell(at, events);
            }
        }
    }

    /// Whether further bytes can still show anything.
    pub fn is_following(&self) -> bool {
        !matches!(self.handshake, Handshake::Lost) && self.told != Some(Shown::DataSent)
    }

    fn server_hello(&mut self, part: &[u8]) {
        if !matches!(self.handshake, Handshake::Open) {
            return;
        }
        let chosen = match self.server_hello.feed(part) {
            Ok(Some(chosen)) => chosen,
            Ok(None) => return,
            Err(server_hello::NotAServerHello) => return self.handshake = Handshake::Lost,
        };
        self.server_hello = ServerHello::default();
        self.handshake = match chosen.version {
            // Nothing tells the device's early data from what comes after it.
            TLS13 if self.offers.early_data => Handshake::Lost,
            TLS13 => {
                let (device, server) = (Device::Silent, Server::Nothing);
                Handshake::Hidden { chosen, device, server, sent: false }
            }
            _ => {
                let (up, down) = (Cipher::Off, Cipher::Off);
                let (resumed, completed, sent) = (false, false, false);
                Handshake::Told { chosen, up, down, resumed, completed, sent }
            }
        };
    }

    fn passed(&mut self, direction: Direction, passed: Passed) {
        let lost = match &mut self.handshake {
            Handshake::Told { chosen, up, down, resumed, completed, sent } => {
                match (direction, passed.kind) {
                    (Direction::Up, CHANGE_CIPHER_SPEC) => {
                        *resumed = *down == Cipher::Finished;
                        *up = Cipher::Changed;
                    }
                    (Direction::Up, HANDSHAKE) if *up == Cipher::Changed => {
                        *up = Cipher::Finished;
                        // It answers the server's Finished, which it has judged.
                        *completed |= *resumed;
                    }
                    (Direction::Down, CHANGE_CIPHER_SPEC) => *down = Cipher::Changed,
                    (Direction::Down, HANDSHAKE) if *down == Cipher::Changed => {
                        *down = Cipher::Finished;
                    }
                    (Direction::Up, DATA)
                        if *up == Cipher::Finished && *down == Cipher::Finished =>
                    {
                        *completed = true;
                        *sent |= passed.bytes > chosen.empty_record_bytes();
                    }
                    _ => {}
                }
                false
            }
            Handshake::Hidden { chosen, device, server, sent } => {
                match (direction, passed.kind, *device) {
                    (Direction::Up, DATA, Device::Silent) => {
                        *device = Device::Finished;
                        Some(passed.bytes) != chosen.finished_bytes()
                    }
                    (Direction::Up, DATA, Device::Finished) => {
                        let answers = *server > Server::Nothing;
                        let may_be_long = answers && self.offers.post_handshake_authentication;
                        *sent |= passed.bytes > LONGEST_KEY_UPDATE && !may_be_long;
                        false
                    }
                    (Direction::Down, DATA, Device::Finished) => {
                        let more = passed.bytes > LONGEST_ALERT;
                        *server =
                            (*server).max(if more { Server::WentOn } else { Server::Something });
                        false
                    }
                    // An alert in the clear, or a handshake that does not go on as one.
                    (Direction::Up, kind, _) => kind != CHANGE_CIPHER_SPEC,
                    (Direction::Down, ..) => false,
                }
            }
            Handshake::Open | Handshake::Lost => false,
        };
        if lost {
            self.handshake = Handshake::Lost;
        }
    }

    /// Says what is shown, each once.
    fn tell(&mut self, at: Stamp, events: &mut Vec<Event>) {
        let (chosen, completed, sent) = match self.handshake {
            Handshake::Told { chosen, completed, sent, .. } => (chosen, completed, sent),
            Handshake::Hidden { chosen, device, server, sent } => {
                (chosen, device == Device::Finished && server == Server::WentOn, sent)
            }
            Handshake::Open | Handshake::Lost => return,
        };
        let shows = match (completed, sent) {
            (false, _) => return,
            (true, false) => Shown::Completed,
            (true, true) => Shown::DataSent,
        };
        if self.told < Some(shows) {
            self.told = Some(shows);
            let Chosen { version, cipher_suite } = chosen;
            let tls = RelayedTls { version, cipher_suite, shows };
            events.push(Event::RelayedTls { connection: self.connection, at, tls });
        }
    }
}

impl Records {
    /// Takes bytes up to the end of the present record: its part of the payload, what comes behind it, and
    /// the record, if it is whole. `None` where there is no record.
    fn next<'a>(&mut self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8], Option<Passed>)> {
        let mut rest = bytes;
        if self.held < HEADER_BYTES {
            let (taken, next) = rest.split_at(rest.len().min(HEADER_BYTES - self.held));
            self.header.iter_mut().skip(self.held).zip(taken).for_each(|(to, from)| *to = *from);
            self.held += taken.len();
            rest = next;
            if self.held < HEADER_BYTES {
                return Some((&[], rest, None));
            }
            let [kind, major, _minor, high, low] = self.header;
            self.left = usize::from(u16::from_be_bytes([high, low]));
            let known = (CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind);
            if !known || major != 3 || self.left > LONGEST_RECORD {
                return None;
            }
        }
        let (part, rest) = rest.split_at(rest.len().min(self.left));
        self.left -= part.len();
        if self.left > 0 {
            return Some((part, rest, None));
        }
        self.held = 0;
        let [kind, _, _, high, low] = self.header;
        let bytes = usize::from(u16::from_be_bytes([high, low]));
        Some((part, rest, Some(Passed { kind, bytes })))
    }
}

const HEADER_BYTES: usize = 5;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const HEARTBEAT: u8 = 24;
const TLS13: u16 = 0x0304;
/// 2^14 and what encryption may add up to TLS 1.2.
const LONGEST_RECORD: usize = (1 << 14) + 2_048;
/// TLS 1.3: two bytes, the record's kind and an authentication tag of 16 bytes.
const LONGEST_ALERT: usize = 2 + 1 + 16;
/// A handshake header, one byte, the record's kind and a tag.
const LONGEST_KEY_UPDATE: usize = 4 + 1 + 1 + 16;
const EARLY_DATA: u16 = 42;
const POST_HANDSHAKE_AUTHENTICATION: u16 = 49;
