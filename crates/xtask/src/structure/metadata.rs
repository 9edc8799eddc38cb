//! The packages of the dependency graph, as `cargo metadata` tells them.

use crate::command::{self, cargo};
use serde_json::Value;
use std::path::Path;

/// All packages, ours and others'.
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

/// What the checks want to know of a package.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    /// Ours: it has no source but a path in the workspace.
    pub(crate) ours: bool,
    /// Names of the packages of the workspace that it depends on, in any way.
    pub(crate) uses_ours: Vec<String>,
}

impl Metadata {
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut command = cargo();
        command.current_dir(root).args(["metadata", "--format-version", "1", "--locked"]);
        let (ok, json, problem) = command::capture(&mut command)?;
        if !ok {
            return Err(problem);
        }
        let value: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        let packages = value["packages"].as_array().ok_or("cargo metadata has no packages")?;
        Ok(Self { packages: packages.iter().map(package).collect() })
    }
}

fn package(value: &Value) -> Package {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let dependencies = value["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    Package {
        name: text("name").unwrap_or_default(),
        version: text("version").unwrap_or_default(),
        licence: text("license"),
        ours: value["source"].is_null(),
        uses_ours: dependencies
            .iter()
            .filter(|dependency| dependency["path"].is_string())
            .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
            .collect(),
    }
}
