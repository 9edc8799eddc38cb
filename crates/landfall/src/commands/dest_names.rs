//! The part of `landfall dest show` about a name: what look-ups of it answered, when, by whom, and what
//! changed from one to the next.

use super::lookup;
use crate::output::cell::count;
use crate::output::colour::Ink;
use crate::output::page::Page;
use flow::address::DnsName;
use flow::time::WallNanos;
use recorder::read::{AddressAnswered, NameChange, NameHistory, Stretch};
use recorder::record::dns::ResolverShape;
use std::fmt::Display;

pub(super) fn fill(page: &mut Page, history: &NameHistory) {
    page.section(&format!("Look-ups of {}", history.name));
    let cached: u64 = history.stretches.iter().map(|stretch| stretch.cached).sum();
    let told = match cached {
        0 => String::new(),
        _ => format!(", {cached} of them answered from the cache"),
    };
    page.line("look-ups", format_args!("{}{told}", count(history.lookups, "look-up")));
    if history.watched > 0 {
        let times = count(history.watched, "look-up");
        page.line("watched", format_args!("{times} more that no device caused"));
    }
    let shown = history.stretches.len().saturating_sub(MOST_STRETCHES);
    if shown > 0 || history.left_out > 0 {
        page.note("the earliest are left out; -o json has what was read of them");
    }
    for stretch in history.stretches.iter().skip(shown) {
        fill_stretch(page, stretch);
    }
    page.section(&format!("Addresses answered for {}", history.name));
    for answered in &history.addresses {
        fill_address(page, answered);
    }
    let places = places(history);
    if places.len() > 1 {
        page.section(&format!("Where {} was, by databases", history.name));
        for place in &places {
            let Place { countries, first, last, .. } = place;
            let times = times(place.lookups, place.watched);
            page.line(countries, format_args!("{first} to {last}, {times}"));
        }
    }
}

/// The countries of the answers over some time.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    countries: String,
    first: WallNanos,
    last: WallNanos,
    lookups: u64,
    watched: u64,
}

/// Where the answers led, one after the other. A failure leads nowhere, and moves nothing.
fn places(history: &NameHistory) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for stretch in history.stretches.iter().filter(|stretch| !stretch.addresses.is_empty()) {
        let countries = match history.countries(stretch) {
            known if known.is_empty() => "undecided".to_owned(),
            known => list(&known),
        };
        match places.last_mut().filter(|last| last.countries == countries) {
            Some(last) => {
                last.last = stretch.last;
                last.lookups += stretch.lookups;
                last.watched += stretch.watched;
            }
            None => places.push(Place {
                countries,
                first: stretch.first,
                last: stretch.last,
                lookups: stretch.lookups,
                watched: stretch.watched,
            }),
        }
    }
    places
}

/// How many look-ups, those that watched apart.
fn times(lookups: u64, watched: u64) -> String {
    match (lookups, watched) {
        (lookups, 0) => count(lookups, "look-up"),
        (0, watched) => format!("{} of the watch alone", count(watched, "look-up")),
        (lookups, watched) => format!("{}, {watched} more of the watch", count(lookups, "look-up")),
    }
}

fn fill_stretch(page: &mut Page, stretch: &Stretch) {
    let times = match (stretch.lookups, stretch.watched) {
        (1, 0) => stretch.first.to_string(),
        (lookups, watched) => {
            format!("{} to {}, {}", stretch.first, stretch.last, times(lookups, watched))
        }
    };
    page.line("answered", format_args!("{times}, by {}", resolver(&stretch.resolver)));
    for change in &stretch.changes {
        page.inked_line("changed", changed(change), Ink::Notice);
    }
    if stretch.chain.len() > 1 {
        page.line("", format_args!("chain {}", chain(&stretch.chain)));
    }
    let result = match (stretch.addresses.is_empty(), stretch.detail.as_deref()) {
        (false, _) => list(&stretch.addresses),
        (true, Some(detail)) => format!("{}: {detail}", stretch.outcome),
        (true, None) => stretch.outcome.clone(),
    };
    page.line("", format_args!("{result}{}", ttl(stretch.ttl)));
}

fn fill_address(page: &mut Page, answered: &AddressAnswered) {
    let place = match answered.annotation.as_deref() {
        Some(known) if known.anycast => "anycast, in no one place".to_owned(),
        Some(known) => lookup::location(&known.location),
        None => "the databases were not asked".to_owned(),
    };
    let dialled = if answered.dialled { "" } else { ", not dialled" };
    page.line(&answered.address.to_string(), format_args!("{place}{dialled}"));
    let AddressAnswered { first, last, .. } = answered;
    let times = times(answered.lookups, answered.watched);
    page.line("", format_args!("{first} to {last}, {times}{}", ttl(answered.ttl)));
}

fn changed(change: &NameChange) -> String {
    match change {
        NameChange::Addresses { added, gone } => {
            let part = |word, of: &[_]| (!of.is_empty()).then(|| format!("{word} {}", list(of)));
            let parts: Vec<String> =
                [part("now also", added), part("no longer", gone)].into_iter().flatten().collect();
            format!("addresses: {}", parts.join("; "))
        }
        NameChange::Chain(former) => format!("CNAME chain: was {}", chain(former)),
        NameChange::Outcome(former) => format!("outcome: was {former}"),
        NameChange::Resolver(former) => format!("asked: was {}", resolver(former)),
    }
}

fn resolver(shape: &ResolverShape) -> String {
    match (&shape.address, &shape.name) {
        (Some(address), Some(name)) => format!("{} at {} over {}", name.0, address.0, shape.by),
        (Some(address), None) => format!("{} over {}", address.0, shape.by),
        (None, _) => shape.by.clone(),
    }
}

fn chain(names: &[DnsName]) -> String {
    names.iter().map(DnsName::as_str).collect::<Vec<_>>().join(" -> ")
}

fn ttl(ttl: Option<(u32, u32)>) -> String {
    match ttl {
        Some((least, most)) if least == most => format!(", TTL {least} s"),
        Some((least, most)) => format!(", TTL {least} to {most} s"),
        None => String::new(),
    }
}

fn list<'a, T: Display + 'a>(values: impl IntoIterator<Item = &'a T>) -> String {
    values.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Stretches on a page.
const MOST_STRETCHES: usize = 20;
