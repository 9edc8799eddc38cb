//! Later opinions: what other databases said of the session's addresses, as the review log holds it, put
//! beside the facts of the capture. What follows from them is up to the assessor.

use crate::read::annotations::annotation;
use crate::record::opinion::{OpinionShape, ReviewOpinion};
use crate::record::review::{ReviewBody, ReviewRecord};
use flow::address::{DnsName, Host};
use flow::annotation::Annotation;
use geoip::assess::{self, Facts};
use std::sync::Arc;

/// What one record says of the addresses of one destination; never of none.
#[derive(Clone, Debug)]
pub struct Opinion<'a> {
    pub record: &'a ReviewRecord,
    pub given: &'a ReviewOpinion,
    pub addresses: Vec<AddressOpinion>,
}

/// Of one address.
#[derive(Clone, Debug)]
pub struct AddressOpinion {
    pub annotation: Arc<Annotation>,
    /// The names that the databases were asked about.
    pub names: Vec<DnsName>,
}

/// All opinions of a review log.
#[derive(Clone, Debug, Default)]
pub(super) struct Opinions {
    all: Vec<Read>,
}

/// One opinion, read out of its record.
#[derive(Clone, Debug)]
struct Read {
    /// The record's place in the log.
    record: usize,
    host: Host,
    address: AddressOpinion,
}

impl Opinions {
    /// `None` when one is not understood.
    pub(super) fn of(records: &[ReviewRecord]) -> Option<Self> {
        let mut all = Vec::new();
        for (place, record) in records.iter().enumerate() {
            let ReviewBody::Opinion(given) = &record.body else { continue };
            for shape in &given.addresses {
                let (host, address) = (shape.destination.0.clone(), read(shape)?);
                all.push(Read { record: place, host, address });
            }
        }
        Some(Self { all })
    }

    /// The records about a destination.
    pub(super) fn about<'a>(
        &'a self,
        records: &'a [ReviewRecord],
        host: &'a Host,
    ) -> impl Iterator<Item = Opinion<'a>> {
        let of_host = self.all.iter().filter(move |read| read.host == *host);
        let mut opinions: Vec<(usize, Vec<AddressOpinion>)> = Vec::new();
        for read in of_host {
            match opinions.last_mut() {
                Some((place, addresses)) if *place == read.record => {
                    addresses.push(read.address.clone());
                }
                _ => opinions.push((read.record, vec![read.address.clone()])),
            }
        }
        opinions.into_iter().filter_map(|(place, addresses)| {
            let record = records.get(place)?;
            let ReviewBody::Opinion(given) = &record.body else { return None };
            Some(Opinion { record, given, addresses })
        })
    }

    /// Puts each beside the address that it is about. Numbers of records are those of the record log,
    /// which has none of these.
    pub(super) fn beside(&self, mut facts: Facts) -> Facts {
        for read in self.all.iter().filter(|read| read.host == facts.host) {
            let about = read.address.annotation.address;
            let addresses = facts.addresses.iter_mut();
            for facts in addresses.filter(|facts| facts.annotation.address == about) {
                let annotation = Arc::clone(&read.address.annotation);
                facts.later.push(assess::Opinion { annotation, records: Vec::new() });
            }
        }
        facts
    }
}

fn read(shape: &OpinionShape) -> Option<AddressOpinion> {
    let annotation = annotation(&shape.assessment, shape.claims.clone())?;
    let names = shape.assessment.names.iter().map(|name| name.0.clone()).collect();
    Some(AddressOpinion { annotation: Arc::new(annotation), names })
}
