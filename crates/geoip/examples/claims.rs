//! Prints what the bundled databases say of random addresses, one JSON object per line, for a
//! comparison with readers that others wrote (`tests/independent_readers.py`).
//!
//! Arguments: the data directory, the number of addresses, the seed. The first line lists the
//! files in use.

use flow::claim::Statement;
use geoip::{Config, Databases};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |name: &str| arguments.next().ok_or_else(|| format!("{name} is missing"));
    let data_dir = next("the data directory")?.into();
    let count: u32 = next("the number of addresses")?.parse()?;
    let mut random = Random(next("the seed")?.parse()?);
    let config = Config {
        data_dir,
        set: geoip::SetChoice::Active,
        extra_mmdb: Vec::new(),
        overrides: Vec::new(),
        policies: geoip::policy::Policies::default(),
    };
    let databases = Databases::open(&config)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let files: Value = databases
        .status()
        .into_iter()
        .filter_map(|status| Some((status.name, status.path?.to_str()?.into())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    writeln!(out, "{files}")?;
    for turn in 0..count {
        let address = if turn % 2 == 0 { random.v4() } else { random.v6() };
        let annotation = databases.annotate(address, &[], None);
        let claims: Vec<Value> = annotation
            .claims
            .iter()
            .map(|claim| {
                let (kind, answer) = answer(&claim.statement);
                json!([claim.source.name, kind, answer, claim.matched])
            })
            .collect();
        let special = annotation.special_range;
        let line = json!({"address": address.to_string(), "special": special, "claims": claims});
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(())
}

fn answer(statement: &Statement) -> (&'static str, Value) {
    match statement {
        Statement::Located(country) => ("located", country.as_str().into()),
        Statement::AddressRegistered(country) => ("address-registered", country.as_str().into()),
        Statement::AsRegistered(country) => ("as-registered", country.as_str().into()),
        Statement::OriginAs { asn, name } => ("origin", json!([asn.0, name])),
        Statement::Operator(operator) => ("operator", operator.group.as_str().into()),
        Statement::Anycast => ("anycast", true.into()),
        Statement::SpecialRange(name) => ("special", name.as_str().into()),
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same seed gives the same addresses everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn v4(&mut self) -> IpAddr {
        // The upper half has the better bits.
        Ipv4Addr::from(u32::try_from(self.next() >> 32).unwrap_or(0)).into()
    }

    /// Nearly all IPv6 addresses are unassigned: three of four are taken from blocks that the
    /// registries assign from, with few bits set where networks are told apart.
    fn v6(&mut self) -> IpAddr {
        let (high, low) = (self.next(), self.next());
        let pick = self.next();
        let high = match BLOCKS.get((pick % 64) as usize) {
            Some(block) => (u64::from(*block) << 48) | ((high >> 16) & pick.rotate_left(17)),
            None => high,
        };
        Ipv6Addr::from((u128::from(high) << 64) | u128::from(low)).into()
    }
}

/// First 16 bits of blocks in use.
const BLOCKS: [u16; 48] = [
    0x2001, 0x2001, 0x2001, 0x2001, 0x2003, 0x2400, 0x2401, 0x2402, 0x2403, 0x2404, 0x2405, 0x2406,
    0x2407, 0x2408, 0x2409, 0x240a, 0x240b, 0x240c, 0x240d, 0x240e, 0x240f, 0x2600, 0x2601, 0x2602,
    0x2603, 0x2604, 0x2605, 0x2606, 0x2607, 0x2610, 0x2620, 0x2800, 0x2801, 0x2803, 0x2804, 0x2a00,
    0x2a01, 0x2a02, 0x2a03, 0x2a04, 0x2a05, 0x2a06, 0x2a09, 0x2a0a, 0x2a0b, 0x2a0e, 0x2c0e, 0x2c0f,
];
