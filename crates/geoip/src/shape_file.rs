//! Reads the file of country shapes: bytes in, polygons out, and everything that is not exactly the
//! form is refused. It measures nothing.
//!
//! # The form
//! `cargo xtask shapes` writes it. Numbers are LEB128 of at most 5 bytes in their shortest form;
//! signed ones are zigzag-encoded first.
//! ```text
//! file      = "LFSHAPE1" count(countries) country* count(territories) territory*
//! country   = code polygons                         in order of their codes
//! territory = count(bytes) name count(codes) code* polygons   in order of their names
//! code      = two letters A-Z; those of a territory are in order
//! polygons  = count rings*                          the largest first
//! rings     = count ring*                           the outer ring, then holes
//! ring      = count point*                          the last is joined to the first
//! point     = signed(latitude) signed(longitude)    in 1/10000 degree
//! ```
//! The first point of a ring counts from 0, 0, each further one from the one before it, in longitude
//! the short way round the globe. Counts are at least 1: an islet may be smaller than the map's grid,
//! which leaves one or two points of it. Nothing follows.

use flow::claim::Country;
use std::fmt;

/// Everything in a file of shapes.
pub(crate) struct ShapeFile {
    pub(crate) countries: Vec<(Country, Vec<Polygon>)>,
    pub(crate) territories: Vec<Territory>,
}

/// Land that is not, or not only, one country's own on the map.
pub(crate) struct Territory {
    pub(crate) name: String,
    /// Those who hold or claim it.
    pub(crate) parties: Vec<Country>,
    pub(crate) polygons: Vec<Polygon>,
}

/// Rings, outer and inner.
pub(crate) type Polygon = Vec<Vec<Point>>;

/// A point of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// Of 1/10000 degree, north, within 90 degrees.
    pub(crate) latitude: i32,
    /// East, from -180 degrees to below 180.
    pub(crate) longitude: i32,
}

/// Why bytes are no file of shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeFault {
    /// It does not begin as such a file does.
    Magic,
    /// It ends too early.
    Cut,
    /// A number that is too large, or not in its shortest form.
    Number,
    /// A list without elements.
    Count,
    /// A code that is none, or out of order.
    Code,
    /// A name that is no short text, or out of order.
    Name,
    /// A point that is not on the globe.
    Point,
    /// Bytes follow.
    Trailing,
}

impl fmt::Display for ShapeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "it is no file of shapes",
            Self::Cut => "it ends too early",
            Self::Number => "a number is too large or not in its shortest form",
            Self::Count => "a list has no elements",
            Self::Code => "a country's code is none or out of order",
            Self::Name => "a territory's name is no text or out of order",
            Self::Point => "a point is not on the globe",
            Self::Trailing => "it goes on after its end",
        })
    }
}

impl std::error::Error for ShapeFault {}

impl ShapeFile {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ShapeFault> {
        let mut input = Input(bytes.strip_prefix(MAGIC).ok_or(ShapeFault::Magic)?);
        let mut countries: Vec<(Country, Vec<Polygon>)> = Vec::new();
        for _ in 0..input.count()? {
            let code = input.code(countries.last().map(|(code, _)| *code))?;
            countries.push((code, input.polygons()?));
        }
        let mut territories: Vec<Territory> = Vec::new();
        for _ in 0..input.count()? {
            let name = input.name(territories.last().map(|last| last.name.as_str()))?;
            let mut parties: Vec<Country> = Vec::new();
            for _ in 0..input.count()? {
                parties.push(input.code(parties.last().copied())?);
            }
            territories.push(Territory { name, parties, polygons: input.polygons()? });
        }
        if !input.0.is_empty() {
            return Err(ShapeFault::Trailing);
        }
        Ok(Self { countries, territories })
    }
}

