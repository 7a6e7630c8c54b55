//! `fwspec watch`: where a device that is added, removed or bound lands, the moment it does, and what was predicted.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use fwspec::answer::{Watch, WatchRecord};
use fwspec::machine::{Machine, Uevent};
use fwspec_report::text;

use super::evidence::Evidence;
use super::options::{Isolation, Output};
use super::{Failure, Outcome, print, print_json, read, style};

/// Follow this machine: which group a device gets when it is added, removed or bound, and which was predicted
#[derive(Debug, Args)]
#[command(
    after_help = "watch listens to the kernel's uevents. This needs no root, but without root the ACS capability of an added device cannot be read. \
--replay reads a recording instead: the output of `udevadm monitor --kernel --property`, or a file that --record wrote, which also has the \
kernel's groups and the config spaces. The evidence for a replay is the machine with all of its devices; a device that the recording adds \
is absent until that event.\n\n\
Examples:\n  fwspec watch                             this machine, until Ctrl-C\n  fwspec watch --record events.txt --count 20\n  \
fwspec watch --replay events.txt iort.bin lspci.txt\n  fwspec watch --json --replay events.txt --root /mnt/board"
)]
pub(super) struct Options {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    isolation: Isolation,
    /// Read events from a recording; - is standard input
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Write the events to a file that --replay reads
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Exit after this many device events
    #[arg(long, value_name = "NUMBER")]
    count: Option<usize>,
    /// Exit with 1 if the kernel did not do as predicted
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<Fault>,
    #[command(flatten)]
    output: Output,
}

/// Bytes of events that may wait while one is looked at.
#[cfg(target_os = "linux")]
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// The kernel has a device in another group than the predicted one
    Differs,
}

/// What was said so far.
struct Told<'a> {
    arguments: &'a Options,
    events: usize,
    differs: bool,
}

impl Told<'_> {
    /// Says what an event comes to. Whether more are wanted.
    fn say(&mut self, record: &WatchRecord) -> Result<bool, Failure> {
        if self.arguments.output.is_json() {
            print_json(record)?;
        } else {
            print(&text::watch(record, style()))?;
        }
        self.events = self.events.saturating_add(1);
        self.differs |= record.agrees == Some(false);
        Ok(self.arguments.count.is_none_or(|count| self.events < count))
    }

    fn outcome(&self) -> Outcome {
        let failed = self.differs && self.arguments.fail_on == Some(Fault::Differs);
        if failed { Outcome::NotFound } else { Outcome::Fine }
    }
}

pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    let mut told = Told { arguments, events: 0, differs: false };
    if let Some(recording) = &arguments.replay {
        let text = read(recording)?;
        let events = Uevent::recorded(&String::from_utf8_lossy(&text));
        if events.is_empty() {
            let name = super::name(recording);
            return Err(Failure::Unreadable(format!(
                "{name}: no event in it: --replay needs what `udevadm monitor --kernel --property` prints"
            )));
        }
        let mut machine = arguments.evidence.open()?;
        arguments.isolation.apply(&mut machine)?;
        let mut watch = Watch::before(machine, &events);
        for record in events.iter().filter_map(|event| watch.event(event)) {
            if !told.say(&record)? {
                break;
            }
        }
        return Ok(told.outcome());
    }
    if !arguments.evidence.is_a_system() || arguments.evidence.named().root.is_some() {
        return Err(Failure::usage("only this machine can be watched; with other evidence use --replay"));
    }
    let record = arguments.record.as_ref().map(File::create).transpose();
    let record =
        record.map_err(|error| Failure::Unreadable(format!("the recording cannot be written: {error}")))?;
    let open = || {
        let mut machine = arguments.evidence.open()?;
        arguments.isolation.apply(&mut machine)?;
        Ok(machine)
    };
    follow(&open, record, &mut told)?;
    Ok(told.outcome())
}

