//! Logs as they come: stamps of any kind, lines that belong together, several boots, garbage.

use fwspec::machine::log::{Log, LogKind, LogReader};
use fwspec::machine::{Collector, Kind, recognise};

fn read(text: &str) -> Log {
    Log::read(text.as_bytes())
}

#[test]
fn a_line_is_understood_whatever_stands_before_it() {
    const LINE: &str = "arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:";
    for (before, stamp) in [
        ("", None),
        ("[    1.234567] ", Some("1.234567")),
        ("[12345.678901] ", Some("12345.678901")),
        ("<4>[    1.234567] ", Some("1.234567")),
        ("[    1.234567][    T1] ", Some("1.234567")),
        ("[    1.234567] [ T3356] ", Some("1.234567")),
        ("[    1.234567@3] ", Some("1.234567")),
        ("[Mon Jan  1 12:34:56 2024] ", Some("Mon Jan 1 12:34:56 2024")),
        ("kern  :warn  : [    1.234567] ", Some("1.234567")),
        ("kern  :warn  : [Mon Jan  1 12:34:56 2024] ", Some("kern :warn :")),
        ("Nov 28 12:00:00 host kernel: ", Some("Nov 28 12:00:00")),
        ("Nov 28 12:00:00 host kernel: [    1.234567] ", Some("1.234567")),
        ("Nov 28 12:00:00.123456 host kernel: ", Some("Nov 28 12:00:00.123456")),
        ("2024-11-28T12:00:00.123456+01:00 host kernel: ", Some("2024-11-28T12:00:00.123456+01:00")),
        ("2024-11-28T12:00:00+0100 host kernel: ", Some("2024-11-28T12:00:00+0100")),
        ("> ", None),
        ("> > [    1.234567] ", Some("1.234567")),
        ("812:[    1.234567] ", Some("1.234567")),
        ("\u{1b}[32m[    1.234567] \u{1b}[0m", Some("1.234567")),
        ("\u{0}\u{0}\u{fffd}\u{fffd}[    1.234567] ", Some("1.234567")),
        ("    ", None),
    ] {
        let log = read(&format!("{before}{LINE}\r\n"));
        let entry = log.entries.first().unwrap_or_else(|| panic!("{before:?}"));
        assert_eq!(entry.facts.iommu.as_deref(), Some("arm-smmu-v3.0.auto"), "{before:?}");
        assert_eq!(entry.facts.event, Some(0x10), "{before:?}");
        let wanted = if before.contains("warn  : [Mon") { entry.first.as_deref() } else { stamp };
        assert_eq!(entry.first.as_deref(), wanted, "{before:?}");
        assert!(!entry.text.contains(['\r', '\u{1b}', '\0']), "{:?}", entry.text);
    }
}

#[test]
fn the_lines_of_one_fault_are_one() {
    let log = read(
        "[  10.000001] arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:\n\
         [  10.000002] arm-smmu-v3 arm-smmu-v3.0.auto: \t0x0000010000000010\n\
         [  10.000003] arm-smmu-v3 arm-smmu-v3.0.auto: \t0x0000020000000000\n\
         [  10.000004] usb 1-1: something else\n\
         [  10.000005] arm-smmu-v3 arm-smmu-v3.0.auto: \t0x00000000ffffe000\n\
         [  10.000006] arm-smmu-v3 arm-smmu-v3.0.auto: \t0x0000000000000000\n\
         [  10.000007] arm-smmu-v3 arm-smmu-v3.0.auto: event: F_TRANSLATION client: 0000:01:00.0 sid: 0x100 ssid: 0x0 iova: 0xffffe000 ipa: 0x0\n\
         [  10.000008] arm-smmu-v3 arm-smmu-v3.0.auto: unpriv data write s1 \"Input address caused fault\" stag: 0x0\n",
    );
    assert_eq!((log.entries.len(), log.unrelated), (1, 1));
    let entry = &log.entries[0];
    assert_eq!((entry.n, entry.last_n, entry.times, entry.more.len()), (1, 8, 1, 6));
    assert_eq!(entry.facts.device.as_deref(), Some("0000:01:00.0"));
    assert_eq!((entry.facts.stream.map(|id| id.0), entry.facts.address), (Some(0x100), Some(0xffff_e000)));
    let said = entry.facts.sentence(entry.form);
    assert!(said.contains("F_TRANSLATION") && said.contains("0x100"), "{said}");
}

