//! What is wrong, risky or odd in firmware that can be read: data with stable codes. Nothing is printed here.
//!
//! A check is a row of the table in [`Code`]. A row names the codes that make it meaningless if they are present at the same node,
//! or at the table: where mappings reach past the end of a node, the IDs in them are not reported as well.

pub mod audit;
mod beside;
mod bus;
mod code;
mod collect;
mod companion;
mod dt;
mod fix;
mod groups;
mod interval;
mod iort;
mod layout;
mod msi;
mod platform;
mod skipped;
mod streams;
mod x86;

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

pub use code::{Code, Rule, Severity, UnknownCode};
pub use fix::Fix;

use crate::acpi::dmar::Dmar;
use crate::acpi::iort::Iort;
use crate::acpi::ivrs::Ivrs;
use crate::acpi::rimt::Rimt;
use crate::acpi::viot::Viot;
use crate::dt::Tree;
use crate::group::DeviceKey;
use crate::{
    Error, ErrorKind, Groups, Platform,
    error::{At, Source},
};
use collect::Findings;

/// Something in firmware that should not be so.
///
/// Displayed as `IORT+0x8c: error[IORT004]: …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Finding {
    /// Its row of the table.
    pub code: Code,
    /// How bad it is: [`Rule::severity`], or less where the fault costs nothing, unless the user sets another.
    pub severity: Severity,
    /// The node that it is about; the start of the blob where it is about the whole of it.
    pub subject: At,
    /// The bytes that show it.
    pub at: At,
    /// Number of these bytes; 0 where no particular bytes are meant.
    pub len: u32,
    /// One sentence with the values found.
    pub message: String,
    /// The device that it is about, if a topology shows it; `subject` is then the host or node that describes the device.
    pub device: Option<DeviceKey>,
    /// Other places that are involved.
    pub related: Vec<Related>,
}

/// Another place that is involved in a [`Finding`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Related {
    /// Its first byte.
    pub at: At,
    /// Number of its bytes.
    pub len: u32,
    /// What is there.
    pub note: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}[{}]: {}", self.at, self.severity, self.code, self.message)
    }
}

/// All findings about an IORT, from bytes and meaning; `platform` was lowered from it, and may have the buses of an MCFG.
///
/// ```
/// use fwspec::acpi::iort::{Builder, Iort};
/// use fwspec::lint::{self, Code};
/// let mut table = Builder::new(6);
/// let smmu = table.smmu_v3(0x2b40_0000).id();
/// table.root_complex(0).maps(0..=0x1ff, 0, smmu).maps(0x180..=0xffff, 0x1000, smmu);
/// let bytes = table.finish();
/// let iort = Iort::parse(&bytes)?;
/// let findings = lint::iort(&iort, &iort.platform());
/// assert!(findings.iter().any(|finding| finding.code == Code::RangeOverlap));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn iort(iort: &Iort<'_>, platform: &Platform) -> Vec<Finding> {
    let mut findings = Findings::new(iort.sdt().source(), iort.sdt().length());
    let nodes = iort::nodes(iort);
    skipped::check(platform, |at| iort::node_around(&nodes, at), &mut findings);
    iort::check(iort, &nodes, &mut findings);
    platform::check(platform, &mut findings);
    findings.finish()
}

/// All findings about a device tree, from bytes and meaning; `platform` was lowered from it.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let blob = std::fs::read("board.dtb")?;
/// let tree = fwspec::dt::Tree::parse(&blob)?;
/// for finding in fwspec::lint::tree(&tree, &tree.platform()?) {
///     println!("{finding}");
/// }
/// # Ok(())
/// # }
/// ```
pub fn tree(tree: &Tree<'_>, platform: &Platform) -> Vec<Finding> {
    let mut findings = Findings::new(Source::DTB, crate::bytes::saturate(tree.bytes().len()));
    match tree.index() {
        Ok(index) => {
            let starts: Vec<u32> = index.nodes().map(|node| index.offset(node)).collect();
            // Properties come before child nodes, so the last node to begin is the one around them.
            skipped::check(platform, |at| last_before(&starts, at), &mut findings);
            dt::check(&index, platform, &mut findings);
            platform::check(platform, &mut findings);
        }
        Err(error) => skipped::one(&error, 0, &mut findings),
    }
    findings.finish()
}

