//! A case: one data directory with its configuration, in which Landfall is run, and asked
//! afterwards. Everything lies in a directory that goes when the case goes.

use crate::landfall::Landfall;
use crate::test_ca::TestCa;
use crate::tool::{self, Output, SHORT};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A data directory, the names and addresses that are simulated in it, and further settings.
pub struct Case {
    directory: TempDir,
    ca: TestCa,
    resolve: String,
    dial: String,
    settings: String,
    flags: Vec<String>,
}

impl Case {
    pub fn new() -> Self {
        // On the disk that the product is built on: a memory disk has no fdatasync to measure.
        let parent = tool::target_directory().join("tmp");
        std::fs::create_dir_all(&parent).unwrap();
        let directory = tempfile::Builder::new().prefix("case").tempdir_in(parent).unwrap();
        let ca = TestCa::new();
        std::fs::write(directory.path().join(UPSTREAM_CA), ca.pem()).unwrap();
        let (resolve, dial, settings) = <(String, String, String)>::default();
        Self { directory, ca, resolve, dial, settings, flags: Vec::new() }
    }

    /// The authority of the test servers.
    pub fn ca(&self) -> &TestCa {
        &self.ca
    }

    /// Lets a name resolve to an address, and dials a socket in the address's place.
    pub fn place(&mut self, name: &str, address: &str, socket: SocketAddr) {
        self.name(name, &[], address);
        self.dial(address, socket);
    }

    /// Lets a name resolve to an address, by way of these canonical names.
    pub fn name(&mut self, name: &str, cnames: &[&str], address: &str) {
        let line = format!("{name:?} = {{ cnames = {cnames:?}, addresses = [{address:?}] }}");
        writeln!(self.resolve, "{line}").unwrap();
    }

    /// Dials a socket in an address's place.
    pub fn dial(&mut self, address: &str, socket: SocketAddr) {
        writeln!(self.dial, "{address:?} = \"{socket}\"").unwrap();
    }

    /// Adds lines to the configuration file; they come first, so tables must be closed ones.
    pub fn setting(&mut self, line: &str) {
        writeln!(self.settings, "{line}").unwrap();
    }

    /// Adds an option of `landfall run`.
    pub fn flag(&mut self, flag: &str) {
        self.flags.push(flag.to_owned());
    }

    /// Starts `landfall run` and waits until it serves.
    pub fn start(&self) -> Landfall {
        Landfall::start(self.run_command(tool::command(&binary())))
    }

    /// The same under another program, whose arguments are given up to the command to run.
    pub fn start_under(&self, mut wrapper: Command) -> Landfall {
        wrapper.arg(binary());
        Landfall::start(self.run_command(wrapper))
    }

    /// Runs another verb of Landfall on this case's data.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tool::run(&mut command, SHORT)
    }

    /// Another verb, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.write_config();
        let mut command = tool::command(&binary());
        command.args(arguments).arg("--data").arg(self.data());
        command.arg("--config").arg(self.path(CONFIG));
        command
    }

    /// The lines that a verb prints as JSON lines.
    #[track_caller]
    pub fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.cli(&[arguments, &["-o", "jsonl"]].concat()).expect_success();
        output.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `flow list` of the newest session, with a filter unless it is empty.
    #[track_caller]
    pub fn flows(&self, filter: &str) -> Vec<Value> {
        let filter: Vec<&str> = Some(filter).filter(|text| !text.is_empty()).into_iter().collect();
        self.rows(&[&["flow", "list"], filter.as_slice()].concat())
    }

    /// The one flow that a filter leaves.
    #[track_caller]
    pub fn flow(&self, filter: &str) -> Value {
        let mut flows = self.flows(filter);
        assert_eq!(flows.len(), 1, "{filter}: {flows:#?}\nall: {:#?}", self.flows(""));
        flows.remove(0)
    }

    /// The bytes that were kept give every exchange and message of the session again.
    #[track_caller]
    pub fn expect_observed_again(&self) {
        let output = self.cli(&["session", "reobserve", "-o", "jsonl"]).expect_success();
        assert_eq!(output.text(), "");
        assert!(output.error_text().ends_with(": identical\n"), "{}", output.error_text());
    }

    /// Landfall's authority, exported as a user would.
    #[track_caller]
    pub fn authority(&self) -> PathBuf {
        let file = self.path("authority.pem");
        let name = file.to_string_lossy();
        self.cli(&["ca", "export", "--format", "pem", "-o", &name]).expect_success();
        file
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A place for a file beside the data directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run_command(&self, mut command: Command) -> Command {
        self.write_config();
        command.args(["run", "--listen", "127.0.0.1:0", "--data"]).arg(self.data());
        command.arg("--config").arg(self.path(CONFIG));
        command.arg("--upstream-ca").arg(self.path(UPSTREAM_CA)).args(&self.flags);
        command
    }

    fn write_config(&self) {
        let text =
            format!("{}\n[resolve]\n{}\n[dial]\n{}\n", self.settings, self.resolve, self.dial);
        // Whole at any time: other commands of this case may be starting.
        let mut file = tempfile::NamedTempFile::new_in(self.directory.path()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.persist(self.path(CONFIG)).unwrap();
    }
}

impl Default for Case {
    fn default() -> Self {
        Self::new()
    }
}

/// The release binary: `LANDFALL_BIN`, or where cargo puts it.
fn binary() -> String {
    let default = || tool::target_directory().join("release/landfall");
    let path = std::env::var_os("LANDFALL_BIN").map_or_else(default, PathBuf::from);
    assert!(Path::new(&path).exists(), "{} is missing: run `cargo xtask test`", path.display());
    path.to_string_lossy().into_owned()
}

const CONFIG: &str = "landfall.toml";
const UPSTREAM_CA: &str = "upstream-ca.pem";
