//! Names of the objects of a [`Platform`](crate::Platform): one type for each list, so that none is taken for another.

use core::fmt;

macro_rules! indices {
    ($($(#[$what:meta])* $name:ident, $called:literal;)*) => {$(
        $(#[$what])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The name of the object at a position of the list. Saturates; no list is that long.
            pub fn at(position: usize) -> Self {
                $name(crate::bytes::saturate(position))
            }

            /// The position in the list.
            pub fn position(self) -> usize {
                crate::bytes::index(self.0)
            }

            /// The object's entry in any list that has one entry for each of its kind, in the order of the firmware.
            pub fn entry<T>(self, list: &[T]) -> Option<&T> {
                list.get(self.position())
            }

            /// The entries of such a list, each with the name of its object.
            pub fn number<L: IntoIterator>(list: L) -> core::iter::Zip<core::iter::Map<core::ops::RangeFrom<u32>, fn(u32) -> Self>, L::IntoIter> {
                (0_u32..).map($name as fn(u32) -> Self).zip(list)
            }
        }

        impl From<u32> for $name {
            fn from(position: u32) -> Self {
                $name(position)
            }
        }

        /// By the position, for what has no name in the firmware: [`Platform::name`](crate::Platform::name) has it.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($called, " {}"), self.0)
            }
        }
    )*};
}

indices! {
    /// Names an IOMMU: its position in [`Platform::iommus`](crate::Platform::iommus).
    ///
    /// ```
    /// use fwspec::Platform;
    /// use fwspec::model::IommuIndex;
    /// assert!(Platform::default().iommu(IommuIndex(0)).is_none());
    /// ```
    IommuIndex, "IOMMU";
    /// Names a requester: its position in [`Platform::requesters`](crate::Platform::requesters).
    RequesterIndex, "node";
    /// Names an MSI controller: its position in [`Platform::msi_controllers`](crate::Platform::msi_controllers).
    MsiControllerIndex, "MSI controller";
    /// Names reserved memory: its position in [`Platform::reserved`](crate::Platform::reserved).
    ReservedIndex, "reserved memory";
}
