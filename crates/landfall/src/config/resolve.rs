//! A value of `[resolve]`: a list of addresses, or a table with the CNAME chain to tell as well.

use super::text::Text;
use flow::address::DnsName;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::net::IpAddr;

/// What a name resolves to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) cnames: Vec<DnsName>,
    pub(super) addresses: Vec<IpAddr>,
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListOrTable)
    }
}

struct ListOrTable;

impl<'de> Visitor<'de> for ListOrTable {
    type Value = Answer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of addresses, or { cnames = [...], addresses = [...] }")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Answer, A::Error> {
        let addresses = Deserialize::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Answer { cnames: Vec::new(), addresses })
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Answer, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(table))?;
        let cnames = table.cnames.into_iter().map(|Text(name)| name).collect();
        Ok(Answer { cnames, addresses: table.addresses })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Table {
    cnames: Vec<Text<DnsName>>,
    addresses: Vec<IpAddr>,
}
