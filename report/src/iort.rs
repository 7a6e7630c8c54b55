//! An IORT table field by field, each with its offset: to be read beside `iasl -d`.

use core::fmt::{self, Write};
use core::ops::{Deref, DerefMut};

use fwspec::acpi::iort::{
    Body, Descriptors, Interrupts, Iort, Iwb, Mapping, Mappings, MemoryAccess, NamedComponent, Node,
    NodeType, Path, Pmcg, Rmr, RootComplex, SmmuV2, SmmuV3,
};

use crate::rows::{Bits, Flags, Rows, name};

/// Writes the table: its header, then node after node. What cannot be read has a line that starts with `!`.
///
/// ```
/// use fwspec::acpi::iort::{Builder, Iort};
/// let mut table = Builder::new(6);
/// table.root_complex(1).ats();
/// let mut text = String::new();
/// fwspec_report::iort::fields(&Iort::parse(&table.finish())?, &mut text)?;
/// assert!(text.contains("0048   4  ATS attribute               00000001  ATS\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Only those of `out`.
pub fn fields(iort: &Iort<'_>, out: &mut impl Write) -> fmt::Result {
    let nodes = || iort.nodes().map_while(Result::ok);
    let mut types = Vec::with_capacity(nodes().count());
    types.extend(nodes().map(|node| (node.offset(), node.node_type())));
    let mut rows = NodeRows { rows: Rows { out, at: 0 }, types };
    rows.header(iort)?;
    for node in iort.nodes() {
        rows.out.write_char('\n')?;
        match node {
            Ok(node) => rows.node(&node)?,
            Err(error) => rows.error(&error)?,
        }
    }
    let rest = iort.after_nodes().len();
    let trailing = iort.sdt().trailing().len();
    if rest > 0 {
        writeln!(rows.out, "\n! {rest} bytes of the table follow the last node that can be read")?;
    }
    if trailing > 0 {
        writeln!(rows.out, "\n! {trailing} bytes follow the table")?;
    }
    Ok(())
}

/// The rows of a table of nodes that refer to each other.
struct NodeRows<'w, W> {
    rows: Rows<'w, W>,
    /// Offset and type of every node, in table order.
    types: Vec<(u32, NodeType)>,
}

impl<'w, W> Deref for NodeRows<'w, W> {
    type Target = Rows<'w, W>;

    fn deref(&self) -> &Rows<'w, W> {
        &self.rows
    }
}

impl<W> DerefMut for NodeRows<'_, W> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.rows
    }
}

