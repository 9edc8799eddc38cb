//! The values of an MMDB file's data section (MaxMind DB File Format 2.0), read strictly and with a
//! bound on the work. Nothing is kept: this finds out whether records can be decoded at all, by any
//! reader, before one of them is.
//!
//! Records may share their parts through pointers, so a file of some kilobytes can hold records that
//! take years to decode. Each record may therefore have only so many values, and all records together
//! only so many for the bytes that they lie in.

use crate::fault::Fault;

/// The values of one section. Offsets and pointers count from its beginning.
pub(crate) struct Values<'a> {
    section: &'a [u8],
    /// Where the section begins in the file.
    base: usize,
    /// Values that may still be read.
    left: u64,
}

impl<'a> Values<'a> {
    pub(crate) fn new(section: &'a [u8], base: usize) -> Self {
        let left = (section.len() as u64).saturating_mul(MOST_VALUES_PER_BYTE);
        Self { section, base, left }
    }

    /// Reads the value at an offset and everything in it.
    pub(crate) fn check(&mut self, offset: usize) -> Result<(), Fault> {
        let before = self.left;
        let mut record = Record { values: self, until: before.saturating_sub(MOST_VALUES) };
        record.value(offset, 0).map(drop)
    }
}

/// The reading of one record.
struct Record<'v, 'a> {
    values: &'v mut Values<'a>,
    /// How many values must be left at its end.
    until: u64,
}

impl Record<'_, '_> {
    /// Reads a value; where the next one begins.
    fn value(&mut self, at: usize, depth: usize) -> Result<usize, Fault> {
        let (kind, size, after) = self.control(at)?;
        if kind == POINTER {
            let (target, after) = self.pointer(at, size, after)?;
            self.no_pointer(at, target)?;
            self.value(target, depth + 1)?;
            return Ok(after);
        }
        self.spend(at)?;
        if depth > DEEPEST {
            return self.fault(at, "a value is nested too deeply");
        }
        match kind {
            TEXT => self.text(after, size),
            BYTES => self.skip(at, after, size),
            DOUBLE if size == 8 => self.skip(at, after, size),
            FLOAT if size == 4 => self.skip(at, after, size),
            UINT16 if size <= 2 => self.skip(at, after, size),
            UINT32 | INT32 if size <= 4 => self.skip(at, after, size),
            UINT64 if size <= 8 => self.skip(at, after, size),
            UINT128 if size <= 16 => self.skip(at, after, size),
            TRUTH if size <= 1 => Ok(after),
            LIST => (0..size).try_fold(after, |at, _| self.value(at, depth + 1)),
            MAP => (0..size).try_fold(after, |at, _| {
                let at = self.key(at)?;
                self.value(at, depth + 1)
            }),
            DOUBLE | FLOAT | UINT16 | UINT32 | INT32 | UINT64 | UINT128 | TRUTH => {
                self.fault(at, format!("a value of type {kind} has {size} bytes"))
            }
            _ => self.fault(at, format!("there is no type {kind}")),
        }
    }

    /// Reads the key of a map: a text, or a pointer to one.
    fn key(&mut self, at: usize) -> Result<usize, Fault> {
        self.spend(at)?;
        let (kind, size, after) = self.control(at)?;
        match kind {
            TEXT => self.text(after, size),
            POINTER => {
                let (target, after) = self.pointer(at, size, after)?;
                match self.control(target)? {
                    (TEXT, size, begin) => self.text(begin, size).map(|_end| after),
                    _ => self.fault(at, "the key of a map is no text"),
                }
            }
            _ => self.fault(at, "the key of a map is no text"),
        }
    }

