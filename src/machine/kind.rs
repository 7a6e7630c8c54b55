//! The kinds of evidence.

use core::fmt;

use super::refused::Refused;

/// The kind of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A flattened device tree as a blob; an overlay, too.
    DeviceTree,
    /// A device tree that changes another one, its base.
    Overlay,
    /// A FIT image of U-Boot.
    Fit,
    /// An Android boot image.
    AndroidBoot,
    /// An Android vendor_boot image.
    VendorBoot,
    /// A table of device trees, or of overlays (Android's dtb and dtbo images).
    TreeTable,
    /// An Android sparse image: a partition without its empty blocks.
    AndroidSparse,
    /// A text that spells out bytes: base64, or plain hexadecimal digits.
    Spelled,
    /// A report of `apport`, whose values are texts, or bytes in base64.
    Report,
    /// Bytes of any kind with firmware in them: a kernel with a tree appended, a firmware image.
    Image,
    /// A file compressed by gzip.
    Gzip,
    /// A file compressed by xz.
    Xz,
    /// A file compressed by zstd.
    Zstd,
    /// A file compressed by lz4, in its current frames or in the Linux kernel's.
    Lz4,
    /// A file compressed by LZMA without a container format.
    Lzma,
    /// A file compressed by bzip2.
    Bzip2,
    /// A tar archive.
    Tar,
    /// A zip archive.
    Zip,
    /// One ACPI table, with this signature.
    AcpiTable([u8; 4]),
    /// ACPI tables in a row; the first has this signature.
    AcpiTables([u8; 4]),
    /// The text of `acpidump`.
    AcpidumpText,
    /// The text of `lspci`, with config space in hexadecimal.
    LspciText,
    /// The text of `lspci` in words: `-v` and more, or names only.
    LspciVerbose,
    /// The log of a kernel.
    KernelLog,
    /// The output of a script or of `find` with the kernel's IOMMU groups.
    GroupList,
    /// A blob in the text of `hexdump -C` or `xxd`.
    Hexdump,
    /// The PCI ID database (`pci.ids`).
    PciIds,
    /// A text that is not read, with what to type instead.
    Refused(Refused),
    /// The functions that a running Linux shows in `/sys`, and the decisions of its kernel.
    Sysfs,
    /// A folder with files that are read.
    Folder,
    /// No bytes at all.
    Empty,
    /// Bytes of no kind that is read.
    Unknown,
}

impl Kind {
    /// Whether firmware is read from it: a blob, a text, or a container of them. The content of an archive only shows when it is
    /// unpacked.
    pub fn is_firmware(self) -> bool {
        matches!(
            self,
            Kind::DeviceTree
                | Kind::Overlay
                | Kind::Fit
                | Kind::AndroidBoot
                | Kind::VendorBoot
                | Kind::TreeTable
                | Kind::AndroidSparse
                | Kind::Image
                | Kind::AcpiTable(_)
                | Kind::AcpiTables(_)
                | Kind::AcpidumpText
                | Kind::Hexdump
        )
    }

    /// Whether it is compressed, or an archive.
    pub fn is_archive(self) -> bool {
        matches!(
            self,
            Kind::Gzip | Kind::Xz | Kind::Zstd | Kind::Lz4 | Kind::Lzma | Kind::Bzip2 | Kind::Tar | Kind::Zip
        )
    }

    /// Whether it may hold other evidence.
    pub(super) fn is_container(self) -> bool {
        self.is_archive()
            || matches!(
                self,
                Kind::Fit
                    | Kind::AndroidBoot
                    | Kind::VendorBoot
                    | Kind::TreeTable
                    | Kind::AndroidSparse
                    | Kind::Spelled
                    | Kind::Report
                    | Kind::Image
            )
    }

    /// Whether it lists PCI functions, or a kernel's groups of them.
    pub fn is_listing(self) -> bool {
        matches!(self, Kind::LspciText | Kind::LspciVerbose | Kind::KernelLog | Kind::GroupList)
    }
}

impl fmt::Display for Kind {
    /// One word: `dtb`, `overlay`, `fit`, `android-boot`, `vendor-boot`, `dt-table`, `sparse`, `spelled`, `apport`, `image`, `gzip`, `xz`, `zstd`, `lz4`, `lzma`, `bzip2`, `tar`, `zip`, `iort`, `acpi`, `acpidump`, `hexdump`, `lspci`, `lspci-verbose`, `log`, `groups`, `pci.ids`, `sysfs`, `folder`,
    /// `empty`, `unknown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::DeviceTree => "dtb",
            Kind::Overlay => "overlay",
            Kind::Fit => "fit",
            Kind::AndroidBoot => "android-boot",
            Kind::VendorBoot => "vendor-boot",
            Kind::TreeTable => "dt-table",
            Kind::AndroidSparse => "sparse",
            Kind::Spelled => "spelled",
            Kind::Report => "apport",
            Kind::Image => "image",
            Kind::Gzip => "gzip",
            Kind::Xz => "xz",
            Kind::Zstd => "zstd",
            Kind::Lz4 => "lz4",
            Kind::Lzma => "lzma",
            Kind::Bzip2 => "bzip2",
            Kind::Tar => "tar",
            Kind::Zip => "zip",
            Kind::AcpiTable(signature) => {
                let shown = signature.iter().map(|byte| char::from(byte.to_ascii_lowercase()));
                return shown.filter(char::is_ascii_graphic).try_for_each(|c| fmt::Write::write_char(f, c));
            }
            Kind::AcpiTables(_) => "acpi",
            Kind::AcpidumpText => "acpidump",
            Kind::LspciText => "lspci",
            Kind::LspciVerbose => "lspci-verbose",
            Kind::KernelLog => "log",
            Kind::GroupList => "groups",
            Kind::Hexdump => "hexdump",
            Kind::PciIds => "pci.ids",
            Kind::Refused(refused) => refused.word(),
            Kind::Sysfs => "sysfs",
            Kind::Folder => "folder",
            Kind::Empty => "empty",
            Kind::Unknown => "unknown",
        })
    }
}

/// The signatures of the ACPI tables that this library reads. A table with such a signature is taken for one, however damaged the
/// rest of its header is.
pub const READ_HERE: [&[u8; 4]; 6] = [b"IORT", b"MCFG", b"RIMT", b"VIOT", b"DMAR", b"IVRS"];
