//! `landfall flow body`: one body on stdout, or what a connection without exchanges relayed, raw into
//! a pipe or file. A terminal gets text only, and that escaped: what bytes from the network do to a
//! terminal is up to whoever sent them.

use crate::args;
use crate::clock;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::escape::printable_lines;
use flow::filter::{Filter, Term};
use flow::id::{ConnectionId, ExchangeId, FlowId};
use flow::stream::{Direction, Leg, StreamKey};
use recorder::read::{FlowQuery, Part, Session};
use recorder::record::store;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::SystemTime;

/// Writes the body as it was transferred, or with its content encoding undone; of a connection that
/// holds no exchange, the bytes that one side sent.
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
    let part = match part {
        args::Part::Request => Part::Request,
        args::Part::Response => Part::Response,
    };
    let session = context.session(None)?;
    let source = match id {
        FlowId::Exchange(exchange) => Source::Body { exchange, part, decoded },
        FlowId::Connection(_) if decoded => {
            return Err(Error::usage("the bytes of a connection have no content encoding")
                .at(id)
                .hint("leave --decoded out"));
        }
        FlowId::Connection(connection) => Source::relayed(&session, connection, part)?,
    };
    let stdout = io::stdout();
    if stdout.is_terminal() {
        let mut screen = Screen::default();
        let written = source.write(&session, &mut screen);
        screen.show(id, &mut stdout.lock())?;
        written?;
    } else {
        let mut out = BufWriter::new(stdout.lock());
        let written = source.write(&session, &mut out);
        out.flush().map_err(|error| Error::output(&error))?;
        written?;
    }
    Ok(Exit::Ok)
}

/// What is written.
enum Source {
    Body {
        exchange: ExchangeId,
        part: Part,
        decoded: bool,
    },
    /// One direction of a connection that holds no exchange, and how many bytes passed, where that is
    /// known.
    Relayed {
        stream: StreamKey,
        passed: Option<u64>,
    },
}

impl Source {
    /// The bytes of a connection's side, if they are not those of exchanges.
    fn relayed(session: &Session, connection: ConnectionId, part: Part) -> Result<Self, Error> {
        let id = FlowId::Connection(connection);
        let detail = session.flow(id)?;
        let exchanges = exchanges(session, connection)?;
        if !exchanges.is_empty() {
            return Err(Error::usage("the bytes of this connection are those of its exchanges")
                .at(id)
                .hint(format!("name one of them: {exchanges}")));
        }
        let (direction, word) = match part {
            Part::Request => (Direction::Up, store::Direction::Up),
            Part::Response => (Direction::Down, store::Direction::Down),
        };
        let stream = StreamKey { connection, leg: Leg::Relay, direction };
        if session.kept(stream)? == 0 {
            return Err(nothing_kept(session, stream)?);
        }
        let closed = detail.connection.streams.iter().map(|stream| &stream.body);
        let mut closed = closed.filter(|s| (s.leg, s.direction) == (store::Leg::Relay, word));
        Ok(Self::Relayed { stream, passed: closed.next().map(|stream| stream.relayed.0) })
    }

    fn write(&self, session: &Session, out: &mut dyn Write) -> Result<(), Error> {
        match *self {
            Self::Body { exchange, part, decoded } => write(session, exchange, part, decoded, out),
            Self::Relayed { stream, passed } => {
                session.raw(stream, out)?;
                let kept = session.kept(stream)?;
                match passed {
                    Some(passed) if kept < passed => {
                        Err(Error::runtime(format!("{kept} of {passed} bytes were kept"))
                            .at(FlowId::Connection(stream.connection))
                            .hint("`landfall flow show` tells what kept the rest out"))
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

/// The first exchanges of a connection as a list, empty if there is none.
fn exchanges(session: &Session, connection: ConnectionId) -> Result<String, Error> {
    let of_it = Filter::Term(Term::Connection(vec![connection]));
    let all = FlowQuery::all(of_it, clock::wall(SystemTime::now()));
    let rows = session.flows(&FlowQuery { limit: Some(MOST_NAMED + 1), ..all })?;
    let ids = rows.iter().filter(|row| matches!(row.id, FlowId::Exchange(_)));
    let ids: Vec<String> = ids.map(|row| row.id.to_string()).collect();
    let more = if ids.len() as u64 > MOST_NAMED { ", …" } else { "" };
    let named: Vec<_> = ids.into_iter().take(MOST_NAMED as usize).collect();
    Ok(format!("{}{more}", named.join(", ")))
}

/// Says that there are no bytes, and where there are some.
fn nothing_kept(session: &Session, stream: StreamKey) -> Result<Error, Error> {
    let id = FlowId::Connection(stream.connection);
    let (other, side, part) = match stream.direction {
        Direction::Up => (Direction::Down, "the device", "response"),
        Direction::Down => (Direction::Up, "the upstream", "request"),
    };
    let error = Error::runtime(format!("no byte that {side} sent was relayed and kept")).at(id);
    let others = session.kept(StreamKey { direction: other, ..stream })?;
    Ok(error.hint(if others > 0 {
        format!("the other side's are there: `landfall flow body {id} --part {part}`")
    } else {
        format!("`landfall flow show {id}` tells how the connection went")
    }))
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
    fn show(self, id: FlowId, out: &mut impl Write) -> Result<(), Error> {
        let what = match id {
            FlowId::Exchange(_) => "the body is",
            FlowId::Connection(_) => "what was relayed is",
        };
        let refused =
            |why: &str| Error::usage(format!("{what} {why}")).at(id).hint("redirect it to a file");
        if self.is_over {
            return Err(refused("too long for a terminal"));
        }
        let text = text(&self.bytes).ok_or_else(|| refused("not text"))?;
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
/// Exchanges that a hint names.
const MOST_NAMED: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: FlowId =
        FlowId::Exchange(ExchangeId { connection: ConnectionId(1), number: 1 });

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
