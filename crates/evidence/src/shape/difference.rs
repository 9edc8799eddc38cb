//! One respect in which two sessions differ: a line of `landfall session compare`.

use super::{SCHEMA, Shown};
use recorder::read::{Compared, DestinationKey, Difference};
use serde::{Serialize, Serializer};

/// A difference. `a` and `b` are numbers for counts, else lists of texts; a list is empty where that
/// session has nothing.
#[derive(Clone, Debug, Serialize)]
pub struct DifferenceShape<'a> {
    schema: u32,
    host: Shown<&'a DestinationKey>,
    /// `only-in-a`, `only-in-b`, `claims` or `traffic`.
    difference: &'static str,
    /// A key of a destination's row.
    what: &'static str,
    a: SideShape<'a>,
    b: SideShape<'a>,
}

#[derive(Clone, Copy, Debug)]
struct SideShape<'a>(&'a Compared);

impl<'a> From<&'a Difference> for DifferenceShape<'a> {
    fn from(difference: &'a Difference) -> Self {
        Self {
            schema: SCHEMA,
            host: Shown(&difference.destination),
            difference: difference.kind.word(),
            what: difference.what,
            a: SideShape(&difference.a),
            b: SideShape(&difference.b),
        }
    }
}

impl Serialize for SideShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Compared::Count(count) => serializer.serialize_u64(*count),
            Compared::Texts(texts) => texts.serialize(serializer),
        }
    }
}
