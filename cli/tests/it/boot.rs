//! The command inside real guests: what it said there, and what is said outside of what was taken out.
//!
//! `FWSPEC_BOOT=1 cargo test -p fwspec-cli --test it boot::` boots them (see `tests/boot`), `FWSPEC_GUESTS=DIR` judges those that `boot.py` put
//! there before; `guests/` has recordings of such boots.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::outside::skip;
use crate::verbs::fwspec;

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What a run of the command printed, a document a line.
fn documents(arguments: &[&str]) -> Vec<Value> {
    let output = fwspec(arguments, b"");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() <= Some(1), "{arguments:?}: {said}");
    lines(&output.stdout)
}

fn lines(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// A document without what depends on where it was read: the names of the evidence, the lines to type, which name it, too, and how much of
/// the log a snapshot leaves out.
fn without_place(mut document: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in ["evidence", "next", "file", "groups_from", "lines", "about"] {
                    fields.remove(name);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut document);
    document
}

/// How a machine compares with its kernel: every device known, and the devices that differ with their causes.
fn differences(check: &Value) -> Vec<(String, String)> {
    let kernel = &check["kernel"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let differ: Vec<_> = kernel["differ"].as_array().unwrap().iter().collect();
    let known = usize::try_from(kernel["known"].as_u64().unwrap()).unwrap();
    assert_eq!(kernel["agree"].as_u64().unwrap() as usize + differ.len(), known, "{check}");
    assert!(kernel["strangers"].as_array().unwrap().is_empty(), "{check}");
    differ.iter().map(|differ| (text(&differ["device"]), text(&differ["cause"]))).collect()
}

/// What was scanned again: the only devices of these guests that a kernel since 6.15 has in other company.
const RESCANNED: [&str; 3] = ["0000:05:00.0", "0000:05:00.1", "0000:05:00.2"];

fn rescanned() -> Vec<(String, String)> {
    RESCANNED.iter().map(|device| ((*device).to_owned(), "order".to_owned())).collect()
}

/// That the archives of a guest say what was found in it.
fn archives_agree(folder: &Path) {
    let place = folder.display();
    let archive = |who: &str| folder.join(format!("{who}.tar.gz")).to_str().unwrap().to_owned();
    let check = |who: &str| documents(&["check", "--json", &archive(who)]).remove(0);
    let before = check("root");
    assert_eq!(differences(&before), [], "{place}");
    assert_eq!(before["iommu"]["state"], "translates", "{place}");
    assert!(before["kernel"]["known"].as_u64() >= Some(12), "{place}: {before}");
    assert_eq!(before["untranslated"], Value::Array(Vec::new()), "{place}");
    assert_eq!(differences(&check("after")), rescanned(), "{place}");
    // Who is not root sees no ACS: nothing is called a difference for it.
    let user = check("user");
    assert_eq!(differences(&user), [], "{place}");
    assert!(user["kernel"]["undecided"].as_u64() > Some(0), "{place}: {user}");
    // What only the functions of the machine show is found in the archive, too.
    let lint = documents(&["lint", "--json", &archive("root")]).remove(0);
    let open = lint["findings"].as_array().unwrap().iter().filter(|finding| finding["code"] == "GRP004");
    assert_eq!(open.count(), 2, "{place}: {lint}");
    for verb in ["groups", "audit", "show"] {
        assert!(!documents(&[verb, "--json", &archive("root")]).is_empty(), "{place}: {verb}");
    }
}

/// Events of a device: what was done with it, and whether the kernel did as predicted.
fn told(events: &[Value]) -> Vec<(String, String, Option<bool>, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names = |value: &Value| value.as_array().unwrap().iter().map(text).collect();
    let tell = |event: &Value| {
        (
            text(&event["action"]),
            text(&event["device"]),
            event["agrees"].as_bool(),
            names(&event["predicted"]),
        )
    };
    events.iter().map(tell).collect()
}

/// That the events of a guest tell all that came and went, and part from the prediction where something is scanned again only.
fn events_agree(folder: &Path, recording: &Path) -> Vec<(String, String, Option<bool>, Vec<String>)> {
    let place = folder.display();
    let archive = folder.join("root.tar.gz").to_str().unwrap().to_owned();
    let events = documents(&["watch", "--json", "--replay", recording.to_str().unwrap(), &archive]);
    let told = told(&events);
    let of = |action: &str, device: &str| {
        let found: Vec<_> =
            told.iter().filter(|event| (event.0.as_str(), event.1.as_str()) == (action, device)).collect();
        assert!(!found.is_empty(), "{place}: no {action} of {device} in {told:#?}");
        found.into_iter().map(|event| event.2).collect::<Vec<_>>()
    };
    // A hot-add and an unplug, a driver, virtual functions on and off.
    assert_eq!(of("add", "0000:01:00.0"), [Some(true)], "{place}");
    assert_eq!(of("remove", "0000:01:00.0"), [None], "{place}");
    assert_eq!(of("bind", "0000:02:00.0"), [Some(true)], "{place}");
    for function in ["0000:02:10.0", "0000:02:10.2", "0000:02:10.4"] {
        assert_eq!(of("add", function), [Some(true)], "{place}: {function}");
        assert_eq!(of("remove", function), [None], "{place}: {function}");
    }
    // The first function that comes again is alone until the next does.
    assert_eq!(of("add", "0000:00:05.0"), [Some(true)], "{place}");
    assert_eq!(of("add", "0000:05:00.0"), [Some(true)], "{place}");
    assert_eq!(of("add", "0000:05:00.1"), [Some(false)], "{place}");
    assert_eq!(of("add", "0000:05:00.2"), [Some(false)], "{place}");
    for event in &events {
        for differ in event["differ"].as_array().unwrap() {
            let device = differ["device"].as_str().unwrap();
            assert!(RESCANNED.contains(&device) && differ["cause"] == "order", "{place}: {event}");
        }
    }
    told
}

#[test]
fn recorded_guests_are_as_predicted() {
    let mut looked_at = 0;
    for entry in fs::read_dir(Path::new(PROJECT).join("cli/tests/guests")).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("root.tar.gz").is_file() {
            archives_agree(&folder);
            looked_at += 1;
        }
        let packed = folder.join("events.txt.gz");
        if packed.is_file() {
            let mut text = Vec::new();
            let mut unpacked = flate2::read::GzDecoder::new(fs::File::open(&packed).unwrap());
            std::io::Read::read_to_end(&mut unpacked, &mut text).unwrap();
            let name = folder.file_name().unwrap().to_str().unwrap();
            let recording = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-events.txt"));
            fs::write(&recording, text).unwrap();
            events_agree(&folder, &recording);
        }
    }
    assert!(looked_at >= 4, "{looked_at} guests");
}

/// What the command said in a guest, beside what it says here of the snapshot that it made there.
fn fresh_guest_agrees(folder: &Path) {
    let place = folder.display();
    let read = |who: &str, file: &str| fs::read(folder.join(who).join(file)).unwrap_or_default();
    let text = |who: &str, file: &str| String::from_utf8_lossy(&read(who, file)).into_owned();
    let one = |who: &str, file: &str| lines(&read(who, file)).remove(0);
    for who in ["root", "user", "after"] {
        fs::copy(folder.join(who).join("fwspec-snapshot.tar.gz"), folder.join(format!("{who}.tar.gz")))
            .unwrap();
    }
    archives_agree(folder);
    for who in ["root", "after"] {
        let archive = folder.join(format!("{who}.tar.gz")).to_str().unwrap().to_owned();
        for verb in ["check", "groups"] {
            assert_eq!(text(who, &format!("{verb}.exit")).trim(), "0", "{place}: {who} {verb}");
            assert_eq!(text(who, &format!("{verb}.err")), "", "{place}: {who} {verb}");
            let outside = documents(&[verb, "--json", &archive]).remove(0);
            let inside = one(who, &format!("{verb}.json"));
            assert_eq!(without_place(inside), without_place(outside), "{place}: {who} {verb}");
        }
        let codes = |document: &Value| -> Vec<Value> {
            let findings = document["findings"].as_array().unwrap();
            findings.iter().map(|finding| finding["code"].clone()).collect()
        };
        let outside = documents(&["lint", "--json", &archive]).remove(0);
        assert_eq!(codes(&one(who, "lint.json")), codes(&outside), "{place}: {who}");
    }
    // As another user: the same questions, and once what only root may read.
    for verb in ["check", "groups"] {
        assert_eq!(text("user", &format!("{verb}.exit")).trim(), "0", "{place}: user {verb}");
    }
    let said = text("user", "check.txt").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("only root can read"), "{place}: {said}");
    assert_eq!(text("user", "check.err"), "", "{place}");
    assert_eq!(
        text("user", "groups.err").matches("only root can read more than 64 bytes").count(),
        1,
        "{place}"
    );
    // What was told while it happened is told again from the recording.
    let replayed = events_agree(folder, &folder.join("events.txt"));
    assert_eq!(told(&lines(&fs::read(folder.join("watch.json")).unwrap())), replayed, "{place}");
    // Without root the same events, and nothing is called a difference.
    let as_user = fs::read_to_string(folder.join("watch-user.txt")).unwrap();
    for (action, device, ..) in &replayed {
        let is_it =
            |line: &str| line.split_whitespace().skip(1).take(2).eq([action.as_str(), device.as_str()]);
        assert!(as_user.lines().any(is_it), "{place}: no {action} of {device} in\n{as_user}");
    }
    assert!(!as_user.contains("unknown:"), "{place}:\n{as_user}");
}

