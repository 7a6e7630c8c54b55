//! The targets that read text, and names that people give.

use fwspec::answer::{LogDocument, Watch};
use fwspec::dt::Tree;
use fwspec::lint::Code;
use fwspec::machine::log::{Log, LogReader};
use fwspec::machine::{
    AcsOverride, Collector, Firmware, Kernel, Machine, Query, Uevent, devices, lspci, schedule, sysfs,
};
use fwspec::simulate::{Algorithm, World};
use fwspec::{Bdf, Device, Dialect, Groups, IdMap, RequesterId, Segment, group::Policy};

use super::show;

/// A question, a function, a name of something: what is understood can be said again.
pub fn input_query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Query>() {
        Ok(query) => show::debug(&query),
        Err(error) => show::display(&error),
    }
    assert!(!Query::not_found(text).contains(char::is_control));
    if let Ok(bdf) = text.parse::<Bdf>() {
        assert_eq!(bdf.to_string().parse::<Bdf>(), Ok(bdf));
        assert_eq!(text.parse(), Ok(Query::Function(bdf)));
    }
    if let Ok(rid) = text.parse::<RequesterId>() {
        assert_eq!(rid.to_string().parse::<RequesterId>(), Ok(rid));
    }
    if let Some(code) = Code::named(text) {
        assert_eq!(code.to_string().parse::<Code>(), Ok(code));
    }
    assert!(Dialect::by_name(text).is_none_or(|dialect| dialect.name == text));
    assert!(Algorithm::by_name(text).is_none_or(|algorithm| algorithm.word() == text));
}

thread_local! {
    /// A machine whose SMMUs lines of a log may name.
    static MACHINE: Machine = {
        let mut table = fwspec::acpi::iort::Builder::new(6);
        let smmu = table.smmu_v3(0x2b40_0000).id();
        table.root_complex(0).maps(0..=0xff, 0x100, smmu);
        let mut collector = Collector::new();
        collector.add("iort.bin", table.finish()).expect("a table of ours");
        collector.finish().expect("one machine")
    };
}

