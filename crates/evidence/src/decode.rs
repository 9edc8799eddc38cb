//! Content encodings (RFC 9110 section 8.4.1) undone, for reading: gzip, deflate, br and zstd. The
//! one place of the product that decompresses bodies. What goes in is an adversary's: the output,
//! the number of layers and the memory of each are bounded.

use crate::inflate::Deflate;
use brotli_decompressor::DecompressorWriter;
use flate2::write::MultiGzDecoder;
use recorder::read::{FlowDetail, Part};
use recorder::record::sealed::Sealed;
use recorder::record::value::Text;
use std::fmt;
use std::io::{self, Write};
use zstd::stream::raw::DParameter;
use zstd::stream::{raw, zio};

/// A writer that undoes the codings of a `Content-Encoding` field on the way to `sink`. It fails once
/// the decoded body passes 1 GiB.
///
/// # Errors
/// A coding that is not known, or too many of them.
pub fn decoder<'a>(
    content_encoding: &str,
    sink: impl Write + 'a,
) -> Result<Decoder<'a>, DecodeError> {
    let codings = content_encoding.split(',').map(str::trim).filter(|coding| !coding.is_empty());
    let mut layer = Layer::Plain(Capped { sink: Box::new(sink), passed: 0 });
    // Codings are listed in the order in which they were applied: the last is undone first, so its
    // decoder is the outermost writer.
    for (number, coding) in codings.enumerate() {
        if number >= MOST_LAYERS {
            return Err(DecodeError::TooManyLayers);
        }
        let below = Box::new(layer);
        layer = match coding.to_ascii_lowercase().as_str() {
            "identity" => *below,
            "gzip" | "x-gzip" => Layer::Gzip(MultiGzDecoder::new(below)),
            "deflate" => Layer::Deflate(Deflate::new(below)),
            "br" => Layer::Brotli(Box::new(DecompressorWriter::new(below, BUFFER_BYTES))),
            "zstd" => Layer::Zstd(zstd_decoder(below).map_err(DecodeError::Zstd)?),
            other => return Err(DecodeError::Unknown(other.to_owned())),
        };
    }
    Ok(Decoder { layer, is_empty: true })
}

/// Decodes what is written to it. Only [`Decoder::finish`] tells whether it was whole.
pub struct Decoder<'a> {
    layer: Layer<'a>,
    /// Nothing came yet. A body of no bytes is a whole one in every coding, for instance of the
    /// response to a HEAD request.
    is_empty: bool,
}

impl Decoder<'_> {
    /// Hands on what the decoders hold back.
    ///
    /// # Errors
    /// The sink's, and those of a body that is cut off or does not have the checksum that it names.
    pub fn finish(mut self) -> io::Result<()> {
        match self.is_empty {
            true => Ok(()),
            false => self.layer.finish(),
        }
    }
}

impl Write for Decoder<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.is_empty &= piece.is_empty();
        self.layer.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.layer.flush()
    }
}

/// The codings of a body, in the order in which they were applied; empty when there is none.
pub fn content_encoding(detail: &FlowDetail, part: Part) -> String {
    let named =
        |(name, _): &&(Text, Sealed<Text>)| name.0.eq_ignore_ascii_case(b"content-encoding");
    let values = fields(detail, part).iter().filter(named);
    values.map(|(_, value)| value.to_string_lossy()).collect::<Vec<_>>().join(",")
}

