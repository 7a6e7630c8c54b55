//! The hot paths, each as one call that does all of its work; the number is what the work came to.

use std::hint::black_box;

use fwspec::acpi::iort::Iort;
use fwspec::dt::{Token, Tree};
use fwspec::machine::Collector;
use fwspec::machine::log::Log;
use fwspec::{Device, Dialect, Groups, IdMap};

/// Walks the tokens of a device tree: nodes, properties and bytes of values.
pub fn walk(blob: &[u8]) -> u64 {
    let count = |token| match token {
        Token::BeginNode { .. } => 1,
        Token::Property { value, .. } => 1 + value.len() as u64,
        Token::EndNode => 0,
    };
    Tree::parse(blob).unwrap().tokens().map(|token| count(token.unwrap())).sum()
}

/// Parses, indexes and resolves a device tree.
pub fn lower(blob: &[u8]) -> u64 {
    Tree::parse(blob).unwrap().platform().unwrap().requesters.len() as u64
}

/// Looks up the StreamIDs of requester IDs on the first bus of a map; the sum of them.
pub fn look_up(map: &IdMap, ids: &[u32]) -> u64 {
    ids.iter()
        .map(|id| {
            map.stream_from(fwspec::model::RequesterIndex::at(0), *id)
                .unwrap()
                .id
                .map_or(0, |id| u64::from(id.0))
        })
        .sum()
}

/// Parses, lowers and indexes an IORT.
pub fn decode(blob: &[u8]) -> u64 {
    IdMap::build(&Iort::parse(blob).unwrap().platform(), Dialect::LINUX).iommus().len() as u64
}

/// Adds the devices one by one.
pub fn group(devices: &[Device]) -> u64 {
    let mut groups = Groups::without_firmware();
    devices.iter().for_each(|device| drop(black_box(groups.add(*device).unwrap())));
    groups.groups().count() as u64
}

/// Recognises and reads what `lspci` prints.
pub fn listing(text: &[u8]) -> u64 {
    let mut collector = Collector::new();
    collector.add("lspci.txt", text.to_vec()).unwrap();
    collector.finish().unwrap().devices.len() as u64
}

/// Reads a kernel's log.
pub fn log(text: &[u8]) -> u64 {
    Log::read(text).lines_read as u64
}