/// The findings about the facts alone, without the bytes that they were read from: fewer checks than in [`iort`] and [`tree`].
///
/// ```
/// assert!(fwspec::lint::platform(&fwspec::Platform::default()).is_empty());
/// ```
pub fn platform(platform: &Platform) -> Vec<Finding> {
    let mut findings = Findings::new(platform.source.unwrap_or(Source::FILE), u32::MAX);
    facts(platform, &mut findings);
    findings.finish()
}

fn facts(platform: &Platform, findings: &mut Findings) {
    let mut origins: Vec<u32> = platform
        .iommus
        .iter()
        .map(|iommu| iommu.origin)
        .chain(platform.requesters.iter().map(|requester| requester.origin))
        .chain(platform.msi_controllers.iter().map(|controller| controller.origin))
        .chain(platform.reserved.iter().map(|reserved| reserved.origin))
        .map(|origin| origin.at.offset)
        .collect();
    origins.sort_unstable();
    skipped::check(platform, |at| last_before(&origins, at), findings);
    platform::check(platform, findings);
}

/// All findings about a RIMT, from bytes and meaning; `platform` was lowered from it.
///
/// ```
/// use fwspec::acpi::rimt::Rimt;
/// use fwspec::lint::{self, Code};
/// let mut bytes = b"RIMT\x54\0\0\0\x01\0".to_vec();
/// bytes.resize(36, 0);
/// bytes.extend([1, 0, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0]); // one node, at byte 48
/// bytes.extend([1, 1, 36, 0, 2, 0, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0]); // a root complex as in a draft: its mapping is at byte 16
/// bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 48, 0, 0, 0, 0, 0, 0, 0]);
/// let rimt = Rimt::parse(&bytes)?;
/// assert!(lint::rimt(&rimt, &rimt.platform()).iter().any(|finding| finding.code == Code::RimtLayout));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn rimt(rimt: &Rimt<'_>, platform: &Platform) -> Vec<Finding> {
    let mut findings = Findings::new(rimt.sdt().source(), rimt.sdt().length());
    layout::rimt(rimt, &mut findings);
    facts(platform, &mut findings);
    findings.finish()
}

/// All findings about a VIOT, from bytes and meaning; `platform` was lowered from it.
///
/// ```
/// use fwspec::acpi::viot::Viot;
/// use fwspec::lint::{self, Code};
/// let mut bytes = b"VIOT\x40\0\0\0\0".to_vec();
/// bytes.resize(36, 0);
/// bytes.extend([1, 0, 48, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // one node, at byte 48
/// bytes.extend([3, 0, 16, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1]); // a virtio-iommu, with a reserved byte set
/// let viot = Viot::parse(&bytes)?;
/// assert!(lint::viot(&viot, &viot.platform()).iter().any(|finding| finding.code == Code::ViotReserved));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn viot(viot: &Viot<'_>, platform: &Platform) -> Vec<Finding> {
    let mut findings = Findings::new(viot.sdt().source(), viot.sdt().length());
    layout::viot(viot, &mut findings);
    facts(platform, &mut findings);
    findings.finish()
}

