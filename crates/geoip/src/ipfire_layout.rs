//! The layout of an IPFire location database (libloc format, version 1), checked from end to end.
//!
//! The crate that reads these files panics where they are corrupt. A file that passes here has
//! nothing left that it could panic at: every table lies within the file, every index within its
//! table, every text is UTF-8 and ends, and the search tree is a tree.

use crate::fault::Fault;
use flow::claim::Country;
use std::net::{IpAddr, Ipv6Addr};

/// A sound file.
pub(crate) struct Layout<'a> {
    /// Seconds since 1970 at which it was made, as it says.
    pub(crate) created: u64,
    /// Networks in the search tree.
    pub(crate) networks: u64,
    nodes: &'a [[u8; NODE_BYTES]],
    table: &'a [[u8; NETWORK_BYTES]],
}

impl<'a> Layout<'a> {
    /// Checks all of it.
    pub(crate) fn check(file: &'a [u8]) -> Result<Self, Fault> {
        if !file.starts_with(MAGIC) {
            return Err(Fault::at(0, "it does not begin like an IPFire location database"));
        }
        if file.get(MAGIC.len()) != Some(&VERSION) {
            return Err(Fault::at(MAGIC.len(), "it is of another version of the format"));
        }
        if file.len() < HEADER_BYTES {
            return Err(Fault::at(file.len(), "it is cut within its header"));
        }
        let systems = table::<SYSTEM_BYTES>(file, 28, "AS")?;
        let networks = table::<NETWORK_BYTES>(file, 36, "network")?;
        let nodes = table::<NODE_BYTES>(file, 44, "tree")?;
        let countries = table::<COUNTRY_BYTES>(file, 52, "country")?;
        let (pool_at, pool) = range(file, 60, "text")?;
        let texts = Texts { pool, at: pool_at };
        for field in [16, 20, 24] {
            texts.check(number(file, field), field)?;
        }
        check_systems(&systems, &texts)?;
        check_countries(&countries, &texts)?;
        for (row, entry) in networks.rows.iter().enumerate() {
            if !entry.iter().take(2).all(|byte| byte.is_ascii()) {
                return Err(Fault::at(networks.place(row), "a country's code is no text"));
            }
        }
        let mut layout =
            Self { created: created(file), networks: 0, nodes: nodes.rows, table: networks.rows };
        layout.networks = layout.check_tree(nodes.at)?;
        Ok(layout)
    }

    /// Walks the tree once; the number of networks in it.
    fn check_tree(&self, nodes_at: usize) -> Result<u64, Fault> {
        if self.nodes.is_empty() {
            return Err(Fault::whole("it holds no network"));
        }
        let place = |node: usize| nodes_at.saturating_add(node.saturating_mul(NODE_BYTES));
        let mut reached = vec![false; self.nodes.len()];
        let mut count = 0;
        let mut next = vec![(0_usize, 0_u8)];
        while let Some((node, depth)) = next.pop() {
            match reached.get_mut(node) {
                Some(reached) if !*reached => *reached = true,
                Some(_) => return Err(Fault::at(place(node), "a node has two ways to it")),
                None => return Err(Fault::at(nodes_at, "a child lies outside the tree")),
            }
            let [left, right, network] = self.node(node);
            if network != NOTHING {
                if network as usize >= self.table.len() {
                    return Err(Fault::at(place(node), "its network is not in the table"));
                }
                count += 1;
            }
            for child in [left, right].into_iter().filter(|child| *child != 0) {
                if child as usize >= self.nodes.len() {
                    return Err(Fault::at(place(node), "a child lies outside the tree"));
                }
                if depth == DEEPEST {
                    return Err(Fault::at(place(node), "the tree is deeper than an address long"));
                }
                next.push((child as usize, depth + 1));
            }
        }
        if count == 0 {
            return Err(Fault::whole("it holds no network"));
        }
        Ok(count)
    }

    /// Calls `each` with the first address of every network that has a country. Networks within
    /// others come by themselves; what holds at an address is for a look-up to say.
    pub(crate) fn each_network(&self, mut each: impl FnMut(IpAddr, Country)) {
        let mut next = vec![(0_usize, 0_u32, 0_u128)];
        while let Some((node, depth, bits)) = next.pop() {
            let [left, right, network] = self.node(node);
            let code = self.table.get(network as usize).and_then(|entry| entry.get(..2));
            let country = code.and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
            if let Some(country) = country {
                each(Ipv6Addr::from(bits).to_canonical(), country);
            }
            for (bit, child) in [left, right].into_iter().enumerate() {
                if let (true, Some(shift)) = (child != 0, 127_u32.checked_sub(depth)) {
                    next.push((child as usize, depth + 1, bits | (bit as u128) << shift));
                }
            }
        }
    }

