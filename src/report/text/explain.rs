//! The way of an id through the firmware, hop by hop; and what a finding means.

use alloc::format;
use alloc::string::{String, ToString};

use crate::input::Firmware;
use crate::lint::Code;
use crate::map::{IdMap, Step, StepAt};
use crate::model::{BusKind, IdMapping, Origin, Output, RequesterKind, Target};
use crate::{At, Source};

use super::Style;

/// What a finding is, why it matters, where it was seen, and how to mend it.
pub fn code(code: Code, style: Style) -> String {
    let rule = code.rule();
    let seen = if rule.seen.is_empty() { String::new() } else { format!("\nSeen: {}\n", rule.seen) };
    let needs: String = rule.needs_absence_of.iter().map(|cause| format!(" {cause}")).collect();
    let needs =
        if needs.is_empty() { needs } else { format!("\nNot told where one of these explains it:{needs}\n") };
    format!(
        "{}\n\n{}\n\nWhy it matters: {}\n{seen}\nWhat to do: {}\n{needs}\n{}\n",
        style.heading(&format!("{} {} ({})", rule.id, rule.name, rule.severity)),
        rule.what,
        rule.why,
        rule.help,
        style.faint(&format!("See {}", rule.reference)),
    )
}

/// All codes, a line each.
pub fn codes() -> String {
    Code::ALL
        .iter()
        .map(|code| format!("{code:8} {:5} {}\n", code.rule().severity, code.rule().name))
        .collect()
}

/// Steps of an id, numbered from `from` on.
pub fn way(firmware: &Firmware, map: &IdMap, steps: &[Step], from: usize) -> String {
    let view = View { firmware, map };
    let mut text = String::new();
    for (position, step) in steps.iter().enumerate() {
        let number = from.saturating_add(position);
        text.push_str(&format!("  {number}. {}\n", view.node(step.at)));
        text.push_str(&format!("     {}\n", view.record(step)));
        text.push_str(&format!("     {}\n", view.arithmetic(step)));
    }
    if let Some(Step { record: IdMapping { target: Target::Msi(controller), .. }, .. }) = steps.last() {
        let number = from.saturating_add(steps.len());
        text.push_str(&format!("  {number}. MSI controller {}\n", view.controller(*controller)));
    }
    text
}

struct View<'a> {
    firmware: &'a Firmware,
    map: &'a IdMap,
}

