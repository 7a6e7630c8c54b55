//! The kernel's decisions about IOMMU groups: lines of its log, output of scripts that print `/sys/kernel/iommu_groups`, and
//! listings of that folder.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use super::sieve::Sieve;
use crate::Bdf;

/// What a line of a kernel log says about a device's group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision<'a> {
    /// The device is in this group now.
    Added(&'a str, u32),
    /// The device is not in a group any more.
    Removed(&'a str),
}

/// Reads a line in which Linux puts a device into a group, or takes it out (drivers/iommu/iommu.c `iommu_group_alloc_device`,
/// `__iommu_group_remove_device`), in its current words and in those before 5.2.
pub(super) fn decision(line: &str) -> Option<Decision<'_>> {
    let device_before = |before: &'static str, line| -> Option<(&str, &str)> {
        let (start, rest) = split_once(line, before)?;
        Some((start.split_whitespace().next_back()?, rest))
    };
    if let Some((device, number)) = device_before(": Adding to iommu group ", line) {
        return Some(Decision::Added(device, number_at_start(number)?));
    }
    if let Some((device, _)) = device_before(": Removing from iommu group ", line) {
        return Some(Decision::Removed(device));
    }
    if let Some((_, rest)) = line.split_once("Adding device ") {
        let (device, number) = rest.split_once(" to group ")?;
        return Some(Decision::Added(device, number_at_start(number)?));
    }
    let (_, rest) = line.split_once("Removing device ")?;
    let (device, _) = rest.split_once(" from group ")?;
    Some(Decision::Removed(device))
}

fn split_once<'a>(line: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    line.split_once(mark)
}

/// The number at the start of a text.
fn number_at_start(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// The kernel's decisions in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// The groups that `/sys`, a script or `lspci` lists.
    pub(super) listed: BTreeMap<String, u32>,
    /// The last boot in a log.
    pub(super) boot: Boot,
    /// The number of boots before that.
    pub(super) earlier_boots: usize,
    /// The group whose members the current lines are.
    open: Option<u32>,
}

/// The facts of one boot in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Boot {
    pub(super) groups: BTreeMap<String, u32>,
    pub(super) command_line: Option<String>,
    pub(super) release: Option<String>,
}

impl Boot {
    fn is_silent(&self) -> bool {
        *self == Boot::default()
    }
}

/// Most lines say nothing here, and this sieve lets few of those pass.
pub(super) type Signs = Sieve<4, 5>;

/// The words that [`Words::line`] looks for within a line.
pub(super) fn signs() -> Signs {
    let words = ["iommu group ", "ing device ", "iommu_groups/", "Linux version ", "ommand line: "];
    Signs::of(words.map(|word| (word, 0)))
}

/// Whether a line may say something, other than as a member in the list of a group.
pub(super) fn may_say(signs: &Signs, line: &str) -> bool {
    // The title of a group, or the mark between two boots. White space that is not ASCII may precede it.
    let starts = |byte: &u8| matches!(byte, b'i' | b'I' | b'g' | b'G' | b'-') || !byte.is_ascii_graphic();
    line.as_bytes().first().is_some_and(starts) || signs.holds(line.as_bytes())
}

/// The kind of a line.
pub(super) enum Line<'a> {
    /// The whole line was about the kernel's decisions.
    Taken,
    /// A line of another kind, or the rest of this one: a function as `lspci` prints it.
    Other(&'a str),
}

impl Words {
    /// Whether it has anything about groups.
    pub(super) fn tells_groups(&self) -> bool {
        !self.listed.is_empty() || !self.boot.groups.is_empty()
    }

    /// Whether the current lines are members of a group.
    pub(super) fn is_in_group(&self) -> bool {
        self.open.is_some()
    }

