//! The files that are built into the program, as they lie in `geoip/` at the top of the
//! repository. Bytes only: [`crate::manifest`] says what they are.

pub(crate) const MANIFEST: &str = include_str!("../../../geoip/manifest.csv");
pub(crate) const DBIP: &[u8] = include_bytes!("../../../geoip/dbip-country.mmdb.zst");
pub(crate) const IPFIRE: &[u8] = include_bytes!("../../../geoip/location.db.zst");
pub(crate) const IPTOASN: &[u8] = include_bytes!("../../../geoip/iptoasn-country.mmdb.zst");
pub(crate) const SHAPES: &[u8] = include_bytes!("../../../geoip/countries.shapes.zst");
pub(crate) const OPERATORS: &[u8] = include_bytes!("../../../geoip/operators.csv");
pub(crate) const CNAME_SUFFIXES: &[u8] = include_bytes!("../../../geoip/cname-suffixes.csv");
