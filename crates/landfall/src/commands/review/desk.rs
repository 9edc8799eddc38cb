//! A session on a reviewer's desk: its reviews, the policies in effect, and where each destination
//! stands. Shared by `landfall review` and `landfall dest`.

use crate::clock;
use crate::context::Context;
use crate::error::Error;
use evidence::shape::ReviewState;
use flow::address::Host;
use flow::assessment::{Assessment, Statement};
use flow::filter::Filter;
use geoip::Shapes;
use geoip::assess::assess;
use geoip::policy::{Policies, Policy};
use recorder::read::{
    DestinationKey, DestinationQuery, DestinationRow, Questions, Reviewed, Session,
};
use recorder::record::review::{ReviewRecord, ReviewVerdict};
use recorder::review::{Difference, Reviews, Seen};
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::SystemTime;

/// The session and what people made of it.
pub(in crate::commands) struct Desk<'a> {
    session: &'a Session,
    pub(in crate::commands) reviews: Reviews,
    reviewed: Arc<Reviewed>,
    /// Those at capture, as far as the recorded configuration tells.
    captured: Policies,
    /// Read when something is assessed for the first time: listings mostly do without.
    shapes: OnceCell<Shapes>,
}

/// Where a destination stands.
pub(in crate::commands) struct Standing<'a> {
    pub(in crate::commands) state: ReviewState,
    pub(in crate::commands) verdict: Option<(&'a ReviewRecord, &'a ReviewVerdict)>,
    pub(in crate::commands) difference: Difference,
}

impl<'a> Desk<'a> {
    /// # Errors
    /// The review log was changed.
    pub(in crate::commands) fn open(session: &'a Session) -> Result<Self, Error> {
        let reviews = Reviews::read(session.directory(), session.id()?)?;
        Self::with(session, reviews)
    }

    /// The same for listings of facts, which a damaged review log must not hide: it is told on
    /// stderr and left out.
    pub(in crate::commands) fn or_without(
        context: &Context,
        session: &'a Session,
    ) -> Result<Self, Error> {
        match Reviews::read(session.directory(), session.id()?) {
            Ok(reviews) => Self::with(session, reviews),
            Err(error) => {
                context.warn(&Error::from(error));
                Self::with(session, Reviews::default())
            }
        }
    }

    pub(super) fn with(session: &'a Session, reviews: Reviews) -> Result<Self, Error> {
        let captured = session.configuration()?.as_deref().and_then(policies_of);
        let captured = captured.unwrap_or_default();
        let reviewed = Arc::new(reviews.reviewed());
        Ok(Self { session, reviews, reviewed, captured, shapes: OnceCell::new() })
    }

    /// The policies whose flags hold today.
    pub(in crate::commands) fn in_effect(&self) -> &Policies {
        self.reviews.policies().unwrap_or(&self.captured)
    }

    /// What people made of the session, for queries.
    pub(in crate::commands) fn reviewed(&self) -> Arc<Reviewed> {
        Arc::clone(&self.reviewed)
    }

    /// The destinations of a query with verdicts, and with flags by the newest policies, where there
    /// are some.
    pub(in crate::commands) fn destinations(
        &self,
        query: DestinationQuery,
    ) -> Result<Vec<DestinationRow>, Error> {
        let reviewed = self.reviewed();
        Ok(self.session.destinations(&DestinationQuery { reviewed, ..query })?)
    }

    /// What all that is known of a destination adds up to; `None` when it is no host.
    pub(in crate::commands) fn assess(
        &self,
        row: &DestinationRow,
        statements: &[(Host, Statement)],
    ) -> Result<Option<Assessment>, Error> {
        let countries = self.in_effect().countries();
        let questions = Questions { statements: statements.to_vec(), countries };
        let facts = self.session.facts(row, &questions)?;
        let Some(facts) = facts else { return Ok(None) };
        let mut facts = self.reviews.with_opinions(facts);
        if !self.reviews.probes().is_empty() {
            let ports = self.session.ports(&facts.host)?;
            self.reviews.add_probes(&mut facts, row, &ports);
        }
        Ok(Some(assess(&facts, self.shapes()?)))
    }

    fn shapes(&self) -> Result<&Shapes, Error> {
        if let Some(shapes) = self.shapes.get() {
            return Ok(shapes);
        }
        let (_source, read) = Shapes::bundled()?;
        Ok(self.shapes.get_or_init(|| read))
    }

    /// What a reviewer sees of a destination today; `None` when it is no host.
    pub(super) fn seen(&self, row: &DestinationRow) -> Result<Option<Seen>, Error> {
        let flags = row.flags_now.as_ref().unwrap_or(&row.flags);
        let assessment = self.assess(row, &[])?;
        Ok(assessment.map(|assessment| Seen::new(row, &assessment, flags)))
    }

    /// Where a destination stands. It is assessed anew where somebody has judged it.
    pub(in crate::commands) fn standing(
        &self,
        row: &DestinationRow,
    ) -> Result<Standing<'_>, Error> {
        let verdict = host(row).and_then(|host| self.reviews.verdict(host));
        let Some((_record, given)) = verdict else {
            let difference = Difference::default();
            return Ok(Standing { state: ReviewState::Unreviewed, verdict, difference });
        };
        let seen = self.seen(row)?;
        let difference = seen.map(|seen| seen.since(&given.assessment)).unwrap_or_default();
        let state = match difference.is_empty() {
            true => ReviewState::Reviewed,
            false => ReviewState::Reopened,
        };
        Ok(Standing { state, verdict, difference })
    }
}

/// All destinations of the flows that match, by host.
pub(super) fn query(filter: Filter) -> DestinationQuery {
    DestinationQuery::all(filter, clock::wall(SystemTime::now()))
}

/// The one host of a row.
pub(super) fn host(row: &DestinationRow) -> Option<&Host> {
    match &row.key {
        DestinationKey::Host(Some(host)) => Some(host),
        _ => None,
    }
}

/// The policies of a recorded configuration; `None` when it has none, as earlier versions wrote it.
fn policies_of(config: &str) -> Option<Policies> {
    let table: toml::Table = config.parse().ok()?;
    let policy = |flag: &toml::Value| {
        let text = |key: &str| flag.get(key)?.as_str();
        Some(Policy {
            name: text("name")?.parse().ok()?,
            when: text("when")?.parse().ok()?,
            severity: text("severity")?.parse().ok()?,
        })
    };
    let policies = table.get("flag")?.as_array()?.iter().map(policy).collect::<Option<_>>()?;
    Policies::new(policies).ok()
}