#[test]
fn guests_that_are_booted_now_are_as_predicted() {
    if let Some(booted) = std::env::var_os("FWSPEC_GUESTS") {
        judge(Path::new(&booted));
        return;
    }
    if std::env::var_os("FWSPEC_BOOT").is_none() {
        skip(
            "set FWSPEC_BOOT=1 to fetch QEMU and kernels from Debian's archive (600 MB) and run the command in guests",
        );
        return;
    }
    let tools = Path::new(PROJECT).join("target/boot");
    let script = |name: &str| Command::new(Path::new(PROJECT).join("tests/boot").join(name));
    let setup = script("setup.sh").arg(&tools).args(["arm64", "amd64"]).status().unwrap();
    if !setup.success() {
        skip("the tools could not be fetched; is Debian's archive within reach?");
        return;
    }
    for architecture in ["arm64", "amd64"] {
        let built = script("command.sh").arg(&tools).arg(architecture).status().unwrap();
        assert!(built.success(), "the command cannot be built for a guest of {architecture}");
    }
    let out: PathBuf = tools.join("guests");
    let _ = fs::remove_dir_all(&out);
    let boots = script("boot.py").arg(&tools).arg(&out).arg("guests").status().unwrap();
    assert!(boots.success(), "a boot failed: see above");
    judge(&out);
}

/// Holds every guest that was booted against what is said here.
fn judge(out: &Path) {
    let mut looked_at = 0;
    for run in fs::read_dir(out).unwrap() {
        let run = run.unwrap().path();
        if run.join("watch.json").is_file() {
            fresh_guest_agrees(&run);
            looked_at += 1;
        }
    }
    println!("{looked_at} guests");
    assert_eq!(looked_at, 4);
}
