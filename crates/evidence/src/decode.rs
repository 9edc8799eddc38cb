//! Content encodings (RFC 9110 section 8.4.1) undone, for reading: gzip, deflate, br and zstd. The
//! one place of the product that decompresses bodies. What goes in is an adversary's: the output,
//! the number of layers and the memory of each are bounded.

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use recorder::read::{FlowDetail, Part};
use recorder::record::value::Text;
use std::fmt;
use std::io::{self, Write};
use zstd::stream::raw::DParameter;

/// A writer that undoes the codings of a `Content-Encoding` field on the way to `sink`. It fails once
/// the decoded body passes 1 GiB. Flush it at the end: decoders hold bytes back.
///
/// # Errors
/// A coding that is not known, or too many of them.
pub fn decoder<'a>(
    content_encoding: &str,
    sink: impl Write + 'a,
) -> Result<Box<dyn Write + 'a>, DecodeError> {
    let codings = content_encoding.split(',').map(str::trim).filter(|coding| !coding.is_empty());
    let mut writer: Box<dyn Write + 'a> = Box::new(Capped { sink, passed: 0 });
    // Codings are listed in the order in which they were applied: the last is undone first, so its
    // decoder is the outermost writer.
    for (layer, coding) in codings.enumerate() {
        if layer >= MOST_LAYERS {
            return Err(DecodeError::TooManyLayers);
        }
        writer = match coding.to_ascii_lowercase().as_str() {
            "identity" => writer,
            "gzip" | "x-gzip" => Box::new(MultiGzDecoder::new(writer)),
            "deflate" => Box::new(Deflate::Unread { start: Vec::new(), sink: Some(writer) }),
            "br" => Box::new(brotli_decompressor::DecompressorWriter::new(writer, BUFFER_BYTES)),
            "zstd" => Box::new(zstd_decoder(writer).map_err(DecodeError::Zstd)?),
            other => return Err(DecodeError::Unknown(other.to_owned())),
        };
    }
    Ok(writer)
}

/// The codings of a body, in the order in which they were applied; empty when there is none.
pub fn content_encoding(detail: &FlowDetail, part: Part) -> String {
    let named = |(name, _): &&(Text, Text)| name.0.eq_ignore_ascii_case(b"content-encoding");
    let values = fields(detail, part).iter().filter(named);
    values.map(|(_, value)| value.to_string_lossy()).collect::<Vec<_>>().join(",")
}

/// The fields of the message that carries the body: of the final response, not of interim ones.
pub(crate) fn fields(detail: &FlowDetail, part: Part) -> &[(Text, Text)] {
    let Some(exchange) = &detail.exchange else { return &[] };
    let fields = match part {
        Part::Request => exchange.request.as_ref().map(|request| &request.body.fields),
        Part::Response => {
            let last = exchange.responses.iter().rfind(|response| response.body.status >= 200);
            last.map(|response| &response.body.fields)
        }
    };
    fields.map(Vec::as_slice).unwrap_or_default()
}

/// A decoded body in memory: the first bytes of it, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) total: u64,
}

impl Decoded {
    /// Not all bytes were kept.
    pub(crate) fn is_cut(&self) -> bool {
        self.total > self.bytes.len() as u64
    }
}

impl Write for &mut Decoded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.total += piece.len() as u64;
        let room = MOST_KEPT_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets so many bytes pass and no more.
struct Capped<W> {
    sink: W,
    passed: u64,
}

impl<W: Write> Write for Capped<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.passed >= MOST_DECODED_BYTES {
            return Err(io::Error::other(DecodeError::TooLarge));
        }
        let written = self.sink.write(piece)?;
        self.passed += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Why a body cannot be decoded.
#[derive(Debug)]
pub enum DecodeError {
    Unknown(String),
    TooManyLayers,
    /// The decoded body passes the bound.
    TooLarge,
    Zstd(io::Error),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(coding) => write!(f, "the content coding {coding:?} is not known"),
            Self::TooManyLayers => write!(f, "more than {MOST_LAYERS} content codings"),
            Self::TooLarge => {
                write!(f, "the decoded body is larger than {MOST_DECODED_BYTES} bytes")
            }
            Self::Zstd(_) => f.write_str("the zstd decoder did not start"),
        }
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Zstd(source) => Some(source),
            Self::Unknown(_) | Self::TooManyLayers | Self::TooLarge => None,
        }
    }
}

fn zstd_decoder<'a>(
    sink: Box<dyn Write + 'a>,
) -> io::Result<zstd::stream::write::Decoder<'static, Box<dyn Write + 'a>>> {
    let mut decoder = zstd::stream::write::Decoder::new(sink)?;
    // 8 MiB, as RFC 9659 section 3 demands for content encoding.
    decoder.set_parameter(DParameter::WindowLogMax(23))?;
    Ok(decoder)
}

