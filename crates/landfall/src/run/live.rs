//! The live lines of a run on stdout: one per exchange, and one per connection that holds none. A
//! thread of its own writes them, so that a slow terminal holds up nothing; what it misses then is
//! counted, and is in the record all the same.

use super::line::{Layout, Parts};
use crate::args::LiveFormat;
use crate::clock;
use crate::error::{Error, chain};
use crate::output::cell::short_time;
use crate::output::colour::When;
use crate::output::escape::write_json;
use crate::output::terminal_width;
use evidence::shape::NoticeShape;
use flow::annotation::Location;
use flow::id::ConnectionId;
use flow::treatment::Treatment;
use recorder::record::value::Wall;
use recorder::{Moment, Notice};
use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::time::{Duration, SystemTime};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::oneshot;

/// The thread that prints.
pub(super) struct Live {
    format: LiveFormat,
    ended: oneshot::Receiver<()>,
}

impl Live {
    /// Prints notices until their channel ends.
    pub(super) fn start(
        notices: Receiver<Notice>,
        colour: When,
        format: Option<LiveFormat>,
        simulated: bool,
    ) -> Result<Self, Error> {
        let terminal = std::io::stdout().is_terminal();
        let default = if terminal { LiveFormat::Table } else { LiveFormat::Jsonl };
        let format = format.unwrap_or(default);
        let printer = Printer {
            format,
            colours: colour.applies(terminal),
            terminal,
            simulated,
            with_exchanges: HashSet::new(),
        };
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("live".to_owned())
            .spawn(move || {
                printer.run(notices);
                // Nobody waits any more when the run was interrupted.
                let _nobody_waits = end.send(());
            })
            .map_err(|error| Error::runtime("a thread did not start").because(&error))?;
        Ok(Self { format, ended })
    }

    /// Waits for the last lines, and says below them that no more will come because of an error.
    pub(super) async fn stopped(self, error: &dyn std::error::Error) {
        let format = self.format;
        self.finish().await;
        let text = match format {
            // The banner says why, mostly on the same terminal.
            LiveFormat::Table => "… no more lines: recording stopped\n".to_owned(),
            LiveFormat::Jsonl => {
                let at = Wall(clock::wall(SystemTime::now())).to_string();
                let because: Vec<String> = chain(error).into_iter().skip(1).collect();
                let stopped = error.to_string();
                let line = serde_json::json!(
                    {"schema": 1, "time": at, "stopped": stopped, "because": because}
                );
                format!("{line}\n")
            }
        };
        let writing = tokio::task::spawn_blocking(move || {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        });
        // Whoever read the lines is gone, or takes none; the banner says it too.
        drop(tokio::time::timeout(LAST_LINES, writing).await);
    }

    /// Waits for the last lines, but not for a stdout that takes none.
    pub(super) async fn finish(self) {
        drop(tokio::time::timeout(LAST_LINES, self.ended).await);
    }
}

struct Printer {
    format: LiveFormat,
    colours: bool,
    /// Lines are cut to its width.
    terminal: bool,
    simulated: bool,
    /// Running connections that were shown by their exchanges.
    with_exchanges: HashSet<ConnectionId>,
}

impl Printer {
    fn run(mut self, mut notices: Receiver<Notice>) {
        let mut lines = Vec::new();
        loop {
            // What has come meanwhile is written together with what was waited for.
            let next = if lines.is_empty() {
                notices.blocking_recv()
            } else {
                match notices.try_recv() {
                    Ok(notice) => Ok(notice),
                    Err(TryRecvError::Lagged(count)) => Err(RecvError::Lagged(count)),
                    // Where it has ended, the next wait says so.
                    Err(TryRecvError::Empty | TryRecvError::Closed) => {
                        if !write_out(&mut lines) {
                            return;
                        }
                        // Lines gather meanwhile: a wake for each costs more than the line.
                        std::thread::sleep(GATHER_TIME);
                        continue;
                    }
                }
            };
            match next {
                Ok(notice) if self.is_worth_a_line(&notice) => self.write(&notice, &mut lines),
                Ok(_) => {}
                Err(RecvError::Lagged(count)) => self.lagged(count, &mut lines),
                Err(RecvError::Closed) => return,
            }
            if lines.len() >= TOGETHER_BYTES && !write_out(&mut lines) {
                return;
            }
        }
    }

