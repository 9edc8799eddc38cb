//! What the databases say of an address: the keys that flows, live lines and look-ups share.

use super::Shown;
use super::flag::{self, FlagReasons};
use flow::annotation::Annotation;
use flow::claim::Country;
use recorder::read::located;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// An annotation's own keys; one that has nothing to say is absent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Known<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Countries::is_empty")]
    countries: Countries<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_registered_country: Option<Shown<Country>>,
    anycast: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    special_range: Option<&'a str>,
    flags: Vec<&'a str>,
    #[serde(skip_serializing_if = "FlagReasons::is_empty")]
    flag_reasons: FlagReasons<'a>,
    /// The highest of the flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
}

impl<'a> Known<'a> {
    pub(super) fn new(annotation: &'a Annotation) -> Self {
        let operator = annotation.operator.as_ref();
        Self {
            country: annotation.location.country().map(Shown),
            countries: Countries(annotation),
            asn: annotation.asn.map(|asn| asn.0),
            as_name: annotation.as_name.as_deref(),
            operator: operator.map(|operator| operator.group.as_str()),
            operator_country: operator.and_then(|operator| operator.headquarters).map(Shown),
            registered_country: annotation.address_registered.map(Shown),
            as_registered_country: annotation.as_registered.map(Shown),
            anycast: annotation.anycast,
            special_range: annotation.special_range.as_deref(),
            flags: flag::policies(&annotation.flags),
            flag_reasons: FlagReasons(&annotation.flags),
            severity: flag::severity(&annotation.flags),
        }
    }
}

/// Location source -> country: `{"dbip-country":"HK","ipfire":"CN"}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Countries<'a>(pub(crate) &'a Annotation);

impl Countries<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        located(self.0).next().is_none()
    }
}

impl Serialize for Countries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (source, country) in located(self.0) {
            map.serialize_entry(source, &Shown(country))?;
        }
        map.end()
    }
}
