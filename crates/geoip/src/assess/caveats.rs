//! What a reader must know before drawing conclusions.

use super::facts::{AddressFacts, Facts};
use super::place::{Place, place};
use super::round_trip::{middlebox, silence, silence_of};
use super::words::places;
use flow::annotation::{Annotation, Location};
use flow::assessment::{
    Caveat, CountryExclusion, MeasuredFrom, OperatedBy, OpinionChange, Probe, ProbedWhen,
};
use flow::claim::{Confidence, Statement};
use std::time::Duration;

/// In a fixed order, each once.
pub(super) fn caveats(facts: &Facts, exclusions: &[CountryExclusion]) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    let mut say = |caveat: Caveat| {
        if !caveats.contains(&caveat) {
            caveats.push(caveat);
        }
    };
    if facts.simulated {
        say(Caveat::Simulated);
    }
    if facts.not_asked > 0 {
        say(Caveat::NotAsked(facts.not_asked));
    }
    if let Place::In { .. } = place(facts) {
        say(Caveat::AgreementIsNoProof);
    }
    for address in &facts.addresses {
        let annotation = &*address.annotation;
        if matches!(annotation.location, Location::Overridden { .. }) {
            say(Caveat::Overridden);
        }
        operators(annotation).for_each(&mut say);
        if !address.looked_up && facts.host.name().is_some() {
            say(Caveat::DialledWithoutLookup(annotation.address));
        }
        for later in &address.later {
            for change in changes(annotation, &later.annotation) {
                let (address, built) = (annotation.address, built(&later.annotation));
                say(Caveat::LaterOpinionDiffers { address, change, built });
            }
        }
        for (signature, connect) in address.round_trips.iter().filter_map(middlebox) {
            say(Caveat::PossibleMiddlebox { address: annotation.address, signature, connect });
        }
        if let Some(why) = silence(facts, address) {
            say(Caveat::NoPhysics(why));
        }
        probes(facts, address).for_each(&mut say);
    }
    if !exclusions.is_empty() {
        say(Caveat::NothingBehindTheEnd);
        if facts.addresses.iter().any(|address| address.annotation.anycast) {
            say(Caveat::AnycastInstance);
        }
    }
    if facts.resolved_by_proxy && facts.host.name().is_some() {
        say(Caveat::ResolvedByProxy);
    }
    caveats
}

/// What is to be known of the imported probes that measured an address.
fn probes<'a>(
    facts: &'a Facts,
    address: &'a AddressFacts,
) -> impl Iterator<Item = Caveat> + use<'a> {
    let of = address.annotation.address;
    address
        .round_trips
        .iter()
        .flat_map(move |round_trips| {
            let MeasuredFrom::Probe(probe) = &round_trips.from else { return [None, None] };
            let Probe { record, when, standing, .. } = **probe;
            if let Some(why) = silence_of(facts, address, probe, round_trips) {
                return [Some(Caveat::ProbeSaysNothing { record, address: of, why }), None];
            }
            let long = match when {
                ProbedWhen::Meanwhile => false,
                ProbedWhen::Before(time) | ProbedWhen::After(time) => time > LONG_APART,
            };
            [
                Some(Caveat::ImportedProbe { record, key: probe.key.clone(), standing }),
                long.then_some(Caveat::ProbedAtAnotherTime { record, address: of, when }),
            ]
        })
        .flatten()
}

/// What stands at an address may be another machine after a day.
const LONG_APART: Duration = Duration::from_secs(24 * 60 * 60);

/// How the lists know of an operator; and of one that is only possible.
fn operators(annotation: &Annotation) -> impl Iterator<Item = Caveat> + '_ {
    let named = annotation.operator.iter().map(|operator| Caveat::OperatorBasis {
        group: operator.group.clone(),
        confidence: operator.confidence,
        basis: operator.basis.clone(),
    });
    let possible = annotation.claims.iter().filter_map(|claim| match &claim.statement {
        Statement::Operator(operator) if operator.confidence == Confidence::C => {
            Some(Caveat::OnlyPossibleOperator {
                group: operator.group.clone(),
                basis: operator.basis.clone(),
            })
        }
        _ => None,
    });
    named.chain(possible)
}

/// In what a later opinion differs. One source more or less that says the same is no difference.
fn changes(then: &Annotation, later: &Annotation) -> Vec<OpinionChange> {
    let countries = |annotation| places(annotation).into_iter().collect::<Vec<_>>();
    let operator = |annotation: &Annotation| {
        let operator = annotation.operator.as_ref()?;
        Some(OperatedBy { group: operator.group.clone(), headquarters: operator.headquarters })
    };
    let mut changes = Vec::new();
    if countries(then) != countries(later) {
        let (then, later) = (countries(then), countries(later));
        changes.push(OpinionChange::Location { then, later });
    }
    if operator(then) != operator(later) {
        let (then, later) = (operator(then), operator(later));
        changes.push(OpinionChange::Operator { then, later });
    }
    if then.address_registered != later.address_registered {
        let (then, later) = (then.address_registered, later.address_registered);
        changes.push(OpinionChange::AddressRegistered { then, later });
    }
    if then.as_registered != later.as_registered {
        let (then, later) = (then.as_registered, later.as_registered);
        changes.push(OpinionChange::AsRegistered { then, later });
    }
    changes
}

/// The date of the newest location database that answered.
fn built(annotation: &Annotation) -> Option<String> {
    let located = annotation.claims.iter().filter(|c| matches!(c.statement, Statement::Located(_)));
    located.filter_map(|claim| claim.source.built.clone()).max()
}