    /// Takes a line in.
    pub(super) fn line<'a>(&mut self, line: &'a str) -> Line<'a> {
        if line.is_empty() {
            self.open = None;
            return Line::Other(line);
        }
        match decision(line) {
            Some(Decision::Added(device, group)) => {
                self.boot.groups.insert(full(device), group);
                return Line::Taken;
            }
            Some(Decision::Removed(device)) => {
                self.boot.groups.remove(&full(device));
                return Line::Taken;
            }
            None => {}
        }
        if let Some(rest) = self.script(line) {
            return rest;
        }
        if self.folder(line) {
            return Line::Taken;
        }
        self.of_boot(line);
        if let Some(group) = self.open {
            let first = line.split_whitespace().next().unwrap_or_default();
            match first.parse::<Bdf>() {
                Ok(bdf) => drop(self.listed.insert(bdf.to_string(), group)),
                // A listing of a folder: `lrwxrwxrwx … 0000:00:01.0 -> …`.
                Err(_) => {
                    let entry =
                        line.split(" -> ").next().and_then(|entry| entry.split_whitespace().next_back());
                    if let Some(bdf) = entry.and_then(|entry| entry.parse::<Bdf>().ok()) {
                        self.listed.insert(bdf.to_string(), group);
                        return Line::Taken;
                    }
                }
            }
        }
        Line::Other(line)
    }

    /// `IOMMU Group 1:`, `IOMMU Group 1 00:01.0 PCI bridge …`, `Group:  1  0000:00:01.0 …`
    fn script<'a>(&mut self, line: &'a str) -> Option<Line<'a>> {
        let rest = without_prefix(line, "iommu ").unwrap_or(line).trim_start();
        let rest = without_prefix(rest, "group")?;
        let rest = rest.trim_start_matches([':', '#']).trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, rest) = rest.split_at_checked(end)?;
        let group: u32 = digits.parse().ok()?;
        let rest = rest.trim_start_matches([':', '-', ',']).trim();
        self.open = Some(group);
        let mut words = rest.split_whitespace();
        let bdf = words.clone().find_map(|word| word.parse::<Bdf>().ok());
        let Some(bdf) = bdf else {
            // The start of a sentence is not the title of a group.
            self.open = self.open.filter(|_| words.next().is_none() || rest.starts_with(['(', '[']));
            return self.open.map(|_| Line::Taken);
        };
        self.listed.insert(bdf.to_string(), group);
        self.open = None;
        let at = words.find(|word| word.parse::<Bdf>().is_ok()).and_then(|word| rest.find(word));
        Some(Line::Other(at.and_then(|at| rest.get(at..)).unwrap_or_default()))
    }

    /// `/sys/kernel/iommu_groups/7/devices/0000:00:1f.0`, `…/iommu_groups/7/devices:`, `/sys/bus/pci/devices/0000:00:1f.0/iommu_group -> …/7`
    fn folder(&mut self, line: &str) -> bool {
        let Some((before, rest)) = line.split_once("iommu_groups/") else { return false };
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let Some((digits, rest)) = rest.split_at_checked(end) else { return false };
        let Ok(group) = digits.parse() else { return false };
        if let Some(rest) = rest.strip_prefix("/devices") {
            let name = rest.strip_prefix('/').unwrap_or_default();
            let name = name
                .split([' ', '/', ':', '\t'])
                .next()
                .filter(|_| !name.contains(':'))
                .or(name.split_whitespace().next());
            let name = name.map(|name| name.trim_end_matches([':', '/', '@', '\'', '"']));
            match name.filter(|name| !name.is_empty()) {
                Some(name) => drop(self.listed.insert(full(name), group)),
                None => self.open = Some(group),
            }
            return true;
        }
        // The link from a device to its group.
        let device = before.split("/iommu_group").next().filter(|device| device.len() < before.len());
        let device = device.and_then(|device| device.rsplit(['/', ' ']).next());
        if let Some(device) = device.filter(|device| !device.is_empty()) {
            self.listed.insert(full(device), group);
            return true;
        }
        false
    }

    /// Takes in lines that separate boots, and lines about the kernel itself.
    fn of_boot(&mut self, line: &str) {
        if line.starts_with("-- Boot ") || line.starts_with("-- Reboot") {
            self.next_boot();
        }
        if let Some(release) = version(line) {
            if self.boot.release.is_some() || !self.boot.groups.is_empty() {
                self.next_boot();
            }
            self.boot.release = Some(release.to_owned());
        } else if self.boot.command_line.is_none()
            && let Some((before, command)) = line.split_once("ommand line: ")
            && (before.ends_with("Kernel c") || before.ends_with("] C") || before.ends_with("kernel: C"))
        {
            self.boot.command_line = Some(command.trim().to_owned());
        }
    }

    fn next_boot(&mut self) {
        if !self.boot.is_silent() {
            self.boot = Boot::default();
            self.earlier_boots = self.earlier_boots.saturating_add(1);
        }
    }
}

