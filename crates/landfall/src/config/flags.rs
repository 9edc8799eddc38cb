//! `[[flag]]`: what makes a person look at a destination. What a condition means is the business of
//! `geoip`.

use super::place::Place;
use super::text::{Text, Written};
use crate::error::Error;
use flow::annotation::Severity;
use geoip::policy::{Condition, ConditionError, Policies, Policy, PolicyName};
use serde::Deserialize;
use serde_json::{Value, json};

/// One policy as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FlagTable {
    name: Text<PolicyName>,
    when: Text<Condition>,
    severity: Option<Text<Severity>>,
}

/// The policies of the file; where it has none, the one that everybody has.
pub(super) fn policies(written: Vec<FlagTable>, place: &Place<'_>) -> Result<Policies, Error> {
    if written.is_empty() {
        return Ok(Policies::default());
    }
    let policy = |FlagTable { name: Text(name), when: Text(when), severity }| {
        let severity = severity.map_or_else(Severity::default, |Text(severity)| severity);
        Policy { name, when, severity }
    };
    Policies::new(written.into_iter().map(policy).collect()).map_err(|why| {
        place
            .refuse("flag.name", &format!("is not taken: {why}"))
            .hint("give each policy a name of its own, or put some of them together with `or`")
    })
}

/// The policies with every key.
pub(super) fn canonical(policies: &Policies) -> Vec<Value> {
    let table = |policy: &Policy| {
        json!({
            "name": policy.name.as_str(),
            "severity": policy.severity.word(),
            "when": policy.when.to_string(),
        })
    };
    policies.iter().map(table).collect()
}

impl Written for PolicyName {
    const IS: &'static str = "a name of letters, digits, dots, dashes and underscores";
}

impl Written for Severity {
    const IS: &'static str = "\"info\", \"notice\", \"warning\" or \"alarm\"";
}

impl Written for Condition {
    const IS: &'static str = "a condition such as \"location:CN or cname:alicdn.com\"";

    fn hint(error: &ConditionError) -> String {
        error.hint()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parse, written::Written};
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> Result<Policies, Error> {
        let path = Path::new("landfall.toml");
        let Written { flag, .. } = parse(text, path)?;
        policies(flag, &Place { path: Some(path), text })
    }

    #[test]
    fn without_a_policy_the_default_one_is_in_effect() {
        assert_eq!(read("").unwrap(), Policies::default());
        let mine = read("[[flag]]\nname = \"ours\"\nwhen = \"cname:a.example\"").unwrap();
        let [policy] = mine.iter().collect::<Vec<_>>()[..] else { panic!("{mine:?}") };
        assert_eq!((policy.name.as_str(), policy.severity), ("ours", Severity::Notice));
    }

    #[track_caller]
    fn refused(text: &str, says: &[&str]) {
        let error = read(text).unwrap_err();
        let shown = error.to_string();
        assert_eq!(error.exit().code(), 2, "{shown}");
        assert!(shown.contains("(landfall.toml"), "{shown}");
        assert!(says.iter().all(|word| shown.contains(word)), "{shown}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let flag = |when: &str| format!("[[flag]]\nname = \"a\"\nwhen = \"{when}\"\n");
        refused(&flag("contry:CN"), &["line 3", "hint: did you mean \"country\"?"]);
        refused(&flag("status:4xx"), &["line 3", "single flows", "hint: the keys of a policy"]);
        refused(&flag("finding:pinned"), &["line 3", "findings"]);
        refused(&flag(""), &["needs a condition"]);
        refused(&[flag("asn:1"), flag("asn:2")].concat(), &["two policies have the name a"]);
        refused(&format!("{}severity = \"bad\"", flag("asn:1")), &["alarm"]);
        refused(&format!("{}weight = 1", flag("asn:1")), &["\"weight\""]);
        refused("[[flag]]\nname = \"a b\"\nwhen = \"asn:1\"", &["letters"]);
    }
}
