//! Just enough HTTP/1.1 for both ends of a measurement: a head and a body of known length. What it
//! cannot read ends the connection; it is no parser for traffic from elsewhere.

use bytes::{Buf, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A message's head, as far as it matters here.
pub(crate) struct Head {
    pub(crate) first_line: String,
    pub(crate) content_length: u64,
}

/// Reads up to the end of a head and takes it from `buffer`; `None` at an orderly end before it.
pub(crate) async fn head(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> io::Result<Option<Head>> {
    loop {
        if let Some(end) = find_end(buffer) {
            let head = parse(buffer.get(..end).unwrap_or_default());
            buffer.advance(end);
            return Ok(Some(head));
        }
        buffer.reserve(READ_BYTES);
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Reads a body of so many bytes and drops it.
pub(crate) async fn body(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    length: u64,
) -> io::Result<()> {
    let mut left = length;
    loop {
        let there = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        buffer.advance(there);
        left -= there as u64;
        if left == 0 {
            return Ok(());
        }
        buffer.clear();
        buffer.reserve(if left > READ_BYTES as u64 { LARGE_READ_BYTES } else { READ_BYTES });
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn find_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn parse(head: &[u8]) -> Head {
    let mut lines = head.split(|byte| *byte == b'\n');
    let first_line = String::from_utf8_lossy(lines.next().unwrap_or_default()).trim().to_owned();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(LENGTH_NAME.len())?;
        let value = std::str::from_utf8(value).ok()?;
        name.eq_ignore_ascii_case(LENGTH_NAME).then(|| value.trim().parse().ok())?
    });
    Head { first_line, content_length: length.unwrap_or(0) }
}

const LENGTH_NAME: &[u8] = b"content-length:";
const READ_BYTES: usize = 4 << 10;
const LARGE_READ_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_taken_one_by_one() {
        let two =
            b"GET /7 HTTP/1.1\r\nHost: a\r\nCONTENT-length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n";
        let (mut stream, mut buffer) = (&two[..], BytesMut::new());
        let first = head(&mut stream, &mut buffer).await.unwrap().unwrap();
        assert_eq!((first.first_line.as_str(), first.content_length), ("GET /7 HTTP/1.1", 3));
        body(&mut stream, &mut buffer, 3).await.unwrap();
        let second = head(&mut stream, &mut buffer).await.unwrap().unwrap();
        assert_eq!((second.first_line.as_str(), second.content_length), ("GET / HTTP/1.1", 0));
        assert!(head(&mut stream, &mut buffer).await.unwrap().is_none());
        assert!(body(&mut stream, &mut buffer, 1).await.is_err());
    }
}