impl<W: Write> NodeRows<'_, W> {
    fn header(&mut self, iort: &Iort<'_>) -> fmt::Result {
        let sdt = iort.sdt();
        self.sdt(sdt, issue(sdt.revision()))?;
        self.field(4, "Node count", iort.node_count(), iort.node_count())?;
        self.field(4, "Node offset", iort.node_offset(), "")?;
        self.field(4, "Reserved", iort.reserved(), "")?;
        self.padding(sdt.bytes(), 0, iort.node_offset())
    }

    fn node(&mut self, node: &Node<'_>) -> fmt::Result {
        self.at = node.offset();
        self.field(1, "Type", u8::from(node.node_type()), node.node_type())?;
        self.field(2, "Length", node.length(), format_args!("{} bytes", node.length()))?;
        self.field(1, "Revision", node.revision(), "")?;
        let identifier = if node.identifier().is_some() { "Identifier" } else { "Reserved" };
        self.field(4, identifier, node.identifier_field(), "")?;
        self.field(4, "Mapping count", node.mapping_count(), node.mapping_count())?;
        self.field(4, "Mapping offset", node.mapping_offset(), "")?;
        let body = node.body();
        match &body {
            Ok(body) => self.body(node, body)?,
            Err(error) => self.error(error)?,
        }
        if let Some(error) = node.mappings_error() {
            self.error(&error)?;
        }
        for (offset, part) in parts(node, body.as_ref().ok()) {
            self.padding(node.bytes(), node.offset(), offset)?;
            self.at = node.offset().saturating_add(offset);
            self.part(part)?;
        }
        self.padding(node.bytes(), node.offset(), node.length().into())
    }

    fn part(&mut self, part: Part<'_>) -> fmt::Result {
        match part {
            Part::Mappings(mut mappings) => {
                writeln!(self.out, "          input     IDs - 1   output    flags     reference")?;
                mappings.try_for_each(|mapping| self.mapping(&mapping))
            }
            Part::Ranges(mut ranges) => ranges.try_for_each(|range| {
                self.field(8, "Memory range base", range.base, "")?;
                self.field(8, "Memory range length", range.length, "")?;
                self.field(4, "Reserved", range.reserved, "")
            }),
            Part::Interrupts(names, interrupts) => {
                names.iter().cycle().zip(interrupts).try_for_each(|(name, interrupt)| {
                    let trigger = if interrupt.flags & 1 == 0 { "level" } else { "edge" };
                    self.field(4, name, interrupt.gsiv, interrupt.gsiv)?;
                    self.field(4, "  flags", interrupt.flags, Flags(interrupt.flags & !1, &[], trigger))
                })
            }
        }
    }

    fn mapping(&mut self, mapping: &Mapping) -> fmt::Result {
        let single = if mapping.is_single() { ", single" } else { "" };
        let target = self.target(mapping.output_reference);
        let fields = [mapping.input_base, mapping.count_minus_one, mapping.output_base, mapping.flags];
        let [input, count, output, flags] = fields;
        let reference = mapping.output_reference;
        let at = self.at;
        writeln!(
            self.out,
            "{at:04x}  20  {input:08x}  {count:08x}  {output:08x}  {flags:08x}  {reference:08x}  {target}{single}"
        )?;
        self.at = self.at.saturating_add(20);
        Ok(())
    }

    fn body(&mut self, node: &Node<'_>, body: &Body<'_>) -> fmt::Result {
        match body {
            Body::ItsGroup(group) => {
                self.field(4, "ITS count", group.its_count, group.its_count)?;
                for id in group.ids() {
                    self.field(4, "ITS identifier", id, "")?;
                }
                group.error().map_or(Ok(()), |error| self.error(&error))
            }
            Body::NamedComponent(component) => self.named_component(component),
            Body::RootComplex(root) => self.root_complex(root),
            Body::SmmuV2(smmu) => self.smmu_v2(node, smmu),
            Body::SmmuV3(smmu) => self.smmu_v3(smmu),
            Body::Pmcg(pmcg) => self.pmcg(pmcg),
            Body::Rmr(rmr) => self.rmr(rmr),
            Body::Iwb(bridge) => self.iwb(bridge),
            Body::Unknown(_) => writeln!(self.out, "! the fields of this structure are not known"),
        }
    }

    fn named_component(&mut self, component: &NamedComponent<'_>) -> fmt::Result {
        const FLAGS: Bits = &[(0, "stall")];
        let width = component.flags >> 1 & 0x1f;
        let pasid = if width > 0 { format!("PASID {width} bits") } else { String::new() };
        self.field(4, "Node flags", component.flags, Flags(component.flags & !0x3e, FLAGS, &pasid))?;
        self.memory(&component.memory)?;
        let limit = component.address_limit;
        self.field(1, "Memory size limit", limit, format_args!("{limit} bits"))?;
        self.path(component.path)
    }

    fn root_complex(&mut self, root: &RootComplex) -> fmt::Result {
        const ATS: Bits = &[(0, "ATS"), (1, "PRI"), (2, "PASID forwarding")];
        self.memory(&root.memory)?;
        self.field(4, "ATS attribute", root.ats_attribute, Flags(root.ats_attribute, ATS, ""))?;
        self.field(4, "PCI segment number", root.segment, "")?;
        if let Some(limit) = root.address_limit {
            self.field(1, "Memory size limit", limit, format_args!("{limit} bits"))?;
        }
        if let Some(capabilities) = root.pasid_capabilities {
            self.field(
                2,
                "PASID capabilities",
                capabilities,
                format_args!("at most {} bits", capabilities & 0x1f),
            )?;
        }
        if let Some(flags) = root.flags {
            self.row(1, "Reserved", "")?;
            self.field(4, "Flags", flags, Flags(flags, &[(0, "PASID")], ""))?;
        }
        Ok(())
    }

    fn smmu_v2(&mut self, node: &Node<'_>, smmu: &SmmuV2<'_>) -> fmt::Result {
        const FLAGS: Bits = &[(0, "DVM"), (1, "coherent walk")];
        const MODELS: [&str; 6] =
            ["SMMUv1", "SMMUv2", "MMU-400", "MMU-500", "MMU-401", "Cavium ThunderX SMMUv2"];
        self.field(8, "Base address", smmu.base, "")?;
        self.field(8, "Span", smmu.span, "")?;
        self.field(4, "Model", smmu.model, name(&MODELS, smmu.model))?;
        self.field(4, "Flags", smmu.flags, Flags(smmu.flags, FLAGS, ""))?;
        self.field(4, "Global interrupt offset", smmu.global_interrupt_offset, "")?;
        self.field(4, "Context interrupt count", smmu.context_interrupt_count, smmu.context_interrupt_count)?;
        self.field(4, "Context interrupt offset", smmu.context_interrupt_offset, "")?;
        self.field(4, "PMU interrupt count", smmu.pmu_interrupt_count, smmu.pmu_interrupt_count)?;
        self.field(4, "PMU interrupt offset", smmu.pmu_interrupt_offset, "")?;
        let wanted = [(smmu.context_interrupt_count, smmu.context_interrupts().len(), "context")];
        let pmu = [(smmu.pmu_interrupt_count, smmu.pmu_interrupts().len(), "PMU")];
        wanted.into_iter().chain(pmu).filter(|(count, fit, _)| (*count as usize) > *fit).try_for_each(
            |(count, fit, what)| {
                writeln!(self.out, "! {}: {count} {what} interrupts, the node has room for {fit}", node.at())
            },
        )
    }

    fn smmu_v3(&mut self, smmu: &SmmuV3) -> fmt::Result {
        const FLAGS: Bits =
            &[(0, "COHACC override"), (3, "proximity domain valid"), (4, "DeviceID index valid")];
        const MODELS: [&str; 3] = ["SMMUv3", "HiSilicon Hi161x", "Cavium CN99xx"];
        const HTTU: [&str; 4] =
            ["", "HTTU access flag", "HTTU access flag and dirty state", "HTTU reserved value"];
        self.field(8, "Base address", smmu.base, "")?;
        let httu = name(&HTTU, smmu.flags >> 1 & 3);
        self.field(4, "Flags", smmu.flags, Flags(smmu.flags & !6, FLAGS, httu))?;
        self.field(4, "Reserved", smmu.reserved, "")?;
        self.field(8, "VATOS address", smmu.vatos, "")?;
        self.field(4, "Model", smmu.model, name(&MODELS, smmu.model))?;
        for (name, gsiv) in [
            ("Event GSIV", smmu.event_gsiv),
            ("PRI GSIV", smmu.pri_gsiv),
            ("GERR GSIV", smmu.gerr_gsiv),
            ("Sync GSIV", smmu.sync_gsiv),
        ] {
            self.field(4, name, gsiv, gsiv)?;
        }
        if let Some(domain) = smmu.proximity_domain {
            self.field(4, "Proximity domain", domain, "")?;
        }
        if let Some(index) = smmu.device_id_mapping_index {
            self.field(4, "DeviceID mapping index", index, index)?;
        }
        Ok(())
    }

    fn pmcg(&mut self, pmcg: &Pmcg) -> fmt::Result {
        self.field(8, "Page 0 base address", pmcg.page0_base, "")?;
        self.field(4, "Overflow GSIV", pmcg.overflow_gsiv, pmcg.overflow_gsiv)?;
        let target = self.target(pmcg.node_reference);
        self.field(4, "Node reference", pmcg.node_reference, target)?;
        pmcg.page1_base.map_or(Ok(()), |base| self.field(8, "Page 1 base address", base, ""))
    }

    fn rmr(&mut self, rmr: &Rmr<'_>) -> fmt::Result {
        const FLAGS: Bits = &[(0, "remapping permitted"), (1, "privileged")];
        const ATTRIBUTES: [&str; 6] =
            ["nGnRnE", "nGnRE", "nGRE", "GRE", "normal non-cacheable", "normal write-back"];
        let attributes = name(&ATTRIBUTES, rmr.flags >> 2 & 0xff);
        self.field(4, "Flags", rmr.flags, Flags(rmr.flags & !0x3fc, FLAGS, attributes))?;
        self.field(4, "Memory range count", rmr.descriptor_count, rmr.descriptor_count)?;
        self.field(4, "Memory range offset", rmr.descriptor_offset, "")?;
        rmr.error().map_or(Ok(()), |error| self.error(&error))
    }

    fn iwb(&mut self, bridge: &Iwb<'_>) -> fmt::Result {
        self.field(8, "Config frame base", bridge.base, "")?;
        self.field(2, "IWB index", bridge.index, bridge.index)?;
        self.path(bridge.path)
    }

    fn memory(&mut self, memory: &MemoryAccess) -> fmt::Result {
        const HINTS: Bits = &[(0, "transient"), (1, "write allocate"), (2, "read allocate"), (3, "override")];
        const FLAGS: Bits = &[(0, "CPM"), (1, "DACS"), (2, "CANWBS")];
        self.field(4, "Cache coherency", memory.cca, name(&["not coherent", "coherent"], memory.cca))?;
        self.field(1, "Allocation hints", memory.hints, Flags(memory.hints.into(), HINTS, ""))?;
        self.field(2, "Reserved", memory.reserved, "")?;
        self.field(1, "Memory access flags", memory.flags, Flags(memory.flags.into(), FLAGS, ""))
    }

    fn path(&mut self, path: Path<'_>) -> fmt::Result {
        let length = path.bytes().len().saturating_add(path.is_terminated().into());
        self.row(length, "Device name", format_args!("\"{path}\""))?;
        path.fault().map_or(Ok(()), |fault| writeln!(self.out, "! {fault}"))
    }

    /// What is at an output or node reference.
    fn target(&self, reference: u32) -> String {
        let found = self.types.binary_search_by_key(&reference, |(offset, _)| *offset);
        let kind = found.ok().and_then(|position| self.types.get(position));
        kind.map_or_else(|| "no node".to_string(), |(_, kind)| kind.to_string())
    }
}