    /// Both children (0: none) and the network.
    fn node(&self, node: usize) -> [u32; 3] {
        let bytes = self.nodes.get(node).copied().unwrap_or([0xff; NODE_BYTES]);
        [0, 4, 8].map(|at| number(&bytes, at))
    }
}

fn check_systems(systems: &Table<'_, SYSTEM_BYTES>, texts: &Texts<'_>) -> Result<(), Fault> {
    let mut last = None;
    for (row, entry) in systems.rows.iter().enumerate() {
        let asn = number(entry, 0);
        if last >= Some(asn) {
            return Err(Fault::at(systems.place(row), "the AS numbers are not in order"));
        }
        last = Some(asn);
        texts.check(number(entry, 4), systems.place(row))?;
    }
    Ok(())
}

fn check_countries(countries: &Table<'_, COUNTRY_BYTES>, texts: &Texts<'_>) -> Result<(), Fault> {
    for (row, entry) in countries.rows.iter().enumerate() {
        if !entry.iter().take(4).all(u8::is_ascii) {
            return Err(Fault::at(countries.place(row), "a country's code is no text"));
        }
        texts.check(number(entry, 4), countries.place(row))?;
    }
    Ok(())
}

/// The pool of texts, each of which ends with a zero.
struct Texts<'a> {
    pool: &'a [u8],
    at: usize,
}

impl Texts<'_> {
    /// Checks the text at an offset, which is named at a place.
    fn check(&self, offset: u32, named_at: usize) -> Result<(), Fault> {
        let offset = offset as usize;
        let text = self.pool.get(offset..).unwrap_or_default();
        let longest = text.get(..LONGEST_TEXT_BYTES).unwrap_or(text);
        match longest.iter().position(|byte| *byte == 0).and_then(|end| longest.get(..end)) {
            None => Err(Fault::at(named_at, "a text does not end, or lies outside the pool")),
            Some(text) if std::str::from_utf8(text).is_err() => {
                Err(Fault::at(self.at.saturating_add(offset), "a text is not UTF-8"))
            }
            Some(_) => Ok(()),
        }
    }
}

struct Table<'a, const ROW: usize> {
    rows: &'a [[u8; ROW]],
    at: usize,
}

impl<const ROW: usize> Table<'_, ROW> {
    fn place(&self, row: usize) -> usize {
        self.at.saturating_add(row.saturating_mul(ROW))
    }
}

/// The table whose range the header names at `field`.
fn table<'a, const ROW: usize>(
    file: &'a [u8],
    field: usize,
    what: &str,
) -> Result<Table<'a, ROW>, Fault> {
    let (at, bytes) = range(file, field, what)?;
    match bytes.as_chunks() {
        (rows, []) => Ok(Table { rows, at }),
        _ => Err(Fault::at(field, format!("the {what} table is no whole number of rows long"))),
    }
}

fn range<'a>(file: &'a [u8], field: usize, what: &str) -> Result<(usize, &'a [u8]), Fault> {
    let [offset, length] = [field, field + 4].map(|at| number(file, at) as usize);
    let bytes = offset.checked_add(length).and_then(|end| file.get(offset..end));
    match bytes {
        Some(bytes) if offset >= HEADER_BYTES || length == 0 => Ok((offset, bytes)),
        _ => Err(Fault::at(field, format!("the {what} table lies outside the file"))),
    }
}

fn created(file: &[u8]) -> u64 {
    u64::from(number(file, 8)) << 32 | u64::from(number(file, 12))
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    found.copied().map_or(NOTHING, u32::from_be_bytes)
}

