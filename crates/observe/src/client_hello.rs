//! Reads a ClientHello out of the TLS records that a client sends first (RFC 8446 sections 4.1.2
//! and 5.1; RFC 5246 for what went before). It takes what was offered as it stands: whether the
//! offer makes sense is for the TLS stack to judge.

use crate::fingerprint;
use bytes::Bytes;
use flow::tls::ClientHello;
use std::fmt;

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A ClientHello could still come of it. The caller bounds how long it waits and for how many
    /// bytes.
    Incomplete,
    NotAClientHello(Reason),
    Complete(Box<ClientHello>),
}

/// Why bytes are no ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A record that is no handshake record; its content type.
    RecordType(u8),
    /// A record version other than 3.x.
    RecordVersion,
    /// An empty record, or one longer than the 2^14 bytes that plaintext may have.
    RecordLength(u16),
    /// Another handshake message; its type.
    MessageType(u8),
    /// Longer than its fields can be.
    MessageLength(usize),
    /// A length inside the message does not fit.
    Layout,
    /// The content of this extension does not fit its definition.
    Extension(u16),
    DuplicateExtension(u16),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordType(kind) => write!(f, "TLS record of type {kind}, not a handshake"),
            Self::RecordVersion => f.write_str("TLS record version is not 3.x"),
            Self::RecordLength(length) => write!(f, "TLS record of {length} bytes"),
            Self::MessageType(kind) => write!(f, "handshake message {kind}, not a ClientHello"),
            Self::MessageLength(length) => write!(f, "ClientHello of {length} bytes"),
            Self::Layout => f.write_str("a length inside the ClientHello does not fit"),
            Self::Extension(kind) => write!(f, "malformed extension {kind} in the ClientHello"),
            Self::DuplicateExtension(kind) => write!(f, "extension {kind} occurs twice"),
        }
    }
}

impl std::error::Error for Reason {}

/// Reads the raw bytes that a client sent first, from the first record header on. Bytes after the
/// ClientHello are not looked at. Incomplete input costs one step per record, not per byte, so
/// trying again after every read is cheap.
pub fn parse(records: &[u8]) -> Parsed {
    match reassemble(records) {
        Ok(None) => Parsed::Incomplete,
        Ok(Some(message)) => match read_message(Bytes::from(message)) {
            Ok(hello) => Parsed::Complete(Box::new(hello)),
            Err(reason) => Parsed::NotAClientHello(reason),
        },
        Err(reason) => Parsed::NotAClientHello(reason),
    }
}

/// The first handshake message with its header, once all of its fragments are there.
fn reassemble(records: &[u8]) -> Result<Option<Vec<u8>>, Reason> {
    let mut header = [0_u8; MESSAGE_HEADER_BYTES];
    let mut available = 0;
    for fragment in Fragments::of(records) {
        let fragment = fragment?;
        for (to, from) in header.iter_mut().skip(available).zip(fragment) {
            *to = *from;
        }
        available += fragment.len();
        if available > 0 && header[0] != CLIENT_HELLO {
            return Err(Reason::MessageType(header[0]));
        }
        if available < MESSAGE_HEADER_BYTES {
            continue;
        }
        let body =
            usize::from(header[1]) << 16 | usize::from(header[2]) << 8 | usize::from(header[3]);
        if body > MOST_MESSAGE_BYTES {
            return Err(Reason::MessageLength(body));
        }
        let wanted = MESSAGE_HEADER_BYTES + body;
        if available >= wanted {
            let fragments = Fragments::of(records).map_while(Result::ok);
            return Ok(Some(fragments.flatten().copied().take(wanted).collect()));
        }
    }
    Ok(None)
}

/// The contents of consecutive handshake records; the last one may be cut short.
struct Fragments<'a> {
    rest: &'a [u8],
}

impl<'a> Fragments<'a> {
    fn of(records: &'a [u8]) -> Self {
        Self { rest: records }
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Result<&'a [u8], Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        match rest {
            [kind, ..] if *kind != HANDSHAKE => Some(Err(Reason::RecordType(*kind))),
            [_, major, ..] if *major != 3 => Some(Err(Reason::RecordVersion)),
            [_, _, _, high, low, rest @ ..] => {
                let length = u16::from_be_bytes([*high, *low]);
                if length == 0 || length > MOST_RECORD_BYTES {
                    return Some(Err(Reason::RecordLength(length)));
                }
                let (fragment, rest) = rest.split_at(rest.len().min(usize::from(length)));
                self.rest = rest;
                Some(Ok(fragment))
            }
            _ => None,
        }
    }
}