impl View<'_> {
    fn node(&self, at: StepAt) -> String {
        let platform = &self.firmware.platform;
        match at {
            StepAt::Iommu(iommu) => {
                let Some(iommu) = platform.iommus.get(crate::bytes::index(iommu)) else {
                    return String::new();
                };
                let base = iommu.base.map(|base| format!(" at {base:#x}")).unwrap_or_default();
                format!("{} {}{base}", iommu.kind.as_str(), platform.label(iommu.origin))
            }
            StepAt::Requester(requester) | StepAt::Msi(requester) => {
                let Some(requester) = platform.requesters.get(crate::bytes::index(requester)) else {
                    return String::new();
                };
                let what = match &requester.kind {
                    RequesterKind::Bus(bus) => match bus.kind {
                        BusKind::Pci { segment, .. } => format!("PCI host, segment {segment}"),
                        BusKind::Other => "bus with ids".to_string(),
                    },
                    RequesterKind::Component(component) => format!("named component {}", component.path),
                    _ => "device".to_string(),
                };
                let table = if matches!(at, StepAt::Msi(_)) { ", msi-map" } else { "" };
                format!("{} ({what}{table})", platform.label(requester.origin))
            }
        }
    }

    /// The record as it stands in the bytes, before it is cut by others.
    fn whole(&self, step: &Step) -> IdMapping {
        let platform = &self.firmware.platform;
        let index = crate::bytes::index;
        let whole = match step.at {
            StepAt::Iommu(iommu) => platform.iommus.get(index(iommu)).map(|iommu| &iommu.device_ids.mappings),
            StepAt::Requester(requester) => {
                platform.requesters.get(index(requester)).and_then(|r| match &r.kind {
                    RequesterKind::Bus(bus) => bus.streams.as_ref().map(|table| &table.mappings),
                    RequesterKind::Component(component) => Some(&component.table.mappings),
                    _ => None,
                })
            }
            StepAt::Msi(_) => None,
        };
        // One record may say several things: a VIOT range leaves the IOMMU itself out.
        let same = |mapping: &&IdMapping| {
            mapping.offset == step.record.offset
                && core::mem::discriminant(&mapping.output) == core::mem::discriminant(&step.record.output)
        };
        whole.and_then(|list| list.iter().find(same)).copied().unwrap_or(step.record)
    }

    fn record(&self, step: &Step) -> String {
        let whole = self.whole(step);
        let origin = self.origin(step.at);
        let place = self.place(origin, step.record.offset);
        let range = match origin.map(|origin| origin.at.source.name) {
            // Whether the last one counts is up to the dialect.
            Some([b'R', b'I', b'M', b'T']) => {
                format!("{:#x} inputs from {:#x} on", whole.last.saturating_sub(whole.first), whole.first)
            }
            _ => format!("inputs {:#x} to {:#x}", whole.first, whole.last),
        };
        let becomes = match whole.output {
            Output::Linear(base) => format!("{range} become {base:#x} and up"),
            Output::Constant(id) => format!("single mapping: every input becomes {id:#x}"),
            Output::Cells { count, .. } => format!("{range} become {count} cells"),
            Output::Errno(errno) => format!("{range} fail with {errno}"),
        };
        format!("record at {place}: {becomes} at {}", self.target(whole.target))
    }

    fn arithmetic(&self, step: &Step) -> String {
        let masked = if step.masked == step.input {
            String::new()
        } else {
            format!("{:#x} masked is {:#x}; ", step.input, step.masked)
        };
        let becomes = match (step.record.target, step.output) {
            (_, None) => return format!("{masked}no id comes out"),
            (Target::Iommu(_), Some(id)) => format!("StreamID {id:#x}"),
            (Target::Msi(_), Some(id)) => format!("DeviceID {id:#x}"),
            (_, Some(id)) => format!("{id:#x}"),
        };
        let whole = self.whole(step);
        match whole.output {
            Output::Linear(base) => {
                format!("{masked}{:#x} - {:#x} + {base:#x} = {becomes}", step.masked, whole.first)
            }
            _ => format!("{masked}{:#x} -> {becomes}", step.masked),
        }
    }

    fn target(&self, target: Target) -> String {
        let platform = &self.firmware.platform;
        let index = crate::bytes::index;
        let origin = match target {
            Target::Iommu(iommu) => platform.iommus.get(index(iommu)).map(|iommu| iommu.origin),
            Target::Msi(msi) => platform.msi_controllers.get(index(msi)).map(|msi| msi.origin),
            Target::Requester(requester) => platform.requesters.get(index(requester)).map(|r| r.origin),
            Target::Null => return "no node: the reference is 0".to_string(),
            Target::Dangling(reference) => return format!("{reference:#x}, where no node is"),
        };
        origin.map(|origin| self.map.label(origin).to_string()).unwrap_or_default()
    }

    fn controller(&self, controller: u32) -> String {
        self.target(Target::Msi(controller))
    }

    fn origin(&self, at: StepAt) -> Option<Origin> {
        let platform = &self.firmware.platform;
        match at {
            StepAt::Iommu(iommu) => platform.iommus.get(crate::bytes::index(iommu)).map(|iommu| iommu.origin),
            StepAt::Requester(requester) | StepAt::Msi(requester) => {
                platform.requesters.get(crate::bytes::index(requester)).map(|requester| requester.origin)
            }
        }
    }

    fn place(&self, origin: Option<Origin>, offset: u32) -> String {
        let source = origin.map_or(Source::FILE, |origin| origin.at.source);
        match self.firmware.tree() {
            Some(tree) => format!("{} (byte {offset:#x})", tree.place(offset)),
            None => At { source, offset }.to_string(),
        }
    }
}
