//! A small file system of its own, to be filled or held up: a memory disk, or an image in a loop
//! device. It takes root, and fails with mount's own words without.

use crate::tool::{self, SHORT};
use std::path::{Path, PathBuf};

/// A mounted file system; unmounted when dropped.
pub struct Volume {
    at: PathBuf,
    frozen: bool,
}

impl Volume {
    /// A memory disk of this size at a directory.
    pub fn memory(at: PathBuf, mib: u64) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        let mut mount = tool::command("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=0700"), "tmpfs"]).arg(&at);
        tool::run(&mut mount, SHORT).expect_success();
        Self { at, frozen: false }
    }

    /// An ext4 file system in an image file, which can be held up.
    pub fn image(at: PathBuf, image: &Path, mib: u64) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        std::fs::File::create(image).unwrap().set_len(mib << 20).unwrap();
        tool::run(tool::command("mkfs.ext4").arg("-q").arg(image), SHORT).expect_success();
        let mut mount = tool::command("mount");
        tool::run(mount.args(["-o", "loop"]).arg(image).arg(&at), SHORT).expect_success();
        Self { at, frozen: false }
    }

    /// Takes room away until about this much is left.
    pub fn leave_free(&self, mib: u64) {
        let mut df = tool::command("df");
        let free = tool::run(df.args(["--output=avail", "-k"]).arg(&self.at), SHORT);
        let free = free.expect_success().text();
        let free_kib: u64 = free.lines().last().unwrap().trim().parse().unwrap();
        let length = free_kib.checked_sub(mib << 10).expect("less is free already");
        let mut fill = tool::command("fallocate");
        fill.args(["-l", &format!("{length}KiB")]).arg(self.filler());
        tool::run(&mut fill, SHORT).expect_success();
    }

    /// Gives the room back.
    pub fn free_again(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    /// Holds up whoever writes, until [`Volume::thaw`].
    pub fn freeze(&mut self) {
        tool::run(tool::command("fsfreeze").arg("-f").arg(&self.at), SHORT).expect_success();
        self.frozen = true;
    }

    pub fn thaw(&mut self) {
        tool::run(tool::command("fsfreeze").arg("-u").arg(&self.at), SHORT).expect_success();
        self.frozen = false;
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.frozen {
            self.thaw();
        }
        // Lazily: a process that still has files open here ends soon.
        tool::run(tool::command("umount").arg("--lazy").arg(&self.at), SHORT).expect_success();
    }
}