/// The release in the first line of a kernel's log, `[    0.000000] Linux version 6.12.0 (…`, or in the output of `uname -a`,
/// `Linux host 6.12.0 #1 SMP …`.
fn version(line: &str) -> Option<&str> {
    let mut words = line.strip_prefix("Linux ").unwrap_or_default().split_whitespace().skip(1);
    if let (Some(release), Some(build)) = (words.next(), words.next())
        && release.starts_with(|c: char| c.is_ascii_digit())
        && build.starts_with('#')
    {
        return Some(release);
    }
    let (before, rest) = line.split_once("Linux version ")?;
    let starts =
        before.is_empty() || before.ends_with("] ") || before.ends_with("kernel: ") || before.ends_with('>');
    rest.split_whitespace().next().filter(|_| starts)
}

/// Whether this line alone shows that a text is a kernel's log.
pub(super) fn is_log(line: &str) -> bool {
    decision(line).is_some() || version(line).is_some()
}

/// Whether this line alone shows that a text lists groups.
pub(super) fn lists_groups(line: &str) -> bool {
    let mut words = Words::default();
    without_prefix(line, "iommu ").is_some() && words.script(line).is_some() || words.folder(line) || {
        let mut words = Words::default();
        words.script(line).is_some() && !words.listed.is_empty()
    }
}

/// The text after a word, in upper or lower case.
fn without_prefix<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = line.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