/// What is still to be read. Nothing is allocated by a count alone: each element of a list takes at
/// least a byte, so the file's length bounds all of them.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn polygons(&mut self) -> Result<Vec<Polygon>, ShapeFault> {
        let mut polygons = Vec::new();
        for _ in 0..self.count()? {
            let mut rings = Vec::new();
            for _ in 0..self.count()? {
                rings.push(self.ring()?);
            }
            polygons.push(rings);
        }
        Ok(polygons)
    }

    fn ring(&mut self) -> Result<Vec<Point>, ShapeFault> {
        let count = self.count()?;
        // A point takes two bytes or more.
        let mut points = Vec::with_capacity((count as usize).min(self.0.len() / 2));
        let mut last = Point { latitude: 0, longitude: 0 };
        for _ in 0..count {
            let (north, east) = (self.signed()?, self.signed()?);
            if !(-HALF_TURN..=HALF_TURN).contains(&east) {
                return Err(ShapeFault::Point);
            }
            let latitude = last.latitude.checked_add(north).ok_or(ShapeFault::Point)?;
            if !(-QUARTER_TURN..=QUARTER_TURN).contains(&latitude) {
                return Err(ShapeFault::Point);
            }
            last = Point { latitude, longitude: wrapped(last.longitude + east) };
            points.push(last);
        }
        Ok(points)
    }

    fn code(&mut self, after: Option<Country>) -> Result<Country, ShapeFault> {
        let text = std::str::from_utf8(self.take(2)?).map_err(|_not_text| ShapeFault::Code)?;
        let code: Country = text.parse().map_err(|_none| ShapeFault::Code)?;
        // The parser is lenient about case and synonyms; the file is not.
        let in_order = after.is_none_or(|after| after < code);
        if in_order && code.as_str() == text { Ok(code) } else { Err(ShapeFault::Code) }
    }

    fn name(&mut self, after: Option<&str>) -> Result<String, ShapeFault> {
        let length = self.count()? as usize;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_not_text| ShapeFault::Name)?;
        let in_order = after.is_none_or(|after| after < text);
        let ok = in_order && length <= LONGEST_NAME && !text.chars().any(char::is_control);
        if ok { Ok(text.to_owned()) } else { Err(ShapeFault::Name) }
    }

    fn count(&mut self) -> Result<u32, ShapeFault> {
        match self.unsigned()? {
            0 => Err(ShapeFault::Count),
            count => Ok(count),
        }
    }

    fn signed(&mut self) -> Result<i32, ShapeFault> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn unsigned(&mut self) -> Result<u32, ShapeFault> {
        let mut value = 0_u64;
        for turn in 0..LONGEST_NUMBER {
            let byte = self.take(1)?.first().copied().unwrap_or(0);
            value |= u64::from(byte & 0x7f) << (7 * turn);
            if byte & 0x80 == 0 {
                // A last byte of zero adds nothing.
                let shortest = turn == 0 || byte != 0;
                let value = u32::try_from(value).map_err(|_large| ShapeFault::Number)?;
                return if shortest { Ok(value) } else { Err(ShapeFault::Number) };
            }
        }
        Err(ShapeFault::Number)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ShapeFault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ShapeFault::Cut)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// The same meridian from -180 degrees to below 180.
fn wrapped(longitude: i32) -> i32 {
    (longitude + HALF_TURN).rem_euclid(2 * HALF_TURN) - HALF_TURN
}

/// Units of a coordinate.
pub(crate) const UNITS_PER_DEGREE: f64 = 10_000.0;
pub(crate) const HALF_TURN: i32 = 1_800_000;
const QUARTER_TURN: i32 = 900_000;
const MAGIC: &[u8] = b"LFSHAPE1";
const LONGEST_NUMBER: u32 = 5;
const LONGEST_NAME: usize = 64;

