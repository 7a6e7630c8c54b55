//! Firmware that a user has: opened by content, lowered, with its nodes found by the names that people use.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::acpi::container::{self, Tables};
use crate::acpi::dmar::Dmar;
use crate::acpi::iort::{self, Iort};
use crate::acpi::ivrs::Ivrs;
use crate::acpi::rimt::Rimt;
use crate::acpi::viot::Viot;
use crate::acpi::{Madt, Mcfg};
use crate::dt::Tree;
use crate::limits::MAX_PLACES;
use crate::model::{IommuIndex, Requester, RequesterIndex, RequesterKind};
use crate::{Error, ErrorKind, Format, Platform, RequesterId, Segment, error::Source};

use super::dumps;
use super::forms::recognise;
use super::kind::Kind;
use super::mangled::mangled;

/// One opened firmware: its facts, and the bytes that they were read from.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// The user's name for it, usually a file name.
    pub file: String,
    /// Its facts.
    pub platform: Platform,
    table: Bytes,
    companions: Vec<Companion>,
}

/// Another table that describes IOMMUs, beside an IORT or without one: RIMT, VIOT, DMAR, IVRS.
#[derive(Clone, Debug)]
struct Companion {
    source: Source,
    /// The facts of this table alone; the firmware's facts have them, too.
    platform: Platform,
    bytes: Vec<u8>,
}

/// The bytes that the facts were read from.
#[derive(Clone, Debug)]
enum Bytes {
    DeviceTree(Vec<u8>),
    Iort(Vec<u8>, Source),
    /// There is no IORT: the other tables are in `companions`, and their facts in those of the firmware.
    None,
}

impl Firmware {
    /// Opens a device tree, an IORT, a RIMT, a VIOT, a DMAR, an IVRS, an MCFG, a MADT, several ACPI tables in a row, or the text of
    /// acpidump.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::machine::Firmware;
    /// let firmware = Firmware::open("iort.bin", Builder::new(6).finish())?;
    /// assert!(firmware.platform.iommus.is_empty());
    /// assert!(Firmware::open("notes.txt", b"not firmware".to_vec()).is_err());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unrecognised`] for anything else, [`ErrorKind::NoFirmwareTable`] for ACPI tables of which none is read, and any
    /// error that keeps the only table or tree from being read.
    pub fn open(file: &str, bytes: Vec<u8>) -> Result<Self, Error> {
        Self::open_or_return(file, bytes).map_err(|(error, _)| error)
    }

    /// As [`open`](Firmware::open), but a device tree that cannot be read is given back beside the error, so that [`Tree::place`]
    /// can describe the place of the error.
    ///
    /// # Errors
    /// As [`open`](Firmware::open).
    pub fn open_or_return(file: &str, bytes: Vec<u8>) -> Result<Self, (Error, Option<Vec<u8>>)> {
        if let Some(mangling) = mangled(&bytes) {
            return Err((refused(ErrorKind::Mangled(mangling)), None));
        }
        let kind = recognise(&bytes);
        let (platform, table) = match kind {
            Kind::DeviceTree | Kind::Overlay => match Tree::parse(&bytes).and_then(|tree| tree.platform()) {
                Ok(platform) => (platform, Bytes::DeviceTree(bytes)),
                Err(error) => return Err((error, Some(bytes))),
            },
            Kind::AcpiTable(_) | Kind::AcpiTables(_) => {
                let opened = container::tables(&bytes).and_then(|tables| Firmware::of_tables(file, tables));
                return opened.map_err(|error| (error, None));
            }
            Kind::AcpidumpText => {
                let opened = Firmware::of_tables(file, dumps::tables(&bytes).0);
                return opened.map_err(|error| (error, None));
            }
            Kind::Hexdump => {
                let blob = dumps::blocks(&bytes).into_iter().find(|block| block.fault.is_none());
                let blob = blob.map(|block| block.bytes).filter(|blob| recognise(blob) != Kind::Hexdump);
                return Self::open_or_return(file, blob.unwrap_or_default());
            }
            Kind::Empty => return Err((refused(ErrorKind::Empty), None)),
            Kind::Fit
            | Kind::AndroidBoot
            | Kind::VendorBoot
            | Kind::TreeTable
            | Kind::AndroidSparse
            | Kind::Spelled
            | Kind::Report
            | Kind::Image
            | Kind::Gzip
            | Kind::Xz
            | Kind::Zstd
            | Kind::Lz4
            | Kind::Lzma
            | Kind::Bzip2
            | Kind::Tar
            | Kind::Zip => {
                return Err((refused(ErrorKind::Container), None));
            }
            Kind::LspciText
            | Kind::LspciVerbose
            | Kind::KernelLog
            | Kind::GroupList
            | Kind::PciIds
            | Kind::Refused(_)
            | Kind::Sysfs
            | Kind::Folder
            | Kind::Unknown => {
                let start = bytes.first_chunk().copied().unwrap_or_default();
                return Err((refused(ErrorKind::Unrecognised(start)), None));
            }
        };
        Ok(Firmware { file: file.to_string(), platform, table, companions: Vec::new() })
    }

