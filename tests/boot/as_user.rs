//! `as-user PROGRAM ARGUMENTS…`: runs a program as user and group 65534, with no other group. Busybox has nothing for it.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

const NOBODY: u32 = 65534;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("as-user: which program?");
        return ExitCode::from(64);
    };
    // Without root's groups: the standard library drops them where it changes the user.
    let error = Command::new(&program).args(words).uid(NOBODY).gid(NOBODY).exec();
    eprintln!("as-user: {}: {error}", program.display());
    ExitCode::from(127)
}
