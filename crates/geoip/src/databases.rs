//! The set of databases that is asked: opened and fully checked once, then read only. It knows
//! which sources there are and in which order they are asked; what answers mean is decided in
//! [`crate::annotate`].

use crate::annotate::annotation;
use crate::bundle;
use crate::config::Config;
use crate::error::Error;
use crate::ipfire::Ipfire;
use crate::manifest::{Entry, Kind, Manifest};
use crate::mmdb::{Meaning, Mmdb};
use crate::operators::Operators;
use crate::overrides::Overrides;
use crate::policy::Policies;
use crate::registry::Registry;
use crate::set::{Set, SetId};
use crate::source_name;
use crate::special::SpecialRanges;
use crate::status::DatabaseStatus;
use crate::store;
use crate::user_files;
use crate::verification::unpacked_entry;
use flow::address::DnsName;
use flow::address::unwrapped;
use flow::annotation::Annotation;
use flow::claim::{Asn, Claim, Statement};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// An open set of databases. It never changes; share it behind an `Arc`.
#[derive(Debug)]
pub struct Databases {
    overrides: Overrides,
    special: SpecialRanges,
    dbip: Mmdb,
    ipfire: Ipfire,
    registry: Registry,
    iptoasn: Mmdb,
    users: Vec<Mmdb>,
    operators: Operators,
    policies: Policies,
    status: Vec<DatabaseStatus>,
    set: SetId,
}

impl Databases {
    /// Opens the files of the chosen set, unpacking the bundled ones at their first use, and the
    /// user's own, and checks all of them: those of the set by their hash, the user's by a walk of
    /// everything in them.
    ///
    /// # Errors
    /// Every file that is missing, broken or changed is an error that names it, with a
    /// [`Error::hint`]. No database is left out silently.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let overrides = Overrides::new(config.overrides.clone())?;
        let manifest = Manifest::parse(bundle::MANIFEST)?;
        let set = Set::choose(&config.data_dir, &config.set)?;
        let mut opening = Opening { data_dir: &config.data_dir, status: Vec::new() };
        let dbip = opening.mmdb(set.entry(source_name::DBIP)?)?;
        let ipfire = opening.ipfire(set.entry(source_name::IPFIRE)?)?;
        let registry = opening.registry();
        let iptoasn = opening.mmdb(set.entry(source_name::IPTOASN)?)?;
        set.keep(&config.data_dir)?;
        let operators = opening.operators(
            manifest.entry(source_name::OPERATORS, Kind::Operators)?,
            manifest.entry(source_name::CNAME_SUFFIXES, Kind::CnameSuffixes)?,
        )?;
        let mut users = Vec::new();
        for path in user_files::paths(&config.data_dir, &config.extra_mmdb)? {
            let (mmdb, status) = user_files::open(&path, &opening.status)?;
            users.push(mmdb);
            opening.status.push(status);
        }
        let special = SpecialRanges::new();
        let (status, set, policies) = (opening.status, set.id, config.policies.clone());
        Ok(Self {
            overrides,
            special,
            dbip,
            ipfire,
            registry,
            iptoasn,
            users,
            operators,
            status,
            set,
            policies,
        })
    }

    /// What is known of `address`, and of who runs it by `names`: the host's name and its aliases
    /// (the CNAME chain), in that order. `port` is that of a connection, which policies may ask for.
    pub fn annotate(&self, address: IpAddr, names: &[DnsName], port: Option<u16>) -> Annotation {
        let asked_about = unwrapped(address);
        let mut claims = Vec::with_capacity(USUAL_CLAIMS);
        self.overrides.claim(
            asked_about,
            |asn| self.ipfire.as_name(asn),
            |group| self.operators.headquarters(group),
            &mut claims,
        );
        let asked = match self.special.claim(asked_about) {
            Some(claim) => {
                claims.push(claim);
                0
            }
            None => self.ask_databases(asked_about, &mut claims),
        };
        self.ask_operators(names, &mut claims);
        let mut annotation = annotation(address, claims, asked);
        annotation.flags = self.policies.flags_of_asked(&annotation, names, port, asked);
        annotation
    }

    /// What makes a person look at an address.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// What the set consists of, in the order in which it is asked.
    pub fn status(&self) -> Vec<DatabaseStatus> {
        self.status.clone()
    }

    /// The set of the publishers' databases among them.
    pub fn set(&self) -> &SetId {
        &self.set
    }

    /// The notices that must stand wherever results are shown.
    pub fn attributions(&self) -> Vec<String> {
        let mut notices: Vec<String> = Vec::new();
        for notice in self.status.iter().filter_map(|status| status.attribution.as_ref()) {
            if !notices.contains(notice) {
                notices.push(notice.clone());
            }
        }
        notices
    }

    /// Asks every database; the number of those asked that vote on location.
    fn ask_databases(&self, address: IpAddr, claims: &mut Vec<Claim>) -> usize {
        self.dbip.claim(address, claims);
        self.ipfire.claim(address, claims);
        self.registry.claim(address, claims);
        self.iptoasn.claim(address, claims);
        for user in &self.users {
            user.claim(address, claims);
        }
        let voting = |mmdb: &&Mmdb| mmdb.locates() && mmdb.covers(address);
        // The IPFire database covers both families.
        1 + [&self.dbip].into_iter().chain(&self.users).filter(voting).count()
    }

    /// Adds the operators of each AS that was named and of each name.
    fn ask_operators(&self, names: &[DnsName], claims: &mut Vec<Claim>) {
        let mut systems: Vec<Asn> = Vec::new();
        for claim in claims.iter() {
            if let Statement::OriginAs { asn, .. } = claim.statement
                && !systems.contains(&asn)
            {
                systems.push(asn);
            }
        }
        claims.extend(systems.into_iter().filter_map(|asn| self.operators.of_as(asn)));
        claims.extend(names.iter().filter_map(|name| self.operators.of_name(name)));
    }
}

