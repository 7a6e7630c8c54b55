//! Every IORT table of the corpus, against an independent decoder's answers: each node, field and mapping, and where every
//! requester ID ends.

use crate::support::cases::cases_of_three;
use crate::support::outside::shared;

use std::fs;
use std::path::PathBuf;

use fwspec::acpi::iort::{self, Body, Iort, Node, NodeType, Wanted};
use fwspec::model::{RequesterKind, Target};
use fwspec::{Dialect, ErrorKind};
use serde_json::{Value, json};

/// Table and expected answers.
fn corpus() -> Vec<(PathBuf, Vec<u8>, Value)> {
    let Some(corpus) = shared("corpus") else { return Vec::new() };
    let mut folders = vec![corpus.join("iort"), corpus.join("qemu")];
    folders.extend(fs::read_dir(corpus.join("guest")).unwrap().map(|entry| entry.unwrap().path()));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut tables: Vec<PathBuf> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".iort.bin"))
        .collect();
    tables.sort();
    assert!(tables.len() >= 40, "the corpus has shrunk to {} tables", tables.len());
    tables
        .into_iter()
        .map(|path| {
            let mut expected = path.clone().into_os_string();
            expected.push(".expected.json");
            let expected = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
            let bytes = fs::read(&path).unwrap();
            (path, bytes, expected)
        })
        .collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn memory(access: &iort::MemoryAccess) -> Value {
    let raw = u64::from(access.cca)
        | u64::from(access.hints) << 32
        | u64::from(access.reserved) << 40
        | u64::from(access.flags) << 56;
    json!(format!("{raw:016x}"))
}

/// The fields in the oracle's words. It shows fields of revisions that the node is not of; those are left to `optional`.
fn fields(node: &Node<'_>) -> Value {
    match node.body().unwrap() {
        Body::ItsGroup(group) => {
            json!({"its_count": group.its_count, "its_ids": group.ids().collect::<Vec<_>>()})
        }
        Body::NamedComponent(component) => json!({
            "node_flags": component.flags,
            "memory_properties": memory(&component.memory),
            "cca": component.memory.cca,
            "memory_access_flags": component.memory.flags,
            "memory_address_limit": component.address_limit,
            "device_name": text(component.path.bytes()),
        }),
        Body::RootComplex(root) => json!({
            "memory_properties": memory(&root.memory),
            "cca": root.memory.cca,
            "memory_access_flags": root.memory.flags,
            "ats_attribute": root.ats_attribute,
            "segment": root.segment,
            "memory_address_limit": root.address_limit,
        }),
        Body::SmmuV2(smmu) => {
            let globals: Vec<_> = smmu.global_interrupts().collect();
            let context = smmu.context_interrupts().map(|i| json!([i.gsiv, i.flags])).collect::<Vec<_>>();
            json!({
                "base_address": smmu.base, "span": smmu.span, "model": smmu.model, "flags": smmu.flags,
                "global_interrupt_offset": smmu.global_interrupt_offset,
                "context_interrupt_count": smmu.context_interrupt_count,
                "context_interrupt_offset": smmu.context_interrupt_offset,
                "pmu_interrupt_count": smmu.pmu_interrupt_count,
                "pmu_interrupt_offset": smmu.pmu_interrupt_offset,
                "nsgirpt": globals[0].gsiv, "nsgirpt_flags": globals[0].flags,
                "nsgcfgirpt": globals[1].gsiv, "nsgcfgirpt_flags": globals[1].flags,
                "context_interrupts": context,
            })
        }
        Body::SmmuV3(smmu) => json!({
            "base_address": smmu.base, "flags": smmu.flags, "vatos_address": smmu.vatos, "model": smmu.model,
            "event_gsiv": smmu.event_gsiv, "pri_gsiv": smmu.pri_gsiv,
            "gerr_gsiv": smmu.gerr_gsiv, "sync_gsiv": smmu.sync_gsiv,
            "proximity_domain": smmu.proximity_domain,
            "device_id_mapping_index": smmu.device_id_mapping_index,
        }),
        Body::Pmcg(pmcg) => json!({
            "page0_base": pmcg.page0_base, "overflow_gsiv": pmcg.overflow_gsiv,
            "node_reference": pmcg.node_reference, "page1_base": pmcg.page1_base,
        }),
        Body::Rmr(rmr) => {
            let ranges = rmr.descriptors().map(|r| json!({"base": r.base, "length": r.length}));
            json!({
                "flags": rmr.flags, "rmr_count": rmr.descriptor_count, "rmr_offset": rmr.descriptor_offset,
                "descriptors": ranges.collect::<Vec<_>>(),
            })
        }
        Body::Iwb(bridge) => json!({"base_address": bridge.base, "iwb_index": bridge.index}),
        other => panic!("{other:?}"),
    }
}

