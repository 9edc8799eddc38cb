//! `landfall flow body`: one body on stdout, raw into a pipe or file. A terminal gets text only, and
//! that escaped: what bytes from the network do to a terminal is up to whoever sent them.

use crate::args;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::escape::printable_lines;
use flow::id::{ExchangeId, FlowId};
use recorder::read::{Part, Session};
use std::io::{self, BufWriter, IsTerminal, Write};

/// Writes the body as it was transferred, or with its content encoding undone.
///
/// # Errors
/// There is no such body, or not all of it; it cannot be decoded; stdout is a terminal and the body
/// is not for one.
pub(crate) fn run(
    context: &Context,
    id: FlowId,
    part: args::Part,
    decoded: bool,
) -> Result<Exit, Error> {
    context.no_rows()?;
    let FlowId::Exchange(exchange) = id else {
        return Err(Error::usage("a connection has no body of its own")
            .at(id)
            .hint("name one of its exchanges, such as c12.1; `landfall flow list` shows them"));
    };
    let part = match part {
        args::Part::Request => Part::Request,
        args::Part::Response => Part::Response,
    };
    let session = context.session(None)?;
    let stdout = io::stdout();
    if stdout.is_terminal() {
        let mut screen = Screen::default();
        let written = write(&session, exchange, part, decoded, &mut screen);
        screen.show(exchange, &mut stdout.lock())?;
        written?;
    } else {
        let mut out = BufWriter::new(stdout.lock());
        write(&session, exchange, part, decoded, &mut out)?;
        out.flush().map_err(|error| Error::output(&error))?;
    }
    Ok(Exit::Ok)
}

fn write(
    session: &Session,
    exchange: ExchangeId,
    part: Part,
    decoded: bool,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if !decoded {
        return Ok(session.body(exchange, part, out)?);
    }
    let id = FlowId::Exchange(exchange);
    let encoding = evidence::decode::content_encoding(&session.flow(id)?, part);
    let mut decoder = evidence::decode::decoder(&encoding, out).map_err(|error| {
        Error::runtime("the body cannot be decoded")
            .at(id)
            .because(&error)
            .hint("leave --decoded out to get it as it was transferred")
    })?;
    session.body(exchange, part, &mut decoder)?;
    decoder.finish().map_err(|error| {
        Error::runtime("the body cannot be decoded to its end").at(id).because(&error)
    })
}

/// A body that waits until it is known to be text.
#[derive(Default)]
struct Screen {
    bytes: Vec<u8>,
    /// There is more than anybody reads on a terminal.
    is_over: bool,
}

impl Screen {
    fn show(self, exchange: ExchangeId, out: &mut impl Write) -> Result<(), Error> {
        let refused = |why: &str| {
            Error::usage(why).at(FlowId::Exchange(exchange)).hint("redirect it to a file")
        };
        if self.is_over {
            return Err(refused("the body is too long for a terminal"));
        }
        let text = text(&self.bytes).ok_or_else(|| refused("the body is not text"))?;
        let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        write!(out, "{}{newline}", printable_lines(text))
            .and_then(|()| out.flush())
            .map_err(|error| Error::output(&error))
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MOST_SHOWN_BYTES {
            self.is_over = true;
            return Err(io::Error::other("too long for a terminal"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes as text: UTF-8 without control characters other than those of lines and tabs.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_binary = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    (!text.contains(is_binary)).then_some(text)
}

const MOST_SHOWN_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use flow::id::ConnectionId;

    const EXCHANGE: ExchangeId = ExchangeId { connection: ConnectionId(1), number: 1 };

    fn shown(parts: &[&[u8]]) -> Result<String, String> {
        let mut screen = Screen::default();
        for part in parts {
            if screen.write_all(part).is_err() {
                break;
            }
        }
        let mut out = Vec::new();
        let shown = screen.show(EXCHANGE, &mut out);
        shown.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check_refused(parts: &[&[u8]], why: &str) {
        let expected = format!("error: {why} (c1.1)\nhint: redirect it to a file");
        assert_eq!(shown(parts), Err(expected));
    }

    #[test]
    fn text_is_shown_escaped() {
        assert_eq!(shown(&[b"a\tb\nc"]).unwrap(), "a\tb\nc\n");
        assert_eq!(shown(&[b"{}\n"]).unwrap(), "{}\n");
        assert_eq!(shown(&[b"\xe4\xb8", b"\xad\r\n"]).unwrap(), "\u{4e2d}\\r\n");
        assert_eq!(shown(&["evil\u{202e}gpj".as_bytes()]).unwrap(), "evil\\u{202e}gpj\n");
        assert_eq!(shown(&[]).unwrap(), "");
    }

    #[test]
    fn what_is_no_text_does_not_reach_the_terminal() {
        check_refused(&[b"\x89PNG"], "the body is not text");
        check_refused(&[b"\x1b[2J"], "the body is not text");
        check_refused(&["\u{9b}2J".as_bytes()], "the body is not text");
        check_refused(&[b"a\0b"], "the body is not text");
        let long = vec![b'a'; MOST_SHOWN_BYTES];
        check_refused(&[&long, b"b"], "the body is too long for a terminal");
    }
}