/// All findings about a DMAR, from bytes and meaning; `platform` was lowered from it.
///
/// ```
/// use fwspec::acpi::dmar::{Builder, Dmar};
/// use fwspec::lint::{self, Code};
/// let mut table = Builder::new(46);
/// table.unit(0, 0xfed9_0000).raw(&[1, 0, 0, 0, 0, 0]);
/// let bytes = table.finish();
/// let dmar = Dmar::parse(&bytes)?;
/// assert_eq!(lint::dmar(&dmar, &dmar.platform())[0].code, Code::DmarScopeLength);
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn dmar(dmar: &Dmar<'_>, platform: &Platform) -> Vec<Finding> {
    let mut findings = Findings::new(dmar.sdt().source(), dmar.sdt().length());
    let starts = x86::structures(dmar);
    skipped::check(platform, |at| last_before(&starts, at), &mut findings);
    x86::dmar(dmar, platform, &mut findings);
    findings.finish()
}

/// All findings about an IVRS, from bytes and meaning; `platform` was lowered from it.
///
/// ```
/// use fwspec::RequesterId;
/// use fwspec::acpi::ivrs::{Builder, Ivrs};
/// use fwspec::lint::{self, Code};
/// let mut table = Builder::new();
/// table.unit(0x10, 0, RequesterId(2), 0xfeb8_0000).all().entry(0x90, 0, 0, &[]);
/// let bytes = table.finish();
/// let ivrs = Ivrs::parse(&bytes)?;
/// assert_eq!(lint::ivrs(&ivrs, &ivrs.platform())[0].code, Code::IvrsEntryType);
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn ivrs(ivrs: &Ivrs<'_>, platform: &Platform) -> Vec<Finding> {
    let mut findings = Findings::new(ivrs.sdt().source(), ivrs.sdt().length());
    let starts: Vec<u32> = ivrs.blocks().map_while(Result::ok).map(|block| block.at().offset).collect();
    skipped::check(platform, |at| last_before(&starts, at), &mut findings);
    x86::ivrs(ivrs, platform, &mut findings);
    findings.finish()
}

/// The findings about the existing devices, once all are added. The map of `groups` was built from `platform`; `sid_bits` is the
/// width of the SMMUv3s' StreamIDs (SMMU_IDR1.SIDSIZE), if it is known.
///
/// ```
/// use fwspec::{Groups, Platform, lint};
/// assert!(lint::groups(&Groups::without_firmware(), &Platform::default(), None).is_empty());
/// ```
pub fn groups(groups: &Groups, platform: &Platform, sid_bits: Option<u8>) -> Vec<Finding> {
    let mut findings = Findings::new(platform.source.unwrap_or(Source::FILE), u32::MAX);
    groups::check(groups, platform, sid_bits, &mut findings);
    findings.finish()
}

/// The finding for an error that keeps a whole table or tree from being read; `None` for an error about the input, not about
/// firmware.
///
/// ```
/// use fwspec::lint::{self, Code};
/// let error = fwspec::acpi::iort::Iort::parse(b"IORT\xff\0\0\0").unwrap_err();
/// assert_eq!(lint::unreadable(&error).map(|finding| finding.code), Some(Code::TableCut));
/// ```
pub fn unreadable(error: &Error) -> Option<Finding> {
    let about_input = matches!(
        error.kind,
        ErrorKind::Unrecognised(_)
            | ErrorKind::Mangled(_)
            | ErrorKind::Container
            | ErrorKind::NoFirmwareTable(_)
    ) || error.at.source == Source::FILE;
    let tree = error.at.source == Source::DTB;
    let (code, len) = skipped::code(error).or((!about_input).then_some(match tree {
        true => (Code::TreeCut, 4),
        false => (Code::TableCut, 8),
    }))?;
    let code = if tree && code == Code::TableCut { Code::TreeCut } else { code };
    Some(Finding {
        code,
        severity: code.rule().severity,
        subject: error.at.source.at(0),
        at: error.at,
        len,
        message: error.kind.to_string(),
        device: None,
        related: vec![],
    })
}

/// The last of these ascending offsets that is not after `at`; 0 where all are.
fn last_before(starts: &[u32], at: u32) -> u32 {
    let behind = starts.partition_point(|start| *start <= at);
    behind.checked_sub(1).and_then(|position| starts.get(position)).copied().unwrap_or(0)
}
