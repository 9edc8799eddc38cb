//! Claims: what one source says of one address, with what is needed to check it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// An ISO 3166-1 alpha-2 code (or the user-assigned `XK`), upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    pub const CN: Self = Self(*b"CN");

    pub fn as_str(&self) -> &str {
        // Both bytes are ASCII letters by construction.
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no country: wrong shape, or one of the codes for "none" or "a region".
#[derive(Debug, PartialEq, Eq)]
pub struct NotACountry;

impl fmt::Display for NotACountry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a two-letter country code")
    }
}

impl std::error::Error for NotACountry {}

impl FromStr for Country {
    type Err = NotACountry;

    /// `UK` is read as `GB`. `AP EU ZZ XX AN CS NT FX` and everything that is not two letters is no
    /// country: sources use them to say that they do not know.
    fn from_str(text: &str) -> Result<Self, NotACountry> {
        let upper = text.trim().to_ascii_uppercase();
        let &[first, second] = upper.as_bytes() else { return Err(NotACountry) };
        if !first.is_ascii_uppercase() || !second.is_ascii_uppercase() {
            return Err(NotACountry);
        }
        match upper.as_str() {
            "UK" => Ok(Self(*b"GB")),
            "AP" | "EU" | "ZZ" | "XX" | "AN" | "CS" | "NT" | "FX" => Err(NotACountry),
            _ => Ok(Self([first, second])),
        }
    }
}

/// An autonomous system number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asn(pub u32);

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

/// A source of claims: one file of one date, or the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Short stable name, such as `dbip-country`, `ipfire`, `override`, `special-range`.
    pub name: String,
    pub licence: String,
    /// Build date of the data, `YYYY-MM-DD`, where it is known.
    pub built: Option<String>,
    /// SHA-256 of the file as published, hex; `None` for what is no file.
    pub sha256: Option<String>,
}

/// What a claim is about, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The machine is in this country: a vote on location.
    Located(Country),
    /// The address is registered to a holder in this country. Never a vote on location.
    AddressRegistered(Country),
    /// The AS that announces it is registered in this country. Never a vote on location.
    AsRegistered(Country),
    OriginAs {
        asn: Asn,
        name: Option<String>,
    },
    Operator(Operator),
    /// The source marks the network as anycast.
    Anycast,
    /// The address is no public unicast address; what it is instead, such as `private`.
    SpecialRange(String),
}

/// Who runs a network or a zone, by a curated list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operator {
    /// The group's name, such as `Alibaba Cloud`.
    pub group: String,
    /// Where the group has its headquarters.
    pub headquarters: Option<Country>,
    pub confidence: Confidence,
    /// How the list knows.
    pub basis: String,
    /// What matched: an AS number (`AS45102`) or a DNS suffix (`alicdn.com`).
    pub matched: String,
}

/// How well a curated link between a network and a group is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// The registered holder is itself such an entity.
    A,
    /// The holder's name carries the group's name.
    B,
    /// The link rests on public reporting: "possible", never printed as a fact.
    C,
}

impl Confidence {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

/// One dated statement of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Shared by all claims of the source.
    pub source: Arc<Source>,
    pub statement: Statement,
    /// The network or name that matched, such as `8.136.0.0/13`.
    pub matched: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_for_no_country_are_refused() {
        for text in ["AP", "EU", "ZZ", "XX", "??", "AN", "CS", "NT", "FX", "", "C", "CHN", "C1"] {
            assert_eq!(text.parse::<Country>(), Err(NotACountry), "{text}");
        }
        for (text, code) in [("cn", "CN"), ("UK", "GB"), ("XK", "XK"), ("TW", "TW")] {
            assert_eq!(text.parse::<Country>().unwrap().as_str(), code);
        }
    }
}
