//! The log of the kernel that this runs on.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::string::String;
use std::vec;
use std::vec::Vec;

use crate::limits::MAX_LOG_BYTES;

/// A read returns one record, and fails where the buffer is too small (linux kernel/printk/internal.h `PRINTK_MESSAGE_MAX`).
const MAX_RECORD_BYTES: usize = 8192;

/// The messages of the kernel since it started, one a line, with time stamps in seconds as `dmesg` prints them.
///
/// # Errors
/// Where `/dev/kmsg` does not exist, as in most containers, or may not be read: with `kernel.dmesg_restrict` only root may (linux
/// kernel/printk/printk.c `check_syslog_permissions`).
pub fn kernel_log() -> io::Result<Vec<u8>> {
    let mut file = without_waiting(Path::new("/dev/kmsg"))?;
    let mut text = Vec::new();
    let mut record = vec![0_u8; MAX_RECORD_BYTES];
    while text.len() < MAX_LOG_BYTES {
        match file.read(&mut record) {
            Ok(0) => break,
            Ok(length) => text.extend(line(record.get(..length).unwrap_or_default())),
            Err(error) => match error.kind() {
                // A record that was overwritten while it was read; a signal.
                io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted => {}
                // There are no more records.
                io::ErrorKind::WouldBlock => break,
                _ if text.is_empty() => return Err(error),
                _ => break,
            },
        }
    }
    Ok(text)
}

/// The line of a record. The record has priority, number, microseconds and flags, the text, and on further lines other data (linux
/// Documentation/ABI/testing/dev-kmsg).
fn line(record: &[u8]) -> Vec<u8> {
    let read = String::from_utf8_lossy(record);
    let Some((head, said)) = read.split_once(';') else { return Vec::new() };
    let time: u64 = head.split(',').nth(2).and_then(|time| time.parse().ok()).unwrap_or_default();
    let said = said.lines().next().unwrap_or_default();
    let (seconds, rest) = (time.checked_div(1_000_000), time.checked_rem(1_000_000));
    std::format!("[{:5}.{:06}] {said}\n", seconds.unwrap_or_default(), rest.unwrap_or_default()).into_bytes()
}

/// Opens a file so that a read does not wait for more data.
#[cfg(target_os = "linux")]
fn without_waiting(file: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    /// `O_NONBLOCK` (linux arch/*/include/uapi/asm/fcntl.h).
    const NONBLOCK: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        0o200
    } else if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
        0x4000
    } else {
        0o4000
    };
    File::options().read(true).custom_flags(NONBLOCK).open(file)
}

#[cfg(not(target_os = "linux"))]
fn without_waiting(_: &Path) -> io::Result<File> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_line_as_dmesg_has_it() {
        let record = b"4,1234,11038536,-;arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:\n SUBSYSTEM=platform\n DEVICE=+platform:x\n";
        let said = "[   11.038536] arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:\n";
        assert_eq!(String::from_utf8(line(record)).unwrap(), said);
        assert_eq!(line(b"no record"), b"");
    }
}
