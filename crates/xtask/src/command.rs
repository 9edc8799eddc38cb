//! Running other programs: shown before they start, output passed on as it comes.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::process::{Command, Stdio};

/// Runs it with our own standard streams. `Ok(false)` when it exits with a failure.
pub(crate) fn run(command: &mut Command) -> Result<bool, String> {
    println!("$ {}", shown(command));
    let status = command.status().map_err(|error| could_not_start(command, &error))?;
    Ok(status.success())
}

/// Runs it, passes its output on, and returns those lines that `keep` picks.
pub(crate) fn run_keeping(
    command: &mut Command,
    keep: fn(&str) -> bool,
) -> Result<(bool, Vec<String>), String> {
    println!("$ {}", shown(command));
    // One pipe for both streams keeps their lines in order.
    let (reader, writer) = std::io::pipe().map_err(|error| format!("no pipe: {error}"))?;
    let error_writer = writer.try_clone().map_err(|error| format!("no pipe: {error}"))?;
    command.stdin(Stdio::null()).stdout(writer).stderr(error_writer);
    let mut child = command.spawn().map_err(|error| could_not_start(command, &error))?;
    // The command holds the writing ends: they must go before the pipe can end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let kept = pass_on(reader, keep)?;
    let status = child.wait().map_err(|error| format!("{}: {error}", shown(command)))?;
    Ok((status.success(), kept))
}

/// Runs it and returns exit success, standard output and standard error.
pub(crate) fn capture(command: &mut Command) -> Result<(bool, String, String), String> {
    let output = command.output().map_err(|error| could_not_start(command, &error))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.success(), text(&output.stdout), text(&output.stderr)))
}

/// Whether a program of that name is found in the search path or the system directories.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|directory| directory.join(program).is_file())
}

/// `cargo`, the one that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn pass_on(reader: impl Read, keep: fn(&str) -> bool) -> Result<Vec<String>, String> {
    let mut kept = Vec::new();
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if read == 0 {
            return Ok(kept);
        }
        let mut out = std::io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush()).map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&line);
        if keep(text.trim_end()) {
            kept.push(text.trim_end().to_owned());
        }
    }
}

fn could_not_start(command: &Command, error: &std::io::Error) -> String {
    format!("could not start `{}`: {error}", shown(command))
}

fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut line = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for argument in command.get_args() {
        // Writing to a String cannot fail.
        write!(line, " {}", argument.to_string_lossy()).unwrap_or_default();
    }
    line
}
