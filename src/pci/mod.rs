//! What a PCI device is: the facts of its configuration space, where it stands, and what isolates it from its neighbours.

pub mod acs;
mod alias;
mod config;
mod function;
mod identity;
mod kinds;
mod path;
mod placed;
pub mod quirk;
mod sriov;
mod store;
mod topology;
mod traits;
mod upstream;

pub(crate) use acs::Chipset;
pub use acs::{AcsReason, AcsVerdict, Surroundings};
pub use alias::{Alias, AliasMask, Devfns};
pub use function::{Acs, AcsFlags, Ari, Ats, Fact, Function, Header, Ids, PortType};
pub use identity::clear_identity;
pub use path::{Aliases, Bridges};
pub(crate) use placed::PlacedFunction;
pub use sriov::{SrIov, VirtualBuses, VirtualFunctions};
pub(crate) use store::Stored;
pub use topology::{Functions, OrphanBuses, PciError, Topology};
pub(crate) use traits::Openness;
pub use upstream::Missing;
pub(crate) use upstream::Tag;
