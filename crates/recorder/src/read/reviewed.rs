//! What a review adds to listings: the verdict on each host, and the flags by policies that were put beside
//! those at capture. It is handed over with a query; the review log itself is read elsewhere.

use flow::address::{DnsName, Host};
use flow::annotation::{Annotation, Flag};
use flow::time::WallNanos;
use flow::verdict::Verdict;
use geoip::policy::Policies;
use std::collections::HashMap;
use std::sync::Arc;

/// Nothing unless somebody reviewed.
#[derive(Clone, Debug, Default)]
pub struct Reviewed {
    /// The verdict that holds, by host.
    pub verdicts: HashMap<Host, Arc<Judged>>,
    /// Policies to be evaluated again, beside those at capture.
    pub policies: Option<Policies>,
}

/// A verdict, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub verdict: Verdict,
    pub reviewer: String,
    pub at: WallNanos,
}

impl Reviewed {
    /// The verdict on a host, where there is one.
    pub(super) fn judged(&self, host: Option<&Host>) -> Option<Arc<Judged>> {
        self.verdicts.get(host?).cloned()
    }

    /// The flags of a connection to this port, where there are policies beside those at capture.
    pub(super) fn flags(
        &self,
        annotation: &Annotation,
        names: &[DnsName],
        port: Option<u16>,
    ) -> Option<Vec<Flag>> {
        Some(self.policies.as_ref()?.flags(annotation, names, port))
    }

    /// The hosts with one of these verdicts, as a JSON list.
    pub(super) fn hosts(&self, is_one: impl Fn(Verdict) -> bool) -> String {
        let judged = self.verdicts.iter().filter(|(_, judged)| is_one(judged.verdict));
        json(judged.map(|(host, _)| host.to_string()))
    }
}

/// Texts as a JSON list, which may be longer than SQLite binds values.
pub(super) fn json(texts: impl Iterator<Item = String>) -> String {
    serde_json::Value::from_iter(texts).to_string()
}
