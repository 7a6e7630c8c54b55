//! Which devices cannot be isolated from each other: groups, assigned when a device is added to its bus.
//!
//! A tie between two devices is symmetric and depends only on the two, on what is above them and on what firmware says about
//! them. Groups are the connected components of ties. Components have no memory: the partition after any number of adds
//! does not depend on their order, nor on when an IOMMU becomes ready, nor on drivers.

mod acs;
mod affected;
mod asked;
mod assignment;
mod ats;
mod builder;
mod device;
mod devices;
mod engine;
mod entry;
mod event;
mod find;
mod groups;
mod isolation;
mod iter;
mod kept;
mod kernel;
mod msi;
mod names;
mod partition;
mod parts;
mod policy;
mod predictions;
mod proxies;
mod readiness;
mod recompute;
mod refusal;
mod settings;
mod streams;
mod tie;
mod verdict;
mod view;

pub use ats::{Ats, AtsReason};
pub use builder::GroupsBuilder;
pub use device::{Device, DeviceKey};
pub use event::{BusError, Change, Departure, GroupId, How, Placement};
pub use groups::Groups;
pub use isolation::{IsolationBlocker, Relation, Remedy};
pub use iter::{Classes, DeviceKeys, Members, Reasons, TaintedBy, Ties};
pub use kept::KeptMemory;
pub use policy::Policy;
pub use settings::AcsSettings;
pub use tie::{Reason, Tie};
pub use verdict::KernelAnswer;
pub(crate) use verdict::{KernelGroup, KernelTurn};
pub use view::{IommuGroup, IommuGroups};
