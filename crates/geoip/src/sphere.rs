//! Geometry on the unit sphere. Angles are in radians, points are unit vectors. It knows neither the
//! earth's size nor maps.

use std::f64::consts::{FRAC_PI_2, PI};
use std::ops::{Add, Mul, Sub};

/// A vector; a unit vector where it is a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Vector {
    x: f64,
    y: f64,
    z: f64,
}

impl Vector {
    const ZERO: Self = Self { x: 0.0, y: 0.0, z: 0.0 };

    /// The point at degrees north and east.
    pub(crate) fn at(latitude: f64, longitude: f64) -> Self {
        let (up, across) = latitude.to_radians().sin_cos();
        let (y, x) = longitude.to_radians().sin_cos();
        Self { x: across * x, y: across * y, z: up }
    }

    /// Degrees north and east.
    pub(crate) fn degrees(self) -> (f64, f64) {
        let across = self.x.hypot(self.y);
        (self.z.atan2(across).to_degrees(), self.y.atan2(self.x).to_degrees())
    }

    /// The angle between two points, exact for small and for large ones.
    pub(crate) fn angle(self, other: Self) -> f64 {
        self.cross(other).length().atan2(self.dot(other))
    }

    fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    fn cross(self, other: Self) -> Self {
        Self {
            x: self.y * other.z - self.z * other.y,
            y: self.z * other.x - self.x * other.z,
            z: self.x * other.y - self.y * other.x,
        }
    }

    fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// `None` where it has no direction.
    fn unit(self) -> Option<Self> {
        let length = self.length();
        (length > NO_DIRECTION).then(|| self * (1.0 / length))
    }
}

impl Add for Vector {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { x: self.x + other.x, y: self.y + other.y, z: self.z + other.z }
    }
}

impl Sub for Vector {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + other * -1.0
    }
}

impl Mul<f64> for Vector {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self { x: self.x * factor, y: self.y * factor, z: self.z * factor }
    }
}

/// The point of the arc from `one` to `other` (the short way) that is nearest to `from`.
pub(crate) fn nearest_on_arc(from: Vector, one: Vector, other: Vector) -> Vector {
    let end = if from.dot(one) >= from.dot(other) { one } else { other };
    // The pole of the arc's great circle; an arc without length has none.
    let Some(pole) = one.cross(other).unit() else { return end };
    let Some(foot) = (from - pole * from.dot(pole)).unit() else { return end };
    // The foot lies between the two when it is on the inner side of both.
    let inside = pole.cross(one).dot(foot) >= 0.0 && other.cross(pole).dot(foot) >= 0.0;
    if inside { foot } else { end }
}

/// A round piece of the sphere that covers something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cap {
    centre: Vector,
    radius: f64,
}

impl Cap {
    /// Covers the points and the short arcs between them. Where these reach too far around the
    /// sphere for a cap to be of use, it is the whole sphere.
    pub(crate) fn around(points: &[Vector]) -> Self {
        let sum = points.iter().copied().fold(Vector::ZERO, Add::add);
        let Some(centre) = sum.unit() else { return Self::EVERYTHING };
        let square = |point: &Vector| (*point - centre).dot(*point - centre);
        // The farthest point has the longest chord.
        let chord = points.iter().map(square).fold(0.0, f64::max).sqrt();
        Self::convex(centre, 2.0 * (chord / 2.0).min(1.0).asin())
    }

    /// Covers the caps.
    pub(crate) fn around_caps(caps: impl Iterator<Item = Self> + Clone) -> Self {
        let sum = caps.clone().map(|cap| cap.centre).fold(Vector::ZERO, Add::add);
        let Some(centre) = sum.unit() else { return Self::EVERYTHING };
        let radius = caps.map(|cap| centre.angle(cap.centre) + cap.radius).fold(0.0, f64::max);
        Self::convex(centre, radius)
    }

    /// Below a right angle a cap is convex: what lies between two of its points is in it.
    fn convex(centre: Vector, radius: f64) -> Self {
        let convex = radius < FRAC_PI_2 - ROUNDING;
        if convex { Self { centre, radius } } else { Self::EVERYTHING }
    }

    const EVERYTHING: Self = Self { centre: Vector { z: 1.0, ..Vector::ZERO }, radius: PI };

    /// An angle that no point of the cap is nearer than; zero for a point within.
    pub(crate) fn least_angle(&self, from: Vector) -> f64 {
        (self.centre.angle(from) - self.radius - ROUNDING).max(0.0)
    }
}

/// A length below which a vector is taken for zero.
const NO_DIRECTION: f64 = 1e-12;
/// More than the rounding of all of this: 6 mm on the earth.
const ROUNDING: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(from: (f64, f64), arc: [(f64, f64); 2], expected: (f64, f64)) {
        let [one, other] = arc.map(|(latitude, longitude)| Vector::at(latitude, longitude));
        let found = nearest_on_arc(Vector::at(from.0, from.1), one, other);
        let expected = Vector::at(expected.0, expected.1);
        assert!(found.angle(expected) < 1e-9, "{:?}", found.degrees());
    }

    #[test]
    fn points_of_arcs() {
        let equator = [(0.0, -10.0), (0.0, 10.0)];
        check((20.0, 3.0), equator, (0.0, 3.0));
        check((-89.0, 3.0), equator, (0.0, 3.0));
        check((20.0, 30.0), equator, (0.0, 10.0));
        // The foot on the great circle lies on the far side.
        check((1.0, 175.0), equator, (0.0, 10.0));
        check((5.0, -179.0), [(0.0, 175.0), (0.0, -175.0)], (0.0, -179.0));
        // Over the pole.
        check((80.0, 90.0), [(85.0, 0.0), (85.0, 180.0)], (90.0, 0.0));
        check((90.0, 0.0), [(10.0, 5.0), (10.0, 5.0)], (10.0, 5.0));
        // The arc's own pole: every point is as near, one of the ends is taken.
        check((90.0, 0.0), equator, (0.0, -10.0));
    }

    fn points() -> impl Strategy<Value = Vector> {
        (-90.0..=90.0, -180.0..=180.0).prop_map(|(north, east)| Vector::at(north, east))
    }

    proptest! {
        #[test]
        fn no_point_of_an_arc_is_nearer(
            from in points(), one in points(), other in points(), along in 0.0..=1.0,
        ) {
            let between = one * (1.0 - along) + other * along;
            prop_assume!(one.angle(other) < 3.1 && between.length() > 1e-3);
            let found = from.angle(nearest_on_arc(from, one, other));
            prop_assert!(found <= from.angle(between.unit().unwrap()) + 1e-9);
            let back = from.angle(nearest_on_arc(from, other, one));
            prop_assert!((found - back).abs() < 1e-9);
        }

        #[test]
        fn a_cap_covers_its_points_and_arcs(
            from in points(), all in prop::collection::vec(points(), 1..5),
        ) {
            let cap = Cap::around(&all);
            let larger = Cap::around_caps([cap, Cap::around(&all[..1])].into_iter());
            prop_assert!(larger.least_angle(from) <= cap.least_angle(from) + 1e-9);
            for (one, other) in all.iter().zip(all.iter().cycle().skip(1)) {
                let nearest = nearest_on_arc(from, *one, *other);
                prop_assert!(cap.least_angle(from) <= from.angle(nearest));
            }
        }

        #[test]
        fn degrees_there_and_back(point in points()) {
            let (north, east) = point.degrees();
            prop_assert!(point.angle(Vector::at(north, east)) < 1e-9);
        }
    }
}
