//! What is measured: ways to the origin, each in processes of its own that end with it.

use crate::certificates::ROOT;
use crate::problem::Problem;
use crate::process::{Cost, Running};
use crate::programs::Programs;
use crate::way::Way;
use crate::work::Work;
use crate::{landfall, mitmdump, nginx, sslsplit};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Kinds of subject, in the order in which they have their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Direct,
    Tunnel,
    Nginx,
    BareTap,
    Landfall,
    Mitmdump,
    Sslsplit,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Direct,
        Self::Tunnel,
        Self::Nginx,
        Self::BareTap,
        Self::Landfall,
        Self::Mitmdump,
        Self::Sslsplit,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Tunnel => "tunnel",
            Self::Nginx => "nginx",
            Self::BareTap => "bare-tap",
            Self::Landfall => "landfall",
            Self::Mitmdump => "mitmdump",
            Self::Sslsplit => "sslsplit",
        }
    }

    /// Somebody else's recorder: without it, and when it fails, the others are measured all the same.
    pub(crate) fn is_rival(self) -> bool {
        matches!(self, Self::Mitmdump | Self::Sslsplit)
    }

    pub(crate) fn does(self, work: Work) -> bool {
        match self {
            Self::Mitmdump => work.has_rivals(),
            Self::Sslsplit => work.has_rivals() && work != Work::KeepAliveH2,
            _ => true,
        }
    }

    /// Units of one round. Rivals get less to do, so that a round of theirs ends in time.
    pub(crate) fn units(self, work: Work, quick: bool) -> usize {
        work.units(quick) / if self.is_rival() { 10 } else { 1 }
    }
}

/// A running subject.
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) way: Way,
    /// `None` for the direct way.
    running: Option<Running>,
    /// Outlives the process, which is dropped before it.
    _directory: TempDir,
}

/// What subjects are started with.
pub(crate) struct Place<'a> {
    /// Holds the certificates.
    pub(crate) certificates: &'a Path,
    pub(crate) origin: SocketAddr,
    pub(crate) landfall: &'a Path,
    pub(crate) programs: &'a Programs,
    /// Hosts that Landfall is to know beside the one of all works.
    pub(crate) fresh_hosts: usize,
    /// nginx keeps connections to the upstream open.
    pub(crate) keepalive: bool,
}

impl Subject {
    /// Starts one; `None` when the machine has no such program.
    pub(crate) async fn start(kind: Kind, place: &Place<'_>) -> Result<Option<Self>, Problem> {
        let directory = tempfile::tempdir_in(place.certificates)?;
        let root = place.certificates.join(ROOT);
        let origin = place.origin;
        let (running, way) = match kind {
            Kind::Direct => (None, Way::new(origin, false, &root)?),
            Kind::Tunnel => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("tunnel").arg(origin.to_string());
                let (running, address) = Running::start_ready(&mut command, false, "at=").await?;
                (Some(running), Way::new(address, true, &root)?)
            }
            Kind::BareTap => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("bare-tap").arg(place.certificates).arg(origin.to_string());
                let (running, address) = Running::start_ready(&mut command, false, "at=").await?;
                (Some(running), Way::new(address, true, &root)?)
            }
            Kind::Nginx => {
                let Some(binary) = &place.programs.nginx else { return Ok(None) };
                let (certificates, keepalive) = (place.certificates, place.keepalive);
                let started =
                    nginx::start(binary, certificates, directory.path(), origin, keepalive);
                let (running, address) = started.await?;
                (Some(running), Way::new(address, false, &root)?)
            }
            Kind::Landfall => {
                let (binary, certificates) = (place.landfall, place.certificates);
                let hosts = place.fresh_hosts;
                let started =
                    landfall::start(binary, certificates, directory.path(), origin, hosts);
                let (running, address, authority) = started.await?;
                (Some(running), Way::new(address, true, &authority)?)
            }
            Kind::Mitmdump => {
                let Some(binary) = &place.programs.mitmdump else { return Ok(None) };
                let certificates = place.certificates;
                let started = mitmdump::start(binary, certificates, directory.path(), origin);
                let (running, address, authority) = started.await?;
                (Some(running), Way::new(address, true, &authority)?)
            }
            Kind::Sslsplit => {
                let Some(binary) = &place.programs.sslsplit else { return Ok(None) };
                let certificates = place.certificates;
                let started = sslsplit::start(binary, certificates, directory.path(), origin);
                let (running, address) = started.await?;
                (Some(running), Way::new(address, false, &root)?)
            }
        };
        Ok(Some(Self { kind, way, running, _directory: directory }))
    }

    pub(crate) fn cost(&self) -> Cost {
        self.running.as_ref().map(Running::cost).unwrap_or_default()
    }
}
