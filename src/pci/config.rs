//! Reads a function's facts from its configuration space, however much of it was dumped.

use super::{Acs, AcsFlags, Ari, Ats, Fact, Function, Header, Ids, PortType, SrIov};
use crate::bytes;
use crate::{Error, ErrorKind, error::Source};
use core::iter;
use zerocopy::little_endian::{U16, U32};

/// The name of the bytes in errors.
const CONFIG: Source = Source::table(*b"PCI ");

/// The standard header: nothing can be said of a function with less.
const HEADER: u32 = 64;

/// Capabilities of at least 4 bytes between offset 64 and 256: a longer list is a loop.
const MAX_CAPABILITIES: usize = 48;

/// Extended capabilities of at least 8 bytes between offset 256 and 4096: a longer list is a loop (linux
/// drivers/pci/pci.c `pci_find_next_ext_capability`).
const MAX_EXTENDED: usize = 480;

impl Function {
    /// Reads configuration space: 64 bytes (`lspci -x`), 256 (`-xxx`), 4096 (`-xxxx`) or any number between. Facts past
    /// the end are [`Fact::Unknown`].
    ///
    /// ```
    /// use fwspec::pci::{Fact, Function};
    /// let mut header = [0u8; 64];
    /// header[..4].copy_from_slice(&[0x86, 0x80, 0x21, 0x15]);
    /// header[6] = 0x10; // it has a capability list …
    /// header[0x34] = 0x40; // … that starts after these bytes
    /// let nic = Function::read(&header)?;
    /// assert_eq!((nic.vendor, nic.device, nic.pcie), (0x8086, 0x1521, Fact::Unknown));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] below 64 bytes; [`ErrorKind::NoAnswer`] where these are all `0xff`: no function answers. A virtual
    /// function is not such a case: only its ids read `0xffff`.
    pub fn read(config: &[u8]) -> Result<Function, Error> {
        let Some(header) = config.get(..bytes::index(HEADER)) else {
            let have = bytes::saturate(config.len());
            return Err(Error { kind: ErrorKind::Truncated { need: HEADER, have }, at: CONFIG.at(0) });
        };
        if header.iter().all(|byte| *byte == 0xff) {
            return Err(Error { kind: ErrorKind::NoAnswer, at: CONFIG.at(0) });
        }
        let space = Space(config);
        let [vendor, device] = [space.word(0), space.word(2)].map(Option::unwrap_or_default);
        let virtual_function = vendor == 0xffff;
        let kind = space.byte(0x0e).unwrap_or_default();
        let header = space.header();
        let subsystem = match (header, space.word(0x2c), space.word(0x2e)) {
            (Header::Device, Some(vendor), Some(device)) => Some(Ids { vendor, device }),
            _ => None,
        };
        let express = space.capability(0x10);
        let pcie = express.and_then(|at| space.word(at.checked_add(2)?).map(PortType::from_register));
        let extended = Extended::list(space, pcie);
        Ok(Function {
            vendor,
            device,
            subsystem,
            class: space.dword(8).unwrap_or_default() >> 8,
            header,
            multifunction: kind & 0x80 != 0 && !virtual_function,
            virtual_function,
            pcie,
            acs: extended.acs.and_then(|at| space.acs(at)),
            ari: extended.ari.and_then(|at| Some(Ari { next_function: space.byte(at.checked_add(5)?)? })),
            sriov: extended.sriov.and_then(|at| space.sriov(at)),
            ats: extended
                .ats
                .and_then(|at| Some(Ats { enabled: space.word(at.checked_add(6)?)? & 0x8000 != 0 })),
            rcba: space.rcba(vendor),
        })
    }

    /// Whether configuration space shows a device below a PCI Express port: its link is up, or its slot is not empty (PCIe 6.0
    /// §7.5.3.8, §7.5.3.11). Registers that were not read show nothing.
    pub(crate) fn shows_device_below(config: &[u8]) -> bool {
        let space = Space(config);
        let Fact::Present(at) = space.capability(0x10) else { return false };
        let register = |offset: u32| at.checked_add(offset).and_then(|at| space.word(at)).unwrap_or_default();
        let (flags, link, slot) = (register(0x02), register(0x12), register(0x1a));
        let has_slot = flags & 0x100 != 0;
        link & 0x2000 != 0 || has_slot && slot & 0x40 != 0
    }
}

/// The bytes of configuration space that were read.
#[derive(Clone, Copy)]
pub(super) struct Space<'a>(pub(super) &'a [u8]);

/// The rest of a list is in bytes that were not read.
pub(super) struct NotRead;

impl<'a> Space<'a> {
    fn byte(&self, at: u32) -> Option<u8> {
        self.0.get(bytes::index(at)).copied()
    }

    fn word(&self, at: u32) -> Option<u16> {
        bytes::at::<U16>(self.0, at).map(|word| word.get())
    }

    fn dword(&self, at: u32) -> Option<u32> {
        bytes::at::<U32>(self.0, at).map(|dword| dword.get())
    }

    fn header(&self) -> Header {
        let [secondary, subordinate] = [self.byte(0x19), self.byte(0x1a)].map(Option::unwrap_or_default);
        match self.byte(0x0e).unwrap_or_default() & 0x7f {
            0 => Header::Device,
            1 => Header::Bridge { secondary, subordinate },
            2 => Header::CardBus { secondary, subordinate },
            other => Header::Other(other),
        }
    }

