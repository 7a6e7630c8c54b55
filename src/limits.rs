//! Every bound on work, memory and output that firmware could ask for, on one page. A bound is far beyond what real firmware has; what
//! lies past it is counted, reported as an [`Error`](crate::Error) or said to be left out, never dropped in silence.
// Which of them are needed depends on the features.
#![cfg_attr(not(all(feature = "std", feature = "archives", feature = "serde")), allow(dead_code))]

/// PCI functions of a log whose ids are kept, to tell whether it is of the machine: the first of them say enough.
#[cfg(feature = "alloc")]
pub(crate) const MAX_LOG_FUNCTIONS: usize = 4096;

/// How many missing parts of a listing are reported: the first ones are enough.
#[cfg(feature = "alloc")]
pub(crate) const MAX_GAPS: usize = 16;

/// How many of these one sentence names.
#[cfg(feature = "alloc")]
pub(crate) const MAX_GAPS_TOLD: usize = 4;

/// Bytes of a file that is read: every format here counts in 32 bits.
pub(crate) const MAX_FILE_BYTES: u64 = u32::MAX as u64;

/// Bytes of a file of unknown kind that are read before it is skipped: a disk image is not read to its end.
pub(crate) const MAX_GLANCE_BYTES: u64 = 64 * 1024;

/// Containers in one another that are opened: a compressed archive with an image with a kernel with a tree in it takes five.
#[cfg(feature = "alloc")]
pub(crate) const MAX_CONTAINER_DEPTH: usize = 8;

/// Bytes that compressed files and archives may unpack to and that are held, in all: a bomb costs no more than this beside its own size. A
/// kernel image unpacks to 60 MB.
#[cfg(feature = "alloc")]
pub(crate) const MAX_UNPACKED_BYTES: usize = 256 << 20;

/// Bytes of an archive that are unpacked in all to find what is useful in it; most are not held. Reports of large servers unpack to some
/// hundred MB.
#[cfg(feature = "alloc")]
pub(crate) const MAX_STREAMED_BYTES: u64 = 1 << 30;

/// Bytes of a name in an archive (linux `PATH_MAX`).
#[cfg(feature = "archives")]
pub(crate) const MAX_NAME_BYTES: u64 = 4096;

/// Bytes of a file of a running system that is kept by its place in an archive: tables and trees have some hundred KB.
#[cfg(feature = "archives")]
pub(crate) const MAX_SYSTEM_FILE_BYTES: u64 = 16 << 20;

/// Links that are followed on one path (linux `MAXSYMLINKS`).
#[cfg(feature = "std")]
pub(crate) const MAX_LINKS_FOLLOWED: usize = 40;

/// Bytes of an ACPI table: four characters of text, taken for a length, make at least 150 MB.
pub(crate) const MAX_TABLE_BYTES: u32 = 0x08ff_ffff;

/// Nodes of one kind that an id is followed through: requester to requester, IOMMU to IOMMU. Real firmware has a chain of two or
/// three; without a bound a table of n nodes in a row would cost n² steps.
pub(crate) const MAX_HOPS: usize = 64;

/// Segments of one VIOT range: what is lowered from them must stay a small multiple of the table. No machine has a tenth as many.
pub(crate) const MAX_VIOT_SEGMENTS: usize = 64;

/// Mappings that VIOT ranges of several segments may be written out to, beside two for every node of the table: again a small
/// multiple of the table.
pub(crate) const MAX_VIOT_SPARE_MAPPINGS: usize = 256;

/// Units of one DMAR that are compared with each other: the time stays linear in the table. No machine has a tenth as many.
pub(crate) const MAX_DMAR_UNITS: usize = 256;

/// Claims of different IVRS units on one function that are compared with those before them: the time stays linear in the table. No
/// table has a tenth as many.
pub(crate) const MAX_IVRS_CLAIMS: usize = 64;

/// Cells of a device-tree specifier (linux `MAX_PHANDLE_ARGS`): Linux reads no more.
pub(crate) const MAX_SPECIFIER_CELLS: u32 = 16;

/// Cells of `ranges` that address translations may look at, in all, for each node of the tree. A hostile tree of a million IOMMUs
/// below a million ranges then costs a few bases, not hours; real trees use a hundredth.
pub(crate) const MAX_RANGES_CELLS_PER_NODE: usize = 256;

