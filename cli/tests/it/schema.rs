//! The published schemas: what every verb prints of every sample is valid, and no schema has lost a key. `BLESS=1` writes the
//! schemas anew, except where a key would be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use boon::{Compiler, SchemaIndex, Schemas};
use fwspec_report::{DOCUMENTS, schema};
use serde_json::{Value, json};

use crate::cases::cases_of_three;

fn project() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The documents that the command prints, whatever it ends with.
fn documents(arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_fwspec"))
        .args(arguments)
        .current_dir(project().join("firmware-samples"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let code = output.status.code().unwrap();
    assert!(code <= 1, "{arguments:?}: {code}: {}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The schemas, closed: in a test a key that no schema knows is a fault, although readers must bear with it.
struct Published {
    schemas: Schemas,
    kinds: BTreeMap<String, SchemaIndex>,
}

impl Published {
    fn new() -> Self {
        let (mut schemas, mut compiler, mut kinds) = (Schemas::new(), Compiler::new(), BTreeMap::new());
        for (name, _) in DOCUMENTS {
            let mut closed: Value = serde_json::from_str(&schema(name).unwrap()).unwrap();
            closed["unevaluatedProperties"] = json!(false);
            for part in closed["$defs"].as_object_mut().into_iter().flatten().map(|(_, part)| part) {
                part["unevaluatedProperties"] = json!(false);
            }
            let url = format!("https://example.invalid/{name}");
            compiler.add_resource(&url, closed).unwrap();
            kinds.insert(name.to_string(), compiler.compile(&url, &mut schemas).unwrap());
        }
        Published { schemas, kinds }
    }

    fn check(&self, arguments: &[&str], seen: &mut BTreeMap<String, usize>) {
        for document in documents(arguments) {
            let kind = document["schema"].as_str().unwrap();
            let index = *self.kinds.get(kind).unwrap_or_else(|| panic!("{kind} has no schema"));
            if let Err(error) = self.schemas.validate(&document, index) {
                panic!("fwspec {}: {error:#}", arguments.join(" "));
            }
            *seen.entry(kind.to_string()).or_default() += 1;
        }
    }
}

/// The folders of samples, below firmware-samples.
fn folders() -> Vec<String> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.retain(|path| path.is_dir());
        all.sort();
        all
    };
    let top = project().join("firmware-samples");
    let all = list(&top).into_iter().chain(list(&top.join("broken")));
    all.map(|path| path.strip_prefix(&top).unwrap().display().to_string()).collect()
}

#[test]
fn every_document_of_every_sample_is_valid() {
    let published = Published::new();
    let mut seen = BTreeMap::new();
    let top = project().join("firmware-samples");
    // Of the broken samples an ordinary run takes each twelfth.
    let step = cases_of_three(12, 1, 1);
    for (number, folder) in folders().into_iter().enumerate() {
        if folder.starts_with("broken") && number % step != 0 {
            continue;
        }
        let file = |name: &str| format!("{folder}/{name}");
        let there = |name: &&str| top.join(file(name)).exists();
        let mut check = |arguments: &[&str]| published.check(arguments, &mut seen);
        let lspci = file("lspci.txt");
        let blobs: Vec<String> =
            ["iort.bin", "fdt.dtb"].iter().filter(|f| there(f)).map(|f| file(f)).collect();
        for blob in &blobs {
            check(&["lint", "--json", blob]);
            // What cannot be read at all is a finding, and nothing else.
            let cut = ["TableCut", "001-", "DT002", "IORT002"].iter().any(|broken| folder.contains(broken));
            if cut {
                continue;
            }
            check(&["show", "--json", blob]);
            check(&[
                "lookup",
                "--json",
                "--dialect",
                "all",
                blob,
                "rid:0x100",
                "sid:0x100",
                "did:0x100",
                r"\_SB_.GPU0",
                "/gpu",
            ]);
            check(&["lookup", "--json", blob, "0000:01:00.0"]);
            check(&[
                "explain",
                "--json",
                blob,
                "rid:0x100",
                "sid:0x100",
                "did:0x100",
                "/gpu",
                "Aliasing StreamID 0x100",
            ]);
            check(&["audit", "--json", blob]);
            check(&["diff", "--json", blob, "broken/IORT003-checksum/iort.bin"]);
            check(&["groups", "--json", blob, "d05-2020/lspci.txt"]);
            check(&["check", "--json", blob]);
        }
        if let (Some(blob), true) = (blobs.first(), there(&"lspci.txt")) {
            check(&["groups", "--json", "--firmware", blob, "--pci", &lspci]);
            check(&["check", "--json", blob, &lspci]);
            check(&[
                "groups",
                "--json",
                "--policy",
                "strict",
                "--sid-bits",
                "8",
                "--firmware",
                blob,
                "--pci",
                &lspci,
            ]);
            check(&[
                "groups",
                "--json",
                "--what-if",
                "pcie_acs_override=downstream,multifunction",
                "--pci",
                &lspci,
            ]);
            check(&["lint", "--json", "--sid-bits", "8", "--pci", &lspci, blob]);
            check(&["audit", "--json", "--pci", &lspci, blob]);
            check(&["simulate", "--json", "--firmware", blob, "--pci", &lspci]);
            check(&["explain", "--json", "--pci", &lspci, blob, "01:00.0"]);
        }
    }
    let d05 = ["--firmware", "d05-2020/iort.bin", "--pci", "d05-2020/lspci.txt"];
    for more in [&["000a:11:00.0"][..], &["000a:11:00.0", "000a:11:00.3"]] {
        published.check(&[&["groups", "--json", "--why"], more, &d05[..]].concat(), &mut seen);
    }
    published.check(
        &[&["simulate", "--json", "--find", "--algorithm", "driver-probe"], &d05[..]].concat(),
        &mut seen,
    );
    published.check(&["explain", "--json"], &mut seen);
    published.check(&["diff", "--json", "d05-2020/iort.bin", "d05-2020/fdt.dtb"], &mut seen);
    let recording = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schema-events.txt");
    let event = "KERNEL[5.1] add /devices/pci000a:10/000a:10:00.0/000a:11:00.0 (pci)\nIOMMU_GROUP=9\n\n";
    let twice = format!("{event}{}{}", event.replace(":00.0 (", ":00.1 ("), event.replace("add", "remove"));
    fs::write(&recording, twice.replace("11:00.1 (pci)\nIOMMU_GROUP=9", "11:00.1 (pci)\nIOMMU_GROUP=8"))
        .unwrap();
    let recording = recording.to_str().unwrap();
    published.check(
        &["watch", "--json", "--replay", recording, "d05-2020/iort.bin", "d05-2020/lspci.txt"],
        &mut seen,
    );
    println!("{seen:?}");
    assert_eq!(seen.len(), DOCUMENTS.len(), "every kind was seen: {seen:?}");
}

#[test]
fn a_document_with_another_key_is_not_valid() {
    let published = Published::new();
    let mut document = documents(&["show", "--json", "d05-2020/iort.bin"]).remove(0);
    let index = published.kinds["fwspec.platform/1"];
    assert!(published.schemas.validate(&document, index).is_ok());
    document["iommus"][0]["colour"] = json!("green");
    assert!(published.schemas.validate(&document, index).is_err());
    document["iommus"][0].as_object_mut().unwrap().remove("colour");
    document["iommus"][0].as_object_mut().unwrap().remove("id");
    assert!(published.schemas.validate(&document, index).is_err());
}

/// Every key of a schema, by its place; those that are always there end in `!`.
fn keys(schema: &Value, place: &str, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            let required: Vec<&str> = object
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            for (name, _) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
                found.insert(format!("{place}.{name}"));
                if required.contains(&name.as_str()) {
                    found.insert(format!("{place}.{name}!"));
                }
            }
            for (name, inner) in object {
                let place = match name.as_str() {
                    "properties" | "$defs" | "items" => place.to_string(),
                    "anyOf" | "oneOf" | "allOf" => format!("{place}({name})"),
                    name => format!("{place}/{name}"),
                };
                keys(inner, &place, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| keys(inner, place, found)),
        _ => {}
    }
}

#[test]
fn no_schema_has_lost_a_key() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut all = 0;
    for (name, _) in DOCUMENTS {
        let file = project().join("cli/tests/schemas").join(format!("{}.json", name.replace('/', "-")));
        let now = schema(name).unwrap() + "\n";
        let (mut had, mut has) = (BTreeSet::new(), BTreeSet::new());
        keys(&serde_json::from_str(&now).unwrap(), "", &mut has);
        let published = fs::read_to_string(&file).unwrap_or_default();
        if !published.is_empty() {
            keys(&serde_json::from_str(&published).unwrap(), "", &mut had);
        }
        let lost: Vec<_> = had.difference(&has).collect();
        assert!(lost.is_empty(), "{name} has lost {lost:?}: that is another version of the document");
        if bless {
            fs::write(&file, &now).unwrap();
        }
        assert!(bless || published == now, "{name} has changed; if it is meant to, BLESS=1");
        all += has.len();
    }
    assert!(all > 300, "{all} keys");
}

#[test]
fn a_schema_is_found_by_kind_short_name_and_verb() {
    for (name, verb) in DOCUMENTS {
        let short = name.trim_start_matches("fwspec.").trim_end_matches("/1");
        assert!(
            schema(name).is_some() && schema(name) == schema(short) && schema(name) == schema(verb),
            "{name}"
        );
    }
    let run =
        |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_fwspec")).args(arguments).output().unwrap();
    assert_eq!(run(&["schema", "weather"]).status.code(), Some(64));
    let printed = run(&["schema", "show"]);
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), schema("platform").unwrap() + "\n");
    assert_eq!(String::from_utf8(run(&["schema"]).stdout).unwrap().lines().count(), DOCUMENTS.len());
}