#[test]
fn repeated_faults_are_one_entry_with_times_first_and_last() {
    let fault = |at: u32, sid: u32, address: u32| {
        format!(
            "[{at:>5}.000000] arm-smmu 15000000.iommu: Unhandled context fault: fsr=0x402, iova={address:#010x}, fsynr=0x1, cbfrsynra={sid:#x}, cb=3\n"
        )
    };
    let text: String = (0..5).map(|n| fault(10 + n, 0x880, 0x9000 + n * 0x1000)).collect();
    let log = read(&format!("{text}{}", fault(20, 0x881, 0x9000)));
    let found: Vec<_> = log.entries.iter().map(|e| (e.times, e.facts.stream.unwrap().0)).collect();
    assert_eq!(found, [(5, 0x880), (1, 0x881)]);
    let entry = &log.entries[0];
    assert_eq!((entry.first.as_deref(), entry.last.as_deref()), (Some("10.000000"), Some("14.000000")));
    assert_eq!(entry.addresses, Some((0x9000, 0xd000)));
    // Two faults after one status are two.
    let log = read(
        "DMAR: DRHD: handling fault status reg 3\n\
         DMAR: [DMA Read] Request device [01:00.0] fault addr 1000 [fault reason 06] PTE Read access is not set\n\
         DMAR: [DMA Write] Request device [02:00.0] fault addr 2000 [fault reason 05] PTE Write access is not set\n",
    );
    let devices: Vec<_> = log.entries.iter().map(|entry| entry.facts.device.as_deref().unwrap()).collect();
    assert_eq!(devices, ["0000:01:00.0", "0000:02:00.0"]);
}

#[test]
fn faults_of_several_lines_know_what_any_of_them_says() {
    for (text, device, stream) in [
        (
            "arm-smmu 5000000.iommu: Unexpected global fault, this could be serious\n\
             arm-smmu 5000000.iommu: \tGFSR 0x80000002, GFSYNR0 0x00000000, GFSYNR1 0x00000540, GFSYNR2 0x00000000\n",
            None,
            Some(0x540),
        ),
        (
            "arm-smmu 5000000.iommu: Blocked unknown Stream ID 0x7; boot with \"arm-smmu.disable_bypass=0\" to allow, but this may have security implications\n\
             arm-smmu 5000000.iommu: \tGFSR 0x80000002, GFSYNR0 0x00000000, GFSYNR1 0x00000007, GFSYNR2 0x00000000\n",
            None,
            Some(7),
        ),
        (
            "arm-smmu 1000.iommu: Unhandled context fault: fsr=0x402, iova=0x00001000, fsynr=0x1, cb=0\n\
             arm-smmu 1000.iommu: FSR    = 00000402 [Format=2 TF], SID=0x409\n\
             arm-smmu 1000.iommu: FSYNR0 = 00000001 [S1CBNDX=0 PLVL=1]\n",
            None,
            Some(0x409),
        ),
        (
            "arm-smmu-v3 9050000.smmuv3: unexpected PRI request received:\n\
             arm-smmu-v3 9050000.smmuv3: \tsid 0x00000540.0x00000: [3L] unprivileged RW access at iova 0x0000000000001000\n",
            None,
            Some(0x540),
        ),
        (
            "DMAR: DRHD: handling fault status reg 40\nDMAR: VT-d detected Invalidation Time-out Error: SID 300\n\
             DMAR: QI HEAD: Device-TLB Invalidation qw0 = 0x100000003, qw1 = 0x0\n",
            None,
            None,
        ),
        (
            "dmar: DRHD: handling fault status reg 2\ndmar: DMAR:[DMA Read] Request device [02:00.0] fault addr ffff0000 \n\
             DMAR:[fault reason 06] PTE Read access is not set\n",
            Some("0000:02:00.0"),
            None,
        ),
    ] {
        let log = read(text);
        let last = log.entries.last().unwrap();
        assert_eq!(last.form.kind, LogKind::Fault);
        assert_eq!(last.facts.stream.map(|id| id.0), stream, "{text}");
        if device.is_some() {
            assert_eq!((log.entries.len(), last.facts.device.as_deref()), (1, device), "{text}");
        }
        if stream.is_some() {
            assert_eq!(log.entries.len(), 1, "{text}");
        }
    }
}

#[test]
fn faults_of_two_iommus_that_come_together_stay_apart() {
    let log = read(
        "arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:\n\
         arm-smmu-v3 arm-smmu-v3.1.auto: event 0x02 received:\n\
         arm-smmu-v3 arm-smmu-v3.1.auto: \t0x0000070000000002\n",
    );
    let found: Vec<_> = log
        .entries
        .iter()
        .map(|e| (e.facts.iommu.as_deref().unwrap(), e.facts.stream.map(|id| id.0)))
        .collect();
    assert_eq!(found, [("arm-smmu-v3.0.auto", None), ("arm-smmu-v3.1.auto", Some(0x700))]);
}