/// `deflate` is the zlib format (RFC 9110 section 8.4.1.2), but some servers send it bare; the
/// first two bytes tell which.
enum Deflate<'a> {
    Unread { start: Vec<u8>, sink: Option<Box<dyn Write + 'a>> },
    Zlib(ZlibDecoder<Box<dyn Write + 'a>>),
    Bare(DeflateDecoder<Box<dyn Write + 'a>>),
}

impl Write for Deflate<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match self {
            Self::Zlib(decoder) => decoder.write(piece),
            Self::Bare(decoder) => decoder.write(piece),
            Self::Unread { start, sink } => {
                start.extend_from_slice(piece);
                let &[method, flags, ..] = start.as_slice() else { return Ok(piece.len()) };
                let start = std::mem::take(start);
                let sink = sink.take().ok_or_else(|| io::Error::other("no sink"))?;
                // RFC 1950 section 2.2: method 8, and the first two bytes a multiple of 31.
                let check = u16::from_be_bytes([method, flags]);
                let is_zlib = method & 0x0f == 8 && check.is_multiple_of(31);
                *self = match is_zlib {
                    true => Self::Zlib(ZlibDecoder::new(sink)),
                    false => Self::Bare(DeflateDecoder::new(sink)),
                };
                self.write_all(&start)?;
                Ok(piece.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unread { .. } => Ok(()),
            Self::Zlib(decoder) => decoder.flush(),
            Self::Bare(decoder) => decoder.flush(),
        }
    }
}

const MOST_LAYERS: usize = 3;
const BUFFER_BYTES: usize = 16 * 1024;
/// Decoded bytes of one body that are kept in memory for an export.
const MOST_KEPT_BYTES: usize = 16 * 1024 * 1024;
/// Decoded bytes of one body after which decoding ends.
const MOST_DECODED_BYTES: u64 = 1024 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(coding: &str, bytes: &[u8]) -> Vec<u8> {
        use flate2::Compression;
        use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
        fn all<W: Write>(mut writer: W, bytes: &[u8]) -> W {
            writer.write_all(bytes).unwrap();
            writer
        }
        let level = Compression::default();
        match coding {
            "gzip" => all(GzEncoder::new(Vec::new(), level), bytes).finish().unwrap(),
            "zlib" => all(ZlibEncoder::new(Vec::new(), level), bytes).finish().unwrap(),
            "bare" => all(DeflateEncoder::new(Vec::new(), level), bytes).finish().unwrap(),
            "zstd" => zstd::encode_all(bytes, 3).unwrap(),
            _ => bytes.to_vec(),
        }
    }

    #[track_caller]
    fn check(content_encoding: &str, encoded: &[u8], expected: &[u8]) {
        let mut decoded = Decoded::default();
        let mut writer = decoder(content_encoding, &mut decoded).unwrap();
        for piece in encoded.chunks(3) {
            writer.write_all(piece).unwrap();
        }
        writer.flush().unwrap();
        drop(writer);
        assert_eq!(decoded.bytes, expected, "{content_encoding}");
        assert_eq!(decoded.total, expected.len() as u64);
    }

    #[test]
    fn every_coding() {
        let text = b"what was sent, what was sent, what was sent".repeat(50);
        check("", &text, &text);
        check("identity", &text, &text);
        check("gzip", &encode("gzip", &text), &text);
        check("X-GZIP", &encode("gzip", &text), &text);
        check("deflate", &encode("zlib", &text), &text);
        check("deflate", &encode("bare", &text), &text);
        check("zstd", &encode("zstd", &text), &text);
        check("deflate, gzip", &encode("gzip", &encode("zlib", &text)), &text);
        // An uncompressed meta-block of four bytes and an empty last one (RFC 7932 section 9.2).
        check("br", &[0x30, 0x00, 0x10, b'a', b'b', b'c', b'd', 0x03], b"abcd");
    }

    #[test]
    fn two_gzip_members_are_one_body() {
        let both = [encode("gzip", b"one "), encode("gzip", b"two")].concat();
        check("gzip", &both, b"one two");
    }

    #[test]
    fn unknown_and_endless_codings_are_refused() {
        assert!(matches!(decoder("dcb", io::sink()), Err(DecodeError::Unknown(_))));
        let many = "gzip,gzip,gzip,gzip";
        assert!(matches!(decoder(many, io::sink()), Err(DecodeError::TooManyLayers)));
    }

    #[test]
    fn a_bomb_ends_at_the_bound() {
        let mut capped = Capped { sink: io::sink(), passed: MOST_DECODED_BYTES - 1 };
        let bomb = encode("gzip", &vec![0; 1 << 20]);
        let mut writer = MultiGzDecoder::new(&mut capped);
        let error = writer.write_all(&bomb).and_then(|()| writer.flush()).unwrap_err();
        assert!(error.to_string().contains("larger than"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            coding in prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "br, gzip"]),
        ) {
            let mut decoded = Decoded::default();
            let mut writer = decoder(coding, &mut decoded).unwrap();
            let _outcome = writer.write_all(&bytes).and_then(|()| writer.flush());
        }
    }
}
