//! One open MMDB file and the claims that it makes of an address.

use crate::error::Error;
use crate::record::Record;
use crate::walk::{Survey, walk};
use flow::claim::{Claim, Country, Source, Statement};
use maxminddb::{Reader, WithinOptions};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// An open MMDB file whose records are known to be sound.
#[derive(Debug)]
pub(crate) struct Mmdb {
    reader: Reader<Vec<u8>>,
    source: Arc<Source>,
    meaning: Meaning,
    locates: bool,
}

/// What the country in a record is the country of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The machine.
    Location,
    /// The AS that announces the address. Such a file never votes on location.
    AsRegistration,
}

impl Mmdb {
    /// A file that its hash vouches for.
    pub(crate) fn published(
        path: &Path,
        bytes: Vec<u8>,
        source: Arc<Source>,
        meaning: Meaning,
    ) -> Result<Self, Error> {
        let reader = reader(path, bytes)?;
        Ok(Self { reader, source, meaning, locates: meaning == Meaning::Location })
    }

    /// A file that nobody vouches for; it is walked whole. `describe` makes its source once the
    /// metadata (database type, build time in seconds since 1970) is known.
    pub(crate) fn unknown(
        path: &Path,
        bytes: Vec<u8>,
        describe: impl FnOnce(&str, u64) -> (Source, Meaning),
    ) -> Result<(Self, Survey), Error> {
        let survey = walk(path, &bytes)?;
        let reader = reader(path, bytes)?;
        let metadata = reader.metadata();
        if !survey.locates && !survey.describes {
            let database_type = metadata.database_type.clone();
            return Err(Error::NothingKnown { path: path.to_owned(), database_type });
        }
        let (source, meaning) = describe(&metadata.database_type, metadata.build_epoch);
        let locates = survey.locates && meaning == Meaning::Location;
        Ok((Self { reader, source: Arc::new(source), meaning, locates }, survey))
    }

    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Whether it votes on the location of addresses at all.
    pub(crate) fn locates(&self) -> bool {
        self.locates
    }

    /// Whether it can be asked of this address: files for IPv4 alone exist.
    pub(crate) fn covers(&self, address: IpAddr) -> bool {
        address.is_ipv4() || self.reader.metadata().ip_version == 6
    }

    /// The country that it names for `address`: of the machine or of the AS, as its meaning is.
    pub(crate) fn country(&self, address: IpAddr) -> Option<Country> {
        if !self.covers(address) {
            return None;
        }
        self.reader.lookup(address).ok()?.decode::<Record<'_>>().ok()??.located()
    }

    /// Calls `each` with the first address of every network that has a country. Only for files that
    /// were walked or are vouched for: others may have networks without end.
    pub(crate) fn each_network(&self, mut each: impl FnMut(IpAddr, Country)) {
        let networks = self.reader.networks(WithinOptions::default());
        for found in networks.into_iter().flatten().flatten() {
            let country =
                found.decode::<Record<'_>>().ok().flatten().and_then(|record| record.located());
            if let (Ok(network), Some(country)) = (found.network(), country) {
                each(network.ip(), country);
            }
        }
    }

