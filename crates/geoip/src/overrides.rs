//! The analyst's own corrections, looked up by address.

use crate::config::Override;
use crate::error::Error;
use crate::source_name;
use flow::claim::{Asn, Claim, Confidence, Country, Operator, Source, Statement};
use std::net::IpAddr;
use std::sync::Arc;

/// All overrides, the longest prefixes first.
#[derive(Debug)]
pub(crate) struct Overrides {
    by_length: Vec<Override>,
    source: Arc<Source>,
}

impl Overrides {
    /// # Errors
    /// [`Error::OverriddenTwice`], as the order of the configuration must not decide.
    pub(crate) fn new(mut overrides: Vec<Override>) -> Result<Self, Error> {
        overrides.sort_by_key(|o| (std::cmp::Reverse(o.network.prefix()), o.network));
        if let Some([first, _]) =
            overrides.array_windows().find(|[one, next]| one.network == next.network)
        {
            return Err(Error::OverriddenTwice { network: first.network });
        }
        let source = Arc::new(Source {
            name: source_name::OVERRIDE.to_owned(),
            licence: "the analyst's own statement".to_owned(),
            built: None,
            sha256: None,
        });
        Ok(Self { by_length: overrides, source })
    }

    /// Adds what the closest override says of `address`, which must be canonical. `as_name` and
    /// `headquarters` look up what the override leaves out.
    pub(crate) fn claim(
        &self,
        address: IpAddr,
        as_name: impl FnOnce(Asn) -> Option<String>,
        headquarters: impl FnOnce(&str) -> Option<Country>,
        claims: &mut Vec<Claim>,
    ) {
        let Some(found) = self.by_length.iter().find(|o| o.network.contains(address)) else {
            return;
        };
        let matched = found.network.to_string();
        let mut say = |statement| {
            let source = Arc::clone(&self.source);
            claims.push(Claim { source, statement, matched: matched.clone() });
        };
        if let Some(country) = found.country {
            say(Statement::Located(country));
        }
        if let Some(asn) = found.asn {
            say(Statement::OriginAs { asn, name: as_name(asn) });
        }
        if let Some(group) = &found.operator {
            say(Statement::Operator(Operator {
                group: group.clone(),
                headquarters: headquarters(group),
                // Stated by a person who gives a reason; no registry says it.
                confidence: Confidence::B,
                basis: format!("override: {}", found.note),
                matched: found.network.to_string(),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correction(network: &str) -> Override {
        Override {
            network: network.parse().unwrap(),
            country: None,
            asn: None,
            operator: None,
            note: "seen on site".to_owned(),
        }
    }

    fn statements(overrides: &Overrides, address: &str) -> Vec<(Statement, String)> {
        let mut claims = Vec::new();
        let name = |asn: Asn| Some(format!("name of {asn}"));
        let headquarters = |group: &str| (group == "Known").then_some(Country::CN);
        overrides.claim(address.parse().unwrap(), name, headquarters, &mut claims);
        assert!(claims.iter().all(|claim| claim.source.name == "override"));
        claims.into_iter().map(|claim| (claim.statement, claim.matched)).collect()
    }

    #[test]
    fn the_longest_prefix_holds_alone() {
        let wide = Override { country: Some(Country::CN), ..correction("8.0.0.0/8") };
        let narrow = Override { asn: Some(Asn(64_500)), ..correction("8.1.0.0/16") };
        let overrides = Overrides::new(vec![wide, narrow]).unwrap();
        let located = (Statement::Located(Country::CN), "8.0.0.0/8".to_owned());
        assert_eq!(statements(&overrides, "8.2.0.1"), [located]);
        let name = Some("name of AS64500".to_owned());
        let origin = Statement::OriginAs { asn: Asn(64_500), name };
        assert_eq!(statements(&overrides, "8.1.0.1"), [(origin, "8.1.0.0/16".to_owned())]);
        assert_eq!(statements(&overrides, "9.1.0.1"), []);
        assert_eq!(statements(&overrides, "::1"), []);
    }

    #[test]
    fn an_operator_is_a_statement_of_confidence_b_with_its_reason() {
        for (group, expected) in [("Known", Some(Country::CN)), ("Unknown", None)] {
            let said = Override { operator: Some(group.to_owned()), ..correction("::/0") };
            let overrides = Overrides::new(vec![said]).unwrap();
            match &statements(&overrides, "240e::1")[..] {
                [(Statement::Operator(operator), _)] => {
                    assert_eq!(operator.headquarters, expected);
                    assert_eq!(operator.confidence, Confidence::B);
                    assert!(operator.basis.contains("seen on site"));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_same_network_twice_is_an_error() {
        let twice = vec![correction("8.0.0.0/8"), correction("9.0.0.0/8"), correction("8.0.0.0/8")];
        let error = Overrides::new(twice).unwrap_err();
        assert_eq!(error.to_string(), "8.0.0.0/8 is overridden twice");
    }
}
