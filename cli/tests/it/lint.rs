//! `lint`, `explain` and `diff`, their output compared with files beside; `BLESS=1 cargo test -p fwspec-cli --test it lint::` writes them
//! anew. What they say of bytes is compared with the bytes.

use crate::cases::cases_of_three;
use crate::support;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn project() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn fwspec(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fwspec"))
        .args(arguments)
        .current_dir(project().join("firmware-samples"))
        .env_remove("NO_COLOR")
        .output()
        .unwrap()
}

fn said(arguments: &[&str]) -> String {
    String::from_utf8(fwspec(arguments).stdout).unwrap()
}

fn snapshot(name: &str, arguments: &[&str]) {
    support::snapshot(name, arguments, fwspec(arguments));
}

const OVERLAP: &str = "broken/IORT004-range-overlap/iort.bin";

#[test]
fn a_table_with_an_overlap_is_shown_with_its_bytes() {
    snapshot("lint-table", &["lint", OVERLAP]);
}

#[test]
fn a_tree_with_an_overlap_is_shown_with_its_cells() {
    snapshot("lint-tree", &["lint", "broken/DT016-map-overlap/fdt.dtb"]);
}

#[test]
fn findings_are_json_as_documented() {
    let document: Value = serde_json::from_str(&said(&["lint", "--json", OVERLAP])).unwrap();
    assert_eq!(document["schema"], "fwspec.lint/1");
    let finding = &document["findings"][0];
    for (key, value) in
        [("code", "IORT004"), ("name", "range-overlap"), ("severity", "error"), ("file", OVERLAP)]
    {
        assert_eq!(finding[key], value);
    }
    let offset = finding["offset"].as_u64().unwrap();
    assert_eq!(finding["at"], format!("IORT+{offset:#x}"));
    assert_eq!(finding["len"], 20);
}

#[test]
fn annotations_and_test_reports_say_the_same() {
    snapshot("lint-github", &["lint", "--format", "github", OVERLAP]);
    snapshot("lint-junit", &["lint", "--format", "junit", OVERLAP, "d05-2020/fdt.dtb"]);
}

/// Every blob among the samples, with the topology beside it.
fn blobs() -> Vec<(String, Option<String>)> {
    let top = project().join("firmware-samples");
    let mut found = Vec::new();
    for folder in [top.clone(), top.join("broken")] {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.flat_map(|folder| ["iort.bin", "fdt.dtb"].map(|file| folder.join(file))) {
            let name = |path: &PathBuf| path.strip_prefix(&top).unwrap().display().to_string();
            let beside = path.with_file_name("lspci.txt");
            if path.exists() {
                found.push((name(&path), beside.exists().then(|| name(&beside))));
            }
        }
    }
    found.sort();
    // Of which an ordinary run takes each fourth.
    found.into_iter().step_by(cases_of_three(4, 1, 1)).collect()
}

/// What lint says of a blob in some form.
fn in_form(format: &str, (blob, topology): &(String, Option<String>)) -> String {
    let mut arguments = vec!["lint", "--format", format, "--fail-on", "warn"];
    arguments.extend(topology.iter().flat_map(|topology| ["--pci", topology.as_str(), "--sid-bits", "8"]));
    arguments.push(blob);
    said(&arguments)
}

