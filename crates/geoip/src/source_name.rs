//! The names of the sources that are no user's file. They appear in records and exports, so they
//! never change.

pub(crate) const OVERRIDE: &str = "override";
pub(crate) const SPECIAL_RANGE: &str = "special-range";
pub(crate) const DBIP: &str = "dbip-country";
pub(crate) const IPFIRE: &str = "ipfire";
pub(crate) const IPTOASN: &str = "iptoasn-country";
pub(crate) const REGISTRY: &str = "rir-delegated";
pub(crate) const OPERATORS: &str = "operators";
pub(crate) const CNAME_SUFFIXES: &str = "cname-suffixes";
pub(crate) const SHAPES: &str = "country-shapes";
