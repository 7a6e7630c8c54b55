//! Who cannot be isolated from whom: groups, assigned when a device is added to its bus.
//!
//! A tie between two devices is symmetric and depends only on the two, on what is above them and on what firmware says of
//! them. Groups are the connected components of ties. Components have no memory: the partition after any number of adds
//! does not depend on their order, nor on when an IOMMU becomes ready, nor on drivers.

mod alone;
mod builder;
mod device;
mod engine;
mod event;
mod find;
mod force;
mod groups;
mod kernel;
mod msi;
mod names;
mod partition;
mod policy;
mod proxy;
mod recompute;
mod streams;
mod tie;
mod view;

pub use alone::{Hindrance, Relation, Remedy};
pub use builder::GroupsBuilder;
pub use device::{Device, DeviceKey, NodeId};
pub use event::{BusError, Change, Departure, GroupId, How, Placement};
pub use groups::Groups;
pub use kernel::KernelAnswer;
pub use policy::Policy;
pub use tie::{Reason, Tie};
pub use view::IommuGroup;