fn read_message(raw: Bytes) -> Result<ClientHello, Reason> {
    let body = Reader(raw.get(MESSAGE_HEADER_BYTES..).unwrap_or_default());
    let Fixed { legacy_version, cipher_suites, extensions } =
        read_fixed(body).ok_or(Reason::Layout)?;
    let mut hello = ClientHello {
        raw: raw.clone(),
        legacy_version,
        versions: Vec::new(),
        cipher_suites,
        extensions: Vec::new(),
        groups: Vec::new(),
        point_formats: Vec::new(),
        signature_algorithms: Vec::new(),
        server_name: None,
        alpn: Vec::new(),
        max_fragment_length: None,
        record_size_limit: None,
        encrypted_client_hello: false,
        ja3: String::new(),
        ja4: String::new(),
    };
    read_extensions(extensions, &mut hello)?;
    if !hello.extensions.contains(&SUPPORTED_VERSIONS) {
        hello.versions = vec![legacy_version];
    }
    hello.ja3 = fingerprint::ja3(&hello);
    hello.ja4 = fingerprint::ja4(&hello);
    Ok(hello)
}

/// The fields of every ClientHello that are of interest.
struct Fixed<'a> {
    legacy_version: u16,
    cipher_suites: Vec<u16>,
    extensions: Reader<'a>,
}

fn read_fixed(mut body: Reader<'_>) -> Option<Fixed<'_>> {
    let legacy_version = body.u16()?;
    body.take(RANDOM_BYTES)?;
    let _session_id = body.vector8()?;
    let cipher_suites = body.vector16()?.u16_list()?;
    let _compression_methods = body.vector8()?;
    // Before TLS 1.3 a ClientHello could end here.
    let extensions = if body.0.is_empty() { Reader(&[]) } else { body.vector16()? };
    body.0.is_empty().then_some(Fixed { legacy_version, cipher_suites, extensions })
}

fn read_extensions(mut extensions: Reader<'_>, hello: &mut ClientHello) -> Result<(), Reason> {
    while !extensions.0.is_empty() {
        let kind = extensions.u16().ok_or(Reason::Layout)?;
        let content = extensions.vector16().ok_or(Reason::Layout)?;
        hello.extensions.push(kind);
        read_extension(kind, content, hello).ok_or(Reason::Extension(kind))?;
    }
    // A second occurrence would let us read another name than the server does.
    let mut sorted = hello.extensions.clone();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => Err(Reason::DuplicateExtension(pair.first().copied().unwrap_or_default())),
        None => Ok(()),
    }
}

fn read_extension(kind: u16, mut content: Reader<'_>, hello: &mut ClientHello) -> Option<()> {
    match kind {
        SERVER_NAME => {
            let mut names = content.vector16()?;
            while !names.0.is_empty() {
                let name_type = names.u8()?;
                let name = names.vector16()?;
                if name_type == HOST_NAME && hello.server_name.is_none() {
                    hello.server_name = Some(String::from_utf8_lossy(name.0).into_owned());
                }
            }
        }
        SUPPORTED_GROUPS => hello.groups = content.vector16()?.u16_list()?,
        EC_POINT_FORMATS => hello.point_formats = content.vector8()?.0.to_vec(),
        SIGNATURE_ALGORITHMS => hello.signature_algorithms = content.vector16()?.u16_list()?,
        SUPPORTED_VERSIONS => hello.versions = content.vector8()?.u16_list()?,
        ALPN => {
            let mut names = content.vector16()?;
            while !names.0.is_empty() {
                let name = names.vector8()?.0;
                // RFC 7301 section 3.1: 1 to 255 bytes. TLS stacks rely on that.
                if name.is_empty() {
                    return None;
                }
                hello.alpn.push(name.to_vec());
            }
        }
        MAX_FRAGMENT_LENGTH => hello.max_fragment_length = Some(content.u8()?),
        RECORD_SIZE_LIMIT => hello.record_size_limit = Some(content.u16()?),
        ENCRYPTED_CLIENT_HELLO => {
            hello.encrypted_client_hello = true;
            return Some(());
        }
        _ => return Some(()),
    }
    content.0.is_empty().then_some(())
}

/// Takes fields off the front of a slice; `None` when it is too short.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A vector behind a length of one byte.
    fn vector8(&mut self) -> Option<Self> {
        let length = self.u8()?;
        self.take(usize::from(length)).map(Self)
    }

    /// A vector behind a length of two bytes.
    fn vector16(&mut self) -> Option<Self> {
        let length = self.u16()?;
        self.take(usize::from(length)).map(Self)
    }

    /// All that is left, as 16-bit numbers.
    fn u16_list(mut self) -> Option<Vec<u16>> {
        let mut list = Vec::with_capacity(self.0.len() / 2);
        while !self.0.is_empty() {
            list.push(self.u16()?);
        }
        Some(list)
    }
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const MESSAGE_HEADER_BYTES: usize = 4;
const RANDOM_BYTES: usize = 32;
/// RFC 8446 section 5.1.
const MOST_RECORD_BYTES: u16 = 1 << 14;
/// Version, random, session id, suites, compression methods and extensions at their longest.
const MOST_MESSAGE_BYTES: usize = 2 + 32 + 256 + (2 + 65_535) + 256 + (2 + 65_535);

const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
const MAX_FRAGMENT_LENGTH: u16 = 1;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const RECORD_SIZE_LIMIT: u16 = 28;
const SUPPORTED_VERSIONS: u16 = 43;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

#[cfg(test)]
mod tests;
