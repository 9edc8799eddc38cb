//! A module that puts the certificate into Android's system store while it is installed: on top of
//! `/system` without a script, and from Android 14 on, where the store moved into a read-only APEX,
//! by a script at boot. For rooted test devices. The layout is that of Magisk's developer guide.

use crate::error::Error;
use archive::{Name, Writer};
use std::io::{Cursor, Write};

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
    let files: [(&str, u32, &[u8]); 5] = [
        ("META-INF/com/google/android/update-binary", 0o755, UPDATE_BINARY),
        ("META-INF/com/google/android/updater-script", 0o644, b"#MAGISK\n"),
        ("module.prop", 0o644, prop.as_bytes()),
        ("post-fs-data.sh", 0o755, script.as_bytes()),
        (&certificate, 0o644, pem.as_bytes()),
    ];
    archive(&files).map_err(Error::Archive)
}

fn archive(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>, archive::Error> {
    let mut writer = Writer::new(Cursor::new(Vec::new()));
    for (name, mode, bytes) in files {
        writer.begin(name.parse::<Name>()?, *mode)?;
        writer.write_all(bytes)?;
    }
    Ok(writer.finish()?.into_inner())
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