    /// An exchange is; so is the treatment of a connection in which none can be seen; so is the end
    /// of one in which none was.
    fn is_worth_a_line(&mut self, notice: &Notice) -> bool {
        let connection = notice.flow.connection();
        match notice.moment {
            Moment::Exchanged(_) => {
                if self.with_exchanges.len() >= MOST_CONNECTIONS {
                    self.with_exchanges.clear();
                }
                self.with_exchanges.insert(connection);
                true
            }
            Moment::Treated => !may_hold_exchanges(notice),
            Moment::Closed => {
                let shown = self.with_exchanges.remove(&connection);
                !shown && may_hold_exchanges(notice)
            }
        }
    }

    fn write(&self, notice: &Notice, line: &mut Vec<u8>) {
        match self.format {
            LiveFormat::Jsonl => {
                // A notice has nothing that JSON cannot express.
                let written = write_json(line, &NoticeShape::new(notice, self.simulated));
                debug_assert!(written.is_ok());
            }
            LiveFormat::Table => line.extend_from_slice(self.text(notice).as_bytes()),
        }
        line.push(b'\n');
    }

    fn text(&self, notice: &Notice) -> String {
        let time = Wall(notice.at.wall).to_string();
        let time = short_time(&time);
        let id = notice.flow.to_string();
        let device = notice.device.0.ip().to_string();
        let target = notice.target.as_ref();
        let host = target.map_or_else(|| "-".to_owned(), |target| target.host.to_string());
        let what = match &notice.moment {
            Moment::Exchanged(exchanged) => {
                let status = exchanged.status.map_or("-".to_owned(), |status| status.to_string());
                format!("{:<4} {status:>3} {}", exchanged.method, cut(&exchanged.path))
            }
            Moment::Treated | Moment::Closed => {
                target.map(|target| format!(":{}", target.port)).unwrap_or_default()
            }
        };
        let parts = Parts {
            clock: time.get(11..).unwrap_or(&time),
            id: &id,
            device: &device,
            treatment: notice.treatment.as_ref().map_or("undecided", Treatment::word),
            host: &host,
            what: &what,
            why: &why(notice),
            known: &known(notice),
            is_flagged: notice.destination.as_ref().is_some_and(|known| !known.flags.is_empty()),
            is_simulated: self.simulated,
        };
        // A terminal may have another width by now.
        let width = self.terminal.then(terminal_width);
        Layout { width, colours: self.colours }.line(&parts)
    }

    fn lagged(&self, count: u64, line: &mut Vec<u8>) {
        let text = match self.format {
            LiveFormat::Table => format!("… {count} lines skipped; the record holds them\n"),
            LiveFormat::Jsonl => format!("{{\"schema\":1,\"skipped\":{count}}}\n"),
        };
        line.extend_from_slice(text.as_bytes());
    }
}

/// Writes the lines; `false` when whoever read them is gone, while the recording goes on.
fn write_out(lines: &mut Vec<u8>) -> bool {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(lines).and_then(|()| out.flush());
    lines.clear();
    written.is_ok()
}

fn may_hold_exchanges(notice: &Notice) -> bool {
    matches!(notice.treatment, Some(Treatment::Intercepted | Treatment::Plaintext(_)))
}

/// Of what was not read as usual, why, and what can be done where a limit was in the way.
fn why(notice: &Notice) -> String {
    match &notice.treatment {
        Some(
            treatment @ (Treatment::Failed(_) | Treatment::Blocked(_) | Treatment::Passthrough(_)),
        ) => match treatment.hint() {
            Some(hint) => format!("{}; hint: {hint}", treatment.why()),
            None => treatment.why(),
        },
        _ => String::new(),
    }
}

/// Country, as tables have it, then operator and flags.
fn known(notice: &Notice) -> String {
    let Some(annotation) = &notice.destination else { return String::new() };
    let mut text = match (&annotation.location, &annotation.special_range) {
        (_, Some(range)) => range.clone(),
        (Location::Agreed { country, .. } | Location::Overridden { country }, None) => {
            country.to_string()
        }
        (Location::Disagreed { answers, .. }, None) => {
            let mut countries: Vec<_> =
                answers.iter().map(|(_, country)| country.to_string()).collect();
            countries.dedup();
            countries.join("≠")
        }
        (Location::Unknown, None) => "?".to_owned(),
    };
    if let Some(operator) = &annotation.operator {
        text.push(' ');
        text.push_str(&operator.group);
    }
    for flag in &annotation.flags {
        let mut words: Vec<_> = flag.reasons.iter().map(|reason| reason.word()).collect();
        words.dedup();
        text.push_str(&format!("; {}: {}", flag.policy, words.join(", ")));
    }
    text
}