/// The fields of the message that carries the body: of the final response, not of interim ones.
pub(crate) fn fields(detail: &FlowDetail, part: Part) -> &[(Text, Sealed<Text>)] {
    let Some(exchange) = &detail.exchange else { return &[] };
    let fields = match part {
        Part::Request => exchange.request.as_ref().map(|request| &request.body.fields),
        Part::Response => {
            let last = exchange.responses.iter().rfind(|response| response.body.is_final());
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

/// One coding to undo on the way to the next one, or the end.
enum Layer<'a> {
    Plain(Capped<Box<dyn Write + 'a>>),
    Gzip(MultiGzDecoder<Box<Self>>),
    Deflate(Deflate<Box<Self>>),
    Brotli(Box<DecompressorWriter<Box<Self>>>),
    Zstd(zio::Writer<Box<Self>, raw::Decoder<'static>>),
}

impl Layer<'_> {
    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(sink) => sink.flush(),
            Self::Gzip(decoder) => {
                decoder.try_finish()?;
                decoder.get_mut().finish()
            }
            Self::Deflate(decoder) => decoder.finish()?.finish(),
            Self::Brotli(decoder) => {
                decoder.close()?;
                decoder.get_mut().finish()
            }
            Self::Zstd(decoder) => {
                decoder.finish()?;
                decoder.writer_mut().finish()
            }
        }
    }
}

impl Write for Layer<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(sink) => sink.write(piece),
            Self::Gzip(decoder) => decoder.write(piece),
            Self::Deflate(decoder) => decoder.write(piece),
            Self::Brotli(decoder) => decoder.write(piece),
            Self::Zstd(decoder) => decoder.write(piece),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(sink) => sink.flush(),
            Self::Gzip(decoder) => decoder.flush(),
            Self::Deflate(decoder) => decoder.flush(),
            Self::Brotli(decoder) => decoder.flush(),
            Self::Zstd(decoder) => decoder.flush(),
        }
    }
}

fn zstd_decoder<W: Write>(below: W) -> io::Result<zio::Writer<W, raw::Decoder<'static>>> {
    let mut decoder = raw::Decoder::new()?;
    // 8 MiB, as RFC 9659 section 3 demands for content encoding.
    decoder.set_parameter(DParameter::WindowLogMax(23))?;
    Ok(zio::Writer::new(below, decoder))
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

    /// Four bytes as they are, and an empty last block (RFC 7932 section 9.2).
    const BROTLI: [u8; 8] = [0x30, 0x00, 0x10, b'a', b'b', b'c', b'd', 0x03];

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

    fn decode(content_encoding: &str, encoded: &[u8]) -> io::Result<Decoded> {
        let mut decoded = Decoded::default();
        let mut writer = decoder(content_encoding, &mut decoded).unwrap();
        for piece in encoded.chunks(3) {
            writer.write_all(piece)?;
        }
        writer.finish()?;
        Ok(decoded)
    }

    #[track_caller]
    fn check(content_encoding: &str, encoded: &[u8], expected: &[u8]) {
        let decoded = decode(content_encoding, encoded).unwrap();
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
        check("br", &BROTLI, b"abcd");
        for coding in ["gzip", "deflate", "br", "zstd", "gzip, zstd"] {
            check(coding, b"", b"");
        }
    }

    #[test]
    fn a_body_that_is_cut_off_is_not_taken_for_a_whole_one() {
        let text = b"what was sent, what was sent, what was sent".repeat(50);
        for (encoding, whole) in [
            ("gzip", encode("gzip", &text)),
            ("deflate", encode("zlib", &text)),
            ("deflate", encode("bare", &text)),
            ("zstd", encode("zstd", &text)),
            ("br", BROTLI.to_vec()),
            ("deflate, gzip", encode("gzip", &encode("zlib", &text)[..20])),
            ("gzip, zstd", encode("zstd", &encode("gzip", &text)[..20])),
        ] {
            let inner_is_cut = encoding.contains(',');
            for length in 1..whole.len() + usize::from(inner_is_cut) {
                assert!(decode(encoding, &whole[..length]).is_err(), "{encoding}, {length} bytes");
            }
        }
    }

    #[test]
    fn a_body_that_does_not_have_its_checksum_is_not_taken_for_a_whole_one() {
        for (encoding, mut body, from_end) in [
            ("gzip", encode("gzip", b"what was sent"), 8),
            ("gzip", [encode("gzip", b"one"), encode("gzip", b"two")].concat(), 8),
            ("deflate", encode("zlib", b"what was sent"), 1),
        ] {
            let at = body.len() - from_end;
            body[at] ^= 1;
            assert!(decode(encoding, &body).is_err(), "{encoding}");
        }
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
            let _outcome = decode(coding, &bytes);
        }
    }
}
