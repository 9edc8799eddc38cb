//! `cargo xtask fuzz`: the fuzz targets below `crates/*/fuzz/fuzz_targets`, with cargo-fuzz on the
//! pinned toolchain. cargo-fuzz wants unstable compiler flags, hence `RUSTC_BOOTSTRAP`.

use crate::command::{self, cargo};
use crate::steps::Steps;
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
        steps.step(&target.name, || {
            let mut fuzz = Command::new(&tool);
            fuzz.current_dir(&target.crate_directory)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_DIR", root.join("target/fuzz"))
                .args(["fuzz", "run", &target.name, "--"])
                .arg(format!("-max_total_time={}", options.seconds));
            command::run(&mut fuzz)
        });
    }
    Ok(steps.conclude())
}

struct Target {
    name: String,
    crate_directory: PathBuf,
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
    let list = std::fs::read_dir(directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
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
