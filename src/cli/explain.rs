//! `fwspec explain`: every hop of an id, and what findings mean.

use std::io;
use std::path::Path;

use crate::input::{Firmware, Query, log_line, lspci};
use crate::lint::Code;
use crate::map::NoStream;
use crate::model::RequesterKind;
use crate::pci::Topology;
use crate::report::text;
use crate::{Bdf, IdMap, RequesterId};

use super::args::Explain;
use super::{Outcome, complain, open, print, read, style};

pub(super) fn run(explain: &Explain) -> io::Result<Outcome> {
    let codes: Vec<Code> = explain.what.iter().map_while(|word| Code::named(word)).collect();
    if codes.len() == explain.what.len() {
        let all: Vec<String> = codes.iter().map(|code| text::code(*code, style())).collect();
        print(&if all.is_empty() { text::codes() } else { all.join("\n") })?;
        return Ok(Outcome::Fine);
    }
    let [file, ids @ ..] = explain.what.as_slice() else { return Ok(Outcome::Usage) };
    if ids.is_empty() {
        complain(&format_args!("{file} is no code of a finding; to follow an id, name it behind the file"));
        return Ok(Outcome::Usage);
    }
    let Some(firmware) = open(Path::new(file)) else { return Ok(Outcome::Unreadable) };
    let mut topology = None;
    if let Some(path) = &explain.pci {
        let Some(bytes) = read(path) else { return Ok(Outcome::Unreadable) };
        match lspci::parse(&bytes) {
            Ok(dumps) => topology = Some(topology_of(&dumps)),
            Err(error) => {
                complain(&format_args!("{}: {error}", path.display()));
                return Ok(Outcome::Unreadable);
            }
        }
    }
    let mut maps = Vec::new();
    for dialect in &explain.dialect.0 {
        maps.extend(IdMap::build(&firmware.platform, *dialect).ok());
    }
    for id in ids {
        let way = |map: &IdMap| Way { firmware: &firmware, map, topology: topology.as_ref() }.of(id);
        let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
        for map in &maps {
            let text = match way(map) {
                Ok(text) => text,
                Err(error) => {
                    complain(&error);
                    return Ok(Outcome::Usage);
                }
            };
            match answers.iter_mut().find(|(known, _)| *known == text) {
                Some((_, names)) => names.push(map.dialect().name),
                None => answers.push((text, vec![map.dialect().name])),
            }
        }
        print(&format!("{}\n", style().heading(id)))?;
        for (text, names) in &answers {
            let who = if answers.len() > 1 { format!("{}:\n", names.join(", ")) } else { String::new() };
            print(&format!("{who}{text}\n"))?;
        }
    }
    Ok(Outcome::Fine)
}

fn topology_of(dumps: &crate::input::ConfigDumps) -> Topology {
    let mut topology = Topology::default();
    for dump in &dumps.functions {
        if let Ok(function) = crate::pci::Function::read(&dump.bytes) {
            // What cannot be inserted has no aliases to follow.
            let _ = topology.insert(dump.bdf, function, None);
        }
    }
    topology
}

/// The way of ids under one dialect.
struct Way<'a> {
    firmware: &'a Firmware,
    map: &'a IdMap,
    topology: Option<&'a Topology>,
}

