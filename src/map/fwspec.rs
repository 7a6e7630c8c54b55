//! The record that Linux keeps for a device: its IOMMU, its ids in order, its flags.

use crate::model::{IommuIndex, RequesterIndex};
use alloc::vec::Vec;
use core::iter::FusedIterator;
use core::slice;

use crate::{Bdf, StreamId, dialect::AliasRule};

use super::{Firmware, IdMap, NoStream, Stream, StreamIds};

/// Linux's fwspec (include/linux/iommu.h `struct iommu_fwspec`): the ids are in the order in which the kernel adds them, not
/// sorted, and with repeats.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Fwspec {
    /// The IOMMU of the first id; Linux takes it for the IOMMU of all ids.
    pub iommu: IommuIndex,
    /// The ids, each with the IOMMU that it is on.
    pub ids: StreamIds,
    /// Other IOMMUs that specifiers without cells name, each once: such a specifier adds no id.
    pub others: Vec<IommuIndex>,
    /// What the root complex says about all functions below it.
    pub flags: FwspecFlags,
}

/// Flags of a fwspec (linux `IOMMU_FWSPEC_PCI_RC_ATS`, `IOMMU_FWSPEC_PCI_RC_CANWBS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct FwspecFlags {
    /// The root complex supports ATS. Bit 0.
    pub ats: bool,
    /// DMA is coherent even with attributes that are not write-back. Bit 1; Linux v7.2 and later.
    pub canwbs: bool,
}

/// A record, and what kept it from being complete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FwspecOutcome {
    /// The record; with [`refused`](FwspecOutcome::refused) it holds the ids up to the failing one (ACPI only).
    pub fwspec: Option<Fwspec>,
    /// The first failure.
    pub refused: Option<NoStream>,
    /// The record as far as it was made before Linux threw it away (device tree only).
    pub dropped: Option<Fwspec>,
}

impl Fwspec {
    /// A record without ids or flags.
    pub const fn new(iommu: IommuIndex) -> Self {
        Fwspec {
            iommu,
            ids: StreamIds::new(),
            others: Vec::new(),
            flags: FwspecFlags { ats: false, canwbs: false },
        }
    }

    /// The IOMMUs of the record that do not tell masters apart: they have no id in it.
    pub(crate) fn without_id(&self) -> WithoutId<'_> {
        let first = Some(self.iommu).filter(|first| !self.ids.iter().any(|stream| stream.iommu == *first));
        WithoutId { first, others: self.others.iter() }
    }

    /// The whole record: the IOMMUs without ids, then the ids in their order.
    ///
    /// ```
    /// use fwspec::map::Fwspec;
    /// use fwspec::IommuIndex;
    /// let mut record = Fwspec::new(IommuIndex(0));
    /// record.others.push(IommuIndex(2));
    /// assert!(record.streams().map(|stream| (stream.iommu.0, stream.id)).eq([(0, None), (2, None)]));
    /// ```
    pub fn streams(&self) -> Streams<'_> {
        Streams { bare: self.without_id(), ids: self.ids.iter() }
    }
}

/// IOMMUs of a record that do not tell masters apart, see [`Fwspec::without_id`].
#[derive(Clone, Debug)]
pub(crate) struct WithoutId<'a> {
    first: Option<IommuIndex>,
    others: slice::Iter<'a, IommuIndex>,
}

impl Iterator for WithoutId<'_> {
    type Item = IommuIndex;

    fn next(&mut self) -> Option<IommuIndex> {
        self.first.take().or_else(|| self.others.next().copied())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.others.len().saturating_add(self.first.is_some().into());
        (left, Some(left))
    }
}

impl ExactSizeIterator for WithoutId<'_> {}

impl FusedIterator for WithoutId<'_> {}

/// The whole record, see [`Fwspec::streams`].
#[derive(Clone, Debug)]
pub struct Streams<'a> {
    bare: WithoutId<'a>,
    ids: slice::Iter<'a, Stream>,
}

impl Iterator for Streams<'_> {
    type Item = Stream;

    fn next(&mut self) -> Option<Stream> {
        let bare = self.bare.next().map(|iommu| Stream { iommu, id: None, mask: 0 });
        bare.or_else(|| self.ids.next().copied())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.bare.len().saturating_add(self.ids.len());
        (left, Some(left))
    }
}

impl ExactSizeIterator for Streams<'_> {}

impl FusedIterator for Streams<'_> {}

impl FwspecFlags {
    /// The flags as Linux stores them: bit 0 ATS, bit 1 CANWBS.
    pub fn bits(self) -> u32 {
        u32::from(self.ats) | u32::from(self.canwbs) << 1
    }
}