/// The schema is that of OASIS, as the crate serde-sarif 0.8.0 (MIT) carries it.
#[test]
fn sarif_logs_are_valid_by_the_schema_of_oasis() {
    let schema = fs::read_to_string(project().join("cli/tests/sarif-schema-2.1.0.json")).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.enable_format_assertions();
    let url = "https://example.invalid/sarif.json";
    compiler.add_resource(url, serde_json::from_str(&schema).unwrap()).unwrap();
    let index = compiler.compile(url, &mut schemas).unwrap();
    let valid = |log: &Value| schemas.validate(log, index).map_err(|error| format!("{error:#}"));
    let mut results = 0;
    let mut check = |log: &Value, what: &str| {
        valid(log).unwrap_or_else(|error| panic!("{what}: {error}"));
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"], "{what}");
            results += 1;
        }
    };
    for blob in blobs() {
        check(&serde_json::from_str(&in_form("sarif", &blob)).unwrap(), &blob.0);
    }
    // Several files in one log, one of them with a name that no URI holds as it is; and waived findings.
    let folder = std::env::temp_dir().join(format!("fwspec-sarif-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let odd = folder.join("my board [é] 100%.bin");
    fs::copy(project().join("firmware-samples").join(OVERLAP), &odd).unwrap();
    let waivers = folder.join("waivers.toml");
    fs::write(&waivers, "[[waiver]]\ncode = \"IORT004\"\nreason = \"known\"\n").unwrap();
    let log = said(&[
        "lint",
        "--format",
        "sarif",
        "--waivers",
        waivers.to_str().unwrap(),
        odd.to_str().unwrap(),
        "broken/DT016-map-overlap/fdt.dtb",
    ]);
    let mut log: Value = serde_json::from_str(&log).unwrap();
    check(&log, "several files");
    assert_eq!(log["runs"][0]["results"][0]["suppressions"][0]["justification"], "known");
    fs::remove_dir_all(folder).unwrap();
    assert!(results > cases_of_three(25, 100, 100), "{results} results");
    // The schema is one that objects.
    log["runs"][0]["results"][0]["level"] = "terrible".into();
    assert!(valid(&log).is_err());
    log["runs"][0]["results"][0]["level"] = "note".into();
    log["runs"][0]["results"][0]["colour"] = "green".into();
    assert!(valid(&log).is_err());
}

#[test]
fn test_reports_are_well_formed_and_count_right() {
    for blob in blobs() {
        let text = in_form("junit", &blob);
        let document =
            roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", blob.0));
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "testsuites");
        let found: Value = serde_json::from_str(&in_form("json", &blob)).unwrap();
        let found = found["findings"].as_array().unwrap();
        let suites: Vec<_> = root.children().filter(roxmltree::Node::is_element).collect();
        assert_eq!(suites.len(), 1);
        assert_eq!(suites[0].attribute("name"), Some(blob.0.as_str()));
        let named =
            |tag: &str| suites[0].descendants().filter(|node| node.has_tag_name(tag)).count().to_string();
        for (attribute, tag) in [("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")] {
            assert_eq!(suites[0].attribute(attribute), Some(named(tag).as_str()), "{}: {attribute}", blob.0);
        }
        let failures: Vec<_> = suites[0].descendants().filter_map(|node| node.attribute("message")).collect();
        let bad = found.iter().filter(|finding| finding["severity"] != "info");
        assert_eq!(failures, bad.map(|finding| finding["message"].as_str().unwrap()).collect::<Vec<_>>());
    }
}

#[test]
fn annotations_have_the_form_of_workflow_commands() {
    // https://docs.github.com/actions/reference/workflow-commands-for-github-actions: ::error file=…,title=…::message
    let plain = |text: &str| {
        let text = text.replace("%2C", ",").replace("%3A", ":").replace("%0A", "\n").replace("%0D", "\r");
        text.replace("%25", "%")
    };
    for blob in blobs() {
        let text = in_form("github", &blob);
        let found: Value = serde_json::from_str(&in_form("json", &blob)).unwrap();
        let found = found["findings"].as_array().unwrap();
        assert_eq!(text.lines().count(), found.len(), "{}: a line a finding", blob.0);
        for (line, finding) in text.lines().zip(found) {
            let (command, rest) = line.strip_prefix("::").unwrap().split_once(' ').unwrap();
            let level = match finding["severity"].as_str().unwrap() {
                "error" => "error",
                "warn" => "warning",
                _ => "notice",
            };
            assert_eq!(command, level);
            let (properties, message) = rest.split_once("::").unwrap();
            let properties: Vec<_> =
                properties.split(',').map(|property| property.split_once('=').unwrap()).collect();
            assert_eq!(properties.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["file", "title"]);
            assert_eq!(plain(properties[0].1), blob.0);
            let title =
                format!("{} {}", finding["code"].as_str().unwrap(), finding["name"].as_str().unwrap());
            assert_eq!(plain(properties[1].1), title);
            assert!(plain(message).contains(finding["message"].as_str().unwrap()), "{line}");
        }
    }
}