    fn text(&self, begin: usize, size: usize) -> Result<usize, Fault> {
        let end = self.skip(begin, begin, size)?;
        let bytes = self.values.section.get(begin..end).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(end),
            Err(_) => self.fault(begin, "a text is not UTF-8"),
        }
    }

    /// The type, the size and where the contents begin.
    fn control(&self, at: usize) -> Result<(u8, usize, usize), Fault> {
        let first = self.byte(at)?;
        let (kind, mut next) = match first >> 5 {
            0 => (self.byte(at + 1)?.saturating_add(7), at + 2),
            kind => (kind, at + 1),
        };
        let short = usize::from(first & 0x1f);
        if kind == POINTER || short < 29 {
            return Ok((kind, short, next));
        }
        let mut size = 0;
        for _ in 28..short {
            size = size << 8 | usize::from(self.byte(next)?);
            next += 1;
        }
        let least = match short {
            29 => 29,
            30 => 285,
            _ => 65_821,
        };
        Ok((kind, least + size, next))
    }

    /// What a pointer points at, and where it ends.
    fn pointer(&self, at: usize, bits: usize, begin: usize) -> Result<(usize, usize), Fault> {
        let (length, high, least) = match bits >> 3 {
            0 => (1, bits & 7, 0),
            1 => (2, bits & 7, 2048),
            2 => (3, bits & 7, 526_336),
            _ => (4, 0, 0),
        };
        let mut target = high;
        for byte in 0..length {
            target = target << 8 | usize::from(self.byte(begin + byte)?);
        }
        let target = target + least;
        if target >= self.values.section.len() {
            return self.fault(at, "a pointer leads out of the data");
        }
        Ok((target, begin + length))
    }

    fn no_pointer(&self, at: usize, target: usize) -> Result<(), Fault> {
        match self.control(target)? {
            (POINTER, ..) => self.fault(at, "a pointer points at a pointer"),
            _ => Ok(()),
        }
    }

    fn skip(&self, at: usize, begin: usize, size: usize) -> Result<usize, Fault> {
        match begin.checked_add(size).filter(|end| *end <= self.values.section.len()) {
            Some(end) => Ok(end),
            None => self.fault(at, "a value is longer than what is left of the data"),
        }
    }

    fn byte(&self, at: usize) -> Result<u8, Fault> {
        match self.values.section.get(at) {
            Some(byte) => Ok(*byte),
            None => self.fault(at, "the data end within a value"),
        }
    }

    fn spend(&mut self, at: usize) -> Result<(), Fault> {
        if self.values.left <= self.until {
            return self.fault(at, "a record, or all of them together, has too many values");
        }
        self.values.left -= 1;
        Ok(())
    }

    fn fault<T>(&self, at: usize, what: impl Into<String>) -> Result<T, Fault> {
        Err(Fault::at(self.values.base.saturating_add(at), what))
    }
}

const POINTER: u8 = 1;
const TEXT: u8 = 2;
const DOUBLE: u8 = 3;
const BYTES: u8 = 4;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const INT32: u8 = 8;
const UINT64: u8 = 9;
const UINT128: u8 = 10;
const LIST: u8 = 11;
const TRUTH: u8 = 14;
const FLOAT: u8 = 15;

/// Records in use are nested four deep.
const DEEPEST: usize = 32;
/// Values of one record, keys included. The richest in use, of cities, have some hundred.
const MOST_VALUES: u64 = 65_536;
/// Values of all records for each byte that they lie in. Those of city files, which share most of
/// what they say, have about four.
const MOST_VALUES_PER_BYTE: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(section: &[u8], says: Option<(&str, u64)>) {
        let found = Values::new(section, 1000).check(0);
        match says {
            None => assert_eq!(found, Ok(()), "{section:?}"),
            Some((what, byte)) => {
                let fault = found.unwrap_err();
                assert!(fault.what.contains(what), "{section:?}: {fault}");
                assert_eq!(fault.spot, crate::fault::Spot::Byte(byte), "{fault}");
            }
        }
    }

    #[test]
    fn sound_values() {
        check(b"\x42CN", None);
        check(b"\xe1\x42cc\x42CN", None);
        // A map whose key and value are pointers to later texts.
        check(b"\xe1\x20\x05\x20\x07\x41k\x41v", None);
        check(b"\x02\x04\xa1\x01\x01\x07", None);
        check(b"\x00\x07", None);
        check(&[b"\x5d\x01".as_slice(), &[b'x'; 30]].concat(), None);
        check(&[b"\x5e\x00\x00".as_slice(), &[b'x'; 285]].concat(), None);
    }

    #[test]
    fn values_that_no_reader_should_meet() {
        check(b"", Some(("end", 1000)));
        check(b"\x45CN", Some(("longer", 1001)));
        check(b"\x42\xff\xfe", Some(("UTF-8", 1001)));
        check(b"\xe1\xa1\x01\xa1\x01", Some(("key", 1001)));
        check(b"\x20\x09", Some(("out of the data", 1000)));
        check(b"\x20\x00", Some(("pointer", 1000)));
        check(b"\x00\x05", Some(("no type 12", 1000)));
        check(b"\x00\xf8", Some(("no type 255", 1000)));
        check(b"\x02\x07", Some(("type 14 has 2", 1000)));
        check(b"\xa3\x01\x01\x01", Some(("type 5 has 3", 1000)));
        // A list that holds itself.
        check(b"\x01\x04\x20\x00", Some(("too deeply", 1000)));
        check(&[b"\x01\x04".as_slice()].concat().repeat(500), Some(("too deeply", 1066)));
        // A list that says that it has sixteen million values.
        check(b"\x1f\x04\xff\xff\xff\xa0\xa0", Some(("end", 1007)));
    }

    #[test]
    fn a_few_bytes_that_stand_for_endless_values_are_refused_at_once() {
        // Lists of 28 pointers, each to the next list: 28^12 values.
        let mut section = Vec::new();
        for level in 1..=12_u16 {
            let next = level * 58;
            section.extend([28, 4]);
            for _ in 0..28 {
                let [high, low] = next.to_be_bytes();
                section.extend([0x20 | high, low]);
            }
        }
        section.extend(b"\xa0");
        let fault = Values::new(&section, 0).check(0).unwrap_err();
        assert!(fault.what.contains("too many values"), "{fault}");
    }
}