#[test]
fn boots_are_told_apart() {
    let boot = "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x414fd0c1]\n\
         [    0.000000] Linux version 6.12.1-arm64 (someone@somewhere) #1 SMP\n\
         [    0.000000] Machine model: Radxa ROCK 5B\n\
         [    1.500000] pci 0000:01:00.0: Adding to iommu group 7\n\
         [    9.000000] usb 1-1: something else\n";
    let log = read(&format!("{boot}{boot}"));
    assert_eq!((log.boots, log.entries.len()), (2, 2));
    assert_eq!(log.entries.iter().map(|entry| entry.boot).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(log.release.as_deref(), Some("6.12.1-arm64"));
    assert_eq!(log.model.as_deref(), Some("Radxa ROCK 5B"));
    // By the clock alone; a processor that is a little late is none.
    let late = "[    5.000000] iommu: Default domain type: Translated\n[    4.999000] pci 0000:01:00.0: Adding to iommu group 7\n";
    assert_eq!(read(late).boots, 1);
    assert_eq!(read(&format!("{late}[    0.100000] DMAR: IOMMU enabled\n")).boots, 2);
    // By the banner alone, as a log with dates has it.
    let dated = "Nov 28 12:00:00 host kernel: Linux version 6.12.1\nNov 28 12:00:01 host kernel: pci 0000:01:00.0: Adding to iommu group 7\n\
         Nov 28 12:00:02 host kernel: a\nNov 28 12:00:02 host kernel: b\nNov 28 12:00:02 host kernel: c\n";
    assert_eq!(read(&format!("{dated}{dated}")).boots, 2);
    assert_eq!(read("").boots, 0);
}

#[test]
fn pieces_may_be_cut_anywhere() {
    let text = "[    1.500000] pci 0000:01:00.0: Adding to iommu group 7\n[    1.600000] x\n[    1.700000] DMAR: IOMMU enabled";
    let whole = read(text);
    for size in [1, 2, 7, 64] {
        let mut reader = LogReader::new();
        text.as_bytes().chunks(size).for_each(|piece| reader.feed(piece));
        assert_eq!(reader.finish(), whole, "{size}");
    }
    assert_eq!((whole.lines_read, whole.entries.len()), (3, 2));
}

#[test]
fn a_line_without_end_costs_nothing() {
    let mut reader = LogReader::new();
    for _ in 0..1_000 {
        reader.feed(&[b'x'; 65_536]);
    }
    reader.feed(b"\npci 0000:01:00.0: Adding to iommu group 7\n");
    let log = reader.finish();
    assert_eq!((log.lines_read, log.entries.len()), (2, 1));
}

#[test]
fn different_lines_without_number_are_bounded() {
    let mut reader = LogReader::new();
    for n in 0..30_000 {
        reader.feed(format!("pci 0000:01:00.0: Adding to iommu group {n}\n").as_bytes());
    }
    let log = reader.finish();
    assert_eq!(log.entries.len(), fwspec::limits::MAX_LOG_ENTRIES);
    assert_eq!(log.entries.len() + log.left_out, 30_000);
}

#[test]
fn a_log_is_evidence_and_prose_is_not() {
    for (text, is_log) in [
        ("[    0.000000] Linux version 6.12.1\n[    0.100000] something\n", true),
        ("Nov 28 12:00:00 host kernel: usb 1-1: new device\n", true),
        ("arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:\n", true),
        ("pci 0000:01:00.0: Adding to iommu group 7", true),
        (
            "# Groups\n\nA device has an IOMMU group. The kernel says:\n\n    DMAR: DRHD: handling fault status reg 3\n\nThat is all.\n",
            false,
        ),
        ("neither firmware nor functions", false),
        ("key: value\nother: value\n", false),
        ("00:1f.0 ISA bridge: Example\n", false),
    ] {
        assert_eq!(recognise(text.as_bytes()) == Kind::KernelLog, is_log, "{text}");
    }
    let mut collector = Collector::new();
    collector
        .add("dmesg.txt", b"[    1.500000] pci 0000:01:00.0: Adding to iommu group 7\n".to_vec())
        .unwrap();
    let machine = collector.finish().unwrap();
    assert_eq!(machine.kernel.group_of("0000:01:00.0".parse().unwrap()), Some(7));
    assert_eq!((machine.evidence[0].kind, machine.kernel.logs.len()), (Kind::KernelLog, 1));
}
