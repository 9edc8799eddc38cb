//! Pairs the recorded records of one connection with the derived ones and says how they differ.
//! Either side may be ahead, by what one commit holds.

use super::difference::{Difference, Differing, compare, json, shown, take_observer};
use super::outcome::Reobserved;
use crate::body::BodySecret;
use crate::read::ReadError;
use crate::record::Body;
use crate::record::exchange::OBSERVER;
use crate::record::sealed::{Commitment, EachSealed, HasSealed, Openable, Sealed};
use flow::id::{ConnectionId, ExchangeId, FlowId};
use flow::time::Stamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The totals so far, and who hears of the differences.
pub(super) struct Found<'a> {
    pub(super) totals: Reobserved,
    /// What bodies are committed to with; where it is withheld, commitments are not compared.
    pub(super) bodies: Option<&'a BodySecret>,
    pub(super) each: &'a mut dyn FnMut(&Difference) -> Result<(), ReadError>,
}

/// A record with its time.
type Timed = (Stamp, Body);

/// The records of one connection that still wait for their counterparts.
#[derive(Debug)]
pub(super) struct Pairs {
    connection: ConnectionId,
    recorded: VecDeque<Timed>,
    derived: VecDeque<Timed>,
    /// Nothing more is derived: what is recorded from here on has no counterpart to wait for.
    is_cut: bool,
    /// The exchanges of which records were left without their counterparts (0: the connection).
    cut: BTreeSet<u32>,
    /// Exchanges that differ (0: the connection), and whether another version explains it.
    differ: BTreeMap<u32, bool>,
    /// The version of another observer that recorded this connection.
    other_observer: Option<String>,
}

impl Pairs {
    pub(super) fn new(connection: ConnectionId) -> Self {
        Self {
            connection,
            recorded: VecDeque::new(),
            derived: VecDeque::new(),
            is_cut: false,
            cut: BTreeSet::new(),
            differ: BTreeMap::new(),
            other_observer: None,
        }
    }

    pub(super) fn recorded(&mut self, it: Timed, found: &mut Found<'_>) -> Result<(), ReadError> {
        found.totals.exchanges += u64::from(matches!(it.1, Body::ExchangeRequest(_)));
        match take(&mut self.derived, &it.1) {
            Some(derived) => self.pair(&it, &derived, found),
            None if self.is_cut => {
                self.cut.insert(number(&it.1));
                Ok(())
            }
            None => {
                self.recorded.push_back(it);
                match over(&mut self.recorded) {
                    Some(oldest) => self.alone(&oldest, true, found),
                    None => Ok(()),
                }
            }
        }
    }

    pub(super) fn derived(&mut self, it: Timed, found: &mut Found<'_>) -> Result<(), ReadError> {
        match take(&mut self.recorded, &it.1) {
            Some(recorded) => self.pair(&recorded, &it, found),
            None => {
                self.derived.push_back(it);
                match over(&mut self.derived) {
                    Some(oldest) => self.alone_derived(&oldest, found),
                    None => Ok(()),
                }
            }
        }
    }

