//! From where would a measurement decide? For a country that is to be excluded and the country in
//! which the machine is supposed to stand: the limits from well-connected cities, and whether a
//! machine that really stands there could be that quick. It proposes; nothing is concluded from it.

use crate::physics::{limits, over_fibre};
use crate::shapes::{Extent, Shapes};
use flow::claim::Country;
use flow::physics::{DecidingVantage, Kilometres, Position};

/// What each city could decide, those first that could decide most clearly. Cities of the excluded
/// country are left out, and so is everything when the shapes do not know one of the countries.
/// Where the vantage stands within its city is not allowed for: with the real one,
/// [`crate::decide`] does that.
pub fn deciding_vantages(
    shapes: &Shapes,
    excluded: Country,
    supposed: Country,
) -> Vec<DecidingVantage> {
    let mut found: Vec<DecidingVantage> = CITIES
        .iter()
        .filter_map(|(code, city, latitude, longitude)| {
            let country: Country = code.parse().ok()?;
            let position = Position::new(*latitude, *longitude).ok()?;
            if country == excluded {
                return None;
            }
            let nearest = shapes.nearest(position, excluded, Extent::HeldOrClaimed)?;
            let limits = limits(nearest.distance, Kilometres::ZERO);
            // Where in the country it may stand nobody knows: the nearest place is the quickest.
            let place = shapes.nearest(position, supposed, Extent::Drawn);
            let place =
                place.or_else(|| shapes.nearest(position, supposed, Extent::HeldOrClaimed))?;
            let quickest = over_fibre(place.distance);
            Some(DecidingVantage { city, country, position, nearest, limits, quickest })
        })
        .collect();
    found.sort_by_key(|vantage| {
        let spare = vantage.limits.vacuum.0.saturating_sub(vantage.quickest.0);
        let fibre = vantage.limits.fibre.0.saturating_sub(vantage.quickest.0);
        std::cmp::Reverse((vantage.decides(), spare, fibre))
    });
    found
}

/// Cities with large exchanges, in the countries that location databases name most: code, name,
/// degrees north and east.
const CITIES: &[(&str, &str, f64, f64)] = &[
    ("AE", "Dubai", 25.2048, 55.2708),
    ("AU", "Sydney", -33.8688, 151.2093),
    ("BR", "São Paulo", -23.5505, -46.6333),
    ("CA", "Toronto", 43.6532, -79.3832),
    ("CN", "Shanghai", 31.2304, 121.4737),
    ("DE", "Frankfurt", 50.1109, 8.6821),
    ("ES", "Madrid", 40.4168, -3.7038),
    ("FI", "Helsinki", 60.1699, 24.9384),
    ("FR", "Paris", 48.8566, 2.3522),
    ("GB", "London", 51.5074, -0.1278),
    ("HK", "Hong Kong", 22.3193, 114.1694),
    ("ID", "Jakarta", -6.2088, 106.8456),
    ("IE", "Dublin", 53.3498, -6.2603),
    ("IN", "Mumbai", 19.0760, 72.8777),
    ("IT", "Milan", 45.4642, 9.1900),
    ("JP", "Tokyo", 35.6762, 139.6503),
    ("KR", "Seoul", 37.5665, 126.9780),
    ("MY", "Kuala Lumpur", 3.1390, 101.6869),
    ("NL", "Amsterdam", 52.3676, 4.9041),
    ("PL", "Warsaw", 52.2297, 21.0122),
    ("RU", "Moscow", 55.7558, 37.6173),
    ("SE", "Stockholm", 59.3293, 18.0686),
    ("SG", "Singapore", 1.3521, 103.8198),
    ("TH", "Bangkok", 13.7563, 100.5018),
    ("TW", "Taipei", 25.0330, 121.5654),
    ("US", "Ashburn", 39.0438, -77.4874),
    ("US", "Los Angeles", 34.0522, -118.2437),
    ("ZA", "Johannesburg", -26.2041, 28.0473),
];
