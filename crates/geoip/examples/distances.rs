//! Prints the check values of `docs/PHYSICS.md`: distances from cities to the land of countries and
//! the limits that follow. Without arguments the table of that page; with two to four (latitude,
//! longitude, uncertainty in km, country) one place, against one country or all of them.

use flow::claim::Country;
use flow::physics::{Kilometres, NearestLand, Position, Vantage};
use geoip::{Extent, Shapes, deciding_vantages, limits};
use std::error::Error;
use std::io::{BufWriter, Write};

fn main() -> Result<(), Box<dyn Error>> {
    let (source, shapes) = Shapes::bundled()?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &arguments[..] {
        [] => check_values(&mut out, &shapes)?,
        [latitude, longitude, rest @ ..] => {
            let uncertainty = rest.first().map_or(Ok(0.0), |text| text.parse())?;
            let vantage = Vantage::new(latitude.parse()?, longitude.parse()?, uncertainty)?;
            let countries = match rest.get(1) {
                Some(code) => vec![code.parse()?],
                None => shapes.countries(),
            };
            for country in countries {
                let land = shapes.nearest(vantage.position, country, Extent::HeldOrClaimed);
                show(&mut out, country.as_str(), land, vantage.uncertainty)?;
            }
        }
        _ => return Err("latitude and longitude, or nothing".into()),
    }
    writeln!(out, "shapes: {} {}", source.name, source.sha256.as_deref().unwrap_or_default())?;
    out.flush()?;
    Ok(())
}

fn check_values(out: &mut impl Write, shapes: &Shapes) -> Result<(), Box<dyn Error>> {
    let all = Extent::HeldOrClaimed;
    for ((city, latitude, longitude), code, extent, which) in [
        (SINGAPORE, "CN", Extent::Drawn, "as drawn"),
        (SINGAPORE, "CN", Extent::MainPolygon, "main polygon"),
        (SINGAPORE, "CN", all, "all"),
        (HONG_KONG, "CN", all, "all"),
        (TOKYO, "CN", all, "all"),
        (FRANKFURT, "CN", all, "all"),
        (FRANKFURT, "SG", all, "all"),
        (SYDNEY, "CN", Extent::Drawn, "as drawn"),
        (SYDNEY, "CN", all, "all"),
        (SYDNEY, "SG", Extent::Drawn, "as drawn"),
        (SYDNEY, "SG", all, "all"),
        (NEW_YORK, "CN", all, "all"),
    ] {
        let country: Country = code.parse()?;
        let land = shapes.nearest(Position::new(latitude, longitude)?, country, extent);
        show(out, &format!("{city} -> {country}, {which}"), land, Kilometres::ZERO)?;
    }
    let (_, latitude, longitude) = SINGAPORE;
    let singapore = Position::new(latitude, longitude)?;
    for name in ["Spratly Is.", "Fiery Cross Reef", "Cuarteron Reef", "Spratly Island"] {
        let land = shapes.nearest_of_territory(singapore, name);
        show(out, &format!("Singapore -> {name}"), land, Kilometres::ZERO)?;
    }
    writeln!(out, "\nCN, for a machine that is supposed to be in SG:")?;
    for vantage in deciding_vantages(shapes, "CN".parse()?, "SG".parse()?) {
        writeln!(
            out,
            "{:<14} {:>9} vacuum {:>9} fibre, to SG over fibre {:>9}: {}",
            vantage.city,
            vantage.limits.vacuum.to_string(),
            vantage.limits.fibre.to_string(),
            vantage.quickest.to_string(),
            vantage.decides().as_str()
        )?;
    }
    Ok(())
}

fn show(
    out: &mut impl Write,
    what: &str,
    land: Option<NearestLand>,
    uncertainty: Kilometres,
) -> std::io::Result<()> {
    let Some(land) = land else { return writeln!(out, "{what}: no land known") };
    let limits = limits(land.distance, uncertainty);
    writeln!(
        out,
        "{what:<32} {:>9} {:>9} {:>9}  {} ({})",
        land.distance.to_string(),
        limits.vacuum.to_string(),
        limits.fibre.to_string(),
        land.lies_on,
        land.point
    )
}

type City = (&'static str, f64, f64);

const SINGAPORE: City = ("Singapore", 1.3521, 103.8198);
const HONG_KONG: City = ("Hong Kong", 22.3193, 114.1694);
const TOKYO: City = ("Tokyo", 35.6762, 139.6503);
const FRANKFURT: City = ("Frankfurt", 50.1109, 8.6821);
const SYDNEY: City = ("Sydney", -33.8688, 151.2093);
const NEW_YORK: City = ("New York", 40.7128, -74.0060);
