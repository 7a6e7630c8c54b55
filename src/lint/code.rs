//! The table of findings. A code never changes its meaning: a new meaning gets a new code, and a retired code keeps its row.

use core::fmt;
use core::str::FromStr;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; common in firmware that works.
    Info,
    /// Works by chance, or on some systems only.
    Warn,
    /// A device does not work, is not translated, or is taken for another one.
    Error,
}

impl Severity {
    /// The word for it: `info`, `warn`, `error`.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Everything about a code that does not depend on the firmware at hand.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// The code as people write it, `IORT004`.
    pub id: &'static str,
    /// Its name, `range-overlap`.
    pub name: &'static str,
    /// How bad it is, unless the user says otherwise.
    pub severity: Severity,
    /// Codes that, found at the same node or at the table, make this one meaningless.
    pub needs_absence_of: &'static [Code],
    /// What is wrong, in one sentence.
    pub what: &'static str,
    /// What follows from it.
    pub why: &'static str,
    /// Where it was seen; empty where it is known from the sources of readers alone.
    pub seen: &'static str,
    /// What to change.
    pub help: &'static str,
    /// The section of a specification, the kernel function or the report that it is based on.
    pub reference: &'static str,
}

macro_rules! rules {
    ($($variant:ident $id:literal $name:literal $severity:ident [$($needs:ident)*] {
        $what:literal
        $why:literal
        seen $seen:literal
        help $help:literal
        see $reference:literal
    })*) => {
        /// The code of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {$(
            #[doc = concat!($id, " `", $name, "`: ", $what)]
            $variant,
        )*}

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The row of the table.
            pub fn rule(self) -> &'static Rule {
                match self {$(
                    Code::$variant => &Rule {
                        id: $id,
                        name: $name,
                        severity: Severity::$severity,
                        needs_absence_of: &[$(Code::$needs,)*],
                        what: $what,
                        why: $why,
                        seen: $seen,
                        help: $help,
                        reference: $reference,
                    },
                )*}
            }
        }
    };
}

