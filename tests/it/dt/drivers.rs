//! The table of drivers against the sources of Linux, where they are at hand, and how a list of `compatible` strings is walked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fwspec::dt::{Binding, DRIVERS, NOT_DRIVEN};
use fwspec::model::{Admission, GroupRule};

/// `drivers` of an unpacked Linux 7.3: FWSPEC_LINUX names the tree (`.ci/full` unpacks Debian's `linux-source`).
fn linux() -> Option<PathBuf> {
    let Some(tree) = std::env::var_os("FWSPEC_LINUX") else {
        println!("skipped: FWSPEC_LINUX names no source tree of Linux");
        return None;
    };
    Some(Path::new(&tree).join("drivers"))
}

fn source(drivers: &Path, file: &str) -> String {
    std::fs::read_to_string(drivers.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The strings behind `.compatible =` in a piece of source.
fn compatibles(text: &str) -> Vec<&str> {
    let after = text.match_indices(".compatible").map(|(at, _)| &text[at..]);
    after
        .filter_map(|rest| {
            let rest = rest[".compatible".len()..].trim_start().strip_prefix('=')?.trim_start();
            let rest = rest.strip_prefix('"')?;
            rest.split('"').next()
        })
        .collect()
}

/// An array of a source, from its name to the closing brace in the first column (or tab, for tables inside functions).
fn array<'t>(text: &'t str, name: &str) -> &'t str {
    let start = text.find(&format!(" {name}[]")).unwrap_or_else(|| panic!("no {name}"));
    let rest = &text[start..];
    &rest[..rest.find("};").unwrap()]
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false if path.extension().is_some_and(|ext| ext == "c") => found.push(path),
            false => {}
        }
    }
}

#[test]
fn every_match_string_of_linux_is_in_the_table_and_no_other() {
    let Some(drivers) = linux() else { return };
    // Tables of masters, which are no IOMMUs: the driver looks for them among its clients.
    let clients = ["qcom_smmu_actlr_client_of_match", "qcom_smmu_client_of_match"];
    let mut there = BTreeSet::new();
    let mut sources = Vec::new();
    files(&drivers.join("iommu"), &mut sources);
    sources.extend([drivers.join("memory/tegra/mc.c"), drivers.join("xen/grant-dma-iommu.c")]);
    for path in sources {
        let text = std::fs::read_to_string(path).unwrap();
        let masters: BTreeSet<&str> = clients
            .iter()
            .filter(|name| text.contains(&format!(" {name}[]")))
            .flat_map(|name| compatibles(array(&text, name)))
            .collect();
        there.extend(compatibles(&text).into_iter().filter(|name| !masters.contains(name)).map(String::from));
    }
    // Bound by PCI id or behind the virtio bus: no match table names them.
    let elsewhere = ["riscv,pci-iommu", "virtio,pci-iommu", "virtio,mmio"];
    let rows = DRIVERS.iter().flat_map(|driver| driver.bindings).flat_map(|row| row.compatible);
    let ours: BTreeSet<String> = rows
        .chain(NOT_DRIVEN.iter().flat_map(|(_, names)| *names))
        .filter(|name| !elsewhere.contains(name))
        .map(|name| name.to_string())
        .collect();
    assert_eq!(ours, there);
}

#[test]
fn each_row_is_in_the_table_that_it_cites_and_its_rule_is_the_one_of_the_source() {
    let Some(drivers) = linux() else { return };
    for driver in DRIVERS {
        assert!(driver.bindings.iter().all(|row| row.driver.name == driver.name), "{}", driver.name);
        let (file, table) = driver.table.split_once(' ').unwrap();
        let text = source(&drivers, file);
        if driver.name == "virtio_iommu" {
            assert!(text.contains("VIRTIO_ID_IOMMU"));
            continue;
        }
        let table = table.split(';').next().unwrap();
        let listed = compatibles(array(&text, table));
        for row in driver.bindings {
            for name in row.compatible.iter().filter(|name| **name != "riscv,pci-iommu") {
                assert!(listed.contains(name), "{name} in {}", driver.table);
            }
            let ops = match driver.name {
                "tegra-mc" => source(&drivers, "iommu/tegra-smmu.c"),
                "riscv,iommu" => source(&drivers, "iommu/riscv/iommu.c"),
                _ => text.clone(),
            };
            let has = |word: &str| ops.contains(word);
            let single = has("generic_single_device_group");
            assert_eq!(single, row.group_rule == GroupRule::Instance, "{}", driver.name);
            match row.group_rule {
                GroupRule::Regions(_) => assert!(has("mtk_iommu_get_group_id")),
                GroupRule::FirstIdSet(_) => assert!(has("swgroup = fwspec->ids[0]")),
                GroupRule::SharedId => assert!(has("sid2group")),
                GroupRule::SharedStreamMapping => assert!(has("s2crs[idx].group")),
                _ => {}
            }
            let lists = has("iommu_dma_get_resv_regions");
            assert_eq!(lists, row.driver.lists_regions, "{}: reserved regions", driver.name);
        }
    }
}

/// A number, a shift, a mask or their complement, as the region tables of the MediaTek driver write them.
fn ports(text: &str) -> u32 {
    let text = text.trim().trim_start_matches("(u32)");
    if let Some(rest) = text.strip_prefix('~') {
        return !ports(rest);
    }
    let text = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    let bit = |term: &str| {
        let term = term.trim();
        match term.strip_prefix("BIT(").and_then(|term| term.strip_suffix(')')) {
            Some(bit) => 1 << bit.parse::<u32>().unwrap(),
            None => term.parse().unwrap_or_else(|_| panic!("{term:?}")),
        }
    };
    text.split('|').map(bit).fold(0, |all, one| all | one)
}

