//! A record of an MMDB file, decoded by type: the fields of the schemas in use that say something
//! of country, registration, AS or anycast. Everything else in a record is passed over.
//!
//! Schemas: MaxMind GeoIP2 and DB-IP (nested `country.iso_code`, `registered_country.iso_code`,
//! `autonomous_system_number` and `_organization`, `traits`), ip-location-db (flat
//! `country_code`), IPinfo (flat `country` or `country_code`, `asn` as `AS123`, `as_name`,
//! `as_domain`).

use flow::claim::{Asn, Country};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// What one record says, as written.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Record<'a> {
    #[serde(borrow, default)]
    country: Option<Place<'a>>,
    #[serde(borrow, default)]
    country_code: Option<&'a str>,
    #[serde(borrow, default)]
    registered_country: Option<Place<'a>>,
    #[serde(borrow, default)]
    autonomous_system_number: Option<AsNumber<'a>>,
    #[serde(borrow, default)]
    autonomous_system_organization: Option<&'a str>,
    #[serde(borrow, default)]
    asn: Option<AsNumber<'a>>,
    #[serde(borrow, default)]
    as_name: Option<&'a str>,
    #[serde(borrow, default)]
    as_domain: Option<&'a str>,
    #[serde(default)]
    traits: Option<Traits>,
}

impl Record<'_> {
    /// Where the record places the address. A country's name or a code for "none" is no answer.
    pub(crate) fn located(&self) -> Option<Country> {
        let nested = self.country.as_ref().and_then(|place| place.0);
        [nested, self.country_code].into_iter().flatten().find_map(|code| code.parse().ok())
    }

    /// Where the holder of the address is registered.
    pub(crate) fn registered(&self) -> Option<Country> {
        self.registered_country.as_ref().and_then(|place| place.0)?.parse().ok()
    }

    /// The announcing AS. Zero is no AS (RFC 7607).
    pub(crate) fn asn(&self) -> Option<Asn> {
        let number = self.autonomous_system_number.as_ref().or(self.asn.as_ref())?;
        number.number().filter(|number| *number != 0).map(Asn)
    }

    /// The name of the announcing AS, or else its domain.
    pub(crate) fn as_name(&self) -> Option<&str> {
        [self.autonomous_system_organization, self.as_name, self.as_domain]
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty())
    }

    pub(crate) fn anycast(&self) -> bool {
        self.traits.as_ref().is_some_and(|traits| traits.is_anycast)
    }

    /// Whether the record has a field for a location at all, answered or not.
    pub(crate) fn has_place(&self) -> bool {
        self.country.is_some() || self.country_code.is_some()
    }
}

/// A country as a code, or as a map with an `iso_code`.
#[derive(Debug)]
struct Place<'a>(Option<&'a str>);

impl<'de: 'a, 'a> Deserialize<'de> for Place<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlaceVisitor;

        impl<'de> Visitor<'de> for PlaceVisitor {
            type Value = Place<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a country code or a map with an iso_code")
            }

            fn visit_borrowed_str<E>(self, code: &'de str) -> Result<Self::Value, E> {
                Ok(Place(Some(code)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut code = None;
                while let Some(key) = map.next_key::<&str>()? {
                    if key == "iso_code" {
                        code = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Place(code))
            }
        }

        deserializer.deserialize_any(PlaceVisitor)
    }
}

/// An AS number as an integer, or as a text such as `AS123`.
#[derive(Debug)]
enum AsNumber<'a> {
    Number(u64),
    Text(&'a str),
}

impl AsNumber<'_> {
    fn number(&self) -> Option<u32> {
        match self {
            Self::Number(number) => u32::try_from(*number).ok(),
            Self::Text(text) => {
                let digits = text.strip_prefix("AS").unwrap_or(text);
                digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for AsNumber<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsNumberVisitor;

        impl<'de> Visitor<'de> for AsNumberVisitor {
            type Value = AsNumber<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an AS number")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(AsNumber::Number(number))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(AsNumber::Text(text))
            }
        }

        deserializer.deserialize_any(AsNumberVisitor)
    }
}

#[derive(Debug, Deserialize)]
struct Traits {
    #[serde(default)]
    is_anycast: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Country, registration, AS number, AS name, anycast.
    type Said =
        (Option<&'static str>, Option<&'static str>, Option<u32>, Option<&'static str>, bool);

    #[track_caller]
    fn check(json: &str, expected: Said) {
        let record: Record<'_> = serde_json::from_str(json).unwrap();
        let said = (
            record.located().map(|c| c.to_string()),
            record.registered().map(|c| c.to_string()),
            record.asn().map(|asn| asn.0),
            record.as_name().map(str::to_owned),
            record.anycast(),
        );
        let (country, registered, asn, name, anycast) = expected;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        assert_eq!(said, (owned(country), owned(registered), asn, owned(name), anycast), "{json}");
    }

    #[test]
    fn the_schemas_in_use() {
        check(r#"{"country_code":"CN"}"#, (Some("CN"), None, None, None, false));
        check(
            r#"{"country":{"geoname_id":1,"iso_code":"SG","names":{"en":"Singapore"}},
                "registered_country":{"iso_code":"CN"},"traits":{"is_anycast":true,"x":1}}"#,
            (Some("SG"), Some("CN"), None, None, true),
        );
        check(
            r#"{"autonomous_system_number":45102,"autonomous_system_organization":"Alibaba"}"#,
            (None, None, Some(45102), Some("Alibaba"), false),
        );
        check(
            r#"{"asn":"AS15169","as_name":"","as_domain":"google.com","country":"United States",
                "country_code":"US"}"#,
            (Some("US"), None, Some(15169), Some("google.com"), false),
        );
        check(r#"{"country":"UK"}"#, (Some("GB"), None, None, None, false));
    }

    #[test]
    fn what_says_nothing_is_no_answer() {
        check(r#"{"country_code":"EU","asn":""}"#, (None, None, None, None, false));
        check(r#"{"country":{"names":{}},"asn":0}"#, (None, None, None, None, false));
        check(r#"{"asn":"AS+5"}"#, (None, None, None, None, false));
        check(r#"{"asn":99999999999}"#, (None, None, None, None, false));
        check("{}", (None, None, None, None, false));
    }

    #[test]
    fn a_field_of_a_wrong_type_is_an_error() {
        for json in [
            r#"{"country_code":1}"#,
            r#"{"country":[]}"#,
            r#"{"country":{"iso_code":{}}}"#,
            r#"{"asn":{}}"#,
            r#"{"traits":{"is_anycast":"yes"}}"#,
        ] {
            assert!(serde_json::from_str::<Record<'_>>(json).is_err(), "{json}");
        }
    }
}