/// A path without the end that fits no line.
fn cut(path: &str) -> String {
    match path.char_indices().nth(LONGEST_PATH) {
        Some((end, _)) => format!("{}…", path.get(..end).unwrap_or(path)),
        None => path.to_owned(),
    }
}

const LAST_LINES: Duration = Duration::from_secs(1);
/// Nobody sees it, and the recorder does not make as many notices meanwhile as it holds for a slow
/// reader.
const GATHER_TIME: Duration = Duration::from_millis(5);
/// Bytes of lines that are written at once.
const TOGETHER_BYTES: usize = 32 << 10;
const MOST_CONNECTIONS: usize = 100_000;
const LONGEST_PATH: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use flow::address::DeviceAddr;
    use flow::id::{ExchangeId, FlowId};
    use flow::time::{MonoNanos, Stamp, WallNanos};
    use flow::treatment::BlockedWhy;
    use recorder::Exchanged;

    fn notice(moment: Moment, treatment: Treatment) -> Notice {
        let connection = ConnectionId(7);
        let flow = match moment {
            Moment::Exchanged(_) => FlowId::Exchange(ExchangeId { connection, number: 1 }),
            Moment::Treated | Moment::Closed => FlowId::Connection(connection),
        };
        Notice {
            at: Stamp { wall: WallNanos(1_795_173_185_000_000_001), mono: MonoNanos(0) },
            flow,
            moment,
            device: DeviceAddr("192.168.1.7:50000".parse().unwrap()),
            target: Some(flow::address::Target::parse("a.example:443", None).unwrap()),
            treatment: Some(treatment),
            destination: None,
            bytes_up: 0,
            bytes_down: 0,
        }
    }

    fn printer(format: LiveFormat) -> Printer {
        Printer {
            format,
            colours: false,
            terminal: false,
            simulated: false,
            with_exchanges: HashSet::new(),
        }
    }

    #[test]
    fn every_connection_gets_a_line_once() {
        let mut printer = printer(LiveFormat::Table);
        let mut worth = |moment, treatment| printer.is_worth_a_line(&notice(moment, treatment));
        assert!(!worth(Moment::Treated, Treatment::Intercepted));
        assert!(worth(Moment::Exchanged(Exchanged::default()), Treatment::Intercepted));
        assert!(!worth(Moment::Closed, Treatment::Intercepted));
        assert!(worth(Moment::Closed, Treatment::Intercepted), "without an exchange");
        assert!(worth(Moment::Treated, Treatment::Blocked(BlockedWhy::OwnListener)));
        assert!(!worth(Moment::Closed, Treatment::Blocked(BlockedWhy::OwnListener)));
    }

    #[test]
    fn a_line_about_a_limit_names_its_key_and_what_helps() {
        let notice = notice(Moment::Treated, Treatment::Blocked(BlockedWhy::DeviceLimit(4)));
        let line = printer(LiveFormat::Table).text(&notice);
        assert!(line.contains("(limits.device-connections = 4); hint: raise"), "{line}");
    }

    #[test]
    fn lines_are_safe_and_say_what_happened() {
        let exchanged = Exchanged {
            protocol: None,
            method: "GET".to_owned(),
            path: "/\u{1b}[2J".to_owned(),
            authority: None,
            status: Some(200),
        };
        let notice = notice(Moment::Exchanged(exchanged), Treatment::Intercepted);
        assert_eq!(
            printer(LiveFormat::Table).text(&notice),
            "11:13:05 c7.1   192.168.1.7     intercepted a.example                    GET  200 /\\x1b[2J"
        );
        let mut line = Vec::new();
        printer(LiveFormat::Jsonl).write(&notice, &mut line);
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value.get("id").and_then(|id| id.as_str()), Some("c7.1"));
        assert_eq!(value.get("status").and_then(|status| status.as_u64()), Some(200));
    }
}