/// An array that a node holds: it may be anywhere after the fields.
enum Part<'a> {
    Mappings(Mappings<'a>),
    Ranges(Descriptors<'a>),
    /// With the names that the interrupts have in turn.
    Interrupts(&'static [&'static str], Interrupts<'a>),
}

/// The arrays of a node by their offsets from its start.
fn parts<'a>(node: &Node<'a>, body: Option<&Body<'a>>) -> Vec<(u32, Part<'a>)> {
    let mut parts = vec![(node.mapping_offset(), Part::Mappings(node.mappings()))];
    match body {
        Some(Body::Rmr(rmr)) => parts.push((rmr.descriptor_offset, Part::Ranges(rmr.descriptors()))),
        Some(Body::SmmuV2(smmu)) => {
            let global = Part::Interrupts(&["NSgIrpt", "NSgCfgIrpt"], smmu.global_interrupts());
            let context = Part::Interrupts(&["Context interrupt"], smmu.context_interrupts());
            let pmu = Part::Interrupts(&["PMU interrupt"], smmu.pmu_interrupts());
            parts.push((smmu.global_interrupt_offset, global));
            parts.push((smmu.context_interrupt_offset, context));
            parts.push((smmu.pmu_interrupt_offset, pmu));
        }
        Some(
            Body::ItsGroup(_)
            | Body::NamedComponent(_)
            | Body::RootComplex(_)
            | Body::SmmuV3(_)
            | Body::Pmcg(_)
            | Body::Iwb(_)
            | Body::Unknown(_),
        )
        | None => {}
    }
    parts.retain(|(_, part)| match part {
        Part::Mappings(mappings) => mappings.len() > 0,
        Part::Ranges(ranges) => ranges.len() > 0,
        Part::Interrupts(_, interrupts) => interrupts.len() > 0,
    });
    parts.sort_by_key(|(offset, _)| *offset);
    parts
}

/// The issue of DEN0049 that a table revision belongs to.
fn issue(revision: u8) -> &'static str {
    match revision {
        0 => "DEN0049 A to D",
        1 => "DEN0049 E, withdrawn",
        2 => "DEN0049 E.a, withdrawn",
        3 => "DEN0049 E.b",
        4 => "DEN0049 E.c, withdrawn",
        5 => "DEN0049 E.d",
        6 => "DEN0049 E.e, E.f",
        7 => "DEN0049 E.g",
        _ => "unknown",
    }
}
