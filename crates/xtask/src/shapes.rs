//! `cargo xtask shapes MAP`: makes `geoip/countries.shapes.zst` from `countries-10m.json` of the npm
//! package world-atlas 2.0.2. The same map gives the same bytes; `geoip/README.md` has the hashes of
//! both. It downloads nothing and leaves `geoip/manifest.csv` to whoever exchanges the file.

mod encode;
mod iso3166;
mod territories;
mod topology;

use encode::{Land, UNITS_PER_DEGREE};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use territories::{Extent, OF_ONE_COUNTRY, TERRITORIES};
use topology::{Feature, Polygon};

pub(crate) fn run(root: &Path, map: &str) -> Result<bool, String> {
    let json = fs::read_to_string(map).map_err(|error| format!("{map}: {error}"))?;
    let land = land(topology::features(&json, UNITS_PER_DEGREE)?)?;
    let bytes = encode::encode(&land);
    let path = root.join(FILE);
    let packed = zstd::encode_all(&bytes[..], LEVEL).map_err(|error| error.to_string())?;
    fs::write(&path, &packed).map_err(|error| format!("{}: {error}", path.display()))?;
    println!(
        "{FILE}: {} countries, {} territories, {} bytes, {} compressed",
        land.countries.len(),
        land.territories.len(),
        bytes.len(),
        packed.len()
    );
    println!("hint: zstd -dc {FILE} | sha256sum, for geoip/manifest.csv and geoip/README.md");
    Ok(true)
}

/// Gives each feature to its country or territory. One that has no place is an error, and so is a
/// territory that is not there, or a country without land.
fn land(features: Vec<Feature>) -> Result<Land, String> {
    let mut land = Land::default();
    let mut unplaced = BTreeSet::new();
    for feature in &features {
        let name = feature.name.as_str();
        let code = match &feature.id {
            Some(id) => Some(
                iso3166::alpha2(id).ok_or_else(|| format!("{name}: {id} is no country's code"))?,
            ),
            None => OF_ONE_COUNTRY.iter().find(|(of, _)| *of == name).map(|(_, code)| *code),
        };
        match code {
            Some(code) => land
                .countries
                .entry(code.to_owned())
                .or_default()
                .extend(feature.polygons.iter().cloned()),
            None => {
                unplaced.insert(name);
            }
        }
    }
    for territory in TERRITORIES {
        let polygons = match territory.extent {
            Extent::Box(sides) => vec![boxed(sides)],
            Extent::Drawn(name) => {
                unplaced.remove(name);
                let drawn = features.iter().find(|feature| feature.name == name);
                drawn.ok_or_else(|| format!("{name} is not drawn"))?.polygons.clone()
            }
        };
        let parties = territory.parties.split(' ').map(str::to_owned).collect();
        if land.territories.insert(territory.name.to_owned(), (parties, polygons)).is_some() {
            return Err(format!("{} is listed twice", territory.name));
        }
    }
    if !unplaced.is_empty() {
        return Err(format!("drawn, but of no country and no territory: {unplaced:?}"));
    }
    let parties: BTreeSet<&String> =
        land.territories.values().flat_map(|(parties, _)| parties).collect();
    let landless = |code: &&str| {
        !land.countries.contains_key(*code) && !parties.iter().any(|party| party == code)
    };
    match iso3166::codes().map(|(_, code)| code).find(landless) {
        Some(code) => Err(format!("{code} has no land")),
        None => Ok(land),
    }
}

fn boxed([south, west, north, east]: [f64; 4]) -> Polygon {
    let units = |degrees: f64| (degrees * UNITS_PER_DEGREE).round() as i64;
    let (south, west, north, east) = (units(south), units(west), units(north), units(east));
    vec![vec![(south, west), (south, east), (north, east), (north, west)]]
}

const FILE: &str = "geoip/countries.shapes.zst";
const LEVEL: i32 = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn territories_are_well_formed() {
        let known = |code: &str| code == "XK" || iso3166::codes().any(|(_, known)| known == code);
        for territory in TERRITORIES {
            let parties: Vec<&str> = territory.parties.split(' ').collect();
            assert!(parties.iter().all(|party| known(party)), "{}", territory.name);
            assert!(parties.array_windows().all(|[a, b]| a < b), "{}", territory.name);
            if let Extent::Box([south, west, north, east]) = territory.extent {
                assert!(south < north && west < east, "{}", territory.name);
                assert!(south > -90.0 && north < 90.0 && west >= -180.0 && east < 180.0);
                assert!(north - south < 10.0 && east - west < 25.0, "{}", territory.name);
            }
        }
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let drawn = |id: Option<&str>, name: &str| Feature {
            id: id.map(str::to_owned),
            name: name.to_owned(),
            polygons: vec![boxed([0.0, 0.0, 1.0, 1.0])],
        };
        let error = land(vec![drawn(Some("999"), "Nowhere")]).err().unwrap();
        assert_eq!(error, "Nowhere: 999 is no country's code");
        let error = land(vec![drawn(Some("156"), "China")]).err().unwrap();
        assert_eq!(error, "Akrotiri is not drawn");
    }
}
