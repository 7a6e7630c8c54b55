//! The table of forms against what a kernel prints: format strings of the files that touch IOMMUs, out of the unpacked source that FWSPEC_LINUX
//! names. What no row matches is named, unless a sentence excuses it.

use std::fs;
use std::path::{Path, PathBuf};

use fwspec::machine::log::{Log, LogKind};

/// Folders and files that are looked through, what their drivers write before a message, and words of which a message must have one
/// to count (none: all count).
const SOURCES: [(&str, &[&str], &[&str]); 34] = [
    ("drivers/iommu/arm/arm-smmu-v3", &["arm-smmu-v3 arm-smmu-v3.0.auto: ", "pci 0000:01:00.0: "], &[]),
    (
        "drivers/iommu/arm/arm-smmu",
        &["arm-smmu 15000000.iommu: ", "qcom-iommu 1000.iommu: ", "pci 0000:01:00.0: "],
        &[],
    ),
    ("drivers/iommu/intel", &["DMAR: ", "DMAR-IR: ", "pci 0000:01:00.0: DMAR: "], &[]),
    ("drivers/iommu/amd", &["AMD-Vi: ", "pci 0000:00:00.2: AMD-Vi: "], &[]),
    ("drivers/iommu/riscv", &["riscv,iommu 3010000.iommu: ", "pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/generic_pt", &["iommu: "], &[]),
    ("drivers/iommu/iommufd", &["iommufd: ", "vfio-pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/apple-dart.c", &["apple-dart 682008000.iommu: ", "pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/dma-iommu.c", &["pci 0000:01:00.0: ", "iommu: "], &[]),
    ("drivers/iommu/exynos-iommu.c", &["exynos-sysmmu 14650000.sysmmu: "], &[]),
    ("drivers/iommu/fsl_pamu.c", &["fsl-pamu: pamu_av_isr: "], &[]),
    ("drivers/iommu/fsl_pamu_domain.c", &["fsl-pamu-domain: x: "], &[]),
    ("drivers/iommu/iommu.c", &["iommu: ", "pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/io-pgfault.c", &["pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/io-pgtable-arm.c", &["arm-lpae io-pgtable: "], &[]),
    ("drivers/iommu/io-pgtable-arm-v7s.c", &["arm-v7s io-pgtable: "], &[]),
    ("drivers/iommu/iommu-debug-pagealloc.c", &["iommu: "], &[]),
    ("drivers/iommu/iova.c", &[""], &[]),
    ("drivers/iommu/ipmmu-vmsa.c", &["ipmmu-vmsa fe990000.mmu: ", "pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/msm_iommu.c", &["msm_iommu: ", "msm_iommu 1000.iommu: "], &[]),
    ("drivers/iommu/mtk_iommu.c", &["mtk-iommu 14018000.iommu: ", "pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/mtk_iommu_v1.c", &["mtk-iommu-v1 14018000.iommu: ", "pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/of_iommu.c", &["pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/omap-iommu.c", &["omap-iommu 40d01000.mmu: ", "pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/rockchip-iommu.c", &["rk_iommu fdba4800.iommu: "], &[]),
    ("drivers/iommu/s390-iommu.c", &[""], &[]),
    ("drivers/iommu/sprd-iommu.c", &["sprd-iommu 1000.iommu: "], &[]),
    ("drivers/iommu/sun50i-iommu.c", &["sun50i-iommu 30f0000.iommu: "], &[]),
    ("drivers/iommu/tegra-smmu.c", &["tegra-mc 2c00000.memory-controller: ", "pci 0000:01:00.0: "], &[]),
    ("drivers/iommu/virtio-iommu.c", &["virtio_iommu virtio1: "], &[]),
    ("drivers/iommu/vsi-iommu.c", &["vsi_iommu 1000.iommu: "], &[]),
    ("drivers/of/iommu.c", &["OF: "], &[]),
    ("drivers/bus/fsl-mc", &["fsl_mc_dprc dprc.1: ", "fsl-mc: "], &["iommu", "dma", "msi", "irq"]),
    ("drivers/vfio", &["vfio-pci 0000:01:00.0: ", "vfio-platform 1000.dev: ", "vfio_iommu_type1: "], &[]),
];

/// More of them, of which only what is about ids, isolation and MSIs counts.
const OTHERS: [(&str, &[&str], &[&str]); 13] = [
    ("drivers/acpi/arm64/iort.c", &["ACPI: IORT: ", "pci 0000:01:00.0: "], &[]),
    ("drivers/acpi/riscv/rimt.c", &["ACPI: RIMT: "], &[]),
    ("drivers/acpi/viot.c", &["ACPI: VIOT: "], &[]),
    ("drivers/of/base.c", &["OF: "], &["iommu", "%s translation", "phandle", "could not get", "cell"]),
    ("drivers/irqchip/irq-gic-v3-its.c", &[""], &[]),
    ("drivers/irqchip/irq-gic-v5.c", &["GICv5: ", ""], &[]),
    ("drivers/irqchip/irq-gic-v5-its.c", &["GICv5 ITS: "], &[]),
    ("drivers/irqchip/irq-gic-v5-irs.c", &["GICv5 IRS: "], &[]),
    ("drivers/irqchip/irq-gic-v5-iwb.c", &["GICv5 IWB: "], &[]),
    ("drivers/pci/pci.c", &["pci 0000:01:00.0: ", ""], &["ACS", "IOMMU", "alias", "ATS"]),
    (
        "drivers/pci/quirks.c",
        &["pci 0000:01:00.0: "],
        &["ACS", "IOMMU", "alias", "ATS", "isolat", "MSI", "stall", "Switchtec"],
    ),
    ("drivers/base/dd.c", &["platform 1000.gpu: ", ""], &["defer", "dependency", "failed with error"]),
    ("drivers/pci/ats.c", &["pci 0000:01:00.0: "], &[]),
];

/// What no row matches and why it need not: the end of a file's path, the start of a message, a sentence.
const EXCUSED: &[(&str, &str, &str)] = &[
    ("selftest.c", "", "a test that a kernel runs of itself"),
    ("-test.c", "", "a test that a kernel runs of itself"),
    ("_test.h", "", "a test that a kernel runs of itself"),
    (
        "hisi_acc_vfio_pci.c",
        "",
        "a driver's own way to move a function between hosts: it says nothing of IOMMUs",
    ),
    ("vfio/pci/pds/", "", "a driver's own way to move a function between hosts: it says nothing of IOMMUs"),
    ("vfio/pci/mlx5/", "", "a driver's own way to move a function between hosts: it says nothing of IOMMUs"),
    ("vfio/pci/qat/", "", "a driver's own way to move a function between hosts: it says nothing of IOMMUs"),
    ("vfio/pci/xe/", "", "a driver's own way to move a function between hosts: it says nothing of IOMMUs"),
    ("vfio/pci/nvgrace-gpu/", "", "memory of one GPU, nothing of IOMMUs"),
    ("vfio/platform/reset/", "", "how single devices are reset, nothing of IOMMUs"),
    ("mdev_core.c", "Failed to create compatibility", "a link in sysfs, nothing of IOMMUs"),
    ("vfio_platform_common.c", "reset\\n", "a device was reset, nothing of IOMMUs"),
    ("", "*", "a frame around a notice"),
    ("", " *", "a frame around a notice"),
    ("amd/init.c", " ", "goes on with a line about features that is matched as a whole"),
    ("arm-smmu-v3.c", "%s %s %s %s", "its words are matched: unpriv data read s1"),
    ("tegra241-cmdqv.c", "%s", "starts with the name of a queue and a colon, which is matched"),
    ("amd/iommu.c", "%3d: ", "one of the commands of a dump, after a line that is matched"),
    ("vfio_main.c", " version: ", "goes on with the name of the driver, which is matched"),
];

/// Messages of which the text comes from elsewhere.
const WHOLE: [&str; 3] = ["%s", "%s\\n", "\\n"];

/// Calls that print at a level that users see.
const CALLS: [&str; 19] = [
    "dev_emerg(",
    "dev_crit(",
    "dev_err(",
    "dev_warn(",
    "dev_notice(",
    "dev_info(",
    "dev_err_probe(",
    "pr_emerg(",
    "pr_err(",
    "pr_warn(",
    "pr_notice(",
    "pr_info(",
    "pci_err(",
    "pci_warn(",
    "pci_notice(",
    "pci_info(",
    "iommu_err(",
    "_once(",
    "_ratelimited(",
];

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| files(entry, found));
    } else if path.is_file() && path.extension().is_some_and(|extension| extension == "c") {
        found.push(path.to_owned());
    }
}

/// The string at the start of `text`, after white space; strings that follow each other, and macros between them, are one.
fn string(text: &str) -> Option<String> {
    let mut rest = text.trim_start();
    let mut whole = String::new();
    loop {
        if let Some(macro_) =
            ["FW_BUG", "FW_WARN", "KERN_ERR", "PCI_NAME"].iter().find(|name| rest.starts_with(*name))
        {
            if macro_.starts_with("FW_BUG") {
                whole.push_str("[Firmware Bug]: ");
            }
            rest = rest[macro_.len()..].trim_start();
            continue;
        }
        let Some(inside) = rest.strip_prefix('"') else { break };
        let mut escaped = false;
        let end = inside.char_indices().find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        })?;
        whole.push_str(&inside[..end.0]);
        rest = inside[end.0 + 1..].trim_start();
    }
    (!whole.is_empty()).then_some(whole)
}

/// The format strings of a file.
fn formats(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for call in CALLS {
        for (at, _) in source.match_indices(call) {
            let line = source[..at].rsplit('\n').next().unwrap();
            if line.trim_start().starts_with('*') || line.contains("dbg") || line.contains("#define") {
                continue;
            }
            // The first argument that is a string, within the call.
            let arguments = &source[at + call.len()..];
            let end = arguments.find(';').unwrap_or(arguments.len());
            let mut depth = 0;
            let mut start = true;
            for (offset, c) in arguments[..end].char_indices() {
                if start
                    && depth == 0
                    && let Some(format) = string(&arguments[offset..end])
                {
                    found.push(format);
                    break;
                }
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                start = c == ',' || start && c.is_whitespace();
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A line that a format string makes.
fn line(format: &str) -> String {
    let mut line = String::new();
    let mut rest = format.strip_suffix("\\n").unwrap_or(format);
    while let Some((text, more)) = rest.split_once('%') {
        line.push_str(text);
        let end = more.find(|c: char| c.is_ascii_alphabetic() && !"lhztjL".contains(c) || c == '%').unwrap();
        let (flags, kind) = (&more[..end], &more[end..=end]);
        let mut after = &more[end + 1..];
        line.push_str(&match kind {
            "d" | "u" | "i" => "7".to_owned(),
            "x" | "X" if flags.contains('#') => "0x1f".to_owned(),
            "x" if text.ends_with(':') && flags == "02" => "1f".to_owned(),
            "x" | "X" if flags.contains("016") => "000000000000001f".to_owned(),
            "x" | "X" => "1f".to_owned(),
            "s" => "word".to_owned(),
            "c" => "c".to_owned(),
            "p" => {
                let letters: String = after.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
                after = &after[letters.len()..];
                match letters.as_str() {
                    "OF" | "OFn" | "OFP" => "/soc/node@1000".to_owned(),
                    "R" | "r" => "[mem 0x00001000-0x00001fff]".to_owned(),
                    "e" => "-ENOMEM".to_owned(),
                    "ad" | "a" | "ap" => "0x0000000000001000".to_owned(),
                    "s" | "S" => "function".to_owned(),
                    _ => "00000000abcdef01".to_owned(),
                }
            }
            "%" => "%".to_owned(),
            other => panic!("%{flags}{other} in {format:?}"),
        });
        rest = after;
    }
    line.push_str(rest);
    line.replace("\\t", "\t").replace("\\\"", "\"").replace("\\\\", "\\")
}

#[test]
fn what_a_kernel_prints_of_iommus_has_a_row() {
    let Some(linux) = std::env::var_os("FWSPEC_LINUX") else {
        println!("skipped: FWSPEC_LINUX names no unpacked source of Linux");
        return;
    };
    let linux = Path::new(&linux);
    let (mut all, mut missing) = (0, Vec::new());
    for (path, heads, words) in SOURCES.iter().chain(&OTHERS) {
        let mut found = Vec::new();
        files(&linux.join(path), &mut found);
        for file in found {
            let name = file.strip_prefix(linux).unwrap().display().to_string();
            let source = fs::read_to_string(&file).unwrap();
            for format in formats(&source) {
                if !words.is_empty() && !words.iter().any(|word| format.contains(word)) {
                    continue;
                }
                all += 1;
                let line = line(&format);
                // A message of several lines is printed as such.
                let first = line.split("\\n").next().unwrap();
                let understood = heads.iter().any(|head| {
                    let log = Log::read(format!("{head}{first}\n").as_bytes());
                    log.entries.first().is_some_and(|entry| {
                        entry.form.kind != LogKind::Other || entry.form.pattern.len() > 20
                    })
                });
                let excused = WHOLE.contains(&format.as_str())
                    || EXCUSED.iter().any(|(end, start, _)| name.contains(end) && format.starts_with(start));
                if !understood && !excused {
                    missing.push(format!("{name}: {format}"));
                }
            }
        }
    }
    println!("{all} format strings, {} without a row", missing.len());
    assert!(all > 700, "{all}: is the source there, and the search right?");
    assert!(
        missing.is_empty(),
        "no row of src/machine/log/table matches, and no sentence excuses:\n{}",
        missing.join("\n")
    );
}