impl IdMap {
    /// The record of a PCI function with these aliases: their StreamIDs, in the order of the alias walk (its own requester ID first).
    ///
    /// The first alias that fails ends the walk. With ACPI the ids before it stay and the device is translated by them
    /// (linux `iort_iommu_configure_id` frees nothing); with device tree the whole record goes (linux `of_iommu_configure`).
    ///
    /// ```
    /// # use fwspec::{Dialect, IdMap, Platform};
    /// # let map = IdMap::build(&Platform::default(), Dialect::LINUX);
    /// let outcome = map.fwspec_of_aliases(["0000:05:04.0".parse().unwrap(), "0000:05:00.0".parse().unwrap()]);
    /// assert_eq!(outcome.fwspec, None);
    /// assert_eq!(outcome.refused.unwrap().to_string(), "the firmware describes no PCI host bridge of segment 0000");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn fwspec_of_aliases(&self, aliases: impl IntoIterator<Item = Bdf>) -> FwspecOutcome {
        let mut outcome = FwspecOutcome::default();
        let most = match self.dialect.aliases {
            AliasRule::Walk => usize::MAX,
            AliasRule::OwnOnly => 1,
        };
        for alias in aliases.into_iter().take(most) {
            // The unit is chosen once, for all aliases.
            if let Some(iommu) = self.takes_aliases_along(&outcome.fwspec) {
                let stream = Stream { iommu, id: Some(StreamId(u32::from(alias.rid.0))), mask: 0 };
                outcome.fwspec.iter_mut().for_each(|record| record.ids.push(stream));
                continue;
            }
            let appended = self.answer(alias).and_then(|(host, stream)| {
                let flags = self.bus(host).map(|host| host.flags).unwrap_or_default();
                self.append(&mut outcome.fwspec, stream, flags)
            });
            if let Err(refused) = appended {
                outcome.refused = Some(refused);
                break;
            }
        }
        self.settle(outcome)
    }

    /// The record of a named component or device-tree master.
    pub(crate) fn fwspec_of(&self, requester: RequesterIndex) -> FwspecOutcome {
        let mut outcome = FwspecOutcome::default();
        if let Some(refused @ NoStream::NotAdmitted { .. }) = self.own(requester).and_then(|own| own.refused)
        {
            return FwspecOutcome { refused: Some(refused), ..outcome };
        }
        for stream in self.own_streams(requester) {
            if let Err(refused) = self.append(&mut outcome.fwspec, *stream, FwspecFlags::default()) {
                outcome.refused = Some(refused);
                return self.settle(outcome);
            }
        }
        if outcome.fwspec.is_none() {
            outcome.refused = self.own(requester).and_then(|own| own.refused).or(Some(NoStream::NoMap));
        }
        self.settle(outcome)
    }

    /// The record of a device with an id on a bus that is not PCI (fsl-mc, host1x).
    pub(crate) fn fwspec_on_bus(&self, bus: RequesterIndex, id: u32) -> FwspecOutcome {
        let mut outcome = FwspecOutcome::default();
        let flags = self.bus(bus).map(|bus| bus.flags).unwrap_or_default();
        outcome.refused =
            self.stream_from(bus, id).and_then(|s| self.append(&mut outcome.fwspec, s, flags)).err();
        self.settle(outcome)
    }

    /// The StreamIDs that a named component or device-tree master has by itself, including those on IOMMUs that are not available;
    /// [`fwspec`](IdMap::fwspec) takes the state of the IOMMUs into account.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert_eq!(map.own_streams(RequesterIndex(1))[0].id, Some(StreamId(0x9000)));
    /// assert!(map.own_streams(RequesterIndex(0)).is_empty());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn own_streams(&self, requester: RequesterIndex) -> &[Stream] {
        self.own(requester).map_or(&[], |own| &own.streams)
    }

    /// The MSI DeviceIDs that a named component or device-tree master has by itself.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert_eq!(map.device_ids_of(RequesterIndex(1))[0].id, DeviceId(0x1_9000));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn device_ids_of(&self, requester: RequesterIndex) -> &[super::MsiRequest] {
        self.own(requester).map_or(&[], |own| &own.msi)
    }

    fn append(
        &self,
        record: &mut Option<Fwspec>,
        stream: Stream,
        flags: FwspecFlags,
    ) -> Result<(), NoStream> {
        self.usable(stream.iommu)?;
        let record = record.get_or_insert_with(|| Fwspec {
            iommu: stream.iommu,
            ids: StreamIds::new(),
            others: Vec::new(),
            flags,
        });
        if !self.same_driver(record, stream.iommu) {
            return Err(NoStream::TwoKinds);
        }
        // A specifier without cells adds no id, but there is a record.
        record.ids.extend(stream.id.is_some().then_some(stream));
        if stream.id.is_none() && stream.iommu != record.iommu && !record.others.contains(&stream.iommu) {
            record.others.push(stream.iommu);
        }
        Ok(())
    }

    fn settle(&self, outcome: FwspecOutcome) -> FwspecOutcome {
        match (self.firmware, outcome.refused) {
            (Firmware::DeviceTree, Some(_)) => {
                FwspecOutcome { fwspec: None, dropped: outcome.fwspec, refused: outcome.refused }
            }
            _ => outcome,
        }
    }
}
