//! Everything in the core tier that reads bytes, one symbol for each way in.
//!
//! The panic handler calls a function that nobody has. As long as the optimiser can prove that no panic is reached from a
//! symbol, linking that symbol leaves nothing undefined.
#![no_std]

use core::hint::black_box;

use fwspec::acpi::dmar::{self, Dmar};
use fwspec::acpi::iort::{self, Body, Iort, Wanted};
use fwspec::acpi::ivrs::{self, Ivrs};
use fwspec::acpi::rimt::{self, Rimt};
use fwspec::acpi::viot::{self, Viot};
use fwspec::acpi::{Madt, Mcfg, Sdt};
use fwspec::dt::{self, Cells, MapKind, Node, Tree};
use fwspec::{Bdf, Dialect, Phandle, RequesterId, Segment, error::Source, dialect::MapCells};

unsafe extern "C" {
    fn a_panic_is_reachable() -> !;
}

#[panic_handler]
fn reached(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: it does not exist, so nothing that calls it links.
    unsafe { a_panic_is_reachable() }
}

/// A heap that nobody may use: none of these parsers does.
#[cfg(feature = "config")]
mod heap {
    use core::alloc::{GlobalAlloc, Layout};

    struct None;

    // SAFETY: nothing is handed out, and nothing can come back.
    unsafe impl GlobalAlloc for None {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            // SAFETY: it does not exist, so nothing that calls it links.
            unsafe { super::a_panic_is_reachable() }
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }

    #[global_allocator]
    static HEAP: None = None;
}

/// The caller's bytes.
///
/// # Safety
/// There are `length` of them, and they outlive what is made of them.
unsafe fn slice<'a>(bytes: *const u8, length: usize) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(bytes, length) }
}

