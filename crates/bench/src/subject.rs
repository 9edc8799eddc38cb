//! What is measured: ways to the origin, each in processes of its own that end with it.

use crate::certificates::ROOT;
use crate::problem::Problem;
use crate::process::{Cost, Running};
use crate::way::Way;
use crate::{landfall, nginx};
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
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Direct, Self::Tunnel, Self::Nginx, Self::BareTap, Self::Landfall];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Tunnel => "tunnel",
            Self::Nginx => "nginx",
            Self::BareTap => "bare-tap",
            Self::Landfall => "landfall",
        }
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
    pub(crate) nginx: Option<&'a Path>,
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
                let Some(binary) = place.nginx else { return Ok(None) };
                let (certificates, keepalive) = (place.certificates, place.keepalive);
                let started =
                    nginx::start(binary, certificates, directory.path(), origin, keepalive);
                let (running, address) = started.await?;
                (Some(running), Way::new(address, false, &root)?)
            }
            Kind::Landfall => {
                let (binary, certificates) = (place.landfall, place.certificates);
                let started = landfall::start(binary, certificates, directory.path(), origin);
                let (running, address, authority) = started.await?;
                (Some(running), Way::new(address, true, &authority)?)
            }
        };
        Ok(Some(Self { kind, way, running, _directory: directory }))
    }

    pub(crate) fn cost(&self) -> Cost {
        self.running.as_ref().map(Running::cost).unwrap_or_default()
    }
}