#[test]
fn severities_and_exit_codes_obey_the_command_line() {
    let code = |arguments: &[&str]| fwspec(arguments).status.code().unwrap();
    assert_eq!(code(&["lint", OVERLAP]), 1);
    assert_eq!(code(&["lint", "--fail-on", "never", OVERLAP]), 0);
    assert_eq!(code(&["lint", "--allow", "range-overlap", OVERLAP]), 0);
    assert_eq!(code(&["lint", "--warn", "IORT004", OVERLAP]), 0);
    assert_eq!(code(&["lint", "--warn", "IORT004", "--fail-on", "warn", OVERLAP]), 1);
    assert_eq!(code(&["lint", "qemu-virt-acpi/iort.bin"]), 0);
    assert_eq!(code(&["lint", "--deny", "identifier-repeated", "qemu-virt-acpi/iort.bin"]), 1);
    assert_eq!(code(&["lint", "README.md"]), 2);
    assert_eq!(code(&["lint", "--deny", "IORT999", OVERLAP]), 64);
}

#[test]
fn a_waiver_holds_until_its_day() {
    let folder = std::env::temp_dir().join(format!("fwspec-waivers-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let waivers = |name: &str, expires: &str| {
        let file = folder.join(name);
        let text = format!(
            "[[waiver]]\ncode = \"range-overlap\"\nwhere = \"IORT+0xa0\"\nreason = \"known\"\nexpires = {expires}\n"
        );
        fs::write(&file, text).unwrap();
        fwspec(&["lint", "--waivers", file.to_str().unwrap(), OVERLAP])
    };
    let (holds, expired) = (waivers("holds.toml", "9999-12-31"), waivers("expired.toml", "2001-01-01"));
    assert_eq!((holds.status.code(), expired.status.code()), (Some(0), Some(1)));
    // The day may stand in quotes.
    assert_eq!(waivers("quoted.toml", "\"9999-12-31\"").status.code(), Some(0));
    assert_eq!(waivers("quoted-expired.toml", "\"2001-01-01\"").status.code(), Some(1));
    let wrong = waivers("wrong.toml", "\"in spring\"");
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("2030-12-31"));
    assert!(String::from_utf8(holds.stdout).unwrap().contains("waived: known"));
    assert!(String::from_utf8(expired.stderr).unwrap().contains("has expired"));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_code_is_explained() {
    snapshot("explain-code", &["explain", "IORT006"]);
    assert!(said(&["explain"]).lines().any(|line| line.contains("range-overlap")));
}

#[test]
fn a_function_behind_a_switch_and_a_bridge_is_followed_hop_by_hop() {
    let topology = "qemu-switch-bridge/lspci.txt";
    let arguments = ["explain", "--pci", topology, "qemu-switch-bridge/iort.bin", "04:02.0"];
    snapshot("explain-bridge", &arguments);
    let text = said(&arguments);
    let hops =
        text.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit())).count();
    assert!(hops >= 4, "{hops} hops");
    // Each record stands in the bytes as it is told.
    let table = fs::read(project().join("firmware-samples/qemu-switch-bridge/iort.bin")).unwrap();
    let mut records = 0;
    for line in text.lines().filter_map(|line| line.trim_start().strip_prefix("record at IORT+")) {
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_end_matches(':')).collect();
        let hex = |word: &str| {
            u32::from_str_radix(word.trim_start_matches("IORT+").trim_start_matches("0x"), 16).unwrap()
        };
        let at = usize::try_from(hex(words[0])).unwrap();
        let field = |position: usize| u32::from_le_bytes(table[at + 4 * position..][..4].try_into().unwrap());
        // inputs FIRST to LAST become OUTPUT and up at TARGET
        assert_eq!(
            (field(0), field(0) + field(1), field(2)),
            (hex(words[2]), hex(words[4]), hex(words[6])),
            "{line}"
        );
        assert_eq!(field(3), hex(words[words.len() - 1]), "{line}");
        records += 1;
    }
    assert!(records >= 2);
}