    /// Adds another file of the same machine: the buses of an MCFG, the ITS units of a MADT, a VIOT beside an IORT. Of two tables
    /// with one name the first is used, as in Linux.
    pub fn join(&mut self, other: Firmware) {
        if matches!(self.table, Bytes::None) && !matches!(other.table, Bytes::None) {
            let mine = core::mem::replace(self, other);
            return self.join(mine);
        }
        self.platform.buses.extend(other.platform.buses);
        if let Some(units) = other.platform.its_units {
            self.platform.its_units.get_or_insert_default().extend(units);
        }
        self.platform.skipped.extend(other.platform.skipped);
        if let Bytes::Iort(_, source) = other.table {
            self.platform.skipped.push(Error { kind: ErrorKind::TableTwice, at: source.at(0) });
        }
        for companion in other.companions {
            self.accompany(companion, Vec::new());
        }
    }

    /// Adds another table, unless there is one with its name.
    fn accompany(&mut self, companion: Companion, skipped: Vec<Error>) {
        let format = companion.source.format();
        if self.companions.iter().any(|other| other.source.format() == format) {
            let at = companion.source.at(0);
            return self.platform.skipped.push(Error { kind: ErrorKind::TableTwice, at });
        }
        self.platform.append(Platform { skipped, ..companion.platform.clone() });
        self.companions.push(companion);
    }