pub(crate) const MAGIC: &[u8] = b"LOCDBXX";
const VERSION: u8 = 1;
/// Magic, version, time, three texts, five ranges, two signatures with their lengths, padding.
pub(crate) const HEADER_BYTES: usize = 8 + 8 + 12 + 40 + 4 + 2 * 2048 + 32;
const SYSTEM_BYTES: usize = 8;
const NETWORK_BYTES: usize = 12;
const NODE_BYTES: usize = 12;
const COUNTRY_BYTES: usize = 8;
/// In place of a network's index: none ends here.
const NOTHING: u32 = u32::MAX;
const DEEPEST: u8 = 128;
/// The description, which is the longest, has about 900.
const LONGEST_TEXT_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipfire::Ipfire;
    use crate::ipfire_writer::write;
    use flow::claim::{Asn, Source};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn sound() -> Vec<u8> {
        write(&[
            ("1.0.0.0/8", b"CN", 64_500),
            ("1.2.0.0/16", b"HK", 0),
            ("240e::/20", b"CN", 1),
            ("2000::/3", b"\0\0", 7),
        ])
    }

    /// Asks everything of the reader that the program asks. It must not panic.
    fn ask(file: &[u8]) -> Vec<Option<Country>> {
        let mut path = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut path, file).unwrap();
        let source = Source { name: "t".into(), licence: String::new(), built: None, sha256: None };
        let database = Ipfire::open(path.path(), Arc::new(source)).unwrap();
        for asn in [0, 1, 64_500, u32::MAX] {
            database.as_name(Asn(asn));
        }
        ["1.1.1.1", "1.2.3.4", "9.9.9.9", "240e::1", "::", "ffff::"]
            .map(|address| {
                database.claim(address.parse().unwrap(), &mut Vec::new());
                database.country(address.parse().unwrap())
            })
            .to_vec()
    }

    #[test]
    fn a_sound_file_is_read_as_its_reader_reads_it() {
        let file = sound();
        let layout = Layout::check(&file).unwrap();
        assert_eq!((layout.networks, layout.created), (4, 1_780_272_000));
        let mut found = Vec::new();
        layout.each_network(|address, country| found.push(format!("{address} {country}")));
        found.sort();
        assert_eq!(found, ["1.0.0.0 CN", "1.2.0.0 HK", "240e:: CN"]);
        let hk = "HK".parse().ok();
        assert_eq!(ask(&file), [Some(Country::CN), hk, None, Some(Country::CN), None, None]);
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Vec<u8>), what: &str) {
        let mut file = sound();
        change(&mut file);
        let fault = Layout::check(&file).map(|layout| layout.networks).unwrap_err();
        assert!(fault.what.contains(what), "{fault}");
    }

    fn put(at: usize, number: u32) -> impl FnOnce(&mut Vec<u8>) {
        move |file| file[at..at + 4].copy_from_slice(&number.to_be_bytes())
    }

    #[test]
    fn each_part_that_is_corrupt_is_refused() {
        // The tables lie one after the other: AS 8 bytes, networks 48, then the nodes.
        let (systems, networks, nodes) = (8192, 8200, 8248);
        refused(|file| file[0] = 0, "does not begin");
        refused(|file| file[7] = 2, "another version");
        refused(|file| file.truncate(4000), "cut");
        refused(put(28, u32::MAX), "AS table lies outside");
        refused(put(28, 0), "AS table lies outside");
        refused(put(32, 7), "whole number of rows");
        refused(put(40, u32::MAX), "network table lies outside");
        refused(put(48, 0), "no network");
        refused(put(16, 1 << 20), "text");
        refused(put(systems + 4, 1 << 20), "text");
        refused(|file| file[networks] = 0xff, "code");
        refused(put(nodes, 1 << 20), "outside the tree");
        refused(put(nodes + 4, 1), "two ways");
        refused(put(nodes + 8, 99), "not in the table");
        refused(|file| file.pop().map_or((), drop), "outside the file");
        refused(|file| *file.last_mut().unwrap() = b'x', "does not end");
    }

    #[test]
    fn a_loop_in_the_tree_is_refused() {
        // The last node, a leaf, gets the root's first child.
        let mut file = sound();
        let last = Layout::check(&file).unwrap().nodes.len() - 1;
        let at = 8248 + last * NODE_BYTES;
        put(at, 1)(&mut file);
        assert!(Layout::check(&file).is_err_and(|fault| fault.what.contains("two ways")));
    }

    #[test]
    fn every_cut_file_is_refused() {
        let file = sound();
        for length in 0..file.len() {
            assert!(Layout::check(&file[..length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_leaves_the_reader_nothing_to_panic_at(
            flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
        ) {
            let mut file = sound();
            // Of the header only what is read: the rest is padding and signatures.
            let places: Vec<usize> = (0..72).chain(8192..file.len()).collect();
            for (at, flip) in flips {
                file[places[at.index(places.len())]] ^= flip;
            }
            if Layout::check(&file).is_ok() {
                ask(&file);
            }
        }
    }
}
