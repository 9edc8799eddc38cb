//! `cargo xtask fuzz`: the fuzz targets below `crates/*/fuzz/fuzz_targets`, with cargo-fuzz on the
//! stable toolchain. No address sanitizer: our code has no `unsafe`, so what there is to find are
//! panics, overflows, endless loops and broken promises, and those are found faster without.

use crate::command::{self, cargo};
use crate::steps::Steps;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to fuzz and for how long.
pub(crate) struct Options {
    target: Option<String>,
    seconds: u32,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self { target: None, seconds: DEFAULT_SECONDS };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if *word == "--seconds" {
                let number = rest.next().and_then(|number| number.parse().ok());
                options.seconds = number.ok_or("--seconds wants a number")?;
            } else if word.starts_with('-') || options.target.is_some() {
                return Err(format!("fuzz does not know `{}`", word.escape_debug()));
            } else {
                options.target = Some((*word).to_owned());
            }
        }
        Ok(options)
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<bool, String> {
    let mut targets = targets(root)?;
    if let Some(wanted) = &options.target {
        targets.retain(|target| target.name == *wanted);
    }
    if targets.is_empty() {
        return Err("there is no such fuzz target below crates/*/fuzz/fuzz_targets".into());
    }
    let tool = provide_cargo_fuzz(root)?;
    let mut steps = Steps::default();
    for target in targets {
        let mut line = None;
        steps.step(&target.name, || {
            let (passed, told) = target.run(root, &tool, options.seconds)?;
            println!("{told}");
            line = Some(told);
            Ok(passed)
        });
        steps.keep_lines(line.into_iter().collect());
    }
    Ok(steps.conclude())
}

struct Target {
    name: String,
    crate_directory: PathBuf,
}

impl Target {
    /// Builds and runs it. Whether it ended without a finding, and the line that says what came out.
    fn run(&self, root: &Path, tool: &Path, seconds: u32) -> Result<(bool, String), String> {
        let built = root.join("target/fuzz");
        provide_directory(&built)?;
        let log = built.join(format!("{}.log", self.name));
        let failed = |error| format!("{}: {error}", log.display());
        let output = File::create(&log).map_err(failed)?;
        let mut fuzz = Command::new(tool);
        fuzz.current_dir(&self.crate_directory)
            .env("CARGO_TARGET_DIR", &built)
            .args(["fuzz", "run", "--sanitizer", "none", &self.name])
            .args(self.inputs()?)
            .args(["--", "-print_final_stats=1", "-timeout=10"])
            .arg(format!("-max_total_time={seconds}"))
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output);
        let passed = command::run(&mut fuzz)?;
        let output = fs::read(&log).map_err(failed)?;
        let output = String::from_utf8_lossy(&output);
        if !passed {
            let above = output.lines().count().saturating_sub(SHOWN_LINES);
            output.lines().skip(above).for_each(|line| println!("{line}"));
            println!("(the whole output: {})", log.display());
        }
        Ok((passed, format!("{}: {}", self.name, told(&output))))
    }

    /// Where its inputs lie: what earlier runs found, to which this one adds, and the seeds that
    /// are kept with the sources.
    fn inputs(&self) -> Result<Vec<PathBuf>, String> {
        let corpus = self.crate_directory.join("fuzz/corpus").join(&self.name);
        provide_directory(&corpus)?;
        let seeds = self.crate_directory.join("fuzz/seeds").join(&self.name);
        Ok([corpus, seeds].into_iter().filter(|path| path.is_dir()).collect())
    }
}

fn provide_directory(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// What libFuzzer's output says of executions, coverage (edges, and features: edges with how often
/// they were passed) and the finding, at which it stops.
fn told(output: &str) -> String {
    let last = |name: &str| {
        let word =
            |line: &str| Some(line.split_once(name)?.1.split_whitespace().next()?.to_owned());
        output.lines().rev().find_map(word)
    };
    let Some(executions) = last("stat::number_of_executed_units:") else {
        return "did not run".to_owned();
    };
    let [cov, ft] = [" cov: ", " ft: "].map(|name| last(name).unwrap_or_default());
    let finding = output.lines().find_map(|line| line.strip_prefix("SUMMARY: libFuzzer: "));
    let finding = finding.unwrap_or("no finding");
    format!("{executions} executions, cov {cov}, ft {ft}, {finding}")
}

fn targets(root: &Path) -> Result<Vec<Target>, String> {
    let mut found = Vec::new();
    for crate_directory in entries(&root.join("crates"))? {
        let sources = crate_directory.join("fuzz/fuzz_targets");
        if !sources.is_dir() {
            continue;
        }
        for source in entries(&sources)? {
            if let Some(name) =
                source.file_stem().filter(|_| source.extension() == Some("rs".as_ref()))
            {
                let name = name.to_string_lossy().into_owned();
                found.push(Target { name, crate_directory: crate_directory.clone() });
            }
        }
    }
    Ok(found)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let list =
        fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut paths: Vec<PathBuf> = list.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// The cargo-fuzz of the search path, else one below `target`, installed once.
fn provide_cargo_fuzz(root: &Path) -> Result<PathBuf, String> {
    if command::is_installed("cargo-fuzz") {
        return Ok("cargo-fuzz".into());
    }
    let tools = root.join("target/tools");
    let tool = tools.join("bin/cargo-fuzz");
    if !tool.exists() {
        let mut install = cargo();
        install.args(["install", "--locked", "cargo-fuzz", "--version", "0.13.1", "--root"]);
        if !command::run(install.arg(&tools))? {
            return Err("cargo-fuzz could not be installed".into());
        }
    }
    Ok(tool)
}

const DEFAULT_SECONDS: u32 = 60;

/// Lines of the output that are shown when a target fails.
const SHOWN_LINES: usize = 60;

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn the_line_of_a_run_says_how_far_it_came_and_what_it_found() {
        let progress =
            "#2\tINITED cov: 9 ft: 9 corp: 1/1b\n#512\tpulse  cov: 70 ft: 81 corp: 2/9b\n";
        let stats = "stat::number_of_executed_units: 1024\n";
        let clean = format!("{progress}Done 1024 runs in 2 second(s)\n{stats}");
        assert_eq!(told(&clean), "1024 executions, cov 70, ft 81, no finding");
        let found = format!("{progress}SUMMARY: libFuzzer: deadly signal\n{stats}");
        assert_eq!(told(&found), "1024 executions, cov 70, ft 81, deadly signal");
        assert_eq!(told("error: could not compile"), "did not run");
    }
}
