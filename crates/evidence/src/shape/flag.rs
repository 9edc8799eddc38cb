//! Flags: the policies' names as a list, and the reasons apart, by policy.

use super::Shown;
use flow::annotation::{Flag, FlagReason, Severity};
use flow::claim::Country;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Policy -> its reasons: `{"mainland-china":[{"reason":"located","country":"CN","text":"…"}]}`.
#[derive(Clone, Copy, Debug)]
pub struct FlagReasons<'a>(pub &'a [Flag]);

impl FlagReasons<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for FlagReasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for flag in self.0 {
            let reasons: Vec<_> = flag.reasons.iter().map(FlagShape::new).collect();
            map.serialize_entry(&flag.policy, &reasons)?;
        }
        map.end()
    }
}

/// One reason.
#[derive(Clone, Debug, Serialize)]
pub struct FlagShape<'a> {
    /// Such as `located`, `operated`, `possibly-operated` or `registered`.
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Shown<Country>>,
    /// The sentence, at the level that is held.
    text: Shown<&'a FlagReason>,
}

impl<'a> FlagShape<'a> {
    fn new(reason: &'a FlagReason) -> Self {
        let country = reason.country().map(Shown);
        Self { reason: reason.word(), country, text: Shown(reason) }
    }
}

/// The highest severity, as a word.
pub(super) fn severity(flags: &[Flag]) -> Option<&'static str> {
    Severity::highest(flags).map(Severity::word)
}

/// The policies' names.
pub(crate) fn policies(flags: &[Flag]) -> Vec<&str> {
    flags.iter().map(|flag| flag.policy.as_str()).collect()
}
