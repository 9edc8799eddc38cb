//! Which countries are in question for a destination: those that any claim, statement or policy
//! names. Nothing is asked of all the others.

use super::facts::Facts;
use flow::claim::{Country, Statement};
use std::collections::BTreeSet;

/// In alphabetical order.
pub(super) fn in_question(facts: &Facts) -> BTreeSet<Country> {
    let annotations = facts.addresses.iter().flat_map(|address| {
        std::iter::once(&address.annotation).chain(address.later.iter().map(|o| &o.annotation))
    });
    let claims = annotations.flat_map(|annotation| &annotation.claims);
    let claimed = claims.filter_map(|claim| match &claim.statement {
        Statement::Located(country)
        | Statement::AddressRegistered(country)
        | Statement::AsRegistered(country) => Some(*country),
        Statement::Operator(operator) => operator.headquarters,
        Statement::OriginAs { .. } | Statement::Anycast | Statement::SpecialRange(_) => None,
    });
    let stated = facts.statements.iter().filter_map(|statement| statement.says.country());
    claimed.chain(stated).chain(facts.asked_about.iter().copied()).collect()
}