/// The region tables of a source: `[region] = {ports of larb 0, …, [larb] = ports}`.
fn regions(text: &str) -> Vec<Vec<(u8, u32)>> {
    let mut text = text.to_string();
    while let Some(start) = text.find("/*") {
        let end = text[start..].find("*/").unwrap() + start + 2;
        text.replace_range(start..end, "");
    }
    let body = &text[text.find("= {").unwrap() + 3..];
    let mut all = Vec::new();
    for entry in body.split("},") {
        let Some((_, list)) = entry.split_once("= {") else { continue };
        let mut larb = 0_u8;
        let mut found = Vec::new();
        for item in list.trim_end_matches(|c: char| "} \n\t;".contains(c)).split(',') {
            let item = item.trim();
            if item.is_empty() {
                continue;
            }
            let value = match item.strip_prefix('[').and_then(|item| item.split_once(']')) {
                Some((index, rest)) => {
                    larb = index.parse().unwrap();
                    rest.trim().trim_start_matches('=').trim()
                }
                None => item,
            };
            let mask = ports(value);
            if mask != 0 {
                found.push((larb, mask));
            }
            larb += 1;
        }
        all.push(found);
    }
    all
}

#[test]
fn the_regions_of_mediatek_are_those_of_its_driver() {
    let Some(drivers) = linux() else { return };
    let text = source(&drivers, "iommu/mtk_iommu.c");
    let row = |name: &str| Binding::of([name.as_bytes()]).unwrap().1.group_rule;
    let ids = array(&text, "mtk_iommu_of_ids");
    let mut seen = 0;
    for line in ids.lines().filter(|line| line.contains(".compatible")) {
        let name = compatibles(line)[0];
        let data = line.split('&').nth(1).unwrap().split('}').next().unwrap().trim();
        let start = text.find(&format!("plat_data {data} = {{")).unwrap();
        let data = &text[start..start + text[start..].find("\n};").unwrap()];
        let GroupRule::Regions(ours) = row(name) else { panic!("{name}") };

        let shared = data.contains("SHARE_PGTABLE");
        let list = data.split(".hw_list").nth(1).map(|rest| rest.split('&').nth(1).unwrap());
        let list = list.map(|rest| rest.split(',').next().unwrap()).filter(|_| shared);
        assert_eq!(ours.list, list, "{name}");

        let masks = data.split(".iova_region_larb_msk").nth(1);
        let table =
            masks.map(|rest| rest.trim_start().trim_start_matches('=').split(',').next().unwrap().trim());
        let theirs = table.map_or(Vec::new(), |table| {
            let start = text.find(&format!(" {table}[")).unwrap();
            regions(&text[start..start + text[start..].find("\n};").unwrap()])
        });
        // Regions at the end that no port is in may be left out of the source's table.
        let cut = |mut list: Vec<Vec<(u8, u32)>>| {
            while list.last().is_some_and(Vec::is_empty) {
                list.pop();
            }
            list
        };
        assert_eq!(cut(ours.regions.iter().map(|region| region.to_vec()).collect()), cut(theirs), "{name}");

        let banks = data.contains("GENMASK").then_some(&[(0, 0x000f_0000), (4, 0xfff0_0000)][..]);
        assert_eq!(ours.banks, banks.unwrap_or_default(), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 19);
}

#[test]
fn a_name_is_in_one_row_only() {
    let rows = DRIVERS.iter().flat_map(|driver| driver.bindings).flat_map(|row| row.compatible);
    let all: Vec<&str> = rows.chain(NOT_DRIVEN.iter().flat_map(|(_, names)| *names)).copied().collect();
    let once: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(once.len(), all.len());
}

#[test]
fn the_list_is_walked_as_linux_walks_it() {
    let of = |names: &[&str]| {
        let found = Binding::of(names.iter().map(|name| name.as_bytes()));
        found.map(|(driver, row)| (driver.name, row.compatible[0]))
    };
    // Anywhere in the list, and the first of the driver's own strings there.
    assert_eq!(of(&["acme,x", "nvidia,smmu-500"]), Some(("arm-smmu", "arm,mmu-500")));
    assert_eq!(of(&["cavium,smmu-v2", "arm,smmu-v2"]), Some(("arm-smmu", "cavium,smmu-v2")));
    assert_eq!(of(&["arm,smmu-v2", "cavium,smmu-v2"]), Some(("arm-smmu", "arm,smmu-v2")));
    // Of two drivers the one that is linked first (drivers/iommu/Makefile), wherever their strings stand.
    assert_eq!(of(&["rockchip,iommu", "arm,mmu-401"]), Some(("arm-smmu", "arm,mmu-401")));
    assert_eq!(of(&["ARM,SMMU-V3"]), Some(("arm-smmu-v3", "arm,smmu-v3")));
    assert_eq!(of(&["arm,smmu"]), None);
    assert_eq!(of(&[]), None);
}

#[test]
fn ipmmu_takes_few_and_grant_dma_takes_nobody() {
    let admission = |name: &str| Binding::of([name.as_bytes()]).unwrap().1.driver.admission;
    assert_eq!(admission("xen,grant-dma"), Admission::Nobody);
    assert_eq!(admission("renesas,ipmmu-r8a7796"), Admission::Nobody);
    assert_eq!(admission("renesas,ipmmu-vmsa"), Admission::Everyone);
    let Admission::Named(names) = admission("renesas,ipmmu-r8a7795") else { panic!() };
    assert_eq!(names[0], "ee100000.mmc");
}
