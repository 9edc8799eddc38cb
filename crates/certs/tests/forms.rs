//! The forms of the certificate, read by the programs that they are for. None holds a key.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test panics")]

use certs::{Authority, Form, KeyKind};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;
use tempfile::TempDir;

const FORMS: [Form<'static>; 7] = [
    Form::Pem,
    Form::Der,
    Form::P12 { password: "landfall" },
    Form::P12 { password: "" },
    Form::Mobileconfig,
    Form::Android,
    Form::Magisk,
];

/// An authority with a copy of every form beside it.
fn exported(key: KeyKind) -> (TempDir, Authority) {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(dir.path(), key, SystemTime::now()).unwrap();
    for form in FORMS {
        let file = authority.export(form).unwrap();
        fs::write(dir.path().join(file.file_name), file.bytes).unwrap();
    }
    (dir, authority)
}

/// Runs a program, which the tests need, in `dir`; returns what it prints.
#[track_caller]
fn run(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(dir).output();
    let output = output.unwrap_or_else(|error| panic!("the tests need {program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn colons(authority: &Authority) -> String {
    authority.fingerprint_sha256().map(|byte| format!("{byte:02X}")).join(":")
}

#[test]
fn no_form_holds_the_key_and_each_is_the_same_again() {
    for kind in [KeyKind::P256, KeyKind::Rsa2048] {
        let (dir, authority) = exported(kind);
        let pem = fs::read_to_string(dir.path().join("landfall-ca.key")).unwrap();
        let key: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let key = {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.decode(key).unwrap()
        };
        // The secret part of either kind is among its last bytes, or all over it.
        let windows: Vec<&[u8]> = key.windows(24).collect();
        for form in FORMS {
            let file = authority.export(form).unwrap();
            assert_eq!(authority.export(form).unwrap(), file);
            let public = authority.certificate_der();
            let leaks = windows
                .iter()
                .any(|window| !contains(&public, window) && contains(&file.bytes, window));
            assert!(!leaks, "{form:?}");
            assert!(!contains(&file.bytes, b"PRIVATE"), "{form:?}");
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn openssl_nss_and_java_read_the_p12() {
    let dir = tempfile::tempdir().unwrap();
    let authority =
        Authority::load_or_create(dir.path(), KeyKind::P256, SystemTime::now()).unwrap();
    for password in ["landfall", "", "Gr\u{fc}\u{df}e, a longer one than a block of the hash has"] {
        let file = authority.export(Form::P12 { password }).unwrap();
        fs::write(dir.path().join("ca.p12"), file.bytes).unwrap();
        let pass = format!("pass:{password}");
        let shown =
            run(dir.path(), "openssl", &["pkcs12", "-in", "ca.p12", "-nokeys", "-passin", &pass]);
        assert!(shown.contains(authority.certificate_pem().trim()), "{shown}");
        let wrong = Command::new("openssl")
            .args(["pkcs12", "-in", "ca.p12", "-nokeys", "-passin", "pass:wrong"])
            .current_dir(dir.path())
            .output()
            .expect("openssl");
        assert!(!wrong.status.success(), "the password counts");
    }
    let file = authority.export(Form::P12 { password: "landfall" }).unwrap();
    fs::write(dir.path().join("ca.p12"), file.bytes).unwrap();
    if is_there("pk12util") {
        let shown = run(dir.path(), "pk12util", &["-l", "ca.p12", "-W", "landfall"]);
        assert!(shown.contains(authority.name()), "{shown}");
    }
    if is_there("keytool") {
        let arguments = ["-list", "-v", "-keystore", "ca.p12", "-storepass", "landfall"];
        let shown = run(dir.path(), "keytool", &arguments);
        assert!(shown.contains("trustedCertEntry"), "{shown}");
        assert!(shown.contains(&colons(&authority)), "{shown}");
    }
}

fn is_there(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join(program).is_file())
}

#[test]
fn the_android_name_is_opensslls_old_subject_hash() {
    for kind in [KeyKind::P256, KeyKind::Rsa2048] {
        let (dir, authority) = exported(kind);
        let hash = run(
            dir.path(),
            "openssl",
            &["x509", "-in", "landfall-ca.pem", "-noout", "-subject_hash_old"],
        );
        let file = authority.export(Form::Android).unwrap();
        assert_eq!(file.file_name, format!("{}.0", hash.trim()));
        assert_eq!(file.bytes, authority.certificate_pem().as_bytes());
    }
}

#[test]
fn the_profile_is_a_property_list_with_the_root() {
    let (dir, authority) = exported(KeyKind::P256);
    let script = "import plistlib,sys,hashlib\n\
        p=plistlib.load(open('landfall-ca.mobileconfig','rb'))\n\
        r=p['PayloadContent'][0]\n\
        assert p['PayloadType']=='Configuration' and r['PayloadType']=='com.apple.security.root'\n\
        assert p['PayloadUUID']!=r['PayloadUUID'] and p['PayloadVersion']==1\n\
        print(p['PayloadDisplayName'], hashlib.sha256(r['PayloadContent']).hexdigest())";
    let print = authority.fingerprint_sha256().map(|byte| format!("{byte:02x}")).concat();
    let shown = run(dir.path(), "python3", &["-c", script]);
    assert_eq!(shown.trim(), format!("{} {print}", authority.name()));
}

#[test]
fn the_module_is_an_archive_that_others_unpack() {
    let (dir, authority) = exported(KeyKind::P256);
    let zip = "landfall-ca-magisk.zip";
    run(
        dir.path(),
        "python3",
        &[
            "-c",
            "import zipfile;\
        z=zipfile.ZipFile('landfall-ca-magisk.zip'); assert z.testzip() is None;\
        assert all(i.date_time==(1980,1,1,0,0,0) for i in z.infolist())",
        ],
    );
    run(dir.path(), "unzip", &["-q", zip, "-d", "module"]);
    let module = dir.path().join("module");
    let name = authority.export(Form::Android).unwrap().file_name;
    let certificate = module.join("system/etc/security/cacerts").join(&name);
    assert_eq!(fs::read_to_string(certificate).unwrap(), authority.certificate_pem());
    let prop = fs::read_to_string(module.join("module.prop")).unwrap();
    for line in ["id=landfall-authority", &format!("name={}", authority.name()), "versionCode=1"] {
        assert!(prop.lines().any(|found| found == line), "{line}: {prop}");
    }
    for script in ["post-fs-data.sh", "META-INF/com/google/android/update-binary"] {
        run(&module, "sh", &["-n", script]);
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(module.join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{script}");
    }
    let script = fs::read_to_string(module.join("post-fs-data.sh")).unwrap();
    assert!(script.contains(&format!("NAME={name}\n")) && !script.contains('\r'), "{script}");
}