impl Way<'_> {
    fn of(&self, id: &str) -> Result<String, crate::input::ParseQueryError> {
        if let Some(line) = log_line(id) {
            let (stream, meaning) = (line.stream, line.meaning);
            return Ok(format!("{meaning}\nwho has StreamID {stream}:\n{}", self.sources_of(stream.0, true)));
        }
        Ok(match id.parse()? {
            Query::Function(bdf) => self.function(bdf),
            Query::Requester(rid) => match RequesterId(u16::try_from(rid).unwrap_or(u16::MAX)) {
                found if u32::from(found.0) == rid => {
                    self.function(Bdf { segment: self.firmware.segment_of_bare_ids(), rid: found })
                }
                _ => format!("{rid:#x} is no requester ID: they end at 0xffff\n"),
            },
            Query::OnBus { node, id } => match self.firmware.requesters_named(&node).first() {
                Some(bus) => self.from(*bus, id, 1),
                None => format!("no node {node:?} whose children carry ids\n"),
            },
            Query::Node(name) => self.node(&name),
            Query::Stream(id) => self.sources_of(id.0, true),
            Query::Device(id) => self.sources_of(id.0, false),
        })
    }

    fn function(&self, bdf: Bdf) -> String {
        let rid = bdf.rid;
        let mut text = format!(
            "  1. {bdf} sends as requester ID {:#x} ({:#x} << 8 | {:#x} << 3 | {})\n",
            rid.0,
            rid.bus(),
            rid.device(),
            rid.function()
        );
        let Some(topology) = self.topology else { return text + &self.rid(bdf, 2) };
        let mut number: usize = 2;
        for (bridge, _) in topology.bridges(bdf) {
            text.push_str(&format!("  {number}. behind the bridge {bridge}\n"));
            number = number.saturating_add(1);
        }
        text.push_str(&self.rid(bdf, number));
        for alias in topology.aliases(bdf).filter(|alias| alias.rid != rid) {
            let as_alias = Bdf { rid: alias.rid, ..bdf };
            text.push_str(&format!(
                "  also seen as {:#x} ({}), which {} puts there:\n",
                alias.rid.0, as_alias, alias.by
            ));
            text.push_str(&self.rid(as_alias, number));
        }
        text
    }

    /// Through the hosts that are asked for the function, up to the one that gives it a StreamID: an IORT may send it past every
    /// IOMMU that it knows, and a VIOT beside it name one.
    fn rid(&self, bdf: Bdf, number: usize) -> String {
        let id = u32::from(bdf.rid.0);
        let hosts: Vec<u32> = self.map.hosts_of(bdf.segment).collect();
        let giving = hosts.iter().position(|host| self.map.stream_from(*host, id).is_ok());
        let asked = giving.map_or(hosts.as_slice(), |last| hosts.get(..=last).unwrap_or_default());
        let mut speaking: Vec<u32> =
            asked.iter().copied().filter(|host| !self.map.trace(*host, id).is_empty()).collect();
        if speaking.is_empty() {
            speaking.extend(hosts.first());
        }
        if speaking.is_empty() {
            return format!("     {}\n", NoStream::NoHost { segment: bdf.segment });
        }
        let mut text = String::new();
        for host in speaking {
            text.push_str(&self.from(host, id, number));
        }
        text
    }

    fn from(&self, requester: u32, id: u32, number: usize) -> String {
        let mut text = text::way(self.firmware, self.map, &self.map.trace(requester, id), number);
        if let Err(reason) = self.map.stream_from(requester, id) {
            text.push_str(&format!("     untranslated: {reason}\n"));
        }
        text
    }

    fn node(&self, name: &str) -> String {
        if let Some((host, Some(rid))) = self.firmware.pci_function_named(name) {
            let sends = format!("  1. {name} sends as requester ID {:#x} ({rid})\n", rid.0);
            return sends + &self.from(host, rid.0.into(), 2);
        }
        let named = self.firmware.requesters_named(name);
        if named.is_empty() {
            return format!("no requester {name:?}: fwspec show lists what there is\n");
        }
        let mut text = String::new();
        for requester in named {
            let Some(found) = self.firmware.platform.requesters.get(crate::bytes::index(requester)) else {
                continue;
            };
            let label = self.firmware.platform.label(found.origin);
            for stream in self.map.own_streams(requester) {
                let id =
                    stream.id.map_or_else(|| "no id of its own".to_string(), |id| format!("StreamID {id}"));
                let iommu =
                    self.map.iommu_label(stream.iommu).map(|label| label.to_string()).unwrap_or_default();
                text.push_str(&format!("  1. {label}{} has {id} at {iommu}\n", self.record(found, *stream)));
                if let Some(id) = stream.fwspec_id() {
                    text.push_str(&text::way(
                        self.firmware,
                        self.map,
                        &self.map.trace_from_iommu(stream.iommu, id),
                        2,
                    ));
                }
            }
            if let Some(reason) = self.map.fwspec_of(requester).refused {
                text.push_str(&format!("     {label}: {reason}\n"));
            }
        }
        text
    }

    /// Where the record of an own id stands.
    fn record(&self, requester: &crate::model::Requester, stream: crate::Stream) -> String {
        let offset = match &requester.kind {
            RequesterKind::Component(component) => {
                let says = |m: &&crate::model::IdMapping| matches!(m.output, crate::model::Output::Constant(id) if Some(id) == stream.id.map(|id| id.0));
                component.table.mappings.iter().find(says).map(|mapping| mapping.offset)
            }
            RequesterKind::Master(master) => {
                let says = |s: &&crate::model::Specifier| {
                    let first = master.cells.get(crate::bytes::index(s.index)).copied();
                    s.iommu == stream.iommu
                        && first.map(|cell| cell & 0xffff) == stream.id.map(|id| id.0 & 0xffff)
                };
                master.streams.iter().find(says).map(|specifier| specifier.offset)
            }
            _ => None,
        };
        let source = requester.origin.at.source;
        offset.map(|offset| format!(", record at {},", crate::At { source, offset })).unwrap_or_default()
    }

    fn sources_of(&self, id: u32, streams: bool) -> String {
        let mut text = String::new();
        let mut each = |source: crate::map::StreamSource| {
            let requester = self.firmware.platform.requesters.get(crate::bytes::index(source.requester));
            let label =
                requester.map(|r| self.firmware.platform.label(r.origin).to_string()).unwrap_or_default();
            match source.inputs {
                Some((first, last)) => {
                    let which = if first == last {
                        format!("{first:#x}")
                    } else {
                        format!("{first:#x} to {last:#x}")
                    };
                    text.push_str(&format!(
                        "  from {which} on {label}:\n{}",
                        self.from(source.requester, first, 1)
                    ));
                }
                None if streams => text.push_str(&self.node(&label)),
                None => text.push_str(&format!("  {label} itself\n")),
            }
        };
        if streams {
            self.map.stream_sources(crate::StreamId(id)).for_each(&mut each);
        } else {
            self.map.device_sources(crate::DeviceId(id)).for_each(&mut each);
        }
        if text.is_empty() {
            "  nobody: no requester of this firmware produces it\n".to_string()
        } else {
            text
        }
    }
}