/// A symbol that reads bytes and an id; what it makes of them is kept from the optimiser.
macro_rules! ways_in {
    ($($(#[$attribute:meta])* $name:ident: $read:expr;)*) => {$(
        /// # Safety
        /// As `slice`.
        $(#[$attribute])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(bytes: *const u8, length: usize, id: u32) {
            let read: fn(&[u8], u32) = $read;
            // SAFETY: the caller's promise.
            read(unsafe { slice(bytes, length) }, id);
        }
    )*};
}

ways_in! {
    read_sdt: |bytes, _| {
        black_box(Sdt::parse_as(bytes, Source::MCFG).ok());
        let Ok(table) = Sdt::parse(bytes) else { return };
        black_box((table.bytes(), table.trailing(), table.checksum_error()));
        black_box((table.signature(), table.length(), table.revision(), table.checksum(), table.checksum_sum()));
        black_box((table.oem_id(), table.oem_table_id(), table.oem_revision()));
        black_box((table.creator_id(), table.creator_revision(), table.source()));
    };
    read_mcfg: |bytes, _| {
        black_box(Mcfg::parse_as(bytes, Source::MCFG).ok());
        let Ok(table) = Mcfg::parse(bytes) else { return };
        black_box((table.error(), table.sdt()));
        table.allocations().for_each(|allocation| { black_box(allocation); });
    };
    read_iort_nodes: |bytes, id| {
        black_box(Iort::parse_as(bytes, Source::IORT).ok());
        let Ok(table) = Iort::parse(bytes) else { return };
        black_box((table.revision(), table.node_count(), table.node_offset(), table.reserved(), table.after_nodes()));
        black_box((table.pmcg_model(), table.node_at(id)));
        table.oem_quirks().for_each(|quirk| { black_box(quirk); });
        iort::smmu_v3_quirks(id).for_each(|quirk| { black_box(quirk); });
        for node in table.nodes() {
            let Ok(node) = node else { continue };
            black_box((node.at(), node.node_type(), node.length(), node.revision(), node.identifier()));
            black_box((node.identifier_field(), node.mapping_count(), node.mapping_offset(), node.mappings_error()));
            black_box((node.is_usable(), node.node_type().minimum_length(), node.node_type().is_smmu(), node.own_msi(Dialect::LINUX.msi_index), node.own_msi(Dialect::SPEC.msi_index)));
            for mapping in node.mappings() {
                black_box((mapping, mapping.is_single(), mapping.input_last(), mapping.output_last()));
            }
        }
    };
    read_iort_bodies: |bytes, _| {
        let Ok(table) = Iort::parse(bytes) else { return };
        for node in table.nodes() {
            let Ok(node) = node else { continue };
            match node.body() {
                Ok(Body::ItsGroup(group)) => {
                    black_box(group.error());
                    group.ids().for_each(|id| { black_box(id); });
                }
                Ok(Body::SmmuV2(smmu)) => {
                    for interrupts in [smmu.global_interrupts(), smmu.context_interrupts(), smmu.pmu_interrupts()] {
                        interrupts.for_each(|interrupt| { black_box(interrupt); });
                    }
                }
                Ok(Body::Rmr(rmr)) => {
                    black_box(rmr.error());
                    rmr.descriptors().for_each(|descriptor| { black_box(descriptor); });
                }
                other => { black_box(&other); }
            }
        }
    };
    read_iort_path: |bytes, _| {
        let path = iort::Path::new(bytes);
        black_box((path.bytes(), path.is_terminated(), path.is_padded(), path.fault(), path.is_exactly("\\_SB_.DEV0")));
        black_box(iort::same_path(path.bytes(), bytes));
    };
    look_up_iort: |bytes, id| {
        let Ok(table) = Iort::parse(bytes) else { return };
        for dialect in Dialect::ALL {
            for wanted in [Wanted::Iommu, Wanted::Msi] {
                for node in table.nodes().map_while(Result::ok) {
                    black_box(iort::resolve(&table, dialect, node.offset(), id, wanted).ok());
                    iort::component_ids(&table, dialect, node.offset(), wanted).for_each(|id| { black_box(id.ok()); });
                }
                let function = Bdf::new(Segment(id), 1, 2, 3);
                black_box(iort::resolve_function(&table, dialect, function, wanted).ok());
            }
            black_box(iort::own_device_id(&table, dialect, id).ok());
        }
    };
    read_madt: |bytes, _| {
        black_box(Madt::parse_as(bytes, Source::MADT).ok());
        let Ok(table) = Madt::parse(bytes) else { return };
        black_box(table.sdt());
        table.its_units().for_each(|unit| { black_box(unit.ok()); });
    };
    read_rimt: |bytes, _| {
        black_box(Rimt::parse_as(bytes, Source::RIMT).ok());
        let Ok(table) = Rimt::parse(bytes) else { return };
        black_box((table.sdt(), table.node_count(), table.after_nodes()));
        for node in table.nodes() {
            let Ok(node) = node else { continue };
            black_box((node.at(), node.length(), node.node_type(), node.revision(), node.id()));
            black_box((node.bytes(), node.parts(), node.iommu_fault()));
            node.reserved_set().for_each(|field| { black_box(field); });
            match node.body() {
                Ok(rimt::Body::RootComplex { mappings, .. } | rimt::Body::PlatformDevice { mappings, .. }) => {
                    black_box(mappings.error());
                    mappings.for_each(|mapping| { black_box(mapping); });
                }
                Ok(rimt::Body::Iommu { wires, .. }) => wires.for_each(|wire| { black_box(wire); }),
                other => { black_box(&other); }
            }
        }
    };
    read_dmar: |bytes, id| {
        black_box(Dmar::parse_as(bytes, Source::DMAR).ok());
        let Ok(table) = Dmar::parse(bytes) else { return };
        black_box((table.sdt(), table.host_address_width(), table.flags(), table.reserved()));
        for structure in table.structures() {
            let Ok(structure) = structure else { continue };
            black_box((structure.at(), structure.length(), structure.structure_type(), structure.bytes()));
            let Ok(body) = structure.body() else { continue };
            match &body {
                dmar::Body::Drhd(unit) => { black_box((unit.include_all(), unit.register_bytes())); }
                dmar::Body::Atsr(ports) => { black_box(ports.all_ports()); }
                dmar::Body::Satc(caches) => { black_box(caches.atc_required()); }
                other => { black_box(other); }
            }
            for scope in body.scopes().into_iter().flatten() {
                let Ok(scope) = scope else { continue };
                show(&scope);
                show(&scope.scope_type());
                black_box((scope.at(), scope.scope_type_number(), scope.length(), scope.flags(), scope.reserved()));
                black_box((scope.enumeration_id(), scope.start_bus(), scope.has_odd_byte(), scope.function()));
                scope.hops().for_each(|hop| { black_box((hop, hop.on(1))); });
            }
        }
        black_box(dmar::unit_of(&table, Bdf::new(Segment(id), 1, 2, 3)).ok());
    };
    read_ivrs: |bytes, id| {
        black_box(Ivrs::parse_as(bytes, Source::IVRS).ok());
        let Ok(table) = Ivrs::parse(bytes) else { return };
        black_box((table.sdt(), table.info(), table.reserved(), table.unit_type()));
        for block in table.blocks() {
            let Ok(block) = block else { continue };
            black_box((block.at(), block.bytes(), block.block_type(), block.flags(), block.length(), block.device_id()));
            match block.body() {
                Ok(ivrs::Body::Ivhd(unit)) => {
                    black_box(unit.last_function().ok());
                    for entry in unit.entries.clone() {
                        let Ok(entry) = entry else { continue };
                        black_box((entry.at(), entry.bytes(), entry.entry_type(), entry.device_id(), entry.data(), entry.kind()));
                    }
                    unit.claims(block.block_type()).for_each(|claim| { black_box(claim.ok()); });
                }
                Ok(ivrs::Body::Ivmd(memory)) => { black_box((memory.is_mapped(), memory.access())); }
                other => { black_box(&other); }
            }
        }
        black_box(ivrs::unit_of(&table, Bdf::new(Segment(id), 1, 2, 3)).ok());
    };
    read_viot: |bytes, id| {
        black_box(Viot::parse_as(bytes, Source::VIOT).ok());
        let Ok(table) = Viot::parse(bytes) else { return };
        black_box((table.sdt(), table.node_count(), table.after_nodes()));
        table.unread().for_each(|unread| { black_box(unread); });
        for node in table.nodes() {
            if let Ok((at, viot::Node::PciRange(range))) = node {
                black_box((at, range.endpoint_of(Bdf::new(Segment(id), 1, 2, 3))));
            } else {
                black_box(&node);
            }
        }
    };
    read_tree_tokens: |bytes, id| {
        let Ok(tree) = Tree::parse(bytes) else { return };
        black_box((tree.bytes(), tree.string(id), tree.boot_refusal()));
        tree.tokens().for_each(|token| { black_box(token.ok()); });
        tree.reservations().for_each(|reservation| { black_box(reservation.ok()); });
        let mut tokens = tree.tokens();
        while let Some(Ok(_)) = tokens.next() {
            black_box((tokens.depth(), tokens.position()));
        }
    };
    read_tree_nodes: |bytes, id| {
        let Ok(tree) = Tree::parse(bytes) else { return };
        let mut nodes = tree.nodes();
        while let Some(Ok(node)) = nodes.next() {
            black_box(nodes.depth());
            read_node(&node, bytes);
        }
        black_box((tree.node_at(id), tree.node_by_phandle(Phandle(id)), tree.find("/soc/pcie@1000"), tree.find("serial0")));
    };
    read_cells: |bytes, id| {
        let cells = Cells::of(bytes);
        black_box((cells.len(), cells.is_empty(), cells.get(id as usize), cells.split(id as usize)));
        cells.iter().for_each(|cell| { black_box(cell); });
    };
    look_up_tree: |bytes, id| {
        let Ok(tree) = Tree::parse(bytes) else { return };
        for node in tree.nodes().map_while(Result::ok) {
            for kind in [MapKind::Iommu, MapKind::Msi] {
                for reading in [MapCells::FromTarget, MapCells::AlwaysFour] {
                    for entry in node.map(kind, reading).into_iter().flatten() {
                        let Ok(entry) = entry else { continue };
                        black_box((entry, entry.is_ambiguous()));
                    }
                }
                for dialect in Dialect::ALL {
                    let Ok(Some(found)) = dt::resolve(&node, kind, dialect, id) else { continue };
                    black_box((found.target, found.cells()));
                }
            }
        }
    };
    read_address: |bytes, _| {
        let Ok(text) = core::str::from_utf8(bytes) else { return };
        black_box(text.parse::<Bdf>().ok());
        black_box(text.parse::<RequesterId>().ok());
        black_box(Dialect::by_name(text));
    };
    show_errors: |bytes, id| {
        let errors = [Tree::parse(bytes).err(), Iort::parse(bytes).err(), Mcfg::parse(bytes).err()];
        errors.iter().flatten().for_each(|error| show(error));
        let Ok(tree) = Tree::parse(bytes) else { return };
        show(&tree.place(id));
        tree.tokens().filter_map(Result::err).for_each(|error| show(&error));
    };
    show_ids: |_, id| {
        show(&Bdf::new(Segment(id), 1, 2, 3));
        show(&Phandle(id));
    };
    #[cfg(feature = "config")]
    read_config: |bytes, _| { black_box(fwspec::pci::Function::read(bytes).ok()); };
    #[cfg(feature = "panics")]
    reaches_a_panic: |bytes, id| {
        black_box(bytes[id as usize]);
    };
}

/// Formats to nowhere.
fn show(value: &dyn core::fmt::Display) {
    struct Nowhere;
    impl core::fmt::Write for Nowhere {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            black_box(text);
            Ok(())
        }
    }
    black_box(core::fmt::write(&mut Nowhere, format_args!("{value}")).is_ok());
}

fn read_node(node: &Node<'_>, name: &[u8]) {
    black_box((
        node.tree(),
        node.name(),
        node.offset(),
        node.phandle(),
        node.cell("reg"),
        node.property("status"),
        node.child(name),
    ));
    for property in node.properties() {
        let Ok(property) = property else { continue };
        black_box((
            property.name(),
            property.value(),
            property.offset(),
            property.is("reg"),
            property.cells(),
        ));
        property.strings().for_each(|string| {
            black_box(string);
        });
    }
    node.children().for_each(|child| {
        black_box(child.ok());
    });
}
