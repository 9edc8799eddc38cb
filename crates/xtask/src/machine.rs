//! What the tests need of the machine: programs of the distribution, and Python packages in an
//! environment of their own. As root on Debian missing ones are installed, else they are named.

use crate::command;
use std::path::Path;
use std::process::Command;

/// Provides everything, or says what is missing.
pub(crate) fn prepare(root: &Path) -> Result<bool, String> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !need.is_there()).collect();
    if !missing.is_empty() && !install(&missing)? {
        return Ok(false);
    }
    python(root)
}

/// Something that must be there, and the Debian package that has it.
struct Need {
    what: What,
    package: &'static str,
}

enum What {
    /// A program in the search path.
    Program(&'static str),
    File(&'static str),
    /// A module of the system's Python.
    PythonModule(&'static str),
}

impl Need {
    fn is_there(&self) -> bool {
        match self.what {
            What::Program(name) => command::is_installed(name),
            What::File(path) => Path::new(path).exists(),
            What::PythonModule(name) => {
                let import = format!("import {name}");
                command::capture(Command::new(PYTHON).args(["-c", &import]))
                    .is_ok_and(|(imported, _, _)| imported)
            }
        }
    }

    fn name(&self) -> &'static str {
        match self.what {
            What::Program(name) | What::File(name) | What::PythonModule(name) => name,
        }
    }
}

fn install(missing: &[&Need]) -> Result<bool, String> {
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !(is_root()? && Path::new("/etc/debian_version").exists()) {
        for need in missing {
            println!("missing: {} (Debian package {})", need.name(), need.package);
        }
        println!("hint: apt-get install {}", packages.join(" "));
        return Ok(false);
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]);
        apt
    };
    if !command::run(apt().arg("update"))? {
        println!("the package lists could not be brought up to date; going on with the old ones");
    }
    command::run(apt().args(["install", "--no-install-recommends"]).args(packages))
}

/// The tests' Python, with the packages at the versions of `tests/requirements.txt`.
fn python(root: &Path) -> Result<bool, String> {
    let environment = root.join(ENVIRONMENT);
    let wanted = root.join("tests/requirements.txt");
    let installed = environment.join("installed.txt");
    let read = |path: &Path| std::fs::read(path).ok();
    if read(&installed).is_some() && read(&installed) == read(&wanted) {
        return Ok(true);
    }
    let mut create = Command::new(PYTHON);
    // The system's packages are seen as well: the IPFire library is among them.
    create.args(["-m", "venv", "--clear", "--system-site-packages"]);
    if !command::run(create.arg(&environment))? {
        return Ok(false);
    }
    let mut pip = python_command(root);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    if !command::run(pip.arg(&wanted))? {
        return Ok(false);
    }
    std::fs::copy(&wanted, &installed).map_err(|error| error.to_string())?;
    Ok(true)
}

/// The interpreter of the tests' own environment.
pub(crate) fn python_command(root: &Path) -> Command {
    Command::new(root.join(ENVIRONMENT).join("bin/python"))
}

fn is_root() -> Result<bool, String> {
    let (_, user, _) = command::capture(Command::new("id").arg("-u"))?;
    Ok(user.trim() == "0")
}

/// The system's interpreter, so that another one in the search path cannot change the outcome.
const PYTHON: &str = "/usr/bin/python3";

/// Where the tests' own Python environment lies, below the root.
const ENVIRONMENT: &str = "target/python";

const NEEDS: &[Need] = &[
    Need { what: What::Program("cc"), package: "gcc" },
    Need { what: What::Program("chromium"), package: "chromium" },
    Need { what: What::Program("curl"), package: "curl" },
    Need { what: What::File("/etc/ssl/certs/ca-certificates.crt"), package: "ca-certificates" },
    Need { what: What::Program("openssl"), package: "openssl" },
    Need { what: What::Program("ssh-keygen"), package: "openssh-client" },
    Need { what: What::Program("nghttp"), package: "nghttp2-client" },
    Need { what: What::Program("nghttpd"), package: "nghttp2-server" },
    Need { what: What::Program("strace"), package: "strace" },
    Need { what: What::Program("ip"), package: "iproute2" },
    Need { what: What::Program("nft"), package: "nftables" },
    Need { what: What::Program("sysctl"), package: "procps" },
    Need { what: What::Program("unzip"), package: "unzip" },
    Need { what: What::Program("certutil"), package: "libnss3-tools" },
    Need { what: What::File(PYTHON), package: "python3" },
    Need { what: What::PythonModule("ensurepip"), package: "python3-venv" },
    Need { what: What::PythonModule("location"), package: "python3-location" },
];
