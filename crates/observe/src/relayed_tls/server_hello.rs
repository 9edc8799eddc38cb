//! Which version and cipher suite a server chose (RFC 8446 section 4.1.3), and what lengths of records
//! follow from that. Nothing else of its messages is read.

/// The beginning of a server's handshake messages.
#[derive(Debug, Default)]
pub(super) struct ServerHello {
    held: Vec<u8>,
}

/// What the server chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) version: u16,
    pub(super) cipher_suite: u16,
}

/// The bytes begin no ServerHello, or none that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAServerHello;

impl ServerHello {
    /// Takes the next bytes of handshake records. A request to begin anew (HelloRetryRequest) is passed
    /// over.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Chosen>, NotAServerHello> {
        let room = LONGEST_BYTES - self.held.len().min(LONGEST_BYTES);
        self.held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let Some(message) = message(&self.held)? else {
            let full = self.held.len() >= LONGEST_BYTES;
            return if full { Err(NotAServerHello) } else { Ok(None) };
        };
        let (chosen, random) = read(message).ok_or(NotAServerHello)?;
        if random != RETRY {
            return Ok(Some(chosen));
        }
        // What comes next is in a record of its own: the client has to answer first.
        self.held.clear();
        Ok(None)
    }
}

impl Chosen {
    /// Bytes of a TLS 1.3 record that holds a Finished and no padding; `None` of suites that nobody
    /// here knows the hash of.
    pub(super) fn finished_bytes(self) -> Option<usize> {
        let (hash, tag) = match self.cipher_suite {
            // AES-128-GCM, ChaCha20, AES-128-CCM; SM4 with SM3 (RFC 8998).
            0x1301 | 0x1303 | 0x1304 | 0x00c6 | 0x00c7 => (32, 16),
            0x1302 => (48, 16),
            0x1305 => (32, 8),
            _ => return None,
        };
        Some(4 + hash + 1 + tag)
    }

    /// Bytes of the longest record up to TLS 1.2 that may hold nothing: with authenticated encryption a
    /// nonce and a tag, else a vector, a hash and padding.
    pub(super) fn empty_record_bytes(self) -> usize {
        match self.cipher_suite {
            // GCM (RFC 5288, 5289), CCM (RFC 6655, 7251), ChaCha20 (RFC 7905).
            0x009c..=0x00a7 | 0xc02b..=0xc032 | 0xc09c..=0xc0af | 0xcca8..=0xccae => 8 + 16,
            _ => 16 + 48 + 256,
        }
    }
}

/// The first handshake message, without its header; `None` while it is not whole.
fn message(bytes: &[u8]) -> Result<Option<&[u8]>, NotAServerHello> {
    match bytes {
        [SERVER_HELLO, high, middle, low, rest @ ..] => {
            let length = u32::from_be_bytes([0, *high, *middle, *low]);
            Ok(usize::try_from(length).ok().and_then(|length| rest.get(..length)))
        }
        [] | [SERVER_HELLO, ..] => Ok(None),
        _ => Err(NotAServerHello),
    }
}

/// What it chose, and its random.
fn read(message: &[u8]) -> Option<(Chosen, &[u8])> {
    let (legacy, rest) = message.split_first_chunk::<2>()?;
    let (random, rest) = rest.split_at_checked(32)?;
    let (session, rest) = rest.split_first()?;
    let (_, rest) = rest.split_at_checked(usize::from(*session))?;
    let (suite, rest) = rest.split_first_chunk::<2>()?;
    let (_compression, rest) = rest.split_first()?;
    let version = match rest.split_first_chunk::<2>() {
        None => None,
        Some((_length, extensions)) => supported_version(extensions),
    };
    let chosen = Chosen {
        version: version.unwrap_or(u16::from_be_bytes(*legacy)),
        cipher_suite: u16::from_be_bytes(*suite),
    };
    Some((chosen, random))
}

/// The version in `supported_versions`, where that is among the extensions.
fn supported_version(mut extensions: &[u8]) -> Option<u16> {
    while let Some(([kind @ .., high, low], rest)) = extensions.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (body, rest) = rest.split_at_checked(length)?;
        if *kind == SUPPORTED_VERSIONS {
            return body.try_into().ok().map(u16::from_be_bytes);
        }
        extensions = rest;
    }
    None
}

const SERVER_HELLO: u8 = 2;
const SUPPORTED_VERSIONS: [u8; 2] = [0, 43];
/// More than any server sends: two key shares of post-quantum groups.
const LONGEST_BYTES: usize = 4 << 10;
/// SHA-256 of "HelloRetryRequest", in place of a random.
pub(super) const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
