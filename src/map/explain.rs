//! Which record answers for an id: the way through the tables step by step, for those who want to see it.

use crate::bytes::index;
use crate::model::IdMapping;

use super::{IdMap, MappedRoute};

impl IdMap {
    /// The records that answer for ids on the bus of a requester, each cut to the ids that it really answers for: disjoint
    /// and ascending by (masked) id. Outputs move along with the cut, offsets are those of the whole record.
    pub fn stream_records(&self, requester: u32) -> impl Iterator<Item = &IdMapping> {
        let table = self.bus(requester).and_then(|bus| bus.streams.as_ref().ok());
        table.into_iter().flat_map(|table| table.index.meeting(0, u32::MAX))
    }

    /// The same for a requester whose MSIs have a table of their own (`msi-map`), inherited ones followed.
    pub fn msi_records(&self, requester: u32) -> impl Iterator<Item = &IdMapping> {
        let table = match self.route_of(requester) {
            Some(MappedRoute::Table(table)) => Some(&table.index),
            _ => None,
        };
        table.into_iter().flat_map(|table| table.meeting(0, u32::MAX))
    }

    /// The same for an IOMMU: from StreamIDs to DeviceIDs (IORT), without the record of its own MSIs.
    pub fn device_records(&self, iommu: u32) -> impl Iterator<Item = &IdMapping> {
        let table = self.iommus.get(index(iommu)).map(|iommu| &iommu.device_ids);
        table.into_iter().flat_map(|table| table.meeting(0, u32::MAX))
    }
}
