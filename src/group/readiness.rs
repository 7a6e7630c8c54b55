//! Which IOMMUs are not ready, and which devices wait for them.

use alloc::collections::{BTreeMap, BTreeSet};

use super::entry::DeviceRef;
use crate::map::Fwspec;
use crate::model::IommuIndex;

/// The IOMMUs that are not ready yet, and the devices that would have a group if they were.
///
/// A device waits for one IOMMU at a time, one that is pending and that its fwspec names; no list of waiting devices is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Readiness {
    pending: BTreeSet<IommuIndex>,
    waiting: BTreeMap<IommuIndex, BTreeSet<DeviceRef>>,
}

impl Readiness {
    /// None of these IOMMUs is ready.
    pub(super) fn awaiting(iommus: impl Iterator<Item = IommuIndex>) -> Self {
        Readiness { pending: iommus.collect(), waiting: BTreeMap::new() }
    }

    /// The IOMMU that has to be ready before a device with this fwspec gets its group.
    pub(super) fn missing(&self, fwspec: Option<&Fwspec>) -> Option<IommuIndex> {
        if self.pending.is_empty() {
            return None;
        }
        fwspec.and_then(|fwspec| iommus(fwspec).find(|iommu| self.pending.contains(iommu)))
    }

    /// Lets a device wait for an IOMMU.
    pub(super) fn wait(&mut self, device: DeviceRef, iommu: IommuIndex) {
        self.waiting.entry(iommu).or_default().insert(device);
    }

    /// Takes a device with this fwspec off the list that it may be on.
    pub(super) fn forget(&mut self, device: DeviceRef, fwspec: &Fwspec) {
        if self.waiting.is_empty() {
            return;
        }
        for iommu in iommus(fwspec) {
            let Some(waiting) = self.waiting.get_mut(&iommu) else { continue };
            waiting.remove(&device);
            if waiting.is_empty() {
                self.waiting.remove(&iommu);
            }
        }
    }

    /// An IOMMU is ready. Returns the devices that waited for it, and which may have to wait for another one.
    pub(super) fn ready(&mut self, iommu: IommuIndex) -> BTreeSet<DeviceRef> {
        self.pending.remove(&iommu);
        self.waiting.remove(&iommu).unwrap_or_default()
    }

    /// Checks what the type promises. `fwspec` says what a device has; `None` where it is not there, or does not wait.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn check<'a>(
        &self,
        fwspec: impl Fn(DeviceRef) -> Option<&'a Fwspec>,
    ) -> Result<(), &'static str> {
        let mut met = BTreeSet::new();
        for (iommu, devices) in &self.waiting {
            if !self.pending.contains(iommu) {
                return Err("a device waits for an IOMMU that is ready");
            }
            if devices.is_empty() {
                return Err("a list without waiting devices");
            }
            for device in devices {
                if !met.insert(*device) {
                    return Err("a device waits for two IOMMUs");
                }
                if !fwspec(*device).is_some_and(|fwspec| iommus(fwspec).any(|named| named == *iommu)) {
                    return Err(
                        "a device waits for an IOMMU of which its fwspec does not speak, or needs no group",
                    );
                }
            }
        }
        Ok(())
    }
}

/// The IOMMUs that a fwspec names, the device's own first.
fn iommus(fwspec: &Fwspec) -> impl Iterator<Item = IommuIndex> + '_ {
    core::iter::once(fwspec.iommu).chain(fwspec.ids.iter().map(|stream| stream.iommu))
}