/// The steps of opening the bundled sources; each notes what it opened.
struct Opening<'a> {
    data_dir: &'a Path,
    status: Vec<DatabaseStatus>,
}

impl Opening<'_> {
    fn mmdb(&mut self, entry: &Entry) -> Result<Mmdb, Error> {
        let path = unpacked_entry(self.data_dir, entry)?;
        let bytes = store::read_checked(&path, entry)?;
        let meaning = match entry.kind {
            Kind::AsRegistration => Meaning::AsRegistration,
            Kind::Location | Kind::Operators | Kind::CnameSuffixes | Kind::Shapes => {
                Meaning::Location
            }
        };
        let mmdb = Mmdb::published(&path, bytes, entry.source(), meaning)?;
        self.note(entry, Some(path));
        Ok(mmdb)
    }

    fn ipfire(&mut self, entry: &Entry) -> Result<Ipfire, Error> {
        let path = unpacked_entry(self.data_dir, entry)?;
        store::check(&path, entry)?;
        let ipfire = Ipfire::open(&path, entry.source())?;
        self.note(entry, Some(path));
        Ok(ipfire)
    }

    fn registry(&mut self) -> Registry {
        let registry = Registry::new();
        self.status.push(registry.status());
        registry
    }

    fn operators(&mut self, systems: &Entry, suffixes: &Entry) -> Result<Operators, Error> {
        let operators = Operators::parse(
            (store::built_in(systems, bundle::OPERATORS)?, systems.source()),
            (store::built_in(suffixes, bundle::CNAME_SUFFIXES)?, suffixes.source()),
        )?;
        self.note(systems, None);
        self.note(suffixes, None);
        Ok(operators)
    }

    fn note(&mut self, entry: &Entry, path: Option<PathBuf>) {
        self.status.push(DatabaseStatus::of(entry, path));
    }
}

/// Claims of the bundled sources about an ordinary address.
const USUAL_CLAIMS: usize = 12;
