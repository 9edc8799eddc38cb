//! What the databases say of an address, as the proxy's rules ask for it.

use flow::annotation::{Annotation, Location};
use flow::claim::Statement;
use geoip::Databases;
use proxy::{Origin, OriginOf};
use std::sync::Arc;

/// Asks these databases.
pub(crate) fn of(databases: &Arc<Databases>) -> OriginOf {
    let databases = Arc::clone(databases);
    Arc::new(move |address| origin(&databases.annotate(address, &[], None)))
}

/// One source that says so is enough, unless the analyst decided.
fn origin(annotation: &Annotation) -> Origin {
    let mut origin = Origin { asns: annotation.asn.into_iter().collect(), countries: Vec::new() };
    for claim in &annotation.claims {
        match &claim.statement {
            Statement::OriginAs { asn, .. } => origin.asns.push(*asn),
            Statement::Located(country) => origin.countries.push(*country),
            _ => {}
        }
    }
    if let Location::Overridden { country } = annotation.location {
        origin.countries = vec![country];
    }
    origin
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::claim::{Asn, Claim, Country, Source};

    fn annotation(located: &[&str], location: Location) -> Annotation {
        let source = Arc::new(Source {
            name: "test".to_owned(),
            licence: String::new(),
            built: None,
            sha256: None,
        });
        let claim = |code: &&str| Claim {
            source: Arc::clone(&source),
            statement: Statement::Located(code.parse().unwrap()),
            matched: "203.0.113.0/24".to_owned(),
        };
        Annotation {
            claims: located.iter().map(claim).collect(),
            location,
            asn: Some(Asn(64496)),
            ..Annotation::unknown("203.0.113.9".parse().unwrap())
        }
    }

    #[test]
    fn each_source_counts_unless_the_analyst_decided() {
        let disagreed = Location::Disagreed { answers: Vec::new(), asked: 2 };
        let said = origin(&annotation(&["HK", "CN"], disagreed));
        assert_eq!(said.countries, ["HK".parse().unwrap(), Country::CN]);
        assert_eq!(said.asns, [Asn(64496)]);
        let country = "SG".parse().unwrap();
        let said = origin(&annotation(&["HK", "CN"], Location::Overridden { country }));
        assert_eq!(said.countries, [country]);
    }
}
