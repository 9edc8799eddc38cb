//! What can be wrong with an HTTP/1 message: each way in which it breaks RFC 9112 or leaves open
//! where the message ends.

use std::fmt;

/// A message that cannot be followed, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Offset of the first byte that was not understood, from the start of the bytes given.
    pub at: usize,
    pub why: Malformed,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why)
    }
}

impl std::error::Error for Defect {}

/// Why a message cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The head or the trailer section is longer than this many bytes.
    HeadTooLong(usize),
    /// More field lines than this.
    TooManyFields(usize),
    RequestLine,
    Method,
    Target,
    StatusLine,
    Version,
    NulByte,
    BareCr,
    FieldWithoutColon,
    FieldName,
    SpaceBeforeColon,
    FoldWithoutField,
    ContentLength,
    ContentLengthsDiffer,
    ContentLengthWithCoding,
    TransferEncoding,
    ChunkedNotLast,
    /// A request with a transfer coding, none of which is chunked: its length is unknowable.
    RequestNotChunked,
    TransferEncodingInHttp10,
    ChunkSize,
    ChunkSizeOverflow,
    ChunkLineTooLong(usize),
    ChunkLineEnd,
    ChunkDataEnd,
    TrailerLineEnd,
    EndedInsideHead,
    ResponseWithoutRequest,
    /// More than this many requests wait for their response.
    TooManyOpen(usize),
    /// Bytes came after a CONNECT or Upgrade request before its answer, which then refused: they
    /// could belong to either protocol.
    SwitchRefused,
    /// Bytes came after `Upgrade: h2c` before its answer, and cannot be read as HTTP/2 any more.
    EarlySwitch,
    /// The exchange numbers of the connection are used up.
    TooManyExchanges,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::HeadTooLong(limit) => {
                return write!(
                    f,
                    "the header block is over limits.observed-header-bytes = {limit}B"
                );
            }
            Self::TooManyFields(limit) => {
                return write!(f, "the header block has more than {limit} fields");
            }
            Self::ChunkLineTooLong(limit) => {
                return write!(f, "a chunk size line is longer than {limit} bytes");
            }
            Self::TooManyOpen(limit) => {
                return write!(
                    f,
                    "more requests wait for responses than limits.observed-streams = {limit}"
                );
            }
            Self::RequestLine => "not an HTTP/1 request line",
            Self::Method => "the method is no token",
            Self::Target => "the request target is empty or holds a control character",
            Self::StatusLine => "not an HTTP/1 status line",
            Self::Version => "the protocol version is neither HTTP/1.0 nor HTTP/1.1",
            Self::NulByte => "a NUL byte in a header block",
            Self::BareCr => "a CR without LF in a header block",
            Self::FieldWithoutColon => "a header line without a colon",
            Self::FieldName => "a field name is no token",
            Self::SpaceBeforeColon => "whitespace between a field name and its colon",
            Self::FoldWithoutField => "a folded line without a field before it",
            Self::ContentLength => "Content-Length is no decimal number of up to 64 bits",
            Self::ContentLengthsDiffer => "several Content-Length values that differ",
            Self::ContentLengthWithCoding => "both Content-Length and Transfer-Encoding",
            Self::TransferEncoding => "Transfer-Encoding is no list of codings",
            Self::ChunkedNotLast => "chunked is not the last transfer coding, or not the only one",
            Self::RequestNotChunked => "a request whose transfer coding is not chunked",
            Self::TransferEncodingInHttp10 => "Transfer-Encoding in an HTTP/1.0 message",
            Self::ChunkSize => "a chunk size is no hexadecimal number",
            Self::ChunkSizeOverflow => "a chunk size is larger than 64 bits",
            Self::ChunkLineEnd => "a chunk size line is not ended by CRLF",
            Self::ChunkDataEnd => "a chunk's data is not followed by CRLF",
            Self::TrailerLineEnd => "a trailer line is not ended by CRLF",
            Self::EndedInsideHead => "the stream ended inside a header block",
            Self::ResponseWithoutRequest => "a response without a request",
            Self::SwitchRefused => "bytes followed a CONNECT or Upgrade request that was refused",
            Self::EarlySwitch => "bytes followed an h2c Upgrade request before its answer",
            Self::TooManyExchanges => "more exchanges than can be numbered",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Malformed {}
