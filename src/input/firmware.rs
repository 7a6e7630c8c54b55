//! Firmware that a user has in hand: opened by content, lowered, and able to find its nodes by the names people use.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::acpi::Mcfg;
use crate::acpi::container::{self, Tables};
use crate::acpi::iort::{self, Iort};
use crate::dt::Tree;
use crate::lint::{self, Finding};
use crate::model::RequesterKind;
use crate::{Error, ErrorKind, Platform, Source};

use super::recognise::{Kind, recognise};

/// One opened firmware: its facts, and the bytes they were read from.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// What the user calls it, usually a file name.
    pub file: String,
    /// Its facts.
    pub platform: Platform,
    table: Bytes,
}

/// How many places [`Firmware::places`] looks up: more errors than these nobody reads.
pub const PLACES: usize = 256;

/// The bytes that the facts were read from.
#[derive(Clone, Debug)]
enum Bytes {
    DeviceTree(Vec<u8>),
    Iort(Vec<u8>, Source),
    /// Only tables that say nothing of IOMMUs (MCFG).
    None,
}

impl Firmware {
    /// Opens a device tree, an IORT, an MCFG, several ACPI tables one behind the other, or acpidump text.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::input::Firmware;
    /// let firmware = Firmware::open("iort.bin", Builder::new(6).finish())?;
    /// assert!(firmware.platform.iommus.is_empty());
    /// assert!(Firmware::open("notes.txt", b"not firmware".to_vec()).is_err());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unrecognised`] for anything else, [`ErrorKind::NoFirmwareTable`] for ACPI tables none of which is read
    /// here, and whatever keeps the one table or tree from being read.
    pub fn open(file: &str, bytes: Vec<u8>) -> Result<Self, Error> {
        let kind = recognise(&bytes);
        let (platform, table) = match kind {
            Kind::DeviceTree => (Tree::parse(&bytes)?.platform()?, Bytes::DeviceTree(bytes)),
            Kind::AcpiTable(_) | Kind::AcpiTables(_) | Kind::AcpidumpText => acpi(&bytes)?,
            Kind::LspciText => return Err(refused(ErrorKind::TopologyNotFirmware)),
            Kind::Unknown => {
                let start = bytes.first_chunk().copied().unwrap_or_default();
                return Err(refused(ErrorKind::Unrecognised(start)));
            }
        };
        Ok(Firmware { file: file.to_string(), platform, table })
    }

    /// Adds what another file of the same machine says: the bus ranges of an MCFG beside an IORT.
    pub fn join(&mut self, other: Firmware) {
        if matches!(self.table, Bytes::None) && !matches!(other.table, Bytes::None) {
            let mine = core::mem::replace(self, other);
            return self.join(mine);
        }
        self.platform.buses.extend(other.platform.buses);
        self.platform.skipped.extend(other.platform.skipped);
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

    /// Everything that is wrong, risky or odd in it, in the order of the firmware.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::input::Firmware;
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0x100..=0x1ff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// assert!(firmware.findings().iter().any(|finding| finding.code.rule().name == "dma-hole"));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn findings(&self) -> Vec<Finding> {
        match (self.iort(), self.tree()) {
            (Some(iort), _) => lint::iort(&iort, &self.platform),
            (_, Some(tree)) => lint::tree(&tree, &self.platform),
            _ => lint::platform(&self.platform),
        }
    }

    /// What stands at the place of each record that could not be read, for people: `/soc/pcie@1000 iommu-map, cell 5`. Empty for
    /// ACPI tables, whose offsets say it all. Only the first [`PLACES`] are looked up: each walks the tree.
    pub fn places(&self) -> Vec<String> {
        let tree = self.tree().into_iter();
        tree.flat_map(|tree| {
            self.platform.skipped.iter().take(PLACES).map(move |e| tree.place(e.at.offset).to_string())
        })
        .collect()
    }

    /// The requesters that people may mean by `name`: a device-tree path or alias, a namespace path (with or without the
    /// underscores that pad it), a place such as `IORT+0x8c`. Indices into [`Platform::requesters`]. A device-tree node with
    /// both `iommus` and `iommu-map` is two requesters.
    pub fn requesters_named(&self, name: &str) -> Vec<u32> {
        let node = self.tree().and_then(|tree| tree.find(name)).map(|node| node.offset());
        let known = self.platform.requesters.iter().enumerate().filter(|(_, requester)| {
            let path = match &requester.kind {
                RequesterKind::Component(component) => Some(component.path.as_bytes()),
                _ => None,
            };
            path.is_some_and(|path| iort::same_path(path, name.as_bytes()))
                || node == Some(requester.origin.at.offset)
                || self.platform.label(requester.origin).to_string() == name
        });
        known.map(|(at, _)| crate::bytes::saturate(at)).collect()
    }

    /// Why Linux does not find the named component at this index although people mean it by this name: it compares
    /// namespace paths byte for byte, with every segment padded to four characters.
    pub fn name_mismatch(&self, requester: u32) -> Option<String> {
        let RequesterKind::Component(component) =
            &self.platform.requesters.get(crate::bytes::index(requester))?.kind
        else {
            return None;
        };
        let path = iort::Path::new(component.path.as_bytes());
        (!path.is_padded()).then(|| {
            alloc::format!(
                "Linux does not find it: the table says {}, the kernel compares with every segment padded to four characters",
                component.path
            )
        })
    }
}

/// The IORT and the MCFGs of a file with ACPI tables. The first IORT counts, as it does for Linux (`acpi_get_table`).
fn acpi(bytes: &[u8]) -> Result<(Platform, Bytes), Error> {
    let Tables { tables, skipped } = container::tables(bytes)?;
    let first = tables.first().map(|table| table.source.name);
    let (mut platform, mut kept) = (None, Bytes::None);
    let mut rest = Platform { skipped, ..Platform::default() };
    let mut refused = None;
    for table in tables {
        match &table.source.name {
            b"IORT" if platform.is_none() => match Iort::parse_as(&table.bytes, table.source) {
                Ok(iort) => {
                    platform = Some(iort.platform());
                    kept = Bytes::Iort(table.bytes.into_owned(), table.source);
                }
                Err(error) => refused = refused.or(Some(error)),
            },
            b"IORT" => rest.skipped.push(Error { kind: ErrorKind::TableTwice, at: table.source.at(0) }),
            b"MCFG" => match Mcfg::parse_as(&table.bytes, table.source) {
                Ok(mcfg) => mcfg.lower_into(&mut rest),
                Err(error) => refused = refused.or(Some(error)),
            },
            _ => {}
        }
    }
    if platform.is_none() && rest.buses.is_empty() {
        let unread = refused.or(rest.skipped.first().copied());
        let kind = ErrorKind::NoFirmwareTable(first.unwrap_or_default());
        return Err(unread.unwrap_or(Error { kind, at: Source::FILE.at(0) }));
    }
    rest.skipped.extend(refused);
    let mut platform = platform.unwrap_or_default();
    platform.buses.append(&mut rest.buses);
    platform.skipped.append(&mut rest.skipped);
    Ok((platform, kept))
}

fn refused(kind: ErrorKind) -> Error {
    Error { kind, at: Source::FILE.at(0) }
}