rules! {
    // -- IORT: the table --
    TableCut "IORT001" "table-cut" Error [] {
        "The table is shorter than its header says, or shorter than a header."
        "No operating system uses the table, so no device has an IOMMU."
        seen "a published dump of a laptop's tables, with a shifted header"
        help "Dump the table again as root, from /sys/firmware/acpi/tables/IORT. In firmware, set the length in the header to the size of the table in bytes."
        see "ACPI 6.5 §5.2.6"
    }
    FirstNodeOutside "IORT002" "first-node-outside" Error [] {
        "The header puts the first node outside of the table."
        "No node can be found. Linux warns that the node pointer overflows, and uses nothing of the table."
        seen ""
        help "Set the offset of the node array (byte 40 of the table) to where the first node starts, usually 48."
        see "DEN0049 §3; linux drivers/acpi/arm64/iort.c iort_scan_node"
    }
    Checksum "IORT003" "checksum" Warn [] {
        "The bytes of the table do not add up to zero."
        "Linux warns and uses the table anyway; other systems refuse it."
        seen "8 of 64 published Qualcomm tables, patched by hand"
        help "Recompute the checksum (byte 9 of the table) after every change."
        see "ACPI 6.5 §5.2.6"
    }
    RangeOverlap "IORT004" "range-overlap" Error [] {
        "Two mappings of one node take the same input IDs and give different answers."
        "Operating systems take the first mapping that they find, and search in different orders. The same device gets another StreamID or DeviceID, or another SMMU, on each of them."
        seen ""
        help "Shorten one of the two ranges so that each input ID is in one mapping only. The count field holds the number of IDs minus one."
        see "DEN0049 §3 table 4; linux iort_id_map: the first mapping answers"
    }
    RangeRepeat "IORT005" "range-repeat" Warn [] {
        "Two mappings of one node take the same input IDs and give the same answer."
        "This is harmless as it is, but an edit of only one of the two makes the answers differ (IORT004)."
        seen ""
        help "Remove the part that is repeated."
        see "DEN0049 §3 table 4"
    }
    CountIsN "IORT006" "count-is-n" Error [] {
        "The count of a mapping looks like the number of IDs; the field means that number minus one."
        "The range is one ID too long: its last ID belongs to the next range, or to no device. Linux since v5.8 gives that ID to a range that starts there; other systems do not."
        seen "HiSilicon D03 and D05 tables (0x2000, 0x800); FreeBSD and the Arm ACS read the field as the number of IDs"
        help "Store the number of IDs minus one."
        see "DEN0049 §3 table 4; linux 3c23b83a88d0 \"ACPI/IORT: work around num_ids ambiguity\""
    }
    WithdrawnRevision "IORT007" "withdrawn-revision" Warn [] {
        "The table has a revision that was withdrawn: 1, 2 or 4."
        "iasl and acpiview refuse to read the table. Operating systems read it, and ignore its RMR nodes."
        seen ""
        help "Use revision 5 or 6 (DEN0049E.d, E.e), and nodes of the revisions that belong to it."
        see "DEN0049 §1; ACPICA dmtbinfo2.c, EDK2 IortParser.c"
    }
    NodeCountHigh "IORT008" "node-count-high" Error [] {
        "The header counts more nodes than the table holds."
        "A search that finds no match runs past the end of the table, and Linux warns that the node pointer overflows."
        seen ""
        help "Set the number of nodes (byte 36 of the table) to the nodes that are there."
        see "linux iort_scan_node"
    }
    NodeCountLow "IORT009" "node-count-low" Warn [] {
        "Bytes follow the last node that the header counts."
        "Linux ignores these bytes. FreeBSD and iasl walk by length and read them as nodes, so that systems see different tables."
        seen ""
        help "Count all nodes in the header (byte 36 of the table), or end the table after the last one."
        see "linux iort_scan_node; FreeBSD acpi_iort.c"
    }
    NodeLengthZero "IORT010" "node-length-zero" Error [] {
        "A node says that it is 0 bytes long."
        "Nothing after the node can be found. Linux reads the same node again until the node count is used up."
        seen ""
        help "Set the length of the node to its size in bytes, including its mappings."
        see "DEN0049 §3.1; linux iort_scan_node"
    }
    NodeShort "IORT011" "node-short" Error [] {
        "A node is shorter than the fields of its type."
        "Linux reads the missing fields from the node that follows."
        seen ""
        help "Give the node all fields of its type and revision."
        see "DEN0049 §3.1"
    }
    NodeOverrun "IORT012" "node-overrun" Error [] {
        "A node runs past the end of the table."
        "Its mappings are read from memory after the table, and the nodes that should follow are lost."
        seen ""
        help "Correct the length of the node, or that of the table."
        see "DEN0049 §3.1"
    }
    NodeType "IORT013" "node-type" Warn [] {
        "A node has a type that no revision of the specification defines."
        "Operating systems ignore the node; fwts stops reading there."
        seen ""
        help "Remove the node, or correct its type."
        see "DEN0049 §3.1 table 3"
    }
    MappingsOutside "IORT014" "mappings-outside" Error [] {
        "A node counts more ID mappings than it has room for."
        "Linux reads the next node as mappings: devices get IDs that are made of its header."
        seen "QEMU sbsa-ref: an SMMUv3 that counts two mappings and has one (bsa-acs issue 118)"
        help "Set the mapping count to the mappings that are there, or make the node long enough for all of them."
        see "DEN0049 §3.1; linux iort_node_map_id"
    }
    MappingsOnFields "IORT015" "mappings-on-fields" Error [] {
        "The ID mappings overlap the node's own fields."
        "The fields are read as mappings, so devices get wrong IDs."
        seen ""
        help "Set the mapping offset to the first byte after the fields of the node."
        see "DEN0049 §3.1"
    }
    MappingsNowhere "IORT016" "mappings-nowhere" Error [] {
        "A node counts ID mappings but gives no offset for them."
        "Linux treats the node as one without mappings: none of its devices has an ID."
        seen ""
        help "Set the mapping offset (byte 12 of the node) to where its mappings start."
        see "linux iort_node_map_id"
    }
    ReferenceNull "IORT017" "reference-null" Error [] {
        "The output reference of a mapping is 0."
        "The IDs of the mapping lead nowhere. If it is the first mapping of its node, Linux uses no mapping of the node."
        seen "a port of msm8998 firmware, whose SMMU nodes list input ranges only"
        help "Set the output reference to the offset of the SMMU or ITS group, or remove the mapping."
        see "linux iort_node_map_id: \"ID map has NULL parent reference\""
    }
    ReferenceDangling "IORT018" "reference-dangling" Error [] {
        "The output reference of a mapping is an offset at which no usable node starts."
        "Linux reads whatever bytes are there as a node; FreeBSD drops the mapping."
        seen "the test data of fwts itself (0xffffffff)"
        help "Set the reference to the offset of the target node from the start of the table. Node lengths may have changed since the reference was computed."
        see "DEN0049 §3 table 4; linux iort_node_map_id does not check it"
    }
    ReferenceType "IORT019" "reference-type" Error [MappingCycle] {
        "A mapping leads to a node of a type that it may not lead to."
        "The chain ends without an SMMU or ITS group, or continues in a way that the specification does not define."
        seen ""
        help "Map root complexes and named components to SMMUs or ITS groups, SMMUs to ITS groups, RMR nodes to SMMUs."
        see "DEN0049 §3.1"
    }
    MappingCycle "IORT020" "mapping-cycle" Error [] {
        "The mappings form a loop."
        "Linux follows them without end while it configures a device: the boot hangs."
        seen ""
        help "Let every chain of mappings end at an ITS group."
        see "linux iort_node_map_id, whose loop has no bound"
    }
    SingleNotAllowed "IORT021" "single-not-allowed" Warn [MsiIndex MsiIndexTarget MsiIndexFlag] {
        "A mapping is marked single on a type of node that cannot have single mappings, and it is not the mapping for the node's own MSIs."
        "Linux warns and skips the mapping. Nothing is lost if the node's own interrupts are wired."
        seen "a shipped table whose SMMUs have wired interrupts, and a mapping for their own MSIs as well"
        help "Remove the mapping. If it is for the own MSIs of an SMMUv3, set the DeviceID mapping index to it, and from node revision 5 on also bit 4 of the SMMU's flags. Do not just clear the single flag: as a range, the mapping would take IDs of other devices."
        see "linux iort_id_map: \"SINGLE MAPPING flag not allowed\""
    }
    SingleWithCount "IORT022" "single-with-count" Info [] {
        "A single mapping has a count that is not zero; the count has no meaning there."
        "The Arm ACS and some other readers ignore the single flag and use the count."
        seen "HiSilicon D03 and D05 tables"
        help "Set the count of single mappings to 0."
        see "DEN0049 §3 table 4"
    }
    MappingFlags "IORT023" "mapping-flags" Warn [] {
        "Reserved flag bits of a mapping are set."
        "The bits are ignored today; fwts reports them as a failure. Often they show that other bytes are being read as a mapping."
        seen ""
        help "Clear bits 1 to 31 of the flags. If the other fields look wrong too, correct the mapping offset and count of the node first."
        see "DEN0049 §3 table 4"
    }
    InputWraps "IORT024" "input-wraps" Error [] {
        "The input IDs of a mapping run past 2^32."
        "Linux compares with a sum that has wrapped, so that no ID matches."
        seen ""
        help "Correct the input base or the count."
        see "linux iort_id_map"
    }
    OutputWraps "IORT025" "output-wraps" Error [] {
        "The output IDs of a mapping run past 2^32."
        "The last IDs wrap around to 0, where they are the IDs of other devices."
        seen ""
        help "Correct the output base or the count."
        see "linux iort_id_map"
    }
    InputNotRid "IORT026" "input-not-rid" Error [MappingsOutside InputWraps] {
        "A root complex maps input IDs above 0xffff, which no requester ID reaches."
        "The mapping matches no PCI device, so the devices that it was meant for are not translated."
        seen "19 of 64 published Qualcomm tables (input base 0x87030000 and similar)"
        help "Use requester IDs (bus << 8 | device << 3 | function) as inputs. The segment is a field of the node, not part of the ID."
        see "linux iort_pci_iommu_init passes 16-bit requester IDs"
    }
    InputClipped "IORT027" "input-clipped" Warn [MappingsOutside InputWraps CountIsN] {
        "A mapping of a root complex runs past requester ID 0xffff."
        "The part above 0xffff matches nothing; the count is probably wrong."
        seen ""
        help "Let the range end at 0xffff."
        see "PCIe 6.0 §2.2.6.2"
    }
    RootSingle "IORT028" "root-single" Warn [] {
        "A root complex has a single mapping: every function gets the same output ID."
        "An SMMUv3 refuses the second function with that StreamID (\"Aliasing StreamID ... unsupported\"), which then has no IOMMU. If all functions share one DeviceID, whoever controls one of them can raise the interrupts of the others."
        seen ""
        help "Map the range of requester IDs, or only the requester ID of the one function that is there."
        see "linux iort_id_map, arm_smmu_insert_master, its_msi_prepare"
    }
    SegmentRepeated "IORT029" "segment-repeated" Warn [] {
        "Several root complexes have the same segment."
        "Linux and OpenBSD ask only the first, even for requester IDs that only the second maps. FreeBSD asks each; the Arm ACS takes the last."
        seen ""
        help "Describe each segment by one root complex that has all of its mappings."
        see "linux iort_match_node_callback"
    }
    PathRepeated "IORT030" "path-repeated" Warn [] {
        "Two named components have the same path."
        "The first node is used, the second never."
        seen ""
        help "Put all mappings of a device into one node."
        see "linux iort_find_dev_node"
    }
    PathUnterminated "IORT031" "path-unterminated" Error [] {
        "The namespace path of a node has no terminating NUL inside the node."
        "Linux compares past the end of the node, so that it does not find the device, or finds another one."
        seen ""
        help "End the path with a NUL; the mappings start after it."
        see "DEN0049 §3.1.1.4"
    }
    PathMalformed "IORT032" "path-malformed" Warn [] {
        "No device can have this namespace path."
        "No device finds the node, so the device that it was meant for is not translated."
        seen "Qualcomm tables, such as those of the Acer Aspire 1 and of edk2-msm for sm7125 and sm8150"
        help "Write the full path of the device: a backslash, then names of up to four characters (A-Z, 0-9 and _), separated by dots."
        see "ACPI 6.5 §5.3"
    }
    PathUnpadded "IORT033" "path-unpadded" Warn [PathMalformed] {
        "A segment of the namespace path has fewer than four characters."
        "Linux compares byte for byte with a path whose segments are padded with underscores, and finds no device."
        seen "1,108 of 1,119 named components of 64 published Qualcomm tables (\\_SB.GPU0)"
        help "Pad each segment of the path to four characters with underscores: \\_SB_ for \\_SB."
        see "linux iort_match_node_callback, ACPICA ACPI_FULL_PATHNAME"
    }
    ComponentNoSingle "IORT034" "component-no-single" Warn [MappingsNowhere MappingsOutside] {
        "A named component has mappings, but no single mapping."
        "Linux gives a platform device StreamIDs from single mappings only, so the device reaches memory untranslated. Only devices that get an ID from their bus (fsl-mc) are mapped."
        seen "all 64 published Qualcomm tables: 8,719 mappings, not one of them single"
        help "Write one single mapping (flag bit 0) for each StreamID of the platform device, with the StreamID as output base."
        see "linux iort_nc_iommu_map"
    }
    ComponentOrder "IORT035" "component-order" Warn [ComponentNoSingle] {
        "A mapping that gives no StreamID comes before one that does, in a named component."
        "Linux stops at the first mapping that is not single or does not lead to an SMMU, so the StreamIDs after it are lost."
        seen ""
        help "List the single mappings to SMMUs first, and the mappings to the ITS group after them."
        see "linux iort_nc_iommu_map"
    }
    Unaligned "IORT036" "unaligned" Info [] {
        "Nodes or mappings do not start at a multiple of four bytes."
        "Every operating system accepts this; some tools do not."
        seen "all 64 published Qualcomm tables"
        help "Pad the path of each named component so that the length of every node is a multiple of four bytes."
        see "DEN0049 §3.1.1.4: padding"
    }
    ItsCount "IORT037" "its-count" Error [] {
        "An ITS group counts more identifiers than it has room for."
        "Systems that use every identifier read some from the node that follows. Linux uses only the first, which is not an identifier if there is room for none."
        seen ""
        help "Set the count to the identifiers that are there."
        see "DEN0049 §3.1.1.1; fwts IORTItsIdArrayOutsideTable"
    }
    ItsEmpty "IORT038" "its-empty" Warn [] {
        "An ITS group lists no ITS."
        "Linux finds no ITS and prints \"overruns ITS entries\": the devices behind the group have no MSI domain."
        seen ""
        help "List the ITS by the GIC ITS ID that it has in the MADT."
        see "linux iort_dev_find_its_id: \"overruns ITS entries\""
    }
    ItsSeveral "IORT039" "its-several" Info [] {
        "An ITS group lists several ITS units."
        "Linux, FreeBSD and the Arm ACS use the first only."
        seen ""
        help "Nothing, if the first ITS can take the MSIs of all devices; otherwise give each ITS a group of its own."
        see "linux iort_get_device_domain"
    }
    ItsHasMappings "IORT040" "its-has-mappings" Warn [] {
        "An ITS group has ID mappings, although IDs end there."
        "Operating systems ignore them; acpiview counts an error."
        seen ""
        help "Set the mapping count and the mapping offset of the ITS group to 0."
        see "DEN0049 §3.1.1.1"
    }
    MsiIndex "IORT041" "msi-index" Error [MappingsOutside MappingsNowhere] {
        "The DeviceID mapping index of an SMMUv3 is not that of any mapping."
        "Linux prints an error, and the SMMU gets no MSIs: unless its interrupts are wired, none of its events and errors is ever reported."
        seen ""
        help "Set the index to the single mapping for the SMMU's own MSIs. If there is none and the interrupts are wired, write all four GSIVs, and from node revision 5 on clear flag bit 4."
        see "linux iort_get_id_mapping_index: \"ID mapping index overflows valid mappings\""
    }
    MsiIndexTarget "IORT042" "msi-index-target" Error [] {
        "The mapping for an SMMUv3's own MSIs is not a single mapping to an ITS group."
        "Linux leaves that mapping out of translation: devices whose StreamIDs are in it have no MSIs, and neither has the SMMU."
        seen "EDK2's table generator refuses to write this"
        help "Give the SMMU a single mapping of its own to the ITS group, and set the DeviceID mapping index to it."
        see "linux iort_set_device_domain, iort_get_id_mapping_index"
    }
    LimitZero "IORT043" "limit-zero" Warn [] {
        "The memory address size limit is 0."
        "Linux reports a firmware bug and applies no limit; kernels before v5.10 gave the device a DMA window of one byte."
        seen "12 root complexes of published Qualcomm tables"
        help "Set the limit to the number of address bits that the device drives; 64 means no limit."
        see "linux iort_dma_get_ranges, rc_dma_get_range"
    }
    LimitHuge "IORT044" "limit-huge" Warn [] {
        "The memory address size limit is above 64."
        "Linux treats the value as no limit in one place; in another it shifts by it, which is undefined."
        seen "3 root complexes of published Qualcomm tables (128)"
        help "Set it to 64 or less."
        see "linux acpi_iort_dma_get_max_cpu_address"
    }
    LimitNarrow "IORT045" "limit-narrow" Info [] {
        "The memory address size limit is below 32 bits."
        "Linux shrinks its lowest memory zone to that size, for all devices."
        seen ""
        help "Check that the device really drives so few address bits."
        see "linux acpi_iort_dma_get_max_cpu_address"
    }
    MemoryAttributes "IORT046" "memory-attributes" Warn [] {
        "The memory access properties contradict each other."
        "If a device is declared coherent and is not, its buffers get corrupted. If it is coherent and not declared so, cache maintenance is wasted on it."
        seen "QEMU sbsa-ref: CCA 1 with CPM 0 (edk2-platforms pull request 222)"
        help "Set the three fields to what the hardware does: CCA 1 requires CPM 1, and CCA 0 excludes CPM and DACS both being 1."
        see "DEN0049 §3.1.1.4 table 15; fwts"
    }
    PmcgMappings "IORT047" "pmcg-mappings" Warn [] {
        "A PMCG has more than one ID mapping."
        "Only the first mapping is used, for the overflow MSI; the others are ignored."
        seen ""
        help "Keep one single mapping to the ITS group."
        see "DEN0049 §3.1.1.6"
    }
    RmrUnaligned "IORT048" "rmr-unaligned" Warn [RmrCount] {
        "A reserved memory range does not start and end at a multiple of 64 KiB."
        "Linux warns and rounds outwards to its page size, so that the device can reach more memory than was meant."
        seen ""
        help "Align the base and the length to 64 KiB."
        see "DEN0049 §3.1.1.7; linux iort_rmr_desc_check_overlap, iort_rmr_alloc"
    }
    RmrEmpty "IORT049" "rmr-empty" Warn [RmrCount] {
        "An RMR node has no memory range, or one of length 0."
        "Nothing stays mapped: the device that relies on it faults as soon as its SMMU is enabled."
        seen ""
        help "Describe the memory, or remove the node."
        see "DEN0049 §3.1.1.7; linux iort_rmr_desc_check_overlap"
    }
    RmrOverlap "IORT050" "rmr-overlap" Warn [RmrCount] {
        "Two reserved memory ranges of one node overlap."
        "Linux reports a firmware bug, and uses both."
        seen ""
        help "Let the ranges of a node not overlap. Nodes of different devices may name the same memory."
        see "linux iort_rmr_desc_check_overlap"
    }
    RmrTableRevision "IORT051" "rmr-table-revision" Warn [] {
        "An RMR node is in a table of a revision below 5."
        "Linux ignores the node: memory that should stay mapped is not."
        seen ""
        help "Raise the table to revision 5 or 6, and the node to revision 3."
        see "linux iort_find_rmrs"
    }
    RmrCount "IORT052" "rmr-count" Error [] {
        "An RMR node counts more memory ranges than it has room for."
        "Linux maps addresses that it reads from the node that follows."
        seen ""
        help "Set the count to the memory ranges that are there."
        see "DEN0049 §3.1.1.7"
    }
    RmrUnattached "IORT053" "rmr-unattached" Warn [RmrTableRevision MappingsNowhere MappingsOutside] {
        "An RMR node has no ID mapping."
        "The node belongs to no device, and Linux ignores it."
        seen ""
        help "Map the node to the SMMU, with the StreamIDs of the device as output IDs."
        see "linux iort_get_rmrs"
    }
    RmrStranded "IORT054" "rmr-stranded" Warn [ReferenceDangling ReferenceType ReferenceNull] {
        "An RMR node names StreamIDs that no device has on that SMMU."
        "The memory is mapped for no device. The device that needs it, perhaps behind another SMMU, faults."
        seen "CIX Sky1: the RMR refers to SMMU 1, the root complex to SMMU 0"
        help "Map the RMR node to the SMMU that the device is behind, with the StreamIDs of the device."
        see "linux iort_get_rmrs, iort_rmr_has_dev"
    }
    StreamWide "IORT055" "stream-wide" Error [] {
        "An output ID on an SMMUv1/v2 has more than 16 bits."
        "Linux takes the upper half for a mask of StreamID bits to ignore, so that the device shares the stream mapping of other devices."
        seen ""
        help "Use the StreamID that the SMMU sees, without a TBU or cluster number in its upper bits."
        see "linux arm_smmu_probe_device: SMR_ID, SMR_MASK"
    }
    SmmuModel "IORT056" "smmu-model" Error [] {
        "The model of an SMMU is a number that the specification does not define."
        "Linux does not drive an SMMUv1/v2 of an unknown model: the devices behind it are not translated. It does drive such an SMMUv3, but without the workarounds for any model."
        seen ""
        help "Use a model of DEN0049 table 9 (SMMUv1/v2, 0 to 5) or table 10 (SMMUv3, 0 to 2)."
        see "linux acpi_smmu_get_data, acpi_smmu_iort_probe_model"
    }
    IdentifierRepeated "IORT057" "identifier-repeated" Warn [] {
        "Several nodes have the same identifier."
        "Linux does not use identifiers. Tools that name nodes by them confuse these nodes."
        seen "CIX Sky1 (18 of 19 nodes have identifier 0), QEMU"
        help "Give every node of a table of revision 3 or later a number of its own. The numbers are yours to choose, so lint --fix leaves them alone."
        see "DEN0049 §3.1 table 2; EDK2 IortGenerator.c"
    }
    Reserved "IORT058" "reserved" Info [] {
        "A reserved field or bit is not zero."
        "A later revision may give it a meaning; fwts reports it as a failure."
        seen ""
        help "Clear the field or bit."
        see "DEN0049 §3"
    }
    PmcgReference "IORT059" "pmcg-reference" Warn [] {
        "A PMCG refers to a node that is not an SMMU, a root complex or a named component."
        "Nothing says what its counters count."
        seen ""
        help "Set the node reference to the SMMU, root complex or named component that the counters belong to."
        see "DEN0049 §3.1.1.6"
    }
    PmcgPage1 "IORT060" "pmcg-page1" Info [] {
        "A PMCG node of revision 0 has no field for the address of register page 1."
        "Linux looks for the counters in page 0."
        seen ""
        help "Use node revision 1 or later, and write the address of page 1."
        see "linux arm_smmu_v3_pmcg_init_resources"
    }
    FieldWithoutRevision "IORT061" "field-without-revision" Warn [] {
        "A field is set that the revision of the node does not have."
        "Operating systems do not read the field, so what it says has no effect."
        seen "Qualcomm tables: address limits of 36 and 40 bits in root complexes of revision 0"
        help "Raise the revision of the node to one that has the field, or clear the field."
        see "DEN0049 §3.1"
    }
    AtsWithoutSmmuV3 "IORT062" "ats-without-smmuv3" Warn [] {
        "A root complex says that it supports ATS, but none of its mappings leads to an SMMUv3."
        "Only an SMMUv3 answers ATS translation requests. Linux ignores the attribute behind other IOMMUs; another system may switch ATS on for nothing."
        seen "a table for sdm845: ATS with SMMUv2"
        help "Clear bit 0 of the ATS attribute."
        see "DEN0049 §3.1.1.5; linux iort_pci_rc_supports_ats, arm_smmu_ats_supported of arm-smmu-v3 only"
    }
    Pasid "IORT063" "pasid" Warn [] {
        "The PASID capability of a root complex contradicts itself."
        "A system that believes one half of it loses PASID, or enables PASIDs that are too wide."
        seen "EDK2 headers before April 2025 had the flag at bit 1"
        help "Set flag bit 0 together with a width of 1 to 20 bits, or clear both."
        see "DEN0049E.d §3.1.1.5"
    }
    TrailingBytes "IORT064" "trailing-bytes" Warn [] {
        "The file goes on after the end of the table."
        "Operating systems ignore the rest. The dump was probably cut out wrongly."
        seen "concatenated dumps"
        help "Cut the file at the length that the table's header has."
        see "ACPI 6.5 §5.2.6"
    }
    UncountedRecord "IORT065" "uncounted-record" Warn [MappingsOutside MappingsNowhere MappingsOnFields RmrCount ItsCount] {
        "After the ID mappings that a node counts there is room for another, and its bytes are not zero."
        "If those bytes are meant to be a mapping, no system reads it."
        seen ""
        help "Include it in the mapping count, or shorten the node."
        see "DEN0049 §3.1"
    }
    TableRepeated "IORT066" "table-repeated" Warn [] {
        "The file holds a second IORT."
        "Linux uses the first IORT and never looks at the other. Which one is first depends on the order in the XSDT."
        seen ""
        help "Keep one IORT in the firmware."
        see "linux acpi_iort_init: acpi_get_table of instance 0"
    }
    ItsUnknown "IORT067" "its-unknown" Error [] {
        "An ITS group names a GIC ITS that the MADT does not have."
        "Linux has no MSI domain for it: the devices behind that ITS group have no MSIs."
        seen "a shipped firmware with an ITS group in its IORT and no GIC ITS in its MADT"
        help "Use the identifier of the GIC ITS structure in the MADT; with GICv5, that of the translate frame."
        see "DEN0049 §3.1.1.1; ACPI 6.5 §5.2.12.18; linux iort_find_domain_token, gic_acpi_parse_madt_its_translate"
    }

    MsiIndexFlag "IORT068" "msi-index-flag" Warn [] {
        "An SMMUv3 of node revision 5 has a mapping for its own MSIs, but the flag that makes the DeviceID mapping index valid is not set."
        "The index is not valid, and Linux skips the mapping. The SMMU gets no MSIs: unless its interrupts are wired, none of its events and errors is ever reported."
        seen "tables that were raised from node revision 4 to 5, which introduced the flag"
        help "Set bit 4 of the flags (byte 24 of the node), and the index of the single mapping at byte 64."
        see "DEN0049E.e §3.1.1.2; linux iort_get_id_mapping_index: ACPI_IORT_SMMU_V3_DEVICEID_VALID"
    }
    SmmuNoInterrupt "IORT069" "smmu-no-interrupt" Warn [MsiIndex MsiIndexTarget MsiIndexFlag MappingsNowhere MappingsOutside SingleNotAllowed] {
        "An SMMUv3 has neither a wired interrupt nor an MSI for its events or its global errors."
        "Linux warns that events or errors will not be reported: faults of devices stay unseen."
        seen ""
        help "Write the GSIVs of the interrupts, or add a single mapping to an ITS group and set the DeviceID mapping index to it."
        see "DEN0049 §3.1.1.2; linux arm_smmu_setup_irqs: \"no evtq irq - events will not be reported!\""
    }
    PmcgNoInterrupt "IORT070" "pmcg-no-interrupt" Warn [MappingsNowhere MappingsOutside] {
        "A PMCG has neither a wired interrupt nor an MSI for its counter overflow."
        "Counters overflow unnoticed, so that long measurements are wrong."
        seen ""
        help "Write the GSIV of the interrupt, or add a single mapping to an ITS group."
        see "DEN0049 §3.1.1.6; linux smmu_pmu_setup_irq, iort_get_id_mapping_index"
    }

    NodeRevision "IORT071" "node-revision" Warn [] {
        "A node has a revision or a type that tables of this revision do not have."
        "Operating systems look at the revision of the node only, and mostly read it. Tools that compare it with the table's revision refuse or misread the node."
        seen "CIX Sky1 and QEMU, whose nodes are older than their table"
        help "Give each node the revision that belongs to the table's. Revision 5: ITS group 1, named component 4, root complex 4, SMMUv1/v2 3, SMMUv3 4, PMCG 2, RMR 3. Revision 6 is the same, except SMMUv3 5."
        see "DEN0049 §3.1; EDK2 IortGenerator.c; linux iort.c never compares them"
    }
    ReservedValue "IORT072" "reserved-value" Warn [] {
        "A field has a value that the specification reserves."
        "Systems guess. Linux reads HTTU override 3 as value 2 and the table access flag, and an unknown memory attribute as non-cacheable."
        seen ""
        help "Use one of the values that the message names."
        see "DEN0049E.d §3.1.1.2, §3.1.1.7; linux arm_smmu_device_acpi_probe, iort_rmr_alloc"
    }
    IwbIndexRepeated "IORT073" "iwb-index-repeated" Error [] {
        "Two interrupt wire bridges have the same index."
        "An interrupt number names its bridge by the index, so that Linux looks for the wires of the second bridge at the first."
        seen ""
        help "Give each bridge the index that bits 16 to 28 of its devices' interrupt numbers have."
        see "DEN0049E.g; linux iort_iwb_handle"
    }
    RmrSingleId "IORT074" "rmr-single-id" Info [RmrTableRevision] {
        "An RMR node has ID mappings of a single StreamID."
        "Linux 5.19 to 6.4 took a count field of 0 for no ID and mapped nothing: the device that relies on the memory faults on those kernels."
        seen "most tables with RMR nodes"
        help "Nothing in the table, which is right. Use a kernel that has the fix."
        see "linux 003e6b56d780 \"ACPI/IORT: Remove erroneous id_count check in iort_node_get_rmr_info()\""
    }
    StrayBytes "IORT075" "stray-bytes" Warn [MappingsOutside MappingsNowhere MappingsOnFields RmrCount ItsCount PathUnterminated] {
        "A node has bytes that are not zero and belong neither to a field of its revision nor to a mapping."
        "No system reads them: the node has another revision or layout than it says, or a count or offset is wrong. After a path they are padding that was not cleared."
        seen "tables compiled by iasl, which left parts of the header after paths"
        help "Compare the revision, counts and offsets of the node with these bytes; fill padding with zeros."
        see "DEN0049 §3.1"
    }

    // -- MADT and MCFG beside an IORT --
    ItsRepeated "MADT001" "its-repeated" Warn [] {
        "Two GIC ITS structures of the MADT have the same identifier."
        "An IORT cannot tell the two apart: Linux sends the MSIs of all devices to the one that comes last."
        seen ""
        help "Give each GIC ITS (with GICv5, each translate frame) an identifier of its own."
        see "ACPI 6.5 §5.2.12.18; linux iort_register_domain_token, iort_find_domain_token"
    }
    SegmentWithoutRoot "MCFG001" "segment-without-root" Warn [] {
        "The MCFG has a PCI segment for which the IORT has no root complex."
        "Linux finds no node for the host bridge: the functions of the segment get no StreamID from the IORT, and no MSI domain."
        seen ""
        help "Add a root complex node for the segment, or correct the segment of an existing node."
        see "DEN0049 §3.1.1.5; linux iort_match_node_callback: ACPI_IORT_NODE_PCI_ROOT_COMPLEX"
    }
    BusRangeReversed "MCFG002" "bus-range-reversed" Error [] {
        "The last bus of an MCFG entry is below its first."
        "The entry covers no bus. Unless another entry covers the segment, Linux has no configuration space for it and finds none of its functions."
        seen ""
        help "Set the last bus of the entry (byte 11) to the highest bus of the segment, usually 255."
        see "PCI Firmware Specification 3.3 §4.1.2; linux drivers/acpi/pci_mcfg.c pci_mcfg_lookup"
    }

    // -- device tree --
    TreeCut "DT001" "tree-unreadable" Error [] {
        "The device tree cannot be read completely."
        "No kernel boots with it."
        seen ""
        help "Compile the tree again. If a boot loader truncates the blob when it adds to it, give it more padding (dtc -p)."
        see "Devicetree Specification v0.4 §5"
    }
    Overlay "DT002" "overlay" Error [] {
        "This is an overlay; what it connects shows only in the tree to which it is applied."
        "Nodes that it refers to are in the base, so nothing can be checked."
        seen ""
        help "Name its base too: fwspec lint base.dtb this.dtbo."
        see "linux Documentation/devicetree/overlay-notes.rst"
    }
    PropertyName "DT003" "property-name" Error [] {
        "The name of a property is at an offset where there is no string."
        "Kernels read garbage as the name, or refuse the tree."
        seen ""
        help "Compile the tree again with dtc."
        see "Devicetree Specification v0.4 §5.4.1"
    }
    PropertyAfterChild "DT004" "property-after-child" Warn [] {
        "A property comes after a child node."
        "Operating systems do not look for it there."
        seen ""
        help "Put properties before child nodes, as dtc does."
        see "linux drivers/of/fdt.c populate_properties"
    }
    PhandleRepeated "DT005" "phandle-repeated" Error [] {
        "Two nodes have the same phandle."
        "A reference leads to the first node with that phandle, so that devices are connected to the wrong IOMMU."
        seen ""
        help "Let dtc assign the phandles; look for overlays that bring phandles of their own."
        see "linux of_find_node_by_phandle"
    }
    CellsLength "DT006" "cells-length" Error [] {
        "The length of a property that is a list of cells is not a multiple of four bytes."
        "If it is a map, the look-up fails for every ID (EINVAL), so that no device of the bus is translated."
        seen ""
        help "In the source, write whole cells in angle brackets."
        see "linux v7.3 of_map_id: \"Bad ... length\""
    }
    PhandleUnknown "DT007" "phandle-unknown" Error [] {
        "An entry names a phandle that no node has."
        "The look-up ends with ENODEV: devices for which it reaches the entry are not translated."
        seen ""
        help "Name an existing IOMMU. If one is named, check that each entry of the map has the right number of cells."
        see "linux v7.3 of_map_id, of_parse_phandle_with_args"
    }
    CellsMissing "DT008" "cells-missing" Error [] {
        "An entry refers to a node that does not say how many cells follow the reference."
        "The rest of the list cannot be read."
        seen ""
        help "Add #iommu-cells (or #msi-cells) to that node, if it is the right one."
        see "linux of_parse_phandle_with_args"
    }
    MapCellsAssumed "DT009" "map-cells-assumed" Warn [] {
        "A map refers to an IOMMU without #iommu-cells."
        "Linux 7.3 assumes one cell; earlier kernels do not read #iommu-cells for maps."
        seen ""
        help "Add #iommu-cells to the IOMMU."
        see "linux v7.3 of_map_id"
    }
    EntryCut "DT010" "entry-cut" Error [] {
        "A list ends inside an entry."
        "The look-up in a map fails with EINVAL for every ID that gets to the entry. In iommus the entry is ignored, so that a StreamID is missing."
        seen ""
        help "Give every entry as many cells as #iommu-cells of its target says."
        see "linux v7.3 of_map_id, of_parse_phandle_with_args"
    }
    CellsTooMany "DT011" "cells-too-many" Error [] {
        "An IOMMU has #iommu-cells above 16."
        "Linux refuses it, so that nothing is translated."
        seen ""
        help "Correct #iommu-cells."
        see "linux MAX_PHANDLE_ARGS, of_map_id"
    }
    MapBase "DT012" "map-base" Error [] {
        "A map entry starts at an ID that has bits outside of the mask."
        "The look-up fails with EFAULT for every ID that no earlier entry takes."
        seen ""
        help "Clear these bits in the first ID of the entry, or widen the mask (iommu-map-mask, msi-map-mask)."
        see "linux of_map_id: \"ignores id-base\""
    }
    MapRange "DT013" "map-range-cells" Error [] {
        "A map entry for several IDs has an output of several cells."
        "Linux 7.3 refuses the IDs of the entry with EINVAL, because nothing says which of the cells counts up."
        seen ""
        help "Write one entry for each ID, with a length of 1."
        see "linux v7.3 of_map_id"
    }
    FourCellMap "DT014" "map-cells-mismatch" Warn [] {
        "The entries of a map have four cells each, although #iommu-cells of the IOMMU is 2 and calls for five."
        "Linux 7.3 recognises such a map if all entries have this form and length 1, and gives the devices no stream mask. If one entry differs, it reads five cells for each entry and misreads the map."
        seen "qcs8550-rb5gen2 in Linux 7.3; all Qualcomm boards before"
        help "Write five cells for each entry: ID, IOMMU, StreamID, mask, 1."
        see "linux v7.3 of_check_bad_map; c41749e9554d"
    }
    MapEntryEmpty "DT015" "map-entry-empty" Info [] {
        "A map entry has length 0."
        "The entry matches nothing. Some boot loaders fill it in; without that the bus is not translated."
        seen "NXP ls1088a, ls208xa and lx2160a: <0 &smmu 0 0>"
        help "Remove the entry, or make sure that the boot loader writes the real map."
        see "linux of_map_id"
    }
    MapOverlap "DT016" "map-overlap" Warn [] {
        "Two entries of a map take the same IDs."
        "The first entry gives the answer, whatever the second was meant for."
        seen ""
        help "Shorten one of the two so that each ID is in one entry only."
        see "linux of_map_id"
    }
    MapBeyondRid "DT017" "map-beyond-rid" Warn [] {
        "A map of a PCI host goes past requester ID 0xffff."
        "The part above 0xffff matches nothing; the length is probably wrong."
        seen ""
        help "Let the map end at requester ID 0xffff: from 0 the length is 0x10000."
        see "PCIe 6.0 §2.2.6.2"
    }
    IommuDisabled "DT018" "iommu-disabled" Info [] {
        "Devices are connected to an IOMMU that is disabled, or is below a disabled node."
        "Linux continues without the IOMMU: the devices reach all of memory."
        seen "Linux trees of Marvell Armada 7040 and 8040 and of Qualcomm msm8996, in which the SMMU is disabled"
        help "Enable the IOMMU, or remove the references to it."
        see "linux of_iommu_configure, of_device_is_available"
    }
    MaskLength "DT019" "mask-length" Warn [] {
        "The mask of a map is not one cell."
        "If it is shorter, it is ignored and all bits count; if it is longer, only its first cell is read."
        seen ""
        help "Write the mask (iommu-map-mask, msi-map-mask) as one cell."
        see "linux of_map_id"
    }
    HostIommus "DT020" "host-iommus" Warn [] {
        "A PCI host bridge has iommus but no iommu-map."
        "iommus is for the host bridge itself; the PCI devices below it are not translated."
        seen "Raspberry Pi 5 (raspberrypi/linux issue 6834)"
        help "Write iommu-map, for example <0x0 &iommu 0x0 0x10000>, with the IDs that the hardware gives to requester IDs."
        see "linux of_iommu_configure, of_pci_iommu_init"
    }
    MapCoversIommu "DT021" "map-covers-iommu" Error [] {
        "The map of a PCI host bridge covers the requester ID of the IOMMU itself, which is a function of that bus."
        "The IOMMU would wait for itself to be ready."
        seen "the example of the RISC-V binding leaves that ID out"
        help "Leave the requester ID of the IOMMU out: for 0x8, write <0x0 &iommu 0x0 0x8>, <0x9 &iommu 0x9 0xfff7>."
        see "Documentation/devicetree/bindings/iommu/riscv,iommu.yaml, virtio/pci-iommu.yaml"
    }
    MaskMerges "DT022" "mask-merges" Info [] {
        "The mask of a map gives several functions the same ID."
        "In iommu-map they share a StreamID, so that they cannot be isolated from each other, and an SMMUv3 refuses the second. In msi-map they share a DeviceID."
        seen "Marvell Armada 8040, whose host bridge drops bits of the bus number; NXP i.MX95"
        help "Nothing, if the hardware really drops these bits; otherwise correct the mask."
        see "Documentation/devicetree/bindings/pci/pci-iommu.txt"
    }
    SpecifierRepeated "DT023" "specifier-repeated" Warn [] {
        "A device lists the same specifier twice in iommus."
        "The entry is programmed twice. Often another specifier was meant."
        seen "qcom sa8775p (entries removed in 6.15.y)"
        help "Remove the repeated entry, or correct it."
        see "linux arm_smmu_master_alloc_smes"
    }
    StreamMaskConflict "DT024" "stream-mask-conflict" Error [] {
        "The StreamIDs and masks of two masters overlap, and those of the second are not contained in those of the first."
        "Linux refuses the second with EINVAL. Since v6.15 it refuses the whole SMMU if that happens while the SMMU registers; a device that is created later is refused alone."
        seen "Qualcomm sm8750 in Linux 7.3: compute-cb@12 and @14"
        help "Choose masks that have nothing in common, or list the master with the wider mask first."
        see "linux arm_smmu_find_sme"
    }
    StreamMatchMask "DT025" "stream-match-mask" Warn [] {
        "An SMMU has stream-match-mask, and its masters have specifiers of two cells with a mask of their own."
        "The binding forbids the combination; Linux ignores stream-match-mask."
        seen ""
        help "Remove stream-match-mask."
        see "Documentation/devicetree/bindings/iommu/arm,smmu.yaml"
    }
    Legacy "DT026" "mmu-masters" Info [] {
        "An SMMU lists its masters with mmu-masters, the old binding."
        "Linux offers no DMA API for such masters, and the first SMMU that uses the binding decides for all."
        seen "early ARMv8 boards"
        help "Use iommus in the masters and #iommu-cells in the SMMU."
        see "linux arm_smmu_register_legacy_master"
    }
    RegionMoved "DT027" "region-moved" Warn [] {
        "The address in iommu-addresses differs from the address of the region in memory."
        "Linux reserves the address in the device's address space and maps nothing there."
        seen ""
        help "For memory that the device already uses, let iommu-addresses equal reg. For an address that the device must not use, leave reg out."
        see "linux of_iommu_get_resv_regions, iommu_resv_region_get_type"
    }
    RegionEmpty "DT028" "region-empty" Warn [] {
        "An entry of iommu-addresses has length 0."
        "Linux warns and skips the entry."
        seen ""
        help "Correct the length; check #address-cells and #size-cells of the master's bus."
        see "linux of_iommu_get_resv_regions"
    }
    AddressCells "DT029" "address-cells" Error [] {
        "#address-cells or #size-cells for an entry of iommu-addresses is a number that cannot be read."
        "This entry and those after it are lost."
        seen ""
        help "Correct #address-cells and #size-cells of the bus that the master is on."
        see "Devicetree Specification v0.4 §2.3.5"
    }
    MapsDiffer "DT030" "msi-map-differs" Info [] {
        "iommu-map and msi-map of a PCI host bridge cover different requester IDs."
        "A device that is in only one of them has no IOMMU or no MSIs."
        seen ""
        help "Let both maps cover the buses of the host bridge."
        see "linux of_map_id"
    }
    DmaRanges "DT031" "dma-ranges" Info [] {
        "A device that no IOMMU translates can reach only a part of memory."
        "Linux copies its data through bounce buffers."
        seen "Renesas R-Car and RZ/G2 trees of Linux"
        help "Connect the device to the IOMMU, if there is one for it."
        see "linux of_dma_get_range"
    }
    BindingCells "DT032" "binding-cells" Warn [] {
        "#iommu-cells of an IOMMU is a number that its binding does not allow."
        "The driver ignores or refuses the surplus cells."
        seen ""
        help "Use the number that the binding gives."
        see "Documentation/devicetree/bindings/iommu"
    }
    ClassicReading "DT033" "classic-reading" Info [MapEmpty MapRange EntryCut PhandleUnknown CellsLength CellsTooMany MapBase] {
        "Kernels before 7.3 read a different map here: four cells in each entry, whatever #iommu-cells says."
        "Those kernels give devices IDs made of the wrong cells, without a warning."
        seen "Qualcomm trees of Linux 7.2 with entries of five cells, where the map's number of cells is a multiple of four"
        help "Boot this tree with Linux 7.3 or later only."
        see "linux before v7.3 of_map_id"
    }

    MsiMapTarget "DT034" "msi-map-target" Warn [] {
        "An entry of msi-map refers to a node that is not an MSI controller."
        "Linux finds no MSI domain at that node, so the devices have no MSIs."
        seen ""
        help "Refer to the node that has the property msi-controller."
        see "Documentation/devicetree/bindings/interrupt-controller/msi.txt; linux of_msi_xlate, of_msi_map_get_device_domain"
    }
    MapOutputWraps "DT035" "map-output-wraps" Warn [MapBeyondRid] {
        "The output IDs of a map entry go past 2^32."
        "Linux continues at 0, where they are the IDs of other devices."
        seen ""
        help "Correct the output base or the length of the entry."
        see "linux of_map_id"
    }
    LengthIsLast "DT036" "length-is-last" Warn [] {
        "The length of a map entry looks like its last ID; the cell means the number of IDs."
        "The last requester ID is in no entry: a function with that ID has no IOMMU or no MSIs, and if the ID is an alias of another function, that function loses them."
        seen ""
        help "Write the number of IDs: 0x10000 for all requester IDs."
        see "Documentation/devicetree/bindings/pci/pci-iommu.txt; linux of_map_id"
    }
    MapEmpty "DT037" "map-empty" Warn [] {
        "A map has no entry."
        "It matches nothing: no device is translated, or has MSIs, through the map. Kernels before 7.3 fail with EINVAL."
        seen ""
        help "Write the entries, or remove the property."
        see "linux of_map_id"
    }
    RegionUnreachable "DT038" "region-unreachable" Error [] {
        "iommu-addresses of a reserved region has an address that dma-ranges of the master's bus does not translate."
        "Linux cannot translate the address either, and continues to read the list at address 0: the kernel crashes when the master is added."
        seen ""
        help "Write the address that the device uses for DMA, before dma-ranges of the bus translate it; or extend dma-ranges."
        see "linux of_translate_dma_region, of_iommu_get_resv_regions"
    }
    IommuUndriven "DT040" "iommu-undriven" Warn [] {
        "Devices are connected to an IOMMU that Linux has no driver for, or whose driver takes no device."
        "The devices reach all of memory."
        seen "Renesas trees of Linux: the driver of r8a7796's IPMMU takes no device"
        help "Add a compatible string that a driver has, if the hardware is compatible. Nothing, if the IOMMU of this SoC cannot be used."
        see "linux drivers/iommu of_match_table; of_iommu_xlate; ipmmu_device_is_allowed; grant_dma_iommu_probe_device"
    }
    IgnoredOnPci "DT041" "ignored-on-pci" Warn [] {
        "The node of a PCI function has iommus or iommu-map."
        "Linux does not read them: the map in the node of the host bridge decides for every function."
        seen ""
        help "Write the entry into iommu-map of the host bridge."
        see "linux of_iommu_configure, pci_dma_configure"
    }
    MapStride "DT042" "map-stride" Warn [] {
        "The map of a PCI host bridge has entries of five cells, and its Linux driver reads four."
        "From the second entry on, the driver fills its BDF-to-SID table with the wrong cells: functions send with StreamIDs that their IOMMU does not expect."
        seen "trees of Linux with Qualcomm host bridges of version 1.9.0, since their maps have five cells an entry"
        help "Nothing in the tree; the driver has to read as many cells as of_map_id does."
        see "linux drivers/pci/controller/dwc/pcie-qcom.c qcom_pcie_config_sid_1_9_0"
    }
    RegionIgnored "DT043" "region-ignored" Info [] {
        "A region is to be mapped one to one for a device, and the driver of its IOMMU maps no reserved regions."
        "A device that is active when Linux starts, such as a display, faults as soon as its IOMMU is enabled."
        seen ""
        help "Nothing in the tree; the driver has to report reserved regions."
        see "linux of_iommu_get_resv_regions, iommu_dma_get_resv_regions"
    }
    SiblingWired "DT044" "sibling-wired" Info [] {
        "A device has no iommus, although another device of the same kind on the same bus has."
        "If it is a DMA master like the other, no IOMMU translates what it sends."
        seen ""
        help "Connect it to the IOMMU, if the hardware has one in its path; nothing, if the SoC has none there."
        see "linux of_iommu_configure"
    }
    BootRefused "DT039" "boot-refused" Error [] {
        "Linux refuses the tree when it boots: its header does not pass libfdt's check."
        "The kernel stops before it prints a line, or continues without a device tree."
        seen "trees edited by hand or with tools that do not align the memory reservation block"
        help "Compile the tree again with dtc. The memory reservation block must be at a multiple of 8 bytes, the structure block at a multiple of 4, and the version must not be below the last compatible version."
        see "linux early_init_dt_verify, scripts/dtc/libfdt/fdt.c fdt_check_header (misaligned blocks since 7.1)"
    }

    // -- what the maps mean --
    DmaHole "MAP001" "dma-hole" Warn [FirstNodeOutside MappingsNowhere MappingsOutside MappingsOnFields InputNotRid ReferenceNull ReferenceDangling ReferenceType CellsLength PhandleUnknown EntryCut CellsTooMany MapBase MapRange SegmentRepeated NodeOverrun NodeLengthZero InputWraps] {
        "Some requester IDs of a bus reach neither an IOMMU nor an MSI controller, while others do."
        "A device with such an ID is not translated. If the ID is an alias of another device, that device loses its IOMMU as well."
        seen "NXP lx2160a's table and Qualcomm trees of Linux, which map the root port and one function below it"
        help "Extend the map over all buses of the host bridge, or let the bus range end where the map ends."
        see "linux iort_node_map_id, of_map_id"
    }
    Bypass "MAP002" "bypass" Info [] {
        "Requester IDs reach the MSI controller without passing an IOMMU."
        "Devices with these IDs have MSIs, and reach all of memory."
        seen "QEMU, for buses that are not in use"
        help "Nothing, if no device has these IDs; otherwise map them to the IOMMU."
        see "DEN0049 §3"
    }
    StreamShared "MAP003" "stream-shared" Error [SegmentRepeated OutputWraps RangeRepeat] {
        "Two sources have the same StreamID on one SMMU."
        "The SMMU cannot tell them apart. The driver of an SMMUv3 refuses the second, which then has no IOMMU of its own, yet its DMA is translated as that of the first."
        seen "ASPEED BMC on NVIDIA Grace: two functions with StreamID 0x5e200"
        help "Give each requester ID and each component a StreamID of its own: change the output base of one of the two ranges to what the hardware sends."
        see "linux arm_smmu_insert_master: \"Aliasing StreamID ... unsupported\"; Arm BSA"
    }
    DeviceShared "MAP004" "device-id-shared" Error [RootSingle StreamShared SegmentRepeated OutputWraps RangeOverlap RangeRepeat CountIsN] {
        "Two sources have the same DeviceID at one MSI controller."
        "Whoever controls one of the devices can raise the interrupts of the other, and their event numbers collide."
        seen ""
        help "Change the output base of one of the two ranges, to DeviceIDs that nothing else has."
        see "Arm BSA; linux its_msi_prepare shares the device table entry"
    }
    MsiHole "MAP005" "msi-hole" Warn [MappingsNowhere MappingsOutside MsiIndexTarget ReferenceNull ReferenceDangling ReferenceType InputWraps SingleNotAllowed] {
        "StreamIDs that devices have on an SMMUv3 do not lead on to an ITS group."
        "These devices have no MSI domain. Drivers of PCI functions fall back to wired interrupts or fail; platform devices with wired interrupts lose nothing."
        seen "CIX Sky1: the second SMMUv3 has no mapping to the ITS"
        help "Map the StreamIDs in the SMMU's node to DeviceIDs of the ITS group."
        see "linux iort_get_device_domain"
    }
    DialectsDisagree "MAP006" "dialects-disagree" Info [CountIsN ClassicReading] {
        "Operating systems read this map differently."
        "A device has another StreamID, or none, if another system or kernel version boots."
        seen ""
        help "Run `fwspec lookup --dialect all` for the IDs in question; correct overlaps, dangling references and counts."
        see "linux iort_id_map, FreeBSD acpi_iort.c, OpenBSD acpiiort.c"
    }
    BusUntranslated "MAP007" "bus-untranslated" Info [RimtLayout MappingsNowhere MappingsOutside ReferenceNull ReferenceDangling ReferenceType HostIommus] {
        "No IOMMU translates any function of a PCI host bridge, although the machine has IOMMUs."
        "All devices of the host bridge reach all of memory."
        seen "most trees of Linux: host bridges that are not behind an IOMMU"
        help "Nothing, if the host bridge is not behind an IOMMU; otherwise give it a map."
        see "linux iort_iommu_configure_id, of_pci_iommu_init"
    }
    StreamSharedV2 "MAP008" "stream-merged" Info [] {
        "Two masters have the same StreamID on an SMMUv1/v2."
        "They are in one group and share one address space."
        seen "Qualcomm boards, on purpose"
        help "Nothing, if they belong together; otherwise give each a StreamID of its own."
        see "linux arm_smmu_device_group"
    }
    SeveralKinds "MAP009" "iommus-of-two-kinds" Error [] {
        "A device is connected to IOMMUs of two different kinds."
        "Linux refuses the second (EINVAL), and the device has no IOMMU at all."
        seen ""
        help "Connect the device to IOMMUs of one driver only."
        see "linux iommu_fwspec_init"
    }

    SeveralInstances "MAP012" "several-instances" Error [] {
        "A device is connected to two SMMUs."
        "Linux programs all of its StreamIDs on the first SMMU: DMA that the device sends through the second is not translated, or faults."
        seen "SoCs with two SMMUs"
        help "Connect it to one SMMU. A device that really sends through two cannot be described to Linux."
        see "linux iommu_fwspec_init, arm_smmu_probe_device"
    }
    StreamTwoGroups "MAP010" "stream-two-groups" Error [] {
        "A device shares StreamIDs of an SMMUv1/v2 with devices of two groups."
        "Linux refuses the device with EINVAL. Since v6.15 it refuses the whole SMMU if that happens while the SMMU registers."
        seen ""
        help "Give the device StreamIDs of its own, or list it before the devices that it shares them with."
        see "linux arm_smmu_device_group"
    }
    StreamGroupLost "MAP011" "stream-group-lost" Warn [] {
        "A device shares a StreamID of an SMMUv1/v2 with another device, and its last StreamID is shared with none."
        "Linux finds the group of the shared StreamID and then drops it, because the last StreamID decides. Two groups share a stream, and each can be assigned without the other."
        seen ""
        help "List the shared StreamID last, until the kernel is fixed."
        see "linux arm_smmu_device_group"
    }

    // -- what only the devices that are there show --
    DeviceUnmapped "GRP001" "device-unmapped" Warn [] {
        "A PCI function of this machine has no StreamID, although its host bridge has a map."
        "It reaches all of memory. The groups of devices that it is not isolated from are not safe to assign either."
        seen ""
        help "Map its requester ID, or keep devices out of that slot."
        see "linux iort_iommu_configure_id, of_iommu_configure"
    }
    AliasSplit "GRP002" "alias-split" Error [] {
        "A bridge sends for a function with a requester ID that has no StreamID, or one on another IOMMU."
        "DMA that carries the bridge's ID is not translated like that of the function; with a device tree the function has no IOMMU at all."
        seen ""
        help "Map the secondary bus of the bridge to the same IOMMU as the functions below the bridge."
        see "linux pci_for_each_dma_alias, pci_device_group"
    }
    GhostAlias "GRP003" "ghost-alias" Warn [] {
        "A function also sends with the requester ID of another function (a known quirk), and that ID is not mapped as its own is."
        "DMA with that ID faults or is not translated; with a device tree the function has no IOMMU at all."
        seen "Marvell 88SE91xx SATA: it sends as function 1, which does not exist"
        help "Map all functions of the slot, including those that do not exist."
        see "linux drivers/pci/quirks.c quirk_dma_func1_alias"
    }
    PortWithoutAcs "GRP004" "port-without-acs" Info [] {
        "A port does not isolate, so that what is below it shares a group with it."
        "These devices can only be assigned together."
        seen "HiSilicon D05; AMD G-series (PC Engines APU2)"
        help "Nothing, if they belong together; otherwise enable access control services (ACS) on the port, or move a device to another port."
        see "linux pci_acs_path_enabled"
    }
    SwitchNotIsolated "GRP005" "switch-not-isolated" Warn [] {
        "Devices below a switch can reach each other without passing the IOMMU, yet Linux has them in several groups."
        "A device that is assigned to a guest may reach the memory of a device in another group."
        seen ""
        help "Enable access control services (ACS) on every downstream port of the switch. `fwspec groups --policy strict` shows which devices belong together."
        see "PCIe 6.0 §6.12; linux pci_device_group looks only at the path to the root"
    }
    StreamBeyondTable "GRP006" "stream-beyond-table" Error [] {
        "A device has a StreamID with more bits than the SMMUv3 implements."
        "Linux refuses the device with ERANGE, and its driver does not bind."
        seen ""
        help "Change the mapping so that its StreamIDs are below 2^SIDSIZE (SMMU_IDR1.SIDSIZE)."
        see "linux arm_smmu_sid_in_range"
    }
    DevicesShareStream "GRP007" "devices-share-stream" Error [] {
        "Two devices of this machine have the same StreamID on an IOMMU whose driver refuses the second."
        "The second has no IOMMU of its own and its driver does not bind, yet its DMA is translated as that of the first."
        seen "ASPEED BMC on NVIDIA Grace, behind a PCIe-to-PCI bridge"
        help "Give each device a StreamID of its own. Behind a bridge that sends for all of its devices, keep only one device."
        see "linux arm_smmu_insert_master: \"Aliasing StreamID ... unsupported\""
    }
    AcsNotRequested "GRP008" "acs-not-requested" Info [] {
        "Ports could isolate and do not, because Linux does not request ACS when a RIMT describes the IOMMU."
        "Groups are larger than with a device tree of the same machine: devices below such a port can only be assigned together."
        seen "QEMU virt with iommu-sys=on, Linux 7.2: one group of seven functions by RIMT, four by device tree"
        help "Enable ACS in firmware, or with pci=config_acs= on the kernel's command line."
        see "linux drivers/acpi/riscv/rimt.c, which does not call pci_request_acs(); drivers/iommu/of_iommu.c of_iommu_configure does"
    }
    // -- RIMT and VIOT --
    RimtUnreadable "RIMT001" "rimt-unreadable" Error [] {
        "A record of the RIMT cannot be read: it is truncated, of an unknown type, or has mappings outside of itself."
        "The device or bus that the record is about has no IOMMU. Linux checks none of this and reads whatever bytes are there."
        seen ""
        help "Correct the length, the type and the mapping fields of the node."
        see "RISC-V IO Mapping Table specification 1.0 §2; linux drivers/acpi/riscv/rimt.c rimt_scan_node"
    }
    RimtReference "RIMT002" "rimt-reference" Error [] {
        "A mapping of the RIMT does not lead to an IOMMU of the table."
        "Its device IDs are lost. Linux reads whatever bytes are at the offset as a node."
        seen ""
        help "Set the destination offset to the start of an IOMMU node, counted from the start of the table."
        see "RISC-V IO Mapping Table specification 1.0 §2.3; linux rimt_node_map_id"
    }
    RimtCountZero "RIMT003" "rimt-count-zero" Warn [] {
        "A mapping of the RIMT has a count of 0."
        "By the specification it maps nothing. On Linux it maps one ID, because Linux takes the count for the number of IDs minus one."
        seen ""
        help "Set the count to the number of IDs: 1 for a single ID."
        see "RISC-V IO Mapping Table specification 1.0 §2.3; linux rimt_id_map"
    }
    RimtCountReading "RIMT004" "rimt-count-reading" Warn [RimtReference] {
        "Linux maps a requester ID differently than the specification, because it takes one ID more into every range."
        "On Linux the device has another ID, or another IOMMU, than the table means."
        seen "the specification counts IDs; Linux, whose code was derived from that for IORT, counts IDs minus one"
        help "If another range begins at the ID after this range, list that range first in the table; otherwise keep functions off that ID. Do not lower the count: by the specification it is right."
        see "RISC-V IO Mapping Table specification 1.0 §2.3; linux rimt_id_map"
    }
    ViotUnreadable "VIOT001" "viot-unreadable" Error [] {
        "A node of the VIOT cannot be read: it is truncated, or of an unknown type."
        "The devices that the node is about have no IOMMU. At an endpoint node that is too short Linux stops reading, so that the nodes after it are lost too."
        seen ""
        help "Correct the length and the type of the node."
        see "ACPI 6.5 §5.2.36; linux drivers/acpi/viot.c viot_check_bounds, viot_parse_node"
    }
    ViotOutputNode "VIOT002" "viot-output-node" Error [] {
        "The output node of an endpoint is not a virtio-iommu."
        "Nothing translates the endpoints. Linux warns and leaves them out."
        seen ""
        help "Set the output node to the offset of a virtio-iommu node, counted from the start of the table."
        see "ACPI 6.5 §5.2.36.1; linux viot_get_iommu"
    }
    ViotRange "VIOT003" "viot-range" Warn [] {
        "A PCI range contains no function, or names more segments than any machine has."
        "Functions that the range was meant for reach memory untranslated."
        seen ""
        help "Let the first segment and the first requester ID not be above the last, and name only segments that the machine has."
        see "ACPI 6.5 §5.2.36.1; linux viot_pci_dev_iommu_init"
    }
    ViotOverlap "VIOT004" "viot-overlap" Warn [] {
        "Two PCI ranges contain the same functions."
        "Linux takes the last range in the table, another system may take the first: the function then has another endpoint ID or IOMMU."
        seen ""
        help "Shorten the ranges so that each function is in one only."
        see "linux viot_parse_node, which adds each endpoint to the front of its list"
    }
    RimtLayout "RIMT005" "rimt-layout" Error [] {
        "A node of the RIMT does not have the layout of specification 1.0: bytes that belong to no field or mapping are not zero, or fields have impossible values."
        "Linux finds no mapping in the node, so its devices have no IOMMU."
        seen "tables written after a draft of the specification with other offsets; a published crate still does so"
        help "Write the node as the ratified specification says: reserved and identifier after the length; in a root complex the segment at byte 14, the mapping offset at 16 and the mapping count at 18."
        see "RISC-V IO Mapping Table specification 1.0 §2; linux include/acpi/actbl2.h struct acpi_rimt_pcie_rc"
    }
    RimtReserved "RIMT006" "rimt-reserved" Info [RimtLayout] {
        "A reserved field or bit of the RIMT is not zero."
        "A later revision may give it a meaning."
        seen ""
        help "Clear the field or bit."
        see "RISC-V IO Mapping Table specification 1.0 §2"
    }
    ViotReserved "VIOT005" "viot-reserved" Info [] {
        "A reserved field of the VIOT is not zero."
        "A later revision may give it a meaning."
        seen ""
        help "Clear the field."
        see "ACPI 6.5 §5.2.36"
    }
    ViotStrayBytes "VIOT006" "viot-stray-bytes" Warn [] {
        "Bytes after the fields of a VIOT node, or after the last node, are not zero."
        "No system reads them: a type, a length or the number of nodes is wrong."
        seen ""
        help "Correct the type, the length or the number of nodes."
        see "ACPI 6.5 §5.2.36; linux acpi_viot_init, viot_parse_node"
    }
    // -- DMAR --
    DmarUnreadable "DMAR001" "dmar-unreadable" Error [] {
        "A structure of the DMAR cannot be read: it is shorter than its fields, or has length 0."
        "What the structure says is lost. At a structure of length 0 Linux stops reading the table, without a message."
        seen ""
        help "Set the length of the structure to its size in bytes."
        see "Intel VT-d specification 4.1 §8.2; linux drivers/iommu/intel/dmar.c dmar_walk_remapping_entries"
    }
    DmarStructureType "DMAR002" "dmar-structure-type" Info [] {
        "A structure has a type that fwspec does not know."
        "Linux skips the structure."
        seen ""
        help "Nothing, if the table follows a later specification; otherwise correct the type."
        see "Intel VT-d specification 4.1 §8.2; linux dmar_walk_remapping_entries"
    }
    DmarScopeLength "DMAR003" "dmar-scope-length" Error [] {
        "A device scope is shorter than its own fields."
        "Linux advances by that length: with 0 its loop never ends, and the machine does not boot."
        seen "a boot of Linux 7.3 that never printed a line"
        help "Set the length of the scope to 6, plus 2 for each element of its path."
        see "Intel VT-d specification 4.1 §8.3.1; linux drivers/iommu/intel/dmar.c dmar_alloc_dev_scope"
    }
    DmarScopeOverrun "DMAR004" "dmar-scope-overrun" Error [] {
        "A device scope runs past the end of its structure."
        "Linux reads the rest of the path from the next structure, so that the scope names another device, or none."
        seen ""
        help "Correct the length of the scope or that of the structure."
        see "Intel VT-d specification 4.1 §8.3.1; linux drivers/iommu/intel/dmar.c dmar_insert_dev_scope"
    }
    DmarScopeOdd "DMAR005" "dmar-scope-odd" Warn [] {
        "The path of a device scope ends in half an element, or has no element."
        "The half element is ignored. A scope without a path names no device."
        seen ""
        help "Write two bytes, device and function, for each bridge on the path and for the device itself."
        see "Intel VT-d specification 4.1 §8.3.1; linux dmar_insert_dev_scope"
    }
    DmarScopeNumber "DMAR006" "dmar-scope-number" Warn [] {
        "A device scope has an undefined type, or its path has a number that no device or function can have."
        "The scope names no device. Linux says \"Unsupported device scope\" for the type, and nothing for the number."
        seen ""
        help "Use types 1 to 5, device numbers up to 0x1f and function numbers up to 7."
        see "Intel VT-d specification 4.1 §8.3.1; linux dmar_alloc_dev_scope, dmar_match_pci_path"
    }
    DmarRefused "DMAR007" "dmar-refused" Error [DmarUnreadable] {
        "Linux refuses the table as a whole."
        "No device is translated by any of its units."
        seen ""
        help "Correct what the message names."
        see "linux drivers/iommu/intel/dmar.c parse_dmar_table"
    }
    DmarNoUnit "DMAR008" "dmar-no-unit" Error [DmarUnreadable] {
        "The table has no remapping hardware unit (DRHD)."
        "No device is translated. Linux says \"No DRHD structure found in DMAR table\"."
        seen ""
        help "Add a DRHD structure for each unit."
        see "Intel VT-d specification 4.1 §8.3; linux parse_dmar_table"
    }
    DmarUnitRepeated "DMAR009" "dmar-unit-repeated" Warn [] {
        "Two units of one segment have the same register address."
        "Linux uses the first only; devices that only the second lists are not translated by it."
        seen ""
        help "List everything that the unit translates in one DRHD structure."
        see "linux drivers/iommu/intel/dmar.c dmar_find_dmaru"
    }
    DmarAllNotLast "DMAR010" "dmar-all-not-last" Warn [] {
        "The unit for all other devices of a segment (INCLUDE_PCI_ALL) is not the last one of the segment, or there are two of them."
        "Linux asks it after the others anyway, and never uses the second. Another system may give it devices that later units list."
        seen ""
        help "Put the one DRHD structure with INCLUDE_PCI_ALL after all others of its segment."
        see "Intel VT-d specification 4.1 §8.3; linux dmar_register_drhd_unit"
    }
    DmarRegionBackwards "DMAR011" "dmar-region-backwards" Error [] {
        "The last address of a reserved region is below the first."
        "Linux warns and uses the region as it is: nothing is mapped, and DMA of the device to the region fails."
        seen "a boot of Linux 7.3"
        help "Set the end address to the last byte of the region."
        see "Intel VT-d specification 4.1 §8.4; linux drivers/iommu/intel/iommu.c rmrr_sanity_check"
    }
    DmarRegionUnaligned "DMAR012" "dmar-region-unaligned" Warn [DmarRegionBackwards] {
        "A reserved region does not start and end at a boundary of 4 KiB."
        "Linux warns, taints the kernel, and maps whole pages: the device reaches memory beside the region."
        seen ""
        help "Let the region start at a multiple of 4096, and end at the last byte before one."
        see "Intel VT-d specification 4.1 §8.4; linux rmrr_sanity_check"
    }
    DmarRegion "DMAR013" "dmar-region" Info [] {
        "Firmware says that a device uses a region of memory at all times (RMRR)."
        "Linux keeps the memory mapped one to one, and does not let the device be assigned (VFIO) unless it is a USB controller or a display."
        seen "most laptops, for the graphics and the USB controllers; servers, for management controllers"
        help "Nothing has to be changed. To assign the device, look for a firmware setup option that turns off the feature that uses the memory."
        see "Intel VT-d specification 4.1 §8.4; linux drivers/iommu/iommu.c __iommu_device_set_domain, require_direct"
    }
    DmarNamespaceScope "DMAR014" "dmar-namespace-scope" Warn [] {
        "A namespace device (ANDD) has no device scope, so that its requester ID is not known."
        "Linux says \"No IOMMU scope found for ANDD enumeration ID\", and no unit translates the device."
        seen ""
        help "Add to a unit a scope of type 5 with the device number of the ANDD structure."
        see "Intel VT-d specification 4.1 §8.7; linux dmar_acpi_insert_dev_scope"
    }
    DmarAffinity "DMAR015" "dmar-affinity" Warn [] {
        "An affinity structure (RHSA) has a register address that no unit has."
        "Linux warns, taints the kernel, and the unit has no proximity domain."
        seen ""
        help "Set the register base address to that of a DRHD structure."
        see "Intel VT-d specification 4.1 §8.6; linux dmar_parse_one_rhsa"
    }
    DmarScopeType "DMAR016" "dmar-scope-type" Error [] {
        "A device scope says endpoint for a bridge, or bridge for an endpoint."
        "Linux says \"Device scope type does not match\" and uses none of the units: no device is translated."
        seen "a boot of Linux 7.3"
        help "Use type 1 for functions with an endpoint header, and type 2 for bridges."
        see "Intel VT-d specification 4.1 §8.3.1; linux drivers/iommu/intel/dmar.c dmar_insert_dev_scope"
    }
    DmarUnitEmpty "DMAR017" "dmar-unit-empty" Warn [DmarScopeType] {
        "None of the devices that a unit lists exists."
        "Linux ignores the unit."
        seen ""
        help "List devices that exist; if the unit has none, remove its structure."
        see "linux drivers/iommu/intel/iommu.c init_no_remapping_devices"
    }
    DmarBridgeLeftOut "DMAR018" "dmar-bridge-left-out" Error [DmarScopeType] {
        "A unit translates a device behind a bridge that sends in its place, and no unit translates the bridge."
        "Linux crashes at boot: it writes the device's entry for the requester ID of the bridge too, and follows a NULL pointer there."
        seen "a boot of Linux 7.3, which crashed with a NULL pointer"
        help "List the bridge, with type 2, instead of the device behind it."
        see "linux drivers/iommu/intel/iommu.c domain_context_mapping_cb"
    }
    DmarPort "DMAR019" "dmar-port" Warn [DmarScopeType] {
        "A device that an ATSR structure lists is not a root port."
        "The entry has no effect: Linux looks for the root port above a device."
        seen ""
        help "List root ports, or set ALL_PORTS."
        see "Intel VT-d specification 4.1 §8.5; linux drivers/iommu/intel/iommu.c dmar_ats_supported"
    }
    DmarOwnBus "DMAR020" "dmar-own-bus" Warn [] {
        "The path of a device scope starts on the bus of the device itself, which is behind a bridge, instead of on a root bus."
        "Linux finds the device anyway and says so. Other systems may not, and bus numbers can change."
        seen "RMRR structures of some laptops; the kernel says \"broken - applying workaround\""
        help "Start the path on the root bus and name each bridge on the way."
        see "Intel VT-d specification 4.1 §8.3.1; linux drivers/iommu/intel/dmar.c dmar_match_pci_path"
    }
    // -- IVRS --
    IvrsUnreadable "IVRS001" "ivrs-unreadable" Error [] {
        "A block of the IVRS cannot be read: it is shorter than its fields, runs past the table, or has length 0."
        "What the block says is lost. At a block of length 0 Linux loops forever."
        seen ""
        help "Set the length of the block to its size in bytes."
        see "AMD IOMMU specification 3.10 §5.2; linux drivers/iommu/amd/init.c init_iommu_all"
    }
    IvrsBlockType "IVRS002" "ivrs-block-type" Info [] {
        "A block has a type that fwspec does not know."
        "Linux skips the block."
        seen ""
        help "Nothing, if the table follows a later specification; otherwise correct the type."
        see "AMD IOMMU specification 3.10 §5.2; linux init_iommu_all"
    }
    IvrsEntryType "IVRS003" "ivrs-entry-type" Error [] {
        "A device entry has a type that does not determine its length."
        "Linux takes the length to be 0 and loops forever: the machine does not boot."
        seen ""
        help "Use types below 0x80, or 0xf0."
        see "AMD IOMMU specification 3.10 §5.2.2.2; linux drivers/iommu/amd/init.c ivhd_entry_length"
    }
    IvrsEntryOverrun "IVRS004" "ivrs-entry-overrun" Error [] {
        "A device entry runs past the end of its block."
        "Linux reads the rest of the entry from the next block."
        seen ""
        help "Set the length of the block to the end of its last entry."
        see "AMD IOMMU specification 3.10 §5.2.2.2; linux init_iommu_from_acpi"
    }
    IvrsRefused "IVRS005" "ivrs-refused" Error [IvrsEntryType IvrsEntryOverrun] {
        "Linux refuses the table as a whole."
        "No device is translated by any of its units."
        seen "a boot of Linux 7.3 with a unit that has no entries"
        help "Correct what the message names."
        see "linux drivers/iommu/amd/init.c early_amd_iommu_init"
    }
    IvrsTypesDisagree "IVRS006" "ivrs-types-disagree" Warn [IvrsEntryType IvrsEntryOverrun] {
        "Blocks of different types give the same function different units, or none."
        "Linux reads one type of block only, and an older system another: one of them translates the function, the other does not."
        seen ""
        help "Give the blocks of all types the same device entries."
        see "AMD IOMMU specification 3.10 §5.2.2; linux drivers/iommu/amd/init.c get_highest_supported_ivhd_type"
    }
    IvrsAliasBus "IVRS007" "ivrs-alias-bus" Info [] {
        "A function sends with a requester ID of another bus."
        "Linux copies the translation to that ID, but does not put the two into one group."
        seen "boards with a PCIe-to-PCI bridge, for the functions behind it"
        help "Nothing, if the ID is that of a bridge above the function; otherwise correct the entry."
        see "AMD IOMMU specification 3.10 §5.2.2.2; linux drivers/iommu/amd/iommu.c setup_aliases"
    }
    IvrsRangeBackwards "IVRS008" "ivrs-range-backwards" Warn [] {
        "The last function of a range is before its first, or the range has no start entry."
        "In the first case Linux takes no function from the range; in the second it continues from the start of the range before."
        seen ""
        help "Put a start entry with the first function before the end entry with the last."
        see "AMD IOMMU specification 3.10 §5.2.2.2; linux drivers/iommu/amd/init.c init_iommu_from_acpi"
    }
    IvrsRegion "IVRS009" "ivrs-region" Info [] {
        "Firmware says that devices use a region of memory at all times (IVMD)."
        "Linux keeps the memory mapped one to one, and lets none of the devices be assigned (VFIO)."
        seen ""
        help "Nothing has to be changed. To assign a device, look for a firmware setup option that turns off the feature that uses the memory."
        see "AMD IOMMU specification 3.10 §5.2.3; linux drivers/iommu/iommu.c require_direct"
    }
    IvrsRegionDenied "IVRS010" "ivrs-region-denied" Error [] {
        "A block maps memory for devices that may neither read nor write it."
        "Linux cannot map it, and uses none of the units if one of the devices exists: no device is translated."
        seen "a boot of Linux 7.3"
        help "Set the read and write flags of the block."
        see "AMD IOMMU specification 3.10 §5.2.3; linux drivers/iommu/amd/init.c init_unity_map_range"
    }
    IvrsRegionUnused "IVRS011" "ivrs-region-unused" Warn [] {
        "A memory block (IVMD) has neither the unity flag nor the exclusion flag."
        "Linux skips the block: DMA of the devices to that memory fails."
        seen "a boot of Linux 7.3"
        help "Set the unity flag of the block."
        see "AMD IOMMU specification 3.10 §5.2.3; linux init_memory_definitions"
    }
    IvrsUnitAbsent "IVRS012" "ivrs-unit-absent" Error [] {
        "A block names, as the IOMMU itself, a function that does not exist."
        "Linux uses none of the units: no device is translated."
        seen ""
        help "Set the device ID of the block to the function that has the IOMMU capability."
        see "linux drivers/iommu/amd/init.c iommu_init_pci"
    }
}