/// A triangle of CN at the antimeridian, a territory of CN and VN with a hole.
#[cfg(test)]
pub(crate) const SMALL: &[u8] = b"LFSHAPE1\
    \x01CN\x01\x01\x03\x02\xfe\xdc\xdb\x01\x02\x04\x01\x02\
    \x01\x03Isl\x02CNVN\x01\x02\x03\x02\x02\x04\x04\x01\x02\x03\x02\x02\x02\x02\x01\x01";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle;

    #[test]
    fn a_small_file() {
        let file = ShapeFile::parse(SMALL).unwrap();
        let at = |latitude, longitude| Point { latitude, longitude };
        assert_eq!(file.countries.len(), 1);
        let triangle = vec![at(1, 1_799_999), at(2, -1_799_999), at(1, -1_799_998)];
        assert_eq!(file.countries[0], (Country::CN, vec![vec![triangle]]));
        let [island] = &file.territories[..] else { panic!("one territory") };
        assert_eq!((island.name.as_str(), island.parties.len()), ("Isl", 2));
        let hole = vec![at(1, 1), at(2, 2), at(1, 1)];
        assert_eq!(island.polygons, [vec![vec![at(1, 1), at(3, 3), at(2, 4)], hole]]);
    }

    #[test]
    fn every_cut_is_refused_and_no_flipped_bit_panics() {
        for end in 0..SMALL.len() {
            let fault = ShapeFile::parse(&SMALL[..end]).err().unwrap();
            assert!(matches!(fault, ShapeFault::Cut | ShapeFault::Magic), "{end}: {fault:?}");
        }
        let longer = [SMALL, b"\0"].concat();
        assert_eq!(ShapeFile::parse(&longer).err(), Some(ShapeFault::Trailing));
        for at in 0..SMALL.len() {
            for value in 0..=255 {
                let mut flipped = SMALL.to_vec();
                flipped[at] = value;
                // A coordinate may stay one; whatever is accepted is on the globe.
                let Ok(file) = ShapeFile::parse(&flipped) else { continue };
                let rings = file.countries.iter().flat_map(|(_, polygons)| polygons).flatten();
                for point in rings.flatten() {
                    assert!(point.latitude.abs() <= QUARTER_TURN);
                    assert!((-HALF_TURN..HALF_TURN).contains(&point.longitude));
                }
            }
        }
    }

    #[test]
    fn the_bundled_file_is_refused_wherever_it_is_cut() {
        let whole = zstd::decode_all(bundle::SHAPES).unwrap();
        assert!(ShapeFile::parse(&whole).is_ok());
        // Every offset of the head and of the tail, and some between. Of a small file: all.
        let step = whole.len() / 60;
        let between = (0..whole.len()).step_by(step);
        for end in (0..200).chain(between).chain(whole.len() - 20..whole.len()) {
            let fault = ShapeFile::parse(&whole[..end]).err();
            assert!(matches!(fault, Some(ShapeFault::Cut | ShapeFault::Magic)), "{end}: {fault:?}");
        }
        let mut flipped = whole.clone();
        for at in (0..60).chain((0..whole.len()).step_by(step)) {
            flipped[at] ^= 0x55;
            // Most are refused; none panics.
            drop(ShapeFile::parse(&flipped));
            flipped[at] ^= 0x55;
        }
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: ShapeFault) {
        assert_eq!(ShapeFile::parse(bytes).err(), Some(expected));
    }

    #[test]
    fn each_fault_has_a_name() {
        check(b"LFSHAPE2", ShapeFault::Magic);
        check(b"LFSHAPE1\x00", ShapeFault::Count);
        check(b"LFSHAPE1\x81\x00", ShapeFault::Number);
        check(b"LFSHAPE1\xff\xff\xff\xff\xff\x01", ShapeFault::Number);
        check(b"LFSHAPE1\xff\xff\xff\xff\x1f", ShapeFault::Number);
        // A count that promises four thousand million countries allocates nothing.
        check(b"LFSHAPE1\xff\xff\xff\xff\x0f", ShapeFault::Cut);
        for code in [b"cn", b"C1", b"UK", b"ZZ", b"\xc3\xa9"] {
            check(&[&b"LFSHAPE1\x01"[..], code].concat(), ShapeFault::Code);
        }
        let one = b"CN\x01\x01\x03\0\0\x02\x02\x01\x01";
        check(&[&b"LFSHAPE1\x02"[..], one, one].concat(), ShapeFault::Code);
        check(b"LFSHAPE1\x01CN\x01\x01\x00", ShapeFault::Count);
        check(b"LFSHAPE1\x01CN\x01\x01\x03\xc2\xee\x6d\0", ShapeFault::Point);
        check(b"LFSHAPE1\x01CN\x01\x01\x03\0\x82\xdd\xdb\x01", ShapeFault::Point);
        let territory = |name: &[u8]| [&b"LFSHAPE1\x01"[..], one, b"\x01", name].concat();
        check(&territory(b"\x01\xff"), ShapeFault::Name);
        check(&territory(b"\x01\n"), ShapeFault::Name);
        check(&territory(&[&[65][..], &[b'a'; 65]].concat()), ShapeFault::Name);
    }
}
