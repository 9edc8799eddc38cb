//! Answers that every honest database gives, in the world as it has been for years: large resolvers
//! and carriers that do not move. A file that answers otherwise is not what it says it is, however
//! sound its bytes are.

use crate::manifest::Kind;
use flow::claim::Country;
use std::net::IpAddr;

/// What a file says where there is no doubt. One line for each answer that is not the known one.
pub(crate) fn wrong_answers(
    kind: Kind,
    must_answer: bool,
    ask: impl Fn(IpAddr) -> Option<Country>,
) -> Vec<String> {
    let known = match kind {
        Kind::Location => LOCATIONS,
        Kind::AsRegistration => AS_REGISTRATIONS,
        Kind::Operators | Kind::CnameSuffixes | Kind::Shapes => &[],
    };
    let mut wrong = Vec::new();
    for (address, expected) in known {
        let Ok(ip) = address.parse() else { continue };
        match ask(ip) {
            Some(country) if country.as_str() == *expected => {}
            Some(country) => wrong.push(format!("{address} is {country} in it, not {expected}")),
            None if must_answer => {
                wrong.push(format!("{address} is not in it; it is {expected}"));
            }
            None => {}
        }
    }
    wrong
}

/// Where the machines are.
const LOCATIONS: &[(&str, &str)] = &[
    ("8.8.8.8", "US"),
    ("114.114.114.114", "CN"),
    ("223.5.5.5", "CN"),
    ("202.64.0.1", "HK"),
    ("168.95.1.1", "TW"),
    ("202.175.3.3", "MO"),
    ("240e::1", "CN"),
];

/// Where the announcing AS is registered.
const AS_REGISTRATIONS: &[(&str, &str)] = &[
    ("8.8.8.8", "US"),
    ("223.5.5.5", "CN"),
    ("168.95.1.1", "TW"),
    ("202.175.3.3", "MO"),
    ("240e::1", "CN"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_that_is_not_the_known_one_is_told() {
        let us = |_| "US".parse().ok();
        let wrong = wrong_answers(Kind::Location, true, us);
        assert_eq!(wrong.len(), 6);
        assert_eq!(wrong[0], "114.114.114.114 is US in it, not CN");
        assert_eq!(wrong_answers(Kind::AsRegistration, true, |_| None).len(), 5);
        assert_eq!(wrong_answers(Kind::Location, false, |_| None), Vec::<String>::new());
    }
}
