//! Values that are written as strings in the file: whatever `FromStr` reads, with its error as the
//! file's error, so that the place of the string is kept.

use flow::filter::{self, Filter, FilterError};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::str::FromStr;

/// A value read from a string; also usable as a table's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T> Deserialize<'de> for Text<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(OneString(PhantomData)).map(Self)
    }
}

struct OneString<T>(PhantomData<T>);

impl<T> Visitor<'_> for OneString<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|error| E::custom(format_args!("{text:?}: {error}")))
    }
}

/// A filter of the one filter language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterText(pub(crate) Filter);

impl FromStr for FilterText {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        filter::parse(text).map(Self)
    }
}

/// A key of `[dial]`: an address at any port (`8.136.0.1`) or at one (`8.136.0.1:443`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum DialKey {
    Address(IpAddr),
    Socket(SocketAddr),
}

impl FromStr for DialKey {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        match text.parse::<SocketAddr>() {
            Ok(socket) => {
                Ok(Self::Socket(SocketAddr::new(socket.ip().to_canonical(), socket.port())))
            }
            Err(_) => text.parse::<IpAddr>().map(|ip| Self::Address(ip.to_canonical())),
        }
    }
}
