//! Reads a TopoJSON file: <https://github.com/topojson/topojson-specification>. Only what
//! `countries-10m.json` of world-atlas uses: one transform, delta-encoded arcs, polygons and
//! multipolygons.

use serde_json::Value;

/// A point in units of [`super::encode::UNITS_PER_DEGREE`]: latitude, longitude.
pub(crate) type Point = (i64, i64);

/// Outer ring first, then holes. A ring does not repeat its first point.
pub(crate) type Polygon = Vec<Vec<Point>>;

/// One country or territory as the map draws it.
pub(crate) struct Feature {
    /// ISO 3166-1 numeric.
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) polygons: Vec<Polygon>,
}

/// The features of the object `countries`, in the file's order.
pub(crate) fn features(json: &str, units: f64) -> Result<Vec<Feature>, String> {
    let file: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let arcs = arcs(&file, units)?;
    let geometries = &file["objects"]["countries"]["geometries"];
    array(geometries, "countries")?.iter().map(|geometry| feature(geometry, &arcs)).collect()
}

fn arcs(file: &Value, units: f64) -> Result<Vec<Vec<Point>>, String> {
    let transform = &file["transform"];
    let scale = pair(&transform["scale"])?;
    let translate = pair(&transform["translate"])?;
    let mut arcs = Vec::new();
    for arc in array(&file["arcs"], "arcs")? {
        let (mut x, mut y) = (0.0, 0.0);
        let mut points = Vec::new();
        for step in array(arc, "an arc")? {
            let (dx, dy) = pair(step)?;
            (x, y) = (x + dx, y + dy);
            let longitude = (x * scale.0 + translate.0) * units;
            let latitude = (y * scale.1 + translate.1) * units;
            points.push((latitude.round() as i64, longitude.round() as i64));
        }
        arcs.push(points);
    }
    Ok(arcs)
}

fn feature(geometry: &Value, arcs: &[Vec<Point>]) -> Result<Feature, String> {
    let name = geometry["properties"]["name"].as_str().ok_or("a feature has no name")?.to_owned();
    let polygons = match geometry["type"].as_str() {
        Some("Polygon") => vec![polygon(&geometry["arcs"], arcs)?],
        Some("MultiPolygon") => array(&geometry["arcs"], &name)?
            .iter()
            .map(|part| polygon(part, arcs))
            .collect::<Result<_, _>>()?,
        other => return Err(format!("{name}: {other:?} is no polygon")),
    };
    Ok(Feature { id: geometry["id"].as_str().map(str::to_owned), name, polygons })
}

fn polygon(rings: &Value, arcs: &[Vec<Point>]) -> Result<Polygon, String> {
    array(rings, "a polygon")?.iter().map(|ring| joined(ring, arcs)).collect()
}

/// Arcs one after the other; each begins where the one before it ends. `!i` is arc `i` backwards.
fn joined(ring: &Value, arcs: &[Vec<Point>]) -> Result<Vec<Point>, String> {
    let mut points: Vec<Point> = Vec::new();
    for number in array(ring, "a ring")? {
        let number = number.as_i64().ok_or("the number of an arc is none")?;
        let forward = if number < 0 { !number } else { number };
        let arc = usize::try_from(forward).ok().and_then(|at| arcs.get(at));
        let mut arc = arc.ok_or("there is no such arc")?.clone();
        if number < 0 {
            arc.reverse();
        }
        if points.last().is_some_and(|last| Some(last) != arc.first()) {
            return Err("two arcs of a ring do not meet".to_owned());
        }
        points.extend(arc.into_iter().skip(usize::from(!points.is_empty())));
    }
    if points.pop() != points.first().copied() {
        return Err("a ring is not closed".to_owned());
    }
    points.dedup();
    Ok(points)
}

fn array<'a>(value: &'a Value, what: &str) -> Result<&'a [Value], String> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| format!("{what}: not a list"))
}

fn pair(value: &Value) -> Result<(f64, f64), String> {
    match value.as_array().map(Vec::as_slice) {
        Some([first, second]) => first.as_f64().zip(second.as_f64()),
        _ => None,
    }
    .ok_or_else(|| format!("{value} is no pair of numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arcs_are_joined_forwards_and_backwards() {
        let json = r#"{"transform":{"scale":[0.5,1],"translate":[10,20]},
            "arcs":[[[0,0],[2,0],[0,2]],[[0,0],[0,2],[2,0]]],
            "objects":{"countries":{"geometries":[
                {"type":"Polygon","id":"001","properties":{"name":"A"},"arcs":[[0,-2]]}]}}}"#;
        let features = features(json, 10.0).unwrap();
        assert_eq!(features.len(), 1);
        assert_eq!(features[0].id.as_deref(), Some("001"));
        assert_eq!(
            features[0].polygons,
            [vec![vec![(200, 100), (200, 110), (220, 110), (220, 100)]]]
        );
        let open = json.replace("[[0,-2]]", "[[0]]");
        assert_eq!(super::features(&open, 10.0).err().unwrap(), "a ring is not closed");
        let torn = json.replace("[[0,-2]]", "[[0,1]]");
        assert_eq!(super::features(&torn, 10.0).err().unwrap(), "two arcs of a ring do not meet");
    }
}