/// Bytes of the paths that the labels of one device-tree overlay may add to its base: each repeats the path of its target, and real
/// overlays have some hundred labels.
#[cfg(feature = "alloc")]
pub(crate) const MAX_SYMBOL_BYTES: usize = 1 << 20;

/// Levels of a device-tree path that are written out, the deepest: real trees have less than ten.
pub(crate) const MAX_PATH_LEVELS: usize = 64;

/// Records that could not be read and whose place in a device tree is looked up
/// ([`Firmware::places`](crate::machine::Firmware::places)): each walks the tree, and a reader needs no more.
#[cfg(feature = "alloc")]
pub const MAX_PLACES: usize = 256;

/// Findings of one code that are kept; the others are only counted. A hostile table of a million bad records then gives a report
/// that can be read.
pub(crate) const MAX_FINDINGS_PER_CODE: u32 = 1000;

/// Findings of one code that are kept of a small blob, and one more for each [`BYTES_PER_FINDING`]: what is said of a blob stays
/// within a multiple of its size.
pub(crate) const MAX_FINDINGS_OF_SMALL: u32 = 32;

/// Bytes of a blob that allow one finding of a code more than [`MAX_FINDINGS_OF_SMALL`].
pub(crate) const BYTES_PER_FINDING: u32 = 512;

/// Distinct stream masks of one SMMU that are compared with each other: pairs grow with the square, real trees have five at most.
pub(crate) const MAX_MASKS_COMPARED: usize = 16;

/// Ranges of shared ids of one IOMMU or controller that an audit lists: hostile firmware has one for every two mappings.
pub(crate) const MAX_SHARED_IDS: usize = 1_000;

/// Sources of one shared range that an audit names; the others are counted, so that a line can be read.
pub(crate) const MAX_SOURCES_NAMED: usize = 8;

/// Members of a group that the message of a finding names, so that it stays a sentence.
pub(crate) const MAX_MEMBERS_NAMED: usize = 8;

/// Other nodes that a finding about many of them names, so that its list can be read.
pub(crate) const MAX_NODES_NAMED: usize = 4;

/// Ranges of ids that the message of a finding names, so that it stays a sentence.
pub(crate) const MAX_RANGES_NAMED: usize = 3;

/// Schedules of each kind that a search for an order which breaks an algorithm tries: real counterexamples are among the first few.
pub(crate) const MAX_SCHEDULES: usize = 1_000;

/// Events in the schedules of a kind, about: in a machine of many functions fewer schedules are tried, so that a search ends in
/// seconds.
pub(crate) const MAX_SCHEDULE_EVENTS: usize = 200_000;

/// Composed DeviceID ranges that one document holds; then it says `truncated`. Small tables can compose to ranges without number.
pub const MAX_DEVICE_RANGES: usize = 65_536;

/// Bytes of the running kernel's log that are read: the most that it keeps by default, several times (linux `CONFIG_LOG_BUF_SHIFT`).
#[cfg(feature = "std")]
pub const MAX_LOG_BYTES: usize = 16 * 1024 * 1024;

/// Different lines of a log that are kept; the others are counted. A log of millions of lines has some hundreds.
#[cfg(feature = "alloc")]
pub const MAX_LOG_ENTRIES: usize = 10_000;

/// Bytes of a line of a log that are looked at. The kernel prints up to a thousand at once.
#[cfg(feature = "alloc")]
pub(crate) const MAX_LOG_LINE_BYTES: usize = 4096;

/// Lines that continue another one and are kept beside it: the longest dump of a fault has a dozen.
#[cfg(feature = "alloc")]
pub(crate) const MAX_LOG_LINES_JOINED: usize = 16;

/// Bytes of a text that are examined for what precedes each of its lines: a listing starts near the start.
#[cfg(feature = "alloc")]
pub(crate) const MAX_FRONT_BYTES: usize = 1 << 20;

/// Lines of such a text that may seem to show it, and of which the following ones say that they do not.
#[cfg(feature = "alloc")]
pub(crate) const MAX_FRONTS_TRIED: usize = 64;

/// Folders below one that are looked through: an unpacked report has some hundreds.
#[cfg(feature = "std")]
pub(crate) const MAX_FOLDERS: usize = 10_000;