#[test]
fn a_log_line_leads_back_to_its_device() {
    let line = "arm-smmu-v3 arm-smmu-v3.0.auto: event 0x02 received: sid 0x9000";
    snapshot("explain-log", &["explain", "d05-2020/iort.bin", line]);
}

/// The messages of the SMMU drivers, and the line that only announces the one with the StreamID.
#[test]
fn every_form_of_log_line_is_explained() {
    let table = "d05-2020/iort.bin";
    for (line, meaning, source) in [
        ("arm-smmu-v3 7000a0040000.iommu: event 0x02 received: sid 0x5103", "C_BAD_STREAMID", Some("0x1103")),
        (
            "arm-smmu-v3 7000a0040000.iommu: event: F_TRANSLATION client: 000a:11:00.3 sid: 0x5103 ssid: 0x0",
            "F_TRANSLATION",
            Some("0x1103"),
        ),
        ("arm-smmu-v3 7000a0040000.iommu: \t0x0000510300000010", "F_TRANSLATION", Some("0x1103")),
        (
            "mlx5_core 000a:11:00.3: Aliasing StreamID 0x5103 unsupported, expect DMA to be broken",
            "refuses",
            Some("0x1103"),
        ),
        ("arm-smmu-v3 7000a0040000.iommu: unexpected PRI request received:", "asked for a page", None),
    ] {
        let document: Value =
            serde_json::from_str(&said(&["explain", "--json", "--dialect", "linux", table, line])).unwrap();
        let answer = &document["lines"][0];
        assert_eq!(document["schema"], "fwspec.log/1");
        assert!(answer["said"].as_str().unwrap().contains(meaning), "{line}: {answer}");
        assert_eq!(answer["stream_ids"][0].as_u64(), source.map(|_| 0x5103), "{line}");
        if let Some(input) = source {
            let of = document["answers"][0]["ways"][0]["of"].as_str().unwrap();
            assert!(of.starts_with(&format!("from {input} (000a:11:00.3) on ")), "{line}: {of}");
            assert!(document["answers"][0]["ways"][0]["hops"].as_array().unwrap().len() >= 2, "{line}");
            assert_eq!(answer["sources"][0], "000a:11:00.3", "{line}");
            assert!(answer["record"].as_str().unwrap().starts_with("IORT+0x"), "{line}");
        }
    }
}

/// From the function to its StreamID, and from the StreamID to the function.
#[test]
fn an_id_is_followed_both_ways() {
    let hops = |id: &str| -> Vec<(u64, Value, Value)> {
        let document: Value = serde_json::from_str(&said(&[
            "explain",
            "--json",
            "--dialect",
            "linux",
            "d05-2020/iort.bin",
            id,
        ]))
        .unwrap();
        let ways = document["answers"][0]["ways"].as_array().unwrap().clone();
        assert_eq!(ways.len(), 1, "{id}");
        let hops = ways[0]["hops"].as_array().unwrap().clone();
        let steps = hops.iter().filter_map(|hop| hop.get("record"));
        steps
            .map(|step| (step["offset"].as_u64().unwrap(), step["input"].clone(), step["output"].clone()))
            .collect()
    };
    let forward = hops("000a:11:00.3");
    assert_eq!((&forward[0].1, &forward[0].2), (&Value::from(0x1103), &Value::from(0x5103)));
    let records = |hops: Vec<(u64, Value, Value)>| hops.into_iter().map(|hop| hop.0).collect::<Vec<_>>();
    let there = records(forward);
    assert_eq!(records(hops("sid:0x5103")), there, "the same records on the way back");
    assert_eq!(records(hops("did:0x25103")), there);
}

