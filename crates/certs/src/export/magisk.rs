//! A module that puts the certificate into Android's system store while it is installed: on top of
//! `/system` without a script, and from Android 14 on, where the store moved into a read-only APEX,
//! by a script at boot. For rooted test devices. The layout is that of Magisk's developer guide.

use super::zip::{self, Entry};
use crate::error::Error;

/// The module's archive. `store_name` is the certificate's name in the system store.
pub(super) fn module(name: &str, store_name: &str, pem: &str) -> Result<Vec<u8>, Error> {
    // One line: the name may hold anything that a certificate can.
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let prop = format!(
        "id=landfall-authority\nname={name}\nversion={store_name}\nversionCode=1\n\
         author=Landfall\ndescription=Trusts the authority {name} system-wide. For test devices \
         only: remove this module when the work is done.\n"
    );
    let script = include_str!("post-fs-data.sh").replace("{store-name}", store_name);
    let certificate = format!("system/etc/security/cacerts/{store_name}");
    let entry = |name, mode, bytes| Entry { name, mode, bytes };
    zip::archive(&[
        entry("META-INF/com/google/android/update-binary", 0o755, UPDATE_BINARY),
        entry("META-INF/com/google/android/updater-script", 0o644, b"#MAGISK\n"),
        entry("module.prop", 0o644, prop.as_bytes()),
        entry("post-fs-data.sh", 0o755, script.as_bytes()),
        entry(&certificate, 0o644, pem.as_bytes()),
    ])
}

/// What a recovery runs: hands the archive to the installer of the Magisk on the device.
const UPDATE_BINARY: &[u8] = b"#!/sbin/sh
OUTFD=$2
ZIPFILE=$3
umask 022
mount /data 2>/dev/null
. /data/adb/magisk/util_functions.sh || exit 1
install_module
exit 0
";
