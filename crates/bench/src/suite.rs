//! The whole comparison: for each work the subjects are started, have their turns in rounds, and end.

use crate::arguments::Arguments;
use crate::certificates;
use crate::landfall::FRESH_HOSTS;
use crate::measure::Sample;
use crate::problem::Problem;
use crate::process::Running;
use crate::programs::Programs;
use crate::report::{self, Row};
use crate::subject::{Kind, Place, Subject};
use crate::work::Work;
use crate::{load, load_h2};
use std::fmt::Display;
use std::process::Command;
use std::time::Duration;

pub(crate) async fn run(arguments: &Arguments) -> Result<(), Problem> {
    if !arguments.landfall.is_file() {
        let file = arguments.landfall.display();
        return Err(format!("{file} is missing: run `cargo xtask bench`, which builds it").into());
    }
    // On the disk that the program is built on: on a memory disk nothing is ever made durable.
    let beside = std::env::current_exe()?;
    let parent = beside.parent().ok_or("the program lies nowhere")?;
    let directory = tempfile::Builder::new().prefix("bench").tempdir_in(parent)?;
    certificates::write(directory.path())?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("origin").arg(directory.path());
    let (_origin, address) = Running::start_ready(&mut command, false, "at=").await?;
    let programs = Programs::find();
    if programs.nginx.is_none() {
        eprintln!("nginx is not installed: its row is left out, and with it the ratios");
    }
    for (name, found) in [("mitmdump", &programs.mitmdump), ("sslsplit", &programs.sslsplit)] {
        if found.is_none() {
            eprintln!("{name} is not on PATH: not measured");
        }
    }
    report::heading(arguments);
    for work in arguments.works.iter().copied() {
        let place = Place {
            certificates: directory.path(),
            origin: address,
            landfall: &arguments.landfall,
            programs: &programs,
            fresh_hosts: if work == Work::FreshHosts { FRESH_HOSTS } else { 0 },
            keepalive: work.keepalive(),
        };
        let rows = measured(work, arguments, &place).await?;
        report::show(work, &rows, arguments.json);
    }
    Ok(())
}

async fn measured(
    work: Work,
    arguments: &Arguments,
    place: &Place<'_>,
) -> Result<Vec<Row>, Problem> {
    let wanted = |kind: &Kind| {
        let named = arguments.subjects.iter().any(|name| name == kind.name());
        kind.does(work) && (named || arguments.subjects.is_empty())
    };
    let mut subjects: Vec<(Subject, Vec<Sample>)> = Vec::new();
    for kind in Kind::ALL.into_iter().filter(wanted) {
        match Subject::start(kind, place).await {
            Ok(started) => subjects.extend(started.map(|subject| (subject, Vec::new()))),
            Err(problem) => left_out(kind, &problem)?,
        }
    }
    // Resident memory only grows within a process, so later rounds would measure less.
    let rounds = if work == Work::Idle { 1 } else { arguments.rounds };
    for round in 0..rounds {
        let mut going_on = Vec::new();
        for (subject, mut samples) in subjects {
            let one = one(work, &subject, arguments.quick, round);
            let sample = tokio::time::timeout(MOST_TIME, one).await;
            match sample.map_err(Problem::from).and_then(|done| done) {
                Ok(sample) => {
                    samples.push(sample);
                    going_on.push((subject, samples));
                }
                Err(problem) => left_out(subject.kind, &format!("{}: {problem}", work.name()))?,
            }
        }
        subjects = going_on;
    }
    let row = |(subject, samples): &(Subject, Vec<Sample>)| {
        Row::new(subject.kind, samples, subject.cost().peak_kib)
    };
    Ok(subjects.iter().map(row).collect())
}

/// A rival that fails is not measured; any other subject ends the run.
fn left_out(kind: Kind, problem: &dyn Display) -> Result<(), Problem> {
    if !kind.is_rival() {
        return Err(format!("{} failed: {problem}", kind.name()).into());
    }
    eprintln!("{} failed, so it is not measured: {problem}", kind.name());
    Ok(())
}

async fn one(work: Work, subject: &Subject, quick: bool, round: usize) -> Result<Sample, Problem> {
    let units = subject.kind.units(work, quick);
    match work {
        Work::KeepAliveH1 => load::keep_alive(subject, units).await,
        Work::KeepAliveH2 => load_h2::keep_alive(subject, units).await,
        Work::SameHost => load::fresh(subject, units, None).await,
        Work::FreshHosts => {
            let first = round * units;
            if first + units > FRESH_HOSTS {
                return Err(format!("there are {FRESH_HOSTS} fresh hosts only").into());
            }
            load::fresh(subject, units, Some(first)).await
        }
        Work::Download => load::download(subject, units).await,
        Work::Upload => load::upload(subject, units).await,
        Work::FirstByte => load::first_byte(subject, units).await,
        Work::Idle => load::idle(subject, units).await,
    }
}

/// Time for one turn of one subject.
const MOST_TIME: Duration = Duration::from_secs(120);