/// Fields that only later revisions have: the oracle reads them by the node's length, we by its revision.
fn later(node: &Node<'_>) -> &'static [&'static str] {
    match (node.node_type(), node.revision()) {
        (NodeType::RootComplex, 0) => &["memory_address_limit"],
        (NodeType::Pmcg, 0) => &["page1_base"],
        _ => &[],
    }
}

fn without_nulls(value: Value) -> Value {
    let Value::Object(fields) = value else { panic!("{value}") };
    Value::Object(fields.into_iter().filter(|(_, field)| !field.is_null()).collect())
}

#[test]
fn every_field_of_every_node_is_read_as_the_oracle_reads_it() {
    let (mut tables, mut nodes, mut mappings) = (0, 0, 0);
    for (path, bytes, expected) in corpus() {
        let iort = Iort::parse(&bytes).unwrap();
        let sdt = iort.sdt();
        let header = json!({
            "size": bytes.len(), "length": sdt.length(), "revision": sdt.revision(),
            "checksum_ok": sdt.checksum_sum() == 0, "oem_id": text(&sdt.oem_id()),
            "oem_table_id": text(&sdt.oem_table_id()), "oem_revision": sdt.oem_revision(),
            "creator_id": text(&sdt.creator_id()), "creator_revision": sdt.creator_revision(),
            "node_count": iort.node_count(), "node_offset": iort.node_offset(),
        });
        for (field, value) in header.as_object().unwrap() {
            assert_eq!(*value, expected[field], "{}: {field}", path.display());
        }
        let read: Vec<_> = iort.nodes().map(Result::unwrap).collect();
        let wanted = expected["nodes"].as_array().unwrap();
        assert_eq!(read.len(), wanted.len(), "{}", path.display());
        for (node, wanted) in read.iter().zip(wanted) {
            let place = format!("{} {}", path.display(), node.at());
            let header = json!([
                node.offset(),
                u8::from(node.node_type()),
                node.length(),
                node.revision(),
                node.identifier_field(),
                node.mapping_count(),
                node.mapping_offset(),
            ]);
            let keys =
                ["offset", "type", "length", "revision", "identifier", "mapping_count", "mapping_offset"];
            assert_eq!(header, Value::Array(keys.map(|key| wanted[key].clone()).to_vec()), "{place}");
            let mut fields_wanted = wanted["fields"].clone();
            for field in later(node) {
                fields_wanted.as_object_mut().unwrap().remove(*field);
            }
            assert_eq!(without_nulls(fields(node)), fields_wanted, "{place}");
            let found: Vec<_> = node
                .mappings()
                .map(|m| {
                    json!({
                        "index": m.index, "input_base": m.input_base, "id_count": m.count_minus_one,
                        "output_base": m.output_base, "output_reference": m.output_reference,
                        "flags": m.flags, "single": m.is_single(),
                    })
                })
                .collect();
            mappings += found.len();
            assert_eq!(Value::Array(found), wanted["mappings"], "{place}");
            nodes += 1;
        }
        assert!(iort.after_nodes().is_empty(), "{}", path.display());
        tables += 1;
    }
    println!("{tables} tables, {nodes} nodes, {mappings} mappings read as the oracle reads them");
}

/// The RIDs that start or end a run, their neighbours, and some of the others.
fn rids_to_ask(runs: &[Value]) -> Vec<u32> {
    let mut rids: Vec<u32> = (0..=0xffff).step_by(cases_of_three(1031, 257, 7)).chain([0xffff]).collect();
    for run in runs {
        let first = run["input_base"].as_u64().unwrap() as u32;
        let last = first + run["count"].as_u64().unwrap() as u32 - 1;
        rids.extend([first.saturating_sub(1), first, first + 1, last.saturating_sub(1), last, last + 1]);
    }
    rids.retain(|rid| *rid <= 0xffff);
    rids.sort_unstable();
    rids.dedup();
    rids
}

fn expected_at(runs: &[Value], rid: u32) -> Option<(u32, u32)> {
    let rid = u64::from(rid);
    let number = |run: &Value, key: &str| run[key].as_u64().unwrap();
    runs.iter().find_map(|run| {
        let position = rid.checked_sub(number(run, "input_base")).filter(|p| *p < number(run, "count"))?;
        let output = number(run, "output_base") + if run["kind"] == "linear" { position } else { 0 };
        Some((number(run, "target") as u32, output as u32))
    })
}

#[test]
fn every_requester_id_ends_where_the_oracle_says() {
    let (mut roots, mut asked) = (0, 0);
    let tables = corpus();
    for (path, bytes, expected) in &tables {
        let iort = Iort::parse(bytes).unwrap();
        for root in expected["root_complexes"].as_array().unwrap() {
            roots += 1;
            let offset = root["offset"].as_u64().unwrap() as u32;
            for (wanted, key) in [(Wanted::Iommu, "to_smmu"), (Wanted::Msi, "to_its")] {
                let runs = root[key].as_array().unwrap();
                for rid in rids_to_ask(runs) {
                    let found = iort::resolve(&iort, Dialect::LINUX, offset, rid, wanted).unwrap();
                    let found = found.map(|found| (found.node, found.id));
                    assert_eq!(
                        found,
                        expected_at(runs, rid),
                        "{} +{offset:#x} {rid:#x} {key}",
                        path.display()
                    );
                    asked += 1;
                }
            }
        }
    }
    println!("{asked} requester IDs of {roots} root complexes end where the oracle says");
    assert!(tables.is_empty() || roots > 100);
}

#[test]
fn components_smmus_and_rmrs_have_the_ids_that_the_oracle_gives_them() {
    let (mut components, mut own, mut rmrs, mut tables) = (0, 0, 0, 0);
    for (path, bytes, expected) in corpus() {
        let place = path.display();
        let iort = Iort::parse(&bytes).unwrap();
        for component in expected["named_components"].as_array().unwrap() {
            let offset = component["offset"].as_u64().unwrap() as u32;
            for (wanted, key) in [(Wanted::Iommu, "smmu_ids"), (Wanted::Msi, "its_ids")] {
                let found: Vec<_> = iort::component_ids(&iort, Dialect::LINUX, offset, wanted)
                    .map(|found| found.map(|f| json!([f.node, f.id])).unwrap())
                    .collect();
                let listed = component[key].as_array().unwrap();
                let listed: Vec<_> = listed.iter().map(|id| json!([id["target"], id["id"]])).collect();
                assert_eq!(found, listed, "{place} +{offset:#x} {key}");
            }
            components += 1;
        }
        for device in expected["own_device_ids"].as_array().unwrap() {
            let offset = device["offset"].as_u64().unwrap() as u32;
            let index = iort.node_at(offset).unwrap().own_msi(fwspec::dialect::MsiIndexRule::ValidFlag);
            assert_eq!(json!(index), device["mapping_index"], "{place} +{offset:#x}");
            let found = iort::own_device_id(&iort, Dialect::LINUX, offset).unwrap();
            let its = device["its"].as_u64().unwrap() as u32;
            let is_its = iort.node_at(its).is_some_and(|node| node.node_type() == NodeType::ItsGroup);
            let wanted = if is_its { &device["device_id"] } else { &Value::Null };
            assert_eq!(json!(found.map(|found| found.id)), *wanted, "{place} +{offset:#x}");
            own += 1;
        }
        let platform = iort.platform();
        let reserved: Vec<_> = platform
            .reserved
            .iter()
            .map(|reserved| {
                let ranges = reserved.regions.iter().map(|r| json!({"base": r.base, "length": r.length}));
                let streams = reserved.streams.iter().map(|stream| {
                    json!({
                        "smmu": platform.iommus[stream.iommu.position()].origin.at.offset,
                        "first": stream.first.0, "count": stream.last.0 - stream.first.0 + 1,
                    })
                });
                json!([reserved.origin.at.offset, ranges.collect::<Vec<_>>(), streams.collect::<Vec<_>>()])
            })
            .collect();
        let listed: Vec<_> = expected["rmrs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rmr| {
                let smmus = rmr["stream_ids"].as_array().unwrap().iter().filter(|id| {
                    let smmu = id["smmu"].as_u64().unwrap() as u32;
                    iort.node_at(smmu).is_some_and(|node| node.node_type().is_smmu())
                });
                json!([rmr["offset"], rmr["descriptors"], smmus.collect::<Vec<_>>()])
            })
            .collect();
        assert_eq!(reserved, listed, "{place}");
        rmrs += reserved.len();
        tables += 1;
    }
    println!(
        "{tables} tables: {components} named components, {own} own DeviceIDs, {rmrs} RMR nodes as the oracle has them"
    );
}

