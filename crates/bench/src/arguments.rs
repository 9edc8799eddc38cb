//! The command line: few options, read by hand.

use crate::work::Work;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What is to be done, and how much of it.
pub(crate) struct Arguments {
    pub(crate) verb: Verb,
    /// Rounds of each work; every subject has its turn in each.
    pub(crate) rounds: usize,
    /// A tenth of the work, to see that everything runs.
    pub(crate) quick: bool,
    pub(crate) json: bool,
    /// The binary to measure.
    pub(crate) landfall: PathBuf,
    pub(crate) works: Vec<Work>,
    /// Words of the subjects; empty for all.
    pub(crate) subjects: Vec<String>,
}

/// The last three are what the suite starts.
pub(crate) enum Verb {
    Help,
    Suite,
    /// Parts of Landfall in isolation.
    Parts,
    /// Those of them that are about destinations.
    Destinations,
    Origin(PathBuf),
    Tunnel(SocketAddr),
    BareTap(PathBuf, SocketAddr),
}

impl Arguments {
    /// Reads them; what is wrong is answered with the usage.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self {
            verb: Verb::Suite,
            rounds: 5,
            quick: false,
            json: false,
            landfall: "target/release/landfall".into(),
            works: Vec::new(),
            subjects: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| refused(&word));
            match word.as_str() {
                "--quick" => read.quick = true,
                "--rounds" => read.rounds = value()?.parse().map_err(|_error| refused(&word))?,
                "--landfall" => read.landfall = value()?.into(),
                "--work" => {
                    let names = value()?;
                    for name in names.split(',') {
                        read.works.push(Work::named(name).ok_or_else(|| refused(name))?);
                    }
                }
                "--subject" => read.subjects.extend(value()?.split(',').map(str::to_owned)),
                "-o" => match value()?.as_str() {
                    "jsonl" => read.json = true,
                    "table" => read.json = false,
                    other => return Err(refused(other)),
                },
                "help" | "--help" | "-h" => read.verb = Verb::Help,
                "parts" => read.verb = Verb::Parts,
                "destinations" => read.verb = Verb::Destinations,
                "origin" => read.verb = Verb::Origin(value()?.into()),
                "tunnel" => read.verb = Verb::Tunnel(socket(&value()?)?),
                "bare-tap" => read.verb = Verb::BareTap(value()?.into(), socket(&value()?)?),
                _ => return Err(refused(&word)),
            }
        }
        if read.quick {
            read.rounds = read.rounds.min(2);
        }
        if read.works.is_empty() {
            read.works = Work::ALL.to_vec();
        }
        Ok(read)
    }
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_syntax| refused(text))
}

fn refused(word: &str) -> String {
    format!("cannot do `{}`\n\n{}", word.escape_debug(), usage())
}

pub(crate) fn usage() -> String {
    let works: Vec<_> = Work::ALL.iter().map(|work| work.name()).collect();
    format!("{USAGE}works: {}", works.join(", "))
}

const USAGE: &str = "\
usage: cargo xtask bench [parts|destinations] [options]

  parts                destinations, observers, record log and index in isolation
  destinations         of these, databases, addresses, distances and look-ups alone
  --quick              a tenth of the work, two rounds: to see that everything runs
  --rounds N           rounds of each work [default: 5]; the median is shown
  --work NAME,...      these works alone
  --subject NAME,...   these alone of direct, tunnel, nginx, bare-tap, landfall,
                       mitmdump, sslsplit [default: all that the machine has]
  --landfall FILE      the binary to measure [default: target/release/landfall]
  -o jsonl             one JSON object a line in place of the table

";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_and_others_refused() {
        let read = parse("--quick --work h1,idle --subject nginx -o jsonl").unwrap();
        assert!(read.quick && read.json);
        assert_eq!((read.rounds, read.works), (2, vec![Work::KeepAliveH1, Work::Idle]));
        assert!(parse("").unwrap().works.len() == Work::ALL.len());
        for wrong in ["--fast", "--work nothing", "--rounds", "--rounds x", "-o xml", "tunnel x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