    /// Seconds since 1970 at which it was built, as it says.
    pub(crate) fn built(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    /// Adds what it says of `address`, which must be canonical.
    pub(crate) fn claim(&self, address: IpAddr, claims: &mut Vec<Claim>) {
        if !self.covers(address) {
            return;
        }
        // All records were decoded when the file was opened, or its hash vouches for them.
        let Ok(found) = self.reader.lookup(address) else { return };
        let (Ok(Some(record)), Ok(network)) = (found.decode::<Record<'_>>(), found.network())
        else {
            return;
        };
        let matched = network.to_string();
        let mut say = |statement| {
            let source = Arc::clone(&self.source);
            claims.push(Claim { source, statement, matched: matched.clone() });
        };
        if let Some(country) = record.located() {
            say(match self.meaning {
                Meaning::Location => Statement::Located(country),
                Meaning::AsRegistration => Statement::AsRegistered(country),
            });
        }
        if let Some(country) = record.registered() {
            say(Statement::AddressRegistered(country));
        }
        if let Some(asn) = record.asn() {
            say(Statement::OriginAs { asn, name: record.as_name().map(str::to_owned) });
        }
        if record.anycast() {
            say(Statement::Anycast);
        }
    }
}

fn reader(path: &Path, bytes: Vec<u8>) -> Result<Reader<Vec<u8>>, Error> {
    Reader::from_source(bytes).map_err(|source| Error::Mmdb { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmdb_writer::{Value, write, write_endless};
    use proptest::prelude::*;

    fn open(bytes: Vec<u8>, meaning: Meaning) -> Result<(Mmdb, Survey), Error> {
        Mmdb::unknown(Path::new("dir/user.mmdb"), bytes, |_, _| {
            let name = "user".to_owned();
            (Source { name, licence: String::new(), built: None, sha256: None }, meaning)
        })
    }

    fn place(code: &'static str) -> Value {
        Value::Map(vec![("iso_code", Value::Text(code)), ("geoname_id", Value::Number(7))])
    }

    /// A file with a record of each schema.
    fn mixed(ip_version: u16) -> Vec<u8> {
        write(
            ip_version,
            "Mixed",
            &[
                ("1.0.0.0/24", Value::Map(vec![("country_code", Value::Text("CN"))])),
                (
                    "2.0.0.0/8",
                    Value::Map(vec![
                        ("country", place("SG")),
                        ("registered_country", place("CN")),
                        ("traits", Value::Map(vec![("is_anycast", Value::Truth(true))])),
                    ]),
                ),
                (
                    "3.0.0.0/9",
                    Value::Map(vec![
                        ("autonomous_system_number", Value::Number(45_102)),
                        ("autonomous_system_organization", Value::Text("Alibaba")),
                        ("subdivisions", Value::List(vec![place("XX")])),
                    ]),
                ),
                (
                    "4.0.0.0/10",
                    Value::Map(vec![
                        ("asn", Value::Text("AS64500")),
                        ("as_name", Value::Text("Name")),
                        ("country", Value::Text("UK")),
                    ]),
                ),
                ("5.0.0.0/8", Value::Map(vec![("country_code", Value::Text("EU"))])),
            ],
        )
    }

    #[track_caller]
    fn check(mmdb: &Mmdb, address: &str, expected: &[(&str, &str)]) {
        let mut claims = Vec::new();
        mmdb.claim(address.parse().unwrap(), &mut claims);
        let found: Vec<(String, String)> =
            claims.iter().map(|c| (c.matched.clone(), format!("{:?}", c.statement))).collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(found, expected, "{address}");
    }

    #[test]
    fn claims_of_each_schema() {
        for ip_version in [4, 6] {
            let (mmdb, survey) = open(mixed(ip_version), Meaning::Location).unwrap();
            assert_eq!(survey, Survey { networks: 5, locates: true, describes: true });
            check(&mmdb, "1.0.0.9", &[("1.0.0.0/24", "Located(CN)")]);
            check(
                &mmdb,
                "2.9.9.9",
                &[
                    ("2.0.0.0/8", "Located(SG)"),
                    ("2.0.0.0/8", "AddressRegistered(CN)"),
                    ("2.0.0.0/8", "Anycast"),
                ],
            );
            let origin = r#"OriginAs { asn: Asn(45102), name: Some("Alibaba") }"#;
            check(&mmdb, "3.1.0.0", &[("3.0.0.0/9", origin)]);
            let origin = r#"OriginAs { asn: Asn(64500), name: Some("Name") }"#;
            check(&mmdb, "4.0.0.1", &[("4.0.0.0/10", "Located(GB)"), ("4.0.0.0/10", origin)]);
            check(&mmdb, "5.0.0.1", &[]);
            check(&mmdb, "9.9.9.9", &[]);
            check(&mmdb, "240e::1", &[]);
        }
    }

    #[test]
    fn an_ipv6_address_is_no_question_for_a_file_of_ipv4() {
        let (mmdb, _) = open(mixed(4), Meaning::Location).unwrap();
        assert!(!mmdb.covers("240e::1".parse().unwrap()));
        assert!(mmdb.covers("1.0.0.1".parse().unwrap()));
    }

    #[test]
    fn as_registrations_are_no_votes_on_location() {
        let (mmdb, _) = open(mixed(6), Meaning::AsRegistration).unwrap();
        assert!(!mmdb.locates());
        check(&mmdb, "1.0.0.9", &[("1.0.0.0/24", "AsRegistered(CN)")]);
    }

    #[test]
    fn a_file_of_nothing_we_read_is_refused_by_name() {
        let other = Value::Map(vec![("connection_type", Value::Text("Cable"))]);
        let error = open(write(6, "Connection-Type", &[("1.0.0.0/8", other)]), Meaning::Location)
            .unwrap_err();
        assert!(matches!(error, Error::NothingKnown { .. }), "{error:?}");
        assert!(error.to_string().contains("dir/user.mmdb"), "{error}");
        assert!(error.to_string().contains("Connection-Type"), "{error}");
    }

    #[test]
    fn a_field_of_a_wrong_type_anywhere_is_an_error() {
        let networks = [
            ("1.0.0.0/8", Value::Map(vec![("country_code", Value::Text("CN"))])),
            ("2.0.0.0/8", Value::Map(vec![("country_code", Value::Number(1))])),
        ];
        let error = open(write(6, "Test", &networks), Meaning::Location).unwrap_err();
        assert!(matches!(error, Error::Fault { .. }), "{error:?}");
    }

    #[test]
    fn a_tree_that_shares_its_branches_does_not_hold_the_walk_up() {
        let error = open(write_endless(), Meaning::Location).unwrap_err();
        assert!(matches!(error, Error::EndlessTree { .. }), "{error:?}");
    }

    #[track_caller]
    fn refused(bytes: Vec<u8>, says: &str) {
        let error = open(bytes, Meaning::Location).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error}: {}", cause.unwrap_or_default());
        assert!(told.contains(says), "{told}");
        assert!(told.contains("dir/user.mmdb") && !error.hint().is_empty(), "{told}");
    }

    /// The file with the first of some bytes replaced by as many others.
    fn with(from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut bytes = mixed(6);
        let at = bytes.windows(from.len()).rposition(|window| window == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    }

    #[test]
    fn each_kind_of_bad_file_is_refused_with_its_fault() {
        refused(b"".to_vec(), "no metadata");
        refused(b"ip,country\n1.0.0.0/8,CN\n".to_vec(), "no metadata");
        refused(b"\xab\xcd\xefMaxMind.com".to_vec(), "end within a value (at byte 14)");
        // What the metadata say: nodes, size of records, family, version.
        refused(with(b"node_count\xc4\0\0", b"node_count\xc4\x7f\0"), "sound");
        refused(with(b"node_count\xc4\0\0\0", b"node_count\xc4\0\0\0\x02"), "sound");
        refused(with(b"record_size\xa2\0\x18", b"record_size\xa2\0\x17"), "record_size");
        refused(with(b"ip_version\xa2\0\x06", b"ip_version\xa2\0\x05"), "ip_version");
        refused(with(b"major_version\xa2\0\x02", b"major_version\xa2\0\x03"), "Expected: 2");
        refused(with(b"node_count\xc4", b"node_count\xe4"), "at byte");
        // What the records say: no UTF-8, another type, a pointer out of the data, one at itself.
        refused(with(b"\x42SG", b"\x42\xff\xfe"), "UTF-8");
        refused(with(b"\x42SG", b"\xa1\x01\x01"), "at ");
        refused(with(b"\x42SG", b"\x2f\xff\0"), "leads out of the data");
        refused(with(b"\x42SG", b"\x00\x09\0"), "no type 16");
    }

    #[test]
    fn another_number_of_nodes_than_the_metadata_say_is_seen_at_the_separator() {
        let bytes = mixed(6);
        let at = bytes.windows(11).rposition(|w| w == b"node_count\xc4").unwrap() + 11;
        let count = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        for lie in [count - 1, count + 1, 1] {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&lie.to_be_bytes());
            refused(bytes, "another number of nodes");
        }
    }

    #[test]
    fn records_that_are_nested_too_deeply_are_refused() {
        let mut nested = Value::Text("CN");
        for _ in 0..200 {
            nested = Value::Map(vec![("x", nested)]);
        }
        refused(write(6, "Test", &[("1.0.0.0/8", nested)]), "nested too deeply");
    }

    #[test]
    fn every_cut_file_is_an_error() {
        let whole = mixed(6);
        for length in 0..whole.len() {
            let error = open(whole[..length].to_vec(), Meaning::Location).unwrap_err();
            assert!(error.to_string().contains("dir/user.mmdb"), "{error}");
        }
    }

    /// Addresses that meet every record of [`mixed`] and every way past them.
    const ASKED: [&str; 8] =
        ["1.0.0.9", "2.9.9.9", "3.1.0.0", "4.0.0.1", "5.0.0.1", "9.9.9.9", "240e::1", "2002::1"];

    proptest! {
        #[test]
        fn flipped_bytes_never_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
            ip_version in prop::sample::select(vec![4u16, 6]),
        ) {
            let mut bytes = mixed(ip_version);
            for (at, flip) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
            }
            if let Ok((mmdb, _)) = open(bytes, Meaning::Location) {
                for address in ASKED {
                    mmdb.claim(address.parse().unwrap(), &mut Vec::new());
                }
            }
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(open(bytes, Meaning::Location).is_err());
        }
    }
}