/// The log of a kernel, tied to a small machine.
pub fn input_log(bytes: &[u8]) {
    show::debug(&Uevent::parse(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let mut watch = Watch::new(Machine::default());
        for event in Uevent::recorded(text).iter().take(16) {
            show::debug(&(event.function(), event.group(), watch.event(event)));
        }
    }
    let log = Log::read(bytes);
    // Wherever the bytes are cut, the log is the same.
    let mut reader = LogReader::new();
    let (start, end) = bytes.split_at(bytes.len() / 2);
    reader.feed(start);
    reader.feed(end);
    assert_eq!(reader.finish(), log);
    for entry in &log.entries {
        assert!(!entry.facts.sentence(entry.form).is_empty());
        assert!(entry.n <= entry.last_n && entry.last_n <= log.lines_read && entry.boot <= log.boots);
    }
    let machine = MACHINE.with(Clone::clone);
    show::debug(&LogDocument::new(&log, &machine, Dialect::LINUX));
}

/// A schedule for a small machine, played under every algorithm.
pub fn input_schedule(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let function = |bus, slot| Bdf::new(Segment(0), bus, slot, 0);
    let mut groups = Groups::without_firmware();
    for device in [
        Device::root_port(function(0, 1), 1..=1),
        Device::endpoint(function(0, 2)),
        Device::endpoint(function(1, 0)),
        Device::endpoint(function(1, 1)),
    ] {
        groups.add(device).expect("a machine of four functions");
    }
    let events = match schedule::parse(text, &groups) {
        Ok(events) => events,
        Err(error) => return show::display(&error),
    };
    // Every event is played over all functions: a text of thousands says no more than one of some.
    if events.len() < 64 {
        let world = World::of(&groups);
        for algorithm in ["driver-probe", "device-add", "device-add-race", "closure"]
            .into_iter()
            .filter_map(Algorithm::by_name)
        {
            let play = world.play(algorithm, &events);
            show::debug(&(world.is_broken(&play), &play));
        }
    }
}

/// What follows the first blank line is a firmware, each line before it a question to it.
pub fn input_named(bytes: &[u8]) {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") else { return };
    let (questions, blob) = (&bytes[..end], &bytes[end + 2..]);
    let Ok(questions) = std::str::from_utf8(questions) else { return };
    let Ok(firmware) = Firmware::open("fuzz", blob.to_vec()) else { return };
    let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    let tree = Tree::parse(blob).ok();
    for question in questions.lines().take(8) {
        show::debug(&firmware.meant(question));
        for requester in firmware.requesters_named(question) {
            show::debug(&map.fwspec(requester.into()));
        }
        if let Some(tree) = tree {
            let found = tree.find(question).map(|node| node.offset());
            let indexed = tree.index().ok().and_then(|index| Some(index.offset(index.find(question)?)));
            assert!(
                indexed.is_none() || indexed == found,
                "{question}: the index finds {indexed:?}, the walk {found:?}"
            );
            show::debug(&tree.find(question).map(|node| (node.child(b"a"), node.property(question))));
        }
        show::debug(&firmware.pci_function_named(question));
        show::debug(&firmware.iommu_named(question));
        ask(question, &firmware, &map);
    }
    show::debug(&firmware.places());
}

fn ask(question: &str, firmware: &Firmware, map: &IdMap) {
    use fwspec::answer::LookupResult;
    let Ok(query) = question.parse::<Query>() else { return };
    show::debug(&LookupResult::new(question, &query, firmware, map));
    // Behind a bridge that takes ownership of requests.
    let mut groups = fwspec::Groups::without_firmware();
    let [bridge, card] = ["00:01.0", "01:02.0"].map(|bdf| bdf.parse().expect("an address"));
    let bridge = fwspec::Device::port(bridge, fwspec::pci::PortType::PcieToPci, 1..=1);
    groups.extend([bridge, fwspec::Device::endpoint(card)]);
    show::debug(&LookupResult::among(question, &query, firmware, map, Some(&groups)));
}

/// Each line is an entry of a folder that looks like `/sys`: a name, its links, its config space in hexadecimal.
#[cfg(unix)]
pub fn input_sysfs(bytes: &[u8]) {
    let root = std::env::temp_dir().join(format!(
        "fwspec-fuzz-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let sys = root.join("sys");
    let folder = sys.join("bus/pci/devices");
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    for line in String::from_utf8_lossy(bytes).lines().take(6) {
        let mut words = line.split_whitespace();
        let Some(name) = words.next().filter(|name| is_file_name(name)) else { continue };
        let home =
            sys.join("devices").join(words.next().filter(|name| is_file_name(name)).unwrap_or("pci0000:00"));
        let home = home.join(name);
        if std::fs::create_dir_all(&home).is_err() {
            continue;
        }
        for link in ["physfn", "iommu_group"] {
            let target = words.next().filter(|target| *target != "-");
            target.map(|target| std::os::unix::fs::symlink(target, home.join(link)));
        }
        let digits = words.next().unwrap_or_default().as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let config: Vec<u8> =
            digits.chunks(2).map_while(|two| Some(digit(two[0])? << 4 | digit(*two.get(1)?)?)).collect();
        let written = std::fs::write(home.join("config"), config);
        show::debug(&(written, std::os::unix::fs::symlink(&home, folder.join(name))));
    }
    let found = sysfs::functions(&sys).expect("the folder is there");
    show::debug(&(&found, sysfs::firmware(&sys), sysfs::has_table(&sys, "IORT"), sysfs::groups(&sys)));
    let functions = found.functions.into_iter().map(|function| function.config).collect();
    show::debug(&devices(&fwspec::machine::Listing::new(functions)));
    let machine = Machine::of_root(&root).expect("nothing contradicts itself");
    let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
    assert!(groups.devices().count() + refused.len() == machine.devices.len());
    show::debug(&(&machine.kernel, &machine.unread, refused));
    std::fs::remove_dir_all(&root).expect("it was ours");
}

#[cfg(unix)]
fn is_file_name(name: &str) -> bool {
    name != "." && name != ".." && name.len() < 64 && !name.contains(['/', '\0'])
}

/// Waivers, and what `--what-if` supposes.
pub fn cli_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    show::debug(&fwspec_cli::read_text(text));
    show::debug(&AcsOverride::parse(text));
    let mut kernel = Kernel::default();
    kernel.command_line = Some(text.to_owned());
    kernel.release = Some(text.to_owned());
    kernel.groups.insert(text.to_owned(), 0);
    show::debug(&(kernel.parameters(), kernel.acs_override(), kernel.version(), kernel.name_of(text)));
}

/// Functions written as `lspci -xxxx` writes them are read again as they were.
pub fn lspci_rendered(spaces: &[(Bdf, Vec<u8>)]) {
    use std::fmt::Write;
    if spaces.iter().all(|(_, space)| space.is_empty()) {
        return;
    }
    let mut text = String::new();
    for (bdf, space) in spaces {
        writeln!(text, "{bdf} Example device").expect("a string takes everything");
        for (at, line) in space.chunks(16).enumerate() {
            write!(text, "{:02x}:", 16 * at).expect("a string takes everything");
            line.iter().for_each(|byte| write!(text, " {byte:02x}").expect("a string takes everything"));
            text.push('\n');
        }
        text.push('\n');
    }
    let dumps = lspci::parse(text.as_bytes()).expect("this is how lspci writes");
    let found: Vec<(Bdf, Vec<u8>)> =
        dumps.functions.iter().map(|dump| (dump.bdf, dump.bytes.clone())).collect();
    let wanted: Vec<(Bdf, Vec<u8>)> = spaces.iter().filter(|(_, space)| !space.is_empty()).cloned().collect();
    assert_eq!(found.len(), wanted.len(), "functions");
    for ((at, space), (wanted_at, wanted)) in found.iter().zip(&wanted) {
        // lspci leaves out lines of zeros at the end of extended config space.
        let differs = space.iter().zip(wanted.iter().chain(std::iter::repeat(&0))).position(|(a, b)| a != b);
        let enough = space.len() == wanted.len() || wanted.len() > 256 && space.len() == 4096;
        assert!(
            at == wanted_at && differs.is_none() && enough,
            "{at} {wanted_at}: {differs:?}, {}",
            wanted.len()
        );
    }
    show::debug(&devices(&dumps));
}