#[test]
fn readings_that_differ_are_told_apart() {
    let document: Value =
        serde_json::from_str(&said(&["explain", "--json", "d05-2020/iort.bin", "rid:0x1fff"])).unwrap();
    let answers = document["answers"].as_array().unwrap();
    let dialects: Vec<_> = answers.iter().map(|answer| answer["dialects"].to_string()).collect();
    assert_eq!(answers.len(), 2, "{dialects:?}");
    assert!(dialects[0].contains("\"linux\"") && dialects[1].contains("\"freebsd\""), "{dialects:?}");
    let same: Value =
        serde_json::from_str(&said(&["explain", "--json", "d05-2020/iort.bin", "rid:0x100"])).unwrap();
    assert_eq!(same["answers"].as_array().unwrap().len(), 1);
}

#[test]
fn every_code_is_explained_with_a_case() {
    let document: Value = serde_json::from_str(&said(&["explain", "--json"])).unwrap();
    for code in document["codes"].as_array().unwrap() {
        for key in ["what", "why", "case", "help", "reference"] {
            assert!(!code[key].as_str().unwrap().is_empty(), "{} has no {key}", code["code"]);
        }
    }
    assert!(said(&["explain", "IORT004"]).contains("Example: IORT+0xdc: "));
}

#[test]
fn tree_and_tables_of_one_machine_mean_the_same() {
    let same =
        |arguments: &[&str]| assert_eq!(fwspec(arguments).status.code(), Some(0), "{}", said(arguments));
    same(&["diff", "d05-2020/iort.bin", "d05-2020/fdt.dtb"]);
    // QEMU's IORT sends buses that are not in use past the SMMU; its tree does not.
    same(&["diff", "--pci", "qemu-virt-acpi/lspci.txt", "qemu-virt-acpi/iort.bin", "qemu-virt-dt/fdt.dtb"]);
    same(&[
        "diff",
        "--pci",
        "qemu-switch-bridge/lspci.txt",
        "qemu-switch-bridge/iort.bin",
        "qemu-switch-bridge/fdt.dtb",
    ]);
    snapshot("diff-unused", &["diff", "qemu-virt-acpi/iort.bin", "qemu-virt-dt/fdt.dtb"]);
}

