//! A run of named steps: each is timed, all results are shown at the end, one failure fails the
//! whole. A step that cannot start without a failed one is left out and counts as failed.

use std::time::{Duration, Instant};

/// The steps done so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
    closing_lines: Vec<String>,
}

struct Done {
    name: String,
    took: Duration,
    end: End,
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Passed,
    Failed,
    /// Not started, because a step before it failed.
    LeftOut,
}

impl Steps {
    /// Does a step and says whether it passed. An error is printed and counts as a failure.
    pub(crate) fn step(&mut self, name: &str, body: impl FnOnce() -> Result<bool, String>) -> End {
        println!("\n== {name}");
        let begun = Instant::now();
        let end = match body() {
            Ok(true) => End::Passed,
            Ok(false) => End::Failed,
            Err(problem) => {
                eprintln!("error: {problem}");
                End::Failed
            }
        };
        self.done.push(Done { name: name.to_owned(), took: begun.elapsed(), end });
        end
    }

    /// The same, provided that `before` passed.
    pub(crate) fn step_after(
        &mut self,
        before: End,
        name: &str,
        body: impl FnOnce() -> Result<bool, String>,
    ) -> End {
        if before == End::Passed {
            return self.step(name, body);
        }
        self.done.push(Done { name: name.to_owned(), took: Duration::ZERO, end: End::LeftOut });
        End::LeftOut
    }

    /// Lines of the test runners to be shown again at the end.
    pub(crate) fn keep_lines(&mut self, lines: Vec<String>) {
        self.closing_lines.extend(lines);
    }

    /// Prints what the test runners said and the time table; true when every step passed.
    pub(crate) fn conclude(self) -> bool {
        println!();
        for line in &self.closing_lines {
            println!("{line}");
        }
        println!();
        for step in &self.done {
            let word = match step.end {
                End::Passed => "passed",
                End::Failed => "FAILED",
                End::LeftOut => "left out",
            };
            println!("{:<28} {:>9}  {word}", step.name, seconds(step.took));
        }
        let total = self.done.iter().map(|step| step.took).sum();
        let passed = self.done.iter().all(|step| step.end == End::Passed);
        let word = if passed { "passed" } else { "FAILED" };
        println!("{:<28} {:>9}  {word}", "all", seconds(total));
        passed
    }
}

fn seconds(time: Duration) -> String {
    format!("{}:{:04.1}", time.as_secs() / 60, time.as_secs_f64() % 60.0)
}