    /// The device tree, if it is one.
    pub fn tree(&self) -> Option<Tree<'_>> {
        match &self.table {
            Bytes::DeviceTree(bytes) => Tree::parse(bytes).ok(),
            _ => None,
        }
    }

    /// The IORT, if it is one.
    pub fn iort(&self) -> Option<Iort<'_>> {
        match &self.table {
            Bytes::Iort(bytes, source) => Iort::parse_as(bytes, *source).ok(),
            _ => None,
        }
    }

    /// Whether it has a table that describes IOMMUs: a device tree, an IORT, a RIMT, a VIOT, a DMAR or an IVRS. An MCFG or a MADT
    /// only adds to one of these.
    pub fn speaks_of_iommus(&self) -> bool {
        !matches!(self.table, Bytes::None) || !self.companions.is_empty()
    }

    /// Why Linux does not boot with it, if so: libfdt's `fdt_check_header` refuses the device tree
    /// ([`Tree::boot_refusal`](crate::dt::Tree::boot_refusal)).
    pub fn boot_refusal(&self) -> Option<&Error> {
        self.platform.skipped.iter().find(|error| matches!(error.kind, ErrorKind::BootRefused(_)))
    }

    /// The function of Linux that requests ACS because of an IOMMU in this firmware; `None` where none does
    /// ([`Format::requests_acs`]).
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::machine::Firmware;
    /// let mut table = Builder::new(6);
    /// table.smmu_v3(0x2b40_0000);
    /// assert_eq!(Firmware::open("iort.bin", table.finish())?.requests_acs(), Some("iort_enable_acs"));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn requests_acs(&self) -> Option<&'static str> {
        self.platform.iommus.iter().find_map(|iommu| iommu.origin.format.requests_acs())
    }

    /// The tables that describe IOMMUs other than an IORT: RIMT, VIOT, DMAR, IVRS.
    pub fn companions(&self) -> impl Iterator<Item = Source> + '_ {
        self.companions.iter().map(|companion| companion.source)
    }

    /// The bytes of one of its ACPI tables that describe IOMMUs, with the bytes after it in its file.
    pub fn table(&self, source: Source) -> Option<&[u8]> {
        match &self.table {
            Bytes::Iort(bytes, iort) if *iort == source => Some(bytes),
            _ => {
                let companion = self.companions.iter().find(|companion| companion.source == source);
                companion.map(|companion| companion.bytes.as_slice())
            }
        }
    }

    /// The facts of each RIMT and VIOT alone, in the order of [`companions`](Firmware::companions); they are in
    /// [`platform`](Firmware::platform), too.
    pub(crate) fn companion_platforms(&self) -> impl Iterator<Item = &Platform> {
        self.companions.iter().map(|companion| &companion.platform)
    }

    /// The place of each record that could not be read, in words: `/soc/pcie@1000 iommu-map, cell 5`. Empty for ACPI tables, whose
    /// offsets are enough. Only the first [`MAX_PLACES`] are looked up, because each look-up walks the tree.
    pub fn places(&self) -> Vec<String> {
        let tree = self.tree().into_iter();
        tree.flat_map(|tree| {
            self.platform.skipped.iter().take(MAX_PLACES).map(move |e| tree.place(e.at.offset).to_string())
        })
        .collect()
    }

    /// The requesters that `name` can mean: a device-tree path or alias; a label of the sources (`vop`, `&vop`) if the tree has
    /// `/__symbols__`; Linux's name for a platform device (`fdd90000.vop`); a node's own name (`vop@fdd90000`, `vop`); a namespace
    /// path (with or without the underscores that pad it); a place such as `IORT+0x8c`.
    ///
    /// A device-tree node with both `iommus` and `iommu-map` is two requesters. A node's own name may mean several nodes:
    /// [`meant`](Firmware::meant) has all of them.
    pub fn requesters_named(&self, name: &str) -> Vec<RequesterIndex> {
        let nodes = self.nodes_named(name);
        let known = RequesterIndex::number(&self.platform.requesters).filter(|(_, requester)| {
            let path = match &requester.kind {
                RequesterKind::Component(component) => Some(component.path.as_bytes()),
                _ => None,
            };
            path.is_some_and(|path| iort::same_path(path, name.as_bytes()))
                || nodes.contains(&requester.origin.at.offset)
                || self.platform.label(requester.origin).to_string() == name
        });
        known.map(|(at, _)| at).collect()
    }

    /// The IOMMU that `name` means: a device-tree path or alias, or a place such as `IORT+0x48`.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::{IommuIndex, machine::Firmware};
    /// let mut table = Builder::new(6);
    /// table.smmu_v3(0x2b40_0000);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// assert_eq!(firmware.iommu_named("IORT+0x30"), Some(IommuIndex(0)));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn iommu_named(&self, name: &str) -> Option<IommuIndex> {
        let node = self.tree().and_then(|tree| tree.find(name)).map(|node| node.offset());
        let mut all = IommuIndex::number(&self.platform.iommus);
        let named = all.find(|(_, iommu)| {
            node == Some(iommu.origin.at.offset) || self.platform.label(iommu.origin).to_string() == name
        });
        named.map(|(at, _)| at)
    }

    /// The firmware's names of the devices that `name` can mean: the masters and buses of
    /// [`requesters_named`](Firmware::requesters_named), and the nodes of PCI functions. There are several where the name of a
    /// device-tree node is not unique; of two with one name in ACPI tables the first is used, as in Linux.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::machine::Firmware;
    /// let mut table = Builder::new(6);
    /// table.root_complex(0);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// assert_eq!(firmware.meant("IORT+0x30"), ["IORT+0x30"]);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn meant(&self, name: &str) -> Vec<String> {
        let requesters = self.requesters_named(name).into_iter().filter_map(|at| {
            let requester = self.platform.requester(at)?;
            Some((requester.origin.at.offset, self.platform.label(requester.origin).to_string()))
        });
        let mut all: Vec<(u32, String)> = requesters.collect();
        let Some(tree) = self.tree() else {
            return all.into_iter().map(|(_, label)| label).take(1).collect();
        };
        if let Ok(index) = tree.index() {
            let nodes = self.nodes_named(name).into_iter().filter_map(|offset| index.at(offset));
            let functions = nodes.filter(|node| index.pci_function(*node).is_some());
            all.extend(functions.map(|node| {
                let offset = index.offset(node);
                (offset, index.place(offset).to_string())
            }));
        }
        all.sort_unstable();
        all.dedup_by_key(|(offset, _)| *offset);
        all.into_iter().map(|(_, label)| label).collect()
    }

    /// Byte offsets of the device-tree nodes that `name` can mean.
    fn nodes_named(&self, name: &str) -> Vec<u32> {
        let Some(tree) = self.tree() else { return Vec::new() };
        if name.starts_with('/') {
            return tree.find(name).map(|node| node.offset()).into_iter().collect();
        }
        let Ok(index) = tree.index() else { return Vec::new() };
        let offsets: BTreeSet<u32> =
            self.platform.requesters.iter().map(|requester| requester.origin.at.offset).collect();
        let is_meant = |node| offsets.contains(&index.offset(node)) || index.pci_function(node).is_some();
        index.named(name, is_meant).into_iter().map(|node| index.offset(node)).collect()
    }

    /// The segment of a bare requester ID: that of the only PCI host, otherwise 0.
    pub(crate) fn segment_of_bare_ids(&self) -> Segment {
        let requesters = RequesterIndex::number(&self.platform.requesters);
        let mut segments = requesters.filter_map(|(at, _)| self.platform.segment_of(at));
        let first = segments.next();
        first.filter(|first| segments.all(|segment| segment == *first)).unwrap_or(Segment(0))
    }

    /// The PCI function whose device-tree node has this name, as in [`requesters_named`](Firmware::requesters_named): its host, and
    /// its requester ID if the tree has the number of its bus.
    pub fn pci_function_named(&self, name: &str) -> Option<(RequesterIndex, Option<RequesterId>)> {
        let index = self.tree()?.index().ok()?;
        let mut nodes = self.nodes_named(name).into_iter().filter_map(|offset| index.at(offset));
        let function = nodes.find_map(|node| index.pci_function(node))?;
        let host = index.offset(function.host);
        let is_host = |r: &Requester| r.origin.at.offset == host && matches!(r.kind, RequesterKind::Bus(_));
        let host = self.platform.requesters.iter().position(is_host)?;
        Some((RequesterIndex::at(host), function.rid))
    }
}