/// Which of the oracle's warnings is about something that the platform leaves out, or that leads nowhere.
fn skipped_for(warning: &str) -> bool {
    ["checksum wrong", "NULL output reference", "is no node", "output reference is a"]
        .iter()
        .any(|part| warning.contains(part))
}

#[test]
fn the_platform_has_every_node_and_reports_what_the_oracle_warns_of() {
    let (mut tables, mut mappings, mut faults) = (0, 0, 0);
    for (path, bytes, expected) in corpus() {
        let place = path.display();
        let iort = Iort::parse(&bytes).unwrap();
        let platform = iort.platform();
        let of_type = |types: &[u64]| {
            let nodes = expected["nodes"].as_array().unwrap();
            nodes.iter().filter(|node| types.contains(&node["type"].as_u64().unwrap())).count()
        };
        assert_eq!(platform.msi_controllers.len(), of_type(&[0]), "{place}");
        assert_eq!(platform.iommus.len(), of_type(&[3, 4]), "{place}");
        assert_eq!(platform.requesters.len(), of_type(&[1, 2, 5, 7]), "{place}");
        for requester in &platform.requesters {
            let table = match &requester.kind {
                RequesterKind::Bus(bus) => bus.streams.as_ref(),
                RequesterKind::Component(c) | RequesterKind::WireBridge(c) => Some(&c.table),
                RequesterKind::MsiOnly { table, .. } => Some(table),
                _ => None,
            };
            let node = iort.node_at(requester.origin.at.offset).unwrap();
            let lowered = table.map_or(&[][..], |table| &table.mappings);
            assert_eq!(lowered.len(), node.mappings().len(), "{place} {}", node.at());
            for (lowered, mapping) in lowered.iter().zip(node.mappings()) {
                let target = match lowered.target {
                    Target::Iommu(i) => platform.iommus[i.position()].origin.at.offset,
                    Target::Msi(i) => platform.msi_controllers[i.position()].origin.at.offset,
                    Target::Requester(i) => platform.requesters[i.position()].origin.at.offset,
                    Target::Dangling(offset) => offset,
                    _ => 0,
                };
                assert_eq!(target, mapping.output_reference, "{place} {}", mapping.at);
                assert_eq!(lowered.offset, mapping.at.offset);
                mappings += 1;
            }
        }
        let warnings = expected["warnings"].as_array().unwrap();
        let expected: Vec<_> =
            warnings.iter().map(|w| w.as_str().unwrap()).filter(|w| skipped_for(w)).collect();
        // The oracle does not look at targets of RMR and PMCG nodes, nor at the width of SMMUv2 StreamIDs.
        let skipped: Vec<_> = platform
            .skipped
            .iter()
            .filter(|error| {
                !matches!(error.kind, ErrorKind::StreamIdWide(_) | ErrorKind::MappingOutputWraps { .. })
            })
            .collect();
        assert_eq!(skipped.len(), expected.len(), "{place}\n{skipped:#?}\n{expected:#?}");
        faults += skipped.len();
        tables += 1;
    }
    println!(
        "{tables} tables lowered: {mappings} mappings lead where they say, {faults} faults reported as the oracle warns"
    );
}