    /// The capabilities in the order of their list, each by its id and its offset.
    pub(super) fn capabilities(self) -> impl Iterator<Item = Result<(u8, u32), NotRead>> + use<'a> {
        let has_list = self.word(6).unwrap_or_default() & 0x10 != 0;
        let first = if matches!(self.header(), Header::CardBus { .. }) { 0x14 } else { 0x34 };
        let mut next = has_list.then(|| self.byte(first));
        let walk = iter::from_fn(move || {
            let Some(at) = next.take()?.map(|at| u32::from(at & 0xfc)) else { return Some(Err(NotRead)) };
            if at < HEADER {
                return None;
            }
            match self.word(at).map(u16::to_le_bytes) {
                Some([0xff, _]) => None,
                Some([id, after]) => {
                    next = Some(Some(after));
                    Some(Ok((id, at)))
                }
                None => Some(Err(NotRead)),
            }
        });
        walk.take(MAX_CAPABILITIES)
    }

    /// The extended capabilities in the order of their list, each by its id and its offset.
    pub(super) fn extended(self) -> impl Iterator<Item = Result<(u16, u32), NotRead>> + use<'a> {
        let mut next = Some(0x100_u32);
        let walk = iter::from_fn(move || {
            let at = next.take()?;
            let Some(header) = self.dword(at) else { return Some(Err(NotRead)) };
            if header == 0 || header == u32::MAX {
                return None;
            }
            next = Some(header >> 20 & 0xffc).filter(|next| *next >= 0x100);
            let [low, high, ..] = header.to_le_bytes();
            Some(Ok((u16::from_le_bytes([low, high]), at)))
        });
        walk.take(MAX_EXTENDED)
    }

    /// The offset of the first capability with this id.
    fn capability(self, id: u8) -> Fact<u32> {
        for capability in self.capabilities() {
            match capability {
                Ok((found, at)) if found == id => return Fact::Present(at),
                Ok(_) => {}
                Err(NotRead) => return Fact::Unknown,
            }
        }
        Fact::Absent
    }

    /// Whether an Intel LPC bridge (an ISA bridge by its class) enables access to the chipset's registers.
    fn rcba(&self, vendor: u16) -> Fact<bool> {
        let is_lpc = vendor == 0x8086 && self.word(0x0a) == Some(0x0601);
        match self.dword(0xf0) {
            _ if !is_lpc => Fact::Absent,
            Some(dword) => Fact::Present(dword & 1 != 0),
            None => Fact::Unknown,
        }
    }

    fn acs(&self, at: u32) -> Option<Acs> {
        Some(Acs {
            capability: AcsFlags(self.word(at.checked_add(4)?)?),
            control: AcsFlags(self.word(at.checked_add(6)?)?),
            next_dword: self.dword(at.checked_add(8)?),
        })
    }

    fn sriov(&self, at: u32) -> Option<SrIov> {
        let word = |offset: u32| self.word(at.checked_add(offset)?);
        Some(SrIov {
            enabled: word(0x08)? & 1 != 0,
            total_vfs: word(0x0e)?,
            num_vfs: word(0x10)?,
            first_vf_offset: word(0x14)?,
            vf_stride: word(0x16)?,
            vf_device: word(0x1a)?,
        })
    }
}

/// The offsets of the extended capabilities that grouping needs.
struct Extended {
    acs: Fact<u32>,
    ari: Fact<u32>,
    sriov: Fact<u32>,
    ats: Fact<u32>,
}

impl Extended {
    fn list(space: Space<'_>, pcie: Fact<PortType>) -> Extended {
        let all = |fact: Fact<u32>| Extended { acs: fact, ari: fact, sriov: fact, ats: fact };
        let mut found = match pcie {
            Fact::Unknown => return all(Fact::Unknown),
            Fact::Absent => return all(Fact::Absent),
            Fact::Present(_) => all(Fact::Absent),
        };
        for capability in space.extended() {
            // The rest of the list was not read: what is not found so far may be in it.
            let Ok((id, at)) = capability else { return found.or_unknown() };
            let place = match id {
                0x0d => Some(&mut found.acs),
                0x0e => Some(&mut found.ari),
                0x0f => Some(&mut found.ats),
                0x10 => Some(&mut found.sriov),
                _ => None,
            };
            if let Some(place @ Fact::Absent) = place {
                *place = Fact::Present(at);
            }
        }
        found
    }

    fn or_unknown(self) -> Extended {
        let unless_found = |fact| if fact == Fact::Absent { Fact::Unknown } else { fact };
        Extended {
            acs: unless_found(self.acs),
            ari: unless_found(self.ari),
            sriov: unless_found(self.sriov),
            ats: unless_found(self.ats),
        }
    }
}

impl Fact<u32> {
    /// Reads what is at the offset; `Unknown` where it is cut off.
    fn and_then<U>(self, read: impl FnOnce(u32) -> Option<U>) -> Fact<U> {
        match self {
            Fact::Present(at) => read(at).map_or(Fact::Unknown, Fact::Present),
            Fact::Absent => Fact::Absent,
            Fact::Unknown => Fact::Unknown,
        }
    }
}

impl PortType {
    /// From the PCI Express Capabilities register.
    fn from_register(register: u16) -> PortType {
        match register.to_le_bytes()[0] >> 4 {
            0 => PortType::Endpoint,
            1 => PortType::LegacyEndpoint,
            4 => PortType::RootPort,
            5 => PortType::UpstreamPort,
            6 => PortType::DownstreamPort,
            7 => PortType::PcieToPci,
            8 => PortType::PciToPcie,
            9 => PortType::RcEndpoint,
            10 => PortType::RcEventCollector,
            other => PortType::Other(other),
        }
    }
}