/// Each code about devices, through the command: it is found with `--pci`, names its device, and not without.
#[test]
fn devices_are_checked_where_a_topology_is_given() {
    for (code, name, device, fails) in [
        ("GRP001", "device-unmapped", "0000:01:00.0", false),
        ("GRP002", "alias-split", "0000:02:03.0", true),
        ("GRP003", "ghost-alias", "0000:00:05.0", false),
        ("GRP004", "port-without-acs", "0000:00:01.0", false),
        ("GRP005", "switch-not-isolated", "0000:01:00.0", false),
        ("GRP006", "stream-beyond-table", "0000:01:00.0", true),
        ("GRP007", "devices-share-stream", "0000:02:04.0", true),
    ] {
        let folder = format!("broken/{code}-{name}");
        let [iort, lspci] = ["iort.bin", "lspci.txt"].map(|file| format!("{folder}/{file}"));
        let bits: &[&str] = if code == "GRP006" { &["--sid-bits", "8"] } else { &[] };
        let with = [&["lint", "--json", "--pci", &lspci, &iort][..], bits].concat();
        let output = fwspec(&with);
        assert_eq!(output.status.code(), Some(i32::from(fails)), "{code}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found: Vec<&Value> = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["code"] == code)
            .collect();
        assert!(found.iter().any(|finding| finding["device"] == device), "{code}: {found:?}");
        let found = |arguments: &[&str]| said(arguments).contains(&format!("[{code}]"));
        assert!(found(&[&["lint", "--pci", &lspci, &iort][..], bits].concat()), "{code} in text");
        assert!(!found(&["lint", &iort]), "{code} without devices");
        assert!(
            !found(&[&["lint", "--allow", code, "--pci", &lspci, &iort][..], bits].concat()),
            "{code} allowed"
        );
    }
}

#[test]
fn the_width_of_stream_ids_is_what_the_user_says() {
    let folder = "broken/GRP006-stream-beyond-table";
    let [iort, lspci] = ["iort.bin", "lspci.txt"].map(|file| format!("{folder}/{file}"));
    let code = |more: &[&str]| fwspec(&[&["lint"], more, &[&iort]].concat()).status.code();
    assert_eq!(code(&["--pci", &lspci]), Some(0));
    // The device has StreamID 0x100: nine bits.
    for (bits, wanted) in [("8", Some(1)), ("9", Some(0)), ("32", Some(0)), ("0", Some(64)), ("33", Some(64))]
    {
        assert_eq!(code(&["--pci", &lspci, "--sid-bits", bits]), wanted, "{bits}");
    }
    assert_eq!(code(&["--sid-bits", "8"]), Some(64), "without devices there is nothing to compare with");
    assert_eq!(code(&["--pci", "nothing.txt"]), Some(2));
    assert_eq!(code(&["--pci", &iort]), Some(2), "a table is no topology");
}

/// Tables of one machine from several files, or pieces of an archive: a finding names its own.
#[test]
fn a_finding_names_the_file_of_its_table() {
    let [iort, viot] = ["broken/IORT004-range-overlap/iort.bin", "broken/VIOT005-viot-reserved/viot.bin"];
    let found = said(&["lint", iort, viot]);
    for place in [format!("--> {iort}: IORT+0xdc"), format!("--> {viot}: VIOT+0x5c")] {
        assert!(found.contains(&place), "{place} in {found}");
    }
    let annotated = said(&["lint", "--format", "github", iort, viot]);
    assert!(annotated.contains(&format!("file={viot},title=VIOT005")), "{annotated}");
}

#[test]
fn what_changes_between_tables_of_x86_machines_is_told() {
    let [dmar, ivrs] = ["broken/DMAR013-dmar-region/dmar.bin", "broken/IVRS009-ivrs-region/ivrs.bin"];
    snapshot("diff-dmar", &["diff", "broken/DMAR020-dmar-own-bus/dmar.bin", dmar]);
    snapshot("diff-ivrs", &["diff", "qemu-amd-iommu/ivrs.bin", ivrs]);
    let listing = "qemu-intel-iommu/lspci.txt";
    snapshot("diff-functions", &["diff", "--pci", listing, "qemu-intel-iommu/dmar.bin", dmar]);
}

#[test]
fn groups_that_change_with_the_firmware_are_told() {
    let topology = "broken/GRP007-devices-share-stream/lspci.txt";
    let healthy = "broken/GRP007-devices-share-stream/iort.bin";
    let hole = "broken/GRP001-device-unmapped/iort.bin";
    snapshot("diff-groups", &["diff", "--pci", topology, healthy, hole]);
    let document: Value =
        serde_json::from_str(&said(&["diff", "--json", "--pci", topology, healthy, hole])).unwrap();
    let groups: Vec<&Value> =
        document["changes"].as_array().unwrap().iter().filter(|change| change["kind"] == "group").collect();
    assert!(!groups.is_empty() && document["equal"] == false);
    assert_eq!(fwspec(&["diff", "--pci", topology, healthy, healthy]).status.code(), Some(0));
    assert_eq!(fwspec(&["diff", "--pci", "nothing.txt", healthy, healthy]).status.code(), Some(2));
}

#[test]
fn a_madt_beside_the_table_tells_which_its_units_there_are() {
    let folder = std::env::temp_dir().join(format!("fwspec-madt-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let both = fs::read(project().join("firmware-samples/broken/IORT067-its-unknown/iort.bin")).unwrap();
    let (iort, madt) = both.split_at(both.len() - 64);
    let [iort_file, madt_file] = ["IORT", "APIC"].map(|name| folder.join(name).display().to_string());
    fs::write(&iort_file, iort).unwrap();
    fs::write(&madt_file, madt).unwrap();
    assert!(!said(&["lint", &iort_file]).contains("[IORT067]"), "without a MADT nothing is known");
    assert!(said(&["lint", &iort_file, &madt_file]).contains("[IORT067]"));
    assert!(said(&["lint", folder.to_str().unwrap()]).contains("[IORT067]"), "the tables of a folder");
    fs::remove_dir_all(folder).unwrap();
}