/// Follows the kernel's events until no more are wanted. The machine is opened when they are listened to, so that none is missed.
#[cfg(target_os = "linux")]
fn follow(
    open: &dyn Fn() -> Result<Machine, Failure>,
    mut record: Option<File>,
    told: &mut Told<'_>,
) -> Result<(), Failure> {
    use fwspec::machine::sysfs;
    use rustix::io::Errno;
    use rustix::net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink, recv, socket_with, sockopt,
    };
    let failed = |error: Errno| Failure::Unreadable(format!("cannot listen to the kernel's events: {error}"));
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::KOBJECT_UEVENT),
    )
    .map_err(failed)?;
    // As much as the kernel allows (net.core.rmem_max): a rescan says hundreds of events in no time.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, MAX_WAITING_BYTES);
    // Group 1 has the events of the kernel, group 2 what udev makes of them.
    bind(&socket, &netlink::SocketAddrNetlink::new(0, 1)).map_err(failed)?;
    let mut watch = Watch::new(open()?);
    let functions = watch.machine().devices.len();
    super::complain(&format_args!("watching {functions} PCI functions; end with Ctrl-C"));
    let mut message = vec![0_u8; 64 * 1024];
    loop {
        let length = match recv(&socket, message.as_mut_slice(), RecvFlags::empty()) {
            Ok((length, _)) => length,
            Err(Errno::INTR) => continue,
            Err(Errno::NOBUFS) => {
                super::complain(&"events were lost because they came too fast; the machine is read again");
                watch = Watch::new(open()?);
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        let Some(mut event) = message.get(..length).and_then(Uevent::parse) else { continue };
        complete(&mut event);
        if let Some(record) = &mut record {
            record.write_all(event.to_record().as_bytes())?;
        }
        // What the kernel says now is of this event only if no other waits. Else the event itself says the group of its device.
        let mut next = [0_u8; 1];
        let mut is_last = || {
            matches!(recv(&socket, &mut next[..], RecvFlags::PEEK | RecvFlags::DONTWAIT), Err(Errno::AGAIN))
        };
        if is_last() {
            let groups = sysfs::groups(Path::new("/sys"));
            if is_last() {
                watch.kernel_groups(groups);
            }
        }
        if let Some(found) = watch.event(&event)
            && !told.say(&found)?
        {
            return Ok(());
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn follow(
    _: &dyn Fn() -> Result<Machine, Failure>,
    _: Option<File>,
    _: &mut Told<'_>,
) -> Result<(), Failure> {
    Err(Failure::usage("only Linux can be watched; --replay reads a recording"))
}

/// Adds to an event what `/sys` says about the device at this moment.
#[cfg(target_os = "linux")]
fn complete(event: &mut Uevent) {
    let uptime = std::fs::read_to_string("/proc/uptime").ok();
    event.time = uptime.and_then(|text| text.split_whitespace().next().map(str::to_owned));
    let home = Path::new("/sys").join(event.path.trim_start_matches('/'));
    let target = |link: &str| {
        let target = std::fs::read_link(home.join(link)).ok()?;
        target.file_name()?.to_str().map(str::to_owned)
    };
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            event.properties.insert(key.to_owned(), value);
        }
    };
    add("IOMMU_GROUP", target("iommu_group"));
    add("PHYSFN", target("physfn"));
    add("GONE", (event.action != "remove" && !home.exists()).then(|| "1".to_owned()));
    if event.action == "add" && event.subsystem == "pci" {
        let config = std::fs::read(home.join("config")).ok().filter(|config| !config.is_empty());
        let hex = config.map(|config| config.iter().map(|byte| format!("{byte:02x}")).collect());
        add_config(event, hex);
    }
}

#[cfg(target_os = "linux")]
fn add_config(event: &mut Uevent, hex: Option<String>) {
    event.properties.extend(hex.map(|hex| ("CONFIG".to_owned(), hex)));
}