impl Firmware {
    /// The facts in the ACPI tables of one machine. Of each name the first table is used, as in Linux (`acpi_get_table`); any
    /// number of other tables may stand beside an MCFG.
    ///
    /// # Errors
    /// [`ErrorKind::NoFirmwareTable`] where none of the tables is read, and any error that keeps the only one from being read.
    pub(super) fn of_tables(file: &str, Tables { tables, skipped }: Tables<'_>) -> Result<Firmware, Error> {
        let first = tables.first().map(|table| table.source.name);
        let mut found = Firmware {
            file: file.to_string(),
            platform: Platform::default(),
            table: Bytes::None,
            companions: Vec::new(),
        };
        let mut rest = Platform { skipped, ..Platform::default() };
        let mut companions = Vec::new();
        let mut refused = Vec::new();
        for table in tables {
            let source = table.source;
            let mut companion = |platform| {
                let bytes = table.bytes.to_vec();
                companions.push(Companion { source, platform, bytes });
            };
            let read = match source.format() {
                Some(Format::Iort) if matches!(found.table, Bytes::Iort(..)) => {
                    Err(Error { kind: ErrorKind::TableTwice, at: source.at(0) })
                }
                Some(Format::Iort) => {
                    Iort::parse_as(&table.bytes, source).map(|iort| found.platform = iort.platform())
                }
                Some(Format::Rimt) => {
                    Rimt::parse_as(&table.bytes, source).map(|rimt| companion(rimt.platform()))
                }
                Some(Format::Viot) => {
                    Viot::parse_as(&table.bytes, source).map(|viot| companion(viot.platform()))
                }
                Some(Format::Dmar) => {
                    Dmar::parse_as(&table.bytes, source).map(|dmar| companion(dmar.platform()))
                }
                Some(Format::Ivrs) => {
                    Ivrs::parse_as(&table.bytes, source).map(|ivrs| companion(ivrs.platform()))
                }
                Some(Format::DeviceTree) => continue,
                None => match source.first() {
                    Source::MADT => {
                        Madt::parse_as(&table.bytes, source).map(|madt| madt.lower_into(&mut rest))
                    }
                    Source::MCFG => {
                        Mcfg::parse_as(&table.bytes, source).map(|mcfg| mcfg.lower_into(&mut rest))
                    }
                    _ => continue,
                },
            };
            match read {
                Ok(()) if source.format() == Some(Format::Iort) => {
                    found.table = Bytes::Iort(table.bytes.into_owned(), source)
                }
                Ok(()) => {}
                Err(error) => refused.push(error),
            }
        }
        // Machines without a GIC have a MADT, too.
        let no_units = rest.its_units.as_ref().is_none_or(Vec::is_empty);
        let nothing =
            matches!(found.table, Bytes::None) && companions.is_empty() && rest.buses.is_empty() && no_units;
        if nothing {
            let unread = refused.first().or(rest.skipped.first()).copied();
            let kind = ErrorKind::NoFirmwareTable(first.unwrap_or_default());
            return Err(unread.unwrap_or(Error { kind, at: Source::FILE.at(0) }));
        }
        // Without the table that describes its IOMMUs nothing is known about the machine.
        let speaks = !matches!(found.table, Bytes::None) || !companions.is_empty();
        if let Some(error) = refused.iter().find(|error| !speaks && error.at.source.format().is_some()) {
            return Err(*error);
        }
        for companion in companions {
            let skipped = companion.platform.skipped.clone();
            found.accompany(companion, skipped);
        }
        found.platform.buses.append(&mut rest.buses);
        found.platform.its_units = rest.its_units;
        found.platform.skipped.append(&mut rest.skipped);
        found.platform.skipped.append(&mut refused);
        Ok(found)
    }
}

/// The ACPI tables in a file, binary or spelled out in a text. `None` where there are none.
///
/// ```
/// use fwspec::machine::tables_in;
/// let table = fwspec::acpi::iort::Builder::new(6).finish();
/// assert_eq!(tables_in(&table).map(|found| found.tables.len()), Some(1));
/// assert!(tables_in(b"00:00.0 Host bridge: Example").is_none());
/// ```
pub fn tables_in(file: &[u8]) -> Option<Tables<'_>> {
    match recognise(file) {
        Kind::AcpiTable(_) | Kind::AcpiTables(_) => container::tables(file).ok(),
        Kind::AcpidumpText | Kind::Hexdump => Some(dumps::tables(file).0),
        _ => None,
    }
}

fn refused(kind: ErrorKind) -> Error {
    Error { kind, at: Source::FILE.at(0) }
}