/// The kernel's name for a device: scripts leave out the segment.
fn full(device: &str) -> String {
    device.parse::<Bdf>().map_or_else(|_| device.to_owned(), |bdf| bdf.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn groups(text: &str) -> Vec<(String, u32)> {
        let mut words = Words::default();
        for line in text.lines() {
            words.line(line.trim());
        }
        words.listed.into_iter().chain(words.boot.groups).collect()
    }

    #[test]
    fn every_form_of_the_kernels_word_gives_the_same_groups() {
        let wanted = [("0000:00:01.0".to_owned(), 1), ("0000:01:00.0".to_owned(), 12)];
        for text in [
            "[    0.6] pci 0000:00:01.0: Adding to iommu group 1\n[    0.7] nvme 0000:01:00.0: Adding to iommu group 12",
            "Nov 28 12:00:00 host kernel: pci 0000:00:01.0: Adding to iommu group 1\nNov 28 host kernel: pci 0000:01:00.0: Adding to iommu group 12",
            "[    1.1] iommu: Adding device 0000:00:01.0 to group 1\n[    1.2] iommu: Adding device 0000:01:00.0 to group 12",
            "IOMMU Group 1:\n\t00:01.0 PCI bridge [0604]: A [8086:1901]\nIOMMU Group 12:\n\t01:00.0 VGA [0300]: B [10de:1c8d]",
            "IOMMU Group 1 00:01.0 PCI bridge [0604]: A [8086:1901]\nIOMMU Group 12 01:00.0 VGA [0300]: B [10de:1c8d]",
            "Group:  1   0000:00:01.0 PCI bridge\nGroup:  12  0000:01:00.0 VGA",
            "IOMMU group 1\n00:01.0 Bridge\n\nIOMMU group 12\n01:00.0 VGA",
            "IOMMU Group 1:\t[8086:1901]  00:01.0  PCI bridge\nIOMMU Group 12:\t[10de:1c8d] [R] 01:00.0  VGA",
            "/sys/kernel/iommu_groups/1/devices/0000:00:01.0\n/sys/kernel/iommu_groups/12/devices/0000:01:00.0",
            "/sys/kernel/iommu_groups/1/devices:\ntotal 0\nlrwxrwxrwx 1 root root 0 Nov 28 12:00 0000:00:01.0 -> ../../../../devices/pci0000:00/0000:00:01.0\n\n\
             /sys/kernel/iommu_groups/12/devices:\n0000:01:00.0",
            "lrwxrwxrwx 1 root root 0 Nov 28 /sys/kernel/iommu_groups/1/devices/0000:00:01.0 -> ../../../../devices/pci0000:00/0000:00:01.0\n\
             lrwxrwxrwx 1 root root 0 Nov 28 /sys/kernel/iommu_groups/12/devices/0000:01:00.0 -> ../../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0",
            "/sys/bus/pci/devices/0000:00:01.0/iommu_group -> ../../../kernel/iommu_groups/1\n/sys/bus/pci/devices/0000:01:00.0/iommu_group -> ../../kernel/iommu_groups/12",
        ] {
            assert_eq!(groups(text), wanted, "{text}");
            let signs = signs();
            let members = |line: &str| line.trim().parse::<Bdf>().is_ok() || line.contains(" -> ");
            let silent = text.lines().filter(|line| !may_say(&signs, line.trim()) && !members(line));
            silent.for_each(|line| assert!(!lists_groups(line) && !is_log(line), "{line}"));
            assert!(text.lines().any(|line| lists_groups(line) || is_log(line)), "{text}");
        }
    }

    #[test]
    fn platform_devices_and_removals_are_understood() {
        let text = "[ 1.0] platform 2b600000.ethernet: Adding to iommu group 3\n[ 1.0] pci 0000:01:00.0: Adding to iommu group 4\n\
                    [ 9.0] pci 0000:01:00.0: Removing from iommu group 4";
        assert_eq!(groups(text), [("2b600000.ethernet".to_owned(), 3)]);
        let find = "/sys/kernel/iommu_groups/3/devices/2b600000.ethernet";
        assert_eq!(groups(find), [("2b600000.ethernet".to_owned(), 3)]);
    }

    #[test]
    fn of_several_boots_the_last_counts() {
        let mut words = Words::default();
        let boot = |number: u32| {
            alloc::format!(
                "[    0.000000] Linux version 6.{number}.0 (gcc)\n[    0.000000] Command line: root=/dev/sda{number}\n[    0.6] pci 0000:00:01.0: Adding to iommu group {number}\n"
            )
        };
        let text = alloc::format!("-- Boot aaaa --\n{}-- Boot bbbb --\n{}{}", boot(1), boot(2), boot(3));
        for line in text.lines() {
            words.line(line);
        }
        assert_eq!((words.earlier_boots, words.boot.release.as_deref()), (2, Some("6.3.0")));
        assert_eq!(words.boot.command_line.as_deref(), Some("root=/dev/sda3"));
        assert_eq!(words.boot.groups.values().copied().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn one_line_says_which_kernel_it_is() {
        for line in [
            "Linux version 6.1.0-18-arm64 (debian-kernel@lists.debian.org) (gcc-12) #1 SMP",
            "Linux host 6.1.0-18-arm64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01) aarch64 GNU/Linux",
            "[    0.000000] Linux version 6.1.0-18-arm64 (a@b)",
        ] {
            assert_eq!(version(line), Some("6.1.0-18-arm64"), "{line}");
        }
        for line in ["Linux is an operating system", "Linux 6.1 is out #1", "Linux"] {
            assert_eq!(version(line), None, "{line}");
        }
    }

    #[test]
    fn other_lines_are_not_the_kernels_word() {
        for line in [
            "IOMMU group: Failed to get IOMMU group",
            "Group policy is on",
            "group 7 people",
            "usb 1-1: new device",
            "iommu: Default domain type: Translated",
        ] {
            assert!(!is_log(line) && !lists_groups(line), "{line}");
        }
    }
}