    /// No record is derived any more, though the log may go on. Of those that wait, only the
    /// exchanges that they are about are kept.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
        self.cut.extend(std::mem::take(&mut self.recorded).iter().map(|(_, body)| number(body)));
    }

    /// How many records wait for their counterparts.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.recorded.len() + self.derived.len()
    }

    /// No record follows on either side. What has no counterpart differs if the connection is there
    /// from its beginning to its end, and is cut else. `unrecorded` are the kinds of records that
    /// the log says it has left out.
    pub(super) fn finish(
        mut self,
        is_whole: bool,
        mut unrecorded: Vec<String>,
        found: &mut Found<'_>,
    ) -> Result<(), ReadError> {
        let mut cut = std::mem::take(&mut self.cut);
        for it in std::mem::take(&mut self.recorded) {
            if is_whole {
                self.alone(&it, true, found)?;
            } else {
                cut.insert(number(&it.1));
            }
        }
        for it in std::mem::take(&mut self.derived) {
            let left_out = unrecorded.iter().position(|kind| kind == it.1.kind());
            if is_whole && left_out.is_none() {
                self.alone_derived(&it, found)?;
                continue;
            }
            found.totals.exchanges += u64::from(matches!(it.1, Body::ExchangeRequest(_)));
            match left_out {
                Some(index) => drop(unrecorded.swap_remove(index)),
                None => drop(cut.insert(number(&it.1))),
            }
        }
        found.totals.cut += cut.len() as u64;
        found.totals.differ += self.differ.len() as u64;
        let by_version = self.differ.values().filter(|by_version| **by_version).count();
        found.totals.differ_by_version += by_version as u64;
        found.totals.other_observers.extend(self.other_observer);
        Ok(())
    }

    fn pair(
        &mut self,
        recorded: &Timed,
        derived: &Timed,
        found: &mut Found<'_>,
    ) -> Result<(), ReadError> {
        if recorded == derived {
            return Ok(());
        }
        let (mut recorded, mut derived) = (recorded.clone(), derived.clone());
        hide_the_same(&mut recorded.1, &mut derived.1);
        if found.bodies.is_none() {
            recorded.1.without_body_commitments();
        }
        let (mut left, mut right) = (json(recorded.0, &recorded.1), json(derived.0, &derived.1));
        self.note_observer(take_observer(&mut left));
        take_observer(&mut right);
        let mut differing = Vec::new();
        compare("", &left, &right, &mut differing);
        differing.into_iter().try_for_each(|field| self.tell(&derived.1, field, found))
    }

    /// A derived record that the log does not have; its exchange was not counted yet.
    fn alone_derived(&mut self, it: &Timed, found: &mut Found<'_>) -> Result<(), ReadError> {
        found.totals.exchanges += u64::from(matches!(it.1, Body::ExchangeRequest(_)));
        self.alone(it, false, found)
    }

    /// A record without a counterpart.
    fn alone(
        &mut self,
        it: &Timed,
        is_recorded: bool,
        found: &mut Found<'_>,
    ) -> Result<(), ReadError> {
        let mut value = json(it.0, &it.1);
        let observer = take_observer(&mut value);
        if is_recorded {
            self.note_observer(observer);
            self.tell(&it.1, (String::new(), Some(shown(&value)), None), found)
        } else {
            self.tell(&it.1, (String::new(), None, Some(shown(&value))), found)
        }
    }

    fn note_observer(&mut self, observer: Option<String>) {
        if let Some(observer) = observer.filter(|observer| observer != OBSERVER) {
            self.other_observer = Some(observer);
        }
    }

    fn tell(
        &mut self,
        body: &Body,
        (field, recorded, derived): Differing,
        found: &mut Found<'_>,
    ) -> Result<(), ReadError> {
        let number = number(body);
        let by_version = self.other_observer.is_some();
        let explained = self.differ.entry(number).or_insert(by_version);
        *explained &= by_version;
        let connection = self.connection;
        let flow = match number {
            0 => FlowId::Connection(connection),
            number => FlowId::Exchange(ExchangeId { connection, number }),
        };
        let other_observer = self.other_observer.clone();
        let record = body.kind();
        (found.each)(&Difference { flow, record, field, recorded, derived, other_observer })
    }
}

/// The oldest of more records than one commit of a busy connection holds: it waits in vain.
fn over(waiting: &mut VecDeque<Timed>) -> Option<Timed> {
    if waiting.len() > MOST_WAITING { waiting.pop_front() } else { None }
}

/// The first record of the same kind about the same exchange.
fn take(queue: &mut VecDeque<Timed>, like: &Body) -> Option<Timed> {
    let is_like = |(_, body): &Timed| body.kind() == like.kind() && number(body) == number(like);
    queue.iter().position(is_like).and_then(|index| queue.remove(index))
}

/// Values that are withheld on one side are not compared.
fn hide_the_same(recorded: &mut Body, derived: &mut Body) {
    struct Withheld(Vec<Option<Commitment>>);
    impl EachSealed for Withheld {
        fn value<T: Openable>(&mut self, sealed: &mut Sealed<T>) {
            self.0.push(match sealed {
                Sealed::Hidden(commitment) => Some(*commitment),
                Sealed::Open(_) => None,
            });
        }
    }
    struct Hide(std::vec::IntoIter<Option<Commitment>>);
    impl EachSealed for Hide {
        fn value<T: Openable>(&mut self, sealed: &mut Sealed<T>) {
            if let Some(Some(commitment)) = self.0.next() {
                *sealed = Sealed::Hidden(commitment);
            }
        }
    }
    let mut withheld = Withheld(Vec::new());
    recorded.each_sealed(&mut withheld);
    derived.each_sealed(&mut Hide(withheld.0.into_iter()));
}

/// The number of the exchange that a record is about, 0 for the connection.
fn number(body: &Body) -> u32 {
    body.subject().map_or(0, |(_, exchange)| exchange)
}

/// Records of one connection that wait on one side. In the 200 ms between two commits a connection
/// at its fastest comes to some 25,000.
pub(super) const MOST_WAITING: usize = 50_000;
