//! The table of findings. A code is for ever: new meaning, new code; a retired code keeps its row.

use core::fmt;
use core::str::FromStr;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; common in firmware that works.
    Info,
    /// Works by luck, or on some systems only.
    Warn,
    /// A device is lost, or reaches memory as another one.
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
    /// What it is, in one sentence.
    pub what: &'static str,
    /// What comes of it.
    pub why: &'static str,
    /// Where it occurred; empty where that is derived from sources alone.
    pub seen: &'static str,
    /// What to change.
    pub help: &'static str,
    /// The section of a specification, kernel function or known report that it rests on.
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
        "The table is shorter than its header says, or than a header."
        "No operating system uses it: no device has an IOMMU."
        seen "a published dump of a laptop's tables with its header shifted"
        help "Dump the table again as root, from /sys/firmware/acpi/tables/IORT; in firmware, set the length of the header to the bytes of the table."
        see "ACPI 6.5 §5.2.6"
    }
    FirstNodeOutside "IORT002" "first-node-outside" Error [] {
        "The header puts the first node outside of the table."
        "No node can be found; Linux warns that the node pointer overflows and uses nothing."
        seen ""
        help "Set the offset of the node array (byte 40) to where the first node starts, usually 48."
        see "DEN0049 §3; linux drivers/acpi/arm64/iort.c iort_scan_node"
    }
    Checksum "IORT003" "checksum" Warn [] {
        "The bytes of the table do not add up to zero."
        "Linux warns and uses the table all the same; other loaders refuse it."
        seen "8 of 64 published Qualcomm tables, patched by hand"
        help "Compute the checksum (byte 9) again after every change of the table."
        see "ACPI 6.5 §5.2.6"
    }
    RangeOverlap "IORT004" "range-overlap" Error [] {
        "Two mappings of one node take the same input IDs and answer differently."
        "Operating systems take the first that they find, in different orders: the same device gets another StreamID or DeviceID, or another SMMU."
        seen ""
        help "Cut one of the two ranges so that every input ID is in one mapping only; the count is one less than the number of IDs."
        see "DEN0049 §3 table 4; linux iort_id_map: the first mapping answers"
    }
    RangeRepeat "IORT005" "range-repeat" Warn [] {
        "Two mappings of one node take the same input IDs and give the same answer."
        "Harmless today; the next edit of one of them makes it an overlap that matters."
        seen ""
        help "Remove the repeated part."
        see "DEN0049 §3 table 4"
    }
    CountIsN "IORT006" "count-is-n" Error [] {
        "The count of a mapping looks like the number of IDs; the field is that number minus one."
        "The range is one ID too long: its last ID belongs to the next range, or to no device. Linux since v5.8 gives it to a range that starts there, others do not."
        seen "HiSilicon D03 and D05 tables (0x2000, 0x800); FreeBSD and the Arm ACS read the field that way"
        help "Store the number of IDs minus one."
        see "DEN0049 §3 table 4; linux 3c23b83a88d0 \"ACPI/IORT: work around num_ids ambiguity\""
    }
    WithdrawnRevision "IORT007" "withdrawn-revision" Warn [] {
        "The table has a revision that was withdrawn: 1, 2 or 4."
        "iasl and acpiview refuse to read it; operating systems read it, and ignore its RMR nodes."
        seen ""
        help "Use revision 6 (DEN0049E.e) or 5, with nodes of the revisions that belong to it."
        see "DEN0049 §1; ACPICA dmtbinfo2.c, EDK2 IortParser.c"
    }
    NodeCountHigh "IORT008" "node-count-high" Error [] {
        "The header counts more nodes than the table holds."
        "Whenever Linux looks for a node and does not find it, it runs past the table and warns that the node pointer overflows."
        seen ""
        help "Set the number of nodes (byte 36) to the number of nodes."
        see "linux iort_scan_node"
    }
    NodeCountLow "IORT009" "node-count-low" Warn [] {
        "Bytes follow the last node that the header counts."
        "Linux ignores them; FreeBSD and iasl walk by length and read them as nodes, so systems see different tables."
        seen ""
        help "Count all nodes in the header (byte 36), or end the table after the last one."
        see "linux iort_scan_node; FreeBSD acpi_iort.c"
    }
    NodeLengthZero "IORT010" "node-length-zero" Error [] {
        "A node says that it is 0 bytes long."
        "Nothing after it can be found; Linux reads the same node again until its count is used up."
        seen ""
        help "Set the node's length to all of its bytes, mappings included."
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
        "Its mappings are read from memory after the table; the nodes that follow are lost."
        seen ""
        help "Correct the node's length, or the table's."
        see "DEN0049 §3.1"
    }
    NodeType "IORT013" "node-type" Warn [] {
        "A node is of a type that no revision defines."
        "It is ignored; fwts stops its walk there."
        seen ""
        help "Remove the node, or correct its type."
        see "DEN0049 §3.1 table 3"
    }
    MappingsOutside "IORT014" "mappings-outside" Error [] {
        "A node counts more ID mappings than it has room for."
        "Linux reads the next node as mappings: devices get IDs made of its header."
        seen "QEMU sbsa-ref: an SMMUv3 with a count of two and one mapping (bsa-acs issue 118)"
        help "Count the mappings that are there, or make the node long enough for those that should be."
        see "DEN0049 §3.1; linux iort_node_map_id"
    }
    MappingsOnFields "IORT015" "mappings-on-fields" Error [] {
        "The ID mappings stand on the node's own fields."
        "Fields are read as mappings."
        seen ""
        help "Let the mapping offset point past the fields of the node."
        see "DEN0049 §3.1"
    }
    MappingsNowhere "IORT016" "mappings-nowhere" Error [] {
        "A node counts ID mappings but gives no offset for them."
        "Linux takes it for a node without mappings: none of its devices has an ID."
        seen ""
        help "Set the mapping offset (byte 12 of the node)."
        see "linux iort_node_map_id"
    }
    ReferenceNull "IORT017" "reference-null" Error [] {
        "The output reference of a mapping is 0."
        "Its IDs lead nowhere; if it is the first of its node, Linux uses none of the node's mappings."
        seen "a port of msm8998 firmware, whose SMMU nodes list input ranges only"
        help "Name the SMMU or ITS group by its offset, or remove the mapping."
        see "linux iort_node_map_id: \"ID map has NULL parent reference\""
    }
    ReferenceDangling "IORT018" "reference-dangling" Error [] {
        "The output reference of a mapping names a place where no usable node starts."
        "Linux takes whatever bytes are there for a node; FreeBSD drops the mapping."
        seen "the test data of fwts itself (0xffffffff)"
        help "Set the reference to the offset of the target from the start of the table; node lengths may have changed since it was computed."
        see "DEN0049 §3 table 4; linux iort_node_map_id does not check it"
    }
    ReferenceType "IORT019" "reference-type" Error [MappingCycle] {
        "A mapping leads to a node that cannot take IDs there."
        "The chain ends without an SMMU or ITS group, or goes on in a way that no specification describes."
        seen ""
        help "Map root complexes and named components to SMMUs or ITS groups, SMMUs to ITS groups, RMR nodes to SMMUs."
        see "DEN0049 §3.1"
    }
    MappingCycle "IORT020" "mapping-cycle" Error [] {
        "The mappings lead in a circle."
        "Linux follows them for ever while it configures a device: the boot hangs."
        seen ""
        help "Let every chain of mappings end at an ITS group."
        see "linux iort_node_map_id has no bound"
    }
    SingleNotAllowed "IORT021" "single-not-allowed" Warn [MsiIndex MsiIndexTarget MsiIndexFlag] {
        "A mapping is single on a node type that has no single mappings, and is not for the node's own MSIs."
        "Linux warns and passes over it; where the node's interrupts are wired, nothing is lost."
        seen "a shipped table, whose SMMUs have wired interrupts and a mapping for MSIs of their own all the same"
        help "Remove the mapping; or, if it is for the node's own MSIs, let the DeviceID mapping index name it, and set flag bit 4 from node revision 5 on. The flag alone is not to be cleared: as a range the mapping would take IDs of others."
        see "linux iort_id_map: \"single mapping not allowed\""
    }
    SingleWithCount "IORT022" "single-with-count" Info [] {
        "A single mapping has a count, where the field means nothing."
        "The Arm ACS and some readers ignore the flag and use the count."
        seen "HiSilicon D03 and D05 tables"
        help "Set the count of single mappings to 0."
        see "DEN0049 §3 table 4"
    }
    MappingFlags "IORT023" "mapping-flags" Warn [] {
        "Reserved flag bits of a mapping are set."
        "Ignored today; fwts reports it as a failure. Often it means that other bytes are read as a mapping."
        seen ""
        help "Clear bits 1 to 31 of the flags."
        see "DEN0049 §3 table 4"
    }
    InputWraps "IORT024" "input-wraps" Error [] {
        "The input IDs of a mapping run past 2^32."
        "Linux compares with the wrapped sum: no ID matches."
        seen ""
        help "Correct input base or count."
        see "linux iort_id_map"
    }
    OutputWraps "IORT025" "output-wraps" Error [] {
        "The output IDs of a mapping run past 2^32."
        "The last IDs wrap to 0 and meet those of other devices."
        seen ""
        help "Correct output base or count."
        see "linux iort_id_map"
    }
    InputNotRid "IORT026" "input-not-rid" Error [MappingsOutside InputWraps] {
        "A root complex maps input IDs that no requester ID reaches: they end at 0xffff."
        "No PCI device matches the mapping; its devices are not translated."
        seen "19 of 64 published Qualcomm tables (input base 0x87030000 and its like)"
        help "Use requester IDs (bus << 8 | device << 3 | function) as inputs; the segment is a field of the node."
        see "linux pci_iommu_init passes 16-bit requester IDs"
    }
    InputClipped "IORT027" "input-clipped" Warn [MappingsOutside InputWraps CountIsN] {
        "A mapping of a root complex runs past requester ID 0xffff."
        "What is above 0xffff matches nothing; the count is probably wrong."
        seen ""
        help "End the range at 0xffff."
        see "PCIe 6.0 §2.2.6.2"
    }
    RootSingle "IORT028" "root-single" Warn [] {
        "A root complex has a single mapping: every function gets the one output ID."
        "On an SMMUv3 the second function with that StreamID is refused (\"Aliasing StreamID unsupported\") and has no IOMMU; with one DeviceID all functions share what the ITS has for one device, and its owner can raise the interrupts of the others."
        seen ""
        help "Map the range of requester IDs, or of the one function that is there."
        see "linux iort_id_map, arm_smmu_insert_master, its_msi_prepare"
    }
    SegmentRepeated "IORT029" "segment-repeated" Warn [] {
        "Several root complexes have the same segment."
        "Linux and OpenBSD ask the first only, even for requester IDs that only the second maps; FreeBSD asks each, the Arm ACS takes the last."
        seen ""
        help "Describe each segment by one root complex with all of its mappings."
        see "linux iort_match_node_callback"
    }
    PathRepeated "IORT030" "path-repeated" Warn [] {
        "Two named components have the same path."
        "The first is used, the second never."
        seen ""
        help "Put all mappings of a device into one node."
        see "linux iort_find_dev_node"
    }
    PathUnterminated "IORT031" "path-unterminated" Error [] {
        "The namespace path of a node has no terminating NUL inside the node."
        "Linux compares past the end of the node: the device is not found, or another one is."
        seen ""
        help "End the path with a NUL; the mappings start after it."
        see "DEN0049 §3.1.1.4"
    }
    PathMalformed "IORT032" "path-malformed" Warn [] {
        "No device can have this namespace path."
        "No device ever finds the node, so the device is not translated."
        seen "Qualcomm tables, as that of the Acer Aspire 1 and those of edk2-msm for sm7125 and sm8150"
        help "Use the full path of the device: a backslash, then names of up to four characters A-Z, 0-9 and _, divided by dots."
        see "ACPI 6.5 §5.3"
    }
    PathUnpadded "IORT033" "path-unpadded" Warn [PathMalformed] {
        "A segment of the namespace path has less than four characters."
        "Linux compares byte for byte with a path whose segments are padded with underscores: it finds no device."
        seen "1,108 of 1,119 named components of 64 published Qualcomm tables (\\_SB.GPU0)"
        help "Pad each segment of this path to four characters with underscores, as \\_SB_ for \\_SB."
        see "linux iort_match_node_callback, ACPICA ACPI_FULL_PATHNAME"
    }
    ComponentNoSingle "IORT034" "component-no-single" Warn [MappingsNowhere MappingsOutside] {
        "A named component has mappings, but no single mapping."
        "Linux configures no StreamID for a platform device: it reaches memory untranslated. Only a device whose bus gives it an ID (fsl-mc) is mapped."
        seen "all 64 published Qualcomm tables: 8,719 mappings, not one of them single"
        help "Give each StreamID of a platform device a single mapping (flag bit 0) whose output base is the StreamID."
        see "linux iort_nc_iommu_map"
    }
    ComponentOrder "IORT035" "component-order" Warn [ComponentNoSingle] {
        "A mapping of a named component that gives no StreamID stands before one that does."
        "Linux stops at the first mapping that is not single or leads to no SMMU: the later StreamIDs are lost."
        seen ""
        help "List the single mappings to SMMUs first, those to the ITS group after them."
        see "linux iort_nc_iommu_map"
    }
    Unaligned "IORT036" "unaligned" Info [] {
        "Nodes or mappings do not start at a multiple of four bytes."
        "Every operating system copes; some tools do not."
        seen "all 64 published Qualcomm tables"
        help "Pad the paths of named components so that every node is a multiple of four bytes long."
        see "DEN0049 §3.1.1.4: padding"
    }
    ItsCount "IORT037" "its-count" Error [] {
        "An ITS group counts more identifiers than it has room for."
        "Identifiers are read from the node that follows: MSIs go to an ITS that does not exist."
        seen ""
        help "Count the identifiers that are there."
        see "DEN0049 §3.1.1.1; fwts IORTItsIdArrayOutsideTable"
    }
    ItsEmpty "IORT038" "its-empty" Warn [] {
        "An ITS group without an ITS."
        "Linux reads the first identifier all the same, from whatever follows: devices have no MSI domain."
        seen ""
        help "List the GIC ITS ID of the MADT."
        see "linux iort_find_its_id"
    }
    ItsSeveral "IORT039" "its-several" Info [] {
        "An ITS group has several ITS units."
        "Linux, FreeBSD and the Arm ACS use the first only."
        seen ""
        help "Nothing, if MSIs to the first reach all devices; else give each ITS a group of its own."
        see "linux iort_get_device_domain"
    }
    ItsHasMappings "IORT040" "its-has-mappings" Warn [] {
        "An ITS group has ID mappings: it is where IDs end."
        "Ignored; acpiview counts an error."
        seen ""
        help "Set mapping count and offset of ITS groups to 0."
        see "DEN0049 §3.1.1.1"
    }
    MsiIndex "IORT041" "msi-index" Error [MappingsOutside MappingsNowhere] {
        "The DeviceID mapping index of an SMMUv3 is of no mapping."
        "Linux prints an error, and the SMMU gets no MSIs: no event or error of it is ever reported."
        seen ""
        help "Set the index to the single mapping for the SMMU's own MSIs, or clear flag bit 4."
        see "linux iort_get_id_mapping_index: \"ID mapping index overflows valid mappings\""
    }
    MsiIndexTarget "IORT042" "msi-index-target" Error [] {
        "The mapping for an SMMUv3's own MSIs is not a single mapping to an ITS group."
        "Linux leaves that mapping out of translation: the devices whose StreamIDs are in it have no MSIs, nor has the SMMU."
        seen "refused by EDK2's table generator"
        help "Give the SMMU a single mapping of its own to the ITS group, and let the index name that."
        see "linux iort_set_device_domain, iort_get_id_mapping_index"
    }
    LimitZero "IORT043" "limit-zero" Warn [] {
        "The memory address size limit is 0."
        "Linux reports a firmware bug and applies no limit; kernels before v5.10 gave the device a DMA window of one byte."
        seen "12 root complexes of published Qualcomm tables"
        help "Set it to the number of address bits that the device drives, 64 for no limit."
        see "linux iort_dma_get_ranges, rc_dma_get_range"
    }
    LimitHuge "IORT044" "limit-huge" Warn [] {
        "The memory address size limit is above 64."
        "Linux takes it for no limit in one place, and shifts by it, which is undefined, in another."
        seen "3 root complexes of published Qualcomm tables (128)"
        help "Set it to 64 or less."
        see "linux acpi_iort_dma_get_max_cpu_address"
    }
    LimitNarrow "IORT045" "limit-narrow" Info [] {
        "The memory address size limit is below 32 bits."
        "Linux shrinks its lowest memory zone to that size for all devices."
        seen ""
        help "Make sure that the device really drives so few address bits."
        see "linux acpi_iort_dma_get_max_cpu_address"
    }
    MemoryAttributes "IORT046" "memory-attributes" Warn [] {
        "The memory access properties contradict each other."
        "A coherent device without a coherent path to memory is either not coherent, and its buffers are corrupted, or it is, and its cache maintenance is wasted."
        seen "QEMU sbsa-ref: CCA 1 with CPM 0 (edk2-platforms pull request 222)"
        help "Set CPM where CCA is 1; leave CCA at 0 only where CPM and DACS are not both set."
        see "DEN0049 §3.1.1.4 table 15; fwts"
    }
    PmcgMappings "IORT047" "pmcg-mappings" Warn [] {
        "A PMCG has more than one ID mapping."
        "Only the first is for its overflow MSI; the others are ignored."
        seen ""
        help "Leave one single mapping to the ITS group."
        see "DEN0049 §3.1.1.6"
    }
    RmrUnaligned "IORT048" "rmr-unaligned" Warn [RmrCount] {
        "A reserved memory range does not start and end at a multiple of 64 KiB."
        "Linux warns and rounds outwards to its page size, so that the device can reach more than was meant."
        seen ""
        help "Align base and length to 64 KiB."
        see "DEN0049 §3.1.1.7; linux iort_rmr_desc_check_overlap, iort_rmr_alloc"
    }
    RmrEmpty "IORT049" "rmr-empty" Warn [RmrCount] {
        "An RMR node without memory ranges, or with one of length 0."
        "Nothing stays mapped: the device that relies on it faults as soon as its SMMU is on."
        seen ""
        help "Describe the memory, or remove the node."
        see "DEN0049 §3.1.1.7; linux iort_rmr_desc_check_overlap"
    }
    RmrOverlap "IORT050" "rmr-overlap" Warn [RmrCount] {
        "Two reserved memory ranges of one node overlap."
        "Linux warns of a firmware bug, and goes on with both."
        seen ""
        help "Let each range of the node begin where the one before it has ended. Nodes of several devices may name the same memory."
        see "linux iort_rmr_desc_check_overlap"
    }
    RmrTableRevision "IORT051" "rmr-table-revision" Warn [] {
        "An RMR node in a table of a revision below 5."
        "Linux ignores it: what should stay mapped does not."
        seen ""
        help "Make it a table of revision 5 or 6."
        see "linux iort_find_rmrs"
    }
    RmrCount "IORT052" "rmr-count" Error [] {
        "An RMR node counts more memory ranges than it has room for."
        "Linux maps addresses that it reads from the node that follows."
        seen ""
        help "Count the ranges that are there."
        see "DEN0049 §3.1.1.7"
    }
    RmrUnattached "IORT053" "rmr-unattached" Warn [RmrTableRevision MappingsNowhere MappingsOutside] {
        "An RMR node has no ID mapping."
        "It is for no device, and Linux ignores it."
        seen ""
        help "Map it to the SMMU, with the StreamIDs of the device as output."
        see "linux iort_get_rmrs"
    }
    RmrStranded "IORT054" "rmr-stranded" Warn [ReferenceDangling ReferenceType ReferenceNull] {
        "An RMR node is for StreamIDs that no device has on that SMMU."
        "The region is mapped for no device, and the device that needs it, perhaps behind another SMMU, faults."
        seen "CIX Sky1: the RMR hangs on SMMU 1, the root complex on SMMU 0"
        help "Map the RMR to the SMMU that the device is behind, with its StreamIDs."
        see "linux iort_get_rmrs, iort_rmr_has_dev"
    }
    StreamWide "IORT055" "stream-wide" Error [] {
        "An output ID on an SMMUv1/v2 has more than 16 bits."
        "Linux takes the upper half for a mask of StreamID bits to ignore: the device shares the stream mapping of others."
        seen ""
        help "Use the StreamID as the SMMU sees it, without the TBU or cluster number in front."
        see "linux arm_smmu_probe_device: SMR_ID, SMR_MASK"
    }
    SmmuModel "IORT056" "smmu-model" Error [] {
        "The model of an SMMU is a number that no specification defines."
        "Linux does not drive an SMMUv1/v2 of an unknown model: the devices behind it are not translated. It drives an SMMUv3 all the same, without the work-arounds of a model."
        seen ""
        help "Use a model of DEN0049 table 9 (SMMUv1/v2, 0 to 5) or table 10 (SMMUv3, 0 to 2)."
        see "linux acpi_smmu_get_data, acpi_smmu_iort_probe_model"
    }
    IdentifierRepeated "IORT057" "identifier-repeated" Warn [] {
        "Several nodes have the same identifier."
        "Linux does not use it; tools that name nodes by it take one for the other."
        seen "CIX Sky1 (18 of 19 nodes have identifier 0), QEMU"
        help "Number the nodes of a table of revision 3 and later."
        see "DEN0049 §3.1 table 2; EDK2 IortGenerator.c"
    }
    Reserved "IORT058" "reserved" Info [] {
        "A reserved field or bit is not zero."
        "A later revision may give it a meaning; fwts reports a failure."
        seen ""
        help "Clear it."
        see "DEN0049 §3"
    }
    PmcgReference "IORT059" "pmcg-reference" Warn [] {
        "A PMCG measures a node that is not an SMMU, a root complex or a named component."
        "Nothing says what its counters count."
        seen ""
        help "Let the node reference name the SMMU, root complex or named component."
        see "DEN0049 §3.1.1.6"
    }
    PmcgPage1 "IORT060" "pmcg-page1" Info [] {
        "A PMCG node of revision 0 cannot say where register page 1 is."
        "Linux looks for the counters in page 0."
        seen ""
        help "Use node revision 1 or later, with the address of page 1."
        see "linux arm_smmu_v3_pmcg_init_resources"
    }
    FieldWithoutRevision "IORT061" "field-without-revision" Warn [] {
        "A field is set that the node's revision does not have."
        "Operating systems do not look at it: what it says does not hold."
        seen "Qualcomm tables: address limits of 36 and 40 bits in root complexes of revision 0"
        help "Raise the node's revision to the one that has the field, or clear it."
        see "DEN0049 §3.1"
    }
    AtsWithoutSmmuV3 "IORT062" "ats-without-smmuv3" Warn [] {
        "A root complex says that it supports ATS, but none of its mappings leads to an SMMUv3."
        "Linux switches ATS on for nothing: only an SMMUv3 answers translation requests."
        seen "a table for sdm845: ATS with SMMUv2"
        help "Clear bit 0 of the ATS attribute."
        see "DEN0049 §3.1.1.5; linux iort_pci_rc_supports_ats"
    }
    Pasid "IORT063" "pasid" Warn [] {
        "The PASID capability of a root complex contradicts itself."
        "A system that believes one half loses PASID, or enables PASIDs that are too wide."
        seen "EDK2 headers before April 2025 had the flag at bit 1"
        help "Set flag bit 0 together with a width of 1 to 20 bits, or neither."
        see "DEN0049E.d §3.1.1.5"
    }
    TrailingBytes "IORT064" "trailing-bytes" Warn [] {
        "The file goes on after the end of the table."
        "Operating systems ignore it; a dump with it was probably cut out wrongly."
        seen "concatenated dumps"
        help "Cut the file at the table's length."
        see "ACPI 6.5 §5.2.6"
    }
    UncountedRecord "IORT065" "uncounted-record" Warn [MappingsOutside MappingsNowhere MappingsOnFields RmrCount ItsCount] {
        "A node has room for another ID mapping after those that it counts, and bytes there are not zero."
        "If it is meant to be a mapping, no system reads it."
        seen ""
        help "Count it, or shorten the node."
        see "DEN0049 §3.1"
    }
    TableRepeated "IORT066" "table-repeated" Warn [] {
        "The file holds a second IORT."
        "Linux uses the first and never looks at the other; which one that is depends on the order in the XSDT."
        seen ""
        help "Leave one IORT in the firmware."
        see "linux acpi_iort_init: acpi_get_table of instance 0"
    }
    ItsUnknown "IORT067" "its-unknown" Error [] {
        "An ITS group names a GIC ITS that the MADT does not have."
        "Linux registers no MSI domain for it: the devices that it is for have no MSIs."
        seen "a shipped firmware: an IORT with an ITS group, a MADT without any GIC ITS"
        help "Use the identifier of the GIC ITS structure in the MADT; with GICv5 that of the translate frame."
        see "DEN0049 §3.1.1.1; ACPI 6.5 §5.2.12.18; linux iort_find_domain_token, gic_acpi_parse_madt_its_translate"
    }

    MsiIndexFlag "IORT068" "msi-index-flag" Warn [] {
        "An SMMUv3 of node revision 5 has a mapping for its own MSIs, but the flag that makes the DeviceID mapping index valid is not set."
        "The index does not count, and Linux passes over the mapping: the SMMU gets no MSIs, and no event or error of it is ever reported."
        seen "tables that were brought from node revision 4 to 5, where the flag is new"
        help "Set bit 4 of the flags (byte 24 of the node), with the index of the single mapping at byte 64."
        see "DEN0049E.e §3.1.1.2; linux iort_get_id_mapping_index: ACPI_IORT_SMMU_V3_DEVICEID_VALID"
    }
    SmmuNoInterrupt "IORT069" "smmu-no-interrupt" Warn [MsiIndex MsiIndexTarget MsiIndexFlag MappingsNowhere MappingsOutside SingleNotAllowed] {
        "An SMMUv3 has neither a wire nor an MSI for its events or its global errors."
        "Linux warns that events or errors will not be reported: faults of devices go unseen."
        seen ""
        help "Write the GSIVs of the interrupts, or a single mapping to an ITS group that the DeviceID mapping index names."
        see "DEN0049 §3.1.1.2; linux arm_smmu_setup_irqs: \"no evtq irq - events will not be reported!\""
    }
    PmcgNoInterrupt "IORT070" "pmcg-no-interrupt" Warn [MappingsNowhere MappingsOutside] {
        "A PMCG has neither a wire nor an MSI for its overflow interrupt."
        "Counters overflow unnoticed: counts of long measurements are wrong."
        seen ""
        help "Write the GSIV of the interrupt, or a single mapping to an ITS group."
        see "DEN0049 §3.1.1.6; linux smmu_pmu_setup_irq, iort_get_id_mapping_index"
    }

    NodeRevision "IORT071" "node-revision" Warn [] {
        "A node is of a revision, or of a type, that tables of this revision do not have."
        "Operating systems go by the node's own revision and mostly read it; tools that compare the two refuse or misread the node."
        seen "CIX Sky1 and QEMU, whose nodes are older than their table"
        help "Give each node the revision that belongs to the table's. In a table of revision 5: ITS group 1, named component 4, root complex 4, SMMUv1/v2 3, SMMUv3 4, PMCG 2, RMR 3; in revision 6: SMMUv3 5."
        see "DEN0049 §3.1; EDK2 IortGenerator.c; linux iort.c compares none"
    }
    ReservedValue "IORT072" "reserved-value" Warn [] {
        "A field has a value that the specification reserves."
        "Systems guess: Linux takes HTTU override 3 for more than value 2, and an unknown memory attribute for memory that is not cacheable."
        seen ""
        help "Use one of the values that the message names."
        see "DEN0049E.d §3.1.1.2, §3.1.1.7; linux arm_smmu_device_acpi_probe, iort_rmr_alloc"
    }
    IwbIndexRepeated "IORT073" "iwb-index-repeated" Error [] {
        "Two interrupt wire bridges have the same index."
        "An interrupt number names its bridge by the index: the wires of the second are looked for at the first."
        seen ""
        help "Use the index that the interrupt numbers of the bridge's devices have in bits 16 to 28."
        see "DEN0049E.g; linux iort_iwb_handle"
    }
    RmrSingleId "IORT074" "rmr-single-id" Info [RmrTableRevision] {
        "An RMR node has ID mappings of one StreamID."
        "The kernels of Linux 5.19 to 6.4 took a count of 0 for no ID, and mapped nothing: the device that relies on the memory faults there."
        seen "most tables with RMR nodes"
        help "Nothing: the table is right. Use a kernel with the correction."
        see "linux 003e6b56d780 \"ACPI/IORT: Remove erroneous id_count check in iort_node_get_rmr_info()\""
    }
    StrayBytes "IORT075" "stray-bytes" Warn [MappingsOutside MappingsNowhere MappingsOnFields RmrCount ItsCount PathUnterminated] {
        "Bytes of a node that neither a field of its revision nor a mapping has are not zero."
        "No system reads them: the node is of another revision or layout than it says, or a count or offset is wrong. After a path it is padding that was not cleared."
        seen "tables compiled by iasl, which left parts of the header after paths"
        help "Compare the node's revision, counts and offsets with what stands there; fill padding with zeros."
        see "DEN0049 §3.1"
    }

    // -- MADT and MCFG beside an IORT --
    ItsRepeated "MADT001" "its-repeated" Warn [] {
        "Two GIC ITS structures of the MADT have the same identifier."
        "An IORT cannot tell them apart: Linux sends the MSIs of all devices to the last of them."
        seen ""
        help "Give each GIC ITS, with GICv5 each translate frame, an identifier of its own."
        see "ACPI 6.5 §5.2.12.18; linux iort_register_domain_token, iort_find_domain_token"
    }
    SegmentWithoutRoot "MCFG001" "segment-without-root" Warn [] {
        "The MCFG has a PCI segment that no root complex of the IORT has."
        "Linux finds no node for its host bridge: its functions have no StreamID by the IORT, and no MSI domain."
        seen ""
        help "Add a root complex node for the segment, or correct the segment of an existing one."
        see "DEN0049 §3.1.1.5; linux iort_match_node_callback: ACPI_IORT_NODE_PCI_ROOT_COMPLEX"
    }
    BusRangeReversed "MCFG002" "bus-range-reversed" Error [] {
        "An entry of the MCFG ends before it starts."
        "It covers no bus: Linux finds no configuration space in it, and without another entry not one function of the segment."
        seen ""
        help "Set the last bus of the entry (byte 12) to the highest bus of the segment, usually 255."
        see "PCI Firmware Specification 3.3 §4.1.2; linux drivers/acpi/pci_mcfg.c pci_mcfg_lookup"
    }

    // -- device tree --
    TreeCut "DT001" "tree-unreadable" Error [] {
        "The device tree cannot be read as a whole."
        "No kernel boots with it."
        seen ""
        help "Compile the tree again; a blob cut short by a boot loader needs more padding (dtc -p)."
        see "Devicetree Specification v0.4 §5"
    }
    Overlay "DT002" "overlay" Error [] {
        "This is an overlay: its wiring only shows in the tree it is applied to."
        "Phandles of the base are missing, so nothing can be checked."
        seen ""
        help "Name its base, too: fwspec lint base.dtb this.dtbo."
        see "linux Documentation/devicetree/overlay-notes.rst"
    }
    PropertyName "DT003" "property-name" Error [] {
        "The name of a property is at a place where no string is."
        "Kernels read garbage for a name or refuse the tree."
        seen ""
        help "Compile the tree again."
        see "Devicetree Specification v0.4 §5.4.1"
    }
    PropertyAfterChild "DT004" "property-after-child" Warn [] {
        "A property stands after a child node."
        "No operating system looks for it there."
        seen ""
        help "Put properties before child nodes; dtc does."
        see "linux drivers/of/fdt.c populate_properties"
    }
    PhandleRepeated "DT005" "phandle-repeated" Error [] {
        "Two nodes have the same phandle."
        "A reference to it leads to the first: devices are wired to the wrong IOMMU."
        seen ""
        help "Let dtc number the phandles; look for overlays that bring their own."
        see "linux of_find_node_by_phandle"
    }
    CellsLength "DT006" "cells-length" Error [] {
        "The length of a list is not a multiple of four bytes."
        "A map of that length fails for every id (EINVAL), so that no device of the bus is translated."
        seen ""
        help "Write whole cells, in angle brackets, in the source."
        see "linux v7.3 of_map_id: \"bad length\""
    }
    PhandleUnknown "DT007" "phandle-unknown" Error [] {
        "An entry names a phandle that no node has."
        "The look-up ends with ENODEV: the devices that reach the entry are not translated."
        seen ""
        help "Name an existing IOMMU; a map with entries of the wrong number of cells looks like this as well."
        see "linux v7.3 of_map_id, of_parse_phandle_with_args"
    }
    CellsMissing "DT008" "cells-missing" Error [] {
        "An entry names a node that does not say how many cells belong to it."
        "The list cannot be read from there on."
        seen ""
        help "Add #iommu-cells (or #msi-cells) to the node that is named, if it is the right one."
        see "linux of_parse_phandle_with_args"
    }
    MapCellsAssumed "DT009" "map-cells-assumed" Warn [] {
        "A map names an IOMMU without #iommu-cells."
        "One cell is assumed; kernels before 7.3 never asked."
        seen ""
        help "Add #iommu-cells to the IOMMU."
        see "linux v7.3 of_map_id"
    }
    EntryCut "DT010" "entry-cut" Error [] {
        "A list ends inside an entry."
        "A map fails with EINVAL for every id that reaches the entry; in iommus the entry is ignored, and with it a StreamID."
        seen ""
        help "Give every entry the cells that its target wants: #iommu-cells of them."
        see "linux v7.3 of_map_id, of_parse_phandle_with_args"
    }
    CellsTooMany "DT011" "cells-too-many" Error [] {
        "An IOMMU wants more than 16 cells in a specifier."
        "Linux refuses it: nothing is translated."
        seen ""
        help "Correct #iommu-cells."
        see "linux MAX_PHANDLE_ARGS, of_map_id"
    }
    MapBase "DT012" "map-base" Error [] {
        "A map entry starts at an id with bits outside of the mask."
        "The look-up fails with EFAULT for every id that no earlier entry took."
        seen ""
        help "Clear the masked bits of the base, or widen iommu-map-mask."
        see "linux of_map_id: \"contains invalid rid-base\""
    }
    MapRange "DT013" "map-range-cells" Error [] {
        "A map entry gives several cells to several ids."
        "Linux 7.3 refuses the ids of the entry with EINVAL, because nothing says which of the cells counts up."
        seen ""
        help "Write one entry per id, with a length of 1."
        see "linux v7.3 of_map_id"
    }
    FourCellMap "DT014" "map-cells-mismatch" Warn [] {
        "A map has entries of four cells although its IOMMU wants two cells in each."
        "Linux 7.3 recognises the whole map and drops the second cell (the stream mask); one more entry of another form would make it fail for every id."
        seen "qcs8550-rb5gen2 in Linux 7.3; all Qualcomm boards before"
        help "Write five cells an entry: id, IOMMU, StreamID, mask, 1."
        see "linux v7.3 of_check_bad_map; c41749e9554d"
    }
    MapEntryEmpty "DT015" "map-entry-empty" Info [] {
        "A map entry has length 0."
        "It matches nothing. Some boot loaders fill it in; without them the bus is not translated."
        seen "NXP ls1088a, ls208xa and lx2160a: <0 &smmu 0 0>"
        help "Remove it, or make sure that the boot loader writes the real map."
        see "linux of_map_id"
    }
    MapOverlap "DT016" "map-overlap" Warn [] {
        "Two entries of a map take the same ids."
        "The first one answers, whatever the second was meant for."
        seen ""
        help "Cut one of the two, so that every id is in one entry only."
        see "linux of_map_id"
    }
    MapBeyondRid "DT017" "map-beyond-rid" Warn [] {
        "A map of a PCI host goes past requester ID 0xffff."
        "What is above 0xffff matches nothing: the length is probably wrong."
        seen ""
        help "End the map at 0x10000: a length of 0x10000 for a base of 0."
        see "PCIe 6.0 §2.2.6.2"
    }
    IommuDisabled "DT018" "iommu-disabled" Info [] {
        "Devices are wired to an IOMMU that is disabled, or below a disabled node."
        "Linux goes on without IOMMU: the device reaches all of memory."
        seen "Linux trees of Marvell Armada 7040 and 8040 and of Qualcomm msm8996, in which the SMMU is disabled"
        help "Enable the IOMMU, or remove the wiring."
        see "linux of_iommu_configure, of_device_is_available"
    }
    MaskLength "DT019" "mask-length" Warn [] {
        "The mask of a map is not one cell."
        "Shorter, it is ignored and all bits count; longer, only the first cell is read."
        seen ""
        help "Write iommu-map-mask as one cell."
        see "linux of_map_id"
    }
    HostIommus "DT020" "host-iommus" Warn [] {
        "A PCI host has iommus but no iommu-map."
        "iommus is for the host controller itself: the PCI devices below it are not translated."
        seen "Raspberry Pi 5 (raspberrypi/linux issue 6834)"
        help "Write iommu-map = <0x0 &iommu 0x0 0x10000>."
        see "linux of_iommu_configure, of_pci_iommu_init"
    }
    MapCoversIommu "DT021" "map-covers-iommu" Error [] {
        "The map of a PCI host covers the requester ID of the IOMMU itself, which is a function of that bus."
        "The IOMMU would wait for itself to be ready."
        seen "left out by the example of the RISC-V binding"
        help "Leave the IOMMU's own requester ID out: <0x0 &iommu 0x0 0x8>, <0x9 &iommu 0x9 0xfff7>."
        see "Documentation/devicetree/bindings/iommu/riscv,iommu.yaml, virtio/pci-iommu.yaml"
    }
    MaskMerges "DT022" "mask-merges" Info [] {
        "The mask of a map makes several functions one id."
        "They share a StreamID, so they cannot be isolated from each other and an SMMUv3 refuses the second; or, in msi-map, a DeviceID."
        seen "Marvell Armada 8040, whose host drops bits of the bus number; NXP i.MX95"
        help "Nothing, if the hardware really drops those bits."
        see "Documentation/devicetree/bindings/pci/pci-iommu.txt"
    }
    SpecifierRepeated "DT023" "specifier-repeated" Warn [] {
        "A device lists the same specifier twice in iommus."
        "It is programmed twice; often another one was meant."
        seen "qcom sa8775p (entries removed in 6.15.y)"
        help "Remove the repeated entry, or correct it."
        see "linux arm_smmu_master_alloc_smes"
    }
    StreamMaskConflict "DT024" "stream-mask-conflict" Error [] {
        "The StreamIDs and masks of two masters overlap, and those of the second are not inside those of the first."
        "Linux refuses the second with EINVAL, and since v6.15 the whole SMMU with it, when it registers; a device that a driver makes later is refused alone."
        seen "Qualcomm sm8750 in Linux 7.3: compute-cb@12 and @14"
        help "Choose masks so that the wider one stands first, or they have nothing in common."
        see "linux arm_smmu_find_sme"
    }
    StreamMatchMask "DT025" "stream-match-mask" Warn [] {
        "An SMMU has stream-match-mask, and specifiers of two cells that bring their own mask."
        "The binding forbids both together; Linux ignores the property."
        seen ""
        help "Remove stream-match-mask."
        see "Documentation/devicetree/bindings/iommu/arm,smmu.yaml"
    }
    Legacy "DT026" "mmu-masters" Info [] {
        "An SMMU lists its masters by mmu-masters."
        "The old binding: Linux offers no DMA API through it, and the first SMMU decides for all."
        seen "early ARMv8 boards"
        help "Use iommus and #iommu-cells."
        see "linux arm_smmu_register_legacy_master"
    }
    RegionMoved "DT027" "region-moved" Warn [] {
        "A reserved region is mapped at another address than it stands at in memory."
        "Linux keeps the address out of use and maps nothing there."
        seen ""
        help "Let iommu-addresses equal reg for a region that the device uses already; leave out reg for one that it must not use."
        see "linux of_iommu_get_resv_regions, iommu_resv_region_get_type"
    }
    RegionEmpty "DT028" "region-empty" Warn [] {
        "An entry of iommu-addresses has length 0."
        "Linux passes over it."
        seen ""
        help "Correct the length; check the number of cells of the master's bus."
        see "linux of_iommu_get_resv_regions"
    }
    AddressCells "DT029" "address-cells" Error [] {
        "The addresses of an entry have a number of cells that cannot be read."
        "The entry, and those after it, are lost."
        seen ""
        help "Correct #address-cells and #size-cells of the bus that the master is on."
        see "Devicetree Specification v0.4 §2.3.5"
    }
    MapsDiffer "DT030" "msi-map-differs" Info [] {
        "iommu-map and msi-map of a PCI host cover different requester IDs."
        "Devices in one of them only have either no IOMMU or no MSIs."
        seen ""
        help "Let both maps cover the buses of the host."
        see "linux of_map_id"
    }
    DmaRanges "DT031" "dma-ranges" Info [] {
        "A device that no IOMMU translates can only reach a part of memory."
        "Linux copies its buffers through bounce buffers."
        seen "Renesas R-Car and RZ/G2 trees of Linux"
        help "Wire it to the IOMMU, if it has one."
        see "linux of_dma_get_range"
    }
    BindingCells "DT032" "binding-cells" Warn [] {
        "An IOMMU has a number of #iommu-cells that its binding does not allow."
        "Its driver ignores or refuses the surplus cells."
        seen ""
        help "Use the number of the binding."
        see "Documentation/devicetree/bindings/iommu"
    }
    ClassicReading "DT033" "classic-reading" Info [MapEmpty MapRange EntryCut PhandleUnknown CellsLength CellsTooMany MapBase] {
        "Kernels before 7.3 read another map here: four cells in each entry, whatever the IOMMU wants."
        "They give devices IDs made of the wrong cells, without a word."
        seen "Qualcomm trees of Linux 7.2 with entries of five cells, wherever the count of cells is a multiple of four"
        help "Use such a tree with Linux 7.3 or later only."
        see "linux before v7.3 of_map_id"
    }

    MsiMapTarget "DT034" "msi-map-target" Warn [] {
        "An entry of msi-map leads to a node that is not an MSI controller."
        "Linux assumes a cell and finds no MSI domain at the node: the devices have no MSIs."
        seen ""
        help "Name the node with the property msi-controller."
        see "Documentation/devicetree/bindings/interrupt-controller/msi.txt; linux of_msi_xlate, of_msi_map_get_device_domain"
    }
    MapOutputWraps "DT035" "map-output-wraps" Warn [MapBeyondRid] {
        "The ids that an entry of a map gives go past 2^32."
        "Linux goes on at 0, where they are the ids of others."
        seen ""
        help "Correct the output base or the length of the entry."
        see "linux of_map_id"
    }
    LengthIsLast "DT036" "length-is-last" Warn [] {
        "The length of an entry of a map looks like the last id; the cell is the number of ids."
        "The last requester ID is in no entry: a function there has no IOMMU or no MSIs, and as an alias it costs others theirs."
        seen ""
        help "Store the number of ids: 0x10000 for all requester IDs."
        see "Documentation/devicetree/bindings/pci/pci-iommu.txt; linux of_map_id"
    }
    MapEmpty "DT037" "map-empty" Warn [] {
        "A map has no entry."
        "It matches nothing: no device is translated, or has MSIs, through it. Kernels before 7.3 fail with EINVAL."
        seen ""
        help "Write the entries, or leave the property out."
        see "linux of_map_id"
    }
    RegionUnreachable "DT038" "region-unreachable" Error [] {
        "A reserved region of a master is at an address that the dma-ranges of its bus do not pass on."
        "Linux cannot translate the address, and reads the rest of the list at address 0: the kernel crashes when the master is added."
        seen ""
        help "Write the address as the device's DMA sees it, before the dma-ranges of the bus; or extend dma-ranges."
        see "linux of_translate_dma_region, of_iommu_get_resv_regions"
    }
    IommuUndriven "DT040" "iommu-undriven" Warn [] {
        "Devices are wired to an IOMMU that no Linux driver translates for."
        "No driver binds to it, or the one that does takes no device: the devices reach all of memory."
        seen "Renesas trees of Linux: the driver of r8a7796's IPMMU takes no device"
        help "Add a compatible string that a driver has; or nothing, where the SoC's IOMMU cannot be used."
        see "linux drivers/iommu of_match_table; of_iommu_xlate; ipmmu_device_is_allowed; grant_dma_iommu_probe_device"
    }
    IgnoredOnPci "DT041" "ignored-on-pci" Warn [] {
        "The node of a PCI function has iommus or iommu-map."
        "Linux does not look at them: the map of the host's node decides for every function."
        seen ""
        help "Write the entry into the iommu-map of the host."
        see "linux of_iommu_configure, pci_dma_configure"
    }
    MapStride "DT042" "map-stride" Warn [] {
        "The map of a PCI host has entries of five cells, and the host's Linux driver reads four."
        "It fills its BDF-to-SID table with the wrong cells from the second entry on: functions send with StreamIDs that their IOMMU does not expect."
        seen "trees of Linux with Qualcomm hosts of version 1.9.0, since their maps have five cells an entry"
        help "Nothing in the tree; the driver has to step as of_map_id does."
        see "linux drivers/pci/controller/dwc/pcie-qcom.c qcom_pcie_config_sid_1_9_0"
    }
    RegionIgnored "DT043" "region-ignored" Info [] {
        "A region is to be mapped one to one for a device whose IOMMU's driver maps none."
        "A device that is at work when Linux starts, such as a display, faults as soon as its IOMMU is on."
        seen ""
        help "Nothing in the tree; the driver has to list reserved regions."
        see "linux of_iommu_get_resv_regions, iommu_dma_get_resv_regions"
    }
    SiblingWired "DT044" "sibling-wired" Info [] {
        "A device has no iommus, although another of its kind on the same bus has."
        "It masters memory as well as the other does, and no IOMMU translates it."
        seen ""
        help "Wire it to the IOMMU, if one is before it; nothing, if the SoC has none there."
        see "linux of_iommu_configure"
    }
    BootRefused "DT039" "boot-refused" Error [] {
        "Linux refuses the tree when it boots: its header does not pass libfdt's check."
        "The kernel stops before it prints a line, or goes on without a device tree."
        seen "trees edited by hand or with tools that do not align the memory reservation block"
        help "Compile the tree again with dtc: the reservation block stands at a multiple of 8, the structure block at a multiple of 4, the version is not below the last compatible one."
        see "linux early_init_dt_verify, scripts/dtc/libfdt/fdt.c fdt_check_header (misaligned blocks since 7.1)"
    }

    // -- what the maps mean --
    DmaHole "MAP001" "dma-hole" Warn [FirstNodeOutside MappingsNowhere MappingsOutside MappingsOnFields InputNotRid ReferenceNull ReferenceDangling ReferenceType CellsLength PhandleUnknown EntryCut CellsTooMany MapBase MapRange SegmentRepeated NodeOverrun NodeLengthZero InputWraps] {
        "Requester IDs of a bus reach neither an IOMMU nor an MSI controller, while others do."
        "A device there is not translated; where it is the alias of another device, that device loses its IOMMU as well."
        seen "NXP lx2160a's table and Qualcomm trees of Linux, which map the root port and one function below it"
        help "Extend the map over all buses of the host, or end the bus range where the map ends."
        see "linux iort_node_map_id, of_map_id"
    }
    Bypass "MAP002" "bypass" Info [] {
        "Requester IDs reach the MSI controller past every IOMMU."
        "Devices there have MSIs, and reach all of memory."
        seen "QEMU, for buses that are not in use"
        help "Nothing, if no device is there; else send them through the IOMMU."
        see "DEN0049 §3"
    }
    StreamShared "MAP003" "stream-shared" Error [SegmentRepeated OutputWraps RangeRepeat] {
        "Two sources have the same StreamID on one SMMU."
        "They cannot be told apart: an SMMUv3 refuses the second, which then has no IOMMU, yet reaches memory as the first."
        seen "ASPEED BMC on NVIDIA Grace: two functions with StreamID 0x5e200"
        help "Give each requester ID and component a StreamID of its own; move the output base of one of the two ranges."
        see "linux arm_smmu_insert_master: \"Aliasing StreamID unsupported\"; Arm BSA"
    }
    DeviceShared "MAP004" "device-id-shared" Error [RootSingle StreamShared SegmentRepeated OutputWraps RangeOverlap RangeRepeat CountIsN] {
        "Two sources have the same DeviceID at one MSI controller."
        "The interrupts of one device can be remapped by the owner of the other, and their event numbers collide."
        seen ""
        help "Move the output base of one of the two ranges."
        see "Arm BSA; linux its_msi_prepare shares the device table entry"
    }
    MsiHole "MAP005" "msi-hole" Warn [MappingsNowhere MappingsOutside MsiIndexTarget ReferenceNull ReferenceDangling ReferenceType InputWraps SingleNotAllowed] {
        "StreamIDs of an SMMUv3 that devices have do not lead on to an ITS group."
        "These devices have no MSI domain: drivers of PCI functions fall back to wires or fail; platform devices with wires lose nothing."
        seen "CIX Sky1: the second SMMUv3 has no mapping to the ITS"
        help "Map the StreamIDs of the SMMU to DeviceIDs of the ITS group."
        see "linux iort_get_msi_domain"
    }
    DialectsDisagree "MAP006" "dialects-disagree" Info [CountIsN ClassicReading] {
        "Operating systems read different maps here."
        "A device has another StreamID, or none, when another system or kernel version boots."
        seen ""
        help "Ask `fwspec lookup --dialect all` for the ids in question; mend overlaps, dangling references and counts."
        see "linux iort_id_map, FreeBSD acpi_iort.c, OpenBSD acpiiort.c"
    }
    BusUntranslated "MAP007" "bus-untranslated" Info [RimtLayout MappingsNowhere MappingsOutside ReferenceNull ReferenceDangling ReferenceType HostIommus] {
        "No function of a PCI host goes through an IOMMU, although the platform has some."
        "All of its devices reach all of memory."
        seen "most trees of Linux: hosts of which no IOMMU translates anything"
        help "Nothing, if the host has no IOMMU; else give it a map."
        see "linux iort_iommu_configure_id, of_pci_iommu_init"
    }
    StreamSharedV2 "MAP008" "stream-merged" Info [] {
        "Two masters have the same StreamID on an SMMUv1/v2."
        "They are one group, with one set of mappings."
        seen "Qualcomm boards, on purpose"
        help "Nothing, if they belong together."
        see "linux arm_smmu_device_group"
    }
    SeveralKinds "MAP009" "iommus-of-two-kinds" Error [] {
        "A device is wired to IOMMUs of two different kinds."
        "Linux refuses the second (EINVAL) and gives the device no IOMMU at all."
        seen ""
        help "Wire it to IOMMUs of one driver."
        see "linux iommu_fwspec_init"
    }

    SeveralInstances "MAP012" "several-instances" Error [] {
        "A device is wired to two instances of an SMMU."
        "Linux programs all ids of a record on the first instance: what the device sends through the second is not translated, or faults."
        seen "SoCs with two SMMUs"
        help "Wire it to one; a device that really masters through two cannot be described to Linux."
        see "linux iommu_fwspec_init, arm_smmu_probe_device"
    }
    StreamTwoGroups "MAP010" "stream-two-groups" Error [] {
        "A device shares StreamIDs of an SMMUv1/v2 with devices of two groups."
        "Linux refuses it with EINVAL, and since v6.15 the whole SMMU with it, when it registers."
        seen ""
        help "Give the device StreamIDs of its own, or list it before those that share one each."
        see "linux arm_smmu_device_group"
    }
    StreamGroupLost "MAP011" "stream-group-lost" Warn [] {
        "A device shares a StreamID of an SMMUv1/v2 with another, and its last StreamID is shared with no other."
        "Linux finds the group of the shared StreamID and then drops it, for the last one decides: two groups share a stream, and each can be given away without the other."
        seen ""
        help "Write the shared id last, until the kernel is mended."
        see "linux arm_smmu_device_group"
    }

    // -- what only the devices that are there show --
    DeviceUnmapped "GRP001" "device-unmapped" Warn [] {
        "A PCI function that is there has no StreamID, although its host has a map."
        "It reaches all of memory, and taints the groups of those it is not isolated from."
        seen ""
        help "Map its requester ID, or keep the device out of that slot."
        see "linux iort_iommu_configure_id, of_iommu_configure"
    }
    AliasSplit "GRP002" "alias-split" Error [] {
        "A bridge sends for a function with a requester ID that has no StreamID, or one on another IOMMU."
        "DMA that carries the bridge's ID is not translated as the function's; with a device tree the function has no IOMMU at all."
        seen ""
        help "Map the secondary bus of the bridge to the IOMMU that the functions below it are on."
        see "linux pci_for_each_dma_alias, pci_device_group"
    }
    GhostAlias "GRP003" "ghost-alias" Warn [] {
        "A function is known to send with another function's requester ID, which is not mapped as its own is."
        "DMA with that ID faults or is not translated; with a device tree the function has no IOMMU at all."
        seen "Marvell 88SE91xx SATA: function 1, which no scan finds"
        help "Map all functions of the slot, also those that are not there."
        see "linux drivers/pci/quirks.c quirk_dma_func1_alias"
    }
    PortWithoutAcs "GRP004" "port-without-acs" Info [] {
        "A port does not isolate: what is below it shares a group with it."
        "The devices can only be given away together."
        seen "HiSilicon D05; AMD G-series (PC Engines APU2)"
        help "Nothing, if they belong together; else switch access control services on, or move a device."
        see "linux pci_acs_path_enabled"
    }
    SwitchNotIsolated "GRP005" "switch-not-isolated" Warn [] {
        "Inside a switch peers reach each other past the IOMMU, yet Linux has them in several groups."
        "A device that is given away may reach the memory of a device in another group."
        seen ""
        help "Switch access control services on at every downstream port of the switch; `fwspec groups --policy strict` shows which devices belong together."
        see "PCIe 6.0 §6.12; linux pci_device_group looks at the way up only"
    }
    StreamBeyondTable "GRP006" "stream-beyond-table" Error [] {
        "A device has a StreamID with more bits than the SMMUv3 implements."
        "Linux refuses it with ERANGE: the device has no driver."
        seen ""
        help "Move the output base of the mapping below two to the power of SMMU_IDR1.SIDSIZE."
        see "linux arm_smmu_sid_in_range"
    }
    DevicesShareStream "GRP007" "devices-share-stream" Error [] {
        "Two devices that are there have the same StreamID on an IOMMU that refuses the second."
        "The second has no IOMMU and its driver does not bind, yet its DMA passes as the first's."
        seen "ASPEED BMC on NVIDIA Grace, behind a PCIe-to-PCI bridge"
        help "Give each a StreamID of its own; behind a bridge that takes ownership, keep one device only."
        see "linux arm_smmu_insert_master: \"Aliasing StreamID unsupported\""
    }
    AcsNotRequested "GRP008" "acs-not-requested" Info [] {
        "Ports could isolate, and no kernel function switches that on: by a RIMT Linux does not ask for ACS."
        "Groups are coarser than by the device tree of the same machine: what is below such a port can only be given away together."
        seen "QEMU virt with iommu-sys=on, Linux 7.2: one group of seven functions by RIMT, four by device tree"
        help "Switch ACS on before the kernel (firmware), or with pci=config_acs= on the kernel's command line."
        see "linux drivers/acpi/riscv/rimt.c, which has no pci_request_acs(); drivers/iommu/of_iommu.c of_iommu_configure has one"
    }
    // -- RIMT and VIOT --
    RimtUnreadable "RIMT001" "rimt-unreadable" Error [] {
        "A record of the RIMT cannot be read as what it should be: cut short, of an unknown type, or with mappings outside of it."
        "What the record is about has no IOMMU; Linux checks none of this and reads whatever bytes are there."
        seen ""
        help "Set the length, type and mapping fields of the node to what is there."
        see "RISC-V IO Mapping Table specification 1.0 §2; linux drivers/acpi/riscv/rimt.c rimt_scan_node"
    }
    RimtReference "RIMT002" "rimt-reference" Error [] {
        "A mapping of the RIMT leads to no IOMMU of the table."
        "Its device IDs are lost; Linux takes whatever bytes are at the offset for a node."
        seen ""
        help "Set the destination offset to where an IOMMU node starts, counted from the start of the table."
        see "RISC-V IO Mapping Table specification 1.0 §2.3; linux rimt_node_map_id"
    }
    RimtCountZero "RIMT003" "rimt-count-zero" Warn [] {
        "A mapping of the RIMT counts 0 IDs."
        "It maps nothing by the specification, and one ID on Linux, which takes the count for the number of IDs minus one."
        seen ""
        help "Count the IDs: 1 for a single one."
        see "RISC-V IO Mapping Table specification 1.0 §2.3; linux rimt_id_map"
    }
    RimtCountReading "RIMT004" "rimt-count-reading" Warn [RimtReference] {
        "A requester ID is mapped differently by Linux, which takes one ID more into every range, than by the specification."
        "The device has another ID, or another IOMMU, than the table means; elsewhere it may have none."
        seen "the specification counts IDs where Linux, whose code comes from IORT, counts IDs minus one"
        help "Where another range begins at the ID after this one, put it before this one in the table; else use no function with that ID."
        see "RISC-V IO Mapping Table specification 1.0 §2.3; linux rimt_id_map"
    }
    ViotUnreadable "VIOT001" "viot-unreadable" Error [] {
        "A node of the VIOT cannot be read as what it should be: cut short, or of an unknown type."
        "What the node is about has no IOMMU; an endpoint's node that is too short ends Linux's reading of the table, and what comes after it has none either."
        seen ""
        help "Set the length and type of the node to what is there."
        see "ACPI 6.5 §5.2.36; linux drivers/acpi/viot.c viot_check_bounds, viot_parse_node"
    }
    ViotOutputNode "VIOT002" "viot-output-node" Error [] {
        "The output node of an endpoint is not a virtio-iommu."
        "Nothing translates the endpoints: Linux leaves them out with a warning."
        seen ""
        help "Set the output node to the offset of a virtio-iommu's node, counted from the start of the table."
        see "ACPI 6.5 §5.2.36.1; linux viot_get_iommu"
    }
    ViotRange "VIOT003" "viot-range" Warn [] {
        "A PCI range holds no function, or names more segments than any machine has."
        "Functions that it was meant for reach memory untranslated."
        seen ""
        help "Put the first segment and requester ID before the last, and name only segments that are there."
        see "ACPI 6.5 §5.2.36.1; linux viot_pci_dev_iommu_init"
    }
    ViotOverlap "VIOT004" "viot-overlap" Warn [] {
        "Two PCI ranges hold the same functions."
        "Linux takes the last one in the table, another system may take the first: the function then has another endpoint ID or IOMMU."
        seen ""
        help "Cut the ranges so that each function is in one."
        see "linux viot_parse_node, which puts each endpoint in front of its list"
    }
    RimtLayout "RIMT005" "rimt-layout" Error [] {
        "A node of the RIMT is not laid out as the specification 1.0 has it: bytes that no field or mapping has are not zero, or fields hold what they cannot."
        "What the node should say is not read: Linux finds no mapping, and the devices have no IOMMU."
        seen "tables written after a draft of the specification, in which the fields stand at other places; a published crate still does"
        help "Write the node as in the ratified specification: reserved and identifier after the length; segment, mapping offset and mapping count at bytes 14, 16 and 18 of a root complex."
        see "RISC-V IO Mapping Table specification 1.0 §2; linux include/acpi/actbl2.h struct acpi_rimt_pcie_rc"
    }
    RimtReserved "RIMT006" "rimt-reserved" Info [RimtLayout] {
        "A reserved field or bit of the RIMT is not zero."
        "A later revision may give it a meaning."
        seen ""
        help "Clear it."
        see "RISC-V IO Mapping Table specification 1.0 §2"
    }
    ViotReserved "VIOT005" "viot-reserved" Info [] {
        "A reserved field of the VIOT is not zero."
        "A later revision may give it a meaning."
        seen ""
        help "Clear it."
        see "ACPI 6.5 §5.2.36"
    }
    ViotStrayBytes "VIOT006" "viot-stray-bytes" Warn [] {
        "Bytes after the fields of a VIOT node, or after the last node, are not zero."
        "No system reads them: a type, a length or the number of nodes is wrong."
        seen ""
        help "Set type, length and number of nodes to what is there."
        see "ACPI 6.5 §5.2.36; linux acpi_viot_init, viot_parse_node"
    }
    // -- DMAR --
    DmarUnreadable "DMAR001" "dmar-unreadable" Error [] {
        "A structure of the DMAR cannot be read: it is shorter than its fields, or of no length."
        "What it is about is lost; a structure of no length ends Linux's reading of the table without a word."
        seen ""
        help "Set the length of the structure to the bytes that it has."
        see "Intel VT-d specification 4.1 §8.2; linux drivers/iommu/intel/dmar.c dmar_walk_remapping_entries"
    }
    DmarStructureType "DMAR002" "dmar-structure-type" Info [] {
        "A structure is of a type that no specification read here defines."
        "Linux passes over it."
        seen ""
        help "None needed where the table is of a later specification."
        see "Intel VT-d specification 4.1 §8.2; linux dmar_walk_remapping_entries"
    }
    DmarScopeLength "DMAR003" "dmar-scope-length" Error [] {
        "A device scope is shorter than its own fields."
        "Linux goes on by that length: with 0 it never ends, and the machine does not boot."
        seen "a boot of Linux 7.3 that never printed a line"
        help "Set the length of the scope to 6 and 2 more for each element of its path."
        see "Intel VT-d specification 4.1 §8.3.1; linux drivers/iommu/intel/dmar.c dmar_alloc_dev_scope"
    }
    DmarScopeOverrun "DMAR004" "dmar-scope-overrun" Error [] {
        "A device scope runs past the end of its structure."
        "Linux reads the path on into the next structure: the scope names another device, or none."
        seen ""
        help "Set the lengths of the scope and of the structure to the bytes that they have."
        see "Intel VT-d specification 4.1 §8.3.1; linux drivers/iommu/intel/dmar.c dmar_insert_dev_scope"
    }
    DmarScopeOdd "DMAR005" "dmar-scope-odd" Warn [] {
        "The path of a device scope ends in half an element, or has none."
        "The half counts for nothing; a scope without a path names no device."
        seen ""
        help "Give the scope two bytes, device and function, for each bridge on the way and for the device."
        see "Intel VT-d specification 4.1 §8.3.1; linux dmar_insert_dev_scope"
    }
    DmarScopeNumber "DMAR006" "dmar-scope-number" Warn [] {
        "A device scope is of a type that is not defined, or its path holds a number that no device or function has."
        "It names no device: Linux says \"Unsupported device scope\" for the type, and nothing for the number."
        seen ""
        help "Use types 1 to 5, device numbers to 0x1f and function numbers to 7."
        see "Intel VT-d specification 4.1 §8.3.1; linux dmar_alloc_dev_scope, dmar_match_pci_path"
    }
    DmarRefused "DMAR007" "dmar-refused" Error [DmarUnreadable] {
        "Linux refuses the table as a whole."
        "No device is translated by any of its units."
        seen ""
        help "Mend what the message names."
        see "linux drivers/iommu/intel/dmar.c parse_dmar_table"
    }
    DmarNoUnit "DMAR008" "dmar-no-unit" Error [DmarUnreadable] {
        "The table has no remapping hardware unit."
        "No device is translated: Linux says \"No DRHD structure found in DMAR table\"."
        seen ""
        help "Add a DRHD structure for each unit."
        see "Intel VT-d specification 4.1 §8.3; linux parse_dmar_table"
    }
    DmarUnitRepeated "DMAR009" "dmar-unit-repeated" Warn [] {
        "Two units of one segment have the same registers."
        "Linux takes the first only, and what the second lists is translated by no unit of its own."
        seen ""
        help "List everything that the unit is for in one DRHD structure."
        see "linux drivers/iommu/intel/dmar.c dmar_find_dmaru"
    }
    DmarAllNotLast "DMAR010" "dmar-all-not-last" Warn [] {
        "The unit for all devices of a segment is not its last one, or there are two."
        "Linux asks it after the others all the same, and never asks the second; another system may give it devices that later units list."
        seen ""
        help "Put the one DRHD structure with INCLUDE_PCI_ALL after all others of its segment."
        see "Intel VT-d specification 4.1 §8.3; linux dmar_register_drhd_unit"
    }
    DmarRegionBackwards "DMAR011" "dmar-region-backwards" Error [] {
        "The last address of a reserved region is below its first."
        "Linux complains and takes the region as it is; nothing is mapped, and the device's DMA there fails."
        seen "a boot of Linux 7.3"
        help "Set the end address to the last byte of the region."
        see "Intel VT-d specification 4.1 §8.4; linux drivers/iommu/intel/iommu.c rmrr_sanity_check"
    }
    DmarRegionUnaligned "DMAR012" "dmar-region-unaligned" Warn [DmarRegionBackwards] {
        "A reserved region does not start or end at a page of 4 KiB."
        "Linux complains, taints itself, and maps whole pages: the device reaches what is beside the region."
        seen ""
        help "Let the region start and end at a multiple of 4096."
        see "Intel VT-d specification 4.1 §8.4; linux rmrr_sanity_check"
    }
    DmarRegion "DMAR013" "dmar-region" Info [] {
        "Firmware uses memory through a device."
        "Linux keeps the memory mapped one to one and does not give the device to a user (VFIO), unless it is a USB controller or a display."
        seen "most laptops, for the graphics and the USB controllers; servers, for management controllers"
        help "None needed; to assign a device, look for a setup option that turns the feature off."
        see "Intel VT-d specification 4.1 §8.4; linux drivers/iommu/iommu.c __iommu_group_set_domain_internal, require_direct"
    }
    DmarNamespaceScope "DMAR014" "dmar-namespace-scope" Warn [] {
        "A namespace device has no device scope, so that nothing says with which requester ID it sends."
        "Linux says \"No IOMMU scope found for ANDD enumeration ID\", and no unit translates the device."
        seen ""
        help "Add a scope of type 5 with the device number of the ANDD structure to a unit."
        see "Intel VT-d specification 4.1 §8.7; linux dmar_acpi_insert_dev_scope"
    }
    DmarAffinity "DMAR015" "dmar-affinity" Warn [] {
        "An affinity structure is about registers that no unit has."
        "Linux complains, taints itself, and leaves the unit without a proximity domain."
        seen ""
        help "Set the register base address to that of a DRHD structure."
        see "Intel VT-d specification 4.1 §8.6; linux dmar_parse_one_rhsa"
    }
    DmarScopeType "DMAR016" "dmar-scope-type" Error [] {
        "A device scope says endpoint where a bridge is, or bridge where an endpoint is."
        "Linux says \"Device scope type does not match\" and gives up all units: no device is translated."
        seen "a boot of Linux 7.3"
        help "Use type 1 for functions with an endpoint's header and type 2 for bridges."
        see "Intel VT-d specification 4.1 §8.3.1; linux drivers/iommu/intel/dmar.c dmar_insert_dev_scope"
    }
    DmarUnitEmpty "DMAR017" "dmar-unit-empty" Warn [DmarScopeType] {
        "No device that a unit lists is there."
        "Linux ignores the unit."
        seen ""
        help "List devices that are there, or leave the structure out where the unit has none."
        see "linux drivers/iommu/intel/iommu.c init_no_remapping_devices"
    }
    DmarBridgeLeftOut "DMAR018" "dmar-bridge-left-out" Error [DmarScopeType] {
        "A unit translates a device behind a bridge that sends in its place, and no unit translates the bridge."
        "Linux dies at boot: it writes the device's entry for the bridge's requester ID and follows a pointer that the bridge does not have."
        seen "a boot of Linux 7.3, which died of a NULL pointer"
        help "List the bridge, with type 2, and not the device behind it."
        see "linux drivers/iommu/intel/iommu.c domain_context_mapping_cb"
    }
    DmarPort "DMAR019" "dmar-port" Warn [DmarScopeType] {
        "What an ATSR structure lists is not a root port."
        "It changes nothing: Linux looks for the root port above a device."
        seen ""
        help "List root ports, or set ALL_PORTS."
        see "Intel VT-d specification 4.1 §8.5; linux drivers/iommu/intel/iommu.c dmar_ats_supported"
    }
    DmarOwnBus "DMAR020" "dmar-own-bus" Warn [] {
        "A path starts on the bus of the device itself, which is below a bridge, and not on a root bus."
        "Linux finds the device all the same and says so; other systems need not, and bus numbers may change."
        seen "RMRR structures of some laptops, which the kernel calls \"broken - applying workaround\""
        help "Start on the root bus and name the bridges on the way."
        see "Intel VT-d specification 4.1 §8.3.1; linux drivers/iommu/intel/dmar.c dmar_match_pci_path"
    }
    // -- IVRS --
    IvrsUnreadable "IVRS001" "ivrs-unreadable" Error [] {
        "A block of the IVRS cannot be read: it is shorter than its fields, runs past the table, or has no length."
        "What it is about is lost; Linux never ends at a block of no length."
        seen ""
        help "Set the length of the block to the bytes that it has."
        see "AMD IOMMU specification 3.10 §5.2; linux drivers/iommu/amd/init.c init_iommu_all"
    }
    IvrsBlockType "IVRS002" "ivrs-block-type" Info [] {
        "A block is of a type that no specification read here defines."
        "Linux passes over it."
        seen ""
        help "None needed where the table is of a later specification."
        see "AMD IOMMU specification 3.10 §5.2; linux init_iommu_all"
    }
    IvrsEntryType "IVRS003" "ivrs-entry-type" Error [] {
        "A device entry is of a type that says nothing about its length."
        "Linux takes the length for 0 and never ends: the machine does not boot."
        seen ""
        help "Use types below 0x80, or 0xf0."
        see "AMD IOMMU specification 3.10 §5.2.2.2; linux drivers/iommu/amd/init.c ivhd_entry_length"
    }
    IvrsEntryOverrun "IVRS004" "ivrs-entry-overrun" Error [] {
        "A device entry runs past the end of its block."
        "Linux reads the entry on into the next block."
        seen ""
        help "Set the length of the block to the end of its last entry."
        see "AMD IOMMU specification 3.10 §5.2.2.2; linux init_iommu_from_acpi"
    }
    IvrsRefused "IVRS005" "ivrs-refused" Error [IvrsEntryType IvrsEntryOverrun] {
        "Linux refuses the table as a whole."
        "No device is translated by any of its units."
        seen "a boot of Linux 7.3, of a unit without entries"
        help "Mend what the message names."
        see "linux drivers/iommu/amd/init.c early_amd_iommu_init"
    }
    IvrsTypesDisagree "IVRS006" "ivrs-types-disagree" Warn [IvrsEntryType IvrsEntryOverrun] {
        "Blocks of different types say of the same function that it has different units, or none."
        "Linux reads one type only, an older system another: a function is translated by the one and not by the other."
        seen ""
        help "Give the blocks of all types the same device entries."
        see "AMD IOMMU specification 3.10 §5.2.2; linux drivers/iommu/amd/init.c get_highest_supported_ivhd_type"
    }
    IvrsAliasBus "IVRS007" "ivrs-alias-bus" Info [] {
        "A function sends with a requester ID of another bus."
        "Linux copies the translation to that ID; it makes no group of the two."
        seen "boards with a PCIe-to-PCI bridge, for the functions behind it"
        help "None needed where the ID is that of a bridge above the function."
        see "AMD IOMMU specification 3.10 §5.2.2.2; linux drivers/iommu/amd/iommu.c setup_aliases"
    }
    IvrsRangeBackwards "IVRS008" "ivrs-range-backwards" Warn [] {
        "The last function of a range is before its first, or the range has no beginning."
        "Linux claims no function by the one, and goes on from the range before by the other."
        seen ""
        help "Put an entry for the first function before that for the last."
        see "AMD IOMMU specification 3.10 §5.2.2.2; linux drivers/iommu/amd/init.c init_iommu_from_acpi"
    }
    IvrsRegion "IVRS009" "ivrs-region" Info [] {
        "Firmware uses memory through devices."
        "Linux keeps the memory mapped one to one and gives none of the devices to a user (VFIO)."
        seen ""
        help "None needed; to assign a device, look for a setup option that turns the feature off."
        see "AMD IOMMU specification 3.10 §5.2.3; linux drivers/iommu/iommu.c require_direct"
    }
    IvrsRegionDenied "IVRS010" "ivrs-region-denied" Error [] {
        "Memory is to be mapped for devices that may neither read nor write it."
        "Linux cannot map it, and gives up all units if one of the devices is there: no device is translated."
        seen "a boot of Linux 7.3"
        help "Set the read and write flags of the block."
        see "AMD IOMMU specification 3.10 §5.2.3; linux drivers/iommu/amd/init.c init_unity_map_range"
    }
    IvrsRegionUnused "IVRS011" "ivrs-region-unused" Warn [] {
        "A block of memory is neither to be mapped one to one nor an exclusion range."
        "Linux passes over it: the devices' DMA there fails."
        seen "a boot of Linux 7.3"
        help "Set the unity flag of the block."
        see "AMD IOMMU specification 3.10 §5.2.3; linux init_memory_definitions"
    }
    IvrsUnitAbsent "IVRS012" "ivrs-unit-absent" Error [] {
        "The function that a unit is said to be is not there."
        "Linux gives up all units: no device is translated."
        seen ""
        help "Set the device ID of the block to the function with the IOMMU's capability."
        see "linux drivers/iommu/amd/init.c iommu_init_pci"
    }
}

impl Code {
    /// The code or name as people write it: `IORT004`, `iort004`, `iort4`, `range-overlap`.
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

/// What each sample of `firmware-samples/broken` shows, a line a code. `BLESS=1 cargo test --test it lint::` writes it.
const CASES: &str = include_str!("cases.txt");

impl Code {
    /// What the smallest sample shows that has it: the place and the message. The sample is in `firmware-samples/broken`, in a
    /// folder of the code's id and name.
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

/// No finding has this code or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no finding has this code: `fwspec explain --list` has them all")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    /// As [`Code::named`].
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Code::named(text).ok_or(UnknownCode)
    }
}