impl Code {
    /// The code or name as it is usually written: `IORT004`, `iort004`, `iort4`, `range-overlap`.
    ///
    /// ```
    /// use fwspec::lint::Code;
    /// assert_eq!(Code::named("iort004"), Some(Code::RangeOverlap));
    /// assert_eq!(Code::named("iort4"), Some(Code::RangeOverlap));
    /// assert_eq!(Code::named("range-overlap"), Some(Code::RangeOverlap));
    /// assert_eq!(Code::named("IORT999"), None);
    /// ```
    pub fn named(text: &str) -> Option<Code> {
        let wanted = letters_and_number(text);
        Code::ALL.iter().copied().find(|code| {
            let rule = code.rule();
            let is_meant = |(letters, number): (&str, u16)| {
                letters_and_number(rule.id)
                    .is_some_and(|(of, it)| it == number && of.eq_ignore_ascii_case(letters))
            };
            wanted.is_some_and(is_meant) || rule.name == text
        })
    }
}

/// `IORT` and 4 of `IORT004`.
fn letters_and_number(code: &str) -> Option<(&str, u16)> {
    let (letters, digits) = code.split_at_checked(code.find(|c: char| c.is_ascii_digit())?)?;
    let is_number = digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten().map(|number| (letters, number))
}

/// What lint prints for each sample of `firmware-samples/broken`, one line for each code. `BLESS=1 cargo test --test it lint::` writes it.
const CASES: &str = include_str!("cases.txt");

impl Code {
    /// An example: the place and the message that the smallest sample with this finding gives. The sample is in
    /// `firmware-samples/broken`, in a folder named by the code's id and name.
    ///
    /// ```
    /// use fwspec::lint::Code;
    /// assert!(Code::RangeOverlap.case().starts_with("IORT+0xdc: inputs 0x180 to 0x1ff are in mappings 0 and 1"));
    /// ```
    pub fn case(self) -> &'static str {
        let of_code = |line: &'static str| line.strip_prefix(self.rule().id)?.strip_prefix(' ');
        CASES.lines().find_map(of_code).unwrap_or_default()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.rule().id)
    }
}

/// There is no finding with this code or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("there is no finding with this code; `fwspec explain --list` lists all codes")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    /// As [`Code::named`].
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Code::named(text).ok_or(UnknownCode)
    }
}
