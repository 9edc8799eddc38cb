//! Identifiers, with the one text form each has in the log, the CLI and the exports.

use std::fmt;
use std::str::FromStr;

/// A session's random 128-bit identity; 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// A connection's number within its session, from 1; `c12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// An exchange's number within its connection, from 1, in order of request heads; `c12.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId {
    pub connection: ConnectionId,
    pub number: u32,
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.connection, self.number)
    }
}

/// A name look-up's number within its session, from 1; `d7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LookupId(pub u64);

impl fmt::Display for LookupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}", self.0)
    }
}

/// A record's number within its session's log, from 0; `r41`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordSeq(pub u64);

impl fmt::Display for RecordSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// What `flow show ID` takes: a connection (`c12`) or an exchange (`c12.3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FlowId {
    Connection(ConnectionId),
    Exchange(ExchangeId),
}

impl FlowId {
    /// The connection that this flow is, or is part of.
    pub fn connection(self) -> ConnectionId {
        match self {
            Self::Connection(connection) => connection,
            Self::Exchange(exchange) => exchange.connection,
        }
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(connection) => connection.fmt(f),
            Self::Exchange(exchange) => exchange.fmt(f),
        }
    }
}

/// The text is not `cN` or `cN.M`.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAFlowId;

impl fmt::Display for NotAFlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a flow id: expected cN (a connection) or cN.M (an exchange)")
    }
}

impl std::error::Error for NotAFlowId {}

impl FromStr for FlowId {
    type Err = NotAFlowId;

    fn from_str(text: &str) -> Result<Self, NotAFlowId> {
        let digits = text.strip_prefix('c').ok_or(NotAFlowId)?;
        let (connection, number) = match digits.split_once('.') {
            Some((connection, number)) => (connection, Some(number)),
            None => (digits, None),
        };
        let connection = ConnectionId(canonical(connection).ok_or(NotAFlowId)?);
        let Some(number) = number else { return Ok(Self::Connection(connection)) };
        let number =
            canonical(number).and_then(|number| u32::try_from(number).ok()).ok_or(NotAFlowId)?;
        Ok(Self::Exchange(ExchangeId { connection, number }))
    }
}

/// The text is no id of the kind that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id of this kind")
    }
}

impl std::error::Error for NotAnId {}

impl FromStr for SessionId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let number = u128::from_str_radix(text, 16).map_err(|_syntax| NotAnId)?;
        let id = Self(number.to_be_bytes());
        if id.to_string() == text { Ok(id) } else { Err(NotAnId) }
    }
}

impl FromStr for ConnectionId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        text.strip_prefix('c').and_then(canonical).map(Self).ok_or(NotAnId)
    }
}

impl FromStr for LookupId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        text.strip_prefix('d').and_then(canonical).map(Self).ok_or(NotAnId)
    }
}

impl FromStr for ExchangeId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        match text.parse() {
            Ok(FlowId::Exchange(exchange)) => Ok(exchange),
            Ok(FlowId::Connection(_)) | Err(NotAFlowId) => Err(NotAnId),
        }
    }
}

/// A decimal number without sign or leading zeros, so that each id has one spelling.
fn canonical(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_id_has_one_spelling() {
        let session = "00112233445566778899aabbccddeeff";
        assert_eq!(session.parse::<SessionId>().unwrap().to_string(), session);
        assert_eq!("c7".parse(), Ok(ConnectionId(7)));
        assert_eq!("d7".parse(), Ok(LookupId(7)));
        assert_eq!("c7.2".parse(), Ok(ExchangeId { connection: ConnectionId(7), number: 2 }));
        assert_eq!(session.to_uppercase().parse::<SessionId>(), Err(NotAnId));
        assert_eq!("c07".parse::<ConnectionId>(), Err(NotAnId));
        assert_eq!("c7".parse::<LookupId>(), Err(NotAnId));
        assert_eq!("c7".parse::<ExchangeId>(), Err(NotAnId));
    }

    #[test]
    fn flow_ids_have_one_spelling() {
        for text in ["c1", "c12.3", "c18446744073709551615"] {
            assert_eq!(text.parse::<FlowId>().unwrap().to_string(), text);
        }
        for text in ["", "c", "12", "c01", "c+1", "c1.", "c1.02", "d1", "c1.2.3", "c1.4294967296"] {
            assert_eq!(text.parse::<FlowId>(), Err(NotAFlowId), "{text}");
        }
    }
}
